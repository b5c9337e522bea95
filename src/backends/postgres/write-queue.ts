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

type FlushOutcome = { readonly flushed: Flushed } | { readonly failure: ThereuponError };

/** What one flush takes at most: so long it holds up the other writers of the store. */
const MAX_FLUSH_WRITES = 1_024;
/** So few are not divided. */
const MIN_FLUSH_WRITES = 16;
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
 * Invariants 1. Writes take effect and are settled in the order of the calls. One transaction at a time is under way.
 *            2. A write is settled after the commit that holds it (G1), while the next one is under way already.
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
  /** How many writes the last flush took. */
  #lastTogether = 0;
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
    let settle: () => void = () => {};
    while (this.#waiting.length > 0) {
      const running = this.#runNext();
      this.#transacting = running;
      // Whoever hears of the flush before may prepare its next write while the server is at this one.
      settle();
      settle = await running;
    }
    this.#transacting = undefined;
    // In the same step in which nothing waits: who comes now starts anew.
    this.#flushing = undefined;
    settle();
  }

  /** Answers how those who wait for it are told. */
  #runNext(): Promise<() => void> {
    const [first] = this.#waiting;
    return first !== undefined && 'alone' in first ? this.#runAlone(this.#take(1)[0] ?? first) : this.#runTogether();
  }

  async #runAlone(write: Waiting): Promise<() => void> {
    if (!('alone' in write)) return () => {};
    const { alone } = write;
    try {
      await this.#transaction((queries) => alone.run(queries));
    } catch (error) {
      return () => alone.fail(storeError(this.#database.store, error));
    }
    return () => alone.settle();
  }

  async #runTogether(): Promise<() => void> {
    const writes: Appending[] = [];
    for (const write of this.#take(this.#countTogether())) if ('together' in write) writes.push(write.together);
    this.#lastTogether = writes.length;
    const outcome = await this.#flush(writes);
    // What one of them wants, the server cannot take: it is to be alone in failing.
    const isDefect = 'failure' in outcome && outcome.failure.fault === 'defect';
    const outcomes = isDefect && writes.length > 1 ? await this.#flushEach(writes) : [{ writes, outcome }];
    return () => {
      for (const each of outcomes) this.#tell(each.writes, each.outcome);
    };
  }

  async #flushEach(
    writes: readonly Appending[],
  ): Promise<readonly { readonly writes: readonly Appending[]; readonly outcome: FlushOutcome }[]> {
    const outcomes = [];
    for (const write of writes) outcomes.push({ writes: [write], outcome: await this.#flush([write]) });
    return outcomes;
  }

  #tell(writes: readonly Appending[], outcome: FlushOutcome): void {
    if ('failure' in outcome) {
      for (const write of writes) write.fail(outcome.failure);
      return;
    }
    const { events, outcomes } = outcome.flushed;
    if (events.length > 0) this.#appended(events);
    for (const [index, write] of writes.entries()) write.settle(outcomes[index]);
  }

  async #flush(writes: readonly Appending[]): Promise<FlushOutcome> {
    try {
      const flushed =
        (await this.#atOnce(writes)) ??
        (await this.#transaction(
          (queries) => flush(queries, writes, this.#partitions, this.#clock.now()),
          this.#answerTimeoutMs,
        ));
      return { flushed };
    } catch (error) {
      return { failure: storeError(this.#database.store, error) };
    }
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

  /**
   * Of callers who write again as soon as they are told, half: they prepare their next writes while the server is at those of the other half.
   */
  #countTogether(): number {
    let count = 0;
    let bytes = 0;
    const half = Math.ceil((this.#waiting.length + this.#lastTogether) / 2);
    const most = Math.min(MAX_FLUSH_WRITES, Math.max(MIN_FLUSH_WRITES, half));
    for (const write of this.#waiting) {
      if ('alone' in write || count >= most) break;
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
