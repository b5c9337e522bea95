import { assertKnown } from './system/known-options.ts';
import type { DatabaseSync } from 'node:sqlite';
import { applyRetention, assertRetentionRules } from './channel/retention.ts';
import type { RetentionOutcome, RetentionRule } from './channel/retention.ts';
import type { Condition } from './channel/condition.ts';
import type { ExpectedVersion } from './channel/event-log.ts';
import { Feed } from './channel/feed.ts';
import { catalogOf } from './catalog.ts';
import type { Catalog } from './catalog.ts';
import { Consumers } from './consumer/consumers.ts';
import type { DeadLetters } from './consumer/dead-letters.ts';
import type { Reaction } from './consumer/reaction.ts';
import { Explanations } from './explain/explanations.ts';
import { Integrity } from './integrity/integrity.ts';
import { reportRemovedChain } from './integrity/removed-chain.ts';
import { withUpstreams } from './consumer/told-time.ts';
import { CapabilityMissing, Closed, InvalidInput, StoreReadOnly } from './errors.ts';
import type { IncomingEvent } from './event/cloudevents-incoming.ts';
import type { EventDefinition, InputOf } from './event/define-event.ts';
import { START } from './event/position.ts';
import { upcastingTypes } from './event/upcast-event.ts';
import type { Position } from './event/position.ts';
import { SYSTEM_CATEGORY, assertStreamName, categoryOf } from './event/stream-name.ts';
import { SYSTEM_EVENTS, systemEvent, systemStream } from './event/system-events.ts';
import { Ingest } from './producer/ingest.ts';
import type { HeaderFields } from './producer/ingest.ts';
import { Publisher } from './producer/publisher.ts';
import type { Outgoing, Publication, Published } from './producer/publisher.ts';
import type { OwnOutbox, TransactionQueries } from './producer/outbox.ts';
import { Outboxes } from './producer/outboxes.ts';
import { QUARANTINE, admitEdit, editQuarantined, shownFromQuarantine } from './producer/quarantine.ts';
import { Deciders } from './decider/deciders.ts';
import type { ExecuteOptions } from './decider/deciders.ts';
import type { CommandOutcome } from './decider/command-outcome.ts';
import type { CommandDefinition, CommandInputOf } from './decider/define-command.ts';
import { Views } from './projection/views.ts';
import { Reader } from './reader.ts';
import type { PublishOptions } from './schema/encode.ts';
import { DEFAULT_LIMITS } from './schema/event-limits.ts';
import { assertCompatible } from './schema/compatibility/at-start.ts';
import { SchemaRegistry } from './schema/registry.ts';
import type { Sealing } from './schema/sealing.ts';
import { assertReactsToCurrent, assertWaysUp } from './schema/ways-up.ts';
import { upcastStore } from './store-decorators/upcast-store.ts';
import { finishForgetting, Forgetting } from './forget-subject.ts';
import { assertInlineOpened } from './store-decorators/inline-personal.ts';
import { openingStore } from './store-decorators/opening-store.ts';
import { assertPersonalSaid, hasPersonalCommands, personalTypes } from './personal-program.ts';
import { SubjectKeys } from './personal/subject-keys.ts';
import { sealingOf } from './personal/sealing-of.ts';
import { personalRows, sealingRows } from './store-decorators/sealing-rows.ts';
import type { PendingMigrations, Store, StoreFactory, StoreNode, StoreReport } from './store.ts';
import { durationMs } from './system/duration.ts';
import { deterministicId } from './system/ids.ts';
import { keepAlive } from './system/keep-alive.ts';
import { createEnvironment } from './system/environment.ts';
import type { Environment } from './system/environment.ts';
import { definitionsOf, quarantineReaction, reactingOf, reactionsOf } from './system-definitions.ts';
import { factoryOf } from './store-address.ts';
import { assertOptions, isStoreFactory } from './system-options.ts';
import { ClockTrust } from './schema/clock-trust.ts';
import type { SystemOptions } from './system-options.ts';

/** Retention runs this often while the system is open. */
const RETENTION_EVERY_MS = 3_600_000;
const RETENTION_FIRST_MS = 60_000;

/**
 * Opens a system: joins channel, state and features, and starts what reacts. From here until it is closed the process stays alive, whatever
 * the store, so that what waits (for an event, a retry, a store that is away) is waited for.
 *
 * Errors    InvalidDefinition; StoreHeld, StoreUnusable, StoreUnavailable of the backend
 */
export async function open<const Events extends EventDefinition = EventDefinition>(
  options: SystemOptions<Events> | StoreFactory | string,
): Promise<System<Events>> {
  if (typeof options === 'string' || isStoreFactory(options)) return System.open({ store: options });
  return System.open(options);
}

/**
 * What opening a store for writing would change of its form: looks, and changes nothing. Undefined: it has none that could change.
 *
 * Errors    StoreUnusable, StoreUnavailable of the backend.
 */
export async function pendingMigrations(store: StoreFactory | string): Promise<PendingMigrations | undefined> {
  const factory = typeof store === 'string' ? await factoryOf(store) : store;
  return factory.pendingMigrations?.(createEnvironment());
}

/**
 * The processes that work on a store at the moment, where several may. Looks, and changes nothing. Undefined: one alone does; whoever opens
 * the store is told of it (StoreHeld).
 *
 * Errors    StoreUnusable, StoreUnavailable of the backend.
 */
export async function runningNodes(store: StoreFactory | string): Promise<readonly StoreNode[] | undefined> {
  const factory = typeof store === 'string' ? await factoryOf(store) : store;
  return factory.nodes?.(createEnvironment());
}

/** A system of whatever events: all of it but what is typed by them. */
export type AnySystem = Omit<System, 'publish' | 'publishAll' | 'publishWithin' | 'append' | 'options'>;

/** A running system: facts go in, are kept for ever, and are reacted to. */
export class System<Events extends EventDefinition = EventDefinition> {
  readonly environment: Environment;
  readonly consumers: Consumers;
  readonly deadLetters: DeadLetters;
  readonly views: Views;
  readonly deciders: Deciders;
  readonly explanations: Explanations;
  readonly integrity: Integrity;
  readonly events: Reader;
  readonly options: SystemOptions<Events>;
  readonly #store: Store;
  readonly #feed: Feed;
  readonly #registry: SchemaRegistry;
  readonly #publisher: Publisher;
  readonly #ingest: Ingest;
  readonly #outboxes: Outboxes;
  readonly #forgetting: Forgetting;
  /** Lets the process end when nothing else keeps it. */
  readonly #release: () => void;
  #closing: Promise<void> | undefined;
  #cancelRetention: (() => void) | undefined;

  private constructor(parts: {
    options: SystemOptions<Events>;
    release: () => void;
    environment: Environment;
    store: Store;
    /** As it is stored, in whatever versions. */
    recorded: Pick<Store, 'log' | 'chain'>;
    feed: Feed;
    registry: SchemaRegistry;
    outboxes: readonly OwnOutbox[];
    reactions: readonly Reaction[];
    clocks: ClockTrust;
    keys: SubjectKeys;
    sealing: Sealing | undefined;
  }) {
    const { options, environment, store, feed, registry, keys, sealing } = parts;
    const source = options.source ?? '/thereupon';
    const sourceOf = ({ name }: Pick<Reaction, 'name'>) => `${source}/${encodeURIComponent(name)}`;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };

    this.options = options;
    this.#release = parts.release;
    this.environment = environment;
    this.#store = store;
    this.#feed = feed;
    this.#registry = registry;
    this.#publisher = new Publisher({
      log: store.log,
      append: (request, isNew) => this.deciders.append(request, isNew),
      registry,
      environment,
      source,
      limits,
      clocks: parts.clocks,
      sealing,
    });
    this.#outboxes = new Outboxes(store, parts.outboxes, environment);
    this.#ingest = new Ingest(this.#publisher, registry, environment);
    const shortened = () => this.deciders.shortened();
    this.consumers = new Consumers({
      environment,
      stores: store,
      feed,
      reactions: parts.reactions,
      limits,
      clocks: parts.clocks,
      sealing,
      editing: {
        shown: (consumer, event) => (consumer === QUARANTINE ? shownFromQuarantine(event) : event),
        admit: (consumer, event, data) =>
          consumer === QUARANTINE
            ? editQuarantined({ registry, sealing }, event, data)
            : admitEdit({ registry, sealing }, event, data),
      },
      sourceOf,
      shortened,
    });
    this.deadLetters = this.consumers.deadLetters;
    const { builds } = this.consumers;
    this.views = new Views(
      {
        log: store.log,
        rows: store.rows,
        tables: store.tables,
        builds,
        shortened,
      },
      options.projections ?? [],
    );
    this.deciders = new Deciders({
      log: store.log,
      rows: store.rows,
      publisher: this.#publisher,
      environment,
      deciders: options.deciders ?? [],
      types: upcastingTypes(registry.definitions()),
      waitingCommands: limits.waitingCommands,
    });
    this.explanations = new Explanations({ store, consumers: this.consumers, views: this.views, sourceOf, shortened });
    this.integrity = new Integrity({ ...parts.recorded, clock: environment.clock });
    this.events = new Reader(store.log, feed);
    warnOfRetention(options, environment);
    const { consumers, deciders } = this;
    this.#forgetting = new Forgetting({
      store,
      keys,
      feed,
      consumers,
      deciders,
      environment,
      types: sealing?.types,
    });
  }

  /** See `open`. */
  static async open<Events extends EventDefinition>(options: SystemOptions<Events>): Promise<System<Events>> {
    if (typeof options !== 'object' || options === null)
      throw new InvalidInput({ path: 'options', expected: 'a store, or options that name one', found: options });
    assertOptions(options);
    const release = (options.environment?.keepAlive ?? keepAlive)();
    try {
      return await System.#join(options, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  static async #join<Events extends EventDefinition>(
    options: SystemOptions<Events>,
    release: () => void,
  ): Promise<System<Events>> {
    const environment = createEnvironment(options.environment);
    const reactions = withUpstreams(reactionsOf(options));
    const registry = new SchemaRegistry(definitionsOf(options), options.unknownTypes ?? 'reject');
    const types = upcastingTypes(registry.definitions());
    assertReactsToCurrent(types, reactingOf(options));
    const personal = personalTypes(registry.definitions());
    assertPersonalSaid(personal, reactions, options.deciders ?? []);
    const factory = typeof options.store === 'string' ? await factoryOf(options.store) : options.store;
    const clocks = new ClockTrust(options.clocks === undefined ? {} : options.clocks);
    const { outboxes = [] } = options;
    const sqlite = outboxes.length === 0 ? undefined : await import('./backends/sqlite/outbox.ts');
    sqlite?.assertOutboxes(outboxes, factory);
    const stored = await factory.open(environment);
    let system: System<Events> | undefined;
    try {
      const keys = new SubjectKeys(stored.rows, environment.random);
      const isPersonal = personal.size > 0 || hasPersonalCommands(options.deciders);
      const sealing = isPersonal ? sealingOf(personal, keys) : undefined;
      if (isPersonal && !stored.readOnly) stored.erasure?.begin();
      const rows = personalRows(reactions, options.deciders ?? []);
      const opened = isPersonal ? openingStore(sealingRows(stored, rows, keys, sealing), personal, keys) : stored;
      const store = upcastStore(opened, types);
      assertCapable(reactions, store, options.consume !== false);
      assertInlineOpened(personal, reactions, store);
      await assertFits(options, registry, store, environment);
      if (!store.readOnly) await registry.persist(store.schemas, environment);
      if (options.tamperEvidence === true && !store.readOnly) await beginChain(stored, environment);
      if (!store.readOnly) await finishForgetting(stored);
      const feed = await Feed.open(store.log, environment);
      system = new System<Events>({
        options,
        release,
        environment,
        store,
        recorded: stored,
        feed,
        registry,
        clocks,
        keys,
        sealing,
        outboxes: store.readOnly ? [] : (sqlite?.openOutboxes(outboxes, stored.log, environment) ?? []),
        reactions: [...reactions, quarantineReaction({ registry, clocks, sealing }, environment)],
      });
      if (options.consume !== false && !store.readOnly) await system.#start();
      return system;
    } catch (error) {
      if (system !== undefined) await system.#outboxes.close(0);
      await stored.close();
      throw error;
    }
  }

  /** Records a fact. Resolves when it is durable (G1). */
  publish<Definition extends Events>(
    definition: Definition,
    data: InputOf<Definition>,
    options?: PublishOptions,
  ): Promise<Published> {
    this.#assertWritable();
    return this.#publisher.publish(definition, data, options);
  }

  /**
   * Records several facts, all or none (G3); with `unless`, only if no event of these queries was recorded meanwhile.
   *
   * Shape     publications: `{ event: OrderPlaced, data: {...}, options?: {...} }` each, in their order; options as of `publish`.
   */
  publishAll(
    publications: readonly { [Type in Events['type']]: Publication<Extract<Events, { type: Type }>> }[Events['type']][],
    options?: { readonly unless?: readonly Condition[] },
  ): Promise<readonly Published[]> {
    this.#assertWritable();
    return this.#publisher.publishAll(publications, options);
  }

  /** Appends facts to one stream if its version is as expected (G4). */
  append(
    stream: string,
    publications: readonly { [Type in Events['type']]: Publication<Extract<Events, { type: Type }>> }[Events['type']][],
    options?: { readonly expectedVersion?: ExpectedVersion },
  ): Promise<readonly Published[]> {
    this.#assertWritable();
    return this.#publisher.append(stream, publications, options);
  }

  /**
   * Decides a command, and records what comes of it. Durable on return, also a refusal.
   *
   * Guarantee Decided on all that was recorded before it, whoever else decides at the same time (G4): when others are first it is decided
   *           again, as often as its decider says. The same `id` again has the first outcome, for ever, and records nothing (G2).
   * Errors    CommandDataInvalid, UnknownCommand, CommandContentConflict (the id asked for something else), StreamVersionConflict (what the
   *           caller claims), CommandContested, HistoryIncomplete, StreamDeleted; what `decide` throws; as `publish`. Then nothing was recorded.
   */
  execute<Definition extends CommandDefinition>(
    command: Definition,
    data: CommandInputOf<Definition>,
    options?: ExecuteOptions,
  ): Promise<CommandOutcome> {
    this.#assertWritable();
    return this.deciders.execute(command, data, options);
  }

  /**
   * Publishes in a transaction of the caller's own: the facts are recorded, soon, if and only if it commits. That transaction holds up
   * nobody else's.
   *
   * Shape     transaction: a connection to the database of a PostgreSQL store, or, with whatever store, a DatabaseSync that is among
   *           `SystemOptions.outboxes`. Where none is open on it, the facts of the call are a transaction by themselves.
   * Guarantee What one call publishes becomes visible together. On a DatabaseSync it is written before the call returns its promise, unless
   *           a schema is asynchronous; then WrongState when the transaction has ended meanwhile.
   * Errors    As `publishAll` before the write, and what the connection throws. InvalidInput when the system does not know the database;
   *           CapabilityMissing where the store takes no part in transactions of others. A fact that the log refuses later (G2, a deleted
   *           stream) becomes a report `thereupon.outbox.refused`.
   */
  async publishWithin(
    transaction: TransactionQueries | DatabaseSync,
    publications: readonly { [Type in Events['type']]: Publication<Extract<Events, { type: Type }>> }[Events['type']][],
  ): Promise<readonly Outgoing[]> {
    this.#assertWritable();
    return this.#publisher.publishWithin(this.#outboxes.within(transaction), publications);
  }

  /** Takes CloudEvents from outside, all or none; with a claim about the stream that they belong to, if its version is as expected. */
  async ingest(
    events: readonly IncomingEvent[],
    headers?: HeaderFields,
    expectedVersion?: ExpectedVersion,
  ): Promise<readonly Published[]> {
    this.#assertWritable();
    return this.#ingest.ingest(events, headers, expectedVersion);
  }

  /** What is produced and consumed by whom. */
  async catalog(): Promise<Catalog> {
    const defined = new Map(this.#registry.definitions().map((known) => [`${known.type} ${known.version}`, known]));
    return catalogOf(await this.#store.schemas.list(), defined, this.consumers.reactions, this.options.deciders);
  }

  /** Removes the events of a stream below a version; their identities stay known. */
  async truncateStream(stream: string, beforeVersion: number): Promise<number> {
    this.#assertWritable();
    assertStreamName(stream);
    if (!Number.isSafeInteger(beforeVersion) || beforeVersion < 1)
      throw new InvalidInput({ path: 'beforeVersion', expected: 'a whole number from 1', found: beforeVersion });
    const { firstVersion, version } = await this.#store.log.streamState(stream);
    if (firstVersion <= version && firstVersion < beforeVersion) await this.deciders.truncating(stream, beforeVersion);
    // What is appended meanwhile was not looked at, and stays.
    const removed = await this.#store.log.truncateStream(stream, Math.min(beforeVersion, version + 1));
    this.#feed.forget();
    return removed;
  }

  /** Removes a stream and refuses events for it for ever. */
  async deleteStream(stream: string): Promise<number> {
    this.#assertWritable();
    assertStreamName(stream);
    if (categoryOf(stream) === SYSTEM_CATEGORY)
      throw new InvalidInput({
        path: 'stream',
        expected: `a stream outside the category ${SYSTEM_CATEGORY}, where the system goes on reporting`,
        found: stream,
      });
    const { firstVersion, version } = await this.#store.log.streamState(stream);
    if (firstVersion <= version) await this.deciders.shortening(categoryOf(stream));
    const removed = await this.#store.log.deleteStream(stream);
    // It had none when it was looked at.
    if (removed > 0) await this.deciders.shortening(categoryOf(stream));
    await this.deciders.removed(stream);
    this.#feed.forget();
    return removed;
  }

  /**
   * Forgets a person: deletes the keys that their personal fields are sealed with. From then on these read as erased, in the log, in rows, states
   * and dead letters, here and at every other node; events, their order and their counts stay. It cannot be undone. What is recorded about them
   * later has a key of its own.
   *
   * Shape     Answers how many keys there were; 0: nothing was sealed for such a person, or all of it is forgotten already.
   * Guarantee All keys or none, durable on return. What is published about the person at the same moment may be erased with it.
   * Errors    InvalidInput
   */
  async forget(subject: string): Promise<{ readonly keys: number }> {
    this.#assertWritable();
    return this.#forgetting.forget(subject);
  }

  /** Applies the retention rules now. `force` removes also what consumers and dead letters still need. */
  async applyRetention(
    options: { readonly force?: boolean; readonly rules?: readonly RetentionRule[] } = {},
  ): Promise<readonly RetentionOutcome[]> {
    this.#assertWritable();
    assertKnown('applyRetention', options, ['force', 'rules']);
    const rules = options.rules ?? this.options.retention ?? [];
    assertRetentionRules(rules);
    const bounds = options.force === true ? { notAbove: await this.#store.log.head(), keep: [] } : await this.#needed();
    const outcomes = await applyRetention(this.#store.log, rules, bounds, {
      nowMs: this.environment.clock.now(),
      beforeRemoval: (request) => this.deciders.retaining(request, options.force === true),
    });
    this.#feed.forget();
    for (const outcome of outcomes)
      if (outcome.removed > 0) await this.#reportRetention(outcome, options.force === true);
    return outcomes;
  }

  /**
   * Resolves when every reaction has reached the head of the log, with what transactions of `publishWithin` have committed, and everything is
   * committed. What waits for time, a retry or a delay, is not waited for; in tests `testSystem` lets time pass. Where several processes share
   * the reactions, it speaks of what is handled in this one.
   */
  async settled(): Promise<void> {
    await this.#outboxes.caughtUp();
    return this.consumers.settled();
  }

  /** Where the store is, in words. */
  get location(): string {
    return this.#store.location;
  }

  get readOnly(): boolean {
    return this.#store.readOnly;
  }

  /** Writes waiting for the store, and the most that may wait. */
  pressure(): { readonly waiting: number; readonly limit: number } {
    return this.#store.pressure();
  }

  report(thorough = false): Promise<StoreReport> {
    return this.#store.report(thorough);
  }

  /** Tells other processes that look for whoever works on the store where this one's server answers; undefined: nowhere any more. */
  announce(url: string | undefined): Promise<void> {
    return this.#store.announce(url);
  }

  /** Lets attempts under way finish within the grace time, commits, records what transactions in `outboxes` have committed, and releases the store.
   * Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(): Promise<void> {
    await this.consumers.start();
    // Soon, for programs that are started anew every day; not at once, when consumers may be far behind.
    if ((this.options.retention ?? []).length > 0) this.#scheduleRetention(RETENTION_FIRST_MS);
  }

  #scheduleRetention(delayMs: number): void {
    this.#cancelRetention = this.environment.clock.setTimer(delayMs, () => {
      this.applyRetention()
        .catch((error: unknown) =>
          this.environment.logger.error({ err: error }, 'retention failed; the next turn tries again'),
        )
        .finally(() => {
          if (this.#closing === undefined) this.#scheduleRetention(RETENTION_EVERY_MS);
        });
    });
  }

  async #needed(): Promise<{ notAbove: Position; keep: readonly Position[] }> {
    await this.consumers.saveCheckpoints();
    const notAbove = await this.consumers.lowest();
    const keep: Position[] = [];
    for (let after: Position = START; ;) {
      const page = await this.#store.deliveries.positions(after, 1_000);
      keep.push(...page);
      const last = page.at(-1);
      if (last === undefined || page.length < 1_000) break;
      after = last;
    }
    return { notAbove, keep };
  }

  async #reportRetention({ category, removed, protected: kept }: RetentionOutcome, forced: boolean): Promise<void> {
    const event = systemEvent(this.environment, {
      type: SYSTEM_EVENTS.retentionApplied,
      about: 'retention',
      data: { category, removed, protected: kept, forced },
      cause: undefined,
    });
    await this.#store.log.append({ events: [event], onDuplicate: 'keep-first' });
  }

  async #close(): Promise<void> {
    this.#cancelRetention?.();
    try {
      const graceMs = durationMs(this.options.closeGrace ?? '10s', 'closeGrace');
      await this.consumers.stop(graceMs);
      await this.#outboxes.close(graceMs);
      await this.deciders.settled();
      this.#feed.close();
      await this.#store.close();
    } finally {
      this.#release();
    }
  }

  #assertWritable(): void {
    if (this.#closing !== undefined) throw new Closed('the system');
    if (this.#store.readOnly) throw new StoreReadOnly(this.#store.location);
  }
}

/** From now on what is appended is attested, and what is there as it is found: how much that was is reported (G11, G14). */
async function beginChain({ chain, log, location }: Store, environment: Environment): Promise<void> {
  const begins = await chain.begin();
  await reportRemovedChain({ chain, log }, location, environment.logger);
  const [first] = await chain.links({ after: 0, limit: 1, maxBytes: 1 });
  const found = first?.place ?? START;
  // A process that began it may have ended before it could say so.
  if (!begins && (await log.readStream(systemStream('chain'), { fromVersion: 1, limit: 1 })).length > 0) return;
  const event = systemEvent(environment, {
    type: SYSTEM_EVENTS.chainBegan,
    about: 'chain',
    data: { position: found },
    cause: undefined,
    id: deterministicId(['chain', Buffer.from(first?.hash ?? []).toString('base64url')]),
  });
  await log.append({ events: [event], onDuplicate: 'keep-first' });
  if (found > START)
    environment.logger.warn(
      { store: location, position: found },
      'a hash chain begins over a log that holds events already; what they were before, it does not know',
    );
}

/** Errors: CapabilityMissing names what the program needs and the store cannot do (G13). */
function assertCapable(reactions: readonly Reaction[], { backend, capabilities }: Store, isToRun: boolean): void {
  // Who only asks what a program defines needs nothing of the store.
  if (!isToRun) return;
  const inline = reactions.find((reaction) => reaction.inline !== undefined);
  const tables = reactions.find((reaction) => reaction.tables !== undefined);
  if (tables !== undefined && !capabilities.tables)
    throw new CapabilityMissing(
      `table projection ${tables.name}`,
      'tables',
      backend,
      'name a store in SQLite or PostgreSQL; for tests, a file in a temporary folder',
    );
  if (inline === undefined || capabilities.inlineProjections) return;
  const instead = "define it with mode: 'async', and read one's own write with ?after-position=";
  throw new CapabilityMissing(`inline projection ${inline.name}`, 'inlineProjections', backend, instead);
}

/** Errors: InvalidDefinition when the program cannot read what the store remembers, or, where it says so, may not. */
async function assertFits(
  { compatibility: mode, compatibilityAtStart }: SystemOptions,
  registry: SchemaRegistry,
  { schemas, readOnly }: Store,
  { logger }: Environment,
): Promise<void> {
  const types = upcastingTypes(registry.definitions());
  // Whoever says what is to become of it at the start means what is demanded by default.
  const compatibility = mode ?? (compatibilityAtStart === undefined ? 'none' : 'backward');
  const atStart = compatibilityAtStart ?? 'warn';
  const compares = compatibility !== 'none' && atStart !== 'off' && !readOnly;
  if (types.size === 0 && !compares) return;
  const remembered = await schemas.list();
  assertWaysUp(types, registry.definitions(), remembered);
  if (compares) assertCompatible(registry.schemas(), remembered, { mode: compatibility, atStart, logger });
}

/** Better known than found out when the disk is full. */
function warnOfRetention({ retention = [], deciders = [] }: SystemOptions, { logger }: Environment): void {
  for (const { category } of retention)
    for (const { name, own } of deciders)
      if (own?.category === category && own.snapshot === undefined)
        logger.warn(
          { category, decider: name },
          `retention removes nothing of ${category}: decider ${name} decides on it, and would lose states; have it keep them (snapshot)`,
        );
}
