import type { EncodedEvent } from '../../event/event.ts';
import type { Outbox, Refusal, TransactionQueries } from '../../producer/outbox.ts';
import type { Database } from './database.ts';
import { bytesOf } from './event-log.ts';
import { flush } from './flush.ts';
import type { Appending } from './flush.ts';
import type { Session } from './session.ts';
import type { Writes } from './write-queue.ts';

/** Entries moved in one transaction, which holds the head of the log. */
const ENTRIES_AT_ONCE = 200;
/** Roughly what moving them holds in memory while it waits. */
const RELAY_BYTES = 65_536;
const TAKE = `DELETE FROM pending WHERE number IN (SELECT number FROM pending ORDER BY number LIMIT ${ENTRIES_AT_ONCE} FOR UPDATE SKIP LOCKED)
RETURNING number, events`;

/** Rows of `pending`, written on connections of callers. */
export class PostgresOutbox implements Outbox {
  readonly #parts: {
    readonly schema: string;
    readonly database: Database;
    readonly writes: Writes;
    readonly session: Session;
    now(): number;
    watch(listener: () => void): () => void;
  };

  constructor(parts: {
    readonly schema: string;
    readonly database: Database;
    readonly writes: Writes;
    readonly session: Session;
    now(): number;
    /** Tells when somebody's commit, or a look at the server, says that there are entries. */
    watch(listener: () => void): () => void;
  }) {
    this.#parts = parts;
  }

  async put(transaction: TransactionQueries, events: readonly EncodedEvent[]): Promise<void> {
    const { schema, session } = this.#parts;
    session.assertOpen();
    // The notice goes out when, and if, the transaction commits.
    const sql = `WITH put AS (INSERT INTO ${schema}.pending (events) VALUES ($1::text) RETURNING number)
SELECT count(pg_notify('thereupon_${schema}', 'outbox')) FROM put`;
    await transaction.query(sql, [JSON.stringify(events)]);
  }

  async relay(refused: (events: readonly EncodedEvent[], refusal: Refusal) => EncodedEvent): Promise<number> {
    const { database, session, writes } = this.#parts;
    const now = () => this.#parts.now();
    session.assertOpen();
    const [some] = await database.query<[boolean]>('SELECT EXISTS (SELECT FROM pending)');
    if (some?.[0] !== true) return 0;
    return writes.alone(RELAY_BYTES, async (queries) => {
      const rows = await queries.query<[number: number, events: string]>(TAKE);
      rows.sort(([left], [right]) => left - right);
      const entries = rows.map(([, events]) => wholeEvents(events));
      const { outcomes } = await flush(
        queries,
        entries.map((events) => appending(events, 'verify')),
        now(),
      );
      const reports = entries.flatMap((events, index) => {
        const outcome = outcomes[index];
        return outcome?.ok === false && outcome.refusal !== undefined ? [refused(events, outcome.refusal)] : [];
      });
      if (reports.length > 0) await flush(queries, [appending(reports, 'keep-first')], now());
      return rows.length;
    });
  }

  watch(listener: () => void): () => void {
    return this.#parts.watch(listener);
  }
}

function appending(events: readonly EncodedEvent[], onDuplicate: 'verify' | 'keep-first'): Appending {
  const request = { events, onDuplicate };
  return { bytes: bytesOf(request), requests: [request], unit: undefined, settle() {}, fail() {} };
}

/** JSON leaves out members that are undefined; the type has them. */
function wholeEvents(json: string): readonly EncodedEvent[] {
  return (JSON.parse(json) as EncodedEvent[]).map((event) => ({
    ...event,
    subject: event.subject,
    causationid: event.causationid,
    attributes: event.attributes,
  }));
}
