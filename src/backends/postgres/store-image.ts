import { writeImage } from '../../image/checked-image.ts';
import { Closed, StoreReadOnly } from '../../errors.ts';
import { assertNothingHeld } from '../../image/store-image.ts';
import type { ContentKind, ImageCounts, ImageRecord, StoreImage } from '../../image/store-image.ts';
import type { Database, Queries } from './database.ts';
import { ImageFiller } from './image-filler.ts';
import { imagePages } from './image-reader.ts';
import type { Partitions } from './partitions.ts';
import type { Session } from './session.ts';

/** So long may whoever takes or gives records be silent, before the server ends the transaction: the other end may be a disk, or a person. */
const SILENCE = `SET LOCAL idle_in_transaction_session_timeout = '10min'`;
/** To sort what was removed, or to look at all that came, takes the server a while. */
const ANSWER_MS = 3_600_000;
const BEGIN_READING = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${SILENCE}`;
/** Others read, and nobody writes. Whoever is writing just now is waited for. In the order in which everybody locks. */
const BEGIN_FILLING = `BEGIN; ${SILENCE}; SET LOCAL lock_timeout = '10s';
LOCK TABLE log_head, consumers, lanes, deliveries, partitions, streams, identities, event_tags, commands, chain_links, schemas, namespaces, rows, pending IN EXCLUSIVE MODE;
SELECT pg_current_xact_id()::text AS xact FROM log_head FOR UPDATE`;

/** What a store holds that is not empty, by the tables that say so. */
const HELD: readonly (readonly [kind: ContentKind, table: string])[] = [
  ['schema', 'schemas'],
  ['stream', 'streams'],
  ['event', 'identities'],
  ['command', 'commands'],
  ['link', 'chain_links'],
  ['consumer', 'consumers'],
  ['delivery', 'deliveries'],
  ['row', 'rows'],
  ['pending', 'pending'],
];

/** Reads and fills the tables, each in one transaction on a connection of its own. */
export class PostgresStoreImage implements StoreImage {
  readonly #parts: {
    readonly store: string;
    readonly readOnly: boolean;
    readonly database: Database;
    readonly partitions: Partitions;
    readonly session: Session;
  };
  /** Of those who wait for records that may never come. */
  readonly #waiting = new Set<() => void>();

  constructor(parts: {
    readonly store: string;
    readonly readOnly: boolean;
    readonly database: Database;
    readonly partitions: Partitions;
    readonly session: Session;
  }) {
    this.#parts = parts;
  }

  async *read(): AsyncGenerator<readonly ImageRecord[], void, undefined> {
    const { database, session } = this.#parts;
    session.assertOpen();
    for await (const page of database.reading(BEGIN_READING, imagePages, ANSWER_MS)) {
      yield page;
      session.assertOpen();
    }
  }

  async fill(records: AsyncIterable<readonly unknown[]>): Promise<ImageCounts> {
    const { store, readOnly, database, partitions, session } = this.#parts;
    session.assertOpen();
    if (readOnly) throw new StoreReadOnly(store);
    let theirs: { readonly error: unknown } | undefined;
    const given = this.#untilClosed(records, (error) => (theirs = { error }));
    try {
      return await database.transaction(
        BEGIN_FILLING,
        async (queries) => {
          assertNothingHeld(store, await heldIn(queries));
          return writeImage(given, new ImageFiller(queries, partitions));
        },
        ANSWER_MS,
      );
    } catch (error) {
      // What the records throw is not the server's.
      throw theirs === undefined ? error : theirs.error;
    }
  }

  /** What is being filled in is given up. */
  close(): void {
    for (const giveUp of this.#waiting) giveUp();
  }

  /** Not a race with one promise for all steps: that would keep what each of them came to. */
  #orClosed<Value>(step: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(new Closed(`store ${this.#parts.store}`));
      this.#waiting.add(giveUp);
      step.then(resolve, reject).finally(() => this.#waiting.delete(giveUp));
    });
  }

  /** Whoever gives the records may never give more. */
  async *#untilClosed(
    records: AsyncIterable<readonly unknown[]>,
    failed: (error: unknown) => void,
  ): AsyncGenerator<readonly unknown[], void, undefined> {
    const given = records[Symbol.asyncIterator]();
    let ended = false;
    try {
      for (;;) {
        this.#parts.session.assertOpen();
        const { done, value } = await this.#orClosed(given.next());
        ended = done === true;
        if (ended) return;
        yield value as readonly unknown[];
      }
    } catch (error) {
      failed(error);
      throw error;
    } finally {
      // Not waited for: it may be what nothing comes from.
      if (!ended) given.return?.().catch(() => {});
    }
  }
}

async function heldIn(queries: Queries): Promise<readonly ContentKind[]> {
  const conditions = HELD.map(([, table]) => `EXISTS (SELECT FROM ${table})`);
  const [found = []] = await queries.query<boolean[]>(`SELECT ${conditions.join(', ')}`);
  return HELD.flatMap(([kind], index) => (found[index] === true ? [kind] : []));
}
