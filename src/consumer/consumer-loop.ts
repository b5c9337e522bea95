import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Feed, FeedReader } from '../channel/feed.ts';
import type { EventLog } from '../channel/event-log.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import { ClaimLost, InvalidInput } from '../errors.ts';
import { reactingTo } from '../event/causality.ts';
import type { RecordedEvent } from '../event/event.ts';
import { roughBytes } from '../event/event-size.ts';
import type { Position } from '../event/position.ts';
import { timestampMs } from '../event/timestamp.ts';
import type { Aside } from './aside.ts';
import { OrderedAside } from './aside-ordered.ts';
import { QueueAside } from './aside-queue.ts';
import { Attempt } from './attempt.ts';
import type { AttemptSetting } from './attempt.ts';
import type { Checkpoint, CheckpointStore } from './checkpoint-store.ts';
import { Claims } from './claims.ts';
import { Committer } from './committer.ts';
import type { Refusal } from './committer.ts';
import { Deadlines } from './deadlines.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import type { Figures } from './figures.ts';
import { Lanes } from './lanes.ts';
import type { Work } from './lanes.ts';
import { Progress } from './progress.ts';
import type { RowStore } from './row-store.ts';
import { Settlement } from './settlement.ts';
import { StateCache } from './state-cache.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** The stores that a consumer works with. */
export interface ConsumerStores {
  readonly log: EventLog;
  readonly checkpoints: CheckpointStore;
  readonly deliveries: DeliveryStore;
  readonly rows: RowStore;
  readonly unitOfWork: UnitOfWork;
}

export interface ConsumerLoopOptions {
  readonly setting: AttemptSetting;
  readonly stores: ConsumerStores;
  readonly feed: Feed;
  readonly checkpoint: Checkpoint;
  readonly figures: Figures;
  /** Events whose effects the log refused to take, and why. Their next attempt fails with that reason, without being made. */
  readonly refusals: Map<Position, Error>;
  refused(refusal: Refusal): void;
  /** The loop cannot go on; from its checkpoint another one can. Called at most once. */
  failed(error: unknown): void;
  /** The store does not take commits, or does not let the log be read, at present; undefined: it does again. */
  outage(of: Outage, error: unknown): void;
}

/** What of the store is out of order. */
export type Outage = 'commits' | 'reads';

/** Events taken and not settled, at most (G10). Above it the feed lets the consumer go, and it reads from the log when it has room. */
const MAX_SPAN = 4_096;
/** And what they take in memory: large events are fewer. */
const MAX_SPAN_BYTES = 32 * 1_024 * 1_024;
/** Deliveries set aside, at most, before the consumer takes no new events. */
const MAX_ASIDE = 100_000;
/** Settled events and their publications that wait for the store, at most, before the consumer takes no new events. */
const MAX_UNCOMMITTED = 16_384;
const PAGE = 256;
/** One event in so many: below that an index finds the events faster than reading all. */
const SPARSE = 8;

/**
 * One session of a consumer: from its checkpoint to a stop, a refused commit or the end of the system.
 *
 * States    loading → catching up ⇄ live → stopped. Catching up reads pages from the log; live is fed by the feed.
 * Invariants
 * 1. Every event that the selection matches is taken exactly once, in position order, and ends in exactly one of: handled with its
 *    effects committed, set aside in the store, expired.
 * 2. Of one key, events are handled in order, one after another; a key that is set aside keeps its order (OrderedAside).
 * 3. Effects, deliveries and checkpoint are committed together (Committer): a crash at any instant is a stop without a last commit.
 * 4. Memory is bounded by MAX_SPAN events and MAX_SPAN_BYTES, MAX_ASIDE deliveries and MAX_UNCOMMITTED settled events.
 */
export class ConsumerLoop implements FeedReader {
  readonly selection: CompiledSelection;
  readonly claims: Claims | undefined;
  readonly #options: ConsumerLoopOptions;
  readonly #progress: Progress;
  readonly #committer: Committer;
  readonly #settlement: Settlement;
  readonly #lanes: Lanes;
  readonly #aside: Aside;
  readonly #queue: QueueAside | undefined;
  readonly #states: StateCache | undefined;
  readonly #deadlines: Deadlines | undefined;
  readonly #attempts = new Set<Attempt>();
  #live = false;
  #stopped = false;
  #catchingUp: Promise<void> | undefined;
  #roomWanted: (() => void) | undefined;
  /** Few events of the history concern this consumer: they are looked up by type instead of reading all. */
  #sparse = false;

  constructor(options: ConsumerLoopOptions) {
    const { setting, stores, figures } = options;
    const { reaction, environment } = setting;
    this.#options = options;
    this.selection = reaction.selection;
    this.#progress = new Progress(options.checkpoint);
    this.#committer = new Committer({
      consumer: reaction.name,
      unitOfWork: stores.unitOfWork,
      environment,
      snapshot: () => this.checkpoint(),
      catchingUp: () => !this.#live,
      committed: () => this.#committed(),
      refused: (refusal) => options.refused(refusal),
      failed: (error) => options.failed(error),
      outage: (error) => options.outage('commits', error),
    });
    this.#states = reaction.state === undefined ? undefined : new StateCache(stores.rows, reaction.state.namespace);
    this.#settlement = new Settlement({
      setting,
      committer: this.#committer,
      progress: this.#progress,
      states: this.#states,
      figures,
    });
    this.#lanes = new Lanes({
      concurrency: reaction.concurrency,
      run: (work) => this.#run(work),
      idle: () => this.#madeRoom(),
    });
    this.#deadlines =
      reaction.timeoutMs === undefined ? undefined : new Deadlines(environment.clock, reaction.timeoutMs);
    this.#queue = reaction.mode === 'queue' ? this.#queueAside() : undefined;
    this.#aside = this.#queue ?? this.#orderedAside();
    this.claims = reaction.handle === undefined ? this.#openClaims() : undefined;
  }

  /** Begins to take events. Rejects when the store cannot be read. */
  async start(): Promise<void> {
    await this.#aside.load();
    if (!this.#stopped) this.#catchUpSoon();
  }

  /** What a restart would begin from, were it committed now. */
  checkpoint(): Checkpoint {
    if (this.#live) this.#progress.passTo(this.#options.feed.head);
    return this.#progress.snapshot();
  }

  get live(): boolean {
    return this.#live;
  }

  /** Attempts under way. */
  get inFlight(): number {
    return this.#attempts.size + (this.claims?.held ?? 0);
  }

  /** Events taken and not settled. */
  get buffered(): number {
    return this.#progress.span;
  }

  get setAside(): number {
    return this.#aside.total;
  }

  get heldKeys(): number {
    return this.#aside.heldKeys;
  }

  /** The head of the log is reached; nothing is under way, and nothing waits but for time, a receiver or an operator. */
  get idle(): boolean {
    if (!this.#live || this.#aside.busy) return false;
    return (
      this.claims !== undefined ||
      (this.#progress.span === 0 && this.#attempts.size === 0 && this.#lanes.waiting + this.#lanes.running === 0)
    );
  }

  /** Something goes on when time passes: an attempt, a claim or a lease under way, a retry, a delay. */
  get timed(): boolean {
    return this.inFlight > 0 || this.#aside.timed;
  }

  /** Idle, and everything is committed. */
  get settled(): boolean {
    return this.idle && !this.#committer.busy;
  }

  offer(event: RecordedEvent): boolean {
    if (this.#stopped) return false;
    // A consumer may begin at a position that the log has not reached yet.
    if (event.position <= this.#progress.cursor) return true;
    if (!this.#hasRoom()) {
      this.#live = false;
      this.#progress.passTo(this.#options.feed.head);
      this.#catchUpSoon();
      return false;
    }
    return this.#took(event);
  }

  /** An operator changed stored deliveries of a key. */
  deliveriesChanged(key: string, removed: number): void {
    if (this.#stopped) return;
    this.#aside.changed(key, removed);
    this.#madeRoom();
  }

  /** Resolves when everything settled so far is durable. */
  flush(): Promise<void> {
    return this.#committer.flush();
  }

  /** Commits what waits for company. */
  hurry(): void {
    this.#committer.hurry();
  }

  /** Writes the checkpoint although nothing changed: the consumer has seen that nothing up to the head concerns it. */
  async saveCheckpoint(): Promise<void> {
    this.#committer.settled(true);
    await this.#committer.flush();
  }

  /**
   * Takes nothing more, waits for attempts under way until `deadline` resolves, commits what is settled.
   * Attempts that are still running then lose their claim; they are not counted as failed.
   */
  async stop(deadline: Promise<void>): Promise<void> {
    if (this.#stopped) return;
    this.#stopTaking();
    this.#lanes.clear();
    this.claims?.close();
    const ended = this.#attemptsEnded();
    await Promise.race([ended, deadline]);
    this.#abandon();
    if (!this.#committer.stopped) await Promise.race([this.#committer.flush(), deadline]).catch(() => undefined);
    this.#committer.stop();
    await this.#catchingUp;
  }

  /** As after a crash: nothing that is not committed yet will be. */
  abort(): void {
    this.#stopTaking();
    this.#lanes.clear();
    this.claims?.close();
    this.#committer.stop();
    this.#abandon();
  }

  #stopTaking(): void {
    this.#stopped = true;
    this.#options.feed.detach(this);
    if (this.#live) this.#progress.passTo(this.#options.feed.head);
    this.#live = false;
    this.#aside.stop();
    this.#roomWanted?.();
  }

  #abandon(): void {
    this.#deadlines?.clear();
    for (const attempt of this.#attempts) attempt.close(new ClaimLost(attempt.consumer, attempt.event.position));
    this.#attempts.clear();
    this.#attemptEnded?.();
  }

  #attemptEnded: (() => void) | undefined;

  #attemptsEnded(): Promise<void> {
    if (this.#attempts.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#attemptEnded = () => {
        if (this.#attempts.size === 0) resolve();
      };
    });
  }

  #hasRoom(): boolean {
    return (
      this.#progress.span < MAX_SPAN &&
      this.#progress.bytes < MAX_SPAN_BYTES &&
      this.#aside.total < MAX_ASIDE &&
      this.#committer.uncommitted < MAX_UNCOMMITTED
    );
  }

  #committed(): void {
    this.#options.outage('commits', undefined);
    this.#states?.trim((key) => this.#committer.hasRow(key));
    if (this.#roomWanted !== undefined) this.#madeRoom();
  }

  #madeRoom(): void {
    if (this.#roomWanted !== undefined && this.#hasRoom()) this.#roomWanted();
    this.#queue?.pump();
  }

  #catchUpSoon(): void {
    this.#catchingUp ??= this.#catchUp().finally(() => {
      this.#catchingUp = undefined;
      // The feed may have let go of this reader between its last step and here.
      if (!this.#live && !this.#stopped) this.#catchUpSoon();
    });
  }

  async #catchUp(): Promise<void> {
    const { feed, setting } = this.#options;
    // Not in the call of the feed that let this reader go.
    await nextTurn();
    for (let failures = 0; !this.#stopped;) {
      try {
        if (!this.#hasRoom()) await this.#room();
        if (this.#stopped) return;
        if (feed.attach(this, this.#progress.cursor)) {
          this.#live = true;
          return;
        }
        await this.#page();
        if (failures > 0) this.#options.outage('reads', undefined);
        failures = 0;
        await nextTurn();
      } catch (error) {
        if (this.#stopped) return;
        failures += 1;
        this.#options.outage('reads', error);
        setting.logger.error(
          { consumer: setting.reaction.name, err: error, failures },
          'the log could not be read; trying again',
        );
        await this.#pause(Math.min(5_000, 50 * 2 ** Math.min(failures, 10)));
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const cancel = this.#options.setting.environment.clock.setTimer(delayMs, resolve);
      this.#roomWanted = () => {
        cancel();
        resolve();
      };
    }).finally(() => {
      this.#roomWanted = undefined;
    });
  }

  /** Waits until there is room for a good part of a page, or the consumer stops. */
  async #room(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#roomWanted = resolve;
    });
    this.#roomWanted = undefined;
  }

  async #page(): Promise<void> {
    const { feed } = this.#options;
    const { cursor } = this.#progress;
    const { events, upTo } = await feed.read(cursor, PAGE, this.#sparse ? this.selection.types : undefined);
    if (this.#stopped) return;
    const mine = events.filter((event) => this.selection.matches(event));
    // Positions are only about as dense as events; for a guess that is enough.
    this.#sparse = mine.length * SPARSE < upTo - cursor;
    await this.#prefetch(mine);
    for (const event of mine) {
      while (!this.#hasRoom() && !this.#stopped) await this.#room();
      if (this.#stopped || !this.#took(event)) return;
    }
    this.#progress.passTo(upTo);
    this.#committer.settled(false);
  }

  async #prefetch(events: readonly RecordedEvent[]): Promise<void> {
    if (this.#states === undefined || events.length === 0) return;
    await this.#states.load(events.map((event) => this.#keyOf(event).key));
  }

  #keyOf(event: RecordedEvent): { key: string; error: unknown } {
    try {
      const key: unknown = this.#options.setting.reaction.keyOf(event);
      // Stores keep text as UTF-8, where two keys with lone surrogates would become one.
      if (typeof key === 'string' && key.isWellFormed()) return { key, error: undefined };
      return {
        key: event.stream,
        error: new InvalidInput({ path: 'key', expected: 'a string without lone surrogates', found: key }),
      };
    } catch (error) {
      return { key: event.stream, error: error ?? new Error('the key function threw nothing') };
    }
  }

  #took(event: RecordedEvent): boolean {
    try {
      this.#take(event);
      return true;
    } catch (error) {
      // A defect: the event may be half taken. The checkpoint is right, so the next loop begins there.
      this.#options.failed(error);
      return false;
    }
  }

  #take(event: RecordedEvent): void {
    const known = this.#progress.isKnown(event.position);
    const pending = this.#progress.take(event.position, roughBytes(event));
    if (known) {
      this.#progress.settle(pending);
      return;
    }
    const { key, error } = this.#keyOf(event);
    const work: Work = { event, key, pending, delivery: undefined, ended: undefined };
    if (this.#isExpired(event)) {
      this.#settlement.expired(work);
      return;
    }
    try {
      if (this.#aside.intercept(work)) return;
    } catch (thrown) {
      this.#fail(work, 1, thrown);
      return;
    }
    if (error !== undefined) this.#fail(work, 1, error);
    else this.#submit(work);
  }

  #submit(work: Work): void {
    if (this.claims !== undefined) this.claims.offer(work);
    else this.#lanes.submit(work);
  }

  #isExpired(event: RecordedEvent): boolean {
    const { expirytime } = event;
    return (
      expirytime !== undefined &&
      (timestampMs(expirytime) ?? Number.POSITIVE_INFINITY) < this.#options.setting.environment.clock.now()
    );
  }

  /** Handles work whose turn it is. A promise, which never rejects, when it takes time. */
  #run(work: Work): Promise<void> | undefined {
    const running = this.#handle(work);
    if (running instanceof Promise) return running.then((failed) => work.ended?.(failed));
    work.ended?.(running);
    return undefined;
  }

  /** Answers the delivery that stands for the event when the attempt failed. */
  #handle(work: Work): Promise<Delivery | undefined> | Delivery | undefined {
    if (this.#stopped || this.#expire(work)) return undefined;
    const states = this.#states;
    if (states !== undefined && !states.has(work.key)) return this.#loadAndHandle(work, states);
    const { setting } = this.#options;
    const { handle } = setting.reaction;
    if (handle === undefined) return undefined;
    const attempt = new Attempt(
      setting,
      work.event,
      work.key,
      (work.delivery?.attempts ?? 0) + 1,
      states?.get(work.key),
    );
    if (this.#options.refusals.size > 0) {
      const refusal = this.#options.refusals.get(work.event.position);
      if (refusal !== undefined && this.#options.refusals.delete(work.event.position))
        return this.#fail(work, attempt.number, refusal);
    }
    let running: PromiseLike<unknown> | undefined;
    try {
      const answer: unknown = reactingTo(work.event, handle, attempt);
      if (answer instanceof Promise || isThenable(answer)) running = answer;
    } catch (error) {
      attempt.close();
      return this.#fail(work, attempt.number, error);
    }
    if (running !== undefined) return this.#await(work, attempt, running);
    const unfinished = attempt.unfinished();
    if (unfinished !== undefined) return this.#await(work, attempt, unfinished);
    this.#succeed(work, attempt);
    return undefined;
  }

  async #loadAndHandle(work: Work, states: StateCache): Promise<Delivery | undefined> {
    try {
      await states.load([work.key]);
    } catch (error) {
      // Reading the state is part of the attempt: the store may be back for the next one.
      return this.#stopped ? undefined : this.#fail(work, (work.delivery?.attempts ?? 0) + 1, error);
    }
    return this.#stopped ? undefined : this.#handle(work);
  }

  async #await(work: Work, attempt: Attempt, running: PromiseLike<unknown>): Promise<Delivery | undefined> {
    this.#attempts.add(attempt);
    const { promise: expired, reject } = Promise.withResolvers<never>();
    const { timeoutMs } = this.#options.setting.reaction;
    const watchOver = this.#deadlines?.watch(() => reject(attempt.timedOut(timeoutMs ?? 0)));
    try {
      await (watchOver === undefined ? running : Promise.race([running, expired]));
      await attempt.unfinished();
      if (!this.#attempts.has(attempt)) return undefined;
      this.#succeed(work, attempt);
      return undefined;
    } catch (error) {
      // An attempt that lost its claim has nothing to say any more; its successor settles the event.
      if (!this.#attempts.has(attempt)) return undefined;
      attempt.close(asError(error));
      return this.#fail(work, attempt.number, error);
    } finally {
      watchOver?.();
      if (this.#attempts.delete(attempt)) this.#attemptEnded?.();
    }
  }

  /** An event that had to wait may have outlived its use. */
  #expire(work: Work): boolean {
    if (!this.#isExpired(work.event)) return false;
    this.#settlement.expired(work);
    if (work.delivery !== undefined) this.#queue?.done(work.delivery);
    return true;
  }

  #succeed(work: Work, attempt: Attempt): void {
    this.#settlement.done(work, attempt);
    this.#options.figures.lastHandledMs = this.#options.setting.environment.clock.now();
    if (work.delivery !== undefined) this.#queue?.done(work.delivery);
    if (this.#roomWanted !== undefined) this.#madeRoom();
  }

  #fail(work: Work, attempts: number, error: unknown, delayMs?: number): Delivery {
    const delivery = this.#settlement.failed(work, attempts, error, delayMs);
    this.#aside.failed(work, delivery);
    if (this.#roomWanted !== undefined) this.#madeRoom();
    return delivery;
  }

  #orderedAside(): OrderedAside {
    const { setting, stores } = this.#options;
    return new OrderedAside({
      consumer: setting.reaction.name,
      environment: setting.environment,
      deliveries: stores.deliveries,
      log: stores.log,
      committer: this.#committer,
      settlement: this.#settlement,
      lanes: this.#lanes,
      concurrency: setting.reaction.concurrency,
      keyOf: (event) => this.#keyOf(event),
      fail: (work, attempts, error) => this.#fail(work, attempts, error),
      settled: () => this.#madeRoom(),
    });
  }

  #queueAside(): QueueAside {
    const { setting, stores } = this.#options;
    return new QueueAside({
      reaction: setting.reaction,
      environment: setting.environment,
      deliveries: stores.deliveries,
      log: stores.log,
      committer: this.#committer,
      settlement: this.#settlement,
      limit: setting.reaction.concurrency,
      submit: (work) => this.#submit(work),
    });
  }

  #openClaims(): Claims {
    return new Claims({
      consumer: this.#options.setting.reaction.name,
      setting: this.#options.setting,
      committed: () => this.#committer.flush(),
      succeed: (work, attempt) => this.#succeed(work, attempt),
      fail: (work, attempts, error, delayMs) => this.#fail(work, attempts, error, delayMs),
      expire: (work) => this.#expire(work),
    });
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** What was thrown may defend itself even against this question. */
function asError(thrown: unknown): Error | undefined {
  try {
    return thrown instanceof Error ? thrown : undefined;
  } catch {
    return undefined;
  }
}
