import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineAutomation } from '../../automation/define-automation.ts';
import type { PatternFor } from '../../channel/filter/pattern.ts';
import { defineEvent } from '../../event/define-event.ts';
import type { EventOf } from '../../event/define-event.ts';
import { retractionOf } from '../../event/derived-definitions.ts';
import { defineWindow } from '../../operator/define-window.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import { seededRandom } from '../../system/random.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { onStage } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { measure, Measured, Totalled } from './readings.ts';
import type { Test } from './readings.ts';

const SEEDS = [1, 2, 3, 4];
const MINUTE_MS = 60_000;

const Summed = defineEvent({
  type: 'contract.minutes.summed',
  schema: z.object({ start: z.string(), sensors: z.number(), sum: z.number() }),
  stream: () => 'sums-all',
});

const notEarly: PatternFor<EventOf<typeof Totalled>> = { timing: [{ exists: false }, 'late'] };

/** Totals of each sensor by the minute, and of these the sums over all sensors by five minutes. */
function chain({
  correct = false,
  idle = 'never',
  fails = () => false,
  early = false,
}: {
  readonly correct?: boolean;
  readonly idle?: 'never' | '1m';
  readonly fails?: () => boolean;
  /** The first stage says early results, too, and the second takes none of these. */
  readonly early?: boolean;
}) {
  const late = correct ? ({ correct: '10m' } as const) : 'drop';
  const totals = defineWindow({
    name: 'totals',
    on: Measured,
    key: ({ data }) => data.sensor,
    windows: tumbling('1m'),
    time: { disorder: '5s', idle },
    aggregate: {
      initial: () => ({ count: 0, sum: 0 }),
      add(total, { data }) {
        if (fails()) throw new Error('not this time');
        return { count: total.count + 1, sum: total.sum + data.value };
      },
      result: (total, { key, start }) => ({ sensor: key, start, ...total }),
    },
    late,
    ...(early ? { early: { events: 1 } } : {}),
    publishes: Totalled,
  });
  const sums = defineWindow({
    name: 'sums',
    on: Totalled,
    ...(early ? { where: notEarly } : {}),
    key: () => 'all',
    windows: tumbling('5m'),
    time: { idle },
    aggregate: {
      initial: () => ({ sensors: 0, sum: 0 }),
      add: (all, { data }) => ({ sensors: all.sensors + 1, sum: all.sum + data.sum }),
      remove: (all, { data }) => ({ sensors: all.sensors - 1, sum: all.sum - data.sum }),
      result: (all, { start }) => ({ start, ...all }),
    },
    late,
    publishes: Summed,
  });
  return [totals, sums];
}

/** Readings in batches of any size, with crashes between: what the second stage says is the sum of all that the first one said. */
async function runChained(stage: DeliveryStage, seed: number): Promise<void> {
  const chance = seededRandom(seed);
  const whole = (most: number) => Math.floor(chance.next() * most);
  const correct = seed % 2 === 0;
  const test: Test = await stage.start({ events: [Measured], windows: chain({ correct }) }, { seed });
  const total = 600;
  for (let from = 0; from < total;) {
    const batch = Array.from({ length: Math.min(total - from, 1 + whole(150)) }, (_, index) => {
      const late = chance.next() < 0.05 ? whole(400) : whole(5);
      const second = Math.max(0, (from + index) * 3 - late);
      return {
        event: Measured,
        data: { sensor: 'abcdef'.charAt(whole(6)), value: whole(10) },
        options: { time: new Date(DEFAULT_START_MS + second * 1_000) },
      };
    });
    await test.system.publishAll(batch);
    from += batch.length;
    const what = chance.next();
    if (what < 0.3) await test.crash();
    else if (what < 0.4) await test.restart();
    else if (what < 0.6) await test.settled();
  }
  const endMs = DEFAULT_START_MS + (total * 3 + 3_600) * 1_000;
  await test.system.publish(Measured, { sensor: 'a', value: 0 }, { time: new Date(endMs) });
  await test.settled();
  assertSummed(test);
  // Whatever was late was so for the first stage: its own results are never late for the second.
  const late = test.reported('thereupon.event.late').map(({ stream }) => stream);
  assert.deepEqual(new Set(late), new Set(correct ? [] : ['thereupon-totals']));
}

/** A log that becomes quiet now and then, a first stage that is paused at times, and that fails at times: nothing is late for the second. */
async function runQuiet(stage: DeliveryStage, seed: number): Promise<void> {
  const chance = seededRandom(seed);
  let failing = true;
  const fails = () => failing && chance.next() < 0.05;
  const test: Test = await stage.start({ events: [Measured], windows: chain({ idle: '1m', fails }) }, { seed });
  for (let index = 0; index < 120; index += 1) {
    const quiet = chance.next() < 0.05;
    await test.advance(quiet ? '10m' : `${1 + Math.floor(chance.next() * 15)}s`);
    const second = (test.clock.now() - DEFAULT_START_MS) / 1_000;
    await measure(test, 'abcdef'.charAt(Math.floor(chance.next() * 6)), second, Math.floor(chance.next() * 10));
    const what = chance.next();
    if (what < 0.1) await test.crash();
    else if (what < 0.3) await test.settled();
    else if (what < 0.35) await test.consumers.pause('totals');
    if (what > 0.9) await test.consumers.resume('totals');
  }
  failing = false;
  await test.consumers.resume('totals');
  await test.settled({ advance: '1h' });
  assertSummed(test);
  assert.deepEqual(test.reported('thereupon.event.late'), []);
  assert.equal(
    test.recorded(Totalled).reduce((sum, { data }) => sum + data.count, 0),
    120,
  );
}

/** Who lets no early results in is not told of what takes them back either: nothing is taken out that was never in. */
async function runWithoutEarly(stage: DeliveryStage): Promise<void> {
  const Noted = defineEvent({ type: 'contract.total.noted', schema: z.object({ sum: z.number(), was: z.number() }) });
  const noting = defineAutomation({
    name: 'noting',
    on: Totalled,
    where: notEarly,
    publishes: [Noted],
    run: ({ event, publish }) => void publish(Noted, { sum: event.data.sum, was: 0 }),
    onCorrection: ({ event, replaced, publish }) =>
      void publish(Noted, { sum: event?.data.sum ?? 0, was: replaced.reduce((sum, { data }) => sum + data.sum, 0) }),
  });
  const view = defineProjection({
    name: 'in-all',
    key: () => 'all',
    initial: () => ({ totals: 0, sum: 0 }),
    where: notEarly,
    on: [
      [
        Totalled,
        (all, { data }) => ({ totals: all.totals + 1, sum: all.sum + data.sum }),
        (all, { data }) => ({ totals: all.totals - 1, sum: all.sum - data.sum }),
      ],
    ],
  });
  const windows = chain({ correct: true, early: true });
  const test: Test = await stage.start({
    events: [Measured],
    windows,
    automations: [noting],
    projections: [view],
  });
  for (const [second, value] of [
    [1, 1],
    [2, 2],
    [70, 4],
    [30, 8],
    [80, 16],
    [1_000, 0],
  ] as const) {
    await measure(test, 'a', second, value);
    await test.crash();
  }
  await test.settled();
  const noted = test.recorded(Noted).map(({ data }) => [data.sum, data.was]);
  assert.deepEqual(noted, [
    [3, 0],
    [11, 3],
    [20, 0],
  ]);
  assert.deepEqual(await test.views.get(view, 'all'), { totals: 2, sum: 31 });
  assert.deepEqual(
    test.recorded(Summed).map(({ data }) => [data.sensors, data.sum]),
    [[2, 31]],
  );
  assert.deepEqual(test.reported('thereupon.event.late'), []);
}

function assertSummed(test: Test): void {
  const takenBack = new Set(test.recorded(retractionOf(Totalled)).map(({ extensions }) => extensions['retracts']));
  const expected = new Map<number, { sensors: number; sum: number }>();
  for (const { id, data } of test.recorded(Totalled)) {
    if (takenBack.has(id)) continue;
    const startMs = Math.floor(Date.parse(data.start) / (5 * MINUTE_MS)) * 5 * MINUTE_MS;
    const all = expected.get(startMs) ?? { sensors: 0, sum: 0 };
    expected.set(startMs, { sensors: all.sensors + 1, sum: all.sum + data.sum });
  }
  const overtaken = new Set(test.recorded(retractionOf(Summed)).map(({ extensions }) => extensions['retracts']));
  const found = test.recorded(Summed).filter(({ id }) => !overtaken.has(id));
  assert.deepEqual(
    new Map(found.map(({ data: { start, sensors, sum } }) => [Date.parse(start), { sensors, sum }])),
    expected,
  );
  assert.equal(found.length, expected.size);
}

/** Windows over the results of windows (G8). */
export const chainingCases: ContractSuite = (bench) => [
  ...SEEDS.map((seed) => ({
    name: `G6 G8 windows over windows take every result in time, however many events came at once and whatever crashes when, seed ${seed}`,
    run: () => onStage(bench, (stage) => runChained(stage, seed)),
  })),
  {
    name: 'G6 G8 who takes no early results takes none of these back, and what corrects a later one takes its place',
    run: () => onStage(bench, runWithoutEarly),
  },
  ...SEEDS.map((seed) => ({
    name: `G7 G8 windows over windows take every result in time, also in a quiet log, and where the first stage is paused or attempted again, seed ${seed}`,
    run: () => onStage(bench, (stage) => runQuiet(stage, seed)),
  })),
];
