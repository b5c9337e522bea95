import { InvalidDefinition, StatementRefused } from '../../errors.ts';
import { renamedTable } from '../../consumer/table-store.ts';
import type {
  SqlCell,
  SqlParameter,
  SqlStatement,
  TableForm,
  TablesForm,
  TableStore,
} from '../../consumer/table-store.ts';
import type { Database, Queries, SqlValue } from './database.ts';
import { sqlStateOf, storeError } from './database.ts';
import type { OwnTransactions } from './own-transactions.ts';
import { rowText } from './row-index-value.ts';
import type { Session } from './session.ts';

const FORM_BYTES = 4_096;
/** read_only_sql_transaction. */
const READ_ONLY = '25006';
/** The class of errors in the statement itself, and in what it names. */
const WRONG = '42';
/** in_failed_sql_transaction: of what was sent behind a statement that failed. */
const FAILED_BEFORE = '25P02';
/** One makes tables at a time, whichever process. "Thpt", and beside it the hash of the schema's name. */
const LOCK = 'SELECT pg_advisory_xact_lock(1416130676, hashtext(current_schema()))';

/** Tables of read models, in the schema of the store. `tables_of_views` names each of them. */
export class PostgresTableStore implements TableStore {
  readonly #database: Database;
  readonly #writes: OwnTransactions;
  readonly #session: Session;

  constructor(database: Database, writes: OwnTransactions, session: Session) {
    this.#database = database;
    this.#writes = writes;
    this.#session = session;
  }

  async has(namespace: string): Promise<boolean> {
    this.#session.assertOpen();
    return (await namesOf(this.#database, namespace)).length > 0;
  }

  async ensure({ namespace, tables }: TablesForm): Promise<boolean> {
    if ((await missingOf(this.#database, namespace, tables)).length === 0) return true;
    return this.#writes.alone(FORM_BYTES, async (queries) => {
      await queries.query(LOCK);
      const missing = await missingOf(queries, namespace, tables);
      for (const table of missing) await create(queries, table, namespace);
      return missing.length === 0;
    });
  }

  async select({ texts, values }: SqlStatement): Promise<readonly Readonly<Record<string, SqlCell>>[]> {
    this.#session.assertOpen();
    const text = textOf(texts);
    try {
      return await this.#database.select(text, values.map(stored));
    } catch (error) {
      throw refused(this.#database.store, text, error);
    }
  }
}

/** Part of a unit: all are sent at once, and carried out in order. */
export async function executeStatements(
  queries: Queries,
  statements: readonly SqlStatement[],
  store: string,
): Promise<void> {
  const answers = await Promise.allSettled(
    statements.map(({ texts, values }) => queries.change(textOf(texts), values.map(stored))),
  );
  for (const [index, answer] of answers.entries()) {
    if (answer.status === 'fulfilled' || sqlStateOf(answer.reason) === FAILED_BEFORE) continue;
    throw refused(store, textOf(statements[index]?.texts ?? []), answer.reason);
  }
}

/** Part of a transaction. */
export async function emptyTables(queries: Queries, namespace: string): Promise<void> {
  const names = await namesOf(queries, namespace);
  if (names.length > 0) await queries.query(`TRUNCATE ${names.map((name) => `"${name}"`).join(', ')}`);
}

/** Part of a transaction: tables of a namespace become those of another, in place of what that has. */
export async function renameTables(queries: Queries, from: string, to: string): Promise<void> {
  await removeTables(queries, to);
  for (const name of await namesOf(queries, from)) {
    const next = renamedTable(name, to);
    await queries.query(`ALTER TABLE "${name}" RENAME TO "${next}"`);
    await queries.change('UPDATE tables_of_views SET name = $1, namespace = $2 WHERE name = $3', [
      next,
      rowText(to),
      name,
    ]);
  }
}

/** Part of a transaction. */
export async function removeTables(queries: Queries, namespace: string): Promise<void> {
  for (const name of await namesOf(queries, namespace)) {
    await queries.query(`DROP TABLE "${name}"`);
    await queries.change('DELETE FROM tables_of_views WHERE name = $1', [name]);
  }
}

async function namesOf(queries: Queries, namespace: string): Promise<readonly string[]> {
  const rows = await queries.query<[string]>('SELECT name FROM tables_of_views WHERE namespace = $1 ORDER BY name', [
    rowText(namespace),
  ]);
  return rows.map(([name]) => name);
}

/** Errors: InvalidDefinition where one belongs to another namespace. */
async function missingOf(
  queries: Queries,
  namespace: string,
  tables: readonly TableForm[],
): Promise<readonly TableForm[]> {
  const rows = await queries.query<[name: string, namespace: string]>(
    'SELECT name, namespace FROM tables_of_views WHERE name = ANY($1::text[])',
    [tables.map(({ name }) => name)],
  );
  for (const [name, owner] of rows)
    if (owner !== rowText(namespace))
      throw new InvalidDefinition(`table ${name}`, `it is one of ${owner} already; give it another name`);
  return tables.filter(({ name }) => !rows.some(([known]) => known === name));
}

async function create(queries: Queries, { name, columns, indexes }: TableForm, namespace: string): Promise<void> {
  await define(queries, `CREATE TABLE "${name}" (${columns}\n)`);
  for (const { columns: indexed, unique } of indexes)
    await define(queries, `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ON "${name}" (${indexed}\n)`);
  await queries.change('INSERT INTO tables_of_views VALUES ($1, $2)', [name, rowText(namespace)]);
}

/** With values, though there are none: what a program says of columns is then one statement, or refused. */
async function define(queries: Queries, text: string): Promise<void> {
  try {
    await queries.prepared(text, []);
  } catch (error) {
    throw refused('', text, error);
  }
}

function refused(store: string, text: string, error: unknown): Error {
  const problem = storeError(store, error);
  const sqlState = sqlStateOf(error) ?? sqlStateOf(problem.cause);
  const isOfStatement = problem.fault !== 'environment' || sqlState === READ_ONLY || sqlState?.slice(0, 2) === WRONG;
  if (sqlState === undefined || !isOfStatement) return problem;
  const cause = problem.cause ?? error;
  const reason = cause instanceof Error ? cause.message : problem.message;
  return new StatementRefused(text.trim(), `${reason} (${sqlState})`, { cause });
}

function textOf(texts: readonly string[]): string {
  return texts.map((text, index) => (index === 0 ? text : `$${index} ${text}`)).join('');
}

function stored(value: SqlParameter): SqlValue {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}
