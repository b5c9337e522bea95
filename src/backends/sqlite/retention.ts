import type { TrimOutcome, TrimRequest } from '../../channel/event-log.ts';
import { contentDigest } from '../../event/content-digest.ts';
import { categoryOf } from '../../event/stream-name.ts';
import { tagsOf } from '../../event/tags.ts';
import type { Database } from './database.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS, storedEvent } from './event-rows.ts';
import type { InternedNames } from './interned-names.ts';
import type { ChainWriter } from './log-chain.ts';
import type { LogReader } from './log-reader.ts';
import type { StreamHead, StreamIndex } from './stream-index.ts';
import type { StreamReader } from './stream-reader.ts';

/** Events of one stream removed in one transaction: 10 ms. */
const MAX_STEP = 1_000;
/** Events read at a time while the oldest removable ones are looked for. */
const PAGE = 1_000;

export interface RetentionParts {
  readonly database: Database;
  readonly index: StreamIndex;
  readonly names: InternedNames;
  readonly reader: LogReader;
  readonly streams: StreamReader;
  readonly chain: ChainWriter;
}

/**
 * Removes events for good. Their identities move to `retired`, so that a fact is recorded once also after it is gone (G2).
 * Every function runs inside a transaction.
 *
 * Invariants 1. Of a stream the oldest events go first; what must stay below the floor that this leaves is listed in `held_back`.
 *            2. The row of a stream that loses events is written first: nothing depends on the removed ones any more.
 *            3. `log_state` keeps the head of the log: neither positions nor recorded times fall when the newest event goes.
 */
export class Retention {
  readonly #database: Database;
  readonly #index: StreamIndex;
  readonly #names: InternedNames;
  readonly #reader: LogReader;
  readonly #streams: StreamReader;
  readonly #chain: ChainWriter;
  /** Events of a category, of those up to a position. */
  readonly #counted = new Map<string, { readonly upTo: number; count: number }>();

  constructor(parts: RetentionParts) {
    this.#database = parts.database;
    this.#index = parts.index;
    this.#names = parts.names;
    this.#reader = parts.reader;
    this.#streams = parts.streams;
    this.#chain = parts.chain;
  }

  /** A step of removing the events of a stream below a version, as many as may be removed in one transaction. */
  truncateStream(stream: string, beforeVersion: number): { readonly removed: number; readonly more: boolean } {
    const head = this.#index.head(stream);
    const target = Math.min(beforeVersion, head.version + 1);
    if (target <= 1) return { removed: 0, more: false };
    const floor = Math.min(target, head.floor + MAX_STEP);
    return { removed: this.#removeBelow(head, floor), more: floor < target };
  }

  /** From now on the stream takes no events. Those that it has are to be removed. Answers its version. */
  markDeleted(stream: string): number {
    const head = this.#index.head(stream);
    head.deleted = true;
    this.#raiseFloor(head, head.floor);
    return head.version;
  }

  trim(request: TrimRequest): TrimOutcome {
    const kinds = this.#names.kindsOfCategory(request.category);
    if (kinds.length === 0) return { removed: 0, more: false, protected: 0 };
    const boundary = this.#boundary(kinds, request);
    const removableUpTo = Math.min(boundary, request.notAbove);
    const keep = new Set<number>(request.keep.filter((place) => place <= removableUpTo && this.#isOneOf(kinds, place)));
    const named = this.#countUpTo(kinds, boundary);
    const removable = this.#countUpTo(kinds, removableUpTo) - keep.size;
    const removed = Math.min(removable, request.limit);
    if (removed > 0) this.#removeOldest(kinds, removed, keep);
    return { removed, more: removed < removable, protected: named - removable };
  }

  /** Memory no longer counts: the database was rolled back. */
  forget(): void {
    this.#counted.clear();
  }

  /** The position up to which the rule names the events of the category: always its oldest ones. */
  #boundary(kinds: readonly number[], { category, recordedBeforeMs, keepNewest }: TrimRequest): number {
    const byAge = recordedBeforeMs === undefined ? 0 : this.#reader.positionBefore(recordedBeforeMs);
    const excess = keepNewest === undefined ? 0 : this.#countAll(category, kinds) - keepNewest;
    return excess <= 0 ? byAge : Math.max(byAge, this.#reader.nthOfKinds(kinds, excess));
  }

  #isOneOf(kinds: readonly number[], place: number): boolean {
    const row = this.#database.query<[number]>('SELECT kind FROM events WHERE position = ?').get(place);
    return row !== undefined && kinds.includes(row[0]);
  }

  /** How many events of the kinds have a position in (after, upTo]. */
  #countUpTo(kinds: readonly number[], upTo: number, after = 0): number {
    const count = this.#database.query<[number]>(
      'SELECT count(*) FROM events INDEXED BY events_by_kind WHERE kind = ? AND position > ? AND position <= ?',
    );
    return kinds.reduce((sum, kind) => sum + (count.get(kind, after, upTo)?.[0] ?? 0), 0);
  }

  /** Counts a category once, and later only what has come: a rule by number asks at every trim. */
  #countAll(category: string, kinds: readonly number[]): number {
    const [head] = this.#reader.head();
    const before = this.#counted.get(category) ?? { upTo: 0, count: 0 };
    const count = before.count + this.#countUpTo(kinds, head, before.upTo);
    this.#counted.set(category, { upTo: head, count });
    return count;
  }

  #removeOldest(kinds: readonly number[], count: number, keep: ReadonlySet<number>): void {
    const floors = new Map<string, number>();
    const passed: EventRow[] = [];
    const rows: EventRow[] = [];
    for (
      let page = this.#oldest(kinds, 0);
      page.length > 0 && rows.length < count;
      page = this.#oldest(kinds, page.at(-1)?.[0] ?? 0)
    ) {
      for (const row of page) {
        const [position, stream, version] = row;
        if (keep.has(position)) {
          passed.push(row);
        } else if (rows.length < count) {
          rows.push(row);
          floors.set(stream, version + 1);
        }
      }
    }
    const hold = this.#database.change('INSERT OR IGNORE INTO held_back VALUES (?, ?, ?)');
    for (const [position, stream, version] of passed) {
      if (version < (floors.get(stream) ?? 0)) hold.run(stream, version, position);
    }
    this.#remove(rows);
    for (const [stream, floor] of floors) this.#raiseFloor(this.#index.head(stream), floor);
  }

  /** A page of events of the kinds above a position, oldest first. */
  #oldest(kinds: readonly number[], after: number): readonly EventRow[] {
    return this.#reader.readKinds(kinds, { direction: 'forward', from: after, limit: PAGE });
  }

  #removeBelow(head: StreamHead, floor: number): number {
    const held = this.#database
      .query<EventRow>(
        `SELECT ${EVENT_COLUMNS} FROM held_back AS h CROSS JOIN events AS e ON e.position = h.position WHERE h.stream = ? AND h.version < ?`,
      )
      .all(head.stream, floor);
    const rows = [...held, ...this.#streams.rowsBetween(head, head.floor, Math.min(floor - 1, head.version))];
    this.#remove(rows);
    this.#raiseFloor(head, floor);
    return rows.length;
  }

  #remove(rows: readonly EventRow[]): void {
    if (rows.length === 0) return;
    const [head, headMs] = this.#reader.head();
    this.#database.change('UPDATE log_state SET removed_position = ?, removed_recorded_ms = ?').run(head, headMs);
    const retire = this.#database.change('INSERT INTO retired VALUES (?, ?, ?, ?, ?, ?, ?)');
    const remove = this.#database.change('DELETE FROM events WHERE position = ?');
    const untag = this.#database.change('DELETE FROM event_tags WHERE tag = ? AND position = ?');
    for (const row of rows) {
      const [position, stream, version, , source, id] = row;
      const event = storedEvent(row, this.#names);
      retire.run(id, source, stream, version, position, row[8], contentDigest(event));
      for (const tag of tagsOf(event)) untag.run(tag, position);
      remove.run(position);
      const counted = this.#counted.get(categoryOf(stream));
      if (counted !== undefined && position <= counted.upTo) counted.count -= 1;
    }
    this.#chain.removed(
      rows.map(([position]) => position),
      head,
      headMs,
    );
  }

  #raiseFloor(head: StreamHead, floor: number): void {
    this.#index.settle(head);
    const { stream } = head;
    head.floor = Math.max(head.floor, floor);
    this.#database
      .change('INSERT OR REPLACE INTO stream_floors VALUES (?, ?, ?)')
      .run(stream, head.floor, head.deleted ? 1 : 0);
    this.#database.change('DELETE FROM stream_marks WHERE stream = ? AND version < ?').run(stream, head.floor);
    // Removed ones only: what is still held back has its event.
    this.#database
      .change(
        'DELETE FROM held_back WHERE stream = ? AND NOT EXISTS (SELECT 1 FROM events WHERE events.position = held_back.position)',
      )
      .run(stream);
  }
}
