import assert from 'node:assert/strict';
import { BEFORE_ALL, position, START } from '../event/position.ts';
import { putDeliveries, putRows, sampleConsumer, sampleDelivery, sampleRow, sampleUnit } from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import { replacingCases } from './replacing.ts';
import { casesOn, casesOverReopen } from './samples.ts';

/** What every checkpoint store must do (G5, G6, G13). */
export const checkpointStoreSuite: ContractSuite = (bench) => [
  ...casesOn(bench, {
    'knows no consumer at first': async ({ checkpoints }) => {
      assert.equal(await checkpoints.load('c'), undefined);
      assert.deepEqual(await checkpoints.list(), []);
      assert.equal(await checkpoints.remove('c'), false);
    },

    'a record comes back as it was put': async ({ checkpoints }) => {
      const records = [
        sampleConsumer('plain'),
        sampleConsumer('ranges', {
          checkpoint: {
            low: position(7),
            done: [
              [position(9), position(9)],
              [position(12), position(40_000)],
            ],
          },
        }),
        sampleConsumer('far', {
          checkpoint: { low: position(Number.MAX_SAFE_INTEGER - 1), done: [] },
          createdMs: 0,
          updatedMs: 1,
        }),
        sampleConsumer('paused', { paused: { sinceMs: 5, reason: '' } }),
        sampleConsumer('größer als – 漢字 👍', { paused: { sinceMs: 5, reason: 'weil “es” so ist' } }),
      ];
      for (const record of records) await checkpoints.put(record);
      for (const record of records) assert.deepEqual(await checkpoints.load(record.consumer), record);
    },

    'keeps a thousand ranges above the low mark (G6)': async ({ checkpoints }) => {
      const done = Array.from(
        { length: 1_000 },
        (_, index) => [position(10 + index * 3), position(11 + index * 3)] as const,
      );
      const record = sampleConsumer('c', { checkpoint: { low: START, done } });
      await checkpoints.put(record);
      assert.deepEqual(await checkpoints.load('c'), record);
    },

    'lists by name in code point order': async ({ checkpoints }) => {
      const names = ['B', 'a', 'a-b', 'ab', 'é', '\uffee', '\u{1f600}'];
      for (const index of [3, 6, 0, 5, 2, 1, 4]) await checkpoints.put(sampleConsumer(names[index] ?? ''));
      assert.deepEqual(
        (await checkpoints.list()).map((record) => record.consumer),
        names,
      );
    },

    'putting again replaces the whole record': async ({ checkpoints }) => {
      await checkpoints.put(
        sampleConsumer('c', {
          paused: { sinceMs: 5, reason: 'r' },
          checkpoint: { low: position(9), done: [[position(11), position(12)]] },
        }),
      );
      const second = sampleConsumer('c', { checkpoint: { low: position(3), done: [] }, createdMs: 1, updatedMs: 2 });
      await checkpoints.put(second);
      assert.deepEqual(await checkpoints.load('c'), second);
      assert.deepEqual(await checkpoints.list(), [second]);
    },

    'creating makes a consumer known and leaves one that is known as it is': async ({ checkpoints }) => {
      const first = sampleConsumer('c', { checkpoint: { low: position(9), done: [] } });
      assert.deepEqual(await checkpoints.create(first), first);
      const second = sampleConsumer('c', { paused: { sinceMs: 5, reason: 'r' }, createdMs: 1 });
      assert.deepEqual(await checkpoints.create(second), first);
      assert.deepEqual(await checkpoints.list(), [first]);
    },

    'of many who create a consumer at once one does, and all are answered what it made (G6)': async ({
      checkpoints,
    }) => {
      const made = await Promise.all(
        Array.from({ length: 20 }, (_, index) => checkpoints.create(sampleConsumer('c', { createdMs: index }))),
      );
      const known = await checkpoints.load('c');
      for (const record of made) assert.deepEqual(record, known);
    },

    'changing replaces what is given and nothing else': async ({ checkpoints }) => {
      const record = sampleConsumer('c', {
        checkpoint: { low: position(9), done: [[position(11), position(12)]] },
        paused: { sinceMs: 5, reason: 'r' },
      });
      assert.equal(await checkpoints.change('c', { paused: undefined }, 6), undefined);
      await checkpoints.put(record);
      const changes = [
        {},
        { checkpoint: { low: position(3), done: [] } },
        { paused: undefined },
        { paused: { sinceMs: 7, reason: '' } },
        { form: { ...record.form, indexes: ['other'] } },
      ];
      let expected = record;
      for (const [index, change] of changes.entries()) {
        expected = { ...expected, ...change, updatedMs: 100 + index };
        assert.deepEqual(await checkpoints.change('c', change, 100 + index), expected);
        assert.deepEqual(await checkpoints.load('c'), expected);
      }
    },

    'a change that forgets takes the rows of the given namespaces and the deliveries above a position with it, and no others (G6)':
      async (store) => {
        await putDeliveries(store, sampleDelivery(1), sampleDelivery(2), sampleDelivery(3));
        await putDeliveries(store, sampleDelivery(3, { consumer: 'other' }));
        await putRows(store, sampleRow('k', 1, { i: 1 }), sampleRow('k', 2, {}, 'n2'), sampleRow('k', 3, {}, 'n3'));
        const checkpoint = { low: position(1), done: [] };
        const forget = { above: position(1), rows: ['n', 'n3', 'none'] };
        const before = await store.checkpoints.load('c');
        const changed = await store.checkpoints.change('c', { checkpoint, forget }, 9);
        assert.deepEqual(changed, { ...before, checkpoint, updatedMs: 9 });
        assert.deepEqual(await store.checkpoints.load('c'), changed);
        assert.deepEqual(
          (await store.deliveries.list({ limit: 10 })).map(({ consumer, position: place }) => `${consumer} ${place}`),
          ['c 1', 'other 3'],
        );
        assert.deepEqual([await store.rows.get('n', 'k'), await store.rows.get('n2', 'k')], [undefined, 2]);
        assert.deepEqual([await store.rows.count('n'), await store.rows.count('n3')], [0, 0]);
        await putDeliveries(store, sampleDelivery(-1), sampleDelivery(1));
        await store.checkpoints.change('c', { forget: { above: BEFORE_ALL, rows: [] } }, 9);
        assert.deepEqual(await store.deliveries.list({ consumer: 'c', limit: 10 }), []);
        const never = { forget: { above: START, rows: ['n2'] } };
        assert.equal(await store.checkpoints.change('never', never, 9), undefined);
        assert.equal(await store.rows.get('n2', 'k'), 2, 'of a consumer that is not known nothing is forgotten');
      },

    'a change that makes what waits due leaves what waits for a time, or is parked, as it is': async (store) => {
      const waiting = { state: 'waiting', dueMs: undefined } as const;
      await putDeliveries(store, sampleDelivery(1, { state: 'parked', dueMs: undefined }), sampleDelivery(2, waiting));
      await putDeliveries(store, sampleDelivery(3, { ...waiting, dueMs: 50 }), sampleDelivery(4, { dueMs: 60 }));
      await putDeliveries(store, sampleDelivery(2, { ...waiting, consumer: 'other' }));
      await store.checkpoints.change('c', { waitingDueMs: 7 }, 9);
      assert.deepEqual(
        (await store.deliveries.list({ limit: 10 })).map(({ dueMs }) => dueMs),
        [undefined, 7, 50, 60, undefined],
      );
    },

    'later calls win, also when they are not waited for': async ({ checkpoints }) => {
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => checkpoints.put(sampleConsumer('c', { updatedMs: index }))),
      );
      assert.equal((await checkpoints.load('c'))?.updatedMs, 19);
    },

    'removing a consumer forgets its checkpoint and deliveries, of no other; rows and events stay (G6)': async (
      store,
    ) => {
      await putDeliveries(store, sampleDelivery(1), sampleDelivery(2), sampleDelivery(3, { consumer: 'other' }));
      await putRows(store, sampleRow('k', 1));
      assert.equal(await store.checkpoints.remove('c'), true);
      assert.equal(await store.checkpoints.load('c'), undefined);
      assert.deepEqual(
        (await store.checkpoints.list()).map((record) => record.consumer),
        ['other'],
      );
      assert.deepEqual(
        (await store.deliveries.list({ limit: 10 })).map((delivery) => delivery.consumer),
        ['other'],
      );
      assert.equal(await store.rows.get('n', 'k'), 1);
      assert.equal(await store.checkpoints.remove('c'), false);
    },

    'a removed consumer that is made again begins without deliveries': async (store) => {
      await putDeliveries(store, sampleDelivery(1));
      await store.checkpoints.remove('c');
      await store.checkpoints.put(sampleConsumer('c'));
      assert.deepEqual(await store.deliveries.list({ limit: 10 }), []);
      assert.equal((await store.unitOfWork.commit(sampleUnit())).ok, true);
    },
  }),
  ...casesOverReopen(bench, {
    'records are there after closing and opening again (G1)': async (store, reopen) => {
      const record = sampleConsumer('c', {
        paused: { sinceMs: 5, reason: 'r' },
        checkpoint: { low: position(7), done: [[position(9), position(12)]] },
      });
      await store.checkpoints.put(record);
      await store.checkpoints.put(sampleConsumer('gone'));
      await store.checkpoints.remove('gone');
      assert.deepEqual(await (await reopen(store)).checkpoints.list(), [record]);
    },
  }),
  ...replacingCases(bench),
];
