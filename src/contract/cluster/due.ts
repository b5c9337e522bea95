import assert from 'node:assert/strict';
import { LANES, laneOf } from '../../consumer/lanes.ts';
import { putDeliveries, sampleDelivery } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
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
