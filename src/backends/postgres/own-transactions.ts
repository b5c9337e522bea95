import type { Queries } from './database.ts';

/** Where the ports put changes that share their transaction with no other. */
export interface OwnTransactions {
  /**
   * One change in a transaction of its own, in turn with all writes.
   *
   * Shape     bytes: roughly what it holds in memory while it waits.
   * Errors    What `change` throws; SystemFull, Closed, StoreReadOnly, StoreUnavailable: then nothing was written.
   */
  alone<Result>(bytes: number, change: (queries: Queries) => Promise<Result>): Promise<Result>;
}
