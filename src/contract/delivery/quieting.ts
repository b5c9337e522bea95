import assert from 'node:assert/strict';
import { z } from 'zod';
import { defineEvent } from '../../event/define-event.ts';
import { defineWindow } from '../../operator/define-window.ts';
import type { EventTimeOptions } from '../../operator/event-time-options.ts';
import type { TestSystem } from '../../testing/index.ts';
import { hopping, tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { Measured, Totalled } from './readings.ts';

const Opened = defineEvent({
  type: 'contract.door.opened',
  schema: z.object({ door: z.string() }),
  stream: (data) => `door-${data.door}`,
});

const Tallied = defineEvent({
  type: 'contract.doors.tallied',
  schema: z.object({ door: z.string(), count: z.number() }),
  stream: (data) => `tally-${data.door}`,
});

const Joined = defineEvent({
  type: 'contract.all.joined',
  schema: z.object({ count: z.number() }),
  stream: () => 'all',
});

type Test = TestSystem<typeof Measured | typeof Opened>;

type Time = Pick<EventTimeOptions<never>, 'disorder' | 'idle' | 'sources'>;

/** Minutes of readings by sensor. */
function totals(
  time: Time,
  { fails = () => false, early }: { readonly fails?: () => boolean; readonly early?: { readonly events: number } } = {},
) {
  return defineWindow({
    name: 'totals',
    on: Measured,
    key: ({ data }) => data.sensor,
    windows: tumbling('1m'),
    time,
    aggregate: {
      initial: () => ({ count: 0, sum: 0 }),
      add: (total, { data }) => ({ count: total.count + 1, sum: total.sum + data.value }),
      result(total, { key, start }) {
        if (key === 'failing' && fails()) throw new Error('not yet');
        return { sensor: key, start, ...total };
      },
    },
    ...(early === undefined ? {} : { early }),
    retry: { attempts: 1_000, minDelay: '2h', maxDelay: '2h' },
    publishes: Totalled,
  });
}

/** Minutes of openings by door. */
function tallies(time: Time) {
  return defineWindow({
    name: 'tallies',
    on: Opened,
    key: ({ data }) => data.door,
    windows: tumbling('1m'),
    time,
    aggregate: { initial: () => 0, add: (count) => count + 1, result: (count, { key }) => ({ door: key, count }) },
    publishes: Tallied,
  });
}

/** How many of these there were in five minutes. */
function joined(time: Time, ...more: readonly (typeof Opened | typeof Tallied)[]) {
  return defineWindow({
    name: 'joined',
    on: [Totalled, ...more],
    key: () => 'all',
    windows: tumbling('5m'),
    time,
    aggregate: {
      initial: () => 0,
      add: (count) => count + 1,
      remove: (count) => count - 1,
      result: (count) => ({ count }),
    },
    publishes: Joined,
  });
}

/** So many seconds from now. */
function within(test: Test, second: number) {
  return { time: new Date(test.clock.now() + second * 1_000), source: '/sensors' };
}

async function measure(test: Test, sensor: string, second: number): Promise<void> {
  await test.system.publish(Measured, { sensor, value: 1 }, within(test, second));
}

async function open(test: Test, second: number): Promise<void> {
  await test.system.publish(Opened, { door: 'd' }, within(test, second));
}

/** What was recorded of time while nothing came for so long. */
async function toldIn(test: Test, hours: number): Promise<number> {
  const before = test.reported().length;
  for (let hour = 0; hour < hours; hour += 1) {
    await test.advance('1h');
    await test.settled();
  }
  return test.reported().length - before;
}

function counts(test: Test): number[] {
  return test.recorded(Joined).map(({ data }) => data.count);
}

const events = [Measured, Opened];

/** Time that goes on by the clock, for those who read the results of others (G8). */
export const quietingCases: ContractSuite = (bench) =>
  deliveryCases(bench, {
    'G7 G8 who reads results and sources that never spoke goes on in quiet, and nothing more is recorded when all is said':
      async (stage) => {
        for (const time of [
          { sources: ['/nobody'] },
          { sources: ['/nobody'], idle: '10m' },
          { sources: ['/sensors'] },
        ] as const) {
          const test = await stage.start({ events, windows: [totals({}), joined(time, Opened)] });
          await measure(test, 'a', 1);
          await open(test, 2);
          assert.equal((await toldIn(test, 1)) > 0, true);
          assert.deepEqual(counts(test), [2]);
          assert.equal(await toldIn(test, 3), 0);
        }
      },

    'G6 G8 no result is late for who reads it, also where the first stage stops while something is attempted again':
      async (stage) => {
        for (const how of ['restart', 'pause', 'crash'] as const) {
          let failing = true;
          const test = await stage.start({ events, windows: [totals({}, { fails: () => failing }), joined({})] });
          for (const [sensor, second] of [
            ['a', 1],
            ['failing', 2],
            ['a', 70],
          ] as const)
            await measure(test, sensor, second);
          await test.settled();
          // Taken, and not committed yet.
          await measure(test, 'a', 400);
          failing = false;
          if (how === 'pause') {
            await test.consumers.pause('totals');
            await test.consumers.resume('totals');
          } else await test[how]();
          await toldIn(test, 4);
          assert.deepEqual([test.reported('thereupon.event.late'), counts(test)], [[], [3, 1]]);
        }
      },

    'G8 no result is late for who reads it, also where several of a key are due at once': async (stage) => {
      const first = defineWindow({
        name: 'overlapping',
        on: Opened,
        key: ({ data }) => data.door,
        windows: hopping('2m', { every: '1m' }),
        time: { disorder: '5s', idle: 'never' },
        aggregate: { initial: () => 0, add: (count) => count + 1, result: (count, { key }) => ({ door: key, count }) },
        concurrency: 1,
        publishes: Tallied,
      });
      const second = defineWindow({
        name: 'joined',
        on: Tallied,
        key: () => 'all',
        windows: tumbling('1m'),
        time: { idle: 'never' },
        aggregate: { initial: () => 0, add: (count) => count + 1, result: (count) => ({ count }) },
        publishes: Joined,
      });
      const test = await stage.start({ events, windows: [first, second] });
      for (const [door, seconds, source] of [
        ['a', -30, '/a'],
        ['b', 30, '/b'],
        ['end', 50_000, '/a'],
        ['end', 50_000, '/b'],
      ] as const)
        await test.system.publish(Opened, { door }, { ...within(test, seconds), source });
      await test.settled();
      assert.deepEqual([test.reported('thereupon.event.late'), counts(test)], [[], [1, 2, 1]]);
    },

    'G8 who reads results and other sources goes on when these are silent, though those whose results it reads do not go on by the clock':
      async (stage) => {
        for (const sources of [[], ['/nobody']]) {
          const test = await stage.start({ events, windows: [totals({ idle: 'never' }), joined({ sources }, Opened)] });
          await open(test, 1);
          await measure(test, 'a', 2);
          await measure(test, 'a', 400);
          await toldIn(test, 1);
          assert.deepEqual(counts(test), [2]);
          assert.equal(await toldIn(test, 3), 0);
          const before = test.recorded().length;
          await test.consumers.replay('totals', 'beginning');
          await toldIn(test, 2);
          assert.equal(test.recorded().length, before);
        }
      },

    'G8 all of three stages close in quiet, also where what was early is taken back as the last of a window is due':
      async (stage) => {
        const windows = [totals({}, { early: { events: 2 } }), joined({}), last()];
        const test = await stage.start({ events, windows });
        for (const second of [595, 596]) {
          await measure(test, 'a', second);
          await test.settled();
        }
        await toldIn(test, 1);
        assert.deepEqual([counts(test), test.recorded(Last).map(({ data }) => data.count)], [[1], [1]]);
        assert.equal(await toldIn(test, 3), 0);
      },

    'G8 who reads one whose time goes on by the clock and one whose time does not, maybe through another, waits, and the first records nothing for it without end':
      async (stage) => {
        for (const between of [false, true]) {
          const windows = between
            ? [totals({ idle: 'never' }), joined({}), tallies({}), last()]
            : [totals({ idle: 'never' }), tallies({}), joined({}, Tallied)];
          const test = await stage.start({ events, windows });
          await measure(test, 'a', 1);
          await measure(test, 'a', 400);
          await open(test, 1);
          await toldIn(test, 1);
          assert.equal(test.recorded(Tallied).length, 1);
          assert.equal(await toldIn(test, 3), 0);
          await measure(test, 'a', 40_000);
          await toldIn(test, 1);
          assert.equal(test.recorded(between ? Last : Joined).length > 0, true);
        }
      },

    'G8 while one whose results are read is paused, or attempts something again, others let no time pass for those who wait for both; then they do':
      async (stage) => {
        let failing = true;
        const windows = [totals({}, { fails: () => failing }), tallies({}), joined({}, Tallied)];
        for (const what of ['paused', 'failing'] as const) {
          failing = true;
          const test = await stage.start({ events, windows });
          await measure(test, what === 'failing' ? 'failing' : 'a', 1);
          await open(test, 1);
          await test.settled();
          if (what === 'paused') await test.consumers.pause('totals');
          await toldIn(test, 1);
          assert.equal(await toldIn(test, what === 'paused' ? 3 : 0), 0);
          assert.deepEqual([test.recorded(Tallied).length, counts(test)], [1, []]);
          failing = false;
          if (what === 'paused') await test.consumers.resume('totals');
          await toldIn(test, 3);
          assert.deepEqual(counts(test), [2]);
          assert.equal(await toldIn(test, 3), 0);
        }
      },
  });

const Last = defineEvent({
  type: 'contract.last.said',
  schema: z.object({ count: z.number() }),
  stream: () => 'last',
});

/** Over what is joined and the tallies. */
function last() {
  return defineWindow({
    name: 'last',
    on: [Joined, Tallied],
    key: () => 'all',
    windows: tumbling('10m'),
    aggregate: { initial: () => 0, add: (count) => count + 1, result: (count) => ({ count }) },
    publishes: Last,
  });
}
