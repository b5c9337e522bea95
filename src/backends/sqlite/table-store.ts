import { constants } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
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
import type { Database, SqlValue } from './database.ts';
import { isMediumError } from './database.ts';
import type { GroupCommit } from './group-commit.ts';
import { writeOnce } from './group-commit.ts';
import type { Session } from './session.ts';

const FORM_BYTES = 4_096;
/** Indexes keep their names when their tables get others. */
const NEXT_INDEX = `SELECT coalesce(max(CAST(substr(name, 12) AS INTEGER)), 0) + 1 FROM sqlite_schema
  WHERE type = 'index' AND name GLOB 'view_index_*'`;
/** So many texts are prepared at most: a program may make a new one for each event. */
const MAX_STATEMENTS = 500;

/**
 * Tables of read models, in the file of the store.
 *
 * Invariants 1. `tables_of_views` names each of them; what is changed of the one is changed of the other in the same transaction.
 *            2. A statement changes such tables alone, and reads what it likes.
 */
export class SqliteTableStore implements TableStore {
  readonly #database: Database;
  readonly #writes: Pick<GroupCommit, 'submit'>;
  readonly #session: Session;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: Database, writes: Pick<GroupCommit, 'submit'>, session: Session) {
    this.#database = database;
    this.#writes = writes;
    this.#session = session;
  }

  async has(namespace: string): Promise<boolean> {
    return this.#session.read(() => this.#namesOf(namespace).length > 0);
  }

  ensure({ namespace, tables }: TablesForm): Promise<boolean> {
    return writeOnce(this.#writes, FORM_BYTES, () => {
      const missing = tables.filter((table) => this.#isMissing(table, namespace));
      for (const table of missing) this.#create(table, namespace);
      return missing.length === 0;
    });
  }

  async select({ texts, values }: SqlStatement): Promise<readonly Readonly<Record<string, SqlCell>>[]> {
    const text = texts.join('?');
    return this.#session.read(() =>
      refusable(text, () =>
        this.#prepare(text, READS)
          .all(...values.map(stored))
          .map(readable),
      ),
    );
  }

  /** Part of a unit. */
  execute(statements: readonly SqlStatement[]): void {
    for (const { texts, values } of statements) {
      const text = texts.join('?');
      refusable(text, () => this.#prepare(text, CHANGES).run(...values.map(stored)));
    }
  }

  /** Part of a transaction. */
  empty(namespace: string): void {
    for (const name of this.#namesOf(namespace)) this.#database.execute(`DELETE FROM "${name}"`);
  }

  /** Part of a transaction: tables of a namespace become those of another, in place of what that has. */
  rename(from: string, to: string): void {
    this.remove(to);
    for (const name of this.#namesOf(from)) {
      const next = renamedTable(name, to);
      this.#database.execute(`ALTER TABLE "${name}" RENAME TO "${next}"`);
      this.#database.change('UPDATE tables_of_views SET name = ?, namespace = ? WHERE name = ?').run(next, to, name);
    }
  }

  /** Part of a transaction. */
  remove(namespace: string): void {
    for (const name of this.#namesOf(namespace)) {
      this.#database.execute(`DROP TABLE "${name}"`);
      this.#database.change('DELETE FROM tables_of_views WHERE name = ?').run(name);
    }
  }

  /** Before the database is closed. */
  close(): void {
    this.#statements.clear();
  }

  #namesOf(namespace: string): readonly string[] {
    return this.#database
      .query<[string]>('SELECT name FROM tables_of_views WHERE namespace = ? ORDER BY name')
      .all(namespace)
      .map(([name]) => name);
  }

  #isMissing({ name }: TableForm, namespace: string): boolean {
    const row = this.#database.query<[string]>('SELECT namespace FROM tables_of_views WHERE name = ?').get(name);
    if (row === undefined) return true;
    if (row[0] === namespace) return false;
    throw new InvalidDefinition(`table ${name}`, `it is one of ${row[0]} already; give it another name`);
  }

  #create({ name, columns, indexes }: TableForm, namespace: string): void {
    this.#define(`CREATE TABLE "${name}" (${columns}\n)`);
    for (const { columns: indexed, unique } of indexes) {
      const number = this.#database.query<[number]>(NEXT_INDEX).get()?.[0] ?? 1;
      this.#define(`CREATE ${unique ? 'UNIQUE ' : ''}INDEX "view_index_${number}" ON "${name}" (${indexed}\n)`);
    }
    this.#database.change('INSERT INTO tables_of_views VALUES (?, ?)').run(name, namespace);
  }

  /** Not by a script: what a program says of columns is to be no more than that. */
  #define(text: string): void {
    refusable(text, () => this.#database.change(text).run());
  }

  #prepare(text: string, allowed: ReadonlySet<number>): StatementSync {
    const key = `${allowed === READS ? 'r' : 'c'}${text}`;
    let statement = this.#statements.get(key);
    if (statement === undefined) {
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      statement = this.#database.guarded(text, (action, table) => isAllowed(allowed, action, table));
      statement.setReadBigInts(true);
      this.#statements.set(key, statement);
    }
    return statement;
  }
}

const READS: ReadonlySet<number> = new Set([
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
]);
const CHANGES: ReadonlySet<number> = new Set([
  ...READS,
  constants.SQLITE_INSERT,
  constants.SQLITE_UPDATE,
  constants.SQLITE_DELETE,
]);

function isAllowed(allowed: ReadonlySet<number>, action: number, table: string | null): boolean {
  return allowed.has(action) && (READS.has(action) || table?.startsWith('view_') === true);
}

/** What SQLite says of a statement, in words that name the statement. The medium's failures are the medium's. */
function refusable<Answer>(text: string, act: () => Answer): Answer {
  try {
    return act();
  } catch (error) {
    if (isMediumError(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const said =
      reason === 'not authorized'
        ? 'not authorized (a statement changes tables of projections alone, and nothing else)'
        : reason;
    throw new StatementRefused(text.trim(), said, { cause: error });
  }
}

function stored(value: SqlParameter): SqlValue | bigint {
  return typeof value === 'boolean' ? Number(value) : value;
}

function readable(row: Record<string, SqlValue | bigint>): Readonly<Record<string, SqlCell>> {
  const cells: Record<string, SqlCell> = {};
  for (const [name, value] of Object.entries(row))
    cells[name] = typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  return cells;
}
