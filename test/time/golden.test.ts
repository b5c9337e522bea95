import { describe, expect, test } from 'vitest';
import type { Aggregate, Firing, WindowRules } from '../../src/time/window-set.ts';
import { Watermark } from '../../src/time/watermark.ts';
import { hopping, session, tumbling } from '../../src/time/windowing.ts';
import type { Windowing } from '../../src/time/windowing.ts';
import { jsonLines, scriptOf, shownTime } from './golden-text.ts';
import { testSharedText } from './shared-text.ts';
import { Windowed } from './windowed.ts';

const ONE_SOURCE = { idleMs: Number.POSITIVE_INFINITY, expected: [] };

interface Stats {
  readonly count: number;
  readonly min: number;
  readonly max: number;
}

const stats: Aggregate<number, Stats, Stats> = {
  initial: () => ({ count: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY }),
  add: ({ count, min, max }, value) => ({ count: count + 1, min: Math.min(min, value), max: Math.max(max, value) }),
  merge: (left, right) => ({
    count: left.count + right.count,
    min: Math.min(left.min, right.min),
    max: Math.max(left.max, right.max),
  }),
  result: (all) => all,
};

function once(windowing: Windowing): WindowRules<number, Stats, Stats> {
  return { windowing, aggregate: stats, latenessMs: 0, early: undefined, lateEvents: 1, firings: 'all' };
}

/** Lets events through the windows of their keys in their order, the watermark behind them, and then to the end of time. */
function run(
  events: readonly { readonly key: string; readonly timeMs: number; readonly value: number }[],
  windowing: Windowing,
  disorderMs: number,
): { readonly firings: readonly (Firing<Stats> & { readonly key: string })[]; readonly missed: number } {
  const windows = new Windowed(once(windowing));
  const watermark = new Watermark({ disorderMs, ...ONE_SOURCE });
  const firings = events.flatMap(({ key, timeMs, value }) => {
    windows.add(key, timeMs, value);
    watermark.observe('file', timeMs, timeMs);
    return windows.advance(watermark.ms);
  });
  const last = windows.advance(Number.POSITIVE_INFINITY);
  expect(windows.open, 'state that is left').toBe(0);
  return { firings: [...firings, ...last], missed: windows.missed };
}

const timeOf = (event: Record<string, unknown>) => Date.parse(String(event['timestamp']));
const ARROYO = 'stream-queries-arroyo';

describe('windows over the disordered rides and impulses of Arroyo give its golden outputs', () => {
  testSharedText([`${ARROYO}/inputs/cars.json`, `${ARROYO}/expected/hourly_by_event_type.json`], (input, expected) => {
    test('tumbling hours by kind of event, a second of disorder', () => {
      const rides = jsonLines(input).map((ride) => ({
        key: String(ride['event_type']),
        timeMs: timeOf(ride),
        value: 1,
      }));
      expect(rides).toHaveLength(7_932);
      const { firings, missed } = run(rides, tumbling('1h'), 1_000);
      const rows = firings.map(({ key, startMs, result }) => ({
        event_type: key,
        hour: shownTime(startMs),
        count: result.count,
      }));
      expect(missed).toBe(0);
      expect(new Set(rows.map((row) => JSON.stringify(row)))).toEqual(
        new Set(jsonLines(expected).map(({ event_type, hour, count }) => JSON.stringify({ event_type, hour, count }))),
      );
    });
  });

  testSharedText([`${ARROYO}/inputs/cars.json`, `${ARROYO}/expected/tight_watermark.json`], (input, expected) => {
    test('tumbling hours, no disorder allowed', () => {
      const rides = jsonLines(input).map((ride) => ({ key: '', timeMs: timeOf(ride), value: 1 }));
      const rows = run(rides, tumbling('1h'), 0).firings.map(({ endMs, result }) => ({
        count: result.count,
        timestamp: shownTime(endMs),
      }));
      expect(rows).toEqual(jsonLines(expected).toSorted(by('timestamp')));
    });
  });

  testSharedText([`${ARROYO}/inputs/impulse.json`, `${ARROYO}/expected/session_window.json`], (input, expected) => {
    test('sessions by user', () => {
      const impulses = jsonLines(input).map((impulse) => {
        const counter = Number(impulse['counter']);
        return { key: String(counter % 10 === 0 ? 0 : counter), timeMs: timeOf(impulse), value: counter };
      });
      const rows = run(impulses, session('20s'), 1_000).firings.map(({ key, startMs, endMs, result }) => ({
        end: shownTime(endMs),
        rows: result.count,
        start: shownTime(startMs),
        user_id: Number(key),
      }));
      expect(rows.toSorted(by('user_id'))).toEqual(jsonLines(expected).toSorted(by('user_id')));
    });
  });

  testSharedText([`${ARROYO}/inputs/impulse.json`, `${ARROYO}/expected/sliding_window_end.json`], (input, expected) => {
    test('hopping windows', () => {
      const impulses = jsonLines(input).map((impulse) => ({
        key: '',
        timeMs: timeOf(impulse),
        value: Number(impulse['counter']),
      }));
      const rows = run(impulses, hopping('10s', { every: '2s' }), 1_000).firings.map(({ startMs, endMs, result }) => ({
        count: result.count,
        end: shownTime(endMs),
        max: result.max,
        min: result.min,
        start: shownTime(startMs),
      }));
      expect(rows).toEqual(jsonLines(expected).toSorted(by('start')));
    });
  });
});

function by(member: string) {
  return (left: object, right: object): number => {
    const [one, other] = [left, right].map((row) => (row as Record<string, string | number>)[member] ?? 0);
    return (one ?? 0) < (other ?? 0) ? -1 : 1;
  };
}

describe('nothing is seen before the watermark has passed the end of its window, as in RisingWave', () => {
  testSharedText(['watermark-emit-on-close/eowc_group_agg.slt'], (text) => {
    test('the greatest value of each hour', () => {
      const windows = new Windowed(once(tumbling('1h')));
      const watermark = new Watermark({ disorderMs: 5 * 60_000, ...ONE_SOURCE });
      const seen: string[] = [];
      const script = scriptOf(text);
      expect(script).toHaveLength(2);
      for (const { rows, seen: expected } of script) {
        for (const [timeMs, foo] of rows) {
          windows.add('', timeMs, foo);
          watermark.observe('t', timeMs, timeMs);
          for (const { startMs, result } of windows.advance(watermark.ms))
            seen.push(`${shownTime(startMs).replace('T', ' ')}  ${result.max}`);
        }
        expect(seen).toEqual(expected);
      }
    });
  });
});
