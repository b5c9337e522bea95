import type { JsonValue } from '../event/json.ts';

/** The namespace whose values, once they are removed, are to be in no byte of the store any more, as far as the medium lets one. */
export const ERASABLE_NAMESPACE = 'thereupon.subject-keys';

/** What a declared index of a row may hold. */
export type IndexValue = string | number | boolean | null;

/** A keyed value: a read model's row, or the state of a consumer's key. */
export interface Row {
  readonly key: string;
  readonly value: JsonValue;
}

/** Sets a row, or removes it where `value` is undefined. Indexes are replaced as a whole. */
export interface RowWrite {
  readonly namespace: string;
  readonly key: string;
  readonly value: JsonValue | undefined;
  readonly indexes: Readonly<Record<string, IndexValue>>;
}

export interface IndexCondition {
  readonly index: string;
  readonly op: '=' | '<' | '<=' | '>' | '>=' | 'prefix';
  readonly value: IndexValue;
}

export interface RowQuery {
  /** All must hold. */
  readonly where?: readonly IndexCondition[];
  /** A declared index; ties are ordered by key, ascending in both directions. Default: by key, ascending. */
  readonly orderBy?: { readonly index: string; readonly direction: 'asc' | 'desc' };
  readonly limit: number;
  /** The last row of the page before: its key, and its index value where ordered by one. */
  readonly after?: { readonly key: string; readonly value: IndexValue | undefined };
}

/** Which rows get index values anew, and which values. */
export interface ReindexPage {
  readonly after: string | undefined;
  readonly limit: number;
  readonly indexesOf: (value: JsonValue) => RowWrite['indexes'];
}

export interface ReindexedPage {
  readonly last: string | undefined;
  readonly rows: number;
}

/**
 * Keyed rows in namespaces with declared indexes. What belongs to the handling of events is written through UnitOfWork.
 *
 * Shape     Order of index values: null, false, true, numbers, strings by code point. A comparison holds only within one kind.
 *           A row without a value for an index counts as null there, in `where` and in `orderBy`. Keys by code point.
 *           `orderValue` is what `orderBy` compared; undefined without `orderBy`.
 * Guarantee Reads see every committed unit. Safe concurrently.
 */
export interface RowStore {
  get(namespace: string, key: string): Promise<JsonValue | undefined>;
  /** In the order of `keys`, undefined where there is none. */
  getMany(namespace: string, keys: readonly string[]): Promise<readonly (JsonValue | undefined)[]>;
  query(
    namespace: string,
    query: RowQuery,
  ): Promise<readonly (Row & { readonly orderValue: IndexValue | undefined })[]>;
  count(namespace: string): Promise<number>;
  /** Writes rows that belong to nothing else, all or none, durable on return: in order, of two writes to one key the later stands. */
  put(rows: readonly RowWrite[]): Promise<void>;
  /** Removes every row of the namespace, durable on return. */
  clear(namespace: string): Promise<void>;
  /**
   * Gives rows the index values of what they hold, a page of them by key; rows that others write meanwhile keep theirs. Answers the last
   * key of the page and how many rows it had; durable on return.
   *
   * Errors    What `indexesOf` throws: then nothing of the page was changed.
   */
  reindex(namespace: string, page: ReindexPage): Promise<ReindexedPage>;
}
