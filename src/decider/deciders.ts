import type { AppendOutcome, AppendRequest, EventLog, ExpectedVersion, TrimRequest } from '../channel/event-log.ts';
import type { RowStore } from '../consumer/row-store.ts';
import {
  CommandContentConflict,
  CommandDataInvalid,
  InvalidDefinition,
  InvalidInput,
  NotFound,
  SnapshotsNeeded,
  WrongState,
  UnknownCommand,
} from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { assertActor } from '../event/actor.ts';
import type { Actor } from '../event/actor.ts';
import { assertCircumstances } from '../event/circumstances.ts';
import type { Caller } from '../event/circumstances.ts';
import { currentCause } from '../event/causality.ts';
import { assertJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { assertStreamName, categoryOf } from '../event/stream-name.ts';
import { ERASED } from '../event/personal-fields.ts';
import { seal } from '../event/sealed-value.ts';
import type { SealedPlace, SubjectKey } from '../event/sealed-value.ts';
import { assertExpectedVersion } from '../producer/publisher.ts';
import type { Publisher } from '../producer/publisher.ts';
import type { UpcastingTypes } from '../event/upcast-event.ts';
import { issuesOf } from '../event/schema-issues.ts';
import type { Sealing } from '../schema/sealing.ts';
import { jsonSchemaOf } from '../schema/json-schema.ts';
import { SYSTEM_EVENTS, systemEvent } from '../event/system-events.ts';
import { isoTime } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import { assertKnown } from '../system/known-options.ts';
import { assertReached, spanOf } from '../time/as-of.ts';
import type { AsOf } from '../time/as-of.ts';
import { commandDigest, NO_DIGEST, sealedDigest } from './command-digest.ts';
import { commandOf } from './command-outcome.ts';
import type { CommandOutcome } from './command-outcome.ts';
import type { CommandDefinition, CommandInputOf } from './define-command.ts';
import type { DeciderDefinition } from './define-decider.ts';
import { Execution } from './execution.ts';
import { isNamed, keepState, keepStates } from './kept-states.ts';
import type { Keeping } from './kept-states.ts';
import { jsonDifference } from '../event/json-difference.ts';
import type { JsonDifference } from '../event/json-difference.ts';
import { ShortenedHistory } from './shortened-history.ts';
import { Snapshots } from './snapshots.ts';
import { StreamStates } from './stream-states.ts';
import type { StreamOf } from './stream-states.ts';
import { WaitingRoom } from './waiting.ts';

/** A state, and the last event that it is made of. */
export interface StateAt<State = unknown> {
  readonly decider: string;
  readonly stream: string;
  /** Of that event; 0: of none. */
  readonly version: number;
  /** How many it is made of: at an instant of event time earlier ones may be left out, since they happened later. */
  readonly events: number;
  readonly state: State;
  /** Of that event, too; left out where the present state is asked for, which need not be made of events that are read. */
  readonly position?: number;
  readonly time?: string;
  readonly recordedtime?: string;
}

/** What may be said of a command beyond its data. */
export interface ExecuteOptions {
  /** The same id again has the first outcome, for ever. Default: a new UUID v7. */
  readonly id?: string;
  /** A claim about the stream: another version refuses the command with StreamVersionConflict. Default `'any'`. */
  readonly expectedVersion?: ExpectedVersion;
  /** The conversation it belongs to. Default: that of the event being reacted to, else the id of the command. */
  readonly correlationid?: string;
  /** Who gives it: `decide` sees it, and its facts keep it as `authtype` and `authid`. No part of what the command is: a repetition may name another one. */
  readonly actor?: Actor;
  /** Why, in words: kept with the outcome, and with its facts as `authreason`. As with the actor, no part of what the command is. */
  readonly reason?: string;
  /** Through what it came, where you execute it for others: kept with the outcome, and with its facts as `authkey` and `authaddress`. */
  readonly caller?: Caller;
}

const EXECUTE_OPTIONS = 'id expectedVersion correlationid actor reason caller'.split(' ');
/** As of events. */
const MAX_ID_BYTES = 2_048;
/** States of streams that are kept in memory, by default. */
const CACHE_BYTES = 32 * 1_024 * 1_024;
const RECENT_IDS = 10_000;
const NO_OPTIONS: ExecuteOptions = {};

export interface DecidersParts {
  readonly log: EventLog;
  readonly rows: RowStore;
  readonly publisher: Publisher;
  readonly environment: Environment;
  readonly deciders: readonly DeciderDefinition[];
  /** Types of which older versions may be published. */
  readonly types: UpcastingTypes;
  /** Commands that may wait for others. */
  readonly waitingCommands: number;
}

type Owner = Omit<StreamOf, 'stream'>;

/** Decides commands, and tells the states that they are decided on. */
export class Deciders {
  readonly #byCommand = new Map<
    string,
    { readonly decider: DeciderDefinition; readonly definition: CommandDefinition }
  >();
  readonly #byName = new Map<string, DeciderDefinition>();
  readonly #byCategory = new Map<string, DeciderDefinition>();
  /** Who makes states of the streams of a category, also for others that decide across them; by name. */
  readonly #owners = new Map<string, Map<string, Owner>>();
  readonly #environment: Environment;
  readonly #sealing: Sealing | undefined;
  readonly #log: EventLog;
  readonly #snapshots: Snapshots;
  readonly #shortened: ShortenedHistory;
  readonly #states: StreamStates;
  readonly #execution: Execution;
  readonly #room: WaitingRoom;
  /** Ids of callers, the last ones. */
  readonly #recent = new Set<string>();
  /** Ids of callers that are being executed. */
  readonly #underWay = new Map<string, Promise<CommandOutcome>>();

  /** Errors: InvalidDefinition when two claim one name, one command or one category. */
  constructor({ log, rows, publisher, environment, deciders, types, waitingCommands }: DecidersParts) {
    this.#environment = environment;
    this.#sealing = publisher.sealing;
    this.#log = log;
    this.#snapshots = new Snapshots(rows);
    this.#shortened = new ShortenedHistory(rows, async (category) => {
      const type = SYSTEM_EVENTS.historyShortened;
      const event = systemEvent(environment, { type, about: 'retention', data: { category }, cause: undefined });
      await log.append({ events: [event], onDuplicate: 'keep-first' });
    });
    this.#states = new StreamStates(log, this.#snapshots, {
      maxBytes: CACHE_BYTES,
      types,
      nowMs: () => environment.clock.now(),
    });
    this.#room = new WaitingRoom(waitingCommands);
    this.#execution = new Execution({
      room: this.#room,
      shortened: this.#shortened,
      log,
      publisher,
      environment,
      states: this.#states,
      snapshots: this.#snapshots,
      sealing: this.#sealing,
    });
    for (const decider of deciders) this.#add(decider);
  }

  /** Appends what nobody decided; see `StreamStates.append`. */
  append(request: AppendRequest, isNew: boolean): Promise<AppendOutcome> {
    return this.#states.append(request, isNew);
  }

  list(): readonly DeciderDefinition[] {
    return [...this.#byName.values()];
  }

  /** The commands that can be executed, in the order of the program, with the JSON Schema of their data where their library gives one. */
  commands(): readonly {
    readonly name: string;
    readonly summary: string | undefined;
    readonly decider: string;
    readonly jsonSchema: JsonValue | undefined;
  }[] {
    return [...this.#byCommand.values()].map(({ decider, definition }) => ({
      name: definition.name,
      summary: definition.summary,
      decider: decider.name,
      jsonSchema: jsonSchemaOf(definition),
    }));
  }

  /** The definition of a command that some decider takes. */
  command(name: string): CommandDefinition | undefined {
    return this.#byCommand.get(name)?.definition;
  }

  /** See `System.execute`. */
  async execute<Definition extends CommandDefinition>(
    definition: Definition,
    data: CommandInputOf<Definition>,
    options: ExecuteOptions = NO_OPTIONS,
  ): Promise<CommandOutcome> {
    const { decider, given } = this.#require(definition);
    assertOptions(options);
    if (decider.own === undefined && (options.expectedVersion ?? 'any') !== 'any')
      throw new InvalidInput({
        path: 'expectedVersion',
        expected: `no claim: command ${given.name} is decided across several streams, which claims all of them itself`,
        found: options.expectedVersion,
      });
    const said: unknown = data ?? null;
    assertJson(said, 'data', 0);
    if (options.id === undefined) return this.#decide(decider, given, { data, said: undefined, options });
    const { id } = options;
    // Of two at once the second waits: decided beside the first, it would come to nothing and send back whoever went on from it.
    const other = this.#underWay.get(id);
    const executing = this.#executeKnown(other, decider, given, {
      data,
      said: said as JsonValue,
      options: { ...options, id },
    });
    this.#underWay.set(id, executing);
    try {
      return await executing;
    } finally {
      if (this.#underWay.get(id) === executing) this.#underWay.delete(id);
    }
  }

  /** A command that may have been executed before, or is being executed now. */
  async #executeKnown(
    other: Promise<CommandOutcome> | undefined,
    decider: DeciderDefinition,
    given: CommandDefinition,
    asked: {
      readonly data: unknown;
      readonly said: JsonValue;
      readonly options: ExecuteOptions & { readonly id: string };
    },
  ): Promise<CommandOutcome> {
    const { said, options } = asked;
    if (other !== undefined) await this.#room.for(() => other.catch(() => undefined));
    if (other !== undefined || this.#recent.has(options.id)) {
      const known = await this.#execution.repeated(options.id, given.name, said);
      if (known !== undefined) return known;
    }
    try {
      return await this.#decide(decider, given, asked);
    } catch (error) {
      // What came of it stands, whatever has become of its stream, its schema and its decider since.
      const known = await this.#execution.repeated(options.id, given.name, said).catch((failure: unknown) => {
        throw failure instanceof CommandContentConflict ? failure : error;
      });
      if (known === undefined) throw error;
      return known;
    } finally {
      this.#remember(options.id);
    }
  }

  async #decide(
    decider: DeciderDefinition,
    given: CommandDefinition,
    {
      data,
      said,
      options,
    }: { readonly data: unknown; readonly said: JsonValue | undefined; readonly options: ExecuteOptions },
  ): Promise<CommandOutcome> {
    // A schema may hand out what it was given, which stays the caller's.
    const validation = given.schema['~standard'].validate(data);
    const result = validation instanceof Promise ? await validation : validation;
    if (result.issues !== undefined) throw new CommandDataInvalid(given.name, issuesOf(result.issues));
    const value = result.value === data && typeof data === 'object' ? structuredClone(data) : result.value;
    const id = options.id ?? this.#environment.ids.next();
    const cause = currentCause();
    const subject = this.#sealing && given.subjectOf(value);
    const key = subject && (this.#sealing?.current(subject) ?? (await this.#sealing?.obtain(subject)));
    return this.#execution.run({
      decider,
      command: Object.freeze({
        id,
        name: given.name,
        data: value,
        time: isoTime(this.#environment.clock.now()),
        actor: options.actor && Object.freeze({ ...options.actor }),
      }),
      digest:
        said === undefined ? NO_DIGEST : key ? sealedDigest(given.name, said, key) : commandDigest(given.name, said),
      said,
      seal: key ? (part, place) => this.#sealed(part, key, { of: commandOf(id), place }) : undefined,
      stream: given.streamOf(value),
      correlationid: options.correlationid ?? cause?.correlationid ?? id,
      cause: cause?.id,
      circumstances: { reason: options.reason, caller: options.caller && { ...options.caller } },
      expectedVersion: options.expectedVersion ?? 'any',
    });
  }

  #sealed(value: JsonValue, key: SubjectKey, where: SealedPlace): JsonValue {
    // Somebody was forgotten while it was decided.
    if (this.#sealing === undefined || key.secret === undefined) return typeof value === 'string' ? ERASED : null;
    return seal(value, key, where, this.#sealing.nonce()) as unknown as JsonValue;
  }

  /** Who asks again does so soon, mostly: then the outcome is looked up, and nothing is decided in vain. */
  #remember(id: string): void {
    this.#recent.add(id);
    if (this.#recent.size <= RECENT_IDS) return;
    const [oldest] = this.#recent;
    if (oldest !== undefined) this.#recent.delete(oldest);
  }

  /**
   * The state of a stream: as the log holds it now, or as of a version, a position or an instant.
   *
   * Shape     decider: a definition, its name, or undefined for the one whose category the stream is of.
   * Errors    NotFound (no such decider, no such stream, no such version of it yet); HistoryIncomplete; StreamDeleted; InvalidInput (`asOf`)
   */
  async state<State>(
    decider: DeciderDefinition<State> | string | undefined,
    stream: string,
    asOf: AsOf = {},
  ): Promise<StateAt<State>> {
    const of = this.#streamOf(decider, stream);
    const span = spanOf(asOf);
    if (span === undefined) {
      const { version, state } = await this.#states.present(of);
      if (version === 0) throw new NotFound('stream', stream);
      return { decider: of.decider, stream, version, events: version, state: state as State };
    }
    await assertReached(asOf, this.#log);
    const { last, version, state, events } = await this.#states.within(of, span);
    if (version === 0 || version < (asOf.version ?? 0)) {
      const there = await this.#log.streamState(stream);
      if (there.version === 0) throw new NotFound('stream', stream);
      if (asOf.version !== undefined && there.version < asOf.version)
        throw new NotFound(`version ${asOf.version} of stream`, stream, [`versions 0 to ${there.version}`]);
    }
    return {
      decider: of.decider,
      stream,
      version,
      events,
      state: state as State,
      ...(last === undefined ? {} : { position: last.position, time: last.time, recordedtime: last.recordedtime }),
    };
  }

  /** What of a stream's state is otherwise at a later point than at an earlier one, place by place. Errors: as of `state`. */
  async difference(
    decider: DeciderDefinition | string | undefined,
    stream: string,
    from: AsOf,
    to: AsOf = {},
  ): Promise<{ readonly from: StateAt; readonly to: StateAt; readonly differences: readonly JsonDifference[] }> {
    const before = await this.state(decider, stream, from);
    const after = await this.state(decider, stream, to);
    return {
      from: before,
      to: after,
      differences: jsonDifference(before.state as JsonValue, after.state as JsonValue),
    };
  }

  /** The stream was deleted: nothing of it stays. */
  async removed(stream: string): Promise<void> {
    for (const { name, own } of this.list())
      if (own?.snapshot !== undefined && own.category === categoryOf(stream))
        await this.#snapshots.remove(name, stream);
  }

  /** Categories that have lost events. */
  async shortened(): Promise<ReadonlySet<string>> {
    return new Set(await this.#shortened.affecting([], undefined));
  }

  /** Events of streams of this category are about to be removed: who decides on queries hears of it. */
  shortening(category: string): Promise<void> {
    return this.#shortened.note(category);
  }

  /**
   * As `shortening`, before retention removes events of a category. What the events of streams have made that are decided on is kept.
   *
   * Shape     Answers whether they may be removed: not where a state would be lost, unless `isForced`.
   */
  async retaining(request: Omit<TrimRequest, 'limit'>, isForced: boolean): Promise<boolean> {
    const { category } = request;
    try {
      await this.#keep(category, (keeping) => keepStates(keeping, (event) => isNamed(event, request)));
    } catch (error) {
      const { logger } = this.#environment;
      if (isForced) logger.warn({ err: error, category }, `retention of ${category} is forced, and states are lost`);
      else {
        logger.error({ err: error, category }, `retention removes nothing of ${category}: states would be lost`);
        return false;
      }
    }
    await this.shortening(category);
    return true;
  }

  /** As `shortening`, before events of one stream are removed. Errors: as of what keeps its state; then they should not be. */
  async truncating(stream: string, beforeVersion: number): Promise<void> {
    const category = categoryOf(stream);
    await this.#keep(
      category,
      (keeping) => keepState(keeping, { stream }, ({ version }) => version < beforeVersion),
      // Whoever cuts a stream of a decider that keeps nothing means it.
      () => undefined,
    );
    await this.shortening(category);
  }

  /** Errors: WrongState where a decider keeps no states; as of the store; what `evolve` throws. */
  async #keep(
    category: string,
    keep: (keeping: Keeping) => Promise<void>,
    unkept = (decider: string): void => {
      throw new WrongState(
        `decider ${decider} decides on streams of category ${category} and would lose their states; have it keep them (snapshot), or apply retention with force`,
      );
    },
  ): Promise<void> {
    for (const { decider, own } of this.#owners.get(category)?.values() ?? []) {
      if (own.snapshot === undefined) unkept(decider);
      else
        await keep({
          decider,
          own,
          log: this.#log,
          snapshots: this.#snapshots,
          write: (of) => this.#execution.keepState(of),
        });
    }
  }

  /** Somebody was forgotten: states are made of what is left. */
  forgetStates(): void {
    this.#states.forgetAll();
  }

  /** Whoever is forgotten in `act`, which ends with `forgetStates`, is in no snapshot afterwards. */
  withoutSnapshots<Result>(act: () => Promise<Result>): Promise<Result> {
    return this.#execution.withoutSnapshots(act);
  }

  /** Whether some decider makes states of the stream. */
  decides(stream: string): boolean {
    return this.#byCategory.has(categoryOf(stream));
  }

  /**
   * Removes the snapshots of a decider, or of all: states are made of their events again, and are what they were.
   *
   * Shape     force: also those of streams whose first events were removed, which then have no state any more (HistoryIncomplete).
   * Errors    SnapshotsNeeded names these streams; then nothing was removed.
   */
  async dropSnapshots(
    decider?: DeciderDefinition | string,
    { force = false }: { readonly force?: boolean } = {},
  ): Promise<void> {
    const dropped = decider === undefined ? this.list() : [this.#named(decider)];
    if (!force)
      for (const { name, own } of dropped) {
        const needed = own === undefined ? [] : await this.#snapshots.needed(name, this.#log);
        if (needed.length > 0) throw new SnapshotsNeeded(name, needed);
      }
    for (const { name } of dropped) await this.#snapshots.drop(name, force);
  }

  /** How many streams have a snapshot. */
  countSnapshots(decider: DeciderDefinition | string): Promise<number> {
    return this.#snapshots.count(this.#named(decider).name);
  }

  /** Resolves when the snapshots under way are written. */
  settled(): Promise<void> {
    return this.#execution.settled();
  }

  #add(decider: DeciderDefinition): void {
    const title = `decider ${decider.name}`;
    if (this.#byName.has(decider.name)) throw new InvalidDefinition(title, 'is defined twice; names are unique');
    this.#byName.set(decider.name, decider);
    for (const definition of decider.commands) {
      const other = this.#byCommand.get(definition.name);
      if (other !== undefined)
        throw new InvalidDefinition(title, `command ${definition.name} is taken by decider ${other.decider.name}`);
      this.#byCommand.set(definition.name, { decider, definition });
    }
    for (const { owner } of decider.parts) if (owner !== undefined) this.#own(owner);
    if (decider.own === undefined) return;
    this.#own({ decider: decider.name, own: decider.own });
    const { category } = decider.own;
    const other = this.#byCategory.get(category);
    if (other !== undefined)
      throw new InvalidDefinition(title, `streams of category ${category} are decided by ${other.name} already`);
    this.#byCategory.set(category, decider);
    this.#states.add(decider.own);
  }

  #own(owner: Owner): void {
    const { category } = owner.own;
    const owners = this.#owners.get(category) ?? new Map<string, Owner>();
    this.#owners.set(category, owners.set(owner.decider, owner));
  }

  #require(definition: CommandDefinition): { readonly decider: DeciderDefinition; readonly given: CommandDefinition } {
    if ((definition as Partial<CommandDefinition> | undefined)?.kind !== 'command')
      throw new InvalidInput({ path: 'command', expected: 'what defineCommand gives', found: definition });
    const known = this.#byCommand.get(definition.name);
    if (known?.definition !== definition) throw new UnknownCommand(definition.name, [...this.#byCommand.keys()]);
    return { decider: known.decider, given: definition };
  }

  #named(decider: DeciderDefinition | string): DeciderDefinition {
    const name = typeof decider === 'string' ? decider : decider.name;
    const found = this.#byName.get(name);
    if (found === undefined) throw new NotFound('decider', name, [...this.#byName.keys()]);
    return found;
  }

  #streamOf(given: DeciderDefinition | string | undefined, stream: string): StreamOf {
    assertStreamName(stream);
    const decider = given === undefined ? this.#byCategory.get(categoryOf(stream)) : this.#named(given);
    if (decider === undefined)
      throw new NotFound('decider of streams', categoryOf(stream), [...this.#byCategory.keys()]);
    const { own, name } = decider;
    if (own === undefined)
      throw new InvalidInput({
        path: 'decider',
        expected: 'one of one stream',
        found: `${name}, which decides across`,
      });
    if (categoryOf(stream) !== own.category)
      throw new InvalidInput({ path: 'stream', expected: `one of category ${own.category}`, found: stream });
    return { decider: name, own, stream };
  }
}

function assertOptions(options: ExecuteOptions): void {
  if (options === NO_OPTIONS) return;
  assertKnown('execute', options, EXECUTE_OPTIONS);
  const { id, correlationid, expectedVersion, actor } = options;
  if (actor !== undefined) assertActor(actor);
  assertCircumstances(options);
  if (expectedVersion !== undefined) assertExpectedVersion(expectedVersion);
  for (const [path, value] of [
    ['id', id],
    ['correlationid', correlationid],
  ] as const) {
    if (value === undefined) continue;
    const fits =
      typeof value === 'string' && value !== '' && value.isWellFormed() && Buffer.byteLength(value) <= MAX_ID_BYTES;
    if (!fits)
      throw new InvalidInput({
        path,
        expected: `1 to ${MAX_ID_BYTES} bytes of text without lone surrogates`,
        found: describeValue(value),
      });
  }
}
