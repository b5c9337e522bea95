import type { Erasure } from '../../store.ts';
import type { Logger } from '../../system/logger.ts';
import type { Database } from './database.ts';

/** So long the end of a reader's look is waited for; the thread waits with it. */
const BUSY_MS = 500;

/**
 * Overwrites what is removed from the file, and empties the write-ahead log of it.
 *
 * SQLite moves rows from page to page when a page is full, and leaves the bytes where they were, unless it is told otherwise before: of 100 keys
 * that were deleted after that, copies of 9 were found in the file.
 *
 * Guarantee Once nobody else reads the file as it was before: where somebody does, the log keeps what was removed until its next beginning, and
 *           this is logged. Copies of the file, and what the disk keeps of blocks that were freed, are not in its reach.
 */
export class SqliteErasure implements Erasure {
  readonly #database: Database;
  readonly #path: string;
  readonly #logger: Logger;

  constructor(database: Database, path: string, logger: Logger) {
    this.#database = database;
    this.#path = path;
    this.#logger = logger;
  }

  begin(): void {
    this.#database.number('secure_delete = 1');
  }

  async emptied(act: () => Promise<void>): Promise<void> {
    this.begin();
    await act();
    const [database, store] = [this.#database, this.#path];
    const timeout = database.number('busy_timeout');
    try {
      database.number(`busy_timeout = ${BUSY_MS}`);
      const isBusy = database.number('wal_checkpoint(TRUNCATE)') !== 0;
      if (isBusy)
        this.#logger.warn(
          { store },
          'somebody reads the store as it was; what was removed stays in the write-ahead log until that begins anew',
        );
    } catch (error) {
      // It is removed all the same.
      this.#logger.warn({ err: error, store }, 'the write-ahead log could not be emptied of what was removed');
    } finally {
      database.number(`busy_timeout = ${timeout}`);
    }
  }
}
