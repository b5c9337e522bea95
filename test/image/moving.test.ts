import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { createBench } from '../../src/contract/bench.ts';
import { onStage } from '../../src/contract/delivery/delivery-case.ts';
import { runModel } from '../../src/contract/delivery/model-run.ts';
import { compareWithModel } from '../../src/contract/model-comparison.ts';
import { serverOfThisFile } from '../postgres/medium.ts';
import { movingMedium, newFile, newMemory } from './moving-medium.ts';

const newSchema = serverOfThisFile();
/** From a file to PostgreSQL, into memory, into a file again, and on. */
const ROUTE = [newFile, newSchema, newMemory];

describe('a store that moves to another backend whenever it is opened again', () => {
  test('holds what the reference model holds, whatever was done to it before and between (G2, G4, G5, G13)', async () => {
    const seed = process.env['MODEL_SEED'];
    await compareWithModel(fc, {
      reference: createBench(newMemory),
      candidate: createBench(() => movingMedium(ROUTE)),
      runs: Number(process.env['MODEL_RUNS'] ?? 30),
      maxLength: 60,
      ...(seed === undefined ? {} : { seed: Number(seed) }),
    });
  }, 600_000);

  test.each([1, 2, 3])(
    'lets its program go on where it was: rows, states, dead letters, jobs, pauses (G5, G6, G7), seed %i',
    async (seed) => {
      const bench = createBench(() => movingMedium(ROUTE));
      try {
        await onStage(bench, (stage) => runModel(stage, { seed, steps: 60 }));
      } finally {
        await bench.release();
      }
    },
    120_000,
  );
});
