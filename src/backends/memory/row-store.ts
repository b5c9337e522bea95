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
import { compareRows, holds } from './row-order.ts';
import type { Session } from './session.ts';

export interface StoredRow {
  /** As text, so that neither writer nor reader can change what is stored. */
  readonly json: string;
  readonly indexes: ReadonlyMap<string, IndexValue>;
}

export interface NamespaceContent {
  /** By key. */
  readonly rows: Map<string, StoredRow>;
  /** Every index that a row has declared, whether one still does or not. */
  readonly indexes: Set<string>;
}

/** By namespace. */
export type RowContent = Map<string, NamespaceContent>;

/** A row to set, or to remove where `row` is undefined, detached from the objects of its writer. */
export interface PreparedRow {
  readonly namespace: string;
  readonly key: string;
  readonly row: StoredRow | undefined;
}

export function prepareRow(write: RowWrite): PreparedRow {
  const { namespace, key, value, indexes } = write;
  const row =
    value === undefined ? undefined : { json: JSON.stringify(value), indexes: new Map(Object.entries(indexes)) };
  return { namespace, key, row };
}

export function writeRow(content: RowContent, { namespace, key, row }: PreparedRow): void {
  if (row === undefined) {
    content.get(namespace)?.rows.delete(key);
    return;
  }
  const { rows, indexes } = namespaceContent(content, namespace);
  rows.set(key, row);
  for (const index of row.indexes.keys()) indexes.add(index);
}

/** The namespace, made known where it was not. */
export function namespaceContent(content: RowContent, namespace: string): NamespaceContent {
  let found = content.get(namespace);
  if (found === undefined) content.set(namespace, (found = { rows: new Map(), indexes: new Set() }));
  return found;
}

export class MemoryRowStore implements RowStore {
  readonly #content: RowContent;
  readonly #session: Session;

  constructor(content: RowContent, session: Session) {
    this.#content = content;
    this.#session = session;
  }

  async get(namespace: string, key: string): Promise<JsonValue | undefined> {
    this.#session.assertOpen();
    return this.#value(namespace, key);
  }

  async getMany(namespace: string, keys: readonly string[]): Promise<readonly (JsonValue | undefined)[]> {
    this.#session.assertOpen();
    return keys.map((key) => this.#value(namespace, key));
  }

  async query(
    namespace: string,
    query: RowQuery,
  ): Promise<readonly (Row & { readonly orderValue: IndexValue | undefined })[]> {
    return this.#query(namespace, query);
  }

  #query(namespace: string, query: RowQuery): readonly (Row & { readonly orderValue: IndexValue | undefined })[] {
    this.#session.assertOpen();
    const { where = [], orderBy, after, limit } = query;
    const last = after === undefined ? undefined : { key: after.key, orderValue: after.value };
    const found = [...(this.#content.get(namespace)?.rows ?? [])]
      .filter(([, { indexes }]) => where.every((condition) => holds(condition, indexes.get(condition.index) ?? null)))
      .map(([key, { json, indexes }]) => ({
        key,
        json,
        orderValue: orderBy === undefined ? undefined : (indexes.get(orderBy.index) ?? null),
      }))
      .filter((row) => last === undefined || compareRows(row, last, orderBy) > 0)
      .sort((left, right) => compareRows(left, right, orderBy));
    return found
      .slice(0, limit)
      .map(({ key, json, orderValue }) => ({ key, value: JSON.parse(json) as JsonValue, orderValue }));
  }

  async count(namespace: string): Promise<number> {
    this.#session.assertOpen();
    return this.#content.get(namespace)?.rows.size ?? 0;
  }

  async put(rows: readonly RowWrite[]): Promise<void> {
    this.#session.assertOpen();
    for (const row of rows.map(prepareRow)) writeRow(this.#content, row);
  }

  async clear(namespace: string): Promise<void> {
    this.#session.assertOpen();
    this.#content.delete(namespace);
  }

  async reindex(namespace: string, { after, limit, indexesOf }: ReindexPage): Promise<ReindexedPage> {
    const start = after === undefined ? {} : { after: { key: after, value: undefined } };
    const page = this.#query(namespace, { limit, ...start });
    const writes = page.map(({ key, value }) => prepareRow({ namespace, key, value, indexes: indexesOf(value) }));
    for (const write of writes) writeRow(this.#content, write);
    return { last: page.at(-1)?.key, rows: page.length };
  }

  #value(namespace: string, key: string): JsonValue | undefined {
    const json = this.#content.get(namespace)?.rows.get(key)?.json;
    return json === undefined ? undefined : (JSON.parse(json) as JsonValue);
  }
}
