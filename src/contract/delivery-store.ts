import assert from 'node:assert/strict';
import type { Delivery, StoredError } from '../consumer/delivery-store.ts';
import type { Position } from '../event/position.ts';
import { position, START } from '../event/position.ts';
import { BENCH_START_MS } from './bench-clock.ts';
import { commit, putDeliveries, sampleDelivery } from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import { at, casesOn, casesOverReopen } from './samples.ts';

type Bodies = Parameters<typeof casesOn>[1];

const CAUSE: StoredError = {
  name: 'Error',
  message: 'ECONNRESET – 漢字',
  code: 'ECONNRESET',
  stack: 'Error\n    at x',
  cause: undefined,
};
const ERROR: StoredError = { name: 'StoreUnavailable', message: '', code: undefined, stack: undefined, cause: CAUSE };

function places(deliveries: readonly Delivery[]): readonly (readonly [string, number])[] {
  return deliveries.map((delivery) => [delivery.consumer, delivery.position]);
}

/** What every delivery store must do (G7, G13). */
export const deliveryStoreSuite: ContractSuite = (bench) => [
  ...casesOn(bench, { ...keeping, ...listing, ...byKey, ...byTime, ...overview }),
  ...afterReopening(bench),
];

const keeping: Bodies = {
  'a delivery comes back as it was put (G7)': async (store) => {
    const deliveries = [
      sampleDelivery(1),
      sampleDelivery(2, {
        key: '',
        state: 'waiting',
        attempts: 0,
        firstFailedMs: undefined,
        lastFailedMs: undefined,
        dueMs: undefined,
      }),
      sampleDelivery(3, {
        key: 'Schlüssel – 漢字',
        state: 'parked',
        dueMs: undefined,
        error: ERROR,
        priority: 2_147_483_647,
      }),
      sampleDelivery(4, { edited: { data: { n: [1, null, 'ä'] } }, priority: -5, dueMs: 0 }),
      sampleDelivery(5, { edited: { data: null }, attempts: 1_000_000 }),
      sampleDelivery(8, {
        error: { ...ERROR, part: { id: 'event 3', what: 'an event that was held', position: position(3) } },
        edited: { without: ['event 2', 'match'], instead: { 'event 1': [null], ä: 'b' } },
      }),
      sampleDelivery(9, { error: { ...ERROR, part: { id: 'ü', what: '' } }, edited: { data: 1, instead: {} } }),
      sampleDelivery(6, { taken: { watermarkMs: null, afterMs: BENCH_START_MS } }),
      sampleDelivery(Number.MIN_SAFE_INTEGER, { taken: { watermarkMs: 7, afterMs: 7, due: true } }),
      sampleDelivery(Number.MAX_SAFE_INTEGER, { consumer: 'größer' }),
    ];
    await putDeliveries(store, ...deliveries);
    for (const delivery of deliveries)
      assert.deepEqual(await store.deliveries.get(delivery.consumer, delivery.position), delivery);
    assert.equal(await store.deliveries.get('c', position(7)), undefined);
    assert.equal(await store.deliveries.get('other', position(1)), undefined);
  },

  'putting again replaces the whole delivery, removing forgets it (G7)': async (store) => {
    await putDeliveries(store, sampleDelivery(1, { error: ERROR, edited: { data: 1 } }), sampleDelivery(2));
    const second = sampleDelivery(1, { key: 'other', state: 'parked', attempts: 9, dueMs: undefined });
    await commit(store, { deliveries: { put: [second], remove: [position(2), position(99)] } });
    assert.deepEqual(await store.deliveries.list({ limit: 10 }), [second]);
    assert.deepEqual(await store.deliveries.heldKeys('c', undefined, 10), [{ first: second, count: 1 }]);
    assert.equal(await store.deliveries.nextDueMs('c', 0), undefined);
  },

  'in one unit removing comes first: what is removed and put is there': async (store) => {
    await putDeliveries(store, sampleDelivery(1));
    const second = sampleDelivery(1, { attempts: 2 });
    await commit(store, { deliveries: { put: [second], remove: [position(1)] } });
    assert.deepEqual(await store.deliveries.get('c', position(1)), second);
  },

  'two consumers set the same event aside, each for itself (G7)': async (store) => {
    await putDeliveries(store, sampleDelivery(1, { consumer: 'a' }), sampleDelivery(1, { consumer: 'b', attempts: 5 }));
    await commit(store, { consumer: 'a', deliveries: { put: [], remove: [position(1)] } });
    assert.deepEqual(places(await store.deliveries.list({ limit: 10 })), [['b', 1]]);
  },
};

/** Three consumers, two keys, three states. */
const MANY: readonly Delivery[] = ['a', 'b', '\u{1f600}'].flatMap((consumer) =>
  [2, 3, 10, 11, 200].map((place, index) =>
    sampleDelivery(place, {
      consumer,
      key: index % 2 === 0 ? 'even' : 'odd',
      state: (['retrying', 'parked', 'waiting'] as const)[index % 3] ?? 'parked',
    }),
  ),
);

const listing: Bodies = {
  'lists in order of consumer and position, as filtered (G7)': async (store) => {
    await putDeliveries(store, ...MANY.toReversed());
    const { deliveries } = store;
    assert.deepEqual(await deliveries.list({ limit: 100 }), MANY);
    assert.deepEqual(await deliveries.list({ limit: 4 }), MANY.slice(0, 4));
    assert.deepEqual(places(await deliveries.list({ consumer: 'b', limit: 100 })), [
      ['b', 2],
      ['b', 3],
      ['b', 10],
      ['b', 11],
      ['b', 200],
    ]);
    assert.deepEqual(places(await deliveries.list({ consumer: 'b', key: 'odd', limit: 100 })), [
      ['b', 3],
      ['b', 11],
    ]);
    assert.deepEqual(
      await deliveries.list({ key: 'even', limit: 100 }),
      MANY.filter((delivery) => delivery.key === 'even'),
    );
    assert.deepEqual(places(await deliveries.list({ consumer: 'a', states: ['parked', 'waiting'], limit: 2 })), [
      ['a', 3],
      ['a', 10],
    ]);
    assert.deepEqual(
      await deliveries.list({ states: ['parked'], limit: 100 }),
      MANY.filter((delivery) => delivery.state === 'parked'),
    );
    assert.deepEqual(await deliveries.list({ states: [], limit: 100 }), []);
    assert.deepEqual(await deliveries.list({ consumer: 'nobody', limit: 100 }), []);
  },

  'lists page by page, also when the last one of a page is gone (G7)': async (store) => {
    await putDeliveries(store, ...MANY);
    const seen: Delivery[] = [];
    let page = await store.deliveries.list({ limit: 2 });
    while (page.length > 0) {
      seen.push(...page);
      const { consumer, position: last } = at(page, -1);
      await commit(store, { consumer, deliveries: { put: [], remove: [last] } });
      page = await store.deliveries.list({ limit: 2, after: { consumer, position: last } });
    }
    assert.deepEqual(seen, MANY);
    const odd = await store.deliveries.list({
      key: 'odd',
      after: { consumer: 'a', position: position(1_000) },
      limit: 1,
    });
    assert.deepEqual(
      odd.map((delivery) => delivery.consumer),
      ['b'],
    );
  },
};

const byKey: Bodies = {
  'tells for each held key its first delivery and how many there are, in key order (G7)': async (store) => {
    const held = [
      sampleDelivery(4, { key: '', state: 'parked' }),
      sampleDelivery(3, { key: 'x', state: 'parked' }),
      sampleDelivery(5, { key: 'x', state: 'waiting', dueMs: undefined }),
      sampleDelivery(2, { key: '\u{1f600}', state: 'waiting' }),
      sampleDelivery(70, { key: 'x', state: 'waiting', dueMs: undefined }),
    ];
    await putDeliveries(store, ...held.toReversed(), sampleDelivery(1, { consumer: 'other', key: 'x' }));
    const expected = [
      { first: at(held, 0), count: 1 },
      { first: at(held, 1), count: 3 },
      { first: at(held, 3), count: 1 },
    ];
    const { deliveries } = store;
    assert.deepEqual(await deliveries.heldKeys('c', undefined, 10), expected);
    assert.deepEqual(await deliveries.heldKeys('c', undefined, 2), expected.slice(0, 2));
    assert.deepEqual(await deliveries.heldKeys('c', '', 10), expected.slice(1));
    assert.deepEqual(await deliveries.heldKeys('c', '\u{1f600}', 10), []);
    assert.deepEqual(await deliveries.heldKeys('nobody', undefined, 10), []);
    const counts = [
      await deliveries.countOfKey('c', 'x', 'waiting'),
      await deliveries.countOfKey('c', 'x', 'parked'),
      await deliveries.countOfKey('c', 'x', 'retrying'),
      await deliveries.countOfKey('nobody', 'x', 'waiting'),
    ];
    assert.deepEqual(counts, [2, 1, 0, 0]);
    assert.deepEqual(places(await deliveries.list({ consumer: 'c', key: 'x', limit: 2 })), [
      ['c', 3],
      ['c', 5],
    ]);
    const after = { consumer: 'c', position: position(3) };
    assert.deepEqual(places(await deliveries.list({ consumer: 'c', key: 'x', after, limit: 9 })), [
      ['c', 5],
      ['c', 70],
    ]);
  },
};

const byTime: Bodies = {
  'gives what is due, higher priority first, then earlier due, then earlier recorded; never what is parked (G7)':
    async (store) => {
      const due = (afterMs: number) => BENCH_START_MS + afterMs;
      await putDeliveries(
        store,
        sampleDelivery(1, { dueMs: due(10), priority: 0.25 }),
        sampleDelivery(2, { dueMs: due(30), priority: 5, state: 'waiting' }),
        sampleDelivery(3, { dueMs: due(5), priority: 0 }),
        sampleDelivery(4, { dueMs: due(5), priority: -1 }),
        sampleDelivery(5, { dueMs: due(10), priority: 5 }),
        sampleDelivery(6, { dueMs: due(10), priority: 0 }),
        sampleDelivery(7, { dueMs: due(1), state: 'parked' }),
        sampleDelivery(8, { dueMs: undefined, state: 'waiting' }),
        sampleDelivery(9, { dueMs: due(1), consumer: 'other' }),
      );
      const numbers = async (untilMs: number, limit = 10) =>
        (await store.deliveries.due('c', untilMs, limit)).map((delivery) => delivery.position);
      assert.deepEqual(await numbers(due(30)), [5, 2, 1, 3, 6, 4]);
      assert.deepEqual(await numbers(due(10)), [5, 1, 3, 6, 4], 'due at the instant is due');
      assert.deepEqual(await numbers(due(9)), [3, 4]);
      assert.deepEqual(await numbers(due(4)), []);
      assert.deepEqual(await numbers(Number.MAX_SAFE_INTEGER, 2), [5, 2]);
      assert.deepEqual(await store.deliveries.due('nobody', due(100), 10), []);
    },

  'tells the earliest due time after an instant, not of what is parked (G7)': async (store) => {
    const { deliveries } = store;
    assert.equal(await deliveries.nextDueMs('c', 0), undefined);
    await putDeliveries(
      store,
      sampleDelivery(1, { dueMs: 50 }),
      sampleDelivery(2, { dueMs: 40, state: 'waiting' }),
      sampleDelivery(3, { dueMs: 10, state: 'parked' }),
    );
    await putDeliveries(
      store,
      sampleDelivery(4, { dueMs: 5, consumer: 'other' }),
      sampleDelivery(5, { dueMs: undefined }),
    );
    assert.deepEqual(await Promise.all([0, 39, 40, 50].map((ms) => deliveries.nextDueMs('c', ms))), [
      40,
      40,
      50,
      undefined,
    ]);
    await commit(store, { deliveries: { put: [], remove: [position(2)] } });
    assert.equal(await deliveries.nextDueMs('c', 0), 50);
    await commit(store, { deliveries: { put: [sampleDelivery(1, { dueMs: 0 })], remove: [] } });
    assert.equal(await deliveries.nextDueMs('c', -1), 0);
  },
};

const overview: Bodies = {
  'counts by consumer and state what there is (G11)': async (store) => {
    assert.deepEqual(await store.deliveries.counts(), []);
    await putDeliveries(store, ...MANY.filter((delivery) => delivery.consumer !== 'b' || delivery.state === 'parked'));
    const counts = (await store.deliveries.counts()).map(
      ({ consumer, state, count }) => `${consumer} ${state} ${count}`,
    );
    const ofThree = (consumer: string) => [`${consumer} parked 2`, `${consumer} retrying 2`, `${consumer} waiting 1`];
    assert.deepEqual(counts.sort(), [...ofThree('a'), 'b parked 2', ...ofThree('\u{1f600}')].sort());
  },

  'tells every position that some consumer points to, once, ascending, page by page (G7)': async (store) => {
    await putDeliveries(store, ...MANY, sampleDelivery(7));
    const seen: Position[] = [];
    let page = await store.deliveries.positions(START, 2);
    while (page.length > 0) {
      seen.push(...page);
      page = await store.deliveries.positions(at(page, -1), 2);
    }
    assert.deepEqual(seen, [2, 3, 7, 10, 11, 200]);
  },
};

const afterReopening: ContractSuite = (bench) =>
  casesOverReopen(bench, {
    'deliveries are there after closing and opening again (G1, G7)': async (store, reopen) => {
      await putDeliveries(store, ...MANY, sampleDelivery(7, { error: ERROR, edited: { data: [] } }));
      const before = await store.deliveries.list({ limit: 100 });
      const again = await reopen(store);
      assert.deepEqual(await again.deliveries.list({ limit: 100 }), before);
    },
  });
