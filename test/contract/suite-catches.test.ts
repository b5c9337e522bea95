import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { createBench } from '../../src/contract/bench.ts';
import type { ContractCase } from '../../src/contract/contract-case.ts';
import { compareWithModel } from '../../src/contract/model-comparison.ts';
import { contractSuites } from '../../src/contract/suites.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { brokenMedium, brokenStores } from './broken-stores.ts';

/** A broken store may leave a case waiting for ever; that is a failure, too. */
const HANGS_AFTER_MS = 2_000;

async function fails(contractCase: ContractCase): Promise<boolean> {
  const hanging = waitFor(systemClock, HANGS_AFTER_MS).then(() => {
    throw new Error('the case hangs');
  });
  try {
    await Promise.race([contractCase.run(), hanging]);
    return false;
  } catch {
    return true;
  } finally {
    hanging.catch(() => {});
  }
}

/** The first failing case of a port's suite whose name holds `cites`. */
async function caughtBy(port: string, cites: string, newMedium: () => BenchMedium): Promise<string | undefined> {
  const bench = createBench(newMedium);
  const suite = contractSuites.find((found) => found.port === port)?.suite;
  for (const contractCase of suite?.(bench) ?? []) {
    if (!contractCase.name.includes(cites)) continue;
    const failed = await fails(contractCase);
    await bench.release();
    if (failed) return contractCase.name;
  }
  return undefined;
}

describe('the contract suites catch a store that', () => {
  for (const broken of brokenStores) {
    test(`${broken.fault} (${broken.cites})`, async () => {
      expect(await caughtBy(broken.port, broken.cites, () => brokenMedium(broken))).toBeDefined();
      expect(
        await caughtBy(broken.port, broken.cites, () => ({ factory: memory() })),
        'without the fault the same cases pass',
      ).toBeUndefined();
    });
  }

  test('loses its content when it is closed (G1)', async () => {
    const forgetting = () => ({
      factory: {
        ...memory(),
        open: (environment: Parameters<ReturnType<typeof memory>['open']>[0]) => memory().open(environment),
      },
    });
    for (const port of [
      'event-log',
      'schema-store',
      'checkpoint-store',
      'delivery-store',
      'row-store',
      'unit-of-work',
      'store-image',
      'store',
    ]) {
      expect(await caughtBy(port, 'G1', forgetting), port).toBeDefined();
    }
  });
});

describe('the comparison with the reference model finds a store that', () => {
  for (const broken of brokenStores.filter(({ compared }) => compared)) {
    test(broken.fault, async () => {
      const reference = createBench(() => ({ factory: memory() }));
      const candidate = createBench(() => brokenMedium(broken));
      await expect(compareWithModel(fc, { reference, candidate, runs: 200, seed: 1 })).rejects.toThrow(
        /differs from the model|something else than the model/,
      );
    });
  }
});
