import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Feed, FeedReader } from '../channel/feed.ts';
import type { EventLog } from '../channel/event-log.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import { ClaimLost, InvalidInput } from '../errors.ts';
import { reactingTo } from '../event/causality.ts';
import type { RecordedEvent } from '../event/event.ts';
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
  outage(error: Error | undefined): void;
}

/** Events taken and not settled, at most (G10). Above it the feed lets the consumer go, and it reads from the log when it has room. */
const MAX_SPAN = 4_096;
/** Deliveries set aside, at most, before the consumer takes no new events. */
const MAX_ASIDE = 100_000;
const PAGE = 1_000;

/**
 * One session of a consumer: from its checkpoint to a stop, a refused commit or the end of the system.
 *
 * States    loading → catching up ⇄ live → stopped. Catching up reads pages from the log; live is fed by the feed.
 * Invariants
 * 1. Every event that the selection matches is taken exactly once, in position order, and ends in exactly one of: handled with its
 *    effects committed, set aside in the store, expired.
 * 2. Of one key, events are handled in order, one after another; a key that is set aside keeps its order (OrderedAside).
 * 3. Effects, deliveries and checkpoint are committed together (Committer): a crash at any instant is a stop without a last commit.
 * 4. Memory is bounded by MAX_SPAN events and MAX_ASIDE keys.
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
      refused: (refusal) => options.refused(refusal),
      outage: (error) => options.outage(error),
    });
    this.#states = reaction.state === undefined ? undefined : new StateCache(stores.rows, reaction.state.namespace);
    this.#settlement = new Settlement({ setting, committer: this.#committer, progress: this.#progress, states: this.#states, figures });
    this.#lanes = new Lanes({
      concurrency: reaction.concurrency,
      run: (work) => this.#run(work),
      idle: () => this.#madeRoom(),
    });
    this.#deadlines = reaction.timeoutMs === undefined ? undefined : new Deadlines(environment.clock, reaction.timeoutMs);
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

  /** Nothing is under way, nothing waits, everything is committed, and the head of the log is reached. */
  get settled(): boolean {
    return this.#live && this.#progress.span === 0 && this.#attempts.size === 0 && this.#lanes.waiting === 0 && !this.#committer.busy;
  }

  offer(event: RecordedEvent): boolean {
    if (this.#stopped) return false;
    if (!this.#hasRoom()) {
      this.#live = false;
      this.#progress.passTo(this.#options.feed.head);
      this.#catchUpSoon();
      return false;
    }
    this.#take(event);
    return true;
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
    return this.#progress.span < MAX_SPAN && this.#aside.total < MAX_ASIDE;
  }

  #madeRoom(): void {
    if (this.#roomWanted !== undefined && this.#hasRoom()) this.#roomWanted();
    this.#queue?.pump();
  }

  #catchUpSoon(): void {
    this.#catchingUp ??= this.#catchUp().finally(() => {
      this.#catchingUp = undefined;
    });
  }

  async #catchUp(): Promise<void> {
    const { feed, setting } = this.#options;
    // Not in the call of the feed that let this reader go.
    await nextTurn();
    for (let failures = 0; !this.#stopped; ) {
      try {
        if (!this.#hasRoom()) await this.#room();
        if (this.#stopped) return;
        if (feed.attach(this, this.#progress.cursor)) {
          this.#live = true;
          return;
        }
        await this.#page();
        failures = 0;
        await nextTurn();
      } catch (error) {
        failures += 1;
        setting.logger.error({ consumer: setting.reaction.name, err: error, failures }, 'the log could not be read; trying again');
        await this.#pause(Math.min(5_000, 50 * 2 ** Math.min(failures, 10)));
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.setting.environment.clock.setTimer(delayMs, resolve);
      this.#roomWanted = () => {
        cancel();
        resolve();
      };
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
    const headBefore = feed.head;
    const events = await feed.read(this.#progress.cursor, PAGE);
    if (this.#stopped) return;
    const last = events.at(-1);
    if (last === undefined) {
      this.#progress.passTo(headBefore);
      return;
    }
    const mine = events.filter((event) => this.selection.matches(event));
    await this.#prefetch(mine);
    for (const event of mine) {
      while (!this.#hasRoom() && !this.#stopped) await this.#room();
      if (this.#stopped) return;
      this.#take(event);
    }
    this.#progress.passTo(last.position);
    this.#committer.settled(false);
  }

  async #prefetch(events: readonly RecordedEvent[]): Promise<void> {
    if (this.#states === undefined || events.length === 0) return;
    if (!this.#committer.busy) this.#states.trim();
    await this.#states.load(events.map((event) => this.#keyOf(event).key));
  }

  #keyOf(event: RecordedEvent): { key: string; error: unknown } {
    try {
      const key: unknown = this.#options.setting.reaction.keyOf(event);
      if (typeof key === 'string') return { key, error: undefined };
      return { key: event.stream, error: new InvalidInput({ path: 'key', expected: 'a string', found: key }) };
    } catch (error) {
      return { key: event.stream, error: error ?? new Error('the key function threw nothing') };
    }
  }

  #take(event: RecordedEvent): void {
    const known = this.#progress.isKnown(event.position);
    const pending = this.#progress.take(event.position);
    if (known) {
      this.#progress.settle(pending);
      return;
    }
    const { key, error } = this.#keyOf(event);
    const work: Work = { event, key, pending, delivery: undefined };
    if (this.#isExpired(event)) this.#settlement.expired(work);
    else if (this.#aside.intercept(work)) return;
    else if (error !== undefined) this.#fail(work, 1, error);
    else this.#submit(work);
  }

  #submit(work: Work): void {
    if (this.claims !== undefined) this.claims.offer(work);
    else this.#lanes.submit(work);
  }

  #isExpired(event: RecordedEvent): boolean {
    const { expirytime } = event;
    return expirytime !== undefined && (timestampMs(expirytime) ?? Number.POSITIVE_INFINITY) < this.#options.setting.environment.clock.now();
  }

  /** Handles work whose turn it is. A promise, which never rejects, when it takes time. */
  #run(work: Work): Promise<void> | undefined {
    const running = this.#handle(work);
    return running instanceof Promise ? running.then(() => undefined) : undefined;
  }

  /** Answers the delivery that stands for the event when the attempt failed. */
  #handle(work: Work): Promise<Delivery | undefined> | Delivery | undefined {
    const states = this.#states;
    if (states !== undefined && !states.has(work.key)) return this.#loadAndHandle(work, states);
    const { setting } = this.#options;
    const { handle } = setting.reaction;
    if (handle === undefined) return undefined;
    const attempt = new Attempt(setting, work.event, work.key, (work.delivery?.attempts ?? 0) + 1, states?.get(work.key));
    if (this.#options.refusals.size > 0) {
      const refusal = this.#options.refusals.get(work.event.position);
      if (refusal !== undefined && this.#options.refusals.delete(work.event.position)) return this.#fail(work, attempt.number, refusal);
    }
    let running: void | Promise<void>;
    try {
      running = reactingTo(work.event, handle, attempt);
    } catch (error) {
      attempt.close();
      return this.#fail(work, attempt.number, error);
    }
    if (running instanceof Promise || isThenable(running)) return this.#await(work, attempt, running);
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
      attempt.close(error instanceof Error ? error : undefined);
      return this.#fail(work, attempt.number, error);
    } finally {
      watchOver?.();
      if (this.#attempts.delete(attempt)) this.#attemptEnded?.();
    }
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
      run: async (work) => this.#handle(work),
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
    });
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
