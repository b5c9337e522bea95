import assert from 'node:assert/strict';
import type { Checkpoint } from '../consumer/checkpoint-store.ts';
import { BEFORE_ALL, position } from '../event/position.ts';
import type { Store } from '../store.ts';
import { putDeliveries, putRows, sampleConsumer, sampleDelivery, sampleRow, sampleUnit } from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import { casesOn, casesOverReopen } from './samples.ts';

const FORM = { ...sampleConsumer('c').form, version: 2, indexes: ['i'] };
const BUILT = {
  ...FORM,
  build: { id: 'b1', of: 'c', trial: undefined, onFailure: 'fail', failure: undefined },
} as const;
const NAMESPACES = [
  { from: 'n2', to: 'n' },
  { from: 'o2', to: 'o' },
];
const REPLACEMENT = { by: 'b', form: FORM, rows: NAMESPACES };

function at(low: number, ...done: readonly (readonly [number, number])[]): Checkpoint {
  return { low: position(low), done: done.map(([from, to]) => [position(from), position(to)]) };
}

/** Consumer `c` with rows and deliveries, and `b` beside it with others. */
async function fill(store: Store, places: { readonly c: Checkpoint; readonly b: Checkpoint }): Promise<void> {
  const { build } = BUILT;
  await store.checkpoints.put(
    sampleConsumer('c', { checkpoint: places.c, paused: { sinceMs: 5, reason: 'r' }, createdMs: 1 }),
  );
  await store.checkpoints.put(sampleConsumer('b', { checkpoint: places.b, form: { ...FORM, build }, createdMs: 7 }));
  await putDeliveries(
    store,
    sampleDelivery(1),
    sampleDelivery(3),
    sampleDelivery(2, { consumer: 'b' }),
    sampleDelivery(3, { consumer: 'b', key: 'l', state: 'parked', dueMs: undefined }),
    sampleDelivery(2, { consumer: 'other' }),
  );
  await putRows(
    store,
    sampleRow('k', 'old', { i: 1 }),
    sampleRow('gone', 'old', { i: 3 }),
    sampleRow('k', 'old', {}, 'o'),
    sampleRow('k', 'new', { i: 2 }, 'n2'),
    sampleRow('came', 'new', { i: 1 }, 'n2'),
    sampleRow('k', 'beside', {}, 'm'),
  );
}

/** Everything that `fill` made, as it is now. */
async function seen({ checkpoints, deliveries, rows }: Store): Promise<unknown> {
  const orderBy = { index: 'i', direction: 'asc' } as const;
  const [records, letters] = [await checkpoints.list(), await deliveries.list({ limit: 20 })];
  const queried: unknown[] = [];
  for (const namespace of ['n', 'n2', 'o', 'o2', 'm'])
    queried.push([await rows.count(namespace), ...(await rows.query(namespace, { orderBy, limit: 9 }))]);
  return { records, letters, queried };
}

/** One consumer takes the place of another, wholly or not at all (G6). */
export const replacingCases: ContractSuite = (bench) => [
  ...casesOn(bench, {
    'who takes the place of a consumer brings checkpoint, form, deliveries and rows, and is none by itself any more (G6)':
      async (store) => {
        await fill(store, { c: at(7), b: at(9, [12, 14]) });
        const letters = await store.deliveries.list({ consumer: 'b', limit: 9 });
        const replaced = await store.checkpoints.replace('c', REPLACEMENT, 99);
        const paused = { sinceMs: 5, reason: 'r' };
        const expected = {
          consumer: 'c',
          form: FORM,
          checkpoint: at(9, [12, 14]),
          paused,
          createdMs: 1,
          updatedMs: 99,
        };
        assert.deepEqual(replaced, expected);
        assert.deepEqual(await store.checkpoints.load('c'), expected);
        assert.equal(await store.checkpoints.load('b'), undefined);
        assert.deepEqual(
          await store.deliveries.list({ consumer: 'c', limit: 9 }),
          letters.map((delivery) => ({ ...delivery, consumer: 'c' })),
        );
        assert.deepEqual(await store.deliveries.list({ consumer: 'b', limit: 9 }), []);
        assert.equal((await store.deliveries.list({ consumer: 'other', limit: 9 })).length, 1);
        const orderBy = { index: 'i', direction: 'asc' } as const;
        assert.deepEqual(
          (await store.rows.query('n', { orderBy, limit: 9 })).map(({ key, value }) => [key, value]),
          [
            ['came', 'new'],
            ['k', 'new'],
          ],
        );
        const counts = await Promise.all(['n', 'n2', 'o', 'o2', 'm'].map((name) => store.rows.count(name)));
        assert.deepEqual(counts, [2, 0, 0, 0, 1]);
      },

    'who is behind in anything does not take the place, and nothing is changed (G6)': async (store) => {
      for (const places of [
        { c: at(7), b: at(6) },
        { c: at(7), b: at(6, [8, 90]) },
        { c: at(7, [9, 12]), b: at(8, [9, 11]) },
        { c: at(7, [9, 9], [11, 12]), b: at(8, [9, 9]) },
      ]) {
        await fill(store, places);
        const before = await seen(store);
        await assert.rejects(store.checkpoints.replace('c', REPLACEMENT, 99), { code: 'wrong-state' });
        assert.deepEqual(await seen(store), before);
      }
    },

    'who has done the same or more takes the place, whichever of it is in ranges': async (store) => {
      for (const places of [
        { c: at(7), b: at(7) },
        { c: at(7, [9, 12]), b: at(12) },
        { c: at(7, [9, 12], [20, 21]), b: at(10, [11, 13], [20, 22]) },
      ]) {
        await fill(store, places);
        assert.deepEqual((await store.checkpoints.replace('c', REPLACEMENT, 99))?.checkpoint, places.b);
      }
    },

    'where one of the two is not known nothing is changed': async (store) => {
      await fill(store, { c: at(1), b: at(2) });
      const before = await seen(store);
      assert.equal(await store.checkpoints.replace('c', { ...REPLACEMENT, by: 'never' }, 99), undefined);
      assert.equal(await store.checkpoints.replace('never', REPLACEMENT, 99), undefined);
      assert.deepEqual(await seen(store), before);
    },

    'what is meant for one build does nothing to another that has its name by now (G6)': async (store) => {
      await fill(store, { c: at(1), b: at(2) });
      const before = await seen(store);
      const { checkpoints } = store;
      const paused = { sinceMs: 7, reason: 'p' };
      const forget = { above: BEFORE_ALL, rows: ['n2'] };
      for (const consumer of ['b', 'c', 'never']) {
        assert.equal(await checkpoints.change(consumer, { ofBuild: 'b0', paused, forget }, 99), undefined);
        assert.equal(await checkpoints.remove(consumer, { ofBuild: 'b0', rows: ['n', 'n2'] }), false);
        assert.equal(await checkpoints.replace('c', { ...REPLACEMENT, by: consumer, ofBuild: 'b0' }, 99), undefined);
      }
      assert.deepEqual(await seen(store), before);
      assert.deepEqual((await checkpoints.change('b', { ofBuild: 'b1', paused }, 99))?.paused, paused);
      assert.equal(await checkpoints.replace('c', { ...REPLACEMENT, ofBuild: 'b1' }, 99), undefined, 'it is paused');
      assert.deepEqual((await checkpoints.change('b', { ofBuild: 'b1', paused: undefined }, 99))?.form, BUILT);
      assert.deepEqual((await checkpoints.replace('c', { ...REPLACEMENT, ofBuild: 'b1' }, 99))?.checkpoint, at(2));
    },

    'a build that is forgotten takes its rows with it, and whoever handles its events leaves none (G6)': async (
      store,
    ) => {
      await fill(store, { c: at(1), b: at(2) });
      const late = { consumer: 'b', rows: [sampleRow('k', 'late', {}, 'n2')] };
      const [isKnown] = await Promise.all([
        store.checkpoints.remove('b', { ofBuild: 'b1', rows: ['n2', 'o2'] }),
        store.unitOfWork.commit(sampleUnit(late)),
      ]);
      assert.deepEqual([isKnown, await store.checkpoints.load('b')], [true, undefined]);
      const counts = await Promise.all(['n', 'n2', 'o', 'o2', 'm'].map((name) => store.rows.count(name)));
      assert.deepEqual(counts, [2, 0, 1, 0, 1]);
      assert.deepEqual(await store.deliveries.list({ consumer: 'b', limit: 9 }), []);
      assert.equal((await store.unitOfWork.commit(sampleUnit(late))).ok, false);
    },

    'what commits under the name of who took the place is refused, and what commits under the one that was taken goes on in the new rows (G6)':
      async (store) => {
        await fill(store, { c: at(7), b: at(9) });
        const late = { consumer: 'b', rows: [sampleRow('k', 'late', {}, 'n2')] };
        const [, ofB] = await Promise.all([
          store.checkpoints.replace('c', REPLACEMENT, 99),
          store.unitOfWork.commit(sampleUnit(late)),
        ]);
        assert.deepEqual(ofB, { ok: false, index: -1, refusal: undefined });
        assert.equal(await store.rows.count('n2'), 0);
        const outcome = await store.unitOfWork.commit(
          sampleUnit({ checkpoint: at(10), rows: [sampleRow('k', 'newer', { i: 5 })] }),
        );
        assert.equal(outcome.ok, true);
        assert.deepEqual([await store.rows.get('n', 'k'), await store.rows.count('n')], ['newer', 2]);
        assert.equal((await store.checkpoints.load('c'))?.checkpoint.low, 10);
      },

    'a consumer can be replaced again and again, also by one without rows': async (store) => {
      for (let round = 1; round <= 3; round += 1) {
        await store.checkpoints.put(sampleConsumer('c', { checkpoint: at(round) }));
        await store.checkpoints.put(sampleConsumer('b', { checkpoint: at(round) }));
        if (round < 3) await putRows(store, sampleRow('k', round, { i: round }, 'n2'));
        await store.checkpoints.replace('c', REPLACEMENT, 99);
        assert.equal(await store.rows.get('n', 'k'), round < 3 ? round : undefined);
      }
    },

    'thousands of rows that were there before are gone at once for who reads': async (store) => {
      await store.checkpoints.put(sampleConsumer('c'));
      await store.checkpoints.put(sampleConsumer('b'));
      await store.rows.put(Array.from({ length: 5_000 }, (_, index) => sampleRow(`k${index}`, 'old', { i: index })));
      await store.rows.put([sampleRow('k1', 'new', { i: 0 }, 'n2')]);
      const replacing = store.checkpoints.replace('c', REPLACEMENT, 99);
      for (let looks = 0; looks < 20; looks += 1) {
        const found = (await store.rows.query('n', { limit: 6_000 })).map(({ value }) => value);
        const isOld = found.length === 5_000 && found.every((value) => value === 'old');
        assert.ok(isOld || (found.length === 1 && found[0] === 'new'), `found ${found.length} rows`);
      }
      await replacing;
      assert.equal(await store.rows.count('n'), 1);
    },
  }),
  ...casesOverReopen(bench, {
    'who took the place has it after closing and opening again, with its rows (G1)': async (store, reopen) => {
      await fill(store, { c: at(7), b: at(9) });
      await store.checkpoints.replace('c', REPLACEMENT, 99);
      const before = await seen(store);
      assert.deepEqual(await seen(await reopen(store)), before);
    },
  }),
];
