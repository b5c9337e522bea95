import { test } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import { createBench } from '../../src/contract/bench.ts';
import { onStage } from '../../src/contract/delivery/delivery-case.ts';
import { runModel } from '../../src/contract/delivery/model-run.ts';

const seeds = Array.from(
  { length: Number(process.env['MODEL_RUNS'] ?? 15) },
  (_, index) => Number(process.env['MODEL_SEED'] ?? 1) + index,
);

test.each(seeds)(
  'a program that fails and crashes at random ends as the model says (G5, G6, G7), seed %i',
  async (seed) => {
    const bench = createBench(() => ({ factory: memory() }));
    try {
      await onStage(bench, (stage) => runModel(stage, { seed, steps: 80 }));
    } finally {
      await bench.release();
    }
  },
  60_000,
);
