import { seededRandom } from '../../system/random.ts';
import type { ContractSuite } from '../contract-case.ts';
import { onStage } from './delivery-case.ts';
import { runModel } from './model-run.ts';
import { inOrderPerKey } from './ordering.ts';

const SEEDS = Array.from({ length: 10 }, (_, index) => index + 1);

/** What holds for all programs and all misfortunes, tried at random. */
export const modellingCases: ContractSuite = (bench) => [
  ...SEEDS.map((seed) => ({
    name: `G5 G6 G7 whatever crashes, fails, is paused, retried or given up when: what came of it follows from the log alone, seed ${seed}`,
    run: () => onStage(bench, (stage) => runModel(stage, { seed, steps: 60 })),
  })),
  {
    name: 'G5 PS4 many keys in parallel, each in order, whatever the handlers do and however many run at once',
    async run() {
      for (const seed of SEEDS) {
        const chance = seededRandom(seed);
        const oneOf = (most: number) => 1 + Math.floor(chance.next() * most);
        const run = { items: oneOf(24), perItem: oneOf(20), concurrency: oneOf(12), seed };
        await onStage(bench, (stage) => inOrderPerKey(stage, run));
      }
    },
  },
];
