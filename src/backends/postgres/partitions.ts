import type { TrimRequest } from '../../channel/event-log.ts';
import type { Database, Queries } from './database.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS } from './event-rows.ts';
import { linkDropped } from './log-chain.ts';
import { boundaryOf, keepDigests } from './retention.ts';
import { fromText, toText } from './text.ts';

/** A stretch of the log with a table of its own. */
interface Partition {
  readonly name: string;
  readonly first: number;
  readonly last: number;
}

/** In the last part of a table, one of so many, the next one is made. */
const AHEAD = 8;

/** Events whose identities are made ready for their removal in one transaction. */
const DIGESTS_AT_ONCE = 2_000;

/** Of events that go, removed in one statement. */
const TAGS_AT_ONCE = 20_000;

/**
 * The tables of events: one for each stretch of positions, made when the log comes to it.
 *
 * Invariants 1. From the oldest table on the stretches follow one another without gaps, up to the head of the log at least.
 */
export class Partitions {
  readonly #size: number;
  readonly #database: Database;
  readonly #answerTimeoutMs: number;
  /** The end of the last table, as far as is known. */
  #end = 0;

  constructor(database: Database, options: { readonly eventsPerPartition: number; readonly answerTimeoutMs: number }) {
    this.#database = database;
    this.#size = options.eventsPerPartition;
    this.#answerTimeoutMs = options.answerTimeoutMs;
  }

  /**
   * Makes sure that there are tables for these positions, which are above all before. In a transaction that holds the head of the log; a table
   * is made in another one, before: a reader whose statement was planned without it must not see half of what is appended here.
   */
  async reserve(queries: Queries, first: number, upTo: number): Promise<void> {
    if (((await lastOf(queries)) ?? first - 1) >= upTo) return;
    const make = (others: Queries) => this.reserveIn(others, first, upTo);
    await this.#database.transactionBeside('BEGIN', make, this.#answerTimeoutMs);
  }

  /** The same in this transaction, where nobody reads yet. */
  async reserveIn(queries: Queries, first: number, upTo: number): Promise<void> {
    await queries.script(EXCLUSIVE);
    let last = (await lastOf(queries)) ?? first - 1;
    while (last < upTo) last = await this.#createAfter(queries, last);
  }

  /**
   * Makes the table after the last one before the log comes to its end: who appends need not do it then, nor wait for whoever looks after
   * the tables at that moment.
   */
  async reserveAhead(head: number): Promise<void> {
    const isNear = () => head > this.#end - this.#size / AHEAD;
    if (head === 0 || !isNear()) return;
    this.#end = (await lastOf(this.#database)) ?? head;
    if (!isNear()) return;
    await this.#database.transaction(BRIEFLY, async (queries) => {
      await queries.script(EXCLUSIVE);
      this.#end = (await lastOf(queries)) ?? head;
      if (isNear()) await this.#createAfter(queries, this.#end);
    });
  }

  /** Answers where the new table ends. */
  async #createAfter(queries: Queries, last: number): Promise<number> {
    const first = last + 1;
    const end = last + this.#size;
    await create(queries, { name: `events_${first}`, first, last: end });
    return end;
  }
}

/** Where other programs use the tables for longer, they are asked again later. */
const BRIEFLY = "BEGIN; SET LOCAL lock_timeout = '2s'";
/** Two who make the same table do so one after the other. */
const EXCLUSIVE = 'LOCK TABLE partitions IN SHARE ROW EXCLUSIVE MODE';

async function lastOf(queries: Queries): Promise<number | undefined> {
  const [row] = await queries.query<[number | null]>('SELECT max(last) FROM partitions');
  return row?.[0] ?? undefined;
}

/** Attached when it is made: others read and write events meanwhile. */
async function create(queries: Queries, { name, first, last }: Partition): Promise<void> {
  await queries.script(`CREATE TABLE ${name} (LIKE events INCLUDING ALL);
ALTER TABLE events ATTACH PARTITION ${name} FOR VALUES FROM (${first}) TO (${last + 1})`);
  await queries.change('INSERT INTO partitions (first, last, name) VALUES ($1, $2, $3)', [first, last, name]);
}

/**
 * Drops the oldest tables for as long as the rules name every event in them. Answers how many events of each rule went. Their identities stay.
 *
 * Guarantee What reads and writes events waits for none of it. A call that is cut short is brought to its end by the next one.
 */
export async function dropPartitions(
  database: Database,
  requests: readonly Omit<TrimRequest, 'limit'>[],
): Promise<readonly number[]> {
  const removed = requests.map(() => 0);
  await finishDropping(database);
  const removable = new Map<string, number>();
  for (const request of requests) {
    const boundary = await boundaryOf(database, toText(request.category), request);
    const upTo = Math.min(boundary, request.notAbove);
    removable.set(request.category, Math.max(upTo, removable.get(request.category) ?? 0));
  }
  const highest = Math.max(0, ...removable.values());
  const keep = requests.flatMap((request) => request.keep);
  for (;;) {
    const [oldest] = await database.query<[name: string, first: number, last: number]>(
      `SELECT name, first, last FROM partitions WHERE NOT dropping AND last <= least($1, (SELECT position FROM log_head)) ORDER BY first LIMIT 1`,
      [highest],
    );
    if (oldest === undefined) return removed;
    const [name, first, last] = oldest;
    if (keep.some((place) => place >= first && place <= last)) return removed;
    const counts = await countsIn(database, name);
    if (!counts.every(({ category, highest: place }) => place <= (removable.get(category) ?? 0))) return removed;
    await rememberIdentities(database, name);
    await markDropping(database, name, first);
    await finishDropping(database);
    for (const { category, events } of counts) {
      const index = requests.findIndex((request) => request.category === category);
      removed[index] = (removed[index] ?? 0) + events;
    }
  }
}

/** From here on it goes, whoever brings that to its end. */
async function markDropping(database: Database, name: string, first: number): Promise<void> {
  await database.transaction(BRIEFLY, async (queries) => {
    await linkDropped(queries, name);
    await queries.change('UPDATE partitions SET dropping = true WHERE first = $1', [first]);
  });
}

async function countsIn(
  database: Database,
  name: string,
): Promise<readonly { readonly category: string; readonly events: number; readonly highest: number }[]> {
  const rows = await database.query<[category: string, events: number, highest: number]>(
    `SELECT split_part(stream, '-', 1), count(*), max(position) FROM ${name} GROUP BY 1`,
  );
  return rows.map(([category, events, highest]) => ({ category: fromText(category), events, highest }));
}

/** What a duplicate of a removed event is told, and compared with (G2). The events are still there: until they are not, it is the same. */
async function rememberIdentities(database: Database, name: string): Promise<void> {
  for (let after = 0; ;) {
    const rows = await database.query<EventRow>(
      `SELECT ${EVENT_COLUMNS} FROM ${name} AS e WHERE e.position > $1 ORDER BY e.position LIMIT ${DIGESTS_AT_ONCE}`,
      [after],
    );
    const last = rows.at(-1);
    if (last === undefined) return;
    await keepDigests(database, rows);
    after = Number(last[0]);
  }
}

/** Only now: events that stay after all would not be found by them any more. */
async function dropTags(database: Database, first: number, last: number): Promise<void> {
  const some = 'SELECT ctid FROM event_tags WHERE position BETWEEN $1 AND $2 LIMIT $3';
  const sql = `DELETE FROM event_tags WHERE ctid = ANY(ARRAY(${some}))`;
  while ((await database.change(sql, [first, last, TAGS_AT_ONCE])) > 0);
}

/** Takes tables that are to go out of the log, and drops them: also those that an earlier process could not. */
async function finishDropping(database: Database): Promise<void> {
  const rows = await database.query<[name: string, first: number, last: number, attached: boolean | null]>(
    `SELECT p.name, p.first, p.last, NOT i.inhdetachpending FROM partitions AS p
LEFT JOIN pg_inherits AS i ON i.inhparent = 'events'::regclass AND i.inhrelid = to_regclass(p.name) WHERE p.dropping ORDER BY p.first`,
  );
  for (const [name, first, last, attached] of rows) {
    await dropTags(database, first, last);
    if (attached !== null)
      await database.script(`ALTER TABLE events DETACH PARTITION ${name} ${attached ? 'CONCURRENTLY' : 'FINALIZE'}`);
    await database.transaction('BEGIN', async (queries) => {
      await queries.script(`DROP TABLE IF EXISTS ${name}`);
      await queries.change('DELETE FROM partitions WHERE first = $1', [first]);
    });
  }
}
