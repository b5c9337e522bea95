import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { StoreUnavailable, StoreUnusable, ThereuponError } from '../../errors.ts';
import type { PendingMigrations } from '../../store.ts';
import type { DatabaseOptions } from './database.ts';
import { Database, storeError } from './database.ts';
import type { HolderLock } from './holder-lock.ts';
import { takeHolderLock } from './holder-lock.ts';
import { identify, migrate, pendingMigrations, SCHEMA_VERSION } from './migrate.ts';

export interface OpenFile {
  readonly database: Database;
  /** Undefined when opened for reading. */
  readonly lock: HolderLock | undefined;
}

/** What a connection of the writer is set to. Checkpoints are the business of WalKeeper alone. */
const WRITER_PRAGMAS = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = ${64 * 1_024 * 1_024};
PRAGMA temp_store = MEMORY;`;

/** Opens the file, locked and in its present form. What it finds to be no store it does not touch. */
export function openFile(path: string, options: DatabaseOptions): OpenFile {
  try {
    return options.readOnly ? openForReading(path, options) : openForWriting(path, options);
  } catch (error) {
    throw error instanceof ThereuponError ? error : storeError(path, error);
  }
}

/** Looks at what the file lacks, and changes nothing. */
export function lookAtMigrations(path: string, options: DatabaseOptions): PendingMigrations {
  if ((sizeOf(path) ?? 0) === 0) return pendingMigrations(0);
  const database = new Database(path, { ...options, readOnly: true });
  try {
    return pendingMigrations(identify(database, path) ?? 0);
  } catch (error) {
    throw error instanceof ThereuponError ? error : storeError(path, error);
  } finally {
    database.close();
  }
}

function openForReading(path: string, options: DatabaseOptions): OpenFile {
  if (sizeOf(path) === undefined) throw new StoreUnavailable(path, 'there is no such file to read');
  const database = new Database(path, options);
  try {
    const version = identify(database, path);
    if (version === undefined) throw new StoreUnusable(path, 'the file is empty; open it for writing once');
    if (version < SCHEMA_VERSION) {
      throw new StoreUnusable(
        path,
        `the file has the older schema version ${version}; open it for writing once, to bring it to version ${SCHEMA_VERSION}`,
      );
    }
    return { database, lock: undefined };
  } catch (error) {
    database.close();
    throw error;
  }
}

function openForWriting(path: string, options: DatabaseOptions): OpenFile {
  const size = sizeOf(path);
  if (size === undefined) makeFolder(path);
  // Asked without the right to write: a file of another program gets neither a lock file nor a write-ahead log.
  else if (size > 0) inspect(path, options);
  const lock = takeHolderLock(path);
  try {
    return { database: openLocked(path, options), lock };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function openLocked(path: string, options: DatabaseOptions): Database {
  const database = new Database(path, options);
  try {
    const version = identify(database, path);
    database.execute(WRITER_PRAGMAS);
    migrate(database, version);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function inspect(path: string, options: DatabaseOptions): void {
  const database = new Database(path, { ...options, readOnly: true });
  try {
    identify(database, path);
  } finally {
    database.close();
  }
}

/** Undefined when there is no file. */
function sizeOf(path: string): number | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (!found.isFile())
    throw new StoreUnusable(path, found.isDirectory() ? 'is a folder; name a file in it' : 'is not a regular file');
  return found.size;
}

function makeFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw new StoreUnavailable(path, `its folder cannot be made (${(error as Error).message})`, { cause: error });
  }
}
