import { Closed, StoreReadOnly, SystemFull, ThereuponError } from '../../errors.ts';
import type { Database } from './database.ts';
import { isMediumError, storeError } from './database.ts';
import type { Session } from './session.ts';

/** One thing to be written, with its own outcome. */
export interface Write {
  /** Roughly what it holds in memory while it waits. */
  readonly bytes: number;
  /**
   * Changes the database, inside a transaction. A refusal is an outcome: it changes nothing and does not throw. May be called
   * a second time, after a rollback, when another write of the same transaction threw.
   */
  apply(): void;
  /** `apply` threw: takes back what it has changed. Where a write cannot, its whole transaction is rolled back. */
  takeBack?(): void;
  /** It is durable. */
  settle(): void;
  /** It was not written. */
  fail(error: unknown): void;
}

/** What else happens in and after every transaction. */
export interface FlushSteps {
  begin(): void;
  /** Everything is written; the transaction is about to be committed. False: it has to be done again. */
  finish(): boolean;
  /** It is durable. Comes before the writes are settled. */
  committed(): void;
  /** All have been told. `bytes`: roughly how much was written. */
  settled(bytes: number): void;
  /** It was rolled back: nothing that memory learned in it counts. */
  rolledBack(): void;
}

export interface WaitingLimits {
  readonly requests: number;
  readonly bytes: number;
}

/** One flush takes at most so much, so that no flush keeps the process from everything else for long (10 ms). */
const MAX_FLUSH_WRITES = 1_024;
const MAX_FLUSH_BYTES = 2 * 1_024 * 1_024;
/**
 * So many bytes a turn of the event loop are flushed as soon as the present callback and its promises are done; what comes
 * then waits for the next turn. A caller that awaits each write is served at once (a turn costs 10 µs), and timers and
 * sockets are never starved (16 small writes, 3 ms).
 */
const BYTES_BEFORE_NEXT_TURN = 16 * 1_024;
/** Every write counts for at least so much: it is the flush that takes the time. */
const LEAST_BYTES = 1_024;
/** A full queue of small writes is gone after so long. */
const RETRY_AFTER_MS = 100;

/**
 * The one writer: writes that arrive together share one transaction and one flush to the disk.
 *
 * States     idle; scheduled (something waits, a flush is planned); flushing; held (what comes waits until it is let go); closed.
 * Invariants 1. Writes are applied, settled and reported in the order of `submit`.
 *            2. A write is settled after the commit that holds it has returned, never before (G1).
 *            3. A write that throws is alone in failing: it is taken back, or the others of its transaction are applied again
 *               without it. When the medium fails, all of them fail, and none of them is written.
 *            4. What waits is bounded in number and bytes (G10).
 */
export class GroupCommit {
  readonly #database: Database;
  readonly #store: string;
  readonly #steps: FlushSteps;
  readonly #limits: WaitingLimits;
  #waiting: Write[] = [];
  #waitingBytes = 0;
  #scheduled = false;
  #closed = false;
  #held = false;
  #bytesInTurn = 0;
  #turnEnds = false;

  constructor(options: { database: Database; store: string; steps: FlushSteps; limits: WaitingLimits }) {
    this.#database = options.database;
    this.#store = options.store;
    this.#steps = options.steps;
    this.#limits = options.limits;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  submit(write: Write): void {
    if (this.#closed) {
      write.fail(new Closed(`store ${this.#store}`));
      return;
    }
    const { requests, bytes } = this.#limits;
    if (this.#waiting.length >= requests || (this.#waitingBytes + write.bytes > bytes && this.#waiting.length > 0)) {
      write.fail(new SystemFull(`the write queue of store ${this.#store}`, RETRY_AFTER_MS));
      return;
    }
    this.#waiting.push(write);
    this.#waitingBytes += write.bytes;
    if (!this.#scheduled) this.#schedule();
  }

  /** From now on writes wait, until the answered function is called: another connection of this process writes. */
  hold(): () => void {
    this.#held = true;
    return () => {
      this.#held = false;
      if (this.#waiting.length > 0 && !this.#scheduled) this.#schedule();
    };
  }

  /** Writes everything that waits; later writes fail. Not while it is held. */
  close(): void {
    while (this.#waiting.length > 0) this.#flush();
    this.#closed = true;
  }

  #schedule(): void {
    this.#scheduled = true;
    // After the promises that are being settled, so that all callers whom they wake find the same flush.
    if (this.#bytesInTurn < BYTES_BEFORE_NEXT_TURN) process.nextTick(() => this.#run());
    else setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    if (this.#held) return;
    if (this.#waiting.length > 0) this.#flush();
    if (this.#waiting.length > 0 && !this.#scheduled) this.#schedule();
  }

  #flush(): void {
    let writes: readonly Write[] = this.#take();
    while (writes.length > 0) {
      const failures = new Map<Write, unknown>();
      const written = this.#attempt(writes, failures);
      for (const [write, error] of failures) write.fail(this.#reason(error));
      writes = failures.size === 0 ? writes : writes.filter((write) => !failures.has(write));
      if (written) {
        this.#settle(writes);
        return;
      }
    }
  }

  /** Applies the writes in one transaction. Adds those that cannot be written to `failures`; answers whether the others are; if not, they are to be attempted again. */
  #attempt(writes: readonly Write[], failures: Map<Write, unknown>): boolean {
    let applying: Write | undefined;
    try {
      this.#steps.begin();
      this.#database.begin();
      for (const write of writes) {
        applying = write;
        this.#apply(write, failures);
      }
      applying = undefined;
      if (!this.#steps.finish()) {
        this.#rollBack();
        return false;
      }
      this.#database.commit();
    } catch (error) {
      this.#rollBack();
      if (applying !== undefined && !isMediumError(error)) failures.set(applying, error);
      else for (const write of writes) failures.set(write, error);
      return false;
    }
    this.#steps.committed();
    return true;
  }

  #apply(write: Write, failures: Map<Write, unknown>): void {
    try {
      write.apply();
    } catch (error) {
      if (write.takeBack === undefined || isMediumError(error)) throw error;
      write.takeBack();
      failures.set(write, error);
    }
  }

  #settle(writes: readonly Write[]): void {
    let bytes = 0;
    for (const write of writes) {
      write.settle();
      bytes += write.bytes;
    }
    this.#steps.settled(bytes);
  }

  #rollBack(): void {
    try {
      this.#database.rollback();
    } catch {
      // A medium that fails may fail at this too; nothing was committed, and the next transaction finds out whether it still does.
    }
    this.#steps.rolledBack();
  }

  #reason(error: unknown): unknown {
    const ours = error instanceof ThereuponError || (error instanceof Error && !('errcode' in error));
    return ours ? error : storeError(this.#store, error);
  }

  #take(): Write[] {
    let count = 0;
    let bytes = 0;
    for (const write of this.#waiting) {
      if (count >= MAX_FLUSH_WRITES || (bytes + write.bytes > MAX_FLUSH_BYTES && count > 0)) break;
      bytes += write.bytes;
      count += 1;
    }
    this.#waitingBytes -= bytes;
    this.#countInTurn(bytes);
    if (count < this.#waiting.length) return this.#waiting.splice(0, count);
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }

  #countInTurn(bytes: number): void {
    this.#bytesInTurn += Math.max(bytes, LEAST_BYTES);
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    setImmediate(() => {
      this.#turnEnds = false;
      this.#bytesInTurn = 0;
    });
  }
}

/** Where a store is open for reading: every write fails. */
export class NoWrites implements Pick<GroupCommit, 'submit' | 'waiting' | 'hold' | 'close'> {
  readonly #store: string;
  readonly #session: Session;
  readonly waiting = 0;

  constructor(store: string, session: Session) {
    this.#store = store;
    this.#session = session;
  }

  submit(write: Write): void {
    write.fail(this.#session.isOpen ? new StoreReadOnly(this.#store) : new Closed(`store ${this.#store}`));
  }

  hold(): () => void {
    return () => {};
  }

  close(): void {
    // Nothing ever waits.
  }
}

/** A write that consists of one function, as a promise. */
export function writeOnce<Result>(
  writes: Pick<GroupCommit, 'submit'>,
  bytes: number,
  change: () => Result,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let result: Result;
    writes.submit({
      bytes,
      apply() {
        result = change();
      },
      settle: () => resolve(result),
      fail: reject,
    });
  });
}
