import assert from 'node:assert/strict';
import { laneOf } from '../../consumer/lanes.ts';
import type { Lease } from '../../consumer/lanes.ts';
import type { Unit } from '../../consumer/unit-of-work.ts';
import { position, START } from '../../event/position.ts';
import type { Store } from '../../store.ts';
import { sampleConsumer, sampleDelivery, sampleRow, sampleUnit } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { claimed, recordOne, sampleEvent, wholeLog } from '../samples.ts';
import { casesOnNodes, heldUnit, knowConsumer, lanesOf, NOT_THE_HOLDER, runs, share, take, Told } from './samples.ts';
import type { NodeStore } from './samples.ts';

/** Everything that a unit of consumer `c` may change. */
async function everything(store: NodeStore): Promise<readonly unknown[]> {
  return [
    await wholeLog(store),
    await store.rows.query('n', { limit: 10 }),
    await store.deliveries.list({ limit: 10 }),
    await store.checkpoints.load('c'),
    await lanesOf(store),
  ];
}

/** Something of every kind, under the number of the commit. */
function fullChanges(number: number): Partial<Unit> {
  return {
    appends: [claimed(sampleEvent(`e${number}`))],
    rows: [sampleRow('k', number)],
    deliveries: { put: [sampleDelivery(number)], remove: [] },
  };
}

function expectHolds(store: Store, unit: Unit, holds: boolean, what: string): Promise<void> {
  return store.unitOfWork.commit(unit).then((outcome) => assert.equal(outcome.ok, holds, what));
}

/** What of others takes the lanes of a consumer, from all who hold some. */
const TAKING: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  'the record is put': ({ checkpoints }) => checkpoints.put(sampleConsumer('c')),
  'the record is changed': ({ checkpoints }) => checkpoints.change('c', { form: sampleConsumer('c').form }, 1),
  'the checkpoint is changed': ({ checkpoints }) =>
    checkpoints.change('c', { checkpoint: { low: START, done: [] } }, 1),
  'a unit without lease puts a delivery': ({ unitOfWork }) =>
    unitOfWork.commit(sampleUnit({ deliveries: { put: [sampleDelivery(1)], remove: [] } })),
  'a unit without lease removes a delivery': ({ unitOfWork }) =>
    unitOfWork.commit(sampleUnit({ deliveries: { put: [], remove: [position(1)] } })),
  'a unit without lease has a checkpoint': ({ unitOfWork }) =>
    unitOfWork.commit(sampleUnit({ checkpoint: { low: START, done: [] } })),
  'the consumer is removed': ({ checkpoints }) => checkpoints.remove('c'),
  'the consumer is removed with its rows': ({ checkpoints }) => checkpoints.remove('c', { rows: ['n'] }),
};

/** Commits of those who hold lanes, and of those who hold them no more (G6). */
export const committingCases: ContractSuite = (bench) => [
  ...casesOnNodes(bench, {
    'a unit under a token that is no more the present one is refused whole, before every other refusal (G6)': async (
      store,
      beside,
    ) => {
      const other = await beside();
      await knowConsumer(store);
      await recordOne(store, sampleEvent('first'));
      const lease = await take(store, 1, 64);
      assert.equal((await store.unitOfWork.commit(heldUnit(lease, 1, 3, fullChanges(1)))).ok, true);
      await share(other, 2, 64, [1]);
      const before = await everything(other);
      const conflict = { appends: [claimed(sampleEvent('x'), [{ stream: 'order-1', version: 99 }])] };
      const late = [
        fullChanges(2),
        { appends: [claimed(sampleEvent('e2'))] },
        { rows: [sampleRow('k', 2)] },
        { deliveries: { put: [], remove: [position(1)] } },
        {},
        conflict,
      ];
      for (const changes of late)
        for (const number of [1, 2])
          assert.deepEqual(await store.unitOfWork.commit(heldUnit(lease, number, 9, changes)), NOT_THE_HOLDER);
      assert.deepEqual(await everything(other), before);
    },

    'a holder of several groups, one of which was taken, is refused on all (G6)': async (store) => {
      await knowConsumer(store);
      const first = await take(store, 1, 30);
      await store.unitOfWork.commit(heldUnit(first, 1, 5));
      const lease = await take(store, 1, 64);
      assert.equal(lease.groups.length, 2);
      await expectHolds(store, heldUnit(lease, 1, 6, fullChanges(1)), true, 'both are held');
      const [, second] = lease.groups;
      await store.cluster.changeLanes('c', (groups) =>
        groups.map((group) =>
          group.lanes[0] === second?.lanes[0] ? { ...group, holder: 2, token: group.token + 1 } : group,
        ),
      );
      const before = await everything(store);
      assert.deepEqual(await store.unitOfWork.commit(heldUnit(lease, 2, 7, fullChanges(2))), NOT_THE_HOLDER);
      assert.deepEqual(await everything(store), before);
    },

    'a commit that comes after its successor changes nothing; the last one may come again, and changes nothing either (G2, G6)':
      async (store) => {
        await knowConsumer(store);
        const lease = await take(store, 1, 64);
        const units = [1, 2, 3, 4].map((number) => heldUnit(lease, number, number + 2, fullChanges(number)));
        for (const unit of units) await expectHolds(store, unit, true, 'in turn');
        const before = await everything(store);
        for (const unit of units.slice(0, -1)) assert.deepEqual(await store.unitOfWork.commit(unit), NOT_THE_HOLDER);
        assert.deepEqual(await store.unitOfWork.commit(heldUnit(lease, 6, 9, fullChanges(6))), NOT_THE_HOLDER);
        await expectHolds(store, heldUnit(lease, 4, 6, fullChanges(4)), true, 'the last one again');
        assert.deepEqual(await everything(store), before);
        await expectHolds(store, heldUnit(lease, 5, 7, fullChanges(5)), true, 'the next one');
      },

    'under a new token commits count from 1 again': async (store) => {
      await knowConsumer(store);
      for (let taking = 0; taking < 3; taking += 1) {
        const lease = await take(store, 1, 64);
        for (const number of [1, 2])
          await expectHolds(store, heldUnit(lease, number, taking * 2 + number), true, `taking ${taking}`);
        await share(store, 1, 0);
      }
    },

    'an operator at the node of a holder takes the lanes of all others, and none of its own (G7)': async (
      store,
      beside,
    ) => {
      const other = await beside();
      await knowConsumer(store);
      const mine = await take(store, 1, 24);
      const theirs = await take(other, 2, 40);
      await expectHolds(
        store,
        sampleUnit({
          deliveries: { put: [], remove: [position(1)] },
          lease: { token: mine.token, number: 0, checkpoints: [] },
        }),
        true,
        'the operator',
      );
      await expectHolds(other, heldUnit(theirs, 1, 1), false, 'the other holder');
      await expectHolds(store, heldUnit(mine, 1, 1), true, 'the holder at the same node');
    },

    'a delivery that goes to a key of another holder takes the lanes of that one, and of no third (G7)': async (
      store,
      beside,
    ) => {
      const other = await beside();
      await knowConsumer(store);
      const leases = [await take(store, 1, 24), await take(other, 2, 20), await take(other, 3, 20)] as const;
      const [mine, theirs, third] = leases;
      const keyOf = ({ groups }: Lease) => {
        const lanes = new Set(groups.flatMap((group) => group.lanes));
        return Array.from({ length: 1_000 }, (_, n) => `k${n}`).find((key) => lanes.has(laneOf(key))) ?? '';
      };
      const moved = (key: string) => ({ deliveries: { put: [sampleDelivery(1, { key })], remove: [] } });
      await expectHolds(store, heldUnit(mine, 1, 1, moved(keyOf(mine))), true, 'to a key of its own');
      await expectHolds(other, heldUnit(theirs, 1, 1), true, 'which takes nothing');
      await expectHolds(store, heldUnit(mine, 2, 2, moved(keyOf(theirs))), true, 'to a key of another');
      await expectHolds(other, heldUnit(theirs, 2, 2), false, 'which takes its lanes');
      await expectHolds(other, heldUnit(third, 1, 2), true, 'and none of a third');
      await expectHolds(store, heldUnit(mine, 3, 3), true, 'and none of its own');
    },

    'making a known consumer again takes no lanes from anybody': async (store, beside) => {
      const other = await beside();
      await knowConsumer(store);
      const lease = await take(store, 1, 64);
      await other.checkpoints.create(sampleConsumer('c'));
      await expectHolds(store, heldUnit(lease, 1, 1), true, 'it still holds them');
    },
  }),
  ...casesOnNodes(
    bench,
    Object.fromEntries(
      Object.entries(TAKING).map(([what, act]) => [
        `when ${what}, all holders lose their lanes and are told (G6, G7)`,
        async (store: NodeStore, beside: () => Promise<NodeStore>) => {
          const other = await beside();
          await knowConsumer(store);
          const told = new Told();
          const node = await store.cluster.join(runs('c'), told);
          const mine = await take(store, node, 40);
          const theirs = await take(other, node + 1, 24);
          await expectHolds(store, heldUnit(mine, 1, 1), true, 'before');
          await told.changeAfter(() => act(other));
          await expectHolds(store, heldUnit(mine, 2, 2), false, 'the lanes here');
          await expectHolds(other, heldUnit(theirs, 1, 2), false, 'the lanes there');
        },
      ]),
    ),
  ),
];
