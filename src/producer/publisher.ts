import { claimOf } from '../channel/condition.ts';
import type { QueryClaim } from '../channel/append-conditions.ts';
import type { Condition } from '../channel/condition.ts';
import type { Appended, AppendOutcome, AppendRequest, EventLog, ExpectedVersion } from '../channel/event-log.ts';
import {
  ConditionFailed,
  EventContentConflict,
  InvalidInput,
  StreamDeleted,
  StreamVersionConflict,
} from '../errors.ts';
import { actorAttributes } from '../event/actor.ts';
import type { Actor } from '../event/actor.ts';
import { circumstanceAttributes } from '../event/circumstances.ts';
import type { Circumstances } from '../event/circumstances.ts';
import { assertNoRunaway, currentCause } from '../event/causality.ts';
import type { EventDefinition, InputOf, InvalidDataPolicy } from '../event/define-event.ts';
import { completeEvent } from '../event/create-event.ts';
import type { EncodedEvent, RareAttributes } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import { assertStreamName } from '../event/stream-name.ts';
import { assertNotReserved, isSystemEventType } from '../event/system-events.ts';
import type { ClockTrust } from '../schema/clock-trust.ts';
import { encode } from '../schema/encode.ts';
import type { Encoded, PublishOptions } from '../schema/encode.ts';
import { assertCount, assertRefusalSize, assertSize } from '../schema/event-limits.ts';
import type { EventLimits } from '../schema/event-limits.ts';
import { admit } from '../schema/gate.ts';
import type { Admission } from '../schema/gate.ts';
import { dataInvalid } from '../schema/registry.ts';
import type { SchemaRegistry } from '../schema/registry.ts';
import type { Sealing } from '../schema/sealing.ts';
import type { PutEvents } from './outbox.ts';
import type { Environment } from '../system/environment.ts';
import { assertKnown } from '../system/known-options.ts';
import { isoTime } from '../system/clock.ts';

/** The place of a published event. Durable when you have it (G1). */
export interface Published {
  readonly id: string;
  readonly source: string;
  readonly stream: string;
  readonly version: number;
  readonly position: Position;
  readonly recordedtime: string;
  /** True: this (source, id) was recorded before, and this is the first one's place (G2). */
  readonly duplicate: boolean;
  /** True: the data did not fit the schema and the event waits as a dead letter of `thereupon.quarantine`; the place is that of the report. */
  readonly quarantined: boolean;
}

/** What a transaction of the caller has published: recorded, with a place in the log, when it has committed. */
export type Outgoing = Pick<Published, 'id' | 'source' | 'quarantined'>;

/** One event of a batch. */
export interface Publication<Definition extends EventDefinition = EventDefinition> {
  readonly event: Definition;
  readonly data: InputOf<Definition>;
  readonly options?: PublishOptions;
}

export interface PublisherOptions {
  readonly log: Pick<EventLog, 'streamState'>;
  /** As of the log. `isNew`: all ids of its events were made for them. */
  readonly append: (request: AppendRequest, isNew: boolean) => Promise<AppendOutcome>;
  readonly registry: SchemaRegistry;
  readonly environment: Environment;
  /** The `source` of events whose definition and options name none. */
  readonly source: string;
  readonly limits: EventLimits;
  readonly clocks: ClockTrust;
  /** What seals personal fields; undefined: no event has any. */
  readonly sealing: Sealing | undefined;
}

/** Which command facts came of. */
export interface DecidedFrom {
  readonly commandId: string;
  readonly correlationid: string;
  readonly stream: string | undefined;
  /** Who gave the command, of facts that name nobody themselves. */
  readonly actor: Actor | undefined;
  readonly circumstances: Circumstances;
}

/** An event that is about to be recorded, and what to tell its publisher. */
export type Admitted = Admission;

/** What is claimed with events that are recorded. */
export interface RecordOptions extends Pick<AppendRequest, 'expected' | 'unless'> {
  /** All ids of the events were made for them. */
  readonly isNew: boolean;
}

const NO_OPTIONS: PublishOptions = {};
const PUBLICATION = ['event', 'data', 'options'];

/**
 * Puts facts into the log.
 *
 * Guarantee G1 to G4 of the design: durable on return, one fact once, batches whole, expected versions checked with the write.
 * Errors    EventDataInvalid, InvalidInput, InvalidEvent, UnknownEventType, EventContentConflict, StreamVersionConflict, StreamDeleted,
 *           LimitExceeded, SystemFull, StoreUnavailable, Closed
 */
export class Publisher {
  readonly #options: PublisherOptions;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  get sealing(): Sealing | undefined {
    return this.#options.sealing;
  }

  async publish<Definition extends EventDefinition>(
    definition: Definition,
    data: InputOf<Definition>,
    options: PublishOptions = NO_OPTIONS,
  ): Promise<Published> {
    const pending = this.#admit(definition, data, options);
    const admitted = pending instanceof Promise ? await pending : pending;
    const outcome = await this.#options.append(
      { events: admitted.events, onDuplicate: 'verify' },
      options.id === undefined,
    );
    return publishedOf(admitted, appendedOf(outcome), 0);
  }

  /** Records all or none, and readers see them together (G3). `unless` is for what is new: it is lifted where one of the facts is known already. */
  async publishAll(
    publications: readonly Publication[],
    options: { readonly unless?: readonly Condition[] } = {},
  ): Promise<readonly Published[]> {
    assertKnown('publishAll', options, ['unless']);
    const { unless } = options;
    const claims = unless?.map(claimOf);
    this.#assertTypes(claims ?? []);
    const admitted = await this.#admitAll(publications, undefined);
    return this.record(admitted, { isNew: areNew(publications), ...(claims === undefined ? {} : { unless: claims }) });
  }

  /** Appends events to one stream if its version is as claimed (G4); lifted where one of them is known already. A claim of no events is checked against the stream as it is at this moment. */
  async append(
    stream: string,
    publications: readonly Publication[],
    options: { readonly expectedVersion?: ExpectedVersion } = {},
  ): Promise<readonly Published[]> {
    assertStreamName(stream);
    assertKnown('append', options, ['expectedVersion']);
    const { expectedVersion: expected = 'any' } = options;
    assertExpectedVersion(expected);
    const admitted = await this.#admitAll(publications, stream);
    if (admitted.length === 0) await this.#assertVersion(stream, expected);
    return this.record(admitted, { isNew: areNew(publications), expected: [{ stream, version: expected }] });
  }

  /** Puts facts into a transaction of the caller: recorded if and only if it commits, all or none. */
  async publishWithin(put: PutEvents, publications: readonly Publication[]): Promise<readonly Outgoing[]> {
    const pending = this.#admitAll(publications, undefined);
    // Without a turn where no schema needs one: on a connection that others use too, they might come between.
    const admitted = pending instanceof Promise ? await pending : pending;
    assertCount(admitted.length, this.#options.limits);
    if (admitted.length === 0) return [];
    await put(admitted.flatMap(({ events }) => events));
    return admitted.map(({ event, quarantined }) => ({ id: event.id, source: event.source, quarantined }));
  }

  /** Records what was admitted, all or none. */
  async record(
    admitted: readonly Admitted[],
    { isNew, expected, unless }: RecordOptions,
  ): Promise<readonly Published[]> {
    assertCount(admitted.length, this.#options.limits);
    if (admitted.length === 0) return [];
    const events = admitted.flatMap((each) => each.events);
    const request: AppendRequest = {
      events,
      onDuplicate: 'verify',
      ...(expected === undefined ? {} : { expected }),
      ...(unless === undefined ? {} : { unless }),
    };
    const outcome = await this.#options.append(request, isNew);
    const appended = appendedOf(outcome);
    let index = 0;
    return admitted.map((each) => {
      const published = publishedOf(each, appended, index);
      index += each.events.length;
      return published;
    });
  }

  /** A claim about a type that nobody publishes would always hold. Errors: InvalidInput. */
  #assertTypes(claims: readonly QueryClaim[]): void {
    const { registry } = this.#options;
    if (registry.unknownTypes === 'accept') return;
    for (const [index, { types = [] }] of claims.entries())
      for (const [at, type] of types.entries())
        if (registry.find(type) === undefined && !isSystemEventType(type))
          throw new InvalidInput({
            path: `unless[${index}].types[${at}]`,
            expected: "a type that is defined here (unknownTypes: 'accept' takes others)",
            found: type,
          });
  }

  /** Errors: StreamVersionConflict, StreamDeleted. */
  async #assertVersion(stream: string, expected: ExpectedVersion): Promise<void> {
    if (expected === 'any') return;
    const { version, deleted } = await this.#options.log.streamState(stream);
    if (deleted) throw new StreamDeleted(stream);
    const holds = expected === 'none' ? version === 0 : expected === 'exists' ? version > 0 : version === expected;
    if (!holds) throw new StreamVersionConflict(stream, expected, version);
  }

  /**
   * Facts that a command led to, ready to be recorded: one that does not fit its schema is refused, whatever the policy of its type.
   *
   * Shape     Synchronous where the schemas are. `stream`: of facts whose definition names none.
   * Errors    As `publish`; LimitExceeded for too many.
   */
  admitDecided(
    facts: readonly Publication[],
    from: DecidedFrom,
  ): readonly EncodedEvent[] | Promise<readonly EncodedEvent[]> {
    assertCount(facts.length, this.#options.limits);
    const events: EncodedEvent[] = [];
    for (const fact of facts) {
      const event = this.#admitDecided(fact, from);
      if (event instanceof Promise) return this.#admitRestDecided(facts, from, events, event);
      events.push(event);
    }
    return events;
  }

  /** Errors: LimitExceeded for a refusal that says more than an event may. */
  assertRefusal(
    command: string,
    refusal: { readonly reason: string; readonly message: string; readonly details: JsonValue | undefined },
  ): void {
    const { reason, message, details } = refusal;
    assertRefusalSize(command, JSON.stringify({ reason, message, details }), this.#options.limits);
  }

  async #admitRestDecided(
    facts: readonly Publication[],
    from: DecidedFrom,
    events: EncodedEvent[],
    pending: Promise<EncodedEvent>,
  ): Promise<readonly EncodedEvent[]> {
    events.push(await pending);
    for (const fact of facts.slice(events.length)) events.push(await this.#admitDecided(fact, from));
    return events;
  }

  #admitDecided(publication: Publication, from: DecidedFrom): EncodedEvent | Promise<EncodedEvent> {
    const { registry, source, environment, clocks, limits, sealing } = this.#options;
    const { event: definition, data, options = NO_OPTIONS } = publication;
    registry.assertKnown(definition);
    const cause = currentCause();
    if (cause !== undefined) assertNoRunaway(cause, source);
    const complete = ({ draft, issues }: Encoded): EncodedEvent => {
      if (issues !== undefined) throw dataInvalid(definition, issues);
      const event = completeEvent(
        {
          ...draft,
          stream: draft.stream ?? from.stream,
          subject: draft.subject ?? from.stream,
          correlationid: draft.correlationid ?? from.correlationid,
          causationid: draft.causationid ?? from.commandId,
          attributes: attributedTo(draft.attributes, from),
        },
        environment,
      );
      assertNotReserved(event);
      const ahead = clocks.issueOf(event, environment.clock.now());
      if (ahead !== undefined) throw dataInvalid(definition, [ahead]);
      assertSize(event, limits);
      return event;
    };
    const encoded = encode(definition, data, options, { source, cause, sealing });
    return encoded instanceof Promise ? encoded.then(complete) : complete(encoded);
  }

  /** What is recorded of it, by the policy of its type and by how far its clock is trusted. Errors: LimitExceeded. */
  admit(encoded: Encoded, policy: InvalidDataPolicy): Admitted {
    const { environment, clocks, limits } = this.#options;
    const admitted = admit(encoded, policy, environment, clocks);
    for (const event of admitted.events) assertSize(event, limits);
    return admitted;
  }

  /** At once where the schemas answer at once, as most do: waiting all the same would cost a turn for each event. */
  #admitAll(
    publications: readonly Publication[],
    stream: string | undefined,
  ): readonly Admitted[] | Promise<readonly Admitted[]> {
    if (!Array.isArray(publications))
      throw new InvalidInput({ path: 'publications', expected: 'a list of { event, data }', found: publications });
    const admitted: Admitted[] = [];
    for (const [index, publication] of (publications as readonly Publication[]).entries()) {
      const pending = this.#admitAt(index, publication, stream);
      if (pending instanceof Promise) return this.#admitRest(publications, stream, admitted, pending);
      admitted.push(pending);
    }
    return admitted;
  }

  /** One after the other, so that the error is that of the first which has one. */
  async #admitRest(
    publications: readonly Publication[],
    stream: string | undefined,
    admitted: Admitted[],
    pending: Promise<Admitted>,
  ): Promise<readonly Admitted[]> {
    admitted.push(await pending);
    for (const publication of publications.slice(admitted.length)) {
      const next = this.#admitAt(admitted.length, publication, stream);
      admitted.push(next instanceof Promise ? await next : next);
    }
    return admitted;
  }

  #admitAt(index: number, publication: Publication, stream: string | undefined): Admitted | Promise<Admitted> {
    try {
      if (typeof (publication as unknown) !== 'object' || (publication as unknown) === null)
        throw new InvalidInput({ path: 'publication', expected: '{ event, data }', found: publication });
      assertKnown('publication', publication, PUBLICATION);
      const { event, data, options = NO_OPTIONS } = publication;
      const pending = this.#admit(event, data, stream === undefined ? options : { ...options, stream });
      return pending instanceof Promise
        ? pending.catch((error: unknown) => {
            throw atIndex(error, index);
          })
        : pending;
    } catch (error) {
      throw atIndex(error, index);
    }
  }

  #admit(definition: EventDefinition, data: unknown, options: PublishOptions): Admitted | Promise<Admitted> {
    const { registry, source, sealing } = this.#options;
    if ((definition as EventDefinition | undefined | null)?.kind !== 'event')
      throw new InvalidInput({ path: 'event', expected: 'what defineEvent gives', found: definition });
    registry.assertKnown(definition);
    const cause = currentCause();
    if (cause !== undefined) assertNoRunaway(cause, source);
    const encoded = encode(definition, data, options, { source, cause, sealing });
    return encoded instanceof Promise
      ? encoded.then((done) => this.#finish(definition, done))
      : this.#finish(definition, encoded);
  }

  #finish(definition: EventDefinition, encoded: Encoded): Admitted {
    const admitted = this.admit(encoded, definition.onInvalid);
    if (encoded.issues !== undefined && !admitted.quarantined) {
      this.#options.environment.logger.warn(
        { type: definition.type, issues: encoded.issues },
        'the data does not fit the schema; recorded all the same, as its definition says',
      );
    }
    return admitted;
  }
}

function areNew(publications: readonly Publication[]): boolean {
  return publications.every(({ options }) => options?.id === undefined);
}

/** What a fact says itself of whom it is for, and why, stands. */
function attributedTo(
  attributes: RareAttributes | undefined,
  { actor, circumstances }: Pick<DecidedFrom, 'actor' | 'circumstances'>,
): RareAttributes | undefined {
  if (actor === undefined && circumstances.reason === undefined && circumstances.caller === undefined)
    return attributes;
  const names = attributes?.['authtype'] !== undefined || attributes?.['authid'] !== undefined;
  const who = actor === undefined || names ? {} : actorAttributes(actor);
  return { ...circumstanceAttributes(circumstances), ...attributes, ...who };
}

/** Errors: the refusal as an error. */
export function appendedOf(outcome: AppendOutcome): readonly Appended[] {
  if (outcome.ok) return outcome.events;
  switch (outcome.reason) {
    case 'version-conflict':
      throw new StreamVersionConflict(outcome.stream, outcome.expected, outcome.actual);
    case 'content-conflict':
      throw new EventContentConflict(outcome);
    case 'stream-deleted':
      throw new StreamDeleted(outcome.stream);
    case 'query-conflict':
      throw new ConditionFailed(outcome);
    case 'command-known':
      throw new Error(`command ${outcome.command.id} was recorded before`);
  }
}

function publishedOf(admitted: Admitted, appended: readonly Appended[], index: number): Published {
  const { event } = admitted;
  const place = appended[index];
  if (place === undefined) throw new Error('the log answered for fewer events than it was given');
  return {
    id: event.id,
    source: event.source,
    stream: place.stream,
    version: place.version,
    position: place.position,
    recordedtime: isoTime(place.recordedMs),
    duplicate: place.duplicate,
    quarantined: admitted.quarantined,
  };
}

export function assertExpectedVersion(expected: unknown): asserts expected is ExpectedVersion {
  if (expected === 'none' || expected === 'exists' || expected === 'any') return;
  if (typeof expected === 'number' && Number.isSafeInteger(expected) && expected >= 0) return;
  throw new InvalidInput({
    path: 'expectedVersion',
    expected: "a whole number from 0, 'none', 'exists' or 'any'",
    found: expected,
  });
}

function atIndex(error: unknown, index: number): unknown {
  if (error instanceof Error) error.message = `[${index}] ${error.message}`;
  return error;
}
