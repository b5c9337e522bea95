import { appendedEntries, firstLink, linkAfter, LINK_KINDS, removedEntries, runsOf } from '../../channel/log-chain.ts';
import type { ChainLink, LinkKind, LinkQuery, LogChain } from '../../channel/log-chain.ts';
import type { EncodedEvent } from '../../event/event.ts';
import { eventDigest } from '../../event/event-digest.ts';
import { position } from '../../event/position.ts';
import type { Change, Database } from './database.ts';
import type { GroupCommit } from './group-commit.ts';
import { writeOnce } from './group-commit.ts';
import type { LogReader } from './log-reader.ts';
import type { Session } from './session.ts';

export type LinkRow = [
  number: number,
  kind: number,
  place: number,
  recordedMs: number,
  entries: Uint8Array,
  hash: Uint8Array,
];

const LINK_COLUMNS = 'number, kind, place, recorded_ms, entries, hash';
const INSERT = `INSERT INTO chain_links (${LINK_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`;
/** Events that a chain takes in at a time when it begins. */
const PAGE = 1_000;

export const LINKS_IN_ORDER = `SELECT ${LINK_COLUMNS} FROM chain_links ORDER BY number`;

export function linkOf([number, kind, place, recordedMs, entries, hash]: LinkRow): ChainLink {
  return { number, kind: LINK_KINDS[kind] as LinkKind, place: position(place), recordedMs, entries, hash };
}

/**
 * Writes the links of a log inside the transactions of its flushes.
 *
 * Invariants 1. What a flush has appended is one link, written when all of it is; what it has removed are links of their own, before.
 *            2. After a rollback it is read anew where the chain is.
 */
export class ChainWriter {
  readonly #database: Database;
  readonly #insert: Change;
  /** Undefined: has to be looked up. Null: there is no chain. */
  #last: ChainLink | null | undefined;
  /** Of the first event of the flush. */
  #place = 0;
  #digests: string[] = [];
  #versions: number[] = [];

  constructor(database: Database) {
    this.#database = database;
    this.#insert = database.change(INSERT);
  }

  get isOn(): boolean {
    return this.#before() !== null;
  }

  /** A flush begins. */
  begin(): void {
    this.#digests = [];
    this.#versions = [];
  }

  appended(event: EncodedEvent, place: number, version: number): void {
    if (!this.isOn) return;
    if (this.#digests.length === 0) this.#place = place;
    this.#digests.push(eventDigest(event));
    this.#versions.push(version);
  }

  /** The newest so many events of the flush are not appended after all. */
  takeBack(events: number): void {
    if (!this.isOn) return;
    this.#digests.length -= events;
    this.#versions.length -= events;
  }

  /** `head`, `headMs`: of the log, as of now. */
  removed(positions: readonly number[], head: number, headMs: number): void {
    const before = this.#before();
    if (before === null) return;
    const entries = removedEntries(positions);
    this.#write(linkAfter(before, { kind: 'removed', place: position(head), recordedMs: headMs, entries }));
  }

  /** Everything of the flush is written. */
  finish(recordedMs: number): void {
    const before = this.#before();
    if (before === null || this.#digests.length === 0) return;
    const entries = appendedEntries(this.#digests, this.#versions);
    this.#write(linkAfter(before, { kind: 'appended', place: position(this.#place), recordedMs, entries }));
  }

  /** Inside a transaction in which nothing else is written. */
  start(reader: LogReader): boolean {
    if (this.isOn) return false;
    const [head, headMs] = reader.head();
    let last = firstLink(position(head), headMs);
    this.#write(last);
    for (let after = 0; after < head;) {
      const page = reader.read({ after: position(after), limit: PAGE });
      for (const run of runsOf(page.map(({ stored }) => stored))) {
        last = linkAfter(last, { kind: 'appended', ...run });
        this.#write(last);
      }
      after = page.at(-1)?.position ?? head;
    }
    return true;
  }

  /** As it was in another store. */
  put(link: ChainLink): void {
    this.#write(link);
  }

  /** The database was rolled back, or changed by others. */
  forget(): void {
    this.#last = undefined;
    this.begin();
  }

  #before(): ChainLink | null {
    if (this.#last === undefined) this.#last = newestLink(this.#database) ?? null;
    return this.#last;
  }

  #write(link: ChainLink): void {
    const { number, kind, place, recordedMs, entries, hash } = link;
    this.#insert.run(number, LINK_KINDS.indexOf(kind), place, recordedMs, entries, hash);
    this.#last = link;
  }
}

function newestLink(database: Database): ChainLink | undefined {
  const sql = `SELECT ${LINK_COLUMNS} FROM chain_links ORDER BY number DESC LIMIT 1`;
  const row = database.query<LinkRow>(sql).get();
  return row && linkOf(row);
}

export interface ChainParts {
  readonly database: Database;
  readonly session: Session;
  readonly writes: Pick<GroupCommit, 'submit'>;
  readonly writer: ChainWriter;
  readonly reader: LogReader;
}

export class SqliteLogChain implements LogChain {
  readonly #parts: ChainParts;

  constructor(parts: ChainParts) {
    this.#parts = parts;
  }

  async last(): Promise<ChainLink | undefined> {
    return this.#parts.session.read(() => newestLink(this.#parts.database));
  }

  async links({ after, limit, maxBytes, kind }: LinkQuery): Promise<readonly ChainLink[]> {
    return this.#parts.session.read(() => {
      // By a literal, so that the partial index is known to serve.
      const ofKind = kind === undefined ? '' : ` AND kind = ${LINK_KINDS.indexOf(kind)}`;
      const sql = `SELECT ${LINK_COLUMNS} FROM chain_links WHERE number > ?${ofKind} ORDER BY number LIMIT ?`;
      const found: ChainLink[] = [];
      let bytes = 0;
      for (const row of this.#parts.database.query<LinkRow>(sql).iterate(after, limit)) {
        const link = linkOf(row);
        found.push(link);
        bytes += link.entries.length;
        if (bytes >= maxBytes) break;
      }
      return found;
    });
  }

  begin(): Promise<boolean> {
    const { writes, writer, reader } = this.#parts;
    return writeOnce(writes, 0, () => writer.start(reader));
  }
}
