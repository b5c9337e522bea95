import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_TIME, Watermark } from './watermark.ts';
import type { WatermarkRule } from './watermark.ts';

interface Observation {
  readonly source: string;
  readonly timeMs: number;
  readonly recordedMs: number;
}

const SOURCES = ['a', 'b', 'c'];
const rules = fc.record({
  disorderMs: fc.nat(20),
  idleMs: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.constant(Number.POSITIVE_INFINITY)),
  expected: fc.subarray(SOURCES),
});
const histories = fc
  .array(fc.record({ source: fc.constantFrom(...SOURCES), timeMs: fc.nat(200), laterMs: fc.nat(15) }), {
    maxLength: 60,
  })
  .map((steps) => {
    let recordedMs = 0;
    return steps.map(({ source, timeMs, laterMs }): Observation => ({
      source,
      timeMs,
      recordedMs: (recordedMs += laterMs),
    }));
  });

/** What the watermark is after each event, each time from the beginning. */
function expected({ disorderMs, idleMs, expected: needed }: WatermarkRule, history: readonly Observation[]): number[] {
  let highest = NO_TIME;
  return history.map((present, index) => {
    const seen = history.slice(0, index + 1);
    const latest = SOURCES.flatMap((source) => {
      let own: Observation[] = [];
      for (const observation of seen) {
        const last = own.at(-1);
        // Of one that others show to be silent nothing is remembered, unless it is expected.
        if (observation.source === source) own.push(observation);
        else if (last !== undefined && last.recordedMs + idleMs <= observation.recordedMs && !needed.includes(source))
          own = [];
      }
      // One that is expected has as long as others to say something.
      const first = needed.includes(source) ? history[0] : undefined;
      const last = own.at(-1) ?? first;
      if (last === undefined || last.recordedMs + idleMs <= present.recordedMs) return [];
      return [Math.max(NO_TIME, ...own.map(({ timeMs }) => timeMs))];
    });
    if (latest.length > 0) highest = Math.max(highest, Math.min(...latest) - disorderMs);
    return highest;
  });
}

describe('a watermark', () => {
  test('is what the events so far say of the sources that are not silent, never goes back, and goes on from what was kept of it (G8)', () => {
    fc.assert(
      fc.property(rules, histories, fc.nat(60), (rule, history, restart) => {
        let watermark = new Watermark(rule);
        const found = history.map(({ source, timeMs, recordedMs }, index) => {
          if (index === restart)
            watermark = new Watermark(rule, JSON.parse(JSON.stringify(watermark.snapshot()), infinite) as never);
          const before = watermark.ms;
          const moved = watermark.observe(source, timeMs, recordedMs);
          expect(watermark.ms).toBeGreaterThanOrEqual(before);
          expect(moved).toBe(watermark.ms > before);
          return watermark.ms;
        });
        expect(found).toEqual(expected(rule, history));
      }),
      { numRuns: 1_000 },
    );
  });

  test('of a source that says itself how far it is the others wait, however long it is silent', () => {
    const rule = { disorderMs: 0, idleMs: 10, expected: [] };
    const [waiting, other] = [new Watermark({ ...rule, told: new Set(['told']) }), new Watermark(rule)];
    for (const watermark of [waiting, other]) {
      watermark.observe('told', 5, 0);
      watermark.observe('a', 100, 50);
    }
    expect([waiting.ms, other.ms]).toEqual([5, 100]);
    expect([waiting.observe('told', 200, 55), waiting.ms]).toEqual([true, 100]);
  });

  test('says what keeps it from a time: with that it comes so far, and with less it does not', () => {
    const told = new Set(['t', 'u']);
    fc.assert(
      fc.property(
        rules.filter(({ idleMs }) => Number.isFinite(idleMs)),
        fc.array(
          fc.record({ source: fc.constantFrom('t', 'u', ...SOURCES), timeMs: fc.nat(200), laterMs: fc.nat(15) }),
          {
            minLength: 1,
          },
        ),
        fc.nat(300),
        fc.constantFrom(0, 1),
        (rule, history, ms, less) => {
          const watermark = new Watermark({ ...rule, told });
          let nowMs = 0;
          for (const { source, timeMs, laterMs } of history) watermark.observe(source, timeMs, (nowMs += laterMs));
          const needs = watermark.needs(ms);
          expect(needs === undefined).toBe(watermark.ms >= ms);
          if (needs === undefined) return;
          const isShort = less === 1;
          const isTold = needs.told.length > 0;
          const atMs = Math.max(nowMs, needs.silentMs - (isTold ? 0 : less));
          if (isTold) for (const source of needs.told) watermark.observe(source, needs.toldMs - less, atMs);
          else watermark.observe('t', 0, atMs);
          expect(watermark.ms >= ms).toBe(!isShort);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('is reached from elsewhere, too: a quiet stream goes on', () => {
    const watermark = new Watermark({ disorderMs: 5, idleMs: Number.POSITIVE_INFINITY, expected: [] });
    watermark.observe('a', 100, 1);
    expect([watermark.ms, watermark.reach(300), watermark.reach(200), watermark.ms]).toEqual([95, true, false, 300]);
    expect(watermark.observe('a', 200, 2)).toBe(false);
  });
});

/** JSON has no infinity: of a watermark that is none yet. */
function infinite(_name: string, value: unknown): unknown {
  return value === null ? NO_TIME : value;
}
