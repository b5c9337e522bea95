import { Closed, NotFound, WrongState } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import { backoffMs } from '../system/backoff.ts';
import { Turns } from '../system/turns.ts';
import { adapt, awaitsBuild } from './adapt.ts';
import type { ConsumerRecord, RecordChange } from './checkpoint-store.ts';
import type { Claim, Claims, ReceiveOptions } from './claims.ts';
import type { Refusal } from './committer.ts';
import { ConsumerLoop } from './consumer-loop.ts';
import type { ConsumerOptions } from './consumer-options.ts';
import { InlineTurns } from './inline-turns.ts';
import { newFigures } from './figures.ts';
import type { Hold } from './hold.ts';
import { wholeGroup } from './lanes.ts';
import type { LaneGroup, LeaseCommit } from './lanes.ts';
import { LoopChanges } from './loop-changes.ts';
import { Outages } from './outages.ts';
import type { Reaction } from './reaction.ts';
import { isCurrent, isOverBuild, knownRecord } from './known-record.ts';
import { refusalError } from './refusal-error.ts';
import { receiveWhenRun } from './receive-when-run.ts';
import { assertPast, assertReached, placeOf } from './replay.ts';
import { replayChange } from './replay-change.ts';
import { standing } from './standing.ts';
import { heldGroups, takenLease } from './taken-lanes.ts';
import type { ReplayFrom } from './replay.ts';
import { reportSteering } from './report-steering.ts';
import type { ConsumerStatus } from './status.ts';
import { withTables } from './tables-of-consumer.ts';

const BEGIN_ANEW_BACKOFF = { minDelayMs: 100, maxDelayMs: 30_000, factor: 2, jitter: 0.5 };

/**
 * A named, durable reader of the log, over its restarts.
 *
 * States    stopped → running ⇄ paused; running → stalled (the store is out of order) → running; any → stopped.
 *           A pause is remembered by the store and outlives the process.
 * Invariants
 * 1. At most one loop runs. Pause, resume, replay and stop are carried out one after another.
 * 2. Where nodes share the work, a loop runs for the lanes that this node holds, and ends when they change hands.
 * 3. Of a projection that is inline no loop runs while the store changes its rows: a loop begins after the store has let go of it, and ends, with
 *    everything committed, before the store takes it. The store takes it only where it is at the head, or near, with nothing set aside.
 * 4. A commit that the log refused, or that the store cannot take, restarts the loop from its checkpoint, as after a crash. Then every event is
 *    committed by itself until the one at fault is found, which fails with the reason (G7). Without progress it restarts after a while that grows.
 */
export class Consumer {
  readonly reaction: Reaction;
  readonly #options: ConsumerOptions;
  readonly #figures = newFigures();
  readonly #refusals = new Map<Position, Error>();
  #carefulUpTo: Position = START;
  #record: ConsumerRecord | undefined;
  /** Whether reactions run in this process; where they do not, steering changes what the next one that runs them finds. */
  #runs = false;
  #loop: ConsumerLoop | undefined;
  readonly #inline: InlineTurns;
  readonly #outages: Outages;
  /** How often the loop began anew since it last committed something. */
  #beginnings = 0;
  #beginsAnew = false;
  /** Its lanes were lost, and it was not looked yet what it is to have now. */
  #awaitsLanes = false;
  readonly #steering = new Turns();
  #closed = false;
  readonly #changes = new LoopChanges();
  /** While it is held: where its loop ends. */
  #bound: { readonly place: Position; readonly reached: PromiseWithResolvers<void> } | undefined;
  /** Resolved when the system that closes waits no longer. */
  readonly #over = Promise.withResolvers<void>();

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.reaction = options.setting.reaction;
    this.#outages = new Outages(options.setting, options.stores.log);
    this.#inline = new InlineTurns({
      ...options,
      figures: this.#figures,
      goOn: () => this.lookAgain(),
      goOver: (loop) =>
        this.exclusive(async () => {
          if (this.#loop !== loop || !loop.undisturbed || this.#closed) return;
          await this.#stopLoop(this.#over.promise);
          await this.#goOn();
        }),
    });
  }

  get name(): string {
    return this.reaction.name;
  }

  get claims(): Claims | undefined {
    return this.#loop?.claims;
  }

  /**
   * Claims events of a queue without handler. Where nodes share the work, waits for lanes that this one is to have.
   *
   * Errors    WrongState when it does not run; Closed.
   */
  receive(options: ReceiveOptions = {}): Promise<readonly Claim[]> {
    return receiveWhenRun(this, options);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  changed(signal: AbortSignal | undefined): Promise<void> {
    return this.#changes.next(signal);
  }

  get isPaused(): boolean {
    return this.#record?.paused !== undefined;
  }

  /** What the store holds of it is of an older version. */
  get isWaiting(): boolean {
    return this.#record !== undefined && awaitsBuild(this.#record, this.reaction);
  }

  /** Its events are not handled here, whoever asks for it. */
  get standsStill(): boolean {
    return !this.#runs || this.isPaused || this.isWaiting;
  }

  /** Nobody stopped or paused it: it waits for lanes, or for the store. */
  get hasYetToRun(): boolean {
    const waits = this.#options.lanes !== undefined || this.#beginsAnew;
    return this.#runs && !this.#closed && this.#record?.paused === undefined && waits;
  }

  /** Nothing is under way, and nothing waits but for time, a receiver or an operator. Commits may wait for company. */
  get idle(): boolean {
    return this.#record?.paused !== undefined || (!this.#isBetween && (this.#loop?.idle ?? true));
  }

  /** Idle, and everything is committed. */
  get settled(): boolean {
    return this.#record?.paused !== undefined || (!this.#isBetween && (this.#loop?.settled ?? true));
  }

  /** One loop is over, and the next has not begun. */
  get #isBetween(): boolean {
    return this.#beginsAnew || this.#awaitsLanes || this.#inline.isGoingOver;
  }

  /** Rises with every event that is settled. */
  get activity(): number {
    const { handled, failed, heldBack, expired } = this.#figures;
    return handled + failed + heldBack + expired;
  }

  /** Time alone brings something on. */
  get timed(): boolean {
    return this.#record?.paused === undefined && (this.#beginsAnew || (this.#loop?.timed ?? false));
  }

  /** Makes the consumer known to the store and starts it unless it is paused. `known`: its record, where it was just read. */
  start(known?: ConsumerRecord): Promise<void> {
    return this.exclusive(async () => {
      this.#runs = true;
      const { stores, setting } = this.#options;
      const record = known ?? (await this.#known());
      if (awaitsBuild(record, this.reaction)) {
        // What is there others keep as it is, if anybody does, until what is built takes its place.
        this.#record = record;
        this.#options.lanes?.withdraw(this.name);
        return;
      }
      const adapted = await adapt(record, this.reaction, stores, setting.environment);
      this.#record = await withTables(adapted, setting, stores);
      if (this.#record.paused === undefined) await this.#startLoop(this.#record);
    });
  }

  /** Stops taking events, lets attempts under way finish, remembers the pause. As all steering, also where reactions do not run. */
  pause(reason: string): Promise<void> {
    const { setting, stores } = this.#options;
    return this.exclusive(async () => {
      const record = await this.#known();
      if (record.paused !== undefined) return;
      await this.#stopLoop(this.#over.promise);
      try {
        await this.#put({ paused: { sinceMs: this.#nowMs(), reason } });
      } catch (error) {
        this.#beginAnew(undefined, 0);
        throw error;
      }
      await reportSteering(setting, stores.log, SYSTEM_EVENTS.consumerPaused, { reason });
    });
  }

  resume(): Promise<void> {
    const { setting, stores } = this.#options;
    return this.exclusive(async () => {
      const record = await this.#known();
      if (record.paused === undefined) return;
      await this.#put({ paused: undefined });
      await reportSteering(setting, stores.log, SYSTEM_EVENTS.consumerResumed, {});
      await this.#goOn();
    });
  }

  /**
   * Lets this consumer, and no other, handle events again. What its handlers publish again has the same ids, so it is not recorded twice.
   *
   * Guarantee What it has made of these events is forgotten, and it stands before them, in one step.
   * Errors    WrongState for a replay from the middle of a consumer that keeps state: it would count events twice.
   */
  replay(from: ReplayFrom): Promise<void> {
    const { setting, stores } = this.#options;
    return this.exclusive(async () => {
      const place = await placeOf(from, stores.log);
      assertPast(from, this.#nowMs());
      assertReached(place, await stores.log.head());
      const record = await this.#known();
      const change = replayChange(record, this.reaction, place);
      await this.#stopLoop(this.#over.promise);
      try {
        await this.#put(change);
      } catch (error) {
        this.#beginAnew(undefined, 0);
        throw error;
      }
      await reportSteering(setting, stores.log, SYSTEM_EVENTS.consumerReplayed, { from: place });
      if (record.paused === undefined) await this.#goOn();
    });
  }

  /**
   * Stops it, and keeps everybody from handling its events until `act` is over. Where nodes share the work, all its lanes are taken for that.
   * Then it goes on from what the store knows. A build that is over stands still as it is: it has no lanes.
   */
  held<Result>(act: (hold: Hold) => Promise<Result>): Promise<Result> {
    return this.exclusive(async () => {
      await this.#stopLoop(this.#over.promise);
      let isGone = false;
      try {
        const held = await heldGroups(this.#options);
        isGone = held === undefined;
        let groups = held ?? [];
        return await act({
          groups: () => groups,
          runTo: async (place) => {
            groups = await this.#runTo(place, groups);
          },
          gone: () => (isGone = true),
        });
      } finally {
        if (!isGone)
          await Promise.resolve(this.#options.lanes?.release(this.name)).finally(async () => {
            if (!(await isOverBuild(this.reaction, this.#options.stores.checkpoints))) await this.#goOn();
          });
      }
    });
  }

  /** Whether it is to handle events may have changed. */
  lookAgain(): Promise<void> {
    return this.exclusive(async () => {
      if (this.#isIn || !this.#runs || this.#beginsAnew || this.#closed) return;
      await this.#goOn();
    });
  }

  /** Something handles its events here. */
  get #isIn(): boolean {
    return this.#loop !== undefined || this.#inline.place !== undefined;
  }

  async #runTo(place: Position, groups: readonly LaneGroup[]): Promise<readonly LaneGroup[]> {
    const { stores, lanes } = this.#options;
    const reached = Promise.withResolvers<void>();
    this.#bound = { place, reached };
    // It may be given up before it is waited for.
    reached.promise.catch(() => undefined);
    try {
      if (this.#closed) throw new Closed(`consumer ${this.name}`);
      if (lanes !== undefined && groups.some(({ holder }) => holder === undefined))
        throw new WrongState(`consumer ${this.name} is paused: its lanes cannot be taken`);
      const record = await this.#known();
      this.#record = record;
      const loop = this.#createLoop(record, groups, lanes === undefined ? undefined : groups[0]?.token);
      await this.#begin(loop);
      await reached.promise;
      await this.#stopLoop(this.#over.promise);
    } finally {
      this.#bound = undefined;
      this.#loop?.abort();
      this.#loop = undefined;
    }
    return (await stores.cluster?.view())?.lanes.get(this.name) ?? [wholeGroup((await this.#known()).checkpoint, 0)];
  }

  /** How far it is on all its lanes, as far as is known here. */
  get place(): Position {
    const loop = this.#handlesAll ? (this.#inline.place ?? this.#loop) : undefined;
    return loop?.low ?? this.#record?.checkpoint.low ?? START;
  }

  /** The lanes that its loop handles here, for what an operator at this node changes; undefined: none, or nodes do not share the work. */
  get lease(): LeaseCommit | undefined {
    const token = this.#loop?.token;
    return token === undefined ? undefined : { token, number: 0, checkpoints: [] };
  }

  /** An operator changed stored deliveries of a key. */
  deliveriesChanged(key: string, removed: number): void {
    this.#loop?.deliveriesChanged(key, removed);
  }

  /** The loop that runs at present: `committed` tells whether it was the same since. */
  get session(): object | undefined {
    return this.#loop;
  }

  /** Whether what this session has settled is durable, now that it was looked how far it is; without one, that none has begun meanwhile. */
  async committed(session: object | undefined): Promise<boolean> {
    try {
      if (this.#loop === session) await this.#loop?.flush();
      return this.#loop === session;
    } catch {
      // It was refused, or is given up: another session begins from what is durable.
      return false;
    }
  }

  /** Resolves when everything that was settled before is durable, or will never be. */
  async flush(): Promise<void> {
    await this.#loop?.flush().catch(() => undefined);
  }

  /** Commits what waits for company. */
  hurry(): void {
    this.#loop?.hurry();
  }

  /** Writes down soon how far it has come where nothing concerned it. */
  savePassed(): void {
    this.#loop?.savePassed();
  }

  /** Writes down how far the consumer has come, also where nothing concerned it (retention relies on it). */
  async saveCheckpoint(): Promise<void> {
    await this.#loop?.saveCheckpoint();
  }

  /** Stops for good. Attempts that have not ended when `deadline` resolves lose their claim. */
  stop(deadline: Promise<void>): Promise<void> {
    this.#closed = true;
    this.#bound?.reached.reject(new Closed(`consumer ${this.name}`));
    void deadline.then(this.#over.resolve);
    // Where the store changes its rows, it does until it is closed: what is still recorded is theirs too.
    this.#inline.close();
    return this.exclusive(() => (this.#inline.place === undefined ? this.#stopLoop(deadline) : Promise.resolve()));
  }

  /** `others`: what other nodes do; `groups`: how far all of them are, where the store knows of lanes. */
  async status(
    counts: { retrying: number; parked: number; waiting: number },
    others: Pick<Parameters<typeof standing>[2], 'elsewhere' | 'isInForce'>,
    groups: readonly LaneGroup[] | undefined,
  ): Promise<ConsumerStatus> {
    const loop = this.#loop;
    // Where reactions do not run in this process, the store still knows how far they have come; and where others may, what they did to it.
    const known = this.#options.lanes === undefined ? this.#record : undefined;
    const record = known ?? (await this.#options.stores.checkpoints.load(this.name));
    return standing(this.reaction, this.#options.stores.log, {
      loop,
      inline: this.#inline.place,
      isToRun: this.#isIn || this.#beginsAnew || this.#inline.isGoingOver,
      handlesAll: this.#handlesAll,
      record,
      ...others,
      groups,
      counts,
      figures: this.#figures,
      outage: this.#outages.reason,
      nowMs: this.#nowMs(),
    });
  }

  /** The record says that the consumer runs: it does so as soon as the store lets it. */
  async #goOn(): Promise<void> {
    try {
      await this.#startLoop();
    } catch (error) {
      if (error instanceof NotFound || error instanceof Closed) throw error;
      this.#outages.changed('reads', error);
      this.#beginAnew(undefined, this.#delayOfBeginning());
    }
  }

  /** Whether no other node handles any of its events. */
  get #handlesAll(): boolean {
    return this.#options.lanes?.holdsAll(this.name) ?? true;
  }

  /**
   * Takes the lanes that this node is to have, and lets go of those it has too much: the loop ends in order and another one begins. To be
   * called when nodes or lanes changed.
   */
  rebalance(): Promise<void> {
    return this.exclusive(async () => {
      const { lanes } = this.#options;
      if (lanes === undefined || this.#closed || !this.#runs || this.#beginsAnew) return;
      this.#awaitsLanes = false;
      // The store has them.
      if (this.#inline.place !== undefined) return;
      if (this.#loop?.token === lanes.tokenOf(this.name)) {
        if (!lanes.isUnbalanced(this.name) && (this.#loop !== undefined || this.reaction.inline === undefined)) {
          this.#loop?.savePassed();
          return;
        }
      } else if (this.#loop !== undefined) {
        this.#drop(this.#loop);
      }
      this.#awaitsLanes = true;
      const stopped = new AbortController();
      try {
        await this.#stopLoop(Promise.race([this.#over.promise, lanes.patience(stopped.signal)]), 'finish');
        await this.#goOn();
      } finally {
        stopped.abort();
        this.#awaitsLanes = false;
      }
    });
  }

  /** This node is no member any more: what it held is others'. */
  expelled(): void {
    if (this.#loop?.token !== undefined) this.#drop(this.#loop);
  }

  /** As after a crash: another node may already be handling what this loop has in hand. */
  #drop(loop: ConsumerLoop): void {
    loop.abort();
    this.#awaitsLanes = true;
    if (this.#loop === loop) this.#loop = undefined;
    this.#changes.happened();
  }

  #lostLanes(loop: ConsumerLoop): void {
    this.#bound?.reached.reject(new WrongState(`lanes of consumer ${this.name} went to another node`));
    const { logger } = this.#options.setting;
    logger.warn(
      { consumer: this.name },
      'lanes of the consumer went to another node; what was not committed is theirs',
    );
    this.#drop(loop);
    this.#options.lanes?.look();
  }

  /** `known`: the record, where it was just read. */
  async #startLoop(known?: ConsumerRecord): Promise<void> {
    if (this.#closed || !this.#runs) return;
    const { setting, stores } = this.#options;
    const record = known ?? (await stores.checkpoints.load(this.name));
    if (record === undefined) throw new NotFound('consumer', this.name);
    this.#record = record;
    setting.leftOut?.begins(record.form);
    setting.ownFacts.begins(record.form);
    if (record.paused !== undefined || awaitsBuild(record, this.reaction) || !isCurrent(record, this.#options)) return;
    if (await this.#inline.begin(record.form)) return;
    const { lanes } = this.#options;
    const lease = lanes && (await takenLease({ setting, stores, lanes }));
    if (lanes !== undefined && lease === undefined) return;
    await this.#begin(this.#createLoop(record, lease?.groups ?? [wholeGroup(record.checkpoint, 0)], lease?.token));
  }

  #createLoop(
    record: ConsumerRecord,
    groups: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[],
    token: number | undefined,
  ): ConsumerLoop {
    const { setting, stores, feed } = this.#options;
    const bound = this.#bound;
    const loop: ConsumerLoop = new ConsumerLoop({
      setting,
      stores,
      feed,
      groups,
      createdMs: record.createdMs,
      looksFor: record.form.looksFor,
      token,
      upTo: bound?.place ?? record.form.build?.trial?.upTo,
      caughtUp: () => {
        if (bound !== undefined) bound.reached.resolve();
        else this.#options.caughtUp?.();
        this.#inline.look(loop);
      },
      parked: (delivery, event) => this.#options.parked?.(delivery, event),
      figures: this.#figures,
      wishes: this.#options.wishes,
      refusals: this.#refusals,
      carefulUpTo: this.#carefulUpTo,
      refused: (refusal) => this.#refused(loop, refusal),
      failed: (error, position) => this.#failed(loop, error, position),
      progressed: () => {
        this.#beginnings = 0;
        this.#inline.look(loop);
      },
      settledAside: () => this.#inline.look(loop),
      outage: (of, error) => this.#outages.changed(of, error),
    });
    return loop;
  }

  async #begin(loop: ConsumerLoop): Promise<void> {
    const { beginnings } = this.#options;
    this.#loop = loop;
    this.#changes.happened();
    try {
      await beginnings.take(() => loop.start());
    } catch (error) {
      loop.abort();
      this.#loop = undefined;
      throw error;
    }
  }

  async #stopLoop(deadline: Promise<void>, receivers: 'lose' | 'finish' = 'lose'): Promise<void> {
    await this.#inline.end();
    const loop = this.#loop;
    await loop?.stop(deadline, receivers);
    if (this.#loop === loop) this.#loop = undefined;
    this.#outages.clear();
    this.#changes.happened();
  }

  #refused(loop: ConsumerLoop, { position, refusal }: Refusal): void {
    loop.abort();
    if (refusal === undefined && loop.token !== undefined) {
      this.#lostLanes(loop);
      return;
    }
    if (loop.cursor > this.#carefulUpTo) this.#carefulUpTo = loop.cursor;
    if (position !== undefined && refusal !== undefined) this.#refusals.set(position, refusalError(refusal));
    const { logger } = this.#options.setting;
    logger.warn(
      { consumer: this.name, position, refusal },
      'the log refused what a handler published; the consumer goes back to its checkpoint',
    );
    this.#beginAnew(loop, this.#delayOfBeginning());
  }

  #failed(loop: ConsumerLoop, error: unknown, position: Position | undefined): void {
    const { logger } = this.#options.setting;
    loop.abort();
    if (loop.cursor > this.#carefulUpTo) this.#carefulUpTo = loop.cursor;
    if (error instanceof Closed) {
      if (this.#loop === loop) this.#loop = undefined;
      return;
    }
    if (position !== undefined) this.#refusals.set(position, error instanceof Error ? error : new Error(String(error)));
    logger.error({ consumer: this.name, position, err: error }, 'the consumer failed and goes back to its checkpoint');
    this.#outages.changed('commits', error);
    this.#beginAnew(loop, this.#delayOfBeginning());
  }

  /** None at first; longer each time that nothing was committed in between. */
  #delayOfBeginning(): number {
    this.#beginnings += 1;
    if (this.#beginnings === 1) return 0;
    return backoffMs(BEGIN_ANEW_BACKOFF, this.#beginnings - 1, this.#options.setting.environment.random);
  }

  /** Starts from the checkpoint, as after a crash, in place of a loop that is over; again and again until the store lets it. */
  #beginAnew(over: ConsumerLoop | undefined, delayMs: number): void {
    if (this.#bound !== undefined) {
      this.#bound.reached.reject(
        new WrongState(`consumer ${this.name} could not be brought to position ${this.#bound.place}`),
      );
      return;
    }
    const { clock, random } = this.#options.setting.environment;
    this.#beginsAnew = true;
    const begin = async () => {
      this.#beginsAnew = false;
      if (this.#closed || this.#loop !== over || this.isPaused || this.#inline.place !== undefined) {
        // What this node is to have of it may have changed meanwhile.
        this.#options.lanes?.look();
        return;
      }
      try {
        await this.#startLoop();
      } catch (error) {
        if (error instanceof NotFound || error instanceof Closed) throw error;
        this.#outages.changed('reads', error);
        this.#beginnings += 1;
        this.#beginAnew(this.#loop, backoffMs(BEGIN_ANEW_BACKOFF, this.#beginnings, random));
        return;
      }
      this.#outages.changed('reads', undefined);
      // Its commit shows whether the store works again, also when there is nothing else to commit.
      if (this.#outages.reason !== undefined) void this.saveCheckpoint().catch(() => undefined);
    };
    const inTurn = () => {
      this.exclusive(begin).catch((error: unknown) =>
        this.#options.setting.logger.error({ consumer: this.name, err: error }, 'the consumer could not be restarted'),
      );
    };
    if (delayMs > 0) clock.setTimer(delayMs, inTurn);
    else inTurn();
  }

  async #put(change: RecordChange): Promise<void> {
    const { checkpoints } = this.#options.stores;
    const current = await this.#known();
    const record = await checkpoints.change(this.name, change, this.#nowMs());
    if (this.#runs) this.#record = record ?? current;
    this.#changes.happened();
  }

  /** As the store has it, and had it made if need be. */
  async #known(): Promise<ConsumerRecord> {
    return knownRecord(this.reaction, this.#options.stores, this.#nowMs());
  }

  #nowMs(): number {
    return this.#options.setting.environment.clock.now();
  }

  /** Carries out one thing after another: nothing else steers the consumer or its stored deliveries meanwhile. */
  exclusive<T>(act: () => Promise<T>): Promise<T> {
    return this.#steering.take(act);
  }
}
