import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import type { Feed } from '../channel/feed.ts';
import { InvalidDefinition, NotFound, WrongState } from '../errors.ts';
import { currentSubject } from '../event/causality.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import type { ClockTrust } from '../schema/clock-trust.ts';
import type { EventLimits } from '../schema/event-limits.ts';
import type { Sealing } from '../schema/sealing.ts';
import type { Environment } from '../system/environment.ts';
import { Turns } from '../system/turns.ts';
import { waitFor } from '../system/clock.ts';
import type { CancelTimer } from '../system/clock.ts';
import type { ReceiveOptions, Claim } from './claims.ts';
import { Attempt } from './attempt.ts';
import { isBuildName } from './build.ts';
import { Builds } from './builds.ts';
import { withBuild } from './build-standing.ts';
import { Consumer } from './consumer.ts';
import type { ConsumerOptions } from './consumer-options.ts';
import type { ConsumerStatus, HeldKey } from './status.ts';
import { reportRemoval } from './removals.ts';
import { rememberedStatus } from './status.ts';
import type { ReplayFrom } from './replay.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import { DeadLetters, letterId } from './dead-letters.ts';
import type { Editing } from './dead-letters.ts';
import type { ConsumerRecord } from './checkpoint-store.ts';
import type { Cluster, ClusterView } from './cluster.ts';
import type { Delivery, DeliveryCount } from './delivery-store.ts';
import { Membership } from './membership.ts';
import { LeftOut, mayBeTakenBack } from './left-out.ts';
import { OwnFacts } from './own-facts.ts';
import { HELD_INDEX } from './reaction.ts';
import { namespacesOf } from './namespaces.ts';
import type { Reaction } from './reaction.ts';
import { TimeWishes } from './time-wishes.ts';

export interface ConsumersOptions {
  readonly environment: Environment;
  readonly stores: ConsumerStores;
  readonly feed: Feed;
  readonly reactions: readonly Reaction[];
  readonly limits: EventLimits;
  /** How far the clocks of sources are trusted. */
  readonly clocks: ClockTrust;
  readonly sealing: Sealing | undefined;
  readonly editing: Editing;
  /** The `source` of what handlers publish: that of the system, followed by the consumer's name. */
  sourceOf(reaction: Reaction): string;
  /** Categories that have lost events. */
  shortened(): Promise<ReadonlySet<string>>;
}

/** How many times the whole must be found settled, with a turn of the event loop between, to be believed. */
const SETTLED_LOOKS = 3;
/** While something goes on it is looked again after a turn, so often, and then now and then: looking takes time from what is waited for. */
const QUICK_LOOKS = 20;
const LOOK_AGAIN_MS = 2;

/** Where nodes share the work, the store knows so soon what a node has passed over while nothing concerned it. */
const PASSED_MS = 1_000;

/** All consumers of a system: started, stopped, looked at and steered by name. */
export class Consumers {
  readonly deadLetters: DeadLetters;
  readonly builds: Builds;
  readonly #options: ConsumersOptions;
  readonly #consumers = new Map<string, Consumer>();
  /** Where several nodes share the work. */
  readonly #membership: Membership | undefined;
  /** Many consumers begin at once, and each reads what waits for it: one after another they need one connection. */
  readonly #beginnings = new Turns();
  readonly #wishes = new TimeWishes();
  #unwatch: (() => void) | undefined;
  #cancelPassed: CancelTimer | undefined;
  /** Operators' changes of deliveries that no consumer here looks after. */
  readonly #operators = new Turns();

  /** Errors: InvalidDefinition when two reactions have one name. */
  constructor(options: ConsumersOptions) {
    this.#options = options;
    const { environment, stores } = options;
    this.#membership = stores.cluster && this.#createMembership(stores.cluster);
    for (const reaction of options.reactions) {
      if (this.#consumers.has(reaction.name))
        throw new InvalidDefinition(`${reaction.kind} ${reaction.name}`, 'another consumer has this name');
      this.#add(reaction);
    }
    this.deadLetters = new DeadLetters({
      environment,
      log: stores.log,
      deliveries: stores.deliveries,
      unitOfWork: stores.unitOfWork,
      editing: options.editing,
      waitsAlike: (name, event, edited) => waitsAlike(this.#consumers.get(name)?.reaction, event, edited),
      mayBeTakenBack: (name, event) => mayBeTakenBack(this.#consumers.get(name)?.reaction, event),
      changed: (consumer, key, removed) => this.#consumers.get(consumer)?.deliveriesChanged(key, removed),
      leaseOf: (consumer) => this.#consumers.get(consumer)?.lease,
      flush: async (consumer) => this.#consumers.get(consumer)?.flush(),
      exclusive: (consumer, act) => this.#exclusive(consumer, act),
    });
    this.builds = new Builds({
      environment,
      stores,
      lanes: this.#membership,
      deadLetters: this.deadLetters,
      reactions: options.reactions.filter(({ kind }) => kind === 'projection'),
      serving: (name) => this.#require(name),
      add: (reaction, hooks) => this.#add(reaction, hooks),
      remove: (name) => this.#consumers.delete(name),
      shortened: () => options.shortened(),
    });
  }

  #add(reaction: Reaction, hooks: Pick<ConsumerOptions, 'caughtUp' | 'parked'> = {}): Consumer {
    const { environment, stores, feed, limits, clocks, sealing } = this.#options;
    const { logger } = environment;
    const source = this.#options.sourceOf(reaction);
    const setting = {
      reaction,
      environment,
      source,
      ownFacts: new OwnFacts(source, stores.log),
      logger,
      limits,
      eventLog: stores.log,
      clocks,
      sealing,
      leftOut: reaction.takesBack === undefined ? undefined : new LeftOut(reaction, stores),
    };
    const lanes = this.#membership;
    const [beginnings, wishes] = [this.#beginnings, this.#wishes];
    const consumer = new Consumer({ setting, stores, feed, lanes, beginnings, wishes, ...hooks });
    this.#consumers.set(reaction.name, consumer);
    return consumer;
  }

  get reactions(): readonly Reaction[] {
    return this.#options.reactions;
  }

  /** All or none: when one cannot be started, those that were are stopped. */
  async start(): Promise<void> {
    try {
      await this.#membership?.join();
      const records = await this.#options.stores.checkpoints.list();
      const known = new Map(records.map((record) => [record.consumer, record]));
      const started = await Promise.allSettled(
        [...this.#consumers.values()].map((consumer) => consumer.start(known.get(consumer.name))),
      );
      for (const outcome of started) if (outcome.status === 'rejected') throw outcome.reason;
      await this.builds.start(known);
      if (this.#membership !== undefined) this.#unwatch = this.#options.stores.log.watch(() => this.#savePassedSoon());
    } catch (error) {
      await this.stop(0);
      throw error;
    }
  }

  /** Lets attempts under way finish for at most `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#unwatch?.();
    this.#cancelPassed?.();
    this.builds.close();
    const over = new AbortController();
    const deadline = waitFor(this.#options.environment.clock, graceMs, over.signal).catch(() => undefined);
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.stop(deadline)));
    over.abort();
    await this.#membership?.leave();
  }

  /** By name. Those that the store remembers and no definition runs are stopped. What is built beside a consumer stands with it. */
  async list(): Promise<readonly ConsumerStatus[]> {
    const { checkpoints } = this.#options.stores;
    const look = await this.#look();
    const shown = [...this.#consumers.values()].filter(({ name }) => !isBuildName(name));
    const running = await Promise.all(shown.map((consumer) => this.#statusWithBuild(consumer, look)));
    const others = (await checkpoints.list()).filter(
      ({ consumer }) => !this.#consumers.has(consumer) && !isBuildName(consumer),
    );
    const remembered = await Promise.all(others.map((record) => this.#remembered(record, look)));
    return [...running, ...remembered].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  async status(name: string): Promise<ConsumerStatus> {
    const consumer = this.#consumers.get(name);
    if (consumer !== undefined) return this.#statusWithBuild(consumer, await this.#look());
    const record = await this.#options.stores.checkpoints.load(name);
    if (record === undefined) throw new NotFound('consumer', name, [...this.#consumers.keys()]);
    return this.#remembered(record, await this.#look());
  }

  /**
   * Whether a consumer has settled everything up to a position, or set it aside, and what it made of that can be read; and how it stands.
   *
   * Errors    NotFound.
   */
  async reached(
    name: string,
    position: Position,
  ): Promise<{ readonly isReached: boolean; readonly status: ConsumerStatus }> {
    const consumer = this.#require(name);
    const loop = consumer.session;
    const status = await this.#statusOf(consumer, await this.#look());
    return { isReached: status.position >= position && (await consumer.committed(loop)), status };
  }

  /** Whether an event up to a position, of a key or of any, is being attempted again, and so may yet be handled: not of a dead letter. */
  async isAttemptedAgain(consumer: string, position: Position, key?: string): Promise<boolean> {
    const { deliveries } = this.#options.stores;
    const [first] = await deliveries.list({
      consumer,
      states: ['retrying'],
      limit: 1,
      ...(key === undefined ? {} : { key }),
    });
    return first !== undefined && first.position <= position;
  }

  /**
   * What a consumer holds back until others have come, or time has, by key.
   *
   * Errors    NotFound; WrongState where the store knows it, and this program does not define it.
   */
  async held(name: string, { limit = 100 }: { readonly limit?: number } = {}): Promise<readonly HeldKey[]> {
    if (!this.#consumers.has(name) && (await this.#options.stores.checkpoints.load(name)) !== undefined)
      throw new WrongState(
        `consumer ${name} is not defined here, and what it holds back can be read by the program alone that defines it; name its configuration (--config)`,
      );
    const { reaction } = this.#require(name);
    const { state, time } = reaction;
    if (state?.form === undefined || time === undefined || !state.indexNames.includes(HELD_INDEX)) return [];
    await this.#consumers.get(name)?.flush();
    const rows = await this.#options.stores.rows.query(state.namespace, {
      where: [{ index: HELD_INDEX, op: '>=', value: 1 }],
      limit,
    });
    const { deliveries } = this.#options.stores;
    const found: HeldKey[] = [];
    for (const { key, value } of rows) {
      const restored = state.form?.restored(value);
      const held = restored === undefined ? undefined : time.heldIn(restored);
      if (held === undefined) continue;
      // What was set aside comes first, and time stands still for the key.
      const [first] = await deliveries.list({ consumer: name, key, limit: 1 });
      found.push({ key, ...held, ...(first === undefined ? {} : { waitsFor: setAside(first) }) });
    }
    return found;
  }

  async pause(name: string, reason = 'paused by an operator'): Promise<void> {
    await (await this.#steered(name)).pause(reason);
  }

  async resume(name: string): Promise<void> {
    await (await this.#steered(name)).resume();
  }

  async replay(name: string, from: ReplayFrom): Promise<void> {
    await (await this.#steered(name)).replay(from);
  }

  /** Forgets a consumer that no definition runs any more, with its checkpoint, dead letters, states and read model, so that retention need not wait for it. */
  async remove(name: string): Promise<void> {
    if (this.#consumers.has(name))
      throw new WrongState(`consumer ${name} is running; take its definition out of the configuration first`);
    const view = await this.#options.stores.cluster?.view();
    const nodes = view?.nodes.filter(({ consumers }) => consumers.includes(name)).length ?? 0;
    if (nodes > 0) {
      const expected = 'stop them, or take its definition out of their configuration, first';
      throw new WrongState(
        `consumer ${name} is running in ${nodes === 1 ? 'another process' : `${nodes} other processes`}; ${expected}`,
      );
    }
    const { environment, stores } = this.#options;
    const { checkpoints, log } = stores;
    if ((await checkpoints.load(name)) === undefined) throw new NotFound('consumer', name, [...this.#consumers.keys()]);
    await this.builds.forget(name);
    // Before it is: who comes to have its name has to know.
    await reportRemoval(name, log, environment);
    if (!(await checkpoints.remove(name, { rows: namespacesOf(name) })))
      throw new NotFound('consumer', name, [...this.#consumers.keys()]);
  }

  /**
   * Keeps all who have states that may be personal from handling events, on all nodes, until `act` is over; then they go on from what is stored.
   *
   * Errors    WrongState where one of their handlers asks for it: it would wait for itself; and where other nodes handle events, and this one takes
   *           no part in that.
   */
  async whileHeld(act: () => Promise<void>): Promise<void> {
    const keeping = [...this.#consumers.values()].filter(
      ({ reaction }) => typeof reaction.state?.personal === 'object',
    );
    const attempt = currentSubject();
    if (attempt instanceof Attempt && !attempt.closed && keeping.some(({ name }) => name === attempt.consumer))
      throw new WrongState(
        `consumer ${attempt.consumer} keeps what may be personal, and has to be held while somebody is forgotten: its handler would wait for itself; let a consumer without state do it`,
      );
    if (this.#membership?.takesPart === false) {
      const nodes = keeping.length === 0 ? [] : ((await this.#options.stores.cluster?.view())?.nodes ?? []);
      const handled = keeping.find(({ name }) => nodes.some(({ consumers }) => consumers.includes(name)));
      if (handled !== undefined)
        throw new WrongState(
          `another process handles the events of ${handled.name}, and has to wait while somebody is forgotten, which this one cannot bring about, since it takes no part (consume: false); ask that one`,
        );
      await act();
      return;
    }
    await keeping.reduceRight<() => Promise<void>>((inner, consumer) => () => consumer.held(inner), act)();
  }

  /** Claims events of a queue without handler. */
  async receive(name: string, options?: ReceiveOptions): Promise<readonly Claim[]> {
    const consumer = this.#require(name);
    if (consumer.reaction.handle !== undefined)
      throw new WrongState(`consumer ${name} has a handler; only a queue without one is received from`);
    const gone = this.#membership?.receiving(name, () => (consumer.claims?.held ?? 0) > 0);
    try {
      return await consumer.receive(options);
    } finally {
      gone?.();
    }
  }

  /** Whether every consumer has reached the head of the log and committed everything; what waits for time does not count. */
  get atRest(): boolean {
    return (
      !this.#options.feed.behind &&
      !this.builds.busy &&
      (this.#membership?.allHeld ?? true) &&
      this.#all((consumer) => consumer.settled)
    );
  }

  /** Rises with every event that is settled: while it does, something goes on. */
  get activity(): number {
    let sum = 0;
    for (const consumer of this.#consumers.values()) sum += consumer.activity;
    return sum;
  }

  /** Whether something waits that time alone brings on: an attempt under way, a retry, a delay, a lease. */
  get waitsForTime(): boolean {
    return this.builds.waitsForTime || !this.#all((consumer) => !consumer.timed);
  }

  /** Commits what waits for company, where nothing else is left to do. */
  hurry(): void {
    for (const consumer of this.#consumers.values()) if (consumer.idle) consumer.hurry();
  }

  /** Resolves when every consumer has reached the head of the log and committed everything, and nothing came meanwhile. */
  async settled(): Promise<void> {
    const { feed, stores } = this.#options;
    for (let looks = 0, moving = 0; looks < SETTLED_LOOKS;) {
      await (moving < QUICK_LOOKS ? nextTurn() : delay(LOOK_AGAIN_MS));
      this.hurry();
      looks = this.atRest && feed.head >= (await stores.log.head()) ? looks + 1 : 0;
      moving = looks > 0 ? 0 : moving + 1;
    }
  }

  /** Writes down how far every consumer has come; the lowest of these is what retention may not pass. */
  async saveCheckpoints(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.saveCheckpoint()));
  }

  /** Below or at this position no consumer needs an event any more, but for those that deliveries point to. */
  async lowest(): Promise<Position> {
    const records = await this.#options.stores.checkpoints.list();
    const [first, ...others] = records.map((record) => record.checkpoint.low);
    if (first === undefined) return this.#options.stores.log.head();
    return others.reduce((lowest, low) => (low < lowest ? low : lowest), first);
  }

  #createMembership(cluster: Cluster): Membership {
    return new Membership({
      cluster,
      environment: this.#options.environment,
      consumers: () => [...this.#consumers.keys()],
      changed: () => this.#rebalance(),
      expelled: () => {
        for (const consumer of this.#consumers.values()) consumer.expelled();
      },
    });
  }

  #savePassedSoon(): void {
    this.#cancelPassed ??= this.#options.environment.clock.setTimer(PASSED_MS, () => {
      this.#cancelPassed = undefined;
      for (const consumer of this.#consumers.values()) consumer.savePassed();
    });
  }

  async #look(): Promise<Look> {
    const { deliveries, cluster } = this.#options.stores;
    return { counts: await deliveries.counts(), view: await cluster?.view() };
  }

  #statusOf(consumer: Consumer, { counts, view }: Look): Promise<ConsumerStatus> {
    const { name } = consumer;
    const others = { elsewhere: isHeld(view, name), isInForce: view?.inForce.has(name) };
    return consumer.status(countsOf(counts, name), others, view?.lanes.get(name) ?? view?.paused.get(name));
  }

  async #statusWithBuild(consumer: Consumer, look: Look): Promise<ConsumerStatus> {
    const status = await this.#statusOf(consumer, look);
    if (status.kind !== 'projection') return status;
    const build = await this.builds.present(consumer.name);
    const isAwaited = build === undefined && status.state === 'building';
    return withBuild(status, build, isAwaited && (await this.builds.isGivenUp(consumer.name)));
  }

  #remembered(record: ConsumerRecord, { counts, view }: Look): Promise<ConsumerStatus> {
    const { stores, environment } = this.#options;
    return rememberedStatus(record, stores.log, {
      isHeld: isHeld(view, record.consumer),
      counts: countsOf(counts, record.consumer),
      nowMs: environment.clock.now(),
    });
  }

  async #rebalance(): Promise<void> {
    const { logger } = this.#options.environment;
    await this.builds.look();
    await Promise.all(
      [...this.#consumers.values()].map((consumer) =>
        consumer.rebalance().catch((error: unknown) => {
          logger.warn({ consumer: consumer.name, err: error }, 'the lanes of a consumer could not be looked after');
        }),
      ),
    );
  }

  #all(holds: (consumer: Consumer) => boolean): boolean {
    for (const consumer of this.#consumers.values()) if (!holds(consumer)) return false;
    return true;
  }

  #exclusive<T>(name: string, act: () => Promise<T>): Promise<T> {
    const consumer = this.#consumers.get(name);
    // One that no definition runs: nothing but operators changes its deliveries.
    return consumer === undefined ? this.#operators.take(act) : consumer.exclusive(act);
  }

  async #steered(name: string): Promise<Consumer> {
    if (!this.#consumers.has(name) && (await this.#options.stores.checkpoints.load(name)) !== undefined)
      throw new WrongState(`consumer ${name} has no definition here; name the configuration of its program`);
    return this.#require(name);
  }

  #require(name: string): Consumer {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined) throw new NotFound('consumer', name, [...this.#consumers.keys()]);
    return consumer;
  }
}

/** What of the store says how consumers stand. */
interface Look {
  readonly counts: readonly DeliveryCount[];
  readonly view: ClusterView | undefined;
}

/** Whether a node takes part in it, whichever it is, and whoever has its lanes at the moment. */
function isHeld(view: ClusterView | undefined, consumer: string): boolean {
  return view?.nodes.some(({ consumers }) => consumers.includes(consumer)) === true;
}

function countsOf(
  counts: readonly DeliveryCount[],
  consumer: string,
): { retrying: number; parked: number; waiting: number } {
  const of = (state: DeliveryCount['state']) =>
    counts.find((entry) => entry.consumer === consumer && entry.state === state)?.count ?? 0;
  return { retrying: of('retrying'), parked: of('parked'), waiting: of('waiting') };
}

/** What cannot be told of the edited event is told when it is handled. */
function waitsAlike(reaction: Reaction | undefined, event: RecordedEvent, edited: RecordedEvent): boolean {
  if (reaction === undefined) return true;
  try {
    const { time } = reaction;
    return reaction.keyOf(edited) === reaction.keyOf(event) && time?.timeOf(edited) === time?.timeOf(event);
  } catch {
    return false;
  }
}

/** What is waited for where a delivery comes first. */
function setAside(first: Delivery): string {
  return first.state === 'parked'
    ? `dead letter ${letterId(first)}`
    : `event ${first.position}, which is attempted again (${first.attempts} ${first.attempts === 1 ? 'attempt' : 'attempts'} failed)`;
}
