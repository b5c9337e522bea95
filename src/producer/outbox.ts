import type { DatabaseSync } from 'node:sqlite';
import type { AppendOutcome } from '../channel/event-log.ts';
import type { EncodedEvent } from '../event/event.ts';

/**
 * A transaction of the caller's own, on a connection to the database of the store: one method, as a client of `pg` has it.
 *
 * Other libraries take a line: Kysely `{ query: (sql, params) => CompiledQuery.raw(sql, [...params]) … }`, Drizzle and Prisma likewise
 * (docs/guides/transactions.md).
 */
export interface TransactionQueries {
  query(sql: string, params: unknown[]): PromiseLike<unknown>;
}

/** Why the log does not take an entry: as it says, or because the store cannot hold it at all. */
export type Refusal =
  | (AppendOutcome & { readonly ok: false })
  | { readonly ok: false; readonly reason: 'store-defect'; readonly message: string };

/** Puts events into the transaction that it was made for. */
export type PutEvents = (events: readonly EncodedEvent[]) => Promise<void>;

/**
 * Events that wait in the store for the transaction which they were written in, and are moved to the log when it has committed.
 *
 * Guarantee What is put in one call is one entry: it becomes visible whole, if and only if the caller's transaction commits. That
 *           transaction holds up no other.
 * Errors    As EventLog.append; `put` what the caller's connection throws.
 */
export interface Outbox {
  put(transaction: TransactionQueries, events: readonly EncodedEvent[]): Promise<void>;
  /**
   * Moves committed entries to the log, oldest first, some at a time; in place of one that the log refuses, the report that `refused` makes
   * of it. Answers how many there were. Many processes may do so at once.
   */
  relay(refused: (events: readonly EncodedEvent[], refusal: Refusal) => EncodedEvent): Promise<number>;
  /** Calls the listener when there may be committed entries. Answers how to stop. */
  watch(listener: () => void): () => void;
}

/** An outbox beside the store, in a database of the caller's. `within` is for its transaction as it is now, or for none if none is open. */
export interface OwnOutbox extends Pick<Outbox, 'relay' | 'watch'> {
  readonly database: DatabaseSync;
  within(): PutEvents;
}
