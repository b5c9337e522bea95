import assert from 'node:assert/strict';
import { LANES, rebalanced } from '../../consumer/lanes.ts';
import type { LaneGroup } from '../../consumer/lanes.ts';
import { position, START } from '../../event/position.ts';
import { sampleConsumer } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { at, only } from '../samples.ts';
import { casesOnNodes, heldUnit, inOrder, knowConsumer, lanesOf, runs, share, take, Told } from './samples.ts';
import type { NodeStore } from './samples.ts';

const ALL = Array.from({ length: LANES }, (_, lane) => lane);

/** Changes nothing, and remembers what it was given. */
async function looked(store: NodeStore, consumer = 'c'): Promise<readonly LaneGroup[]> {
  let seen: readonly LaneGroup[] = [];
  const answer = await store.cluster.changeLanes(consumer, (groups) => (seen = groups));
  assert.deepEqual(inOrder(answer), inOrder(seen));
  return inOrder(seen);
}

/** Lanes of a consumer change hands. */
export const changingCases: ContractSuite = (bench) =>
  casesOnNodes(bench, {
    'a consumer that was made known has all its lanes in one group, which nobody holds': async (store, beside) => {
      const checkpoint = { low: position(7), done: [[position(9), position(12)]] as const };
      await store.checkpoints.create(sampleConsumer('c', { checkpoint }));
      const { token, ...group } = only(await lanesOf(await beside()));
      assert.deepEqual(group, { lanes: ALL, checkpoint, holder: undefined });
      assert.ok(Number.isSafeInteger(token));
    },

    'what a change answers is what every store sees then, and the next change gets': async (store, beside) => {
      const other = await beside();
      await knowConsumer(store);
      const first = only(await looked(store));
      const groups: readonly LaneGroup[] = [
        { ...first, lanes: ALL.slice(0, 3), holder: 1, token: first.token + 1 },
        {
          lanes: ALL.slice(3, 60),
          holder: 2,
          token: first.token + 7,
          checkpoint: { low: position(5), done: [[position(8), position(40_000)]] },
        },
        { ...first, lanes: ALL.slice(60), holder: undefined, token: first.token + 2 },
      ];
      assert.deepEqual(await store.cluster.changeLanes('c', () => groups), groups);
      for (const each of [store, other]) assert.deepEqual([await looked(each), await lanesOf(each)], [groups, groups]);
      assert.deepEqual((await other.checkpoints.load('c'))?.checkpoint, { low: START, done: [] });
    },

    'a change is told who is a member as of then, also of one that has joined since anybody looked (G6)': async (
      store,
      beside,
    ) => {
      const other = await beside();
      await knowConsumer(store);
      const first = await store.cluster.join(runs('c'), new Told());
      let asked: readonly boolean[] = [];
      const ask = (...nodes: readonly number[]) =>
        other.cluster.changeLanes('c', (groups, isMember) => {
          asked = nodes.map((node) => isMember(node));
          return groups;
        });
      await ask(first, first + 1_000);
      assert.deepEqual(asked, [true, false]);
      const second = await other.cluster.join(runs('c'), new Told());
      await ask(first, second);
      assert.deepEqual(asked, [true, true]);
      await store.cluster.leave();
      await ask(first, second);
      assert.deepEqual(asked, [false, true]);
    },

    'of consumers that are not known or paused a change gets no lanes, and changes none': async (store, beside) => {
      const other = await beside();
      assert.deepEqual(await looked(store, 'never'), []);
      await knowConsumer(store);
      const lease = await take(store, 1, 64);
      assert.equal((await looked(other)).length, 1);
      await store.checkpoints.change('c', { paused: { sinceMs: 5, reason: 'r' } }, 5);
      assert.deepEqual(await share(other, 2, 64, [1]), []);
      const view = await other.cluster.view();
      assert.deepEqual([view.lanes.has('c'), view.paused.get('c')?.length], [false, 1]);
      await store.checkpoints.change('c', { paused: undefined }, 6);
      const { holder, token } = only(await lanesOf(other));
      assert.equal(holder, undefined);
      assert.ok(token > lease.token, 'a pause takes the lanes from their holder');
    },

    'a change that needs all lanes at one place is refused where they are not, and changes nothing (G6)': async (
      store,
      beside,
    ) => {
      const other = await beside();
      await knowConsumer(store);
      const lease = await take(store, 1, 32);
      await take(other, 2, 32);
      const form = { ...sampleConsumer('c').form, keyedBy: 'another' };
      const change = () => other.checkpoints.change('c', { form, together: true }, 9);
      await change();
      assert.equal((await store.checkpoints.load('c'))?.form.keyedBy, 'another');
      const again = await take(store, 1, 32);
      assert.ok(again.token > lease.token, 'the change has taken the lanes');
      assert.equal((await store.unitOfWork.commit(heldUnit(again, 1, 3))).ok, true);
      await store.checkpoints.change('c', { form: sampleConsumer('c').form }, 10);
      await assert.rejects(change, { code: 'wrong-state' });
      assert.deepEqual((await other.checkpoints.load('c'))?.form, sampleConsumer('c').form);
    },

    'lanes that differ only in what does not concern the consumer are joined, as long as they are in the stretch that is named (G6)':
      async (store, beside) => {
        const other = await beside();
        await knowConsumer(store);
        const form = { ...sampleConsumer('c').form, keyedBy: 'another' };
        const change = (from: number, to: number) =>
          other.checkpoints.change('c', { form, together: { from: position(from), to: position(to) } }, 9);
        const lease = await take(store, 1, 32);
        assert.equal((await store.unitOfWork.commit(heldUnit(lease, 1, 3))).ok, true);
        const places = (await lanesOf(store)).map(({ checkpoint }) => checkpoint.low).sort((a, b) => a - b);
        const [low = 0, high = 0] = places;
        assert.ok(low < high);
        await assert.rejects(change(low, high - 1), { code: 'wrong-state' });
        await assert.rejects(change(low + 1, high), { code: 'wrong-state' });
        assert.deepEqual((await other.checkpoints.load('c'))?.form, sampleConsumer('c').form);
        assert.equal((await change(low, high))?.checkpoint.low, high);
        assert.deepEqual(only(await lanesOf(other)).checkpoint, { low: high, done: [] });
        assert.equal((await store.unitOfWork.commit(heldUnit(lease, 2, 4))).ok, false);
        await change(low, low);
        assert.equal(only(await lanesOf(other)).checkpoint.low, high, 'lanes at one place stay there');
      },

    'a consumer that was forgotten and made again has higher tokens than before (G6)': async (store) => {
      await knowConsumer(store);
      let highest = 0;
      for (let again = 0; again < 5; again += 1) {
        const lease = await take(store, 1, 64);
        assert.ok(lease.token > highest);
        highest = lease.token;
        await store.checkpoints.remove('c');
        assert.deepEqual([await looked(store), (await store.cluster.view()).lanes.has('c')], [[], false]);
        assert.equal((await store.unitOfWork.commit(heldUnit(lease, 1, 3))).ok, false);
        await store.checkpoints.create(sampleConsumer('c'));
        assert.equal((await store.unitOfWork.commit(heldUnit(lease, 1, 3))).ok, false);
      }
    },

    'of many changes at once, by several nodes, each gets what the one before it left (G6)': async (store, beside) => {
      const stores = [store, await beside(), await beside()];
      await knowConsumer(store);
      const before = only(await lanesOf(store));
      const rise = (groups: readonly LaneGroup[]) => groups.map((group) => ({ ...group, token: group.token + 1 }));
      await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          at(stores, index % 3).cluster.changeLanes('c', (groups) => rise(groups)),
        ),
      );
      assert.deepEqual(await lanesOf(store), [{ ...before, token: before.token + 30 }]);
    },

    'a change excludes the commits of holders: it gets what the last accepted one wrote, and no later one is accepted (G6)':
      async (store, beside) => {
        const other = await beside();
        await knowConsumer(store);
        for (let round = 0; round < 5; round += 1) {
          const lease = await take(store, 1, 64);
          let accepted: number = lease.groups[0]?.checkpoint.low ?? START;
          const begun = Promise.withResolvers<void>();
          const committing = (async () => {
            for (let number = 1; ; number += 1) {
              if (!(await store.unitOfWork.commit(heldUnit(lease, number, accepted + 1))).ok) return;
              accepted += 1;
              if (number === 3) begun.resolve();
            }
          })();
          await begun.promise;
          const { checkpoint } = only(await share(other, 2, 64, [1]));
          await committing;
          assert.equal(checkpoint.low, accepted);
          await share(other, 2, 0);
        }
      },

    'members are told when lanes change hands, also who changes them': async (store, beside) => {
      await knowConsumer(store);
      const other = await beside();
      const [told, own] = [new Told(), new Told()];
      await store.cluster.join(runs('c'), told);
      const node = await other.cluster.join(runs('c'), own);
      for (const quota of [64, 10]) await told.changeAfter(() => share(other, node, quota));
      for (const quota of [20, 0]) await own.changeAfter(() => share(other, node, quota));
    },

    'each lane keeps its own checkpoint when lanes are parted and joined; the record says what all have in common (G6)':
      async (store, beside) => {
        const other = await beside();
        await knowConsumer(store);
        const left = await take(store, 1, 40);
        const right = await take(other, 2, 24);
        await store.unitOfWork.commit(heldUnit(left, 1, 5));
        await other.unitOfWork.commit(heldUnit(right, 1, 8));
        assert.equal((await store.checkpoints.load('c'))?.checkpoint.low, 5);
        const before = await lanesOf(store);
        const groups = await store.cluster.changeLanes('c', (seen) => rebalanced(seen, 3, 64, (id) => id === 3));
        assert.equal(groups.flatMap(({ lanes }) => lanes).length, LANES);
        for (const { lanes, checkpoint, holder } of groups) {
          assert.equal(holder, 3);
          for (const lane of lanes)
            assert.deepEqual(checkpoint, before.find((group) => group.lanes.includes(lane))?.checkpoint);
        }
      },

    'a change that fails changes nothing': async (store) => {
      await knowConsumer(store);
      await take(store, 1, 10);
      const before = await lanesOf(store);
      await assert.rejects(
        store.cluster.changeLanes('c', () => {
          throw new TypeError('no');
        }),
      );
      assert.deepEqual(await lanesOf(store), before);
      assert.equal((await take(store, 2, 54)).groups.length, 1);
    },
  });
