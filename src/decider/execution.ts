import type { RecordedCommand } from '../channel/append-conditions.ts';
import type { AppendOutcome, AppendRequest, EventLog, ExpectedVersion } from '../channel/event-log.ts';
import {
  CommandContentConflict,
  CommandContested,
  InvalidDefinition,
  InvalidInput,
  StreamVersionConflict,
} from '../errors.ts';
import type { JsonValue } from '../event/json.ts';
import { assertStreamName, categoryOf } from '../event/stream-name.ts';
import { appendedOf } from '../producer/publisher.ts';
import type { Publisher } from '../producer/publisher.ts';
import type { Sealing } from '../schema/sealing.ts';
import { backoffMs } from '../system/backoff.ts';
import { waitFor } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import type { Asked } from './asked.ts';
import { commandDigest, keyOfDigest, NO_DIGEST, sealedDigest } from './command-digest.ts';
import { entryOf, eventsOf, outcomeOf, repeatedOutcome } from './command-outcome.ts';
import type { CommandOutcome } from './command-outcome.ts';
import { evolved, unrecorded } from './fold.ts';
import { make } from './making.ts';
import { readPart, statesAfter } from './part-reading.ts';
import type { QueryPart, StreamPart } from './parts.ts';
import type { ShortenedHistory } from './shortened-history.ts';
import type { Snapshots } from './snapshots.ts';
import type { KeptState, StreamOf, StreamStates } from './stream-states.ts';
import { Turns } from './turns.ts';
import type { WaitingRoom } from './waiting.ts';

export interface ExecutionParts {
  readonly log: EventLog;
  readonly publisher: Publisher;
  readonly states: StreamStates;
  readonly snapshots: Snapshots;
  readonly shortened: ShortenedHistory;
  readonly environment: Environment;
  readonly room: WaitingRoom;
  /** What seals what is said of commands. */
  readonly sealing: Sealing | undefined;
}

/** So many tries follow each other at once, since what they are decided on is read anew; then others, maybe on other machines, are given way. */
const AT_ONCE = 4;
const RETRY = { minDelayMs: 2, maxDelayMs: 100, factor: 2, jitter: 1 };

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
  readonly #turns: Turns;
  readonly #snapshots = new Set<Promise<void>>();
  #erasing = 0;
  /** Resolved when nobody is being forgotten any more; undefined: nobody is. */
  #erased: PromiseWithResolvers<void> | undefined;

  constructor(parts: ExecutionParts) {
    this.#parts = parts;
    this.#turns = new Turns(parts.room);
  }

  run(asked: Asked): Promise<CommandOutcome> {
    return asked.decider.own === undefined ? this.#acrossInTurn(asked) : this.#onStream(asked, streamOf(asked));
  }

  /** Resolves when the snapshots under way are written. */
  async settled(): Promise<void> {
    await Promise.all(this.#snapshots);
  }

  /** Writes no snapshot until `act` is over, and waits for those under way before it: what it erases is not in one that is written later. */
  async withoutSnapshots<Result>(act: () => Promise<Result>): Promise<Result> {
    this.#erasing += 1;
    this.#erased ??= Promise.withResolvers();
    try {
      await this.settled();
      return await act();
    } finally {
      this.#erasing -= 1;
      if (this.#erasing === 0) {
        this.#erased.resolve();
        this.#erased = undefined;
      }
    }
  }

  /** Keeps the state of a stream that the log holds now, which is durable on return. Errors: as of `StreamStates.load`. */
  async keepState(of: StreamOf): Promise<void> {
    const { states, snapshots, environment } = this.#parts;
    for (;;) {
      await this.#erased?.promise;
      const { generation } = states;
      const { version, state } = await states.present(of);
      const reach = await states.reach(of, version);
      // Somebody was forgotten, or is, who may be in it.
      if (generation !== states.generation || this.#erasing > 0) continue;
      const snapshot = { version, atMs: environment.clock.now(), state, ...(reach === undefined ? {} : { reach }) };
      return this.#write(snapshots.keep(of.decider, of.own.version, of.stream, snapshot));
    }
  }

  #write(writing: Promise<void>): Promise<void> {
    const written: Promise<void> = writing.finally(() => this.#snapshots.delete(settled));
    const settled = written.catch(() => undefined);
    this.#snapshots.add(settled);
    return written;
  }

  async #onStream(asked: Asked, of: StreamPart): Promise<CommandOutcome> {
    const turn = turnOf(of);
    const { states } = this.#parts;
    const { decider, command } = asked;
    let refused: AppendOutcome | undefined;
    let isLookedUp = asked.digest === NO_DIGEST;
    // Those who decide across streams read these first: without a turn of theirs, others would always be quicker.
    let end = this.#turns.busy(turn) === undefined ? undefined : await this.#turns.take([turn]);
    try {
      for (let attempt = 1; ; attempt += 1) {
        if (attempt > decider.attempts) throw new CommandContested(command.name, attempt - 1, refused);
        const { generation } = states;
        const kept = states.kept(of);
        const entry =
          kept === undefined || kept.sure !== undefined
            ? await this.#parts.room.for(() => states.certain(of, attempt > 1))
            : kept;
        if (!isLookedUp && (entry.isBusy || entry.underWay > 0)) {
          // What is known comes to nothing, and whoever went on from it would be sent back.
          isLookedUp = true;
          const known = await this.repeated(asked.command.id, asked.command.name, asked.said);
          if (known !== undefined) return known;
          attempt -= 1;
          continue;
        }
        const before = entry.version;
        if (!holds(asked.expectedVersion, before)) {
          const outcome = await this.#unlessKnown(asked, of, entry);
          if (outcome !== undefined) return outcome;
          continue;
        }
        const making = make(this.#parts.publisher, asked, entry.state, [of.stream]);
        const made = making instanceof Promise ? await making : making;
        // States that are not kept are not marked as broken.
        if (entry.isBroken || entry.version !== before || generation !== states.generation) {
          // While a schema took its time others were first, or somebody was forgotten. From now on they wait.
          end ??= await this.#turns.take([turn]);
          continue;
        }
        const version = before + made.events.length;
        const { fold } = of.own;
        const recorded = made.events.map((event, index) => unrecorded(fold, event, before + index + 1));
        const state = recorded.length === 0 ? entry.state : evolved(fold, entry.state, recorded);
        // What it goes on from may be refused, and what others write may have its version.
        const last = entry.underWay === 0 ? undefined : entry.last;
        const decidedOn = { version: before, state: entry.state, last: entry.last };
        entry.isBusy ||= entry.underWay > 0;
        states.advance(entry, { version, state, last: made.events.at(-1) });
        const outcome = await this.#append(entry, decidedOn, {
          events: made.events,
          expected: [{ stream: of.stream, version: before, ...(last === undefined ? {} : { last }) }],
          command: entryOf(asked, made, { stream: of.stream, version }),
          onDuplicate: 'verify',
        });
        if (outcome.ok) {
          if (generation === states.generation) this.#maySnapshot(of, entry, { version, state });
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

  async #append(
    entry: KeptState,
    before: Pick<KeptState, 'version' | 'state' | 'last'>,
    request: AppendRequest,
  ): Promise<AppendOutcome> {
    entry.underWay += 1;
    const { version } = entry;
    try {
      const outcome = await this.#parts.log.append(request);
      // A fact that was known adds nothing to the stream. In the same step in which nothing is under way any more: nobody decides in between.
      const isAlone = entry.underWay === 1 && entry.version === version;
      if (!outcome.ok && outcome.reason === 'command-known' && isAlone) this.#parts.states.rewind(entry, before);
      else if (!outcome.ok || outcome.events.some(({ duplicate }) => duplicate)) this.#parts.states.forget(entry);
      return outcome;
    } catch (error) {
      this.#parts.states.forget(entry);
      throw error;
    } finally {
      entry.underWay -= 1;
    }
  }

  /** A claim of the caller does not hold on what is in memory: undefined where that may be for what is in memory. */
  async #unlessKnown(asked: Asked, of: StreamPart, entry: KeptState): Promise<CommandOutcome | undefined> {
    const { log, states } = this.#parts;
    const known = await log.findCommand(asked.command.id);
    if (known !== undefined) return this.#repeated({ ...asked.command, said: asked.said }, known);
    const { version } = await log.streamState(of.stream);
    if (version === entry.version || !holds(asked.expectedVersion, version))
      throw new StreamVersionConflict(of.stream, asked.expectedVersion, version);
    states.forget(entry);
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
    const { states } = this.#parts;
    const { decider, command, digest } = asked;
    if (digest !== NO_DIGEST) {
      // Before anything of it is read: most of it may be long.
      const known = await this.repeated(command.id, command.name, asked.said);
      if (known !== undefined) return known;
    }
    for (let attempt = 1; ; attempt += 1) {
      const { generation } = states;
      const readings = await Promise.all(parts.map(({ name, part }) => readPart(this.#parts, name, part)));
      const streams = readings.flatMap(({ stream }) => (stream === undefined ? [] : [stream.stream]));
      const state = Object.freeze(Object.fromEntries(readings.map((reading) => [reading.name, reading.state])));
      const made = await make(
        this.#parts.publisher,
        asked,
        state,
        streams.length === readings.length ? streams : undefined,
      );
      if (generation !== states.generation) {
        // It may repeat what somebody said who was forgotten meanwhile, and seal that anew.
        if (attempt >= decider.attempts) throw new CommandContested(command.name, attempt, undefined);
        continue;
      }
      const request: AppendRequest = {
        events: made.events,
        expected: readings.flatMap(({ claim }) => (claim === undefined ? [] : [claim])),
        unless: readings.flatMap(({ queries }) => queries),
        command: entryOf(asked, made, {}),
        onDuplicate: 'verify',
      };
      const outcome = await states.append(request, true);
      if (outcome.ok) {
        const after = statesAfter(readings, made.events);
        for (const { name, stream, claim } of readings)
          if (stream !== undefined && typeof claim?.version === 'number')
            states.keep(
              stream,
              {
                version: claim.version + made.events.filter((event) => event.stream === stream.stream).length,
                state: after[name] ?? null,
              },
              generation,
            );
        return outcomeOf(asked, made, outcome, { state: after });
      }
      for (const { stream } of readings) if (stream !== undefined) states.forgetStream(stream);
      const known = await this.#knownOrThrow(asked, outcome);
      if (known !== undefined) return known;
      if (attempt >= decider.attempts) throw new CommandContested(command.name, attempt, outcome);
      await this.#pause(attempt);
    }
  }

  /** Errors: CommandContentConflict, StreamDeleted, EventContentConflict. Undefined: the command is to be decided again. */
  async #knownOrThrow(
    asked: Asked,
    outcome: AppendOutcome & { readonly ok: false },
  ): Promise<CommandOutcome | undefined> {
    // Looked up, so that what is sealed of it can be read.
    if (outcome.reason === 'command-known') return this.repeated(asked.command.id, asked.command.name, asked.said);
    if (outcome.reason !== 'version-conflict' && outcome.reason !== 'query-conflict') appendedOf(outcome);
    return undefined;
  }

  /** What came of a command the first time; undefined: it was never executed. Errors: CommandContentConflict. */
  async repeated(id: string, name: string, said: JsonValue | undefined): Promise<CommandOutcome | undefined> {
    const known = await this.#parts.log.findCommand(id);
    return known && this.#repeated({ id, name, said }, known);
  }

  async #repeated(
    { id, name, said }: { readonly id: string; readonly name: string; readonly said: JsonValue | undefined },
    known: RecordedCommand,
  ): Promise<CommandOutcome> {
    if (known.name !== name || !(await this.#isSame(name, said, known.digest)))
      throw new CommandContentConflict(id, name, known.name);
    return repeatedOutcome(known, await eventsOf(this.#parts.log, known));
  }

  /** Of a command about somebody who was forgotten nobody can tell what it asked for: its id and its name say that it is the same. */
  async #isSame(name: string, said: JsonValue | undefined, digest: string): Promise<boolean> {
    if (digest === NO_DIGEST) return true;
    if (said === undefined) return false;
    const id = keyOfDigest(digest);
    if (id === undefined) return digest === commandDigest(name, said);
    const key = (await this.#parts.sealing?.fetch(new Set([id])))?.get(id);
    return key?.secret === undefined || digest === sealedDigest(name, said, key);
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
    // What it was decided on may be of before somebody was forgotten.
    if (entry.isBroken || this.#erasing > 0) return;
    const atMs = environment.clock.now();
    if (version - entry.snapshotVersion < rule.every && atMs - entry.snapshotMs < rule.afterMs) return;
    entry.snapshotVersion = version;
    entry.snapshotMs = atMs;
    this.#write(snapshots.put(of.decider, deciderVersion, of.stream, { version, atMs, state })).catch(
      (error: unknown) =>
        environment.logger.warn(
          { err: error, decider: of.decider, stream: of.stream },
          'a snapshot was not written; the state is made of more events until the next one',
        ),
    );
  }
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
  // The name may come of what the caller sent.
  if (categoryOf(stream) !== category)
    throw new InvalidInput({
      path: `command ${command.name}, stream`,
      expected: `a stream of category ${category}, which ${title} decides`,
      found: stream,
    });
  return { decider: decider.name, own: decider.own, stream };
}

function holds(expected: ExpectedVersion, version: number): boolean {
  if (expected === 'any') return true;
  return expected === 'none' ? version === 0 : expected === 'exists' ? version > 0 : version === expected;
}
