import type { ReadOptions } from '../../channel/event-log.ts';
import type { EncodedEvent, RecordedEvent } from '../../event/event.ts';
import { roughBytes } from '../../event/event-size.ts';
import type { Database, Query, SqlValue } from './database.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS, recordedEvents } from './event-rows.ts';
import type { InternedNames } from './interned-names.ts';

/** More kinds than this are found by looking at every event: merging so many indexes costs more. */
const MAX_KINDS_BY_INDEX = 16;

const ONE_OF_KINDS = 'e.kind IN (SELECT value FROM json_each(?))';

/**
 * SQLite gives the rows of an answer at once, however large they are: a page that is bounded in bytes is read in parts, of at most so many
 * rows and, where they were large lately, of fewer. Never of more, however small they were: the next ones may be large.
 */
const ROWS_AT_ONCE = 64;

/** Whatever integers are there: somebody may have put them there. */
const BELOW_EVERYTHING = Number.NEGATIVE_INFINITY;
const ABOVE_EVERYTHING = Number.MAX_SAFE_INTEGER;

/** Reads the log in position order. */
export class LogReader {
  readonly #database: Database;
  readonly #names: InternedNames;
  readonly #forward: Query<EventRow>;
  readonly #backward: Query<EventRow>;
  readonly #byIdentity: Query<EventRow>;
  /** On average, in the last page that was bounded. */
  #bytesPerRow = 0;

  constructor(database: Database, names: InternedNames) {
    this.#database = database;
    this.#names = names;
    this.#forward = database.query(
      `SELECT ${EVENT_COLUMNS} FROM events AS e WHERE e.position > ? ORDER BY e.position LIMIT ?`,
    );
    this.#backward = database.query(
      `SELECT ${EVENT_COLUMNS} FROM events AS e WHERE e.position < ? ORDER BY e.position DESC LIMIT ?`,
    );
    this.#byIdentity = database.query(`SELECT ${EVENT_COLUMNS} FROM events AS e WHERE e.id = ? AND e.source = ?`);
  }

  read(options: ReadOptions): RecordedEvent[] {
    const { limit, maxBytes } = options;
    if (maxBytes === undefined) return recordedEvents(this.#rows(options), this.#names);
    const found: RecordedEvent[] = [];
    let { after } = options;
    let bytes = 0;
    while (bytes < maxBytes && found.length < limit) {
      const missing = Math.ceil((maxBytes - bytes) / Math.max(1, this.#bytesPerRow));
      const wanted = Math.min(ROWS_AT_ONCE, missing, limit - found.length);
      const rows = this.#rows({ ...options, ...(after === undefined ? {} : { after }), limit: wanted });
      for (const event of recordedEvents(rows, this.#names)) {
        found.push(event);
        after = event.position;
        bytes += roughBytes(event);
        if (bytes >= maxBytes) break;
      }
      if (found.length > 0) this.#bytesPerRow = bytes / found.length;
      if (rows.length < wanted) break;
    }
    return found;
  }

  find(event: Pick<EncodedEvent, 'source' | 'id'>): RecordedEvent | undefined {
    const source = this.#names.findSource(event.source);
    const row = source === undefined ? undefined : this.#byIdentity.get(event.id, source);
    return row === undefined ? undefined : recordedEvents([row], this.#names)[0];
  }

  findById(id: string): RecordedEvent[] {
    const sql = `SELECT ${EVENT_COLUMNS} FROM events AS e WHERE e.id = ? ORDER BY e.position`;
    return recordedEvents(this.#database.query<EventRow>(sql).all(id), this.#names);
  }

  /** The last position that was given, and its recorded time. */
  head(): [position: number, recordedMs: number] {
    const last = this.#database
      .query<[number, number]>('SELECT position, recorded_ms FROM events ORDER BY position DESC LIMIT 1')
      .get() ?? [0, 0];
    const removed = this.#removed();
    return last[0] >= removed[0] ? last : removed;
  }

  /** By halving: recorded times never fall from one position to the next. */
  positionBefore(recordedMs: number): number {
    const next = this.#database.query<[number, number]>(
      'SELECT position, recorded_ms FROM events WHERE position > ? ORDER BY position LIMIT 1',
    );
    const [headPosition, headMs] = this.head();
    if (headMs < recordedMs) return headPosition;
    let low = 0;
    let high = headPosition;
    // Every event at or below `low` is older, every one above `high` is not.
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = next.get(middle);
      if (found === undefined || found[1] >= recordedMs) high = middle;
      else low = found[0];
    }
    return low;
  }

  /** Counts only where events may have been removed; above that there is one at every position. */
  count(after: number, upTo: number, limit: number): number {
    const sql = 'SELECT count(*) FROM (SELECT 1 FROM events WHERE position > ? AND position <= ? LIMIT ?)';
    const [removedUpTo] = this.#removed();
    const end = Math.min(upTo, this.head()[0]);
    const among =
      after < removedUpTo
        ? (this.#database.query<[number]>(sql).get(after, Math.min(end, removedUpTo), limit)?.[0] ?? 0)
        : 0;
    return Math.min(limit, among + Math.max(0, end - Math.max(after, removedUpTo)));
  }

  /** Events of any of these kinds. */
  readKinds(kinds: readonly number[], span: Span): EventRow[] {
    return kinds.length === 0 ? [] : this.#merged(partsOfKinds(kinds), span);
  }

  /** The position of the n-th event of these kinds, counted from 1 at the oldest. */
  nthOfKinds(kinds: readonly number[], number: number): number {
    const parts = partsOfKinds(kinds);
    const selects = parts.map(({ from, where }) => `SELECT e.position FROM ${from} WHERE ${where}`);
    const sql = `${selects.join(' UNION ALL ')} ORDER BY 1 LIMIT 1 OFFSET ?`;
    return this.#database.query<[number]>(sql).get(...parts.flatMap((part) => part.parameters), number - 1)?.[0] ?? 0;
  }

  /** The head of the log when events were last removed. */
  #removed(): [position: number, recordedMs: number] {
    return (
      this.#database.query<[number, number]>('SELECT removed_position, removed_recorded_ms FROM log_state').get() ?? [
        0, 0,
      ]
    );
  }

  #rows(options: ReadOptions): EventRow[] {
    const { direction = 'forward', limit, types, correlationid } = options;
    const from = options.after ?? (direction === 'forward' ? BELOW_EVERYTHING : ABOVE_EVERYTHING);
    const span = { direction, from, limit };
    if (options.tags !== undefined && options.tags.length > 0) return this.#tagged(options.tags, types, span);
    if (types === undefined && correlationid === undefined) {
      return (direction === 'forward' ? this.#forward : this.#backward).all(from, limit);
    }
    const kinds = types === undefined ? undefined : this.#names.kindsOfTypes(types);
    if (correlationid === undefined) return this.readKinds(kinds ?? [], span);
    return kinds?.length === 0 ? [] : this.#merged(partsOfCorrelation(correlationid, kinds), span);
  }

  /** Along the index of the first tag. */
  #tagged(tags: readonly string[], types: readonly string[] | undefined, { direction, from, limit }: Span): EventRow[] {
    const [compare, order] = direction === 'forward' ? ['>', 'ASC'] : ['<', 'DESC'];
    const kinds = types === undefined ? undefined : this.#names.kindsOfTypes(types);
    const others = ' AND EXISTS (SELECT 1 FROM event_tags AS o WHERE o.tag = ? AND o.position = t.position)';
    const sql = `SELECT ${EVENT_COLUMNS} FROM event_tags AS t CROSS JOIN events AS e ON e.position = t.position
WHERE t.tag = ?${others.repeat(tags.length - 1)}${kinds === undefined ? '' : ` AND ${ONE_OF_KINDS}`} AND t.position ${compare} ? ORDER BY t.position ${order} LIMIT ?`;
    const ofKinds = kinds === undefined ? [] : [JSON.stringify(kinds)];
    return this.#database.query<EventRow>(sql).all(...tags, ...ofKinds, from, limit);
  }

  /** Parts that are each in position order come out in position order; SQLite reads from each no more than is needed. */
  #merged(parts: readonly Part[], { direction, from, limit }: Span): EventRow[] {
    const [compare, order] = direction === 'forward' ? ['>', 'ASC'] : ['<', 'DESC'];
    const selects = parts.map(
      ({ from: source, where }) => `SELECT ${EVENT_COLUMNS} FROM ${source} WHERE ${where} AND e.position ${compare} ?`,
    );
    const parameters = parts.flatMap((part) => [...part.parameters, from]);
    return this.#database
      .query<EventRow>(`${selects.join(' UNION ALL ')} ORDER BY 1 ${order} LIMIT ?`)
      .all(...parameters, limit);
  }
}

/** Above `from` or, backward, below it. */
interface Span {
  readonly direction: 'forward' | 'backward';
  readonly from: number;
  readonly limit: number;
}

/** One arm of a merged read: events that some index gives in position order. */
interface Part {
  readonly from: string;
  readonly where: string;
  readonly parameters: readonly SqlValue[];
}

function partsOfKinds(kinds: readonly number[]): readonly Part[] {
  if (kinds.length > MAX_KINDS_BY_INDEX)
    return [{ from: 'events AS e NOT INDEXED', where: ONE_OF_KINDS, parameters: [JSON.stringify(kinds)] }];
  return kinds.map((kind) => ({
    from: 'events AS e INDEXED BY events_by_kind',
    where: 'e.kind = ?',
    parameters: [kind],
  }));
}

function partsOfCorrelation(correlationid: string, kinds: readonly number[] | undefined): readonly Part[] {
  const also = kinds === undefined ? '' : ` AND ${ONE_OF_KINDS}`;
  const parameters = kinds === undefined ? [correlationid] : [correlationid, JSON.stringify(kinds)];
  return [
    { from: 'events AS e INDEXED BY events_by_correlation', where: `e.correlationid = ?${also}`, parameters },
    // The first of a conversation: its correlation is its own id.
    {
      from: 'events AS e INDEXED BY events_by_identity',
      where: `e.id = ?${also} AND e.correlationid IS NULL`,
      parameters,
    },
  ];
}
