import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addToWindows, advanceWindows, dueOf } from './window-set.ts';
import type { Aggregate, Early, Firing, WindowRules, WindowSet } from './window-set.ts';
import { NO_TIME } from './watermark.ts';
import { byCount, hopping, session, tumbling } from './windowing.ts';
import type { Span, Windowing } from './windowing.ts';

type Values = readonly number[];

const collected: Aggregate<number, Values, Values> = {
  initial: () => [],
  add: (values, value) => [...values, value],
  merge: (left, right) => [...left, ...right],
  result: (values) => values.toSorted((left, right) => left - right),
};

function rulesOf(windowing: Windowing, more: Partial<WindowRules<number, Values, Values>> = {}) {
  const rules: WindowRules<number, Values, Values> = {
    windowing,
    aggregate: collected,
    latenessMs: Number.POSITIVE_INFINITY,
    early: undefined,
    lateEvents: 1,
    firings: 'all',
    ...more,
  };
  return rules;
}

/** What windows hold in the end, said without windows: every event is its own time. */
function expected(windowing: Windowing & { kind: 'hopping' | 'session' }, times: Values): Map<string, Values> {
  const sorted = times.toSorted((left, right) => left - right);
  const spans = new Map<string, Span>();
  if (windowing.kind === 'hopping') {
    for (const time of sorted)
      for (let startMs = -200; startMs <= 200; startMs += 1)
        if (
          (startMs - windowing.offsetMs) % windowing.everyMs === 0 &&
          startMs <= time &&
          time < startMs + windowing.sizeMs
        )
          spans.set(String(startMs), { startMs, endMs: startMs + windowing.sizeMs });
  } else {
    let last: { startMs: number; endMs: number } | undefined;
    for (const time of sorted) {
      if (last === undefined || time >= last.endMs) {
        last = { startMs: time, endMs: time };
        spans.set(String(time), last);
      }
      last.endMs = time + windowing.gapMs;
    }
  }
  return new Map(
    [...spans.values()].map(({ startMs, endMs }) => [
      `${startMs} to ${endMs}`,
      sorted.filter((time) => startMs <= time && time < endMs),
    ]),
  );
}

const windowings = fc.oneof(
  fc
    .integer({ min: 1, max: 20 })
    .chain((every) =>
      fc
        .record({ size: fc.integer({ min: every, max: 40 }), offset: fc.nat(30) })
        .map(({ size, offset }) => hopping(size, { every, offset })),
    ),
  fc.integer({ min: 1, max: 20 }).map((gap) => session(gap)),
) as fc.Arbitrary<Windowing & { kind: 'hopping' | 'session' }>;
const earlies = fc.option(
  fc.oneof(
    fc.record({ everyMs: fc.integer({ min: 1, max: 15 }) }),
    fc.record({ events: fc.integer({ min: 1, max: 4 }) }),
  ),
  { nil: undefined },
) as fc.Arbitrary<Early | undefined>;
const steps = fc.array(fc.record({ time: fc.nat(100), ahead: fc.nat(12) }), { maxLength: 40 });

describe('windows', () => {
  test('say in the end what is in them, in whatever order events come, and every saying takes back what does not hold any more (G8, CE5, CE6)', () => {
    fc.assert(
      fc.property(windowings, earlies, steps, (windowing, early, arrivals) => {
        const rules = rulesOf(windowing, { early });
        const standing = new Map<string, Values>();
        const hear = (firings: readonly Firing<Values>[]) => {
          for (const { startMs, endMs, result, replaces } of firings) {
            for (const said of replaces) {
              const key = `${said.startMs} to ${said.endMs}`;
              expect(standing.get(key), `${key} is taken back`).toEqual(said.result);
              standing.delete(key);
            }
            const key = `${startMs} to ${endMs}`;
            expect(standing.has(key), `${key} is said twice`).toBe(false);
            standing.set(key, result);
          }
        };
        let windows: WindowSet<Values, Values> = [];
        let watermarkMs = NO_TIME;
        for (const { time, ahead } of arrivals) {
          const added = addToWindows(rules, windows, { timeMs: time, value: time, watermarkMs });
          expect(added.missed).toEqual([]);
          hear(added.firings);
          watermarkMs = Math.max(watermarkMs, ahead * 10);
          const advanced = advanceWindows(rules, added.windows, watermarkMs);
          hear(advanced.firings);
          ({ windows } = advanced);
          expect(dueOf(rules, windows)).toBeGreaterThan(watermarkMs);
        }
        hear(advanceWindows(rules, windows, Number.MAX_SAFE_INTEGER).firings);
        expect(standing).toEqual(
          expected(
            windowing,
            arrivals.map(({ time }) => time),
          ),
        );
      }),
      { numRuns: 500 },
    );
  });

  test('nothing is done before it is due, and nothing is kept that takes no more events (G10)', () => {
    fc.assert(
      fc.property(windowings, earlies, fc.nat(30), steps, (windowing, early, latenessMs, arrivals) => {
        const rules = rulesOf(windowing, { early, latenessMs });
        let windows: WindowSet<Values, Values> = [];
        for (const { time, ahead } of arrivals) {
          windows = addToWindows(rules, windows, { timeMs: time, value: time, watermarkMs: NO_TIME }).windows;
          const dueMs = dueOf(rules, windows);
          expect(advanceWindows(rules, windows, dueMs - 1)).toEqual({ windows, firings: [] });
          windows = advanceWindows(rules, windows, ahead * 10).windows;
          for (const { endMs } of windows) expect(endMs + latenessMs).toBeGreaterThan(ahead * 10);
        }
        expect(advanceWindows(rules, windows, 1_000_000).windows).toEqual([]);
      }),
    );
  });

  test('fire the same whether the watermark comes in many steps or at once (G6)', () => {
    fc.assert(
      fc.property(windowings, earlies, fc.nat(30), steps, (windowing, early, latenessMs, arrivals) => {
        const rules = rulesOf(windowing, { early, latenessMs });
        let windows: WindowSet<Values, Values> = [];
        for (const { time } of arrivals)
          windows = addToWindows(rules, windows, { timeMs: time, value: time, watermarkMs: NO_TIME }).windows;
        const atOnce = advanceWindows(rules, windows, 90);
        const firings: Firing<Values>[] = [];
        for (let watermarkMs = 0; watermarkMs <= 90; watermarkMs += 1) {
          const step = advanceWindows(rules, windows, watermarkMs);
          ({ windows } = step);
          firings.push(...step.firings);
        }
        const inOrder = (all: readonly Firing<Values>[]) =>
          all.toSorted((left, right) => left.startMs - right.startMs || left.index - right.index);
        expect(inOrder(firings)).toEqual(inOrder(atOnce.firings));
        expect(windows).toEqual(atOnce.windows);
      }),
    );
  });

  test('an event is missed by those windows alone that are over for longer than the lateness, and not otherwise (CE4, CE6)', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(200), fc.nat(50), (timeMs, watermarkMs, latenessMs) => {
        const rules = rulesOf(tumbling(10), { latenessMs });
        const { counted, missed, firings } = addToWindows(rules, [], { timeMs, value: timeMs, watermarkMs });
        const endMs = Math.floor(timeMs / 10) * 10 + 10;
        expect(counted).toBe(endMs + latenessMs <= watermarkMs ? 0 : 1);
        expect(missed).toEqual(counted === 1 ? [] : [{ startMs: endMs - 10, endMs }]);
        expect(firings.map(({ reason }) => reason)).toEqual(counted === 1 && endMs <= watermarkMs ? ['late'] : []);
      }),
    );
  });

  test('by count say each so many events of a key, and keep no more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.array(fc.nat(100), { maxLength: 50 }), (size, times) => {
        const rules = rulesOf(byCount(size));
        let windows: WindowSet<Values, Values> = [];
        const said: Firing<Values>[] = [];
        for (const timeMs of times) {
          const added = addToWindows(rules, windows, { timeMs, value: timeMs, watermarkMs: 1_000 });
          ({ windows } = added);
          said.push(...added.firings);
          expect(windows.length).toBeLessThanOrEqual(1);
          expect(dueOf(rules, windows)).toBe(Number.POSITIVE_INFINITY);
        }
        expect(said.map(({ events }) => events)).toEqual(said.map(() => size));
        expect(said.map(({ result }) => result)).toEqual(
          said.map((one, index) => collected.result(times.slice(index * size, (index + 1) * size), one)),
        );
        for (const { startMs, endMs, result } of said)
          expect([startMs, endMs]).toEqual([Math.min(...result), Math.max(...result) + 1]);
      }),
    );
  });
});
