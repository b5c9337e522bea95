import type { Feed } from '../channel/feed.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import type { RecordedEvent } from '../event/event.ts';
import { roughBytes } from '../event/event-size.ts';
import type { Position } from '../event/position.ts';
import { timestampMs } from '../event/timestamp.ts';
import { whyUnreadable } from '../event/upcast-event.ts';
import type { Aside } from './aside.ts';
import { OrderedAside } from './aside-ordered.ts';
import { QueueAside } from './aside-queue.ts';
import type { Attempt, AttemptSetting } from './attempt.ts';
import { Attempts } from './attempts.ts';
import type { ConsumerForm } from './checkpoint-store.ts';
import { Claims } from './claims.ts';
import { CommitPlace, markOf } from './commit-place.ts';
import { Committer } from './committer.ts';
import type { Refusal } from './committer.ts';
import type { Delivery, FailedPart } from './delivery-store.ts';
import type { Figures } from './figures.ts';
import { Intake } from './intake.ts';
import { isDue, KeyQueues } from './key-queues.ts';
import type { Work, WorkTime } from './key-queues.ts';
import { keyFor } from './keys.ts';
import { LaneShare } from './lane-share.ts';
import type { LaneGroup } from './lanes.ts';
import { mayBeTakenBack } from './left-out.ts';
import { Progress } from './progress.ts';
import type { ReactionTime } from './reaction.ts';
import { isPatient, Room } from './room.ts';
import { Settlement } from './settlement.ts';
import { StateCache } from './state-cache.ts';
import type { TimeStatus } from './status.ts';
import { TimeCourse } from './time-course.ts';
import type { TimeWishes } from './time-wishes.ts';
import type { Unit } from './unit-of-work.ts';

export interface ConsumerLoopOptions {
  readonly setting: AttemptSetting;
  readonly stores: ConsumerStores;
  readonly feed: Feed;
  /** The lanes that it handles, and where it goes on in each. At least one group. */
  readonly groups: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[];
  /** When the consumer was created. */
  readonly createdMs: number;
  /** As of its form. */
  readonly looksFor: ConsumerForm['looksFor'];
  /** What its commits carry; undefined: nobody else runs the consumer, and its groups hold all lanes. */
  readonly token: number | undefined;
  readonly figures: Figures;
  /** Of all consumers of the system. */
  readonly wishes: TimeWishes;
  /** Events whose effects the log refused to take, and why. Their next attempt fails with that reason, without being made. */
  readonly refusals: Map<Position, Error>;
  /** Up to here something cannot be committed that is not found yet: until then every event is committed by itself. */
  readonly carefulUpTo: Position;
  refused(refusal: Refusal): void;
  /** No event behind it is taken. Default: all are. */
  readonly upTo?: Position | undefined;
  /** The head of the log was reached, or that place. */
  caughtUp(): void;
  /** An event is a dead letter from now on. */
  parked(delivery: Delivery, event: RecordedEvent): void;
  /** The loop cannot go on; from its checkpoint another one can. Called at most once. `position`: the event at fault, where it is known. */
  failed(error: unknown, position: Position | undefined): void;
  /** Something was committed that was not there before. */
  progressed(): void;
  /** What was set aside of a key was worked off, or what could be. */
  settledAside(): void;
  /** The store does not take commits, or does not let the log be read, at present; undefined: it does again. */
  outage(of: Outage, error: unknown): void;
}

/** What of the store is out of order. */
export type Outage = 'commits' | 'reads';

/** From so near the store takes over an inline projection: half of what it brings up itself (`INLINE_EVENTS`), since more comes meanwhile. */
const NEAR_HEAD = 1_000;

/** So many events of others are passed at most before it is written down how far this one is. */
const MAX_PASSED = 256;

/**
 * One session of a consumer: from its checkpoint to a stop, a refused commit or the end of the system. Joins those who bring events
 * (Intake), keep order (KeyQueues, Aside), let them be handled (Attempts, Claims), and record what came of it (Settlement, Committer).
 *
 * States    loading → running → stopped.
 * Invariants
 * 1. Every event that is taken ends in exactly one of: handled with its effects committed, set aside in the store, expired.
 * 2. Of one key, events are handled in order, one after another; a key that is set aside keeps its order (OrderedAside).
 * 3. Effects, deliveries and checkpoint are committed together (Committer): a crash at any instant is a stop without a last commit.
 * 4. Memory is bounded (Room).
 */
export class ConsumerLoop {
  readonly claims: Claims | undefined;
  readonly #options: ConsumerLoopOptions;
  readonly #progress: Progress;
  readonly #committer: Committer;
  readonly #settlement: Settlement;
  readonly #queues: KeyQueues;
  readonly #aside: Aside;
  readonly #queue: QueueAside | undefined;
  readonly #ordered: OrderedAside | undefined;
  readonly #states: StateCache | undefined;
  readonly #attempts: Attempts;
  readonly #intake: Intake;
  readonly #share: LaneShare;
  readonly #time: TimeCourse | undefined;
  readonly #room: Room;
  readonly #place: CommitPlace;
  #stopped = false;
  /** The low mark of the checkpoint as the store has it. */
  #savedLow: Position;

  constructor(options: ConsumerLoopOptions) {
    const { setting, stores, figures } = options;
    const { reaction } = setting;
    this.#options = options;
    this.#progress = new Progress(options.groups);
    this.#savedLow = this.#progress.low;
    this.#share = new LaneShare(reaction, stores, options.token === undefined ? undefined : options.groups);
    this.#intake = this.#createIntake();
    this.#place = new CommitPlace({
      consumer: reaction.name,
      environment: setting.environment,
      groups: options.groups,
      token: options.token,
      progress: this.#progress,
      time: () => this.#time,
    });
    this.#committer = this.#createCommitter();
    this.#room = new Room({
      reaction,
      progress: this.#progress,
      committer: this.#committer,
      aside: () => this.#aside,
      time: () => this.#time,
      claims: () => this.claims,
    });
    this.#states = reaction.state === undefined ? undefined : new StateCache(stores.rows, reaction.state);
    this.#time = reaction.time && this.#createTimeCourse(reaction.time);
    this.#settlement = new Settlement({
      setting,
      committer: this.#committer,
      progress: this.#progress,
      states: this.#states,
      figures,
      due: this.#time?.due,
    });
    this.#attempts = new Attempts({
      setting,
      states: this.#states,
      refusals: options.refusals,
      time: this.#time,
      expire: (work) => this.#expire(work),
      succeed: (work, attempt) => this.#succeed(work, attempt),
      fail: (work, attempts, error, part) => this.#fail(work, attempts, error, undefined, part),
      lapsed: (delivery) => this.#settlement.lapsed(delivery),
      over: (work) => this.#queues.over(work),
      outage: (error) => options.outage('reads', error),
    });
    this.#queues = new KeyQueues({
      concurrency: reaction.concurrency,
      run: (work) => this.#attempts.run(work),
      idle: () => this.#madeRoom(),
    });
    if (reaction.mode === 'queue') {
      this.#queue = this.#createQueueAside();
      this.#aside = this.#queue;
    } else {
      this.#ordered = this.#createOrderedAside();
      this.#aside = this.#ordered;
    }
    this.claims = reaction.handle === undefined ? this.#createClaims() : undefined;
  }

  /** Begins to take events. Rejects when the store cannot be read. */
  async start(): Promise<void> {
    await this.#aside.load();
    await this.#time?.due.load();
    await this.#options.setting.leftOut?.load();
    this.#intake.start();
    this.#time?.start();
    this.#tellTime();
  }

  /** The token of its lanes; undefined: nobody else runs the consumer. */
  get token(): number | undefined {
    return this.#options.token;
  }

  /** Everything up to here is settled. */
  get low(): Position {
    this.#intake.passToHead();
    return this.#progress.low;
  }

  /** Everything up to here was taken. */
  get cursor(): Position {
    return this.#progress.cursor;
  }

  /** Why no event can be taken until an operator does something; undefined: one can. */
  get blocked(): string | undefined {
    return this.#intake.wantsRoom ? this.#aside.full : undefined;
  }

  /** Fed from the head of the log. */
  get live(): boolean {
    return this.#intake.live;
  }

  get timeStatus(): TimeStatus | undefined {
    return this.#time?.status;
  }

  /** Attempts and claims under way. */
  get inFlight(): number {
    return this.#attempts.underWay + (this.claims?.held ?? 0);
  }

  /** Events taken and not settled. */
  get buffered(): number {
    return this.#progress.span;
  }

  /** The head of the log is reached; nothing is under way, and nothing waits but for time, a receiver or an operator. */
  get idle(): boolean {
    if (this.#aside.busy || this.#time?.due.busy === true) return false;
    if (this.claims !== undefined) return this.live || this.#intake.wantsRoom;
    return (
      this.live &&
      this.#progress.span === 0 &&
      this.#attempts.underWay === 0 &&
      this.#queues.waiting + this.#queues.running === 0
    );
  }

  /** Something goes on when time passes: an attempt, a claim or a lease under way, a retry, a delay. */
  get timed(): boolean {
    return this.inFlight > 0 || this.#attempts.pausing || this.#aside.timed || this.#time?.timed === true;
  }

  /** At the head of the log, or near, with nothing set aside. */
  get undisturbed(): boolean {
    const ahead = this.live ? 0 : this.#options.feed.head - this.#progress.cursor;
    return !this.#stopped && ahead <= NEAR_HEAD && this.#ordered?.holdsNone === true;
  }

  /** Idle, and everything is committed. */
  get settled(): boolean {
    return this.idle && !this.#committer.busy;
  }

  /** An operator changed stored deliveries of a key. */
  deliveriesChanged(key: string, removed: number): void {
    if (this.#stopped || !this.#share.has(key)) return;
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
   * Writes the checkpoint soon, if events were passed since it was written: what the store knows of lanes whose keys are quiet would else fall
   * behind that of the others.
   */
  savePassed(): void {
    if (this.low > this.#savedLow) this.#committer.settled(false);
  }

  /**
   * Takes nothing more, waits for attempts under way until `deadline` resolves, commits what is settled.
   * Attempts that are still running then lose their claim; they are not counted as failed. `receivers` says what becomes of what receivers
   * hold: they lose it at once, or have until the deadline to settle it.
   */
  async stop(deadline: Promise<void>, receivers: 'lose' | 'finish' = 'lose'): Promise<void> {
    if (this.#stopped) return;
    this.#stopTaking();
    if (receivers === 'lose') this.claims?.close();
    await Promise.race([Promise.all([this.#attempts.ended(), this.claims?.ended()]), deadline]);
    this.#attempts.abandon();
    this.claims?.close();
    // Also where nothing concerned it: whoever looks at the record while it is stopped shall see how far it was.
    if (this.#progress.low !== this.#savedLow) this.#committer.settled(false);
    if (!this.#committer.stopped) await Promise.race([this.#committer.flush(), deadline]).catch(() => undefined);
    this.#committer.stop();
    await this.#intake.stopped();
  }

  /** As after a crash: nothing that is not committed yet will be. */
  abort(): void {
    this.#stopTaking();
    this.claims?.close();
    this.#committer.stop();
    this.#attempts.abandon();
  }

  #stopTaking(): void {
    this.#stopped = true;
    this.#time?.stop();
    this.#intake.stop();
    this.#attempts.stop();
    this.#aside.stop();
    this.#queues.clear();
    this.claims?.stop();
  }

  #committed(unit: Unit): void {
    const { figures, refusals, carefulUpTo } = this.#options;
    figures.commits += 1;
    this.#options.outage('commits', undefined);
    if (this.#progresses(unit)) this.#options.progressed();
    if (unit.checkpoint !== undefined) this.#savedLow = unit.checkpoint.low;
    // Only now the refusal has a delivery that stands for it: a loop that begins before that meets the refusal again.
    if (refusals.size > 0) for (const { position } of unit.deliveries.put) refusals.delete(position);
    if (this.#committer.careful && this.#progress.low >= carefulUpTo) this.#committer.relax();
    this.#options.setting.leftOut?.committed(unit.rows);
    this.#states?.trim((key) => this.#committer.hasRow(key));
    if (this.#intake.wantsRoom || this.#time !== undefined) this.#madeRoom();
    this.#time?.look();
  }

  /** Something came of it: it is not only the checkpoint of before, written again. */
  #progresses({ checkpoint, appends, rows, deliveries }: Unit): boolean {
    return (
      appends.length + rows.length + deliveries.put.length + deliveries.remove.length > 0 ||
      (checkpoint !== undefined && checkpoint.low > this.#savedLow)
    );
  }

  #madeRoom(): void {
    this.#time?.due.advance();
    this.#intake.madeRoom();
    this.#queue?.pump();
  }

  async #prefetch(events: readonly RecordedEvent[]): Promise<void> {
    if (this.#states === undefined || events.length === 0) return;
    const { reaction } = this.#options.setting;
    await this.#states.load(events.map((event) => keyFor(reaction, event).key).filter((key) => this.#share.has(key)));
  }

  #took(event: RecordedEvent): boolean {
    try {
      this.#take(event);
      return true;
    } catch (error) {
      // A defect: the event may be half taken. The checkpoint is right, so the next loop begins there.
      this.#options.failed(error, undefined);
      return false;
    }
  }

  #take(event: RecordedEvent): void {
    const time = this.#time;
    if (time === undefined) this.#takeAt(event, undefined, undefined);
    else if (time.isPassage(event)) {
      this.#progress.passTo(event.position);
      time.pass(event);
      this.#tellTime();
    } else if (time.isTold(event)) {
      this.#progress.passTo(event.position);
      time.tell(event);
      this.#tellTime();
    } else time.observe(event, (at, unknown) => this.#takeAt(event, at, unknown));
  }

  /** `unknown`: why it cannot be told when the event happened. */
  #takeAt(event: RecordedEvent, time: WorkTime | undefined, unknown: unknown): void {
    const { key, error = unknown } = keyFor(this.#options.setting.reaction, event);
    const lane = this.#share.laneOf(key);
    if (lane === undefined) {
      this.#progress.passTo(event.position);
      // Who looks how far all lanes are reads what lies between.
      if (event.position - this.#savedLow >= MAX_PASSED && !this.#committer.busy) this.savePassed();
      return;
    }
    const known = this.#progress.isKnown(event.position, lane);
    const pending = this.#progress.take(event.position, roughBytes(event));
    if (known) {
      this.#progress.settle(pending);
      return;
    }
    const work: Work = { event, key, pending, delivery: undefined, time, ended: undefined };
    if (this.#expire(work)) return;
    try {
      if (this.#aside.intercept(work)) return;
    } catch (thrown) {
      this.#fail(work, 1, thrown);
      return;
    }
    if (error !== undefined) this.#fail({ ...work, time: undefined }, 1, error);
    else this.#submit(work);
  }

  #submit(work: Work): void {
    if (this.claims === undefined) {
      this.#queues.submit(work);
      return;
    }
    const unreadable = whyUnreadable(work.event);
    if (unreadable === undefined) this.claims.offer(work);
    else this.#fail(work, (work.delivery?.attempts ?? 0) + 1, unreadable);
  }

  /** Settles an event that has outlived its use, maybe while it had to wait. */
  #expire(work: Work): boolean {
    const { event, delivery } = work;
    const { types } = this.#options.setting.reaction.selection;
    // What was set aside may be of a type that the definition has no longer: it would be taken for something else.
    if (delivery !== undefined && !isDue(work) && types?.includes(event.type) === false)
      this.#settlement.unwanted(work);
    else if (this.#isExpired(event)) this.#settlement.expired(work);
    else return false;
    if (work.delivery !== undefined) this.#queue?.done(work.delivery);
    return true;
  }

  #isExpired({ expirytime }: RecordedEvent): boolean {
    const expiryMs = expirytime === undefined ? undefined : timestampMs(expirytime);
    return (expiryMs ?? Number.POSITIVE_INFINITY) < this.#options.setting.environment.clock.now();
  }

  #succeed(work: Work, attempt: Attempt): void {
    this.#settlement.done(work, attempt);
    this.#options.figures.lastHandledMs = this.#options.setting.environment.clock.now();
    if (work.delivery !== undefined) this.#queue?.done(work.delivery);
    if (this.#intake.wantsRoom) this.#madeRoom();
  }

  #fail(work: Work, attempts: number, error: unknown, delayMs?: number, part?: FailedPart): Delivery {
    const delivery = this.#settlement.failed(work, attempts, error, delayMs, part);
    this.#aside.failed(work, delivery);
    if (delivery.state === 'parked') this.#options.parked(delivery, work.event);
    if (this.#intake.wantsRoom) this.#madeRoom();
    return delivery;
  }

  #createIntake(): Intake {
    const { setting, feed } = this.#options;
    return new Intake({
      consumer: setting.reaction.name,
      selection: setting.reaction.selection,
      feed,
      log: this.#share.log,
      progress: this.#progress,
      environment: setting.environment,
      upTo: this.#options.upTo,
      givesWay: setting.reaction.build !== undefined,
      hasRoom: () => this.#room.has(),
      prefetch: (events) => this.#prefetch(events),
      take: (event) => this.#took(event),
      passed: () => {
        this.#committer.settled(false);
        // Where others publish all the time it never comes to the very head. The store takes it from near there, when this is committed.
        if (setting.reaction.inline !== undefined && this.undisturbed) this.#committer.hurry();
      },
      // What came of the history is waited for from now on.
      caughtUp: () => {
        this.#committer.hurry();
        this.#time?.look();
        this.#options.caughtUp();
      },
      outage: (error) => this.#options.outage('reads', error),
    });
  }

  #createCommitter(): Committer {
    const { setting, stores } = this.#options;
    return new Committer({
      consumer: setting.reaction.name,
      unitOfWork: stores.unitOfWork,
      environment: setting.environment,
      snapshot: () => {
        this.#intake.passToHead();
        return this.#place.next();
      },
      catchingUp: () => !this.live,
      isPatient: isPatient(setting.reaction),
      isBuild: setting.reaction.build !== undefined,
      storedForm: setting.reaction.state?.form?.stored,
      careful: this.#progress.low < this.#options.carefulUpTo,
      committed: (unit) => this.#committed(unit),
      refused: (refusal) => this.#options.refused(refusal),
      failed: (error, position) => this.#options.failed(error, position),
      outage: (error) => this.#options.outage('commits', error),
    });
  }

  #createOrderedAside(): OrderedAside {
    const { setting, stores } = this.#options;
    return new OrderedAside({
      consumer: setting.reaction.name,
      environment: setting.environment,
      deliveries: stores.deliveries,
      log: stores.log,
      committer: this.#committer,
      settlement: this.#settlement,
      queues: this.#queues,
      concurrency: setting.reaction.concurrency,
      keyOf: (event) => keyFor(this.#options.setting.reaction, event),
      isMine: (key) => this.#share.has(key),
      fail: (work, attempts, error) => this.#fail(work, attempts, error),
      released: (key) => this.#time?.due.released(key),
      isOfTime: async (delivery) => (await this.#time?.standsFor(delivery)) ?? false,
      mayBeTakenBack: (event) => mayBeTakenBack(setting.reaction, event),
      putBack: (key) => this.#time?.due.putBack(key),
      settled: () => this.#settledAside(),
    });
  }

  #createTimeCourse(time: ReactionTime): TimeCourse {
    const { setting, stores, groups } = this.#options;
    return new TimeCourse(time, {
      reaction: setting.reaction,
      stores,
      environment: setting.environment,
      mark: markOf(groups),
      createdMs: this.#options.createdMs,
      looksFor: this.#options.looksFor ?? {},
      states: () => this.#states,
      isMine: (key) => this.#share.has(key),
      isHeld: (key) => this.#ordered?.isHeld(key) ?? false,
      hasRoom: () => this.#room.fits(),
      submit: (work) => this.#submit(work),
      // Also where nothing came of it: nobody is told of more while it is under way.
      ended: () => this.#tellTime(),
      isLive: () => this.live,
      isRetrying: () => this.#ordered?.retrying ?? false,
      wishes: this.#options.wishes,
      clocks: setting.clocks,
      outage: (error) => this.#options.outage('reads', error),
    });
  }

  #settledAside(): void {
    this.#madeRoom();
    this.#options.settledAside();
    // While something was attempted again, those who go by its results were told nothing.
    if (!this.#tells || this.#ordered?.retrying !== false) return;
    this.#tellTime();
    this.#options.wishes.told();
  }

  /** Those who go by its results wait to be told how far they are, also where nothing else is to be committed. */
  #tellTime(): void {
    if (!this.#stopped && this.#tells) this.#committer.settled(false);
  }

  get #tells(): boolean {
    return this.#options.setting.reaction.time?.tells === true;
  }

  #createQueueAside(): QueueAside {
    const { setting, stores } = this.#options;
    return new QueueAside({
      reaction: setting.reaction,
      environment: setting.environment,
      deliveries: stores.deliveries,
      due: this.#share.dueDeliveries,
      log: stores.log,
      committer: this.#committer,
      settlement: this.#settlement,
      limit: setting.reaction.concurrency,
      submit: (work) => this.#submit(work),
    });
  }

  #createClaims(): Claims {
    return new Claims({
      consumer: this.#options.setting.reaction.name,
      setting: this.#options.setting,
      committed: () => this.#committer.flush(),
      succeed: (work, attempt) => this.#succeed(work, attempt),
      fail: (work, attempts, error, delayMs) => this.#fail(work, attempts, error, delayMs),
      expire: (work) => this.#expire(work),
      starved: () => {
        if (this.#room.fits()) return;
        this.claims?.writeDown();
        this.#madeRoom();
      },
      writeDown: (work, dueMs) => this.#writeDown(work, dueMs),
    });
  }

  /** Work that is under way for long leaves the span, so that it does not hold up what comes after it. */
  #writeDown(work: Work, dueMs: number): Work {
    const delivery = this.#settlement.setAside(work, { dueMs, priority: 0 });
    this.#queue?.adopt(delivery);
    return { ...work, pending: undefined, delivery };
  }
}
