import assert from 'node:assert/strict';
import { LANES, laneOf } from '../../consumer/lanes.ts';
import type { StoredEvent } from '../../event/event.ts';
import { position } from '../../event/position.ts';
import { putDeliveries, sampleDelivery } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { record, sampleEvent, wholeLog } from '../samples.ts';
import { casesOnNodes } from './samples.ts';

const STATES = ['retrying', 'parked', 'waiting'] as const;

/** Of every state, key and priority; times repeat. */
const MANY = Array.from({ length: 200 }, (_, n) =>
  sampleDelivery(n + 1, {
    key: `key-${n % 80}`,
    state: STATES[n % 3] ?? 'parked',
    dueMs: n % 7 === 0 ? undefined : 10 * (n % 23),
    priority: n % 5,
  }),
);

const PARTS: Readonly<Record<string, readonly number[]>> = {
  none: [],
  one: [laneOf('key-1')],
  half: Array.from({ length: LANES / 2 }, (_, lane) => lane * 2),
  all: Array.from({ length: LANES }, (_, lane) => lane),
};

/** What waits for its time, of some lanes. */
export const dueCases: ContractSuite = (bench) =>
  casesOnNodes(bench, {
    'of some lanes exactly that is due whose key is in them, in the order of all (G7)': async (store, beside) => {
      await putDeliveries(store, ...MANY, sampleDelivery(1, { consumer: 'other', key: 'key-1', dueMs: 1 }));
      const { cluster } = await beside();
      for (const untilMs of [-1, 0, 100, 1_000]) {
        const due = await store.deliveries.due('c', untilMs, 1_000);
        for (const [what, lanes] of Object.entries(PARTS)) {
          const expected = due.filter(({ key }) => lanes.includes(laneOf(key)));
          assert.deepEqual(await cluster.due('c', lanes, untilMs, 1_000), expected, `${what} until ${untilMs}`);
          assert.deepEqual(await cluster.due('c', lanes, untilMs, 3), expected.slice(0, 3), `three of ${what}`);
        }
      }
      assert.deepEqual(await cluster.due('nobody', PARTS['all'] ?? [], 1_000, 10), []);
    },

    'of some lanes those events are read whose key is in them, in the order of the log, by the page (G5)': async (
      store,
      beside,
    ) => {
      const events = Array.from({ length: 120 }, (_, n) =>
        sampleEvent(`e${n}`, {
          type: n % 3 === 0 ? 'rare' : 'common',
          stream: `order-${n % 40}`,
          attributes: n % 4 === 0 ? { partitionkey: `p${n % 11}` } : undefined,
        }),
      );
      await record(store, ...events);
      const { cluster } = await beside();
      const all = await wholeLog(store);
      const laneBy = {
        'ordering-key': ({ attributes, stream }: StoredEvent) => laneOf(attributes?.partitionkey ?? stream),
        position: (event: StoredEvent) => laneOf(`#${event.position}`),
      };
      const read = async (...asked: Parameters<typeof cluster.read>) =>
        (await cluster.read(...asked)).map(({ stored }) => stored);
      for (const by of ['ordering-key', 'position'] as const)
        for (const [what, lanes] of Object.entries(PARTS)) {
          const expected = all.filter((event) => lanes.includes(laneBy[by](event)));
          assert.deepEqual(await read({ limit: 1_000 }, by, lanes), expected, `${what} by ${by}`);
          const rare = expected.filter(({ type, position: place }) => type === 'rare' && place > 30).slice(0, 5);
          const page = { after: position(30), types: ['rare'], limit: 5, maxBytes: 1_000_000 };
          assert.deepEqual(await read(page, by, lanes), rare, `five rare ones of ${what} by ${by}`);
        }
    },

    'the next time of some lanes is the earliest later one of a key in them (G7)': async (store, beside) => {
      await putDeliveries(store, ...MANY, sampleDelivery(1, { consumer: 'other', key: 'key-1', dueMs: 1 }));
      const { cluster } = await beside();
      for (const [what, lanes] of Object.entries(PARTS)) {
        const times = MANY.flatMap(({ key, state, dueMs }) =>
          state !== 'parked' && dueMs !== undefined && lanes.includes(laneOf(key)) ? [dueMs] : [],
        ).sort((left, right) => left - right);
        for (const afterMs of [-1, 0, 45, 120, 1_000]) {
          const expected = times.find((ms) => ms > afterMs);
          assert.equal(await cluster.nextDueMs('c', lanes, afterMs), expected, `${what} after ${afterMs}`);
        }
      }
    },
  });
