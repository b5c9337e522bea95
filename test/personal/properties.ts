import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import type { BenchMedium } from '../../src/contract/bench.ts';
import type { Dump, Step } from './program.ts';
import { runForgetting } from './program.ts';

const who = fc.integer({ min: 1, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant('register' as const), who }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('move' as const), who }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('misfit' as const), who }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('refused' as const), who }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('forget' as const), who }) },
  { weight: 1, arbitrary: fc.constant({ does: 'restart' as const }) },
);

/** The guarantees of forgetting, on a backend. `dump`: of a medium. */
export function forgettingOn(
  name: string,
  runs: number,
  newMedium: () => BenchMedium,
  dumpOf: (medium: BenchMedium) => Dump,
): void {
  describe(`forgetting on ${name}`, () => {
    it('leaves nothing of a person anywhere, and the history of all as it is, whatever happens in whatever order', async () => {
      const run = fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
        const medium = newMedium();
        try {
          await runForgetting(medium, dumpOf(medium), steps);
        } finally {
          await medium.dispose?.();
        }
      });
      await fc.assert(run, { numRuns: runs, endOnFailure: true });
    }, 240_000);
  });
}
