import { describe, expect, test } from 'vitest';
import { expectedSince, hearOf, passAbsence } from '../../src/time/absence.ts';
import { NEW_MONITOR, passMonitor, readMonitor } from '../../src/time/monitor.ts';
import type { MonitorRules } from '../../src/time/monitor.ts';
import { emptyReorder, releaseUpTo, reorder } from '../../src/time/reorder-buffer.ts';
import { Watermark } from '../../src/time/watermark.ts';
import type { Aggregate, Firing } from '../../src/time/window-set.ts';
import { tumbling } from '../../src/time/windowing.ts';
import { DISORDER_MS, expectedOf, isBad, ORDERS, readingsOf, SERIES } from './nab-series.ts';
import type { Answers, Reading } from './nab-series.ts';
import { testSharedText } from './shared-text.ts';
import { Windowed } from './windowed.ts';

const mean: Aggregate<number, { readonly sum: number; readonly count: number }, number> = {
  initial: () => ({ sum: 0, count: 0 }),
  add: ({ sum, count }, value) => ({ sum: sum + value, count: count + 1 }),
  result: ({ sum, count }) => sum / count,
};

/** What monitors, windows and the wait for readings that do not come say of a series. */
function answer(arrivals: readonly Reading[], bad: (value: number) => boolean, stepMs: number) {
  const rules: MonitorRules = {
    measure: { kind: 'value' },
    fires: bad,
    rearms: (value) => !bad(value),
    forMs: 0,
    times: 1,
  };
  const level = { ...rules, rearms: undefined };
  const threeInARow = { ...rules, times: 3 };
  const states = { level: NEW_MONITOR, edge: NEW_MONITOR, row: NEW_MONITOR };
  const counts = { beyond: 0, crossings: 0, runs: 0, gaps: 0 };
  let silence = expectedSince(arrivals[0]?.timeMs ?? 0);
  const hours = new Windowed({
    windowing: tumbling('1h'),
    aggregate: mean,
    latenessMs: Number.POSITIVE_INFINITY,
    early: undefined,
    lateEvents: 1,
    firings: 'all' as const,
  });
  const means = new Map<number, number>();
  const hear = (firings: readonly Firing<number>[]) => {
    for (const { startMs, result } of firings) means.set(startMs, result);
  };
  const inOrder = ({ timeMs, value }: Reading) => {
    const passed = passAbsence(3 * stepMs, silence, timeMs);
    if (passed.silence !== undefined) counts.gaps += 1;
    silence = hearOf(passed.state, timeMs);
    for (const [name, which, count] of [
      ['level', level, 'beyond'],
      ['edge', rules, 'crossings'],
      ['row', threeInARow, 'runs'],
    ] as const) {
      const waited = passMonitor(which, states[name], timeMs);
      const step = readMonitor(which, waited.state, { timeMs, value });
      states[name] = step.state;
      if (step.firing !== undefined) counts[count] += 1;
    }
  };
  const watermark = new Watermark({ disorderMs: DISORDER_MS, idleMs: Number.POSITIVE_INFINITY, expected: [] });
  const seen = new Set<number>();
  let late = 0;
  let buffer = emptyReorder<Reading>();
  for (const reading of arrivals) {
    // As the log does: an event that is known is none.
    if (seen.has(reading.id)) continue;
    seen.add(reading.id);
    watermark.observe('sensor', reading.timeMs, reading.id);
    const step = reorder({ maxEvents: 1_000, overflow: 'release' }, buffer, {
      timeMs: reading.timeMs,
      event: reading,
      watermarkMs: watermark.ms,
    });
    buffer = step.state;
    for (const { event } of step.released) inOrder(event);
    hear(hours.add('', reading.timeMs, reading.value));
    hear(hours.advance(watermark.ms));
    // What comes after ten minutes have passed over it is late: for what asks of one reading alone it counts all the same.
    if (step.refused === 'late') {
      late += 1;
      if (bad(reading.value)) counts.beyond += 1;
    }
  }
  for (const { event } of releaseUpTo(buffer, Number.POSITIVE_INFINITY).released) inOrder(event);
  hear(hours.advance(Number.MAX_SAFE_INTEGER));
  // The clock of one of them was set back by an hour, once.
  expect(late).toBeLessThanOrEqual(12);
  return { ...counts, hours: means.size, badHours: [...means.values()].filter(bad).length };
}

describe('monitors and hourly means over the series of the Numenta benchmark', () => {
  testSharedText(
    ['sensors-nab/answers.json', ...SERIES.map((name) => `sensors-nab/${name}.csv`)],
    (answers, ...texts) => {
      for (const [index, series] of SERIES.entries()) {
        const expected = (JSON.parse(answers) as Record<string, Answers>)[series];
        const readings = readingsOf(texts[index] ?? '');
        if (expected === undefined) throw new Error(`${series} has no answers`);
        const bad = isBad(expected);
        for (const [order, arranged] of Object.entries(ORDERS)) {
          test(`${series}, ${order}`, () => {
            expect(readings).toHaveLength(expected.rows);
            const stepMs = expected['median step s'] * 1_000;
            expect(answer(arranged(readings), bad, stepMs)).toEqual(expectedOf(expected));
          });
        }
      }
    },
  );
});
