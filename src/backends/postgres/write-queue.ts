import { Closed, StoreReadOnly, SystemFull } from '../../errors.ts';
import type { ThereuponError } from '../../errors.ts';
import type { RecordedEvent } from '../../event/event.ts';
import type { Clock } from '../../system/clock.ts';
import type { Database, Queries } from './database.ts';
import { sqlStateOf, storeError } from './database.ts';
import { Flights } from './flights.ts';
import type { FlightAnswer, Landed } from './flights.ts';
import type { Appending, Flushed, FlushParts } from './flush.ts';
import { flush } from './flush.ts';
import type { PostgresInlineRows } from './inline-rows.ts';
import type { Chaining } from './log-chain.ts';
import type { OwnTransactions } from './own-transactions.ts';
import type { Partitions } from './partitions.ts';
import { OneStatement } from './record.ts';
import type { Session } from './session.ts';

/** Where the log and the units put their writes. */
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

interface Outcome {
  readonly writes: readonly Appending[];
  readonly result: { readonly flushed: Flushed } | { readonly failure: ThereuponError };
}

/** What one flush takes at most: so long it holds up the other writers of the store. */
const MAX_FLUSH_WRITES = 1_024;
/** So few are not divided. */
const MIN_FLUSH_WRITES = 16;
/** Less does not set out behind another flush: it waits for more. */
const MIN_FOLLOWING_BYTES = 8_192;
/** One that the server is at, and the next. */
const MAX_FLIGHTS = 2;
const MAX_FLUSH_BYTES = 2 * 1_024 * 1_024;
/** So often a flush is sent whose rows others change at the same time. */
const OVERTAKEN_TRIES = 3;
/** Rows that lead to others that have to be read. */
const MAX_READS = 3;
const UNCLEAR = { unclear: 'refused' } as const;
const NOTHING: Landed = { writes: [], answer: { flushed: { outcomes: [], events: [] } } };
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
 * Invariants 1. Writes take effect and are settled in the order of the calls. What needs more than one statement is under way alone.
 *            2. A write is settled after the commit that holds it (G1), while the next one is under way already.
 *            3. What waits is bounded in number and bytes (G10).
 *            4. When two connections in a row do not get through to the server, all that waits fails with what was under way: nobody waits for the
 *               time-outs of those before.
 */
export class WriteQueue implements OwnTransactions {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #limits: WaitingLimits;
  readonly #answerTimeoutMs: number;
  readonly #begin: string;
  readonly #parts: FlushParts & { readonly inlineRows: PostgresInlineRows };
  readonly #lost: () => void;
  readonly #appended: (events: readonly RecordedEvent[]) => void;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #flushing: Promise<void> | undefined;
  readonly #flights: Flights;
  /** Whether something may be sent behind what is under way. */
  #mayFollow = false;
  /** How many writes those took who are about to be told. */
  #lastTogether = 0;
  /** Of what is under way, when it is told of. */
  readonly #tellings: PromiseWithResolvers<void>[] = [];
  /** Connections in a row that did not get through to the server. */
  #missed = 0;
  /** Why what waits is to fail too. */
  #unreached: ThereuponError | undefined;
  #closed = false;

  constructor(options: {
    database: Database;
    clock: Clock;
    limits: WaitingLimits;
    answerTimeoutMs: number;
    /** One of BEGIN. */
    begin: string;
    partitions: Partitions;
    chaining: Chaining;
    inlineRows: PostgresInlineRows;
    /** The number under which this process listens. */
    listener: number;
    /** Of this queue alone. */
    name: string;
    /** It is not known what was appended, and nobody may tell. */
    lost: () => void;
    /** Something was appended, and is visible; told before the writes are settled. */
    appended: (events: readonly RecordedEvent[]) => void;
  }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#answerTimeoutMs = options.answerTimeoutMs;
    this.#begin = options.begin;
    this.#parts = { ...options, store: options.database.store };
    this.#appended = options.appended;
    this.#flights = new Flights(options.database, options.listener, options.name, options.chaining);
    this.#lost = options.lost;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when the transactions under way have ended, and what they appended was told of. */
  async transacted(): Promise<void> {
    await this.#tellings.at(-1)?.promise;
  }

  /** Appends, and maybe a unit around them, beside others in one transaction. */
  together(write: Appending): void {
    this.#submit({ together: write });
  }

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
    // Behind something, whose failure it shares; with nothing under way it is the turn of what is being looked at in detail.
    if (this.#mayFollow && this.#flights.count > 0) this.#send();
  }

  async #flushAll(): Promise<void> {
    // After the present run of callers, so that all of them share the transaction.
    await Promise.resolve();
    let settle: () => void = () => {};
    while (this.#waiting.length + this.#flights.count > 0) {
      this.#mayFollow = true;
      this.#send();
      const running = this.#flights.count > 0 ? this.#land() : this.#runAlone();
      // Whoever hears of the flush before may prepare its next write while the server is at this one.
      settle();
      settle = await running;
      if (this.#unreached !== undefined) {
        settle();
        settle = () => {};
        this.#failWaiting(this.#unreached);
      }
    }
    this.#mayFollow = false;
    // In the same step in which nothing waits: who comes now starts anew.
    this.#flushing = undefined;
    settle();
  }

  /**
   * Sends what one statement can do: a second one before the first is answered. So the server goes from one to the next, while those who waited
   * for the one before prepare theirs.
   */
  #send(): void {
    while (this.#flights.count < MAX_FLIGHTS && this.#waiting.length > 0 && this.#isWorthFlying) {
      const writes = this.#nextTogether();
      const whole = writes.length === 0 ? undefined : this.#oneStatement(writes);
      if (whole === undefined || whole === 'unread') {
        // It is carried out when nothing else is under way.
        this.#mayFollow = false;
        return;
      }
      this.#take(writes.length);
      this.#started();
      this.#flights.send(whole, this.#clock.now());
    }
  }

  /** A flush costs something by itself: a second one is sent where it holds as many writes as the one before, and not only a few. */
  get #isWorthFlying(): boolean {
    if (this.#flights.count === 0) return true;
    if (!this.#flights.mayBeFollowed) return false;
    return this.#waiting.length >= this.#flights.writes && this.#bytes >= MIN_FOLLOWING_BYTES;
  }

  /** Answers how those who wait for the first flight are told. */
  async #land(): Promise<() => void> {
    const { writes, answer } = (await this.#flights.landed()) ?? NOTHING;
    this.#lastTogether = writes.length;
    if ('flushed' in answer) {
      answer.flushed.committed?.();
      return () => this.#tell([{ writes, result: answer }]);
    }
    this.#mayFollow = false;
    this.#parts.inlineRows.forget();
    // What was sent behind it was refused with it.
    const behind: Landed[] = [];
    for (let next = await this.#flights.landed(); next !== undefined; next = await this.#flights.landed())
      behind.push(next);
    const outcomes = await this.#flushAgain(writes, answer);
    for (const next of behind) {
      if ('flushed' in next.answer) {
        next.answer.flushed.committed?.();
        outcomes.push({ writes: next.writes, result: next.answer });
      } else if (this.#unreached !== undefined)
        outcomes.push({ writes: next.writes, result: { failure: this.#unreached } });
      else outcomes.push(...(await this.#flush(next.writes)));
    }
    return () => this.#tell(outcomes, 1 + behind.length);
  }

  /** What comes next, when nothing else is under way. */
  async #runAlone(): Promise<() => void> {
    this.#mayFollow = false;
    this.#started();
    const [first] = this.#waiting;
    if (first !== undefined && 'alone' in first) {
      this.#take(1);
      return this.#change(first.alone);
    }
    const writes = this.#nextTogether();
    this.#take(writes.length);
    this.#lastTogether = writes.length;
    const outcomes = await this.#flush(writes);
    return () => this.#tell(outcomes);
  }

  async #change(alone: Alone): Promise<() => void> {
    try {
      await this.#transaction((queries) => alone.run(queries));
    } catch (error) {
      const failure = storeError(this.#database.store, error);
      return () => {
        this.#ended(1);
        alone.fail(failure);
      };
    }
    return () => {
      this.#ended(1);
      alone.settle();
    };
  }

  async #flush(writes: readonly Appending[], tries = OVERTAKEN_TRIES): Promise<Outcome[]> {
    const whole = await this.#readAndMade(writes);
    if (whole === undefined) return this.#flushAfter(writes, UNCLEAR);
    this.#flights.send(whole, this.#clock.now());
    const { answer } = (await this.#flights.landed()) ?? NOTHING;
    if ('flushed' in answer) {
      answer.flushed.committed?.();
      return [{ writes, result: answer }];
    }
    this.#parts.inlineRows.forget();
    return this.#flushAgain(writes, answer, tries - 1);
  }

  /** What others were before is done again on what they made; when that has happened often enough, while nobody else may. */
  async #flushAgain(
    writes: readonly Appending[],
    answer: Exclude<FlightAnswer, { flushed: Flushed }>,
    tries = OVERTAKEN_TRIES - 1,
  ): Promise<Outcome[]> {
    const isOvertaken = 'unclear' in answer && answer.unclear === 'overtaken';
    return isOvertaken && tries > 0 ? this.#flush(writes, tries) : this.#flushAfter(writes, answer);
  }

  /** After one statement that did not record them. */
  async #flushAfter(
    writes: readonly Appending[],
    answer: Exclude<FlightAnswer, { flushed: Flushed }>,
  ): Promise<Outcome[]> {
    let result: Outcome['result'];
    try {
      if ('failure' in answer) result = answer;
      else {
        result = { flushed: await this.#inDetail(writes) };
        if (answer.unclear === 'lost') this.#lost();
      }
    } catch (error) {
      result = { failure: this.#failureOf(error, 'unclear' in answer && answer.unclear === 'lost' ? 2 : 1) };
    }
    const isDefect = 'failure' in result && result.failure.fault === 'defect';
    if (!isDefect || writes.length === 1) return [{ writes, result }];
    // What one of them wants, the server cannot take: it is to be alone in failing.
    const outcomes: Outcome[] = [];
    for (const write of writes) outcomes.push(...(await this.#flush([write])));
    return outcomes;
  }

  /** Undefined: it takes more than that. */
  #oneStatement(writes: readonly Appending[]): OneStatement | 'unread' | undefined {
    const whole = OneStatement.of(writes);
    const { inlineRows } = this.#parts;
    if (whole === undefined || !inlineRows.any || whole.events.length === 0) return whole;
    const foreseen = inlineRows.foresee(whole.events);
    return typeof foreseen === 'object' ? whole.with(foreseen) : foreseen;
  }

  /** The same, when rows that it follows from were read, if need be. */
  async #readAndMade(writes: readonly Appending[]): Promise<OneStatement | undefined> {
    for (let reads = 0; reads < MAX_READS; reads += 1) {
      const whole = this.#oneStatement(writes);
      if (whole !== 'unread') return whole;
      try {
        await this.#parts.inlineRows.readAhead();
      } catch {
        // The transaction says what is the matter.
        return undefined;
      }
    }
    return undefined;
  }

  async #inDetail(writes: readonly Appending[]): Promise<Flushed> {
    const attempt = () =>
      this.#transaction((queries) => flush(queries, writes, this.#clock.now(), this.#parts), this.#answerTimeoutMs);
    const { inlineRows } = this.#parts;
    const flushed = await attempt().catch((error: unknown) => {
      // Without the rows that could not be written: a fact is recorded.
      if (inlineRows.hasRefused) return attempt();
      throw error;
    });
    flushed.committed?.();
    return flushed;
  }

  /** `connections`: so many were tried. */
  #failureOf(error: unknown, connections: number): ThereuponError {
    const failure = storeError(this.#database.store, error);
    const hasAnswered = failure.fault !== 'environment' || sqlStateOf(failure.cause) !== undefined;
    this.#missed = hasAnswered ? 0 : this.#missed + connections;
    if (this.#missed > 1) this.#unreached = failure;
    return failure;
  }

  #failWaiting(failure: ThereuponError): void {
    this.#unreached = undefined;
    this.#missed = 0;
    this.#bytes = 0;
    for (const write of this.#waiting.splice(0)) memberOf(write).fail(failure);
  }

  #started(): void {
    this.#tellings.push(Promise.withResolvers());
  }

  /** The oldest of what was begun, so many of them. */
  #ended(count: number): void {
    for (const { resolve } of this.#tellings.splice(0, count)) resolve();
  }

  #tell(outcomes: readonly Outcome[], begun = 1): void {
    for (const { writes, result } of outcomes) {
      if ('failure' in result) {
        for (const write of writes) write.fail(result.failure);
        continue;
      }
      this.#missed = 0;
      const { events, outcomes: each } = result.flushed;
      if (events.length > 0) this.#appended(events);
      for (const [index, write] of writes.entries()) write.settle(each[index]);
    }
    this.#ended(begun);
  }

  #transaction<Result>(work: (queries: Queries) => Promise<Result>, answerTimeoutMs?: number): Promise<Result> {
    return this.#database.transaction(this.#begin, (queries) => work(queries), answerTimeoutMs);
  }

  /**
   * Of callers who write again as soon as they are told, half: they prepare their next writes while the server is at those of the other half.
   * None: what comes first shares its transaction with no other.
   */
  #nextTogether(): readonly Appending[] {
    const others = this.#flights.count > 0 ? this.#flights.writes : this.#lastTogether;
    const half = Math.ceil((this.#waiting.length + others) / 2);
    const most = Math.min(MAX_FLUSH_WRITES, Math.max(MIN_FLUSH_WRITES, half));
    const next: Appending[] = [];
    let bytes = 0;
    for (const write of this.#waiting) {
      if ('alone' in write || next.length >= most) break;
      bytes += write.together.bytes;
      if (bytes > MAX_FLUSH_BYTES && next.length > 0) break;
      next.push(write.together);
    }
    return next;
  }

  #take(count: number): void {
    for (const write of this.#waiting.splice(0, count)) this.#bytes -= memberOf(write).bytes;
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
