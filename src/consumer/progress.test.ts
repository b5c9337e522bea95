import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { position } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import type { Checkpoint } from './checkpoint-store.ts';
import { Progress } from './progress.ts';

const LAST = 40;
const GROUPS = [[0, 1], [2], [3, 4, 5]];
const laneAt = (place: number) => (place * 7) % 6;
const covers = ({ low, done }: Checkpoint, place: number) =>
  place <= low || done.some(([from, to]) => place >= from && place <= to);

describe('progress', () => {
  test('over any number of restarts, and whichever groups of lanes a node has, every event is handled exactly once (G6)', () => {
    const session = fc.record({
      /** Which groups it has. */
      groups: fc.uniqueArray(fc.nat(GROUPS.length - 1), { minLength: 1 }),
      taken: fc.nat(LAST),
      /** Of those taken, which are settled by the end, in an order by chance. */
      settled: fc.array(fc.nat(LAST)),
    });
    fc.assert(
      fc.property(fc.array(session, { maxLength: 12 }), (sessions) => {
        const stored = new Map<number, Checkpoint>(GROUPS.map((_, group) => [group, { low: position(0), done: [] }]));
        const handled: number[] = [];
        for (const { groups, taken, settled } of [
          ...sessions,
          { groups: [0, 1, 2], taken: LAST, settled: Array.from({ length: LAST }, (_, n) => n) },
        ]) {
          const mine = groups.map((group) => ({
            lanes: GROUPS[group] ?? [],
            checkpoint: stored.get(group) ?? { low: position(0), done: [] },
          }));
          const progress = new Progress(mine);
          const lanes = new Set(mine.flatMap((group) => group.lanes));
          const pending: { place: Position; settle: () => void }[] = [];
          const from = progress.cursor + 1;
          for (let n = from; n < from + taken && n <= LAST; n += 1) {
            const place = position(n);
            if (!lanes.has(laneAt(n))) progress.passTo(place);
            else {
              const known = progress.isKnown(place, laneAt(n));
              const entry = progress.take(place, 1);
              if (known) progress.settle(entry);
              else pending.push({ place, settle: () => progress.settle(entry) });
            }
          }
          for (const index of settled) {
            const [work] = pending.splice(index % Math.max(1, pending.length), 1);
            if (work === undefined) continue;
            handled.push(work.place);
            work.settle();
          }
          for (const [index, checkpoint] of progress.snapshot().entries()) {
            const group = groups[index] ?? 0;
            for (const [start, end] of checkpoint.done) {
              expect(start).toBeGreaterThan(checkpoint.low);
              expect(end).toBeGreaterThanOrEqual(start);
            }
            // Never less than before.
            for (let n = 1; n <= LAST; n += 1)
              if (GROUPS[group]?.includes(laneAt(n)) && covers(stored.get(group) ?? checkpoint, n))
                expect(covers(checkpoint, n), `${n} of group ${group}`).toBe(true);
            stored.set(group, checkpoint);
          }
        }
        expect(handled.toSorted((left, right) => left - right)).toEqual(Array.from({ length: LAST }, (_, n) => n + 1));
      }),
      { numRuns: 1_000 },
    );
  });
});
