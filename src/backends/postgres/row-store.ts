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
import type { Database, Queries, SqlValue } from './database.ts';
import type { OwnTransactions } from './own-transactions.ts';
import type { StoredIndexValue } from './row-index-value.ts';
import { indexesJson, NULL, rowText, sameIndexValue, storedIndexes, valueIn } from './row-index-value.ts';
import type { FoundRow } from './row-query.ts';
import { pageStatement } from './row-query.ts';
import type { Session } from './session.ts';
import { emptyTables, renameTables } from './table-store.ts';
import { fromText } from './text.ts';

/** A row to set, or to remove where `json` is undefined, detached from the objects of its writer. Names are as stored. */
export interface PreparedRow {
  readonly namespace: string;
  readonly key: string;
  readonly json: string | undefined;
  /** JSON; null: none declared. */
  readonly indexes: string | null;
}

/** A row as it is there. */
export interface StoredRow {
  readonly json: string;
  readonly indexes: string | null;
}

export function prepareRow({ namespace, key, value, indexes }: RowWrite): PreparedRow {
  return {
    namespace: rowText(namespace),
    key: rowText(key),
    json: value === undefined ? undefined : JSON.stringify(value),
    indexes: value === undefined ? null : indexesJson(indexes),
  };
}

/** What a row takes beside its text, roughly. */
const ROW_BYTES = 100;
const CLEAR_BYTES = 1_024;
/** Roughly what a page of rows holds in memory while it is indexed. */
const REINDEX_BYTES = 262_144;
/** Of a namespace that was cleared: some milliseconds of work. */
const ROWS_AT_ONCE = 1_000;
const REMOVE_SOME_ENTRIES = `DELETE FROM row_index_entries WHERE ctid = ANY(ARRAY(
  SELECT e.ctid FROM row_index_entries AS e WHERE e.row_index = $1 LIMIT $2))`;
const REMOVE_SOME_ROWS = `DELETE FROM rows WHERE ctid = ANY(ARRAY(
  SELECT r.ctid FROM rows AS r WHERE r.namespace = $1 LIMIT $2))`;
const GET_MANY = `SELECT w.place, r.value, r.indexes FROM unnest($2::text[]) WITH ORDINALITY AS w (key, place)
  JOIN rows AS r ON r.namespace = (SELECT namespace FROM namespaces WHERE name = $1) AND r.key = w.key`;
const OF_NAMESPACE = 'FROM rows AS r JOIN namespaces AS n USING (namespace) WHERE n.name = $1';

/**
 * Rows in one table, their declared indexes in another.
 *
 * Invariants 1. Every row of a namespace has one entry in every index that the namespace knows; without a value it is null. An
 *               index becomes known with the first row that declares it, and entries for the rows before it are added then.
 *            2. `rows.indexes` says which entries a row has.
 *            3. Every answer is one statement: it sees one state of the tables, which other processes change.
 */
export class PostgresRowStore implements RowStore {
  readonly #database: Database;
  readonly #writes: OwnTransactions;
  readonly #session: Session;

  constructor(database: Database, writes: OwnTransactions, session: Session) {
    this.#database = database;
    this.#writes = writes;
    this.#session = session;
  }

  async get(namespace: string, key: string): Promise<JsonValue | undefined> {
    this.#session.assertOpen();
    const sql = `SELECT r.value ${OF_NAMESPACE} AND r.key = $2`;
    const [row] = await this.#database.query<[string]>(sql, [rowText(namespace), rowText(key)]);
    return row === undefined ? undefined : (JSON.parse(row[0]) as JsonValue);
  }

  async getMany(namespace: string, keys: readonly string[]): Promise<readonly (JsonValue | undefined)[]> {
    this.#session.assertOpen();
    const rows = await storedRows(this.#database, namespace, keys);
    return rows.map((row) => (row === undefined ? undefined : (JSON.parse(row.json) as JsonValue)));
  }

  async query(
    namespace: string,
    query: RowQuery,
  ): Promise<readonly (Row & { readonly orderValue: IndexValue | undefined })[]> {
    this.#session.assertOpen();
    const { text, values } = pageStatement(namespace, query);
    const { orderBy } = query;
    return (await this.#database.query<FoundRow>(text, values)).map(([key, json, indexes]) => ({
      key: fromText(key),
      value: JSON.parse(json) as JsonValue,
      orderValue: orderBy === undefined ? undefined : valueIn(indexes, orderBy.index),
    }));
  }

  async count(namespace: string): Promise<number> {
    this.#session.assertOpen();
    const [row] = await this.#database.query<[number]>(`SELECT count(*) ${OF_NAMESPACE}`, [rowText(namespace)]);
    return row?.[0] ?? 0;
  }

  /** All rows go in one step, with the name. Then they are removed a few at a time, so that many of them hold up nobody. */
  async put(rows: readonly RowWrite[]): Promise<void> {
    const prepared = rows.map(prepareRow);
    const bytes = prepared.reduce((sum, { key, json }) => sum + ROW_BYTES + key.length + (json?.length ?? 0), 0);
    await this.#writes.alone(bytes, (queries) => writeRows(queries, prepared));
  }

  async clear(namespace: string): Promise<void> {
    await this.#writes.alone(CLEAR_BYTES, (queries) => abandonRows(queries, namespace));
    await this.sweep();
  }

  async reindex(namespace: string, { after, limit, indexesOf }: ReindexPage): Promise<ReindexedPage> {
    const { text, values } = pageStatement(namespace, {
      limit,
      ...(after === undefined ? {} : { after: { key: after, value: undefined } }),
    });
    let refused: { readonly reason: unknown } | undefined;
    const page = await this.#writes.alone(REINDEX_BYTES, async (queries) => {
      // Nobody writes rows of the namespace until the page is done.
      await queries.query(DECLARING);
      await queries.query('SELECT FROM namespaces WHERE name = $1 FOR UPDATE', [rowText(namespace)]);
      const found = (await queries.query<FoundRow>(text, values)).map(([key, json]) => ({
        key: fromText(key),
        value: JSON.parse(json) as JsonValue,
      }));
      let rows: readonly PreparedRow[] = [];
      try {
        rows = found.map(({ key, value }) => prepareRow({ namespace, key, value, indexes: indexesOf(value) }));
      } catch (reason) {
        // Not the fault of the store.
        refused = { reason };
      }
      await writeRows(queries, rows);
      return { last: found.at(-1)?.key, rows: found.length };
    });
    if (refused !== undefined) throw refused.reason;
    return page;
  }

  /** Removes what was abandoned, also by an earlier process that died in the middle. */
  async sweep(): Promise<void> {
    while (await this.#writes.alone(CLEAR_BYTES, removeSome));
  }
}

/** Rows as they are stored. */
export async function storedRows(
  queries: Pick<Queries, 'query'>,
  namespace: string,
  keys: readonly string[],
): Promise<readonly (StoredRow | undefined)[]> {
  if (keys.length === 0) return [];
  const rows = await queries.query<[number, string, string | null]>(GET_MANY, [rowText(namespace), keys.map(rowText)]);
  const found = new Map(rows.map(([place, json, indexes]) => [place, { json, indexes }]));
  return keys.map((_key, index) => found.get(index + 1));
}

/** The numbers of the indexes that a namespace knows, by name. */
export async function knownIndexes(
  queries: Pick<Queries, 'query'>,
  namespace: string,
): Promise<ReadonlyMap<string, number>> {
  const sql = `SELECT i.name, i.row_index FROM namespaces AS n JOIN row_indexes AS i USING (namespace) WHERE n.name = $1`;
  return new Map(await queries.query<[string, number]>(sql, [rowText(namespace)]));
}

/** Part of a transaction: the namespace has no rows from now on, and its tables are empty. What it had is removed by `sweep`. */
export async function abandonRows(queries: Queries, namespace: string): Promise<void> {
  await emptyTables(queries, namespace);
  await queries.change('UPDATE namespaces SET name = NULL WHERE name = $1', [rowText(namespace)]);
}

/** Part of a transaction: rows of a namespace become those of another, in place of what it has. */
export async function renameRows(queries: Queries, from: string, to: string): Promise<void> {
  await abandonRows(queries, to);
  await renameTables(queries, from, to);
  await queries.change('UPDATE namespaces SET name = $2 WHERE name = $1', [rowText(from), rowText(to)]);
}

/** Removes some rows of namespaces that were cleared. Answers false when there are none. */
async function removeSome(queries: Queries): Promise<boolean> {
  const [cleared] = await queries.query<[number]>('SELECT namespace FROM namespaces WHERE name IS NULL LIMIT 1');
  if (cleared === undefined) return false;
  const [namespace] = cleared;
  const indexes = await queries.query<[number]>('SELECT row_index FROM row_indexes WHERE namespace = $1', [namespace]);
  for (const [index] of indexes)
    if ((await queries.change(REMOVE_SOME_ENTRIES, [index, ROWS_AT_ONCE])) > 0) return true;
  if ((await queries.change(REMOVE_SOME_ROWS, [namespace, ROWS_AT_ONCE])) > 0) return true;
  await queries.change('DELETE FROM row_indexes WHERE namespace = $1', [namespace]);
  await queries.change('DELETE FROM namespaces WHERE namespace = $1', [namespace]);
  return true;
}

/** A namespace as the tables know it, changes of the present transaction included. */
interface KnownNamespace {
  readonly namespace: number;
  /** The numbers of its indexes, by name. */
  readonly indexes: Map<string, number>;
  readonly rows: PreparedRow[];
}

/** Of a row in an index. */
export type Entry = readonly [index: number, value: StoredIndexValue, key: string];

const KNOWN = `SELECT n.name, n.namespace, i.name, i.row_index FROM namespaces AS n LEFT JOIN row_indexes AS i USING (namespace)
  WHERE n.name = ANY($1::text[]) ORDER BY n.namespace`;
/** Until the transaction ends no index is made known that its rows would have to have entries in. Before KNOWN, which sees what is known by then. */
const SHARE = 'SELECT FROM namespaces WHERE namespace = ANY($1::bigint[]) ORDER BY namespace FOR SHARE';
/** "Thpr", and beside it the hash of the schema's name: one makes namespaces and indexes known at a time. */
const DECLARE_LOCK = 0x54687072;
const DECLARING = `SELECT pg_advisory_xact_lock(${DECLARE_LOCK}, hashtext(current_schema()))`;
const CREATE = 'INSERT INTO namespaces (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING';
/** Waits for all who are writing rows, and keeps others from it. */
const LOCK = 'SELECT FROM namespaces WHERE namespace = ANY($1::bigint[]) ORDER BY namespace FOR UPDATE';
const DECLARE = `WITH declared AS (
    INSERT INTO row_indexes (namespace, name) SELECT * FROM unnest($1::bigint[], $2::text[]) RETURNING *
  ), filled AS (
    INSERT INTO row_index_entries SELECT d.row_index, 0, 0, '', r.key FROM declared AS d JOIN rows AS r USING (namespace)
  )
  SELECT namespace, name, row_index FROM declared`;
const BEFORE = `SELECT r.namespace, r.key, r.indexes FROM unnest($1::bigint[], $2::text[]) AS w (namespace, key)
  JOIN rows AS r ON r.namespace = w.namespace AND r.key = w.key`;

/**
 * Part of a unit: of several writes to one row the last stands. Several transactions may do so at once, each to keys of its own; while one makes
 * a new index known, which gets an entry for every row, the others wait.
 */
export async function writeRows(queries: Queries, rows: readonly PreparedRow[]): Promise<void> {
  if (rows.length === 0) return;
  const written = lastOfEach(rows);
  let namespaces = await knownNamespaces(queries, written);
  const numbers = () => [namespaces.map(({ namespace }) => namespace)];
  if (namespaces.length < written.size || undeclared(namespaces).length > 0) {
    await queries.query(DECLARING);
    await queries.change(CREATE, [[...written.keys()].sort()]);
    namespaces = await knownNamespaces(queries, written);
    await queries.query(LOCK, numbers());
    await declareIndexes(queries, namespaces);
  } else {
    await queries.prepared(SHARE, numbers());
    namespaces = await knownNamespaces(queries, written);
  }
  const { removed, added } = await entryChanges(queries, namespaces);
  await change(queries, namespaces, removed, added);
}

function lastOfEach(rows: readonly PreparedRow[]): ReadonlyMap<string, ReadonlyMap<string, PreparedRow>> {
  const namespaces = new Map<string, Map<string, PreparedRow>>();
  for (const row of rows) {
    const ofNamespace = namespaces.get(row.namespace) ?? new Map<string, PreparedRow>();
    namespaces.set(row.namespace, ofNamespace.set(row.key, row));
  }
  return namespaces;
}

/** The namespaces that are written to, as far as there are any yet. */
async function knownNamespaces(
  queries: Queries,
  rows: ReadonlyMap<string, ReadonlyMap<string, PreparedRow>>,
): Promise<readonly KnownNamespace[]> {
  const known = new Map<string, KnownNamespace>();
  const remember = (name: string, namespace: number) => {
    const made = { namespace, indexes: new Map<string, number>(), rows: [...(rows.get(name)?.values() ?? [])] };
    known.set(name, made);
    return made;
  };
  type KnownRow = [name: string, namespace: number, index: string | null, number: number | null];
  for (const [name, namespace, index, number] of await queries.prepared<KnownRow>(KNOWN, [[...rows.keys()]])) {
    const { indexes } = known.get(name) ?? remember(name, namespace);
    if (index !== null && number !== null) indexes.set(index, number);
  }
  return [...known.values()];
}

/** Makes the indexes known that rows declare for the first time. */
async function declareIndexes(queries: Queries, namespaces: readonly KnownNamespace[]): Promise<void> {
  const missing = undeclared(namespaces);
  if (missing.length === 0) return;
  const byNumber = new Map(namespaces.map((known) => [known.namespace, known]));
  const declared = await queries.query<[number, string, number]>(DECLARE, [
    missing.map(([namespace]) => namespace),
    missing.map(([, name]) => name),
  ]);
  for (const [namespace, name, number] of declared) byNumber.get(namespace)?.indexes.set(name, number);
}

function undeclared(namespaces: readonly KnownNamespace[]): readonly (readonly [namespace: number, name: string])[] {
  const missing: (readonly [namespace: number, name: string])[] = [];
  for (const { namespace, indexes, rows } of namespaces) {
    const names = new Set<string>();
    for (const row of rows)
      if (row.indexes !== null)
        for (const name of storedIndexes(row.indexes).keys()) if (!indexes.has(name)) names.add(name);
    for (const name of names) missing.push([namespace, name]);
  }
  return missing;
}

/** How the entries of the rows are to change. */
async function entryChanges(
  queries: Queries,
  namespaces: readonly KnownNamespace[],
): Promise<{ readonly removed: readonly Entry[]; readonly added: readonly Entry[] }> {
  const removed: Entry[] = [];
  const added: Entry[] = [];
  const indexed = namespaces.filter(({ indexes }) => indexes.size > 0);
  if (indexed.length === 0) return { removed, added };
  const before = new Map<string, string | null>();
  const found = await queries.query<[number, string, string | null]>(BEFORE, placesOf(indexed));
  for (const [namespace, key, json] of found) before.set(`${namespace} ${key}`, json);
  for (const { namespace, indexes, rows } of indexed) {
    for (const row of rows) changeEntries(indexes, row, before.get(`${namespace} ${row.key}`), { removed, added });
  }
  return { removed, added };
}

/** `oldJson`: the indexes of the row as it is there; undefined: it is not. */
export function changeEntries(
  indexes: ReadonlyMap<string, number>,
  { key, json, indexes: declared }: PreparedRow,
  oldJson: string | null | undefined,
  { removed, added }: { readonly removed: Entry[]; readonly added: Entry[] },
): void {
  const old = oldJson === undefined ? undefined : storedIndexes(oldJson);
  const next = json === undefined ? undefined : storedIndexes(declared);
  for (const [name, number] of indexes) {
    const oldValue = old === undefined ? undefined : (old.get(name) ?? NULL);
    const nextValue = next === undefined ? undefined : (next.get(name) ?? NULL);
    if (oldValue !== undefined && nextValue !== undefined && sameIndexValue(oldValue, nextValue)) continue;
    if (oldValue !== undefined) removed.push([number, oldValue, key]);
    if (nextValue !== undefined) added.push([number, nextValue, key]);
  }
}

/** Changes rows and entries in one statement, whose parts touch different ones. */
async function change(
  queries: Queries,
  namespaces: readonly KnownNamespace[],
  removed: readonly Entry[],
  added: readonly Entry[],
): Promise<void> {
  const parts: string[] = [];
  const values: SqlValue[] = [];
  const bind = (value: SqlValue, type: string) => `$${values.push(value)}::${type}[]`;
  const entries = (list: readonly Entry[]) =>
    [
      bind(
        list.map(([index]) => index),
        'bigint',
      ),
      bind(
        list.map(([, [kind]]) => kind),
        'smallint',
      ),
      bind(
        list.map(([, [, number]]) => number),
        'double precision',
      ),
      bind(
        list.map(([, [, , string]]) => string),
        'text',
      ),
      bind(
        list.map(([, , key]) => key),
        'text',
      ),
    ].join(', ');
  if (removed.length > 0)
    parts.push(`DELETE FROM row_index_entries AS e USING unnest(${entries(removed)}) AS w (row_index, kind, number, string, key)
      WHERE e.row_index = w.row_index AND e.kind = w.kind AND e.number = w.number AND e.string = w.string AND e.key = w.key`);
  if (added.length > 0) parts.push(`INSERT INTO row_index_entries SELECT * FROM unnest(${entries(added)})`);
  const gone = withRows(namespaces, ({ json }) => json === undefined);
  if (gone.length > 0) {
    const [numbers, keys] = placesOf(gone);
    parts.push(`DELETE FROM rows AS r USING unnest(${bind(numbers, 'bigint')}, ${bind(keys, 'text')}) AS w (namespace, key)
      WHERE r.namespace = w.namespace AND r.key = w.key`);
  }
  const set = withRows(namespaces, ({ json }) => json !== undefined);
  if (set.length > 0) {
    const [numbers, keys] = placesOf(set);
    const rows = set.flatMap((known) => known.rows);
    const jsons = rows.map(({ json }) => json ?? null);
    const indexes = rows.map((row) => row.indexes);
    const columns = `${bind(numbers, 'bigint')}, ${bind(keys, 'text')}, ${bind(jsons, 'text')}, ${bind(indexes, 'text')}`;
    parts.push(`INSERT INTO rows (namespace, key, value, indexes) SELECT * FROM unnest(${columns})
      ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, indexes = excluded.indexes`);
  }
  const last = parts.pop();
  if (last === undefined) return;
  const others = parts.map((part, index) => `part${index} AS (${part})`).join(', ');
  await queries.change(others === '' ? last : `WITH ${others} ${last}`, values);
}

function withRows(
  namespaces: readonly KnownNamespace[],
  wanted: (row: PreparedRow) => boolean,
): readonly KnownNamespace[] {
  return namespaces
    .map((known) => ({ ...known, rows: known.rows.filter(wanted) }))
    .filter(({ rows }) => rows.length > 0);
}

/** The numbers of their namespaces and the keys of all rows. */
function placesOf(namespaces: readonly KnownNamespace[]): [namespaces: number[], keys: string[]] {
  return [
    namespaces.flatMap(({ namespace, rows }) => rows.map(() => namespace)),
    namespaces.flatMap(({ rows }) => rows.map(({ key }) => key)),
  ];
}
