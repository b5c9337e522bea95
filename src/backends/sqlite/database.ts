import type { StatementSync } from 'node:sqlite';
import { constants, DatabaseSync } from 'node:sqlite';
import { types } from 'node:util';
import type { ThereuponError } from '../../errors.ts';
import { StoreDefect, StoreUnavailable, StoreUnusable } from '../../errors.ts';

/** What SQLite takes and gives. Integers are safe ones: anything larger is stored as text or real. */
export type SqlValue = string | number | null | Uint8Array;

/** A prepared question. Rows are arrays: reading them is twice as fast as objects. */
export interface Query<Row extends readonly SqlValue[]> {
  get(...parameters: readonly SqlValue[]): Row | undefined;
  all(...parameters: readonly SqlValue[]): Row[];
  /** Row by row, as they are asked for. One walk at a time. */
  iterate(...parameters: readonly SqlValue[]): Iterable<Row>;
}

/** A prepared change; answers how many rows it changed. */
export type Change = Pick<StatementSync, 'run'>;

export interface DatabaseOptions {
  readonly readOnly: boolean;
  readonly cacheBytes: number;
}

/** Another connection holds a lock for moments only (the end of a checkpoint, recovery after a crash): wait for it. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * The one door to `node:sqlite`: a connection with its prepared statements.
 *
 * Guarantee Statements of one text are prepared once.
 * Errors    What SQLite throws; `storeError` puts it into this package's words.
 */
export class Database {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;

  constructor(path: string, options: DatabaseOptions) {
    this.#connection = new DatabaseSync(path, { readOnly: options.readOnly, timeout: BUSY_TIMEOUT_MS });
    try {
      this.execute(`PRAGMA cache_size = ${-Math.ceil(options.cacheBytes / 1_024)}`);
      this.#begin = this.#connection.prepare(options.readOnly ? 'BEGIN' : 'BEGIN IMMEDIATE');
      this.#commit = this.#connection.prepare('COMMIT');
    } catch (error) {
      this.#connection.close();
      throw error;
    }
  }

  query<Row extends readonly SqlValue[]>(sql: string): Query<Row> {
    return this.#prepare(sql) as unknown as Query<Row>;
  }

  change(sql: string): Change {
    return this.#prepare(sql);
  }

  /** A statement that is prepared by nobody else, and does only what is allowed: what SQLite calls an action, and of which table. */
  guarded(sql: string, isAllowed: (action: number, table: string | null) => boolean): StatementSync {
    this.#connection.setAuthorizer((action, table) =>
      isAllowed(action, table) ? constants.SQLITE_OK : constants.SQLITE_DENY,
    );
    try {
      return this.#connection.prepare(sql);
    } finally {
      this.#connection.setAuthorizer(null);
    }
  }

  execute(sql: string): void {
    this.#connection.exec(sql);
  }

  /** A pragma that answers with one number. */
  number(pragma: string): number {
    return this.query<[number]>(`PRAGMA ${pragma}`).get()?.[0] ?? 0;
  }

  begin(): void {
    this.#begin.run();
  }

  commit(): void {
    this.#commit.run();
  }

  /** Ends the transaction without a trace, if there still is one: SQLite itself may have ended it after an error. */
  rollback(): void {
    if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
  }

  /** Runs the work in one transaction. */
  transaction<Result>(work: () => Result): Result {
    this.begin();
    try {
      const result = work();
      this.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  close(): void {
    this.#statements.clear();
    this.#connection.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      statement.setReturnArrays(true);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** Primary result codes of SQLite (https://sqlite.org/rescode.html) that speak of the medium, not of the statement. */
const BUSY = 5;
const CANNOT_OPEN = 14;
const CORRUPT = 11;
const FULL = 13;
const IO_ERROR = 10;
const NOT_A_DATABASE = 26;
const READ_ONLY = 8;
const MEDIUM_REASONS: ReadonlyMap<number, string> = new Map([
  [BUSY, 'another process keeps the file locked'],
  [6, 'the file is locked'],
  [7, 'out of memory'],
  [READ_ONLY, 'the file or its folder cannot be written'],
  [IO_ERROR, 'the disk reported an error'],
  [CORRUPT, 'the file is damaged'],
  [FULL, 'the disk is full'],
  [CANNOT_OPEN, 'the file cannot be opened'],
  [15, 'the file is locked in a way that this file system does not support'],
  [NOT_A_DATABASE, 'the file is not a SQLite database'],
]);

/** The primary result code of an error that SQLite threw; undefined for every other error. */
function resultCode(error: unknown): number | undefined {
  // Whatever a program throws comes by here, and may throw again when it is looked at.
  if (types.isProxy(error)) return undefined;
  const { code, errcode } = (error ?? {}) as { readonly code?: unknown; readonly errcode?: unknown };
  return code === 'ERR_SQLITE_ERROR' && typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/**
 * Whether an error is the medium's: then nothing that shared the transaction can be saved, and a retry may succeed. A damaged page
 * is not: it fails what needs it, and only that.
 */
export function isMediumError(error: unknown): boolean {
  const code = resultCode(error);
  return code !== undefined && code !== CORRUPT && MEDIUM_REASONS.has(code);
}

/** True when another connection held the lock that was asked for. */
export function isBusy(error: unknown): boolean {
  return resultCode(error) === BUSY;
}

/** True when the connection or the file does not take writes. */
export function isReadOnly(error: unknown): boolean {
  return resultCode(error) === READ_ONLY;
}

/** An error of SQLite in the words of this package. */
export function storeError(store: string, error: unknown): ThereuponError {
  const code = resultCode(error);
  const reason = code === undefined ? undefined : MEDIUM_REASONS.get(code);
  const detail = error instanceof Error ? error.message : String(error);
  const text = reason === undefined ? detail : `${reason} (${detail})`;
  if (code === CORRUPT || code === NOT_A_DATABASE) return new StoreUnusable(store, text, { cause: error });
  return reason === undefined
    ? new StoreDefect(store, text, { cause: error })
    : new StoreUnavailable(store, text, { cause: error });
}
