import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { position } from '../event/position.ts';
import type { MissedEvents } from './checkpoint-store.ts';
import { isMissed, missedAfterReplay, missedAt } from './missed-events.ts';

const TYPES = ['a', 'b', 'c'];
const LENGTH = 30;

/** A consumer that goes over a log, event by event and sometimes ahead, and takes other types from time to time. */
const steps = fc.array(
  fc.oneof(
    fc.record({ go: fc.integer({ min: 1, max: 5 }), ahead: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ types: fc.subarray(TYPES) }),
    fc.record({ replay: fc.integer({ min: 0, max: LENGTH }) }),
  ),
  { maxLength: 12 },
);

describe('what a consumer missed', () => {
  it('is what it was not given of a type, whatever it took when and however far it was, over replays too', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...TYPES), { minLength: LENGTH, maxLength: LENGTH }), steps, (log, life) => {
        let types: readonly string[] = ['a'];
        let missed: readonly MissedEvents[] = missedAt([], { low: position(0), done: [] }, ['a'], ['a']);
        let [low, done] = [0, new Set<number>()];
        const given = new Set<number>();
        const pass = (place: number) => {
          if (place > LENGTH || done.has(place) || place <= low) return;
          done.add(place);
          if (types.includes(log[place - 1] ?? '')) given.add(place);
        };
        for (const step of life) {
          if ('go' in step) {
            for (let n = 0; n < step.go; n += 1) pass(low + 1 + n);
            if (step.ahead > 0) pass(low + step.go + step.ahead);
            while (done.has(low + 1)) done.delete((low += 1));
          } else if ('types' in step) {
            const ranges = [...done].sort((x, y) => x - y).map((one) => [position(one), position(one)] as const);
            missed = missedAt(missed, { low: position(low), done: ranges }, types, step.types);
            ({ types } = step);
          } else if (step.replay <= low) {
            // Handled anew are those behind that place; what it had of types that it takes no more stays.
            missed = missedAfterReplay(missed, position(step.replay));
            for (const place of given)
              if (place > step.replay && types.includes(log[place - 1] ?? '')) given.delete(place);
            [low, done] = [step.replay, new Set()];
          }
        }
        for (let place = 1; place <= LENGTH; place += 1) {
          const type = log[place - 1] ?? '';
          const isPassed = place <= low || done.has(place);
          if (!isPassed || !types.includes(type)) continue;
          expect([place, isMissed(missed, { type, position: position(place) })]).toEqual([place, !given.has(place)]);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
