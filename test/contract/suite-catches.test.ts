import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import { createBench } from '../../src/contract/bench.ts';
import { compareWithModel } from '../../src/contract/model-comparison.ts';
import { brokenMedium, brokenStores } from './broken-stores.ts';
import { caughtBy } from './caught-by.ts';

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
