import { ERASABLE_NAMESPACE } from '../../consumer/row-store.ts';
import type {
  IndexValue,
  ReindexedPage,
  ReindexPage,
  Row,
  RowQuery,
  RowStore,
  RowWrite,
} from '../../consumer/row-store.ts';
import type { JsonValue } from '../../event/json.ts';
import type { Database } from './database.ts';
import type { GroupCommit } from './group-commit.ts';
import { writeOnce } from './group-commit.ts';
import { KeptApart } from './kept-apart.ts';
import type { IndexValues } from './row-index-value.ts';
import { parseIndexes, storedIndexValue, valueIn } from './row-index-value.ts';
import type { NamespaceNumbers } from './row-query.ts';
import { RowQueries } from './row-query.ts';
import type { Session } from './session.ts';
import type { SqliteTableStore } from './table-store.ts';

/** A row to set, or to remove where `json` is undefined, detached from the objects of its writer. */
export interface PreparedRow {
  readonly namespace: string;
  readonly key: string;
  readonly json: string | undefined;
  /** JSON; null: none declared. */
  readonly indexes: string | null;
}

export function prepareRow({ namespace, key, value, indexes }: RowWrite): PreparedRow {
  const declared = value !== undefined && hasMembers(indexes) ? JSON.stringify(indexes) : null;
  return { namespace, key, json: value === undefined ? undefined : JSON.stringify(value), indexes: declared };
}

interface KnownNamespace extends NamespaceNumbers {
  readonly indexes: Map<string, number>;
}

/** What a row takes beside its text, roughly. */
const ROW_BYTES = 100;
const CLEAR_BYTES = 1_024;
/** Roughly what a page of rows holds in memory while it is indexed. */
const REINDEX_BYTES = 262_144;
/** Of a namespace that was cleared: about 2 ms of work. */
const ROWS_AT_ONCE = 1_000;
const REMOVE_SOME_ENTRIES = `DELETE FROM row_index_entries WHERE row_index = ? AND (kind, value, key) IN
  (SELECT kind, value, key FROM row_index_entries WHERE row_index = ? LIMIT ?)`;
const REMOVE_SOME_ROWS =
  'DELETE FROM rows WHERE namespace = ? AND key IN (SELECT key FROM rows WHERE namespace = ? LIMIT ?)';

/**
 * Rows in one table, their declared indexes in another.
 *
 * Invariants 1. Every row of a namespace has one entry in every index that the namespace knows; without a value it is null. An
 *               index becomes known with the first row that declares it, and entries for the rows before it are added then.
 *            2. `rows.indexes` says which entries a row has.
 *            3. `#namespaces` is what the tables say, changes of the present transaction included; after a rollback `forget` is called.
 */
export class SqliteRowStore implements RowStore {
  readonly #database: Database;
  readonly #writes: Pick<GroupCommit, 'submit'>;
  readonly #session: Session;
  readonly #tables: Pick<SqliteTableStore, 'empty' | 'rename'>;
  readonly #queries: RowQueries;
  readonly #apart: KeptApart;
  #namespaces = new Map<string, KnownNamespace>();
  /** Namespaces of which rows were changed that do not belong to the handling of an event, since somebody looked. */
  readonly changedBeside = new Set<string>();

  constructor(
    database: Database,
    writes: Pick<GroupCommit, 'submit'>,
    session: Session,
    tables: Pick<SqliteTableStore, 'empty' | 'rename'>,
  ) {
    this.#database = database;
    this.#writes = writes;
    this.#session = session;
    this.#tables = tables;
    this.#apart = new KeptApart(database);
    this.#queries = new RowQueries(database, this.#apart);
  }

  async get(namespace: string, key: string): Promise<JsonValue | undefined> {
    return this.#session.read(() => this.#value(this.#find(namespace), key));
  }

  async getMany(namespace: string, keys: readonly string[]): Promise<readonly (JsonValue | undefined)[]> {
    return this.#session.read(() => {
      const known = this.#find(namespace);
      return keys.map((key) => this.#value(known, key));
    });
  }

  async query(
    namespace: string,
    query: RowQuery,
  ): Promise<readonly (Row & { readonly orderValue: IndexValue | undefined })[]> {
    return this.#session.read(() => {
      const known = this.#find(namespace);
      return known === undefined ? [] : this.#queries.query(known, query);
    });
  }

  async count(namespace: string): Promise<number> {
    return this.#session.read(() => {
      const known = this.#find(namespace);
      const sql = 'SELECT count(*) FROM rows WHERE namespace = ?';
      return known === undefined ? 0 : (this.#database.query<[number]>(sql).get(known.namespace)?.[0] ?? 0);
    });
  }

  /** All rows go in one step, with the name. Then they are removed a few at a time, so that many of them hold up nobody. */
  async put(rows: readonly RowWrite[]): Promise<void> {
    const prepared = rows.map(prepareRow);
    const bytes = prepared.reduce((sum, { key, json }) => sum + ROW_BYTES + key.length + (json?.length ?? 0), 0);
    await writeOnce(this.#writes, bytes, () => {
      for (const row of prepared) {
        this.changedBeside.add(row.namespace);
        this.write(row);
      }
    });
  }

  async clear(namespace: string): Promise<void> {
    await writeOnce(this.#writes, CLEAR_BYTES, () => this.abandon(namespace));
    await this.sweep();
  }

  async reindex(namespace: string, { after, limit, indexesOf }: ReindexPage): Promise<ReindexedPage> {
    let thrown: { readonly reason: unknown } | undefined;
    const page = await writeOnce(this.#writes, REINDEX_BYTES, () => {
      const known = this.#find(namespace);
      const found = known === undefined ? [] : this.#queries.query(known, pageOf(after, limit));
      let writes: readonly PreparedRow[] = [];
      try {
        writes = found.map(({ key, value }) => prepareRow({ namespace, key, value, indexes: indexesOf(value) }));
      } catch (reason) {
        // Not in the transaction, which it shares with others.
        thrown = { reason };
      }
      for (const write of writes) this.write(write);
      return { last: found.at(-1)?.key, rows: found.length };
    });
    if (thrown !== undefined) throw thrown.reason;
    return page;
  }

  /** Part of a transaction: the namespace has no rows from now on, and its tables are empty. What it had is removed by `sweep`. */
  abandon(namespace: string): void {
    this.#tables.empty(namespace);
    if (namespace === ERASABLE_NAMESPACE) this.#apart.eraseAll();
    this.changedBeside.add(namespace);
    this.#database.change('UPDATE namespaces SET name = NULL WHERE name = ?').run(namespace);
    this.#namespaces.delete(namespace);
  }

  /** Part of a transaction: rows of a namespace become those of another, in place of what it has. */
  rename(from: string, to: string): void {
    this.abandon(to);
    this.#tables.rename(from, to);
    this.#database.change('UPDATE namespaces SET name = ? WHERE name = ?').run(to, from);
    this.#namespaces.delete(from);
  }

  /** Removes what was abandoned, also by an earlier process that died in the middle. */
  async sweep(): Promise<void> {
    while (await writeOnce(this.#writes, CLEAR_BYTES, () => this.#removeSome()));
  }

  /** Part of a write: a row as it is now. */
  read(namespace: string, key: string): JsonValue | undefined {
    return this.#value(this.#find(namespace), key);
  }

  /** Part of a unit. */
  write({ namespace, key, json, indexes }: PreparedRow): void {
    const known = this.#find(namespace) ?? this.#create(namespace);
    if (indexes !== null || known.indexes.size > 0) this.#index(known, key, json === undefined ? undefined : indexes);
    const value = namespace === ERASABLE_NAMESPACE ? this.#keptApart(known, key, json) : json;
    if (value === undefined)
      this.#database.change('DELETE FROM rows WHERE namespace = ? AND key = ?').run(known.namespace, key);
    else
      this.#database
        .change('INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)')
        .run(known.namespace, key, value, indexes);
  }

  /** Part of a unit: makes a namespace known, with indexes that no row may declare any more. */
  declare(namespace: string, indexes: readonly string[]): void {
    const known = this.#find(namespace) ?? this.#create(namespace);
    for (const name of indexes) if (!known.indexes.has(name)) this.#declare(known, name);
  }

  /** The database was rolled back. */
  forget(): void {
    this.#namespaces = new Map();
  }

  /** Removes some rows of namespaces that were cleared. Answers false when there are none. */
  #removeSome(): boolean {
    const cleared = this.#database.query<[number]>('SELECT namespace FROM namespaces WHERE name IS NULL LIMIT 1').get();
    if (cleared === undefined) return false;
    const [namespace] = cleared;
    const indexes = this.#database
      .query<[number]>('SELECT row_index FROM row_indexes WHERE namespace = ?')
      .all(namespace);
    for (const [index] of indexes) if (this.#change(REMOVE_SOME_ENTRIES, index, index, ROWS_AT_ONCE) > 0) return true;
    if (this.#change(REMOVE_SOME_ROWS, namespace, namespace, ROWS_AT_ONCE) > 0) return true;
    this.#change('DELETE FROM row_indexes WHERE namespace = ?', namespace);
    this.#change('DELETE FROM namespaces WHERE namespace = ?', namespace);
    return true;
  }

  #change(sql: string, ...parameters: readonly number[]): number {
    return Number(this.#database.change(sql).run(...parameters).changes);
  }

  #value(known: KnownNamespace | undefined, key: string): JsonValue | undefined {
    const value = known === undefined ? undefined : this.#stored(known, key);
    return value === undefined ? undefined : (JSON.parse(this.#apart.jsonOf(value)) as JsonValue);
  }

  /** In place of what the row has. */
  #keptApart(known: KnownNamespace, key: string, json: string | undefined): string | undefined {
    const before = this.#stored(known, key);
    if (before !== undefined) this.#apart.erase(before);
    return json === undefined ? undefined : this.#apart.keep(json);
  }

  #stored({ namespace }: KnownNamespace, key: string): string | undefined {
    const sql = 'SELECT value FROM rows WHERE namespace = ? AND key = ?';
    return this.#database.query<[string]>(sql).get(namespace, key)?.[0];
  }

  /** Replaces the entries of a row, before the row itself is replaced; `declared`: its index values as JSON, null: none; undefined: it goes. */
  #index(known: KnownNamespace, key: string, declared: string | null | undefined): void {
    const row = this.#database
      .query<[string | null]>('SELECT indexes FROM rows WHERE namespace = ? AND key = ?')
      .get(known.namespace, key);
    // Most rows are written again with the values that they had.
    if (row !== undefined && row[0] !== null && row[0] === declared) return;
    const before = row === undefined ? undefined : parseIndexes(row[0]);
    const indexes = declared === undefined ? undefined : parseIndexes(declared);
    for (const name in indexes) if (!known.indexes.has(name)) this.#declare(known, name);
    for (const [name, number] of known.indexes) {
      const old = before === undefined ? undefined : storedIndexValue(valueIn(before, name));
      const next = indexes === undefined ? undefined : storedIndexValue(valueIn(indexes, name));
      if (old !== undefined && next !== undefined && old[0] === next[0] && old[1] === next[1]) continue;
      const remove = 'DELETE FROM row_index_entries WHERE row_index = ? AND kind = ? AND value = ? AND key = ?';
      if (old !== undefined) this.#database.change(remove).run(number, old[0], old[1], key);
      if (next !== undefined)
        this.#database.change('INSERT INTO row_index_entries VALUES (?, ?, ?, ?)').run(number, next[0], next[1], key);
    }
  }

  #declare(known: KnownNamespace, name: string): void {
    const insert = this.#database.change('INSERT INTO row_indexes (namespace, name) VALUES (?, ?)');
    const number = Number(insert.run(known.namespace, name).lastInsertRowid);
    this.#database
      .change('INSERT INTO row_index_entries SELECT ?, 0, 0, key FROM rows WHERE namespace = ?')
      .run(number, known.namespace);
    known.indexes.set(name, number);
  }

  /** A reader beside a writer asks every time: the writer may have added indexes. */
  #find(namespace: string): KnownNamespace | undefined {
    const cached = this.#session.isFollowing ? undefined : this.#namespaces.get(namespace);
    if (cached !== undefined) return cached;
    const row = this.#database.query<[number]>('SELECT namespace FROM namespaces WHERE name = ?').get(namespace);
    if (row === undefined) return undefined;
    const indexes = this.#database
      .query<[string, number]>('SELECT name, row_index FROM row_indexes WHERE namespace = ?')
      .all(row[0]);
    return this.#remember(namespace, { namespace: row[0], indexes: new Map(indexes) });
  }

  #create(namespace: string): KnownNamespace {
    const number = Number(
      this.#database.change('INSERT INTO namespaces (name) VALUES (?)').run(namespace).lastInsertRowid,
    );
    return this.#remember(namespace, { namespace: number, indexes: new Map() });
  }

  #remember(namespace: string, known: KnownNamespace): KnownNamespace {
    this.#namespaces.set(namespace, known);
    return known;
  }
}

function pageOf(after: string | undefined, limit: number): RowQuery {
  return { limit, ...(after === undefined ? {} : { after: { key: after, value: undefined } }) };
}

function hasMembers(record: IndexValues): boolean {
  for (const _name in record) return true;
  return false;
}
