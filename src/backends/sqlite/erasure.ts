import type { Erasure } from '../../store.ts';
import type { Logger } from '../../system/logger.ts';
import type { Database } from './database.ts';
import type { WalKeeper } from './wal-keeper.ts';

/** So long the end of a reader's look is waited for; the thread waits with it. */
const BUSY_MS = 500;

/**
 * Overwrites what is removed from the file, and empties the write-ahead log of it.
 *
 * What is to leave nothing behind is kept where no row is moved from page to page (`KeptApart`); all else is overwritten as well as SQLite does it.
 *
 * Guarantee Once nobody else reads the file as it was before: where somebody does, the log keeps what was removed until its next beginning, and
 *           this is logged. Copies of the file, and what the disk keeps of blocks that were freed, are not in its reach.
 */
export class SqliteErasure implements Erasure {
  readonly #database: Database;
  readonly #path: string;
  readonly #logger: Logger;
  readonly #wal: Pick<WalKeeper, 'still'>;

  constructor(database: Database, path: string, logger: Logger, wal: Pick<WalKeeper, 'still'>) {
    this.#database = database;
    this.#path = path;
    this.#logger = logger;
    this.#wal = wal;
  }

  begin(): void {
    this.#database.number('secure_delete = 1');
  }

  async emptied(act: () => Promise<void>): Promise<void> {
    this.begin();
    await act();
    // SQLite waits for readers, but not for another checkpoint.
    await this.#wal.still();
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
