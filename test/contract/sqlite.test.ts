import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { createBench } from '../../src/contract/bench.ts';
import { compareWithModel } from '../../src/contract/model-comparison.ts';
import { enrol } from './bind.ts';

function newFile(): BenchMedium {
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
  const path = join(folder, 'store.db');
  return {
    factory: sqlite(path),
    readOnly: sqlite(path, { readOnly: true }),
    dispose: () => rmSync(folder, { recursive: true }),
  };
}

enrol('sqlite', newFile);

describe('sqlite compared with the reference model (G13)', () => {
  test('random operations have the same outcomes and leave the same content', async () => {
    const seed = process.env['MODEL_SEED'];
    await compareWithModel(fc, {
      reference: createBench(() => ({ factory: memory() })),
      candidate: createBench(newFile),
      runs: Number(process.env['MODEL_RUNS'] ?? 60),
      ...(seed === undefined ? {} : { seed: Number(seed) }),
    });
  }, 600_000);
});
