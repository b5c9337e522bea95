import { firstLink, LINK_KINDS, rangeEntries, removedEntries, runsOf } from '../../channel/log-chain.ts';
import type { ChainLink, LinkKind, LinkQuery, LogChain, Stretch } from '../../channel/log-chain.ts';
import { position } from '../../event/position.ts';
import type { Database, Queries } from './database.ts';
import { LogReader } from './log-reader.ts';
import type { OwnTransactions } from './own-transactions.ts';
import type { Session } from './session.ts';

export type LinkRow = [number: number, kind: number, place: number, recordedMs: number, entries: Buffer, hash: Buffer];

const LINK_COLUMNS = 'number, kind, place, recorded_ms, entries, hash';
/** Events that a chain takes in at a time when it begins. */
const PAGE = 1_000;
/** Links are asked for in parts of at most so many, since how large they are shows only then. */
const LINKS_AT_ONCE = 200;

export const LINKS_IN_ORDER = `SELECT ${LINK_COLUMNS} FROM chain_links ORDER BY number`;

export function linkOf([number, kind, place, recordedMs, entries, hash]: LinkRow): ChainLink {
  return { number, kind: LINK_KINDS[kind] as LinkKind, place: position(place), recordedMs, entries, hash };
}

/** What a process knows of the chain of its log: once there is one, there is one for ever. */
export class Chaining {
  #isOn = false;

  get isOn(): boolean {
    return this.#isOn;
  }

  /** As a transaction found it. */
  found(chained: boolean): void {
    this.#isOn ||= chained;
  }
}

/** Whether the log keeps a chain: as of the transaction, which holds the head of the log. */
export async function isChained(queries: Queries): Promise<boolean> {
  const [row] = await queries.query<[boolean]>('SELECT chained FROM log_head');
  return row?.[0] === true;
}

type NewLink = Pick<ChainLink, 'kind' | 'place' | 'recordedMs' | 'entries'>;

/** Adds links in order. In a transaction. */
export async function addLinks(queries: Queries, links: readonly NewLink[]): Promise<void> {
  for (const { kind, place, recordedMs, entries } of links)
    await queries.query('SELECT add_link($1, $2, $3, $4)', [
      LINK_KINDS.indexOf(kind),
      place,
      recordedMs,
      Buffer.from(entries),
    ]);
}

/** Events go, in this transaction. Nothing, where the log keeps no chain. */
export async function linkRemoved(queries: Queries, positions: readonly number[]): Promise<void> {
  if (positions.length > 0 && (await isChained(queries))) await linkRanges(queries, removedEntries(positions));
}

/** All events of a table go, in this transaction. */
export async function linkDropped(queries: Queries, table: string): Promise<void> {
  if (!(await isChained(queries))) return;
  // Of positions that follow one another this difference is the same.
  const ranges = await queries.query<[first: number, last: number]>(
    `SELECT min(position), max(position) FROM (
  SELECT position, position - row_number() OVER (ORDER BY position) AS stretch FROM ${table}
) AS e GROUP BY stretch ORDER BY 1`,
  );
  if (ranges.length > 0) await linkRanges(queries, rangeEntries(ranges));
}

async function linkRanges(queries: Queries, entries: Buffer): Promise<void> {
  const sql = 'SELECT position, recorded_ms FROM log_head FOR UPDATE';
  const [[head, recordedMs] = [0, 0]] = await queries.query<[number, number]>(sql);
  await addLinks(queries, [{ kind: 'removed', place: position(head), recordedMs, entries }]);
}

/** Links as they were in another store, which has none. */
export async function insertLinks(queries: Queries, links: readonly ChainLink[]): Promise<void> {
  for (const { number, kind, place, recordedMs, entries, hash } of links)
    await queries.change(`INSERT INTO chain_links (${LINK_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)`, [
      number,
      LINK_KINDS.indexOf(kind),
      place,
      recordedMs,
      Buffer.from(entries),
      Buffer.from(hash),
    ]);
  await queries.change('UPDATE log_head SET chained = true');
}

export class PostgresLogChain implements LogChain {
  readonly #database: Database;
  readonly #writes: OwnTransactions;
  readonly #session: Session;
  readonly #chaining: Chaining;

  constructor(parts: {
    readonly database: Database;
    readonly writes: OwnTransactions;
    readonly session: Session;
    readonly chaining: Chaining;
  }) {
    this.#database = parts.database;
    this.#writes = parts.writes;
    this.#session = parts.session;
    this.#chaining = parts.chaining;
  }

  async last(): Promise<ChainLink | undefined> {
    this.#session.assertOpen();
    const sql = `SELECT ${LINK_COLUMNS} FROM chain_links ORDER BY number DESC LIMIT 1`;
    const [row] = await this.#database.query<LinkRow>(sql);
    return row && linkOf(row);
  }

  async links({ after, limit, maxBytes, kind }: LinkQuery): Promise<readonly ChainLink[]> {
    this.#session.assertOpen();
    // By a literal, so that the partial index is known to serve.
    const ofKind = kind === undefined ? '' : ` AND kind = ${LINK_KINDS.indexOf(kind)}`;
    const sql = `SELECT ${LINK_COLUMNS} FROM chain_links WHERE number > $1${ofKind} ORDER BY number LIMIT $2`;
    const found: ChainLink[] = [];
    for (let bytes = 0, from = after; found.length < limit && bytes < maxBytes;) {
      const wanted = Math.min(LINKS_AT_ONCE, limit - found.length);
      const rows = await this.#database.query<LinkRow>(sql, [from, wanted]);
      for (const row of rows) {
        if (bytes >= maxBytes) break;
        const link = linkOf(row);
        found.push(link);
        bytes += link.entries.length;
        from = link.number;
      }
      if (rows.length < wanted) break;
    }
    return found;
  }

  async leaving(): Promise<readonly Stretch[]> {
    this.#session.assertOpen();
    return this.#database.query<[first: number, last: number]>('SELECT first, last FROM partitions WHERE dropping');
  }

  async begin(): Promise<boolean> {
    const began = await this.#writes.alone(0, async (queries) => {
      if (await isChained(queries)) return false;
      await start(queries);
      return true;
    });
    this.#chaining.found(true);
    return began;
  }
}

/** In a transaction that holds the head of the log. */
async function start(queries: Queries): Promise<void> {
  const reader = new LogReader(queries);
  const [head, headMs] = await reader.head();
  await addLinks(queries, [firstLink(position(head), headMs)]);
  for (let after = 0; after < head;) {
    const page = await reader.read({ after: position(after), limit: PAGE });
    const runs = [...runsOf(page.map(({ stored }) => stored))];
    await addLinks(
      queries,
      runs.map((run) => ({ kind: 'appended', ...run })),
    );
    after = page.at(-1)?.position ?? head;
  }
  await queries.change('UPDATE log_head SET chained = true');
}
