import assert from 'node:assert/strict';
import type { AppendRequest } from '../channel/event-log.ts';
import type { Unit } from '../consumer/unit-of-work.ts';
import { position, START } from '../event/position.ts';
import type { Store } from '../store.ts';
import {
  commit,
  putDeliveries,
  putRows,
  sampleConsumer,
  sampleDelivery,
  sampleRow,
  sampleUnit,
} from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import {
  accepted,
  at,
  casesOn,
  casesOverReopen,
  claimed,
  idsOf,
  only,
  record,
  recordOne,
  sampleEvent,
  sampleEvents,
  wholeLog,
} from './samples.ts';

type Bodies = Parameters<typeof casesOn>[1];

/** What every unit of work must do (G6). */
export const unitOfWorkSuite: ContractSuite = (bench) => [
  ...casesOn(bench, { ...effects, ...appends }),
  ...casesOn(bench, { ...atomicity, ...concurrency }, 'atomicUnits'),
  ...afterReopening(bench),
];

/** A unit that changes everything that a unit can change. */
function fullUnit(name: string, changes: Partial<Unit> = {}): Unit {
  return sampleUnit({
    checkpoint: { low: position(7), done: [[position(9), position(9)]] },
    appends: [{ events: sampleEvents(`${name}-`, 2), onDuplicate: 'keep-first' }],
    rows: [sampleRow('row', name, { i: name }), sampleRow('old', undefined)],
    deliveries: { put: [sampleDelivery(8, { key: name })], remove: [position(1)] },
    ...changes,
  });
}

/** Everything that a store holds, as far as `fullUnit` can change it. */
async function everything(store: Store) {
  return {
    log: await wholeLog(store),
    head: await store.log.head(),
    streams: await store.log.listStreams({ limit: 100 }),
    consumers: await store.checkpoints.list(),
    rows: await store.rows.query('n', { limit: 100, orderBy: { index: 'i', direction: 'asc' } }),
    deliveries: await store.deliveries.list({ limit: 100 }),
  };
}

/** A consumer with a row, a delivery and an event: something to be left alone. */
async function begin(store: Store): Promise<void> {
  await store.checkpoints.put(sampleConsumer('c', { paused: { sinceMs: 1, reason: 'r' } }));
  await record(store, sampleEvent('first', { stream: 'first-1' }));
  await putRows(store, sampleRow('old', 'old', { i: 'old' }));
  await putDeliveries(store, sampleDelivery(1));
}

const effects: Bodies = {
  'commits checkpoint, rows, deliveries and events together (G6)': async (store, { clock }) => {
    await begin(store);
    const nowMs = clock.advance(100);
    const outcome = await store.unitOfWork.commit(fullUnit('a'));
    assert.ok(outcome.ok);
    const places = only(outcome.appends).events;
    assert.deepEqual(
      places.map(({ version, duplicate, recordedMs }) => [version, duplicate, recordedMs]),
      [
        [1, false, nowMs],
        [2, false, nowMs],
      ],
    );
    assert.deepEqual((await wholeLog(store)).map(({ id, position: place }) => [id, place]).slice(1), [
      ['a-1', at(places, 0).position],
      ['a-2', at(places, 1).position],
    ]);
    const checkpoint = { low: position(7), done: [[position(9), position(9)]] } as const;
    assert.deepEqual(
      await store.checkpoints.load('c'),
      sampleConsumer('c', { checkpoint, paused: { sinceMs: 1, reason: 'r' }, updatedMs: nowMs }),
    );
    assert.deepEqual(await store.rows.query('n', { limit: 10 }), [{ key: 'row', value: 'a', orderValue: undefined }]);
    assert.deepEqual(await store.deliveries.list({ limit: 10 }), [sampleDelivery(8, { key: 'a' })]);
  },

  'an empty unit changes nothing (G6)': async (store, { clock }) => {
    await begin(store);
    const before = await everything(store);
    clock.advance(100);
    assert.deepEqual(await store.unitOfWork.commit(sampleUnit()), { ok: true, appends: [] });
    assert.deepEqual(await everything(store), before);
  },

  'a unit without a checkpoint leaves that of its consumer (G6)': async (store) => {
    await begin(store);
    const before = await store.checkpoints.load('c');
    await commit(store, { rows: [sampleRow('x', 1)] });
    assert.deepEqual(await store.checkpoints.load('c'), before);
  },

  'a checkpoint is replaced whole, also by a lower one (G6)': async (store) => {
    await begin(store);
    await commit(store, { checkpoint: { low: position(9), done: [[position(11), position(12)]] } });
    await commit(store, { checkpoint: { low: position(2), done: [] } });
    assert.deepEqual((await store.checkpoints.load('c'))?.checkpoint, { low: 2, done: [] });
  },

  'a unit changes nothing of another consumer (G6)': async (store) => {
    await begin(store);
    await store.checkpoints.put(sampleConsumer('other'));
    const before = await store.checkpoints.load('c');
    await commit(store, {
      consumer: 'other',
      checkpoint: { low: position(3), done: [] },
      deliveries: { put: [sampleDelivery(1, { consumer: 'other' })], remove: [position(2)] },
    });
    assert.deepEqual(await store.checkpoints.load('c'), before);
    assert.deepEqual(
      (await store.deliveries.list({ limit: 10 })).map((delivery) => delivery.consumer),
      ['c', 'other'],
    );
    await commit(store, { consumer: 'other', deliveries: { put: [], remove: [position(1)] } });
    assert.deepEqual(await store.deliveries.list({ limit: 10 }), [sampleDelivery(1)]);
  },

  'commits 2,000 rows in one unit (G6)': async (store) => {
    await putRows(store, ...Array.from({ length: 2_000 }, (_, index) => sampleRow(`k${index}`, index, { i: index })));
    assert.equal(await store.rows.count('n'), 2_000);
  },
};

const appends: Bodies = {
  'the appends of a unit are checked one after the other, each with those before it (G3, G4)': async (store) => {
    const outcome = await commit(store, {
      appends: [
        claimed(sampleEvent('e1'), [{ stream: 'order-1', version: 'none' }]),
        claimed(sampleEvent('e2'), [{ stream: 'order-1', version: 1 }]),
        claimed(sampleEvent('e1'), [{ stream: 'order-1', version: 'none' }]),
        claimed(sampleEvent('e3', { stream: 'order-2' }), [{ stream: 'order-1', version: 2 }]),
      ],
    });
    const places = outcome.appends.map((append) => only(append.events));
    assert.deepEqual(
      places.map(({ version, duplicate }) => [version, duplicate]),
      [
        [1, false],
        [2, false],
        [1, true],
        [1, false],
      ],
    );
    assert.equal(at(places, 2).position, at(places, 0).position);
    assert.deepEqual(
      (await wholeLog(store)).map((event) => event.id),
      ['e1', 'e2', 'e3'],
    );
  },

  'a unit that is committed again publishes its events once (G2, G6)': async (store) => {
    await begin(store);
    const first = await store.unitOfWork.commit(fullUnit('a'));
    const second = await store.unitOfWork.commit(fullUnit('a'));
    assert.ok(first.ok && second.ok);
    assert.deepEqual(
      only(second.appends).events,
      only(first.appends).events.map((place) => ({ ...place, duplicate: true })),
    );
    assert.deepEqual(
      (await wholeLog(store)).map((event) => event.id),
      ['first', 'a-1', 'a-2'],
    );
  },

  'listeners of the log are told of the events of a unit, and can read what was committed with them (G5, G6)': async (
    store,
  ) => {
    await begin(store);
    const told = new Promise<readonly unknown[]>((resolve, reject) => {
      store.log.watch((head, events) => {
        const ids = events === undefined ? ['a-1', 'a-2'] : idsOf(events);
        store.rows.get('n', 'row').then((row) => resolve([head, ids, row]), reject);
      });
    });
    const outcome = await store.unitOfWork.commit(fullUnit('a'));
    assert.ok(outcome.ok);
    assert.deepEqual(await told, [at(only(outcome.appends).events, -1).position, ['a-1', 'a-2'], 'a']);
  },

  'a unit that appends nothing tells no listener': async (store) => {
    await begin(store);
    const heads: number[] = [];
    store.log.watch((head) => heads.push(head));
    await store.unitOfWork.commit(fullUnit('a', { appends: [] }));
    const place = await recordOne(store, sampleEvent('last'));
    assert.deepEqual(
      heads.filter((head) => head < place.position),
      [],
    );
  },
};

const atomicity: Bodies = {
  'a refused append refuses the unit: nothing of it is written, and the refusal is told with its number (G3, G6)':
    async (store) => {
      await begin(store);
      await recordOne(store, sampleEvent('known'));
      await store.log.deleteStream('gone-1');
      const fine: AppendRequest = { events: [sampleEvent('fine')], onDuplicate: 'verify' };
      const before = await everything(store);
      const refusals: readonly (readonly [AppendRequest, object])[] = [
        [
          claimed(sampleEvent('x'), [{ stream: 'order-1', version: 'none' }]),
          { reason: 'version-conflict', stream: 'order-1', expected: 'none', actual: 2 },
        ],
        [claimed(sampleEvent('x', { stream: 'gone-1' })), { reason: 'stream-deleted', stream: 'gone-1' }],
        [
          claimed(sampleEvent('fine', { data: '0' })),
          { reason: 'content-conflict', source: '/contract', id: 'fine', position: START, differs: ['data'] },
        ],
      ];
      for (const [request, refusal] of refusals) {
        const outcome = await store.unitOfWork.commit(
          fullUnit('a', { appends: [fine, request, { ...fine, events: [sampleEvent('later')] }] }),
        );
        assert.deepEqual(outcome, { ok: false, index: 1, refusal: { ok: false, ...refusal } });
        assert.deepEqual(await everything(store), before);
      }
    },

  'a refused unit can be committed after its cause is gone (G6)': async (store) => {
    await begin(store);
    const unit = fullUnit('a', { appends: [claimed(sampleEvent('e2'), [{ stream: 'order-1', version: 1 }])] });
    assert.equal((await store.unitOfWork.commit(unit)).ok, false);
    await recordOne(store, sampleEvent('e1'));
    assert.equal((await store.unitOfWork.commit(unit)).ok, true);
    assert.deepEqual(
      (await wholeLog(store)).map((event) => event.id),
      ['first', 'e1', 'e2'],
    );
  },

  'the unit of a consumer that the store does not know writes nothing (G6)': async (store) => {
    await begin(store);
    const before = await everything(store);
    const unknown = { ok: false, index: -1, refusal: undefined };
    assert.deepEqual(await store.unitOfWork.commit(fullUnit('a', { consumer: 'never' })), unknown);
    const refused = [claimed(sampleEvent('x'), [{ stream: 'order-1', version: 9 }])];
    assert.deepEqual(await store.unitOfWork.commit(fullUnit('a', { consumer: 'never', appends: refused })), unknown);
    assert.deepEqual(await store.unitOfWork.commit(sampleUnit({ consumer: 'never' })), unknown);
    assert.deepEqual(await everything(store), before);
    await store.checkpoints.remove('c');
    assert.deepEqual(await store.unitOfWork.commit(fullUnit('a')), unknown);
    assert.equal((await wholeLog(store)).length, 1);
    assert.deepEqual(await store.deliveries.list({ limit: 10 }), []);
  },

  'a unit that wants dead letters to be parked writes nothing where one is not, as when two operators are at it (G6, G7)':
    async (store) => {
      await begin(store);
      const parked = { state: 'parked', dueMs: undefined } as const;
      await putDeliveries(store, sampleDelivery(7, parked), sampleDelivery(8, parked), sampleDelivery(9));
      const discard = (...places: readonly number[]) => {
        const positions = places.map((place) => position(place));
        return sampleUnit({ deliveries: { put: [], remove: positions, parked: positions } });
      };
      const nothing = { ok: false, index: -1, refusal: undefined };
      assert.deepEqual(await store.unitOfWork.commit(discard(7, 9)), nothing, 'one that is retrying');
      assert.deepEqual(await store.unitOfWork.commit(discard(7, 10)), nothing, 'one that is not there');
      const outcomes = await Promise.all([
        store.unitOfWork.commit(discard(8)),
        store.unitOfWork.commit(
          sampleUnit({ deliveries: { put: [sampleDelivery(8)], remove: [], parked: [position(8)] } }),
        ),
        store.unitOfWork.commit(discard(7)),
      ]);
      assert.deepEqual(
        outcomes.map(({ ok }) => ok),
        [true, false, true],
      );
      assert.deepEqual(
        (await store.deliveries.list({ limit: 10 })).map((delivery) => delivery.position).slice(-1),
        [9],
      );
      assert.equal(await store.deliveries.get('c', position(8)), undefined);
    },

  'a refused unit tells no listener (G6)': async (store) => {
    await begin(store);
    const heads: number[] = [];
    store.log.watch((head) => heads.push(head));
    const fine = { events: sampleEvents('x', 2), onDuplicate: 'verify' } as const;
    await store.unitOfWork.commit(
      fullUnit('a', { appends: [fine, claimed(sampleEvent('y'), [{ stream: 'order-1', version: 9 }])] }),
    );
    const place = await recordOne(store, sampleEvent('last'));
    assert.deepEqual(
      heads.filter((head) => head < place.position),
      [],
    );
  },
};

const MANY = Array.from({ length: 50 }, (_, index) => index);

const concurrency: Bodies = {
  'units that are not waited for take effect in the order of the calls (G5, G6)': async (store) => {
    await begin(store);
    const outcomes = await Promise.all(
      MANY.map((index) =>
        store.unitOfWork.commit(
          sampleUnit({
            checkpoint: { low: position(index), done: [] },
            appends: [claimed(sampleEvent(`e${index}`), [{ stream: 'order-1', version: index }])],
            rows: [sampleRow('last', index), sampleRow(`k${index}`, index), sampleRow(`k${index - 1}`, undefined)],
            deliveries: { put: [sampleDelivery(100, { attempts: index })], remove: [] },
          }),
        ),
      ),
    );
    assert.deepEqual(
      outcomes.map((outcome) => outcome.ok),
      MANY.map(() => true),
    );
    assert.deepEqual(
      (await store.log.readStream('order-1', { limit: 100 })).map((event) => event.id),
      MANY.map((index) => `e${index}`),
    );
    assert.equal((await store.checkpoints.load('c'))?.checkpoint.low, 49);
    assert.deepEqual(await store.rows.getMany('n', ['last', 'k48', 'k49']), [49, undefined, 49]);
    assert.equal((await store.deliveries.get('c', position(100)))?.attempts, 49);
  },

  'of concurrent units each has its own outcome: a refused one harms no other (G3, G6)': async (store) => {
    await begin(store);
    const outcomes = await Promise.all(
      MANY.map((index) =>
        store.unitOfWork.commit(
          sampleUnit({
            consumer: index % 5 === 1 ? 'never' : 'c',
            appends: [
              claimed(sampleEvent(`e${index}`, { stream: `s-${index}` })),
              claimed(sampleEvent(`f${index}`), [{ stream: `s-${index}`, version: index % 3 === 0 ? 0 : 1 }]),
            ],
            rows: [sampleRow(`k${index}`, index)],
          }),
        ),
      ),
    );
    const accepts = (index: number) => index % 3 !== 0 && index % 5 !== 1;
    assert.deepEqual(
      outcomes.map((outcome) => outcome.ok),
      MANY.map(accepts),
    );
    const rows = await store.rows.getMany(
      'n',
      MANY.map((index) => `k${index}`),
    );
    assert.deepEqual(
      rows,
      MANY.map((index) => (accepts(index) ? index : undefined)),
    );
    const stored = new Set((await wholeLog(store)).map((event) => event.id));
    for (const index of MANY)
      assert.deepEqual([stored.has(`e${index}`), stored.has(`f${index}`)], [accepts(index), accepts(index)]);
    assert.deepEqual(
      (await store.log.readStream('order-1', { limit: 100 })).map((event) => event.version),
      MANY.filter(accepts).map((_, index) => index + 1),
    );
  },

  'units and plain appends at once keep versions gapless and batches whole (G3, G5)': async (store) => {
    await begin(store);
    await Promise.all(
      MANY.map((index) => {
        const request: AppendRequest = { events: sampleEvents(`${index}/`, 3), onDuplicate: 'verify' };
        return index % 2 === 0 ? store.log.append(request).then(accepted) : commit(store, { appends: [request] });
      }),
    );
    const events = await store.log.readStream('order-1', { limit: 1_000 });
    assert.deepEqual(
      events.map((event) => event.version),
      Array.from({ length: 150 }, (_, index) => index + 1),
    );
    const ids = idsOf(events);
    for (const index of MANY) {
      const start = ids.indexOf(`${index}/1`);
      assert.deepEqual(ids.slice(start, start + 3), [`${index}/1`, `${index}/2`, `${index}/3`]);
    }
  },
};

const afterReopening: ContractSuite = (bench) =>
  casesOverReopen(bench, {
    'a committed unit is there whole after closing and opening again (G1, G6)': async (store, reopen) => {
      await begin(store);
      await store.unitOfWork.commit(fullUnit('a'));
      const before = await everything(store);
      assert.deepEqual(await everything(await reopen(store)), before);
    },
  });
