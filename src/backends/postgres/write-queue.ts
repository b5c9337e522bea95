import { Closed, StoreReadOnly, SystemFull } from '../../errors.ts';
import type { ThereuponError } from '../../errors.ts';
import type { RecordedEvent } from '../../event/event.ts';
import type { Clock } from '../../system/clock.ts';
import type { Database, Queries } from './database.ts';
import { sqlStateOf, storeError } from './database.ts';
import type { Appending, Flushed } from './flush.ts';
import { flush } from './flush.ts';
import type { Partitions } from './partitions.ts';
import { NOT_RECORDED, OneStatement } from './record.ts';
import type { RecordAnswer } from './record.ts';
import type { Session } from './session.ts';

/** Where the ports put their writes. */
export type Writes = Pick<WriteQueue, 'together' | 'alone' | 'waiting' | 'transacted' | 'close'>;

export interface WaitingLimits {
  readonly requests: number;
  readonly bytes: number;
}

/** A change that shares its transaction with no other. */
interface Alone {
  readonly bytes: number;
  run(queries: Queries): Promise<void>;
  settle(): void;
  fail(error: unknown): void;
}

type Waiting = { readonly together: Appending } | { readonly alone: Alone };

/** What one flush takes at most: so long it holds up the other writers of the store. */
const MAX_FLUSH_WRITES = 1_024;
const MAX_FLUSH_BYTES = 2 * 1_024 * 1_024;
/** A full queue of small writes is gone after so long. */
const RETRY_AFTER_MS = 100;
/**
 * How a transaction of several statements begins. Whoever appends locks the head of the log until it ends: writers take turns, and positions
 * become visible in order. Whoever only changes state does not. Of all that is locked the order is: head, consumers, lanes.
 */
export const BEGIN = {
  appending: 'BEGIN; SELECT pg_current_xact_id()::text AS xact FROM log_head FOR UPDATE',
  changingState: 'BEGIN; SELECT pg_current_xact_id()::text AS xact',
};

/**
 * The writer of this process: writes that arrive while one transaction is under way share the next one.
 *
 * States     idle; flushing; closed.
 * Invariants 1. Writes take effect and are settled in the order of the calls.
 *            2. A write is settled after the commit that holds it (G1).
 *            3. What waits is bounded in number and bytes (G10).
 */
export class WriteQueue {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #limits: WaitingLimits;
  readonly #answerTimeoutMs: number;
  readonly #begin: string;
  readonly #partitions: Partitions;
  readonly #appended: (events: readonly RecordedEvent[]) => void;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #flushing: Promise<void> | undefined;
  #transacting: Promise<unknown> | undefined;
  #closed = false;

  constructor(options: {
    database: Database;
    clock: Clock;
    limits: WaitingLimits;
    answerTimeoutMs: number;
    /** One of BEGIN. */
    begin: string;
    partitions: Partitions;
    /** Something was appended, and is visible; told before the writes are settled. */
    appended: (events: readonly RecordedEvent[]) => void;
  }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#answerTimeoutMs = options.answerTimeoutMs;
    this.#begin = options.begin;
    this.#partitions = options.partitions;
    this.#appended = options.appended;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when the transaction under way has ended, and what it appended was told of. */
  async transacted(): Promise<void> {
    await this.#transacting;
  }

  /** Appends, and maybe a unit around them, beside others in one transaction. */
  together(write: Appending): void {
    this.#submit({ together: write });
  }

  /** One change in a transaction of its own, in turn with all writes. */
  alone<Result>(bytes: number, change: (queries: Queries) => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      let result: Result;
      this.#submit({
        alone: {
          bytes,
          async run(queries) {
            result = await change(queries);
          },
          settle: () => resolve(result),
          fail: reject,
        },
      });
    });
  }

  /** Writes everything that waits; later writes fail. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#flushing;
  }

  #submit(write: Waiting): void {
    const { bytes, fail } = memberOf(write);
    if (this.#closed) {
      fail(new Closed(`store ${this.#database.store}`));
      return;
    }
    const full =
      this.#waiting.length >= this.#limits.requests ||
      (this.#bytes + bytes > this.#limits.bytes && this.#waiting.length > 0);
    if (full) {
      fail(new SystemFull(`the write queue of store ${this.#database.store}`, RETRY_AFTER_MS));
      return;
    }
    this.#waiting.push(write);
    this.#bytes += bytes;
    this.#flushing ??= this.#flushAll();
  }

  async #flushAll(): Promise<void> {
    // After the present run of callers, so that all of them share the transaction.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const [first] = this.#waiting;
      this.#transacting =
        first !== undefined && 'alone' in first ? this.#runAlone(this.#take(1)[0] ?? first) : this.#runTogether();
      await this.#transacting;
    }
    this.#transacting = undefined;
    // In the same step in which nothing waits: who comes now starts anew.
    this.#flushing = undefined;
  }

  async #runAlone(write: Waiting): Promise<void> {
    if (!('alone' in write)) return;
    const { alone } = write;
    try {
      await this.#transaction((queries) => alone.run(queries));
    } catch (error) {
      alone.fail(storeError(this.#database.store, error));
      return;
    }
    alone.settle();
  }

  async #runTogether(): Promise<void> {
    const writes: Appending[] = [];
    for (const write of this.#take(this.#countTogether())) if ('together' in write) writes.push(write.together);
    const failure = await this.#flush(writes);
    if (failure === undefined) return;
    // What one of them wants, the server cannot take: it is to be alone in failing.
    if (failure.fault === 'defect' && writes.length > 1) {
      for (const write of writes) {
        const reason = await this.#flush([write]);
        if (reason !== undefined) write.fail(reason);
      }
    } else {
      for (const write of writes) write.fail(failure);
    }
  }

  /** Answers why none of them was written, or undefined: they are, and were settled. */
  async #flush(writes: readonly Appending[]): Promise<ThereuponError | undefined> {
    let outcome: Flushed;
    try {
      outcome =
        (await this.#atOnce(writes)) ??
        (await this.#transaction(
          (queries) => flush(queries, writes, this.#partitions, this.#clock.now()),
          this.#answerTimeoutMs,
        ));
    } catch (error) {
      return storeError(this.#database.store, error);
    }
    if (outcome.events.length > 0) this.#appended(outcome.events);
    for (const [index, write] of writes.entries()) write.settle(outcome.outcomes[index]);
    return undefined;
  }

  /** Asks the server once, where everything is as the writers expect. Undefined: it has to be looked at in detail. */
  async #atOnce(writes: readonly Appending[]): Promise<Flushed | undefined> {
    const whole = OneStatement.of(writes);
    if (whole === undefined) return undefined;
    const { statement, values } = whole.call(this.#clock.now());
    try {
      const answer = await this.#database.call(statement, values);
      // What became of it shows in detail: what was recorded is found as a duplicate.
      return 'row' in answer ? whole.flushed(answer.row as RecordAnswer) : undefined;
    } catch (error) {
      if (NOT_RECORDED.has(sqlStateOf((error as ThereuponError).cause) ?? '')) return undefined;
      throw error;
    }
  }

  #transaction<Result>(work: (queries: Queries) => Promise<Result>, answerTimeoutMs?: number): Promise<Result> {
    return this.#database.transaction(this.#begin, (queries) => work(queries), answerTimeoutMs);
  }

  #countTogether(): number {
    let count = 0;
    let bytes = 0;
    for (const write of this.#waiting) {
      if ('alone' in write || count >= MAX_FLUSH_WRITES) break;
      if (bytes + write.together.bytes > MAX_FLUSH_BYTES && count > 0) break;
      bytes += write.together.bytes;
      count += 1;
    }
    return count;
  }

  #take(count: number): Waiting[] {
    const taken = this.#waiting.splice(0, count);
    for (const write of taken) this.#bytes -= memberOf(write).bytes;
    return taken;
  }
}

/** Where a store is open for reading: every write fails. */
export class NoWrites implements Writes {
  readonly #store: string;
  readonly #session: Session;
  readonly waiting = 0;

  constructor(store: string, session: Session) {
    this.#store = store;
    this.#session = session;
  }

  together(write: Appending): void {
    write.fail(this.#refusal());
  }

  alone<Result>(): Promise<Result> {
    return Promise.reject(this.#refusal());
  }

  async transacted(): Promise<void> {
    // Nothing is ever under way.
  }

  async close(): Promise<void> {
    // Nothing ever waits.
  }

  #refusal(): ThereuponError {
    return this.#session.isOpen ? new StoreReadOnly(this.#store) : new Closed(`store ${this.#store}`);
  }
}

function memberOf(write: Waiting): Pick<Alone, 'bytes' | 'fail'> {
  return 'alone' in write ? write.alone : write.together;
}
