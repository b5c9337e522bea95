import { createHash } from 'node:crypto';
import { namespaceOf } from './namespaces.ts';

/** What a statement may be given. */
export type SqlParameter = string | number | bigint | boolean | null | Uint8Array;

/** What a table holds, as the store gives it out. */
export type SqlCell = string | number | bigint | boolean | null | Uint8Array;

/**
 * One statement of SQL with values in it.
 *
 * Shape     `texts`: what is before, between and behind the values, one more than these. Names of tables are as stored.
 */
export interface SqlStatement {
  readonly texts: readonly string[];
  readonly values: readonly SqlParameter[];
}

/** A table as a store is to make it. `columns`: what stands between the brackets of CREATE TABLE; `indexes`: of CREATE INDEX, with the brackets. */
export interface TableForm {
  readonly name: string;
  readonly columns: string;
  readonly indexes: readonly { readonly columns: string; readonly unique: boolean }[];
}

/** Which tables a namespace has. */
export interface TablesForm {
  /** That of the rows of the same read model: where these are cleared or renamed, so are its tables. */
  readonly namespace: string;
  readonly tables: readonly TableForm[];
  /** Nothing of what is written there is personal. Default: nothing is said of it. */
  readonly personal?: 'none' | undefined;
}

/** What a statement takes beside its values; the texts are those of the program. */
const STATEMENT_BYTES = 200;
/** In front of the names of tables, so that none of them is one of the store's own. */
const PREFIX = 'view_';
const BUILD_SUFFIX = '@build';

/** The name of a table in the store. That of a build is another one until it takes the place of the one that serves. */
export function tableName(namespace: string, table: string): string {
  return `${PREFIX}${table}${namespace.endsWith(BUILD_SUFFIX) ? BUILD_SUFFIX : ''}`;
}

/** The name that it has as a table of another namespace. */
export function renamedTable(name: string, namespace: string): string {
  const table = name.slice(PREFIX.length);
  return tableName(namespace, table.endsWith(BUILD_SUFFIX) ? table.slice(0, -BUILD_SUFFIX.length) : table);
}

/** The same tables, of another namespace. */
export function renamedTables({ tables, personal }: TablesForm, namespace: string): TablesForm {
  return {
    namespace,
    personal,
    tables: tables.map((table) => ({ ...table, name: renamedTable(table.name, namespace) })),
  };
}

/** The namespace of a consumer's tables. */
export function namespaceOfTables(consumer: string): string {
  return namespaceOf('view', consumer);
}

/** What it takes in memory, roughly. */
export function bytesOfStatement({ values }: SqlStatement): number {
  let bytes = STATEMENT_BYTES;
  for (const value of values)
    if (typeof value === 'string') bytes += value.length;
    else if (value instanceof Uint8Array) bytes += value.byteLength;
  return bytes;
}

/** What of tables decides whether others are the same. */
export function tablesDigest(form: TablesForm): string {
  const { tables } = renamedTables(form, '');
  return createHash('sha256').update(JSON.stringify(tables)).digest('hex').slice(0, 16);
}

/**
 * Tables of a read model's own, which its statements change in the unit of the events that they follow from (`Unit.statements`).
 *
 * Guarantee They follow the rows of their namespace: whatever clears these empties them, whatever renames these renames them, in place of those of
 *           that name, and whatever removes the consumer removes them, all in the same transaction.
 */
export interface TableStore {
  /**
   * Makes those that are not there yet. Answers whether all of them were.
   *
   * Errors    StatementRefused where the store cannot make one, or it belongs to another namespace: then none is made.
   */
  ensure(form: TablesForm): Promise<boolean>;
  /** Whether the namespace has tables. */
  has(namespace: string): Promise<boolean>;
  /**
   * Rows of a statement that only reads, each as an object. 64-bit integers are numbers where these can hold them.
   *
   * Errors    StatementRefused.
   */
  select(statement: SqlStatement): Promise<readonly Readonly<Record<string, SqlCell>>[]>;
}
