import type { IndexCondition, IndexValue, Row, RowQuery } from '../../consumer/row-store.ts';
import type { JsonValue } from '../../event/json.ts';
import type { Database, SqlValue } from './database.ts';
import type { KeptApart } from './kept-apart.ts';
import type { IndexValues } from './row-index-value.ts';
import {
  compareIndexValues,
  compareText,
  conditionHolds,
  entryCondition,
  parseIndexes,
  storedIndexValue,
  valueIn,
} from './row-index-value.ts';

export type FoundRow = Row & { readonly orderValue: IndexValue | undefined };

/** A namespace as the tables know it. */
export interface NamespaceNumbers {
  readonly namespace: number;
  /** The numbers of its indexes, by name. */
  readonly indexes: ReadonlyMap<string, number>;
}

type OrderBy = NonNullable<RowQuery['orderBy']>;
type KeyedRow = [key: string, value: string, indexes: string | null];
type EntryRow = [...KeyedRow, kind: number, orderValue: string | number];

/** Rows looked at in one step. */
const PAGE = 256;
/** So few rows with one value are sorted in memory rather than looked for in the order of another index. */
const FEW = 1_000;

const FROM_ENTRIES =
  'FROM row_index_entries AS e JOIN rows AS r ON r.namespace = ? AND r.key = e.key WHERE e.row_index = ?';

/**
 * Answers queries over the rows of a namespace. One index leads, in its order, page by page; what the other conditions demand is
 * looked up in the row that it leads to.
 */
export class RowQueries {
  readonly #database: Database;
  readonly #apart: Pick<KeptApart, 'jsonOf'>;

  constructor(database: Database, apart: Pick<KeptApart, 'jsonOf'>) {
    this.#database = database;
    this.#apart = apart;
  }

  query(numbers: NamespaceNumbers, query: RowQuery): readonly FoundRow[] {
    const { where = [], orderBy, limit } = query;
    const equal = where.find(({ op, index }) => op === '=' && index !== orderBy?.index && numbers.indexes.has(index));
    if (orderBy === undefined)
      return this.#take(this.#byKey(numbers, equal, query.after?.key), where, limit, () => undefined);
    if (equal !== undefined && this.#isRare(numbers, equal)) return this.#sorted(numbers, equal, query, orderBy);
    const index = numbers.indexes.get(orderBy.index);
    if (index === undefined) return this.#unordered(numbers, equal, query, orderBy);
    return this.#take(this.#byIndex(numbers, index, query, orderBy), where, limit, (indexes) =>
      valueIn(indexes, orderBy.index),
    );
  }

  /** No row has a value for an index that nobody declared: all are null in it, and the order is that of the keys. */
  #unordered(
    numbers: NamespaceNumbers,
    equal: IndexCondition | undefined,
    query: RowQuery,
    { direction }: OrderBy,
  ): readonly FoundRow[] {
    const { where = [], after, limit } = query;
    // A last row with a value, seen when there were some: null comes before every value.
    const beyondNull = after !== undefined && (after.value ?? null) !== null;
    if (beyondNull && direction === 'asc') return [];
    return this.#take(this.#byKey(numbers, equal, beyondNull ? undefined : after?.key), where, limit, () => null);
  }

  /** By key: all rows, or those with one value in an index. */
  *#byKey(
    { namespace, indexes }: NamespaceNumbers,
    equal: IndexCondition | undefined,
    after: string | undefined,
  ): Iterable<KeyedRow> {
    const index = equal === undefined ? undefined : indexes.get(equal.index);
    const all = 'SELECT r.key, r.value, r.indexes FROM rows AS r WHERE r.namespace = ?';
    const some = `SELECT e.key, r.value, r.indexes ${FROM_ENTRIES} AND e.kind = ? AND e.value = ?`;
    const [sql, parameters, key]: [string, SqlValue[], string] =
      equal === undefined || index === undefined
        ? [all, [namespace], 'r.key']
        : [some, [namespace, index, ...storedIndexValue(equal.value)], 'e.key'];
    const first = this.#database.query<KeyedRow>(`${sql} ORDER BY ${key} LIMIT ${PAGE}`);
    const next = this.#database.query<KeyedRow>(`${sql} AND ${key} > ? ORDER BY ${key} LIMIT ${PAGE}`);
    let page = after === undefined ? first.all(...parameters) : next.all(...parameters, after);
    for (; page.length > 0; page = next.all(...parameters, page.at(-1)?.[0] ?? '')) {
      yield* page;
      if (page.length < PAGE) return;
    }
  }

  /** In the order of an index, then by key; from the last row of the page before. */
  *#byIndex(
    { namespace }: NamespaceNumbers,
    index: number,
    query: RowQuery,
    { index: name, direction }: OrderBy,
  ): Iterable<EntryRow> {
    const own = (query.where ?? []).filter((condition) => condition.index === name).map(entryCondition);
    const conditions = own.map(({ sql }) => ` AND ${sql}`).join('');
    const [compare, order] = direction === 'asc' ? ['>', 'ASC'] : ['<', 'DESC'];
    const columns = `SELECT e.key, r.value, r.indexes, e.kind, e.value ${FROM_ENTRIES}${conditions}`;
    const parameters: SqlValue[] = [namespace, index, ...own.flatMap((condition) => condition.parameters)];
    const ends = `ORDER BY e.kind ${order}, e.value ${order}, e.key LIMIT ${PAGE}`;
    const first = this.#database.query<EntryRow>(`${columns} ${ends}`);
    const tied = this.#database.query<EntryRow>(
      `${columns} AND e.kind = ? AND e.value = ? AND e.key > ? ORDER BY e.key LIMIT ${PAGE}`,
    );
    const beyond = this.#database.query<EntryRow>(`${columns} AND (e.kind, e.value) ${compare} (?, ?) ${ends}`);

    let last = query.after === undefined ? undefined : cursorOf(query.after);
    if (last === undefined) {
      const page = first.all(...parameters);
      yield* page;
      last = lastOf(page);
    }
    while (last !== undefined) {
      const [kind, value, key]: Cursor = last;
      const ties = tied.all(...parameters, kind, value, key);
      const page = ties.length > 0 ? ties : beyond.all(...parameters, kind, value);
      yield* page;
      last = lastOf(page);
    }
  }

  /** The rows with one value in an index, sorted by another one. */
  #sorted(numbers: NamespaceNumbers, equal: IndexCondition, query: RowQuery, orderBy: OrderBy): readonly FoundRow[] {
    const { where = [], after, limit } = query;
    const found = this.#take(this.#byKey(numbers, equal, undefined), where, FEW, (indexes) =>
      valueIn(indexes, orderBy.index),
    );
    const compare = (left: Pick<FoundRow, 'key' | 'orderValue'>, right: Pick<FoundRow, 'key' | 'orderValue'>) => {
      const order = compareIndexValues(left.orderValue ?? null, right.orderValue ?? null);
      return (orderBy.direction === 'desc' ? -order : order) || compareText(left.key, right.key);
    };
    const last = after === undefined ? undefined : { key: after.key, orderValue: after.value };
    const beyond = last === undefined ? [...found] : found.filter((row) => compare(row, last) > 0);
    return beyond.sort(compare).slice(0, limit);
  }

  /** The first `limit` rows for which every condition holds. */
  #take(
    rows: Iterable<KeyedRow | EntryRow>,
    where: readonly IndexCondition[],
    limit: number,
    orderValueOf: (indexes: IndexValues) => IndexValue | undefined,
  ): readonly FoundRow[] {
    const found: FoundRow[] = [];
    for (const [key, value, indexesJson] of rows) {
      const indexes = parseIndexes(indexesJson);
      if (!where.every((condition) => conditionHolds(condition, indexes))) continue;
      const json = this.#apart.jsonOf(value);
      found.push({ key, value: JSON.parse(json) as JsonValue, orderValue: orderValueOf(indexes) });
      if (found.length >= limit) break;
    }
    return found;
  }

  #isRare({ indexes }: NamespaceNumbers, equal: IndexCondition): boolean {
    const sql = `SELECT count(*) FROM (SELECT 1 FROM row_index_entries WHERE row_index = ? AND kind = ? AND value = ? LIMIT ${FEW + 1})`;
    const count = this.#database
      .query<[number]>(sql)
      .get(indexes.get(equal.index) ?? 0, ...storedIndexValue(equal.value));
    return (count?.[0] ?? 0) <= FEW;
  }
}

type Cursor = readonly [kind: number, value: string | number, key: string];

function cursorOf({ key, value }: NonNullable<RowQuery['after']>): Cursor {
  return [...storedIndexValue(value), key];
}

function lastOf(page: readonly EntryRow[]): Cursor | undefined {
  const row = page.at(-1);
  return row === undefined ? undefined : [row[3], row[4], row[0]];
}
