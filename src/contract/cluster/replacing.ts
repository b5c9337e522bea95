import assert from 'node:assert/strict';
import { rebalanced } from '../../consumer/lanes.ts';
import type { Lease } from '../../consumer/lanes.ts';
import { position } from '../../event/position.ts';
import { sampleConsumer, sampleRow } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { casesOnNodes, heldUnit, knowConsumer, lanesOf, NOT_THE_HOLDER, take, Told, runs } from './samples.ts';
import type { NodeStore } from './samples.ts';

const REPLACEMENT = { by: 'b', form: sampleConsumer('c').form, rows: [{ from: 'n2', to: 'n' }] };

/** Lets a node take lanes of consumer `b`, which is made known where it is not. */
async function takeOfOther(store: NodeStore, node: number, quota: number): Promise<Lease> {
  await store.checkpoints.create(sampleConsumer('b'));
  const groups = await store.cluster.changeLanes('b', (seen) => rebalanced(seen, node, quota, () => true));
  const mine = groups.filter(({ holder }) => holder === node);
  return { token: mine[0]?.token ?? 0, groups: mine };
}

function ofOther(lease: Lease, number: number, low: number, rows: Parameters<typeof heldUnit>[3] = {}) {
  return { ...heldUnit(lease, number, low, rows), consumer: 'b' };
}

/** One consumer takes the place of another whose lanes are at several nodes. */
export const replacingCases: ContractSuite = (bench) =>
  casesOnNodes(bench, {
    'who takes the place of a consumer brings its lanes with the checkpoint of each, which nobody holds then (G6)':
      async (store, beside) => {
        const other = await beside();
        await knowConsumer(store);
        const held = await take(store, 1, 64);
        assert.equal((await store.unitOfWork.commit(heldUnit(held, 1, 3))).ok, true);
        const [left, right] = [await takeOfOther(store, 1, 40), await takeOfOther(other, 2, 24)];
        assert.equal((await store.unitOfWork.commit(ofOther(left, 1, 5))).ok, true);
        assert.equal((await other.unitOfWork.commit(ofOther(right, 1, 8))).ok, true);
        const replaced = await other.checkpoints.replace('c', REPLACEMENT, 99);
        assert.equal(replaced?.checkpoint.low, 5);
        const groups = await lanesOf(store);
        assert.deepEqual(
          groups.map(({ lanes, checkpoint, holder }) => [lanes.length, checkpoint.low, holder]),
          [
            [40, 5, undefined],
            [24, 8, undefined],
          ],
        );
        for (const { token } of groups) assert.ok(token > held.token && token > left.token && token > right.token);
        const view = await store.cluster.view();
        assert.equal(view.lanes.has('b'), false);
      },

    'what holders of either commit afterwards is refused, and so are their rows (G6)': async (store, beside) => {
      const other = await beside();
      await knowConsumer(store);
      const held = await take(store, 1, 64);
      const built = await takeOfOther(other, 2, 64);
      assert.equal(
        (await other.unitOfWork.commit(ofOther(built, 1, 5, { rows: [sampleRow('k', 5, {}, 'n2')] }))).ok,
        true,
      );
      await other.checkpoints.replace('c', REPLACEMENT, 99);
      assert.deepEqual(
        await store.unitOfWork.commit(heldUnit(held, 1, 9, { rows: [sampleRow('k', 'late')] })),
        NOT_THE_HOLDER,
      );
      assert.deepEqual(
        await other.unitOfWork.commit(ofOther(built, 2, 9, { rows: [sampleRow('k', 'late', {}, 'n2')] })),
        NOT_THE_HOLDER,
      );
      assert.deepEqual([await store.rows.get('n', 'k'), await store.rows.count('n2')], [5, 0]);
      const lease = await take(store, 1, 64);
      assert.equal(lease.groups[0]?.checkpoint.low, 5);
      assert.equal((await store.unitOfWork.commit(heldUnit(lease, 1, 6, { rows: [sampleRow('k', 6)] }))).ok, true);
    },

    'who is behind on a single lane does not take the place, and all keep their lanes (G6)': async (store, beside) => {
      const other = await beside();
      await knowConsumer(store);
      const held = await take(store, 1, 64);
      assert.equal((await store.unitOfWork.commit(heldUnit(held, 1, 5))).ok, true);
      const [left, right] = [await takeOfOther(store, 1, 63), await takeOfOther(other, 2, 1)];
      assert.equal((await store.unitOfWork.commit(ofOther(left, 1, 9))).ok, true);
      assert.equal((await other.unitOfWork.commit(ofOther(right, 1, 4))).ok, true);
      const replace = () => other.checkpoints.replace('c', REPLACEMENT, 99);
      await assert.rejects(replace, { code: 'wrong-state' });
      assert.equal((await store.unitOfWork.commit(heldUnit(held, 2, 6))).ok, true);
      assert.equal((await other.unitOfWork.commit(ofOther(right, 2, 6))).ok, true);
      assert.equal((await replace())?.checkpoint.low, 6);
    },

    'while holders of both commit as fast as they can one takes the place of the other, and nothing that was done is undone (G6)':
      async (store, beside) => {
        const other = await beside();
        await knowConsumer(store);
        const held = await take(store, 1, 64);
        const built = await takeOfOther(other, 2, 64);
        const [done, begun] = [{ c: 0, b: 0 }, Promise.withResolvers<void>()];
        const committing = async (
          on: NodeStore,
          unit: (number: number) => ReturnType<typeof heldUnit>,
          of: 'b' | 'c',
        ) => {
          for (let number = 1; (await on.unitOfWork.commit(unit(number))).ok; number += 1) {
            done[of] = number;
            if (number === 3) begun.resolve();
          }
        };
        const holders = [
          committing(store, (number) => heldUnit(held, number, number), 'c'),
          // Always a little ahead, so that the place is taken at once.
          committing(other, (number) => ofOther(built, number, number * 50), 'b'),
        ];
        await begun.promise;
        const replaced = await other.checkpoints.replace('c', REPLACEMENT, 99);
        await Promise.all(holders);
        assert.equal(replaced?.checkpoint.low, position(done.b * 50));
        assert.ok(replaced.checkpoint.low >= done.c);
      },

    'members are told when one consumer takes the place of another': async (store, beside) => {
      const other = await beside();
      await knowConsumer(store);
      await store.checkpoints.create(sampleConsumer('b'));
      const told = new Told();
      await store.cluster.join(runs('c', 'b'), told);
      await told.changeAfter(() => other.checkpoints.replace('c', REPLACEMENT, 99));
    },
  });
