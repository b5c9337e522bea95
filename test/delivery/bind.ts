import { afterEach, describe, test } from 'vitest';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { createBench } from '../../src/contract/bench.ts';
import { deliverySuite } from '../../src/contract/delivery/delivery.ts';

/** Runs the delivery engine on a backend: `enrolInDelivery('memory', () => ({ factory: memory() }))`. */
export function enrolInDelivery(name: string, newMedium: () => BenchMedium | Promise<BenchMedium>): void {
  describe(`delivery on ${name}`, () => {
    const bench = createBench(newMedium);
    afterEach(() => bench.release());
    for (const contractCase of deliverySuite(bench))
      test(contractCase.name, async (context) => {
        const { requires } = contractCase;
        if (requires !== undefined && !(await bench.open()).capabilities[requires])
          context.skip(`${name} declares that it does not have ${requires}`);
        await contractCase.run();
      });
  });
}
