import * as fc from 'fast-check';
import { describe, test } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import { createBench } from '../../src/contract/bench.ts';
import { compareWithModel } from '../../src/contract/model-comparison.ts';
import { serverOfThisFile } from '../postgres/medium.ts';
import { enrol } from './bind.ts';

/** Leases run out while some cases wait. */
/** So few that the end of a table is met often. */
const EVENTS_PER_PARTITION = 50;

const newSchema = serverOfThisFile({ lease: '1500ms', eventsPerPartition: EVENTS_PER_PARTITION });

enrol('postgres', newSchema);

describe('postgres compared with the reference model (G13)', () => {
  test('random operations have the same outcomes and leave the same content', async () => {
    const seed = process.env['MODEL_SEED'];
    await compareWithModel(fc, {
      reference: createBench(() => ({ factory: memory() })),
      candidate: createBench(newSchema),
      runs: Number(process.env['MODEL_RUNS'] ?? 30),
      ...(seed === undefined ? {} : { seed: Number(seed) }),
    });
  }, 600_000);
});
