import type { DataEncoding } from '../../event/event.ts';
import type { Database } from './database.ts';

/** What repeats from event to event, under one number. */
export interface Kind {
  readonly kind: number;
  readonly type: string;
  readonly schemaVersion: number;
  readonly encoding: DataEncoding;
}

/** The kinds of one category by type: of several schema versions or encodings the one used last. */
export type CategoryKinds = Map<string, Kind>;

/** A cache that is full begins anew. Systems have dozens of kinds; one source per device makes thousands. */
const MAX_CACHED = 20_000;

/**
 * Kinds and sources by number and back. Numbers are given once and never change.
 *
 * Invariants 1. The caches hold only what the database holds; after a rollback `forget` is called.
 *            2. The caches are bounded.
 */
export class InternedNames {
  readonly #database: Database;
  #kinds = new Map<number, Kind>();
  #sources = new Map<number, string>();
  #sourceNumbers = new Map<string, number>();
  #categories = new Map<string, CategoryKinds>();

  constructor(database: Database) {
    this.#database = database;
  }

  forget(): void {
    this.#kinds = new Map();
    this.#sources = new Map();
    this.#sourceNumbers = new Map();
    this.#categories = new Map();
  }

  /** The number of a source; undefined when no event has it. */
  findSource(name: string): number | undefined {
    const cached = this.#sourceNumbers.get(name);
    if (cached !== undefined) return cached;
    const row = this.#database.query<[number]>('SELECT source FROM sources WHERE name = ?').get(name);
    if (row === undefined) return undefined;
    this.#cacheSource(row[0], name);
    return row[0];
  }

  /** The number of a source, given to it if need be. Inside a transaction. */
  source(name: string): number {
    const cached = this.#sourceNumbers.get(name) ?? this.findSource(name);
    if (cached !== undefined) return cached;
    const number = Number(this.#database.change('INSERT INTO sources (name) VALUES (?)').run(name).lastInsertRowid);
    this.#cacheSource(number, name);
    return number;
  }

  sourceName(source: number): string {
    const cached = this.#sources.get(source);
    if (cached !== undefined) return cached;
    const row = this.#database.query<[string]>('SELECT name FROM sources WHERE source = ?').get(source);
    if (row === undefined) throw new Error(`no source has the number ${source}`);
    this.#cacheSource(source, row[0]);
    return row[0];
  }

  kind(kind: number): Kind {
    const cached = this.#kinds.get(kind);
    if (cached !== undefined) return cached;
    const row = this.#database
      .query<[string, number, DataEncoding]>('SELECT type, schema_version, encoding FROM kinds WHERE kind = ?')
      .get(kind);
    if (row === undefined) throw new Error(`no kind has the number ${kind}`);
    return this.#cacheKind({ kind, type: row[0], schemaVersion: row[1], encoding: row[2] });
  }

  /** The kinds of a category seen so far: to be kept with what belongs to that category, so that it is looked up once. */
  ofCategory(category: string): CategoryKinds {
    let kinds = this.#categories.get(category);
    if (kinds === undefined) {
      kinds = new Map();
      if (this.#categories.size >= MAX_CACHED) this.#categories = new Map();
      this.#categories.set(category, kinds);
    }
    return kinds;
  }

  /** The kind of an event in its category, numbered if need be. Inside a transaction. */
  kindIn(known: CategoryKinds, category: string, event: Omit<Kind, 'kind'>): Kind {
    const { type, schemaVersion, encoding } = event;
    const last = known.get(type);
    if (last !== undefined && last.schemaVersion === schemaVersion && last.encoding === encoding) return last;
    const identity = [type, schemaVersion, encoding, category] as const;
    const row = this.#database
      .query<[number]>('SELECT kind FROM kinds WHERE type = ? AND schema_version = ? AND encoding = ? AND category = ?')
      .get(...identity);
    const insert = 'INSERT INTO kinds (type, schema_version, encoding, category) VALUES (?, ?, ?, ?)';
    const number = row?.[0] ?? Number(this.#database.change(insert).run(...identity).lastInsertRowid);
    const kind = this.#cacheKind({ kind: number, type, schemaVersion, encoding });
    if (known.size >= MAX_CACHED) known.clear();
    known.set(type, kind);
    return kind;
  }

  kindsOfTypes(types: readonly string[]): readonly number[] {
    const sql = 'SELECT kind FROM kinds WHERE type IN (SELECT value FROM json_each(?))';
    return this.#database
      .query<[number]>(sql)
      .all(JSON.stringify(types))
      .map(([kind]) => kind);
  }

  kindsOfCategory(category: string): readonly number[] {
    return this.#database
      .query<[number]>('SELECT kind FROM kinds WHERE category = ?')
      .all(category)
      .map(([kind]) => kind);
  }

  #cacheKind(kind: Kind): Kind {
    if (this.#kinds.size >= MAX_CACHED) this.#kinds = new Map();
    this.#kinds.set(kind.kind, kind);
    return kind;
  }

  #cacheSource(number: number, name: string): void {
    if (this.#sources.size >= MAX_CACHED) {
      this.#sources = new Map();
      this.#sourceNumbers = new Map();
    }
    this.#sources.set(number, name);
    this.#sourceNumbers.set(name, number);
  }
}
