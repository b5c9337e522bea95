import { Closed, ThereuponError } from '../../errors.ts';
import type { Database } from './database.ts';
import { storeError } from './database.ts';

/** From `open` to `close` of one store; every port of it asks here first. */
export class Session {
  readonly #database: Database;
  readonly #store: string;
  /** The only writer sees nothing change between two of its own statements; a reader beside it needs a snapshot. */
  readonly #snapshots: boolean;
  #open = true;

  constructor(database: Database, store: string, readOnly: boolean) {
    this.#database = database;
    this.#store = store;
    this.#snapshots = readOnly;
  }

  /** True beside a writer in another process: what was read before may have changed. */
  get isFollowing(): boolean {
    return this.#snapshots;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Errors Closed after `close`. */
  assertOpen(): void {
    if (!this.#open) throw new Closed(`store ${this.#store}`);
  }

  /**
   * Answers a question that may take several statements, all of which see the same state.
   *
   * Errors    Closed; StoreUnavailable, StoreUnusable when the medium fails.
   */
  read<Answer>(question: () => Answer): Answer {
    this.assertOpen();
    try {
      return this.#snapshots ? this.#database.transaction(question) : question();
    } catch (error) {
      throw error instanceof ThereuponError ? error : storeError(this.#store, error);
    }
  }

  close(): void {
    this.#open = false;
  }
}
