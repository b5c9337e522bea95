import type { CommandEntry, QueryClaim } from '../channel/append-conditions.ts';
import type { AppendOutcome, EventLog, ExpectedVersion, StreamClaim } from '../channel/event-log.ts';
import { CommandContentConflict, CommandContested, InvalidDefinition, StreamVersionConflict } from '../errors.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import { sumOfBytes } from '../event/event-size.ts';
import type { JsonValue } from '../event/json.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { assertStreamName, categoryOf } from '../event/stream-name.ts';
import { appendedOf } from '../producer/publisher.ts';
import type { Publication, Publisher } from '../producer/publisher.ts';
import { backoffMs } from '../system/backoff.ts';
import { isoTime, waitFor } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import { NO_DIGEST } from './command-digest.ts';
import { repeatedOutcome } from './command-outcome.ts';
import type { CommandOutcome, DecidedFact, KeptOutcome } from './command-outcome.ts';
import { decided } from './decision.ts';
import type { Command, Refusal } from './decision.ts';
import type { DeciderDefinition } from './define-decider.ts';
import { evolved, initialState, unrecorded } from './fold.ts';
import type { QueryPart, StreamPart } from './parts.ts';
import type { Snapshots } from './snapshots.ts';
import type { KeptState, StreamStates } from './stream-states.ts';
import { Turns } from './turns.ts';

/** A command on its way. */
export interface Asked {
  readonly decider: DeciderDefinition;
  readonly command: Command;
  readonly digest: string;
  /** The stream that its definition names. */
  readonly stream: string | undefined;
  readonly correlationid: string;
  /** The id of the event being reacted to; undefined: none is. */
  readonly cause: string | undefined;
  /** What whoever asks claims of the stream. */
  readonly expectedVersion: ExpectedVersion;
}

export interface ExecutionParts {
  readonly log: EventLog;
  readonly publisher: Publisher;
  readonly states: StreamStates;
  readonly snapshots: Snapshots;
  readonly environment: Environment;
}

/** So many tries follow each other at once, since what they are decided on is read anew; then others, maybe on other machines, are given way. */
const AT_ONCE = 4;
const RETRY = { minDelayMs: 2, maxDelayMs: 100, factor: 2, jitter: 1 };
const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;

/** A decision, ready for the log. */
interface Made {
  readonly events: readonly EncodedEvent[];
  readonly refusal: Refusal | undefined;
}

/** What a part was when it was read, and the claim that it still is. */
interface Reading {
  readonly name: string;
  readonly state: JsonValue;
  readonly stream: StreamPart | undefined;
  readonly claim: StreamClaim | undefined;
  readonly query: QueryClaim | undefined;
}

/**
 * Reads, decides and appends.
 *
 * Invariants 1. Every outcome, also a refusal, is recorded with the claims that it was decided on, in one request: it is that of the history
 *               which it is recorded behind.
 *            2. A command is remembered in the request that records what came of it: the same id has one outcome, whoever executes it where.
 *            3. When a claim does not hold, the command is decided again on fresh state, up to the bound of its decider.
 */
export class Execution {
  readonly #parts: ExecutionParts;
  readonly #turns = new Turns();
  readonly #snapshots = new Set<Promise<void>>();

  constructor(parts: ExecutionParts) {
    this.#parts = parts;
  }

  run(asked: Asked): Promise<CommandOutcome> {
    return asked.decider.own === undefined ? this.#acrossInTurn(asked) : this.#onStream(asked, streamOf(asked));
  }

  /** Resolves when the snapshots under way are written. */
  async settled(): Promise<void> {
    await Promise.all(this.#snapshots);
  }

  async #onStream(asked: Asked, of: StreamPart): Promise<CommandOutcome> {
    const turn = turnOf(of);
    // Those who decide across streams read these first: without a turn of theirs, others would always be quicker.
    for (let busy = this.#turns.busy(turn); busy !== undefined; busy = this.#turns.busy(turn)) await busy;
    const { states } = this.#parts;
    const { decider, command } = asked;
    let refused: AppendOutcome | undefined;
    let end: (() => void) | undefined;
    try {
      for (let attempt = 1; ; attempt += 1) {
        if (attempt > decider.attempts) throw new CommandContested(command.name, attempt - 1, refused);
        const entry = states.kept(of) ?? (await states.load(of, attempt > 1));
        const before = entry.version;
        if (!holds(asked.expectedVersion, before)) {
          const outcome = await this.#unlessKnown(asked, of, entry);
          if (outcome !== undefined) return outcome;
          continue;
        }
        const making = this.#make(asked, entry.state, [of.stream]);
        const made = making instanceof Promise ? await making : making;
        if (entry.isBroken || entry.version !== before) {
          // While a schema took its time others were first. From now on they wait.
          end ??= await this.#turns.take([turn]);
          continue;
        }
        const version = before + made.events.length;
        const { fold } = of.own;
        const recorded = made.events.map((event, index) => unrecorded(fold, event, before + index + 1));
        const state = recorded.length === 0 ? entry.state : evolved(fold, entry.state, recorded);
        // What it goes on from may be refused, and what others write may have its version.
        const last = entry.underWay === 0 ? undefined : entry.last;
        states.advance(of, entry, { version, state, last: made.events.at(-1) });
        const outcome = await this.#append(of, entry, {
          events: made.events,
          expected: [{ stream: of.stream, version: before, ...(last === undefined ? {} : { last }) }],
          command: entryOf(asked, made, { stream: of.stream, version }),
          onDuplicate: 'verify',
        });
        if (outcome.ok) {
          this.#maySnapshot(of, entry, { version, state });
          return outcomeOf(asked, made, outcome, { stream: of.stream, version, state });
        }
        const known = await this.#knownOrThrow(asked, outcome);
        if (known !== undefined) return known;
        refused = outcome;
        if (attempt < decider.attempts) await this.#pause(attempt);
      }
    } finally {
      end?.();
    }
  }

  async #append(of: StreamPart, entry: KeptState, request: Parameters<EventLog['append']>[0]): Promise<AppendOutcome> {
    entry.underWay += 1;
    try {
      const outcome = await this.#parts.log.append(request);
      // A fact that was known adds nothing to the stream. In the same step in which nothing is under way any more: nobody decides in between.
      if (!outcome.ok || outcome.events.some(({ duplicate }) => duplicate)) this.#parts.states.forget(of, entry);
      return outcome;
    } catch (error) {
      this.#parts.states.forget(of, entry);
      throw error;
    } finally {
      entry.underWay -= 1;
    }
  }

  /** A claim of the caller does not hold on what is in memory: undefined where that may be for what is in memory. */
  async #unlessKnown(asked: Asked, of: StreamPart, entry: KeptState): Promise<CommandOutcome | undefined> {
    const { log, states } = this.#parts;
    const known = await log.findCommand(asked.command.id);
    if (known !== undefined) return this.#repeated(asked, known);
    const { version } = await log.streamState(of.stream);
    if (version === entry.version || !holds(asked.expectedVersion, version))
      throw new StreamVersionConflict(of.stream, asked.expectedVersion, version);
    states.forget(of, entry);
    return undefined;
  }

  async #acrossInTurn(asked: Asked): Promise<CommandOutcome> {
    const parts = asked.decider.parts.map((part) => ({ name: part.name, part: part.of(asked.command.data) }));
    const names = parts.map(({ part }) => ('stream' in part ? turnOf(part) : `query ${part.turn}`));
    const end = await this.#turns.take([...new Set(names)]);
    try {
      return await this.#across(asked, parts);
    } finally {
      end();
    }
  }

  async #across(
    asked: Asked,
    parts: readonly { readonly name: string; readonly part: StreamPart | QueryPart }[],
  ): Promise<CommandOutcome> {
    const { log, states } = this.#parts;
    const { decider, command } = asked;
    for (let attempt = 1; ; attempt += 1) {
      const readings = await Promise.all(parts.map(({ name, part }) => this.#read(name, part)));
      const streams = readings.flatMap(({ stream }) => (stream === undefined ? [] : [stream.stream]));
      const state = Object.freeze(Object.fromEntries(readings.map((reading) => [reading.name, reading.state])));
      const made = await this.#make(asked, state, streams.length === readings.length ? streams : undefined);
      const outcome = await log.append({
        events: made.events,
        expected: readings.flatMap(({ claim }) => (claim === undefined ? [] : [claim])),
        unless: readings.flatMap(({ query }) => (query === undefined ? [] : [query])),
        command: entryOf(asked, made, {}),
        onDuplicate: 'verify',
      });
      for (const { stream } of readings) if (stream !== undefined) states.forgetStream(stream);
      if (outcome.ok) return outcomeOf(asked, made, outcome, { state: statesAfter(readings, made.events) });
      const known = await this.#knownOrThrow(asked, outcome);
      if (known !== undefined) return known;
      if (attempt >= decider.attempts) throw new CommandContested(command.name, attempt, outcome);
      await this.#pause(attempt);
    }
  }

  async #read(name: string, part: StreamPart | QueryPart): Promise<Reading> {
    if ('stream' in part) {
      const { version, state } = await this.#parts.states.present(part);
      return { name, state, stream: part, claim: { stream: part.stream, version }, query: undefined };
    }
    const { state, after } = await this.#readQuery(part);
    return { name, state, stream: undefined, claim: undefined, query: { ...part.query, after } };
  }

  async #readQuery({ fold, query }: QueryPart): Promise<{ readonly state: JsonValue; readonly after: Position }> {
    const { log } = this.#parts;
    const { matches, ...indexed } = query;
    const head = await log.head();
    let state = initialState(fold);
    for (let after: Position = START; ;) {
      const page = await log.read({ ...indexed, after, limit: PAGE, maxBytes: PAGE_BYTES });
      state = evolved(fold, state, matches === undefined ? page : page.filter(matches));
      const last = page.at(-1);
      if (last !== undefined) after = last.position;
      if (last === undefined || (page.length < PAGE && sumOfBytes(page) < PAGE_BYTES))
        return { state, after: Math.max(after, head) as Position };
    }
  }

  /** Errors: what `decide` throws; those of its facts. `streams`: the only ones that they may belong to; undefined: any. */
  #make(asked: Asked, state: unknown, streams: readonly string[] | undefined): Made | Promise<Made> {
    const { decider, command } = asked;
    const { facts, refusal } = decided(decider.name, decider.decide(state, command));
    const events: EncodedEvent[] = [];
    for (const fact of facts) {
      const event = this.#admit(asked, fact, streams);
      if (event instanceof Promise) return this.#makeRest(asked, { facts, refusal, streams }, events, event);
      events.push(event);
    }
    return { events, refusal };
  }

  async #makeRest(
    asked: Asked,
    { facts, refusal, streams }: Made0,
    events: EncodedEvent[],
    pending: Promise<EncodedEvent>,
  ): Promise<Made> {
    events.push(await pending);
    for (const fact of facts.slice(events.length)) events.push(await this.#admit(asked, fact, streams));
    return { events, refusal };
  }

  #admit(
    { decider, command, correlationid }: Asked,
    fact: Publication,
    streams: readonly string[] | undefined,
  ): EncodedEvent | Promise<EncodedEvent> {
    // What makes a repetition harmless is the id of the command. A fact that was known would leave a gap where others count on it.
    if (fact.options?.id !== undefined)
      throw new InvalidDefinition(
        `decider ${decider.name}`,
        `decided a fact ${fact.event.type} with an id of its own, ${fact.options.id}; leave it out: it is the command that has the id`,
      );
    const stream = decider.own === undefined ? undefined : streams?.[0];
    const event = this.#parts.publisher.admitDecided(fact, { commandId: command.id, correlationid, stream });
    if (event instanceof Promise) return event.then((done) => assertWithin(decider, done, streams));
    return assertWithin(decider, event, streams);
  }

  /** Errors: CommandContentConflict, StreamDeleted, EventContentConflict. Undefined: the command is to be decided again. */
  async #knownOrThrow(
    asked: Asked,
    outcome: AppendOutcome & { readonly ok: false },
  ): Promise<CommandOutcome | undefined> {
    if (outcome.reason === 'command-known') return this.#repeated(asked, outcome.command);
    if (outcome.reason !== 'version-conflict' && outcome.reason !== 'query-conflict') appendedOf(outcome);
    return undefined;
  }

  /** What came of it the first time. Errors: CommandContentConflict. */
  async #repeated(
    { command, digest }: Asked,
    known: CommandEntry & Parameters<typeof repeatedOutcome>[0],
  ): Promise<CommandOutcome> {
    const isSame = known.name === command.name && (known.digest === digest || known.digest === NO_DIGEST);
    if (!isSame) throw new CommandContentConflict(command.id, command.name, known.name);
    return repeatedOutcome(known, await eventsOf(this.#parts.log, known));
  }

  /** At once at first, then later and later, not all at the same time. */
  async #pause(attempt: number): Promise<void> {
    const { clock, random } = this.#parts.environment;
    if (attempt >= AT_ONCE) await waitFor(clock, backoffMs(RETRY, attempt - AT_ONCE + 1, random));
  }

  /** Behind the commands: who asked does not wait for it. */
  #maySnapshot(of: StreamPart, entry: KeptState, { version, state }: { version: number; state: JsonValue }): void {
    const { snapshots, environment } = this.#parts;
    const { snapshot: rule, version: deciderVersion } = of.own;
    if (rule === undefined || version <= entry.snapshotVersion) return;
    const atMs = environment.clock.now();
    if (version - entry.snapshotVersion < rule.every && atMs - entry.snapshotMs < rule.afterMs) return;
    entry.snapshotVersion = version;
    entry.snapshotMs = atMs;
    const writing: Promise<void> = snapshots
      .put(of.decider, deciderVersion, of.stream, { version, atMs, state })
      .catch((error: unknown) =>
        environment.logger.warn(
          { err: error, decider: of.decider, stream: of.stream },
          'a snapshot was not written; the state is made of more events until the next one',
        ),
      )
      .finally(() => this.#snapshots.delete(writing));
    this.#snapshots.add(writing);
  }
}

interface Made0 {
  readonly facts: readonly Publication[];
  readonly refusal: Refusal | undefined;
  readonly streams: readonly string[] | undefined;
}

function turnOf({ stream }: StreamPart): string {
  return `stream ${stream}`;
}

function streamOf({ decider, command, stream }: Asked): StreamPart {
  const title = `decider ${decider.name}`;
  if (decider.own === undefined) throw new InvalidDefinition(title, 'decides no streams of its own');
  if (stream === undefined)
    throw new InvalidDefinition(title, `command ${command.name} names no stream; give it stream: (data) => '…'`);
  assertStreamName(stream);
  const { category } = decider.own;
  if (categoryOf(stream) !== category)
    throw new InvalidDefinition(
      title,
      `decides streams of category ${category}, found ${stream} for command ${command.name}; change its stream, or the decider's category`,
    );
  return { decider: decider.name, own: decider.own, stream };
}

function assertWithin(
  { name }: DeciderDefinition,
  event: EncodedEvent,
  streams: readonly string[] | undefined,
): EncodedEvent {
  if (streams === undefined || streams.includes(event.stream)) return event;
  throw new InvalidDefinition(
    `decider ${name}`,
    `decided a fact ${event.type} for stream ${event.stream}, which it was not decided on; expected ${streams.join(' or ')}`,
  );
}

function holds(expected: ExpectedVersion, version: number): boolean {
  if (expected === 'any') return true;
  return expected === 'none' ? version === 0 : expected === 'exists' ? version > 0 : version === expected;
}

function entryOf({ command, digest, cause }: Asked, { refusal }: Made, place: KeptOutcome): CommandEntry {
  const refused = refusal && {
    refused: {
      reason: refusal.reason,
      message: refusal.message,
      ...(refusal.details === undefined ? {} : { details: refusal.details }),
    },
  };
  const outcome = { ...place, ...refused, ...(cause === undefined ? {} : { cause }) };
  return {
    id: command.id,
    name: command.name,
    digest,
    outcome: Object.keys(outcome).length === 0 ? undefined : outcome,
  };
}

function outcomeOf(
  { command }: Asked,
  { events, refusal }: Made,
  appended: AppendOutcome & { readonly ok: true },
  { stream, version, state }: { stream?: string; version?: number; state: unknown },
): CommandOutcome {
  const published = appended.events.map((place, index): DecidedFact => ({
    type: events[index]?.type ?? '',
    id: events[index]?.id ?? '',
    source: events[index]?.source ?? '',
    stream: place.stream,
    version: place.version,
    position: place.position,
    recordedtime: isoTime(place.recordedMs),
    duplicate: place.duplicate,
    quarantined: false,
  }));
  const common = {
    id: command.id,
    command: command.name,
    events: published,
    stream,
    version,
    position: published.at(-1)?.position,
    duplicate: false,
  };
  if (refusal === undefined) return { ...common, accepted: true, state };
  const { reason, message, details } = refusal;
  return { ...common, accepted: false, reason, message, details };
}

/** The states of the parts with the facts that were decided, as far as these belong to streams that are among them. */
function statesAfter(
  readings: readonly Reading[],
  events: readonly EncodedEvent[],
): Readonly<Record<string, JsonValue>> {
  const after = readings.map(({ name, state, stream, claim }) => {
    if (stream === undefined || typeof claim?.version !== 'number') return [name, state] as const;
    const base = claim.version;
    const own = events.filter((event) => event.stream === stream.stream);
    const { fold } = stream.own;
    const recorded = own.map((event, index) => unrecorded(fold, event, base + index + 1));
    return [name, evolved(fold, state, recorded)] as const;
  });
  return Object.fromEntries(after);
}

/** The facts of a command that are still in the log. */
async function eventsOf(
  log: EventLog,
  { position, events }: { readonly position: Position; readonly events: number },
): Promise<readonly DecidedFact[]> {
  if (events === 0) return [];
  const last = position + events - 1;
  const found: RecordedEvent[] = [];
  for (let after = (position - 1) as Position; ;) {
    const page = await log.read({ after, limit: Math.min(PAGE, last - after), maxBytes: PAGE_BYTES });
    found.push(...page.filter((event) => event.position <= last));
    const end = page.at(-1);
    if (end === undefined || end.position >= last) break;
    after = end.position;
  }
  return found.map((event) => ({
    type: event.type,
    id: event.id,
    source: event.source,
    stream: event.stream,
    version: event.version,
    position: event.position,
    recordedtime: event.recordedtime,
    duplicate: true,
    quarantined: false,
  }));
}
