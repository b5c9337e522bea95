import type { ListStreamsOptions, ReadStreamOptions, StreamState } from '../../channel/event-log.ts';
import { StoreUnusable } from '../../errors.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { sumOfBytes, withinBytes } from '../../event/event-size.ts';
import { categoryOf } from '../../event/stream-name.ts';
import type { Database, Query } from './database.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS, recordedEvents } from './event-rows.ts';
import type { InternedNames } from './interned-names.ts';
import type { StreamCache } from './stream-cache.ts';
import type { StreamHead, StreamIndex } from './stream-index.ts';

/** As many rows at once as a walk between two marks; a page that is bounded in bytes is read in such parts. */
const ROWS_AT_ONCE = 64;

/** From an event (place, version) back along `previous` to version ?3; answers those up to version ?4, newest first. */
const CHAIN = `
WITH RECURSIVE chain (place, version) AS (
  VALUES (?1, ?2)
  UNION ALL
  SELECT e.previous, c.version - 1 FROM chain AS c CROSS JOIN events AS e ON e.position = c.place WHERE c.version > ?3
)
SELECT ${EVENT_COLUMNS} FROM chain AS c CROSS JOIN events AS e ON e.position = c.place WHERE c.version <= ?4`;

const HELD_BACK = `SELECT ${EVENT_COLUMNS} FROM held_back AS h CROSS JOIN events AS e ON e.position = h.position WHERE h.stream = ? AND h.version`;

/**
 * Reads the events of one stream. They are linked backward; marks at every 64th version make every version reachable.
 *
 * Invariants 1. From its floor on a stream is whole: every version is linked to the one before it.
 *            2. What is left below the floor is listed in `held_back`.
 */
export class StreamReader {
  readonly #database: Database;
  readonly #index: StreamIndex;
  readonly #names: InternedNames;
  readonly #store: string;
  readonly #cache: StreamCache | undefined;
  readonly #chain: Query<EventRow>;

  /** Without a cache: every read is one of the database. */
  constructor(parts: {
    database: Database;
    index: StreamIndex;
    names: InternedNames;
    store: string;
    cache: StreamCache | undefined;
  }) {
    const { database, index, names, store, cache } = parts;
    this.#database = database;
    this.#index = index;
    this.#names = names;
    this.#store = store;
    this.#cache = cache;
    this.#chain = database.query(CHAIN);
  }

  read(stream: string, options: ReadStreamOptions): readonly RecordedEvent[] {
    const head = this.#index.head(stream);
    if (head.version === 0) return [];
    return this.#cache === undefined ? this.#fetch(head, options) : this.#throughCache(this.#cache, head, options);
  }

  #throughCache(cache: StreamCache, head: StreamHead, options: ReadStreamOptions): readonly RecordedEvent[] {
    let known = cache.get(head);
    if (known === undefined || known.length < head.version) {
      if (!readsWhole(head, options)) return this.#fetch(head, options);
      const rows = this.rowsBetween(head, (known?.length ?? 0) + 1, head.version).reverse();
      known = [...(known ?? []), ...recordedEvents(rows, this.#names)];
      cache.put(head, known);
    }
    return withinBytes(partOf(known, options), options.maxBytes ?? Number.POSITIVE_INFINITY);
  }

  #fetch(head: StreamHead, options: ReadStreamOptions): readonly RecordedEvent[] {
    const backward = options.direction === 'backward';
    const page = (of: ReadStreamOptions) =>
      recordedEvents(backward ? this.#backward(head, of) : this.#forward(head, of), this.#names);
    const { limit, maxBytes } = options;
    if (maxBytes === undefined || limit <= ROWS_AT_ONCE)
      return withinBytes(page(options), maxBytes ?? Number.POSITIVE_INFINITY);
    const found: RecordedEvent[] = [];
    let bytes = 0;
    for (let next: ReadStreamOptions = options; bytes < maxBytes && found.length < limit;) {
      const wanted = Math.min(ROWS_AT_ONCE, limit - found.length);
      const events = page({ ...next, limit: wanted });
      const part = withinBytes(events, maxBytes - bytes);
      found.push(...part);
      bytes += sumOfBytes(part);
      const last = part.at(-1);
      if (last === undefined || events.length < wanted) break;
      next = { ...options, fromVersion: last.version + (backward ? -1 : 1) };
    }
    return found;
  }

  state(stream: string): StreamState {
    const head = this.#index.head(stream);
    const firstHeld = head.floor > 1 ? this.#firstHeld(stream) : undefined;
    return {
      stream,
      version: head.version,
      firstVersion: firstHeld ?? Math.min(head.floor, head.version + 1),
      deleted: head.deleted,
    };
  }

  list(options: ListStreamsOptions): readonly StreamState[] {
    const { category, after = '', limit } = options;
    const names = new Set<string>();
    for (const name of this.#written(category, after, limit)) names.add(name);
    for (const { stream, version } of this.#index.unwritten()) {
      if (version > 0 && (category === undefined || categoryOf(stream) === category)) names.add(stream);
    }
    return inNameOrder([...names], after)
      .slice(0, limit)
      .map((name) => this.state(name));
  }

  #forward(head: StreamHead, { fromVersion = 1, limit }: ReadStreamOptions): readonly EventRow[] {
    const held =
      fromVersion < head.floor ? this.#held('>= ? ORDER BY h.version LIMIT ?', head.stream, fromVersion, limit) : [];
    const low = Math.max(fromVersion, head.floor);
    const rows = this.rowsBetween(head, low, Math.min(head.version, low + limit - held.length - 1)).reverse();
    return held.length === 0 ? rows : [...held, ...rows];
  }

  #backward(head: StreamHead, { fromVersion = head.version, limit }: ReadStreamOptions): readonly EventRow[] {
    const high = Math.min(fromVersion, head.version);
    const rows = this.rowsBetween(head, Math.max(head.floor, high - limit + 1), high);
    if (rows.length === limit || head.floor === 1) return rows;
    const below = Math.min(head.floor - 1, high);
    return [...rows, ...this.#held('<= ? ORDER BY h.version DESC LIMIT ?', head.stream, below, limit - rows.length)];
  }

  /** The events with versions low to high, newest first. From the floor on. */
  rowsBetween(head: StreamHead, low: number, high: number): EventRow[] {
    if (low > high) return [];
    const [version, place] = high === head.version ? [head.version, head.position] : this.#markFrom(head, high);
    const rows = this.#chain.all(place, version, low, high);
    if (rows.length !== high - low + 1) {
      throw new StoreUnusable(
        this.#store,
        `stream ${head.stream}: expected versions ${low} to ${high}, found ${rows.length} events; the file is damaged`,
      );
    }
    return rows;
  }

  #markFrom(head: StreamHead, version: number): [version: number, position: number] {
    const sql = 'SELECT version, position FROM stream_marks WHERE stream = ? AND version >= ? ORDER BY version LIMIT 1';
    return this.#database.query<[number, number]>(sql).get(head.stream, version) ?? [head.version, head.position];
  }

  #held(condition: string, ...parameters: readonly [stream: string, version: number, limit: number]): EventRow[] {
    return this.#database.query<EventRow>(`${HELD_BACK} ${condition}`).all(...parameters);
  }

  #firstHeld(stream: string): number | undefined {
    return this.#database
      .query<[number]>('SELECT version FROM held_back WHERE stream = ? ORDER BY version LIMIT 1')
      .get(stream)?.[0];
  }

  /** Names in the table, in order. A category is the name itself, then the names that begin with it and `-` (`.` follows `-`). */
  *#written(category: string | undefined, after: string, limit: number): Iterable<string> {
    const above = this.#database.query<[string]>(
      'SELECT stream FROM stream_heads WHERE stream > ? ORDER BY stream LIMIT ?',
    );
    const between = this.#database.query<[string]>(
      'SELECT stream FROM stream_heads WHERE stream > ? AND stream >= ? AND stream < ? ORDER BY stream LIMIT ?',
    );
    if (category === undefined) {
      for (const [name] of above.all(after, limit)) yield name;
      return;
    }
    const itself = this.#database
      .query<[string]>('SELECT stream FROM stream_heads WHERE stream > ? AND stream = ?')
      .get(after, category);
    if (itself !== undefined) yield itself[0];
    for (const [name] of between.all(after, `${category}-`, `${category}.`, limit)) yield name;
  }
}

/** Whether the whole stream is read. */
function readsWhole(head: StreamHead, { direction, fromVersion = 1, limit }: ReadStreamOptions): boolean {
  return direction !== 'backward' && fromVersion === 1 && head.floor === 1 && limit >= head.version;
}

/** Of all events of a stream those that were asked for. */
function partOf(events: readonly RecordedEvent[], { direction, fromVersion, limit }: ReadStreamOptions) {
  if (direction !== 'backward') return events.slice((fromVersion ?? 1) - 1, (fromVersion ?? 1) - 1 + limit);
  const end = Math.min(fromVersion ?? events.length, events.length);
  return events.slice(Math.max(0, end - limit), end).reverse();
}

/** By code point: the order of UTF-8 bytes, which is that of the table. */
function inNameOrder(names: readonly string[], after: string): string[] {
  const bytes = names.map((name) => ({ name, key: Buffer.from(name) }));
  const above = Buffer.from(after);
  return bytes
    .filter(({ key }) => Buffer.compare(key, above) > 0)
    .sort((left, right) => Buffer.compare(left.key, right.key))
    .map(({ name }) => name);
}
