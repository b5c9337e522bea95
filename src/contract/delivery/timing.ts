import assert from 'node:assert/strict';
import { lateOf, retractionOf } from '../../event/derived-definitions.ts';
import { defineMonitor, defineSilence } from '../../operator/define-monitor.ts';
import { defineWindow } from '../../operator/define-window.ts';
import type { LatePolicy } from '../../operator/define-window.ts';
import { defineProjection } from '../../projection/define-projection.ts';
import { seededRandom } from '../../system/random.ts';
import { DEFAULT_START_MS } from '../../testing/index.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases, onStage } from './delivery-case.ts';
import type { DeliveryStage } from './delivery-case.ts';
import { Alarmed, measure, Measured, seconds, Totalled } from './readings.ts';
import type { Test } from './readings.ts';
import { only } from './samples.ts';

const SEEDS = [1, 2, 3, 4, 5, 6];
const MINUTE_MS = 60_000;

function totals(late: LatePolicy, add = (value: number): number => value) {
  return defineWindow({
    name: 'totals',
    on: Measured,
    key: ({ data }) => data.sensor,
    windows: tumbling('1m'),
    time: { disorder: '5s', idle: '30s' },
    aggregate: {
      initial: () => ({ count: 0, sum: 0 }),
      add: (total, { data }) => ({ count: total.count + 1, sum: total.sum + add(data.value) }),
      result: (total, { key, start }) => ({ sensor: key, start, ...total }),
    },
    late,
    retry: { attempts: 1 },
    publishes: Totalled,
  });
}

const told = (test: Test) =>
  test
    .recorded(Totalled)
    .map(({ data }) => [data.sensor, Date.parse(data.start) - DEFAULT_START_MS, data.count, data.sum]);

interface Reading {
  readonly sensor: string;
  readonly second: number;
  readonly value: number;
  readonly source: string;
}

/** What is to be told of readings in the order of the log, without any state but their list. */
function expectedOf(readings: readonly Reading[], latenessMs: number) {
  const latest = new Map<string, number>();
  const windows = new Map<string, { readonly of: Reading; startMs: number; values: number[]; isTold: boolean }>();
  const results: string[] = [];
  let late = 0;
  let watermarkMs = Number.NEGATIVE_INFINITY;
  const tell = (window: { readonly of: Reading; startMs: number; values: number[]; isTold: boolean }) => {
    const { of, startMs, values } = window;
    results.push(`${of.sensor} ${startMs} ${values.length} ${values.reduce((sum, value) => sum + value, 0)}`);
    window.isTold = true;
  };
  for (const reading of readings) {
    const { sensor, source, second, value } = reading;
    const timeMs = second * 1_000;
    const startMs = Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
    if (startMs + MINUTE_MS + latenessMs <= watermarkMs) late += 1;
    else {
      const name = `${sensor} ${startMs}`;
      const window = windows.get(name) ?? { of: reading, startMs, values: [], isTold: false };
      windows.set(name, window);
      window.values.push(value);
      if (startMs + MINUTE_MS <= watermarkMs) tell(window);
    }
    latest.set(source, Math.max(latest.get(source) ?? timeMs, timeMs));
    watermarkMs = Math.max(watermarkMs, Math.min(...latest.values()) - 5_000);
    for (const window of windows.values())
      if (!window.isTold && window.startMs + MINUTE_MS <= watermarkMs) tell(window);
  }
  return { results: results.sort(), late };
}

/** Readings of several sensors and sources, some of them out of order and some late, with crashes and restarts between and under them. */
async function runDisordered(stage: DeliveryStage, seed: number, failing = 0): Promise<void> {
  const chance = seededRandom(seed);
  const whole = (most: number) => Math.floor(chance.next() * most);
  const readings = Array.from({ length: 150 }, (_, index): Reading => ({
    sensor: 'abcd'.charAt(whole(4)),
    source: `/${whole(2)}`,
    second: Math.max(0, index * 4 - (chance.next() < 0.2 ? whole(300) : whole(8))),
    value: whole(10),
  }));
  let fails = failing;
  const counted = (read: number) => {
    if (fails > 0 && chance.next() < fails) throw new Error('not this time');
    return read;
  };
  const test: Test = await stage.start({ events: [Measured], windows: [totals({ correct: '2m' }, counted)] }, { seed });
  for (const { sensor, second, value, source } of readings) {
    await measure(test, sensor, second, value, source);
    const what = chance.next();
    if (what < 0.04) await test.crash();
    else if (what < 0.07) await test.restart();
    else if (what < 0.2) await test.settled();
  }
  await test.crash();
  fails = 0;
  for (;;) {
    await test.settled();
    if ((await test.parked()).length === 0) break;
    await test.deadLetters.retryAll({ consumer: 'totals' });
  }
  const expected = expectedOf(readings, 2 * MINUTE_MS);
  const found = told(test).map((result) => result.join(' '));
  assert.deepEqual(found.toSorted(), expected.results);
  // Each correction takes back what it names, and only the last word of a window stands.
  const results = test.recorded(Totalled);
  const replaced = results.flatMap(
    ({ extensions }) => (extensions['replaces'] as string | undefined)?.split(' ') ?? [],
  );
  const takenBack = test.recorded(retractionOf(Totalled)).map(({ extensions }) => extensions['retracts']);
  assert.deepEqual(new Set(replaced), new Set(takenBack));
  assert.equal(replaced.length, takenBack.length);
  const windows = new Set(results.map(({ data }) => `${data.sensor} ${data.start}`));
  assert.equal(results.length - replaced.length, windows.size);
  assert.equal(test.reported('thereupon.event.late').length, expected.late);
  if (failing === 0) return;
  const before = test.recorded().length;
  await test.consumers.replay('totals', 'beginning');
  await test.settled();
  assert.equal(test.recorded().length, before, 'a replay says what was said');
}

/** What happens over event time (G8), on the engine and its stores (G6). */
export const timingCases: ContractSuite = (bench) => [
  ...SEEDS.map((seed) => ({
    name: `G6 G8 windows over disordered events say, whatever crashes when, what follows from the log alone, seed ${seed}`,
    run: () => onStage(bench, (stage) => runDisordered(stage, seed)),
  })),
  ...SEEDS.map((seed) => ({
    name: `G2 G6 G7 windows that fail now and then say what they would have said, and a replay says nothing else, seed ${seed}`,
    run: () => onStage(bench, (stage) => runDisordered(stage, seed, 0.1)),
  })),
  ...deliveryCases(bench, {
    async 'G6 G7 an attempt that failed is repeated at the time that it was made at: a window says the same, late in a history too'(
      stage,
    ) {
      for (const failures of [0, 1]) {
        let left = failures;
        const window = totals('drop', (value) => {
          if (value === 7 && (left -= 1) >= 0) throw new Error('once');
          return value;
        });
        const test: Test = await stage.start({
          events: [Measured],
          windows: [{ ...window, reaction: { ...window.reaction, retry: { ...window.reaction.retry, attempts: 3 } } }],
        });
        await test.consumers.pause('totals', 'until there is a history');
        for (const second of [1, 2, 3, 70, 3_600, 7_200]) await measure(test, 'a', second, second === 1 ? 7 : 1);
        await test.consumers.resume('totals');
        await test.crash();
        await test.settled({ advance: '10m' });
        assert.deepEqual(told(test).slice(0, 2), [
          ['a', 0, 3, 9],
          ['a', 60_000, 1, 1],
        ]);
        assert.deepEqual(test.reported('thereupon.event.late'), []);
      }
    },
    async 'G8 corrections that are told by the number are told in the end, and of a window that only late events are in at once'(
      stage,
    ) {
      const test: Test = await stage.start({
        events: [Measured],
        windows: [totals({ correct: '10m', every: 3 })],
      });
      await measure(test, 'a', 10);
      await measure(test, 'a', 100);
      await measure(test, 'a', 20, 2);
      await measure(test, 'a', 30, 4);
      await measure(test, 'b', 20, 7);
      await test.settled();
      // Nothing is promised of the order between keys.
      assert.deepEqual(
        told(test)
          .map((result) => result.join(' '))
          .toSorted(),
        ['a 0 1 1', 'b 0 1 7'],
      );
      await measure(test, 'a', 3_600);
      await test.settled();
      assert.deepEqual(told(test)[2], ['a', 0, 3, 7]);
    },
    async 'G8 a quiet log still closes its windows: time goes on by the clock, and that it did is recorded'(stage) {
      const test: Test = await stage.start({ events: [Measured], windows: [totals('drop')] });
      await measure(test, 'a', 10);
      await test.settled();
      await test.advance('80s');
      assert.deepEqual([told(test), test.reported('thereupon.time.passed').length], [[], 0]);
      // Its end, the disorder and the idle time.
      await test.advance('16s');
      await test.settled();
      assert.deepEqual(told(test), [['a', 0, 1, 1]]);
      assert.equal(test.reported('thereupon.time.passed').length, 1);
      // The watermark does not go back, over a restart too: what comes now for that minute is late.
      await test.restart();
      await measure(test, 'a', 20);
      await test.settled();
      assert.deepEqual([told(test).length, test.reported('thereupon.event.late').length], [1, 1]);
    },
    async 'G8 G11 what comes too late is counted and recorded, and published aside where that is wanted'(stage) {
      const LateReading = lateOf(Measured);
      const test: Test = await stage.start({ events: [Measured], windows: [totals('side')] });
      await measure(test, 'a', 0);
      await measure(test, 'a', 70);
      await measure(test, 'a', 30, 7);
      await test.settled();
      const late = only(test.recorded(LateReading));
      assert.deepEqual([late.data, late.stream, late.subject], [{ sensor: 'a', value: 7 }, 'late-totals', 'sensor-a']);
      const report = only(test.reported('thereupon.event.late')).data as Record<string, unknown>;
      assert.deepEqual([report['consumer'], report['key'], report['became']], ['totals', 'a', LateReading.type]);
      assert.equal((await test.consumers.status('totals')).figures.late, 1);
      assert.deepEqual(told(test), [['a', 0, 1, 1]]);
    },
    async 'G7 an event that cannot be added stops the windows of its key only, and they tell with it when it is mended'(
      stage,
    ) {
      const bad = new Set([13]);
      const add = (value: number) => {
        if (bad.has(value)) throw new Error('13 is no value');
        return value;
      };
      const test: Test = await stage.start({ events: [Measured], windows: [totals('drop', add)] });
      for (const sensor of ['a', 'b']) await measure(test, sensor, 0, 1);
      await measure(test, 'a', 10, 13);
      for (const sensor of ['a', 'b']) await measure(test, sensor, 20, 2);
      await measure(test, 'b', 90);
      await test.settled();
      assert.deepEqual(told(test), [['b', 0, 2, 3]]);
      bad.clear();
      await test.deadLetters.retry(only(await test.parked('totals')).id);
      await test.settled();
      assert.deepEqual(told(test), [
        ['b', 0, 2, 3],
        ['a', 0, 3, 16],
      ]);
    },
    async 'G7 a result that cannot be published stands as a dead letter of the last event of its key, and is published once that is mended'(
      stage,
    ) {
      let wrong = true;
      const window = defineWindow({
        name: 'totals',
        on: Measured,
        key: ({ data }) => data.sensor,
        windows: tumbling('1m'),
        time: { disorder: '0s' },
        aggregate: {
          initial: () => 0,
          add: (count) => count + 1,
          result: (count, { key, start }) => ({
            sensor: key,
            start,
            count: wrong && key === 'a' ? 1_000 : count,
            sum: 0,
          }),
        },
        retry: { attempts: 1 },
        publishes: Totalled,
      });
      const test: Test = await stage.start({ events: [Measured], windows: [window] });
      await measure(test, 'a', 1);
      await measure(test, 'b', 2);
      await measure(test, 'c', 70);
      await test.settled();
      assert.deepEqual(told(test), [['b', 0, 1, 0]]);
      const letter = only(await test.parked('totals'));
      assert.deepEqual([letter.key, letter.event?.position], ['a', 1]);
      await measure(test, 'a', 71);
      await test.crash();
      await test.settled();
      assert.equal(told(test).length, 1);
      wrong = false;
      await test.deadLetters.retry(letter.id);
      await test.settled();
      await measure(test, 'c', 130);
      await test.settled();
      const others = told(test)
        .slice(1)
        .map((result) => result.join(' '));
      assert.deepEqual(others.sort(), ['a 0 1 0', `a ${MINUTE_MS} 1 0`, `c ${MINUTE_MS} 1 0`]);
    },
    async 'G2 G6 a replay from the beginning says the same again, and nothing is recorded twice'(stage) {
      const sums = defineProjection({
        name: 'sum-of-sums',
        key: ({ data }) => data.sensor,
        initial: () => 0,
        on: [[Totalled, (row, { data }) => row + data.sum, (row, { data }) => row - data.sum]],
      });
      const test: Test = await stage.start({
        events: [Measured],
        windows: [totals({ correct: '1h' })],
        projections: [sums],
      });
      for (const [second, value] of [
        [0, 1],
        [70, 2],
        [10, 4],
        [140, 8],
        [75, 16],
        [20, 32],
      ] as const)
        await measure(test, 'a', second, value);
      await test.settled();
      const before = test.recorded().length;
      assert.equal(await test.row(sums, 'a'), 1 + 4 + 32 + 2 + 16);
      await test.consumers.replay('totals', 'beginning');
      await test.settled();
      assert.equal(test.recorded().length, before);
      assert.equal(await test.row(sums, 'a'), 55);
    },
    async 'G8 a monitor fires once until it is armed again, over restarts too, and of two keys each by itself'(stage) {
      const hot = defineMonitor({
        name: 'hot',
        on: Measured,
        key: ({ data }) => data.sensor,
        value: ({ data }) => data.value,
        fires: { above: 80 },
        rearms: { below: 75 },
        for: '10s',
        publishes: Alarmed,
        alarm: ({ key, since }) => ({ sensor: key, since }),
      });
      const test: Test = await stage.start({ events: [Measured], monitors: [hot] });
      const readings = [
        [0, 'a', 81],
        [5, 'b', 90],
        [9, 'a', 82],
        [11, 'a', 83],
        [12, 'a', 79],
        [13, 'a', 99],
        [14, 'b', 70],
        [30, 'a', 99],
        [31, 'a', 74],
        [32, 'a', 81],
        [50, 'a', 81],
      ] as const;
      for (const [second, sensor, value] of readings) {
        await measure(test, sensor, second, value);
        await test.crash();
      }
      await test.settled();
      assert.deepEqual(
        test.recorded(Alarmed).map(({ data, time }) => [data.sensor, seconds(data.since), seconds(time)]),
        [
          ['a', 0, 10],
          ['a', 32, 42],
        ],
      );
    },
    async 'G8 that nothing came of a key is told once, also of one that is expected and never was heard of, in an empty log too'(
      stage,
    ) {
      const silent = defineSilence({
        name: 'silent',
        on: Measured,
        key: ({ data }) => data.sensor,
        for: '5m',
        expected: ['a', 'b'],
        time: { idle: '10s' },
        publishes: Alarmed,
        alarm: ({ key, since }) => ({ sensor: key, since }),
      });
      const test: Test = await stage.start({ events: [Measured], monitors: [silent] });
      const alarms = () => test.recorded(Alarmed).map(({ data }) => [data.sensor, seconds(data.since)]);
      await test.advance('4m');
      await measure(test, 'a', 240);
      await test.crash();
      await test.settled({ advance: '2m' });
      assert.deepEqual(alarms(), [['b', 0]]);
      await test.settled({ advance: '10m' });
      assert.deepEqual(alarms(), [
        ['b', 0],
        ['a', 240],
      ]);
      await test.restart();
      await test.settled({ advance: '1h' });
      assert.equal(alarms().length, 2);
    },
    async 'G8 what is expected is missing since time began, not since what might have come late: of those who speak in time nothing is told'(
      stage,
    ) {
      const silent = defineSilence({
        name: 'silent',
        on: Measured,
        key: ({ data }) => data.sensor,
        for: '5m',
        expected: ['a', 'b', 'c'],
        time: { disorder: '5m', idle: '10s' },
        publishes: Alarmed,
        alarm: ({ key, since }) => ({ sensor: key, since }),
      });
      const test: Test = await stage.start({ events: [Measured], monitors: [silent] });
      for (let minute = 1; minute < 20; minute += 3) {
        await test.advance('1m');
        await measure(test, 'a', minute * 60);
        await test.advance('2m');
        await measure(test, 'b', minute * 60 + 120);
        if (minute === 4) await test.crash();
        await test.settled();
      }
      assert.deepEqual(
        test.recorded(Alarmed).map(({ data, time }) => [data.sensor, seconds(data.since), seconds(time)]),
        [['c', 0, 300]],
      );
      assert.deepEqual(test.reported('thereupon.event.late'), []);
    },
    async 'G7 an event whose key could not be told counts in its own window when it is mended, behind later ones of that key'(
      stage,
    ) {
      let isBroken = true;
      const window = defineWindow({
        name: 'totals',
        on: Measured,
        key({ data }) {
          if (isBroken && data.value === 13) throw new Error('no key');
          return data.sensor;
        },
        windows: tumbling('1m'),
        time: { disorder: '0s', idle: 'never' },
        aggregate: {
          initial: () => ({ count: 0, sum: 0 }),
          add: (total, { data }) => ({ count: total.count + 1, sum: total.sum + data.value }),
          result: (total, { key, start }) => ({ sensor: key, start, ...total }),
        },
        retry: { attempts: 1 },
        publishes: Totalled,
      });
      const test: Test = await stage.start({ events: [Measured], windows: [window] });
      await measure(test, 'a', 1, 13);
      await measure(test, 'a', 2, 1);
      await measure(test, 'a', 3, 2);
      await test.settled();
      isBroken = false;
      await test.deadLetters.retry(only(await test.parked('totals')).id);
      await test.settled();
      await measure(test, 'a', 61);
      await test.settled();
      assert.deepEqual(told(test), [['a', 0, 3, 16]]);
    },
    async 'G8 two readings of one instant are two, and one from before the last of its key is late, in a monitor at rest too'(
      stage,
    ) {
      for (const disorder of ['0s', '10s'] as const) {
        const level = defineMonitor({
          name: 'level',
          on: Measured,
          key: ({ data }) => data.sensor,
          value: ({ data }) => data.value,
          fires: { above: 80 },
          rearms: 'always',
          time: { disorder, idle: '1s' },
          publishes: Alarmed,
          alarm: ({ key, since }) => ({ sensor: key, since }),
        });
        const test: Test = await stage.start({ events: [Measured], monitors: [level] });
        await measure(test, 'a', 10, 90);
        await measure(test, 'a', 10, 95);
        await measure(test, 'a', 20, 50);
        await test.settled({ advance: '1m' });
        await measure(test, 'a', 15, 90);
        await test.settled();
        assert.equal(test.recorded(Alarmed).length, 2, disorder);
        assert.equal(test.reported('thereupon.event.late').length, 1, disorder);
      }
    },
  }),
];
