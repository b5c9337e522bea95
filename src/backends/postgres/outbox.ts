import { InvalidInput, StoreDefect } from '../../errors.ts';
import { eventsOfText, textOfEvents } from '../../event/encoded-events.ts';
import type { EncodedEvent } from '../../event/event.ts';
import type { Outbox, Refusal, TransactionQueries } from '../../producer/outbox.ts';
import type { Database, Queries } from './database.ts';
import { bytesOf } from './event-log.ts';
import { flush } from './flush.ts';
import type { Appending, Flushed } from './flush.ts';
import type { PostgresInlineRows } from './inline-rows.ts';
import type { Chaining } from './log-chain.ts';
import type { OwnTransactions } from './own-transactions.ts';
import type { Partitions } from './partitions.ts';
import type { Session } from './session.ts';

/** Entries moved in one transaction, which holds the head of the log. */
const ENTRIES_AT_ONCE = 200;
/** Roughly what moving them holds in memory while it waits. */
const RELAY_BYTES = 65_536;
const UNDEFINED_TABLE = '42P01';
const TAKE = `DELETE FROM pending WHERE number IN (SELECT number FROM pending ORDER BY number LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING number, events`;

/** Rows of `pending`, written on connections of callers. */
export class PostgresOutbox implements Outbox {
  readonly #parts: {
    readonly schema: string;
    readonly database: Database;
    readonly writes: OwnTransactions;
    readonly partitions: Partitions;
    readonly chaining: Chaining;
    readonly inlineRows: PostgresInlineRows;
    readonly session: Session;
    /** How errors name it. */
    readonly store: string;
    now(): number;
    watch(listener: () => void): () => void;
  };

  constructor(parts: {
    readonly schema: string;
    readonly database: Database;
    readonly writes: OwnTransactions;
    readonly partitions: Partitions;
    readonly chaining: Chaining;
    readonly inlineRows: PostgresInlineRows;
    readonly session: Session;
    /** How errors name it. */
    readonly store: string;
    now(): number;
    /** Tells when somebody's commit, or a look at the server, says that there are entries. */
    watch(listener: () => void): () => void;
  }) {
    this.#parts = parts;
  }

  async put(transaction: TransactionQueries, events: readonly EncodedEvent[]): Promise<void> {
    const { schema, session, database } = this.#parts;
    session.assertOpen();
    // The notice goes out when, and if, the transaction commits.
    const sql = `WITH put AS (INSERT INTO "${schema}".pending (events) VALUES ($1::text) RETURNING number)
SELECT count(pg_notify('thereupon_${schema}', 'outbox')) FROM put`;
    try {
      await transaction.query(sql, [textOfEvents(events)]);
    } catch (error) {
      if ((error as { code?: unknown } | undefined)?.code !== UNDEFINED_TABLE) throw error;
      const expected = `a connection to the database of the store (${database.store})`;
      throw new InvalidInput({ path: 'transaction', expected, found: 'one without its tables' }, { cause: error });
    }
  }

  async relay(refused: (events: readonly EncodedEvent[], refusal: Refusal) => EncodedEvent): Promise<number> {
    const { database, session, writes } = this.#parts;
    session.assertOpen();
    const [some] = await database.query<[boolean]>('SELECT EXISTS (SELECT FROM pending)');
    if (some?.[0] !== true) return 0;
    try {
      return await this.#moved(ENTRIES_AT_ONCE, refused);
    } catch (error) {
      if (!(error instanceof StoreDefect)) throw error;
    }
    // One of them the store cannot hold: it is to be alone in failing.
    try {
      return await this.#moved(1, refused);
    } catch (error) {
      if (!(error instanceof StoreDefect)) throw error;
      const { message } = error;
      return writes.alone(RELAY_BYTES, async (queries) => {
        const entries = await takeEntries(queries, 1);
        const reports = entries.map((events) => refused(events, { ok: false, reason: 'store-defect', message }));
        await this.#report(queries, reports);
        return entries.length;
      });
    }
  }

  async #moved(
    limit: number,
    refused: (events: readonly EncodedEvent[], refusal: Refusal) => EncodedEvent,
  ): Promise<number> {
    const { entries, flushes } = await this.#parts.writes.alone(RELAY_BYTES, (queries) =>
      this.#move(queries, limit, refused),
    );
    for (const flushed of flushes) flushed?.committed?.();
    return entries;
  }

  async #move(
    queries: Queries,
    limit: number,
    refused: (events: readonly EncodedEvent[], refusal: Refusal) => EncodedEvent,
  ): Promise<{ readonly entries: number; readonly flushes: readonly (Flushed | undefined)[] }> {
    const entries = await takeEntries(queries, limit);
    const moved = await flush(
      queries,
      entries.map((events) => appending(events, 'verify')),
      this.#parts.now(),
      this.#parts,
    );
    const reports = entries.flatMap((events, index) => {
      const outcome = moved.outcomes[index];
      return outcome?.ok === false && outcome.refusal !== undefined ? [refused(events, outcome.refusal)] : [];
    });
    return { entries: entries.length, flushes: [moved, await this.#report(queries, reports)] };
  }

  async #report(queries: Queries, reports: readonly EncodedEvent[]): Promise<Flushed | undefined> {
    if (reports.length === 0) return undefined;
    return flush(queries, [appending(reports, 'keep-first')], this.#parts.now(), this.#parts);
  }

  watch(listener: () => void): () => void {
    return this.#parts.watch(listener);
  }
}

/** The oldest that are committed, in order. */
async function takeEntries(queries: Queries, limit: number): Promise<readonly (readonly EncodedEvent[])[]> {
  const rows = await queries.query<[number: number, events: string]>(TAKE, [limit]);
  return rows.sort(([left], [right]) => left - right).map(([, events]) => eventsOfText(events));
}

function appending(events: readonly EncodedEvent[], onDuplicate: 'verify' | 'keep-first'): Appending {
  const request = { events, onDuplicate };
  return { bytes: bytesOf(request), requests: [request], unit: undefined, settle() {}, fail() {} };
}
