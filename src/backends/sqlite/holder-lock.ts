import { DatabaseSync } from 'node:sqlite';
import { StoreHeld } from '../../errors.ts';
import type { StoreHolder } from '../../store.ts';
import { Database, isBusy, storeError } from './database.ts';

/**
 * The right to write to one store file.
 *
 * Guarantee One holder at a time among all processes of the machine, and within this one. The operating system takes the
 *           lock back when the process ends, however it ends.
 * Errors    StoreHeld names the process that has it.
 */
export interface HolderLock {
  release(): void;
}

/**
 * A lock on a file of its own: the store's file must stay readable for others, and SQLite's own locks on it last for a
 * transaction only. The file is never removed: a waiting process might lock the removed one.
 */
export function takeHolderLock(path: string): HolderLock {
  const lock = new DatabaseSync(`${path}-lock`, { timeout: 0 });
  try {
    // Nothing is ever written into it, so there is nothing for a journal to protect.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (isBusy(error)) {
      const holder = tryReadHolder(path);
      throw new StoreHeld(path, inWords(holder), holder?.url);
    }
    throw storeError(path, error);
  }
  return { release: () => lock.close() };
}

/** Who holds the store, as it said itself when it took it. */
export function readHolder(database: Database): StoreHolder | undefined {
  const row = database
    .query<[pid: number, host: string, sinceMs: number, url: string | null]>(
      'SELECT pid, host, since_ms, url FROM holder',
    )
    .get();
  if (row === undefined) return undefined;
  const [pid, host, sinceMs, url] = row;
  return { pid, host, sinceMs, url: url ?? undefined };
}

export function writeHolder(database: Database, holder: StoreHolder): void {
  const sql = 'INSERT OR REPLACE INTO holder (one, pid, host, since_ms, url) VALUES (1, ?, ?, ?, ?)';
  database.change(sql).run(holder.pid, holder.host, holder.sinceMs, holder.url ?? null);
}

function inWords(holder: StoreHolder | undefined): string {
  if (holder === undefined) return 'another process';
  const where = holder.url === undefined ? '' : ` (${holder.url})`;
  return `process ${holder.pid} on ${holder.host}${where} since ${new Date(holder.sinceMs).toISOString()}`;
}

/** The lock is taken before the holder's name is written, and an old one may still stand there: a hint, not a fact. */
function tryReadHolder(path: string): StoreHolder | undefined {
  let database: Database | undefined;
  try {
    database = new Database(path, { readOnly: true, cacheBytes: 65_536 });
    return readHolder(database);
  } catch {
    return undefined;
  } finally {
    database?.close();
  }
}
