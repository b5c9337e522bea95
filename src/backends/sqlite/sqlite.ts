import { resolve } from 'node:path';
import type { StoreFactory } from '../../store.ts';
import type { WaitingLimits } from './group-commit.ts';
import { lookAtMigrations } from './open-file.ts';
import { openStore } from './open-store.ts';

export interface SqliteOptions {
  /** Opens beside a writer in another process, for reading. Writes fail with StoreReadOnly. Default false. */
  readonly readOnly?: boolean;
  /** What may wait to be written (G10). Default 20,000 requests, 64 MiB. */
  readonly maxWaiting?: Partial<WaitingLimits>;
  /** Pages that SQLite keeps in memory. Default 8 MiB. */
  readonly cacheBytes?: number;
}

const DEFAULT_MAX_REQUESTS = 20_000;
const DEFAULT_MAX_BYTES = 64 * 1_024 * 1_024;
const DEFAULT_CACHE_BYTES = 8 * 1_024 * 1_024;

/**
 * A store in one SQLite file (with `-wal`, `-shm` and `-lock` files beside it).
 *
 * Guarantee Durable on acknowledgement: every flush is synced to the disk (G1). One process writes, any number read. The folder
 *           of the file is made if need be.
 * Errors    On opening: StoreHeld names the process that writes to it; StoreUnusable when the file is not a store, is damaged or
 *           belongs to a newer version (it stays as it is); StoreUnavailable when it cannot be read or written.
 */
export function sqlite(path: string, options: SqliteOptions = {}): StoreFactory {
  const location = resolve(path);
  const { readOnly = false, cacheBytes = DEFAULT_CACHE_BYTES, maxWaiting = {} } = options;
  const limits = {
    requests: maxWaiting.requests ?? DEFAULT_MAX_REQUESTS,
    bytes: maxWaiting.bytes ?? DEFAULT_MAX_BYTES,
  };
  return {
    backend: 'sqlite',
    location,
    open: (environment) => openStore(location, { readOnly, cacheBytes, limits }, environment),
    forReading: () => sqlite(path, { ...options, readOnly: true }),
    pendingMigrations: async () => lookAtMigrations(location, { readOnly: true, cacheBytes }),
  };
}
