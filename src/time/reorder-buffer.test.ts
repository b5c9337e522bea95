import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptyReorder, releaseUpTo, reorder } from './reorder-buffer.ts';
import type { Held } from './reorder-buffer.ts';

describe('a reorder buffer', () => {
  test('lets every event go on in the order of its time, or says why it does not, and holds no more than it may (G8, G10)', () => {
    const arrivals = fc.array(fc.record({ timeMs: fc.nat(60), aheadMs: fc.nat(5) }), { maxLength: 60 });
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom<'refuse' | 'release'>('refuse', 'release'),
        (events, maxEvents, overflow) => {
          let state = emptyReorder<number>();
          let watermarkMs = Number.NEGATIVE_INFINITY;
          const gone: Held<number>[] = [];
          let refused = 0;
          for (const [event, { timeMs, aheadMs }] of events.entries()) {
            watermarkMs = Math.max(watermarkMs, timeMs - 10 + aheadMs);
            const step = reorder({ maxEvents, overflow }, state, { timeMs, event, watermarkMs });
            // What is kept of it is kept as JSON.
            state = JSON.parse(JSON.stringify(step.state)) as typeof state;
            gone.push(...step.released);
            if (step.refused !== undefined) refused += 1;
            if (step.refused === 'late') expect(timeMs).toBeLessThan(state.releasedMs ?? timeMs);
            if (step.refused === 'full') expect([overflow, state.held.length]).toEqual(['refuse', maxEvents]);
            expect(state.held.length).toBeLessThanOrEqual(maxEvents);
            for (const held of state.held) expect(held.timeMs).toBeGreaterThan(watermarkMs);
          }
          gone.push(...releaseUpTo(state, Number.POSITIVE_INFINITY).released);
          expect(gone.length + refused).toBe(events.length);
          expect(gone).toEqual(
            gone.toSorted((left, right) => left.timeMs - right.timeMs || left.number - right.number),
          );
          expect(new Set(gone.map(({ event }) => event)).size).toBe(gone.length);
        },
      ),
    );
  });
});
