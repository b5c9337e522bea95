import { describe, expect, test } from 'vitest';
import { serverOfThisFile } from '../postgres/medium.ts';
import { brokenClusters } from './broken-clusters.ts';
import { brokenMedium } from './broken-stores.ts';
import { caughtBy } from './caught-by.ts';

/** Some cases wait for the end of a lease. */
const HANGS_AFTER_MS = 8_000;

const newSchema = serverOfThisFile({ lease: '1s' });

describe('the contract suite of clusters catches a store that', () => {
  for (const broken of brokenClusters) {
    test(`${broken.fault} (${broken.cites})`, async () => {
      const { port, cites } = broken;
      const isCaught = await caughtBy(port, cites, () => brokenMedium(broken, newSchema()), HANGS_AFTER_MS);
      expect(isCaught).toBeDefined();
      const isPure = await caughtBy(port, cites, newSchema, HANGS_AFTER_MS);
      expect(isPure, 'without the fault the same cases pass').toBeUndefined();
    });
  }
});
