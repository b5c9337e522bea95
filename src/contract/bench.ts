import type { Store, StoreFactory } from '../store.ts';
import { createEnvironment } from '../system/environment.ts';
import type { Logger } from '../system/logger.ts';
import { seededRandom } from '../system/random.ts';
import { BENCH_START_MS, createBenchClock } from './bench-clock.ts';
import type { ContractBench } from './contract-case.ts';

/** A fresh, empty place for one store: a file that is not there yet, a new schema of a database. */
export interface BenchMedium {
  /** Opening, closing and opening again gives the same content. */
  readonly factory: StoreFactory;
  /** Opens the same content for reading beside a writer, where the backend can. */
  readonly readOnly?: StoreFactory;
  /** Clears the place away, after every store on it was closed. */
  dispose?(): void | Promise<void>;
}

/** Where a backend enrols: everything that the suites need follows from a fresh place for a store. */
export function createBench(newMedium: () => BenchMedium | Promise<BenchMedium>): ContractBench {
  const clock = createBenchClock();
  const logged: string[] = [];
  const environment = createEnvironment({ clock, random: seededRandom(1), logger: capturingLogger(logged) });
  const media = new Map<Store, BenchMedium>();
  const used = new Set<BenchMedium>();

  const openOn = async (medium: BenchMedium, factory: StoreFactory) => {
    const store = await factory.open(environment);
    media.set(store, medium);
    return store;
  };
  const mediumOf = (store: Store) => {
    const medium = media.get(store);
    if (medium === undefined) throw new Error('this bench did not open that store');
    return medium;
  };

  return {
    clock,
    logged,
    async open() {
      const medium = await newMedium();
      used.add(medium);
      return openOn(medium, medium.factory);
    },
    async reopen(store) {
      const medium = mediumOf(store);
      await store.close();
      return openOn(medium, medium.factory);
    },
    openBeside(store) {
      const medium = mediumOf(store);
      return openOn(medium, medium.factory);
    },
    async openReadOnly(store) {
      const medium = mediumOf(store);
      if (medium.readOnly === undefined)
        throw new Error(`${store.backend} declares sharedReading; enrol it with a readOnly factory`);
      return openOn(medium, medium.readOnly);
    },
    async release() {
      for (const store of media.keys()) await store.close();
      for (const medium of used) await medium.dispose?.();
      media.clear();
      used.clear();
      logged.length = 0;
      clock.set(BENCH_START_MS);
    },
  };
}

function capturingLogger(logged: string[]): Logger {
  const keep = (_fields: unknown, message: string) => {
    logged.push(message);
  };
  const logger: Logger = { debug() {}, info() {}, warn: keep, error: keep, child: () => logger };
  return logger;
}
