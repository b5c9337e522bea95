import assert from 'node:assert/strict';
import type { ContractBench } from './contract-case.ts';
import type { FastCheck } from './model-arbitraries.ts';
import { operationsArbitrary } from './model-arbitraries.ts';
import type { Operation } from './model-operations.ts';
import { ModelSide } from './model-side.ts';

export interface ModelComparison {
  /** Where stores of the reference model come from: the backend with the plainest code. */
  readonly reference: ContractBench;
  /** Where stores of the backend come from that is to do the same. */
  readonly candidate: ContractBench;
  /** How many lists of operations are tried, default 50. */
  readonly runs?: number;
  /** The longest list, default 40. */
  readonly maxLength?: number;
  /** Repeats a failure; default: another one in every call. */
  readonly seed?: number;
}

/**
 * Does random operations to two stores under the same clock and compares every outcome and everything that can be read (G13).
 *
 * Shape     fc: the fast-check module, `import * as fc from 'fast-check'`.
 * Guarantee A difference is shrunk to the shortest list of operations that shows it; the message holds seed and path.
 * Errors    what `fc.assert` throws.
 */
export async function compareWithModel(fc: FastCheck, comparison: ModelComparison): Promise<void> {
  const { runs = 50, maxLength = 40, seed } = comparison;
  const property = fc.asyncProperty(operationsArbitrary(fc, maxLength), (operations) =>
    compareOn(comparison, operations),
  );
  await fc.assert(property, { numRuns: runs, includeErrorInReport: true, ...(seed === undefined ? {} : { seed }) });
}

/** Does these operations to two new stores; rejects at the first difference. For a failure that was found before. */
export async function compareOn(
  comparison: Pick<ModelComparison, 'reference' | 'candidate'>,
  operations: readonly Operation[],
): Promise<void> {
  const { reference, candidate } = comparison;
  try {
    const model = await ModelSide.open(reference);
    const tested = await ModelSide.open(candidate);
    for (const [index, operation] of operations.entries()) {
      const expected = await model.apply(operation);
      assertSame(
        await tested.apply(operation),
        expected,
        `operation ${index + 1}, ${operation.kind}, does something else than the model`,
      );
    }
    const [found, expected] = [await tested.survey(), await model.survey()];
    for (const what of Object.keys(expected)) {
      assertSame(found[what], expected[what], `after ${operations.length} operations ${what} differs from the model`);
    }
  } finally {
    await reference.release();
    await candidate.release();
  }
}

/** Says what differs and where; the message argument of `deepEqual` would replace the difference. */
function assertSame(found: unknown, expected: unknown, what: string): void {
  try {
    assert.deepEqual(found, expected);
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
