import assert from 'node:assert/strict';
import type { NodeId } from '../../consumer/lanes.ts';
import { Closed } from '../../errors.ts';
import { systemClock, waitFor } from '../../system/clock.ts';
import type { ContractSuite } from '../contract-case.ts';
import { casesOnNodes, heldUnit, knowConsumer, lanesOf, NOT_THE_HOLDER, runs, share, take, Told } from './samples.ts';
import type { NodeStore } from './samples.ts';

async function idsAt(store: NodeStore): Promise<readonly NodeId[]> {
  return (await store.cluster.view()).nodes.map(({ id }) => id).sort((left, right) => left - right);
}

/** As a process that is stopped: nothing runs in it, no lease is renewed. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Being a node among others: from joining to leaving, or to the end of a lease. */
export const membershipCases: ContractSuite = (bench) =>
  casesOnNodes(bench, {
    'a node is in the view of every store from joining to leaving, with the consumers that it runs': async (
      store,
      beside,
    ) => {
      const other = await beside();
      const consumers = ['c', 'größer als – 漢字 👍'];
      const first = await store.cluster.join(runs(...consumers), new Told());
      const second = await other.cluster.join(runs(), new Told());
      for (const { cluster } of [store, other, await beside()]) {
        const { nodes } = await cluster.view();
        assert.deepEqual(
          [...nodes].sort((left, right) => left.id - right.id),
          [
            { id: first, ...runs(...consumers) },
            { id: second, ...runs() },
          ].sort((left, right) => left.id - right.id),
        );
      }
      await store.cluster.leave();
      assert.deepEqual([await idsAt(store), await idsAt(other)], [[second], [second]]);
    },

    'what a node announces is in the view of every store, others are told, and it has that too when it joins again':
      async (store, beside) => {
        const other = await beside();
        const told = new Told();
        await other.cluster.announce(runs('nothing, of who is no member'));
        await store.cluster.join(runs('c', 'd'), new Told());
        await other.cluster.join(runs(), told);
        const work = { consumers: ['d', '漢字'], receiving: ['漢字'] };
        await told.changeAfter(() => store.cluster.announce(work));
        const seen = (await other.cluster.view()).nodes.map(({ consumers, receiving }) => ({ consumers, receiving }));
        assert.deepEqual(seen, [work, runs()]);
      },

    'every joining has an id that no other has had (G6)': async (store, beside) => {
      const other = await beside();
      const ids: NodeId[] = [];
      for (let again = 0; again < 3; again += 1) {
        for (const { cluster } of [store, other]) ids.push(await cluster.join(runs('c'), new Told()));
        await store.cluster.leave();
        await other.cluster.leave();
      }
      assert.equal(new Set(ids).size, ids.length, `ids ${ids.join(' ')}`);
    },

    'members are told when another joins and when it leaves': async (store, beside) => {
      const told = new Told();
      await store.cluster.join(runs('c'), told);
      const { cluster } = await beside();
      await told.changeAfter(() => cluster.join(runs('c'), new Told()));
      await told.changeAfter(() => cluster.leave());
    },

    'leaving lets go of all lanes: nobody holds them, others are told, and nothing is committed on them any more (G6)':
      async (store, beside) => {
        const other = await beside();
        await knowConsumer(store);
        const told = new Told();
        await other.cluster.join(runs('c'), told);
        const node = await store.cluster.join(runs('c'), new Told());
        const lease = await take(store, node, 40);
        await told.changeAfter(() => store.cluster.leave());
        assert.ok((await lanesOf(other)).every(({ holder }) => holder === undefined));
        assert.deepEqual(await store.unitOfWork.commit(heldUnit(lease, 1, 5)), NOT_THE_HOLDER);
      },

    'a node stays a member past the end of its first lease, for as long as it runs': async (store, beside) => {
      const other = await beside();
      const told = new Told();
      const node = await store.cluster.join(runs('c'), told);
      await waitFor(systemClock, store.cluster.leaseMs * 1.5);
      assert.deepEqual([await idsAt(other), told.expulsions], [[node], []]);
    },

    'a node that stood still for longer than its lease is told so, and then that it is a member under another id; others take what it held, and it commits nothing on that (G6)':
      async (store, beside) => {
        const other = await beside();
        await knowConsumer(store);
        const told = new Told();
        const node = await store.cluster.join(runs('c'), told);
        const lease = await take(store, node, 64);
        standStill(store.cluster.leaseMs * 1.2);
        await told.until(() => told.expulsions.length >= 2);
        const again = told.expulsions[1];
        assert.equal(told.expulsions[0], 'expelled');
        assert.ok(typeof again === 'number' && again !== node, `it is a member as ${again}, no more as ${node}`);
        assert.deepEqual(await idsAt(other), [again]);
        const taker = await other.cluster.join(runs('c'), new Told());
        const groups = await share(other, taker, 64, [node]);
        assert.deepEqual(
          groups.map(({ lanes, holder }) => [lanes.length, holder]),
          [[64, taker]],
        );
        assert.deepEqual(await store.unitOfWork.commit(heldUnit(lease, 1, 5)), NOT_THE_HOLDER);
      },

    'refuses every call after close': async (store, beside) => {
      const { cluster } = store;
      await cluster.join(runs('c'), new Told());
      await beside();
      await store.close();
      const calls = {
        join: () => cluster.join(runs('c'), new Told()),
        view: () => cluster.view(),
        changeLanes: () => cluster.changeLanes('c', (groups) => groups),
        due: () => cluster.due('c', [0], 1, 1),
        nextDueMs: () => cluster.nextDueMs('c', [0], 1),
      };
      for (const [name, call] of Object.entries(calls)) await assert.rejects(call, Closed, name);
    },
  });
