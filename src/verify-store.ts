import { Integrity } from './integrity/integrity.ts';
import type { VerifyOptions } from './integrity/integrity.ts';
import type { Verification } from './integrity/verification.ts';
import { factoryOf } from './store-address.ts';
import type { StoreFactory } from './store.ts';
import { createEnvironment } from './system/environment.ts';

/**
 * Compares the log of a store with its hash chain, without its program and beside whoever writes to it: as of `Integrity.verify`.
 *
 * Errors    As of that; StoreUnusable, StoreUnavailable, StoreHeld of the backend.
 */
export async function verifyStore(store: StoreFactory | string, options?: VerifyOptions): Promise<Verification> {
  const factory = typeof store === 'string' ? await factoryOf(store) : store;
  const environment = createEnvironment();
  const opened = await (factory.forReading?.() ?? factory).open(environment);
  try {
    return await new Integrity({ log: opened.log, chain: opened.chain, clock: environment.clock }).verify(options);
  } finally {
    await opened.close();
  }
}
