import type { BenchMedium } from '../../src/contract/bench.ts';
import { createBench } from '../../src/contract/bench.ts';
import type { ContractCase } from '../../src/contract/contract-case.ts';
import { contractSuites } from '../../src/contract/suites.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';

/** A broken store may leave a case waiting for ever; that is a failure, too. */
const HANGS_AFTER_MS = 2_000;

async function fails(contractCase: ContractCase, hangsAfterMs: number): Promise<boolean> {
  const hanging = waitFor(systemClock, hangsAfterMs).then(() => {
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
export async function caughtBy(
  port: string,
  cites: string,
  newMedium: () => BenchMedium,
  hangsAfterMs = HANGS_AFTER_MS,
): Promise<string | undefined> {
  const bench = createBench(newMedium);
  const suite = contractSuites.find((found) => found.port === port)?.suite;
  for (const contractCase of suite?.(bench) ?? []) {
    if (!contractCase.name.includes(cites)) continue;
    const failed = await fails(contractCase, hangsAfterMs);
    await bench.release();
    if (failed) return contractCase.name;
  }
  return undefined;
}
