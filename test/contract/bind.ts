import * as fc from 'fast-check';
import { afterEach, beforeAll, describe, test } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { createBench } from '../../src/contract/bench.ts';
import { compareWithModel } from '../../src/contract/model-comparison.ts';
import { contractSuites } from '../../src/contract/suites.ts';

type NewMedium = () => BenchMedium | Promise<BenchMedium>;

/**
 * Enrols a backend, or one configuration of it, in every contract suite:
 * `enrol('memory', () => ({ factory: memory() }))`.
 */
export function enrol(name: string, newMedium: NewMedium): void {
  describe(`contract of ${name}`, () => {
    const bench = createBench(newMedium);
    afterEach(() => bench.release());
    for (const { port, suite, isFilledBy } of contractSuites) {
      describe(port, () => {
        let isFilled = true;
        if (isFilledBy !== undefined)
          beforeAll(async () => {
            isFilled = isFilledBy(await bench.open());
            await bench.release();
          });
        for (const contractCase of suite(bench)) {
          test(contractCase.name, async (context) => {
            if (!isFilled) context.skip(`${name} does not fill this port`);
            const { requires } = contractCase;
            if (requires !== undefined && !(await bench.open()).capabilities[requires]) {
              context.skip(`${name} declares that it does not have ${requires}`);
            }
            await contractCase.run();
          });
        }
      });
    }
  });
}

/** Enrols a backend in the comparison with the reference model. `seed` repeats a failure. */
export function enrolInComparison(
  name: string,
  newMedium: NewMedium,
  options: { runs?: number; maxLength?: number; seed?: number } = {},
): void {
  test(`${name} does the same as the reference model on random operations (G13)`, { timeout: 120_000 }, async () => {
    const reference = createBench(() => ({ factory: memory() }));
    await compareWithModel(fc, { reference, candidate: createBench(newMedium), ...options });
  });
}
