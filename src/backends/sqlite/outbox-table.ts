import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { InvalidInput } from '../../errors.ts';
import { isBusy, isReadOnly, storeError } from './database.ts';

/** Numbers are never given twice: what is removed by its number is what was read. */
const TABLE =
  'CREATE TABLE IF NOT EXISTS thereupon_outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, events TEXT NOT NULL)';
const FORM = 'SELECT number, events FROM thereupon_outbox LIMIT 0';
/** Asks for the right to write, and writes nothing. */
const PROBE = 'DELETE FROM thereupon_outbox WHERE 0';

/** Where the database is, in words for a person. */
export function locationOf(database: DatabaseSync): string {
  return database.location() ?? ':memory:';
}

/**
 * An open transaction on the file of the store would hold up the store, and its own thread would wait for itself.
 *
 * Errors    InvalidInput names the database.
 */
export function assertApart(database: DatabaseSync, path: string, store: string): void {
  const location = database.location();
  const identity = location === null ? undefined : identityOf(location);
  if (identity === undefined || identity !== identityOf(store)) return;
  const expected = `a database in a file of its own; ${store} is the file of the store, where an open transaction would hold up everybody`;
  throw new InvalidInput({ path, expected, found: location });
}

/**
 * Makes the table where it is not there yet.
 *
 * Errors    InvalidInput when the database cannot be written, or has another table of that name; StoreUnavailable when it is locked.
 */
export function prepareTable(database: DatabaseSync, path: string): void {
  try {
    database.exec(TABLE);
  } catch (error) {
    throw errorOf(error, database, path);
  }
  try {
    database.prepare(FORM);
  } catch (error) {
    const expected = 'a database without a table thereupon_outbox of its own';
    throw new InvalidInput({ path, expected, found: locationOf(database) }, { cause: error });
  }
  try {
    withoutPatience(database, () => database.exec(PROBE));
  } catch (error) {
    // That somebody else is writing says nothing about the right to write.
    if (!isBusy(error)) throw errorOf(error, database, path);
  }
}

/** Runs without waiting for a lock: the thread that would wait may be the one that has it. */
export function withoutPatience<Result>(database: DatabaseSync, work: () => Result): Result {
  const statement = database.prepare('PRAGMA busy_timeout');
  statement.setReturnArrays(true);
  statement.setReadBigInts(false);
  const [patienceMs] = statement.get() as unknown as [number];
  if (patienceMs === 0) return work();
  database.exec('PRAGMA busy_timeout = 0');
  try {
    return work();
  } finally {
    database.exec(`PRAGMA busy_timeout = ${patienceMs}`);
  }
}

/** SQLite opens no savepoint beside a statement that writes and has not answered all its rows yet. Without one this locks nothing. */
export function hasHalfDoneStatement(database: DatabaseSync): boolean {
  try {
    database.exec('SAVEPOINT thereupon; RELEASE thereupon');
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  }
}

function errorOf(error: unknown, database: DatabaseSync, path: string): Error {
  const found = locationOf(database);
  if (!isReadOnly(error)) return storeError(found, error);
  return new InvalidInput({ path, expected: 'a database that can be written', found }, { cause: error });
}

/** Which file a path leads to, also by a link. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev} ${found.ino}`;
}
