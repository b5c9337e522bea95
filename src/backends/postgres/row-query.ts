import type { IndexCondition, RowQuery } from '../../consumer/row-store.ts';
import type { SqlValue } from './database.ts';
import { rowText, STRING, storedIndexValue } from './row-index-value.ts';

/** What a statement for one page of a query answers, by row. */
export type FoundRow = [key: string, value: string, indexes: string | null];

interface Statement {
  readonly text: string;
  readonly values: readonly SqlValue[];
}

/** An index value as SQL: the columns of an entry, or what a row says of itself. */
interface Place {
  readonly kind: string;
  readonly number: string;
  readonly string: string;
}

type OrderBy = NonNullable<RowQuery['orderBy']>;

/** So few rows with one value are sorted rather than looked for in the order of another index. */
const FEW = 1_000;
const ENTRY: Place = { kind: 'e.kind', number: 'e.number', string: 'e.string' };
const NOTHING: Place = { kind: '0::smallint', number: '0::double precision', string: `''::text COLLATE "C"` };
const PAGE: Place = { kind: 'kind', number: 'number', string: 'string' };

/** The one statement that answers a query, from one state of the tables. */
export function pageStatement(namespace: string, query: RowQuery): Statement {
  return new PageStatement(namespace, query).build();
}

/**
 * Builds the statement from branches. In each one something leads in its order, and what the conditions demand is asked of the row
 * that it leads to. Which branch is taken depends on what the tables hold: the guards of the branches exclude each other.
 */
class PageStatement {
  readonly #query: RowQuery;
  readonly #where: readonly IndexCondition[];
  readonly #values: SqlValue[] = [];
  readonly #namespace: string;
  readonly #limit: string;
  readonly #rows: string;
  readonly #entries: string;
  readonly #names = new Map<string, string>();

  constructor(namespace: string, query: RowQuery) {
    this.#query = query;
    this.#where = query.where ?? [];
    this.#namespace = `(SELECT namespace FROM namespaces WHERE name = ${this.#bind(rowText(namespace), 'text')})`;
    this.#limit = this.#bind(query.limit, 'bigint');
    this.#rows = `FROM (SELECT * FROM rows WHERE namespace = ${this.#namespace}) AS r`;
    // OFFSET keeps the order of the two: led by the rows, each would look through a whole index.
    const row = `SELECT * FROM rows WHERE namespace = ${this.#namespace} AND key = e.key OFFSET 0`;
    this.#entries = `FROM row_index_entries AS e CROSS JOIN LATERAL (${row}) AS r`;
  }

  build(): Statement {
    const { orderBy } = this.#query;
    const equal = this.#leadingEqual(orderBy?.index);
    const branches = orderBy === undefined ? this.#keyed(equal) : this.#ordered(orderBy, equal);
    const order = orderBySql(PAGE, 'key', orderBy?.direction ?? 'asc');
    const all = branches.map((branch) => `(${branch})`).join(' UNION ALL ');
    return { text: `SELECT key, value, indexes FROM (${all}) AS page ${order}`, values: this.#values };
  }

  /** An equality that can lead, one with a value first: null is most often the value of many. */
  #leadingEqual(ordering: string | undefined): IndexCondition | undefined {
    const equal = this.#where.filter(({ op, index }) => op === '=' && index !== ordering);
    return equal.find(({ value }) => value !== null) ?? equal[0];
  }

  /** By key: all rows, or those with one value in an index. */
  #keyed(equal: IndexCondition | undefined): readonly string[] {
    const all = (guards: readonly string[]) =>
      this.#branch(this.#rows, NOTHING, 'r.key', [...guards, ...this.#conditions(), ...this.#afterKey('r.key')]);
    if (equal === undefined) return [all([])];
    const conditions = [...this.#equals(equal), ...this.#conditions(equal), ...this.#afterKey('e.key')];
    const some = this.#branch(this.#entries, NOTHING, 'e.key', conditions);
    // In an index that nobody declared every row is null, without an entry.
    return equal.value === null ? [some, all([`${this.#index(equal.index)} IS NULL`])] : [some];
  }

  #ordered(orderBy: OrderBy, equal: IndexCondition | undefined): readonly string[] {
    if (equal === undefined) return this.#byIndex(orderBy, []);
    const entries = `SELECT FROM row_index_entries AS e WHERE ${this.#equals(equal).join(' AND ')} LIMIT ${FEW + 1}`;
    const few = `(SELECT count(*) FROM (${entries}) AS first) <= ${FEW}`;
    const isRare = equal.value === null ? `(${this.#index(equal.index)} IS NOT NULL AND ${few})` : few;
    return [this.#sorted(orderBy, equal, isRare), ...this.#byIndex(orderBy, [`NOT ${isRare}`])];
  }

  /** The rows with one value in an index, sorted by another one. */
  #sorted(orderBy: OrderBy, equal: IndexCondition, guard: string): string {
    const place = this.#inRow(orderBy.index);
    const conditions = [guard, ...this.#equals(equal), ...this.#conditions(equal), ...this.#after(place, 'e.key')];
    return this.#branch(this.#entries, place, 'e.key', conditions);
  }

  /** In the order of an index, then by key. */
  #byIndex(orderBy: OrderBy, guards: readonly string[]): readonly string[] {
    const { after } = this.#query;
    const index = this.#index(orderBy.index);
    const own = this.#where.filter((condition) => condition.index === orderBy.index);
    const known = this.#branch(this.#entries, ENTRY, 'e.key', [
      ...guards,
      `e.row_index = ${index}`,
      ...own.map((condition) => this.#holds(condition, ENTRY)),
      ...this.#where.filter((condition) => !own.includes(condition)).map((condition) => this.#holdsInRow(condition)),
      ...this.#after(ENTRY, 'e.key'),
    ]);
    // A last row with a value, seen when there were some: null comes before every value.
    const beyondNull = after !== undefined && (after.value ?? null) !== null;
    if (beyondNull && orderBy.direction === 'asc') return [known];
    const beyond = beyondNull ? [] : this.#afterKey('r.key');
    // In an index that nobody declared all rows are null, and the order is that of the keys.
    const conditions = [...guards, `${index} IS NULL`, ...this.#conditions(), ...beyond];
    return [known, this.#branch(this.#rows, NOTHING, 'r.key', conditions)];
  }

  #branch(from: string, place: Place, key: string, conditions: readonly string[]): string {
    const columns = `r.key, r.value, r.indexes, ${place.kind} AS kind, ${place.number} AS number, ${place.string} AS string`;
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const order = place === NOTHING ? `ORDER BY ${key}` : orderBySql(place, key, this.#direction);
    return `SELECT ${columns} ${from} ${where} ${order} LIMIT ${this.#limit}`;
  }

  get #direction(): OrderBy['direction'] {
    return this.#query.orderBy?.direction ?? 'asc';
  }

  #afterKey(key: string): readonly string[] {
    const { after } = this.#query;
    return after === undefined ? [] : [`${key} > ${this.#bind(rowText(after.key), 'text')}`];
  }

  /** Beyond the last row of the page before. */
  #after({ kind, number, string }: Place, key: string): readonly string[] {
    const { after } = this.#query;
    if (after === undefined) return [];
    const last = this.#bindValue(storedIndexValue(after.value));
    const lastKey = this.#bind(rowText(after.key), 'text');
    const place = `${kind}, ${number}, ${string}`;
    if (this.#direction === 'asc') return [`(${place}, ${key}) > (${last}, ${lastKey})`];
    // The first one bounds what is read of an index.
    return [`(${place}) <= (${last})`, `((${place}) < (${last}) OR ${key} > ${lastKey})`];
  }

  /** All conditions but one, asked of the row. */
  #conditions(except?: IndexCondition): readonly string[] {
    return this.#where.filter((condition) => condition !== except).map((condition) => this.#holdsInRow(condition));
  }

  #holdsInRow(condition: IndexCondition): string {
    // PostgreSQL refuses values that a statement does not use, as the name of the index would be.
    return neverHolds(condition) ? 'false' : this.#holds(condition, this.#inRow(condition.index));
  }

  /** Leads to the entries with one value. */
  #equals(equal: IndexCondition): readonly string[] {
    return [`e.row_index = ${this.#index(equal.index)}`, this.#holds(equal, ENTRY)];
  }

  /** A comparison holds only within one kind. */
  #holds({ op, value }: IndexCondition, place: Place): string {
    if (neverHolds({ op, value })) return 'false';
    const [kind, number, string] = storedIndexValue(value);
    const sameKind = `${place.kind} = ${this.#bind(kind, 'smallint')}`;
    if (kind !== STRING) return `${sameKind} AND ${place.number} ${op} ${this.#bind(number, 'double precision')}`;
    const wanted = this.#bind(string, 'text');
    const compared =
      op === 'prefix'
        ? `${place.string} >= ${wanted} AND ${place.string} ^@ ${wanted}`
        : `${place.string} ${op} ${wanted}`;
    // Of strings the number is 0: it is said for the order of the index.
    return `${sameKind} AND ${place.number} = 0 AND ${compared}`;
  }

  /** What a row says of its value in an index. */
  #inRow(index: string): Place {
    const name = this.#name(index);
    const kind = `json_typeof(r.indexes::json -> ${name})`;
    const text = `(r.indexes::json ->> ${name})`;
    return {
      kind: `CASE ${kind} WHEN 'boolean' THEN 1 WHEN 'number' THEN 2 WHEN 'string' THEN 3 ELSE 0 END::smallint`,
      number: `CASE ${kind} WHEN 'number' THEN ${text}::double precision WHEN 'boolean' THEN ${text}::boolean::integer ELSE 0 END`,
      string: `(CASE ${kind} WHEN 'string' THEN ${text} ELSE '' END) COLLATE "C"`,
    };
  }

  /** The number of an index; null for one that nobody declared. */
  #index(index: string): string {
    return `(SELECT row_index FROM row_indexes WHERE namespace = ${this.#namespace} AND name = ${this.#name(index)})`;
  }

  #name(index: string): string {
    const bound = this.#names.get(index) ?? this.#bind(rowText(index), 'text');
    this.#names.set(index, bound);
    return bound;
  }

  #bindValue([kind, number, string]: ReturnType<typeof storedIndexValue>): string {
    return `${this.#bind(kind, 'smallint')}, ${this.#bind(number, 'double precision')}, ${this.#bind(string, 'text')}`;
  }

  #bind(value: SqlValue, type: string): string {
    return `$${this.#values.push(value)}::${type}`;
  }
}

/** As in JavaScript: a prefix is text, and nothing compares with what is not a number. */
function neverHolds({ op, value }: Pick<IndexCondition, 'op' | 'value'>): boolean {
  return Number.isNaN(value) || (op === 'prefix' && typeof value !== 'string');
}

/** Ties by key, ascending in both directions. */
function orderBySql({ kind, number, string }: Place, key: string, direction: OrderBy['direction']): string {
  const order = direction === 'asc' ? 'ASC' : 'DESC';
  return `ORDER BY ${kind} ${order}, ${number} ${order}, ${string} ${order}, ${key}`;
}
