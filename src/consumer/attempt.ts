import { AttemptTimeout, ClaimLost, InvalidDefinition, WrongState } from '../errors.ts';
import { assertNoRunaway } from '../event/causality.ts';
import { causeOf } from '../event/create-event.ts';
import type { Cause } from '../event/create-event.ts';
import type { ClockTrust } from '../schema/clock-trust.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { EventLog } from '../channel/event-log.ts';
import { asChecked, timedAs } from '../event/derived-definitions.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { OPENING } from '../event/opening.ts';
import { sealJson } from '../event/sealed-json.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import type { SystemEventType } from '../event/system-events.ts';
import { encode } from '../schema/encode.ts';
import type { Encoded, PublishOptions } from '../schema/encode.ts';
import { assertCount, assertSize } from '../schema/event-limits.ts';
import type { EventLimits } from '../schema/event-limits.ts';
import { admit } from '../schema/gate.ts';
import type { Sealing } from '../schema/sealing.ts';
import type { Environment } from '../system/environment.ts';
import { deterministicId } from '../system/ids.ts';
import type { Logger } from '../system/logger.ts';
import type { HandledPart, Handling, HandlingTime, Reaction, Recalled, RecallFact } from './reaction.ts';
import { withData } from './aside.ts';
import type { Edited, FailedPart } from './delivery-store.ts';
import type { LeftOut } from './left-out.ts';
import type { OwnFacts } from './own-facts.ts';
import { assertSealable } from './personal-state.ts';
import { reportOn } from './report-on.ts';
import type { SqlStatement } from './table-store.ts';

/** What every attempt of one consumer shares. */
export interface AttemptSetting {
  readonly reaction: Reaction;
  readonly environment: Environment;
  /** The `source` of what its handlers publish. */
  readonly source: string;
  readonly logger: Logger;
  /** What the handling of one event may publish. */
  readonly limits: EventLimits;
  readonly eventLog: Pick<EventLog, 'find'>;
  /** How far the clocks of sources are trusted. */
  readonly clocks: ClockTrust;
  /** What seals personal fields of what its handlers publish. */
  readonly sealing: Sealing | undefined;
  /** What it did not handle, where it takes events back. */
  readonly leftOut: LeftOut | undefined;
  /** What it said before, where it takes that back. */
  readonly ownFacts: OwnFacts;
}

/** How something is published. */
interface HowPublished {
  readonly derived: boolean;
  readonly cause: Cause;
  /** What is looked up for it: where there is something, its data is taken. */
  readonly recorded?: Promise<RecordedEvent | undefined> | undefined;
}

/** An event that the attempt wants to be recorded. */
export interface AttemptAppend {
  readonly event: EncodedEvent;
  /** Its id follows from the event that is handled: what a repeated attempt says differently is still the same fact. */
  readonly derived: boolean;
}

/** A state that the attempt wants its key to have; `value` undefined removes it. */
export interface StateChange {
  readonly value: JsonValue | undefined;
}

/**
 * One handing of one event to a handler, and everything that the handler wants to come of it.
 *
 * States    open → closed. Closed when the handler's promise settled, its time ran out, or its claim was lost.
 * Invariants
 * 1. Nothing the handler asks for takes effect by itself: effects are collected here and committed with the checkpoint (G6).
 * 2. After closing nothing is collected any more: a handler that outlives its attempt gets ClaimLost.
 * 3. The n-th event published by the handling of one event has the same id on every attempt.
 * 4. A publication that fails fails the attempt, whether or not the handler waited for it: as a statement that fails, its transaction.
 */
export class Attempt implements Handling {
  readonly event: RecordedEvent;
  /** Counted from 1. */
  readonly number: number;
  readonly key: string;
  readonly time: HandlingTime | undefined;
  readonly #setting: AttemptSetting;
  readonly appends: AttemptAppend[] = [];
  readonly statements: SqlStatement[] = [];
  stateChange: StateChange | undefined;
  late = false;
  /** Its handler returned a promise: it may have done something beyond the store. */
  tookTime = false;
  #state: JsonValue | undefined;
  #published = 0;
  /** Publications whose schema validates asynchronously; the attempt is not done before they are. */
  #encoding: Promise<unknown>[] | undefined;
  /** The last publication that waits for what is looked up. */
  #before: Promise<unknown> | undefined;
  /** The first publication that failed, and the part that asked for it. */
  #failure: { readonly error: unknown; readonly part: (() => HandledPart) | undefined } | undefined;
  #controller: AbortController | undefined;
  #closed = false;
  /** What was reported. */
  #reports: string[] | undefined;
  #cause: Cause | undefined;
  readonly #edited: Edited | undefined;
  /** What is under way, or failed, of several things. */
  #part: (() => HandledPart) | undefined;

  constructor(
    setting: AttemptSetting,
    event: RecordedEvent,
    key: string,
    number: number,
    state: JsonValue | undefined,
    time: HandlingTime | undefined,
    edited?: Edited,
  ) {
    this.#setting = setting;
    this.event = event;
    this.key = key;
    this.number = number;
    this.#state = state;
    this.time = time;
    this.#edited = edited;
  }

  get consumer(): string {
    return this.#setting.reaction.name;
  }

  /** The same for every attempt at this event by this consumer; give it to the outside world with each call. */
  get idempotencyKey(): string {
    return deterministicId(['effect', this.consumer, this.event.source, this.event.id]);
  }

  /** Aborted when the attempt's time is up, its claim is lost, or the system closes without waiting longer. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#closed && !this.#controller.signal.aborted) this.#controller.abort(this.#lost());
    return this.#controller.signal;
  }

  get log(): Logger {
    const { event } = this;
    return this.#setting.logger.child({
      consumer: this.consumer,
      eventId: event.id,
      position: event.position,
      attempt: this.number,
    });
  }

  isLast(error: unknown): boolean {
    const { retry } = this.#setting.reaction;
    return this.number >= retry.attempts || retry.terminal(error);
  }

  get cause(): Cause {
    this.#cause ??= causeOf(this.event);
    return this.#cause;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The state of the key, as the handling of the key's earlier events left it. */
  get state(): JsonValue | undefined {
    return this.stateChange === undefined ? this.#state : this.stateChange.value;
  }

  /** Sets the state of the key; undefined removes it. Visible when the event is done. */
  setState(value: JsonValue | undefined): void {
    this.#assertOpen();
    const { state, kind } = this.#setting.reaction;
    if (state === undefined) {
      throw new WrongState(
        `consumer ${this.consumer} declares no state; give its definition a state to keep one per key`,
      );
    }
    const kept = value === undefined ? undefined : sealJson(value, 'state');
    if (kept !== undefined) assertSealable(`${kind} ${this.consumer}`, state, this.key, kept);
    this.stateChange = { value: kept };
  }

  /** Changes its tables when the event is done. */
  execute(statement: SqlStatement): void {
    this.#assertOpen();
    this.statements.push(statement);
  }

  keepState(value: JsonValue | undefined): void {
    this.#assertOpen();
    this.stateChange = { value };
  }

  /** Records a fact when the event is done, exactly once, however often the handling is repeated. */
  publish(definition: EventDefinition, data: unknown, options: PublishOptions = {}): Promise<{ readonly id: string }> {
    const derived = options.id === undefined;
    const given = { ...options, id: options.id ?? this.#nextId() };
    return this.#publishing(() => this.#publish(definition, data, given, { derived, cause: this.cause }));
  }

  /** Publishes a fact whose id follows from what it is about, as `publish` does. */
  derive(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions & { readonly id: string },
    cause = this.cause,
  ): Promise<{ readonly id: string }> {
    return this.#publishing(() => this.#publish(definition, data, options, { derived: true, cause }));
  }

  publishFrom(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions,
    { id, cause = this.cause }: { readonly id: () => string; readonly cause?: Cause },
  ): Promise<{ readonly id: string }> {
    const derived = options.id === undefined;
    const given = { ...options, id: options.id ?? id() };
    return this.#publishing(() => this.#publish(definition, data, given, { derived, cause }));
  }

  takeBack(
    definition: EventDefinition,
    { id, data }: { readonly id: string; readonly data: unknown },
    options: PublishOptions & { readonly id: string },
    cause = this.cause,
  ): Promise<{ readonly id: string }> {
    const recorded = this.#setting.ownFacts.recorded(definition, id);
    return this.#publishing(() => this.#publish(definition, data, options, { derived: true, cause, recorded }));
  }

  get mayHaveSaidOtherwise(): boolean {
    return this.#setting.ownFacts.mayDiffer;
  }

  recall(fact: RecallFact): Promise<Recalled> {
    return this.#setting.ownFacts.recall(fact);
  }

  #publishing(publish: () => Promise<{ readonly id: string }>): Promise<{ readonly id: string }> {
    let publishing: Promise<{ readonly id: string }>;
    try {
      publishing = publish();
    } catch (error) {
      this.#publicationFailed(error, this.#part);
      publishing = Promise.reject(error);
    }
    // A handler that does not wait for it must not end the process with it.
    publishing.catch(() => undefined);
    return publishing;
  }

  /** As far as possible at once: a handler that does not wait has published when it returns. */
  #publish(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions & { readonly id: string },
    { derived, cause, recorded }: HowPublished,
  ): Promise<{ readonly id: string }> {
    this.#assertOpen();
    const { reaction, source, sealing } = this.#setting;
    if (!reaction.publishes.includes(definition)) {
      throw new InvalidDefinition(
        `consumer ${reaction.name}`,
        `publishes ${definition.type} without declaring it; add it to its publishes`,
      );
    }
    assertNoRunaway(cause, reaction.name);
    const { id } = options;
    const from = { source, cause, sealing };
    const encoded =
      recorded === undefined && this.#before === undefined
        ? encode(definition, data, options, from)
        : this.#inTurn(recorded, (known) =>
            known === undefined
              ? encode(definition, data, options, from)
              : encode(
                  asChecked(definition),
                  known.data,
                  { ...options, extensions: timedAs(known, options.extensions) },
                  from,
                ),
          );
    if (encoded instanceof Promise) {
      const part = this.#part;
      const appended = encoded.then((done) => this.#admit(definition, done, derived));
      appended.catch((error: unknown) => this.#publicationFailed(error, part));
      this.#encoding ??= [];
      this.#encoding.push(appended);
      return appended.then(() => ({ id }));
    }
    this.#admit(definition, encoded, derived);
    return Promise.resolve({ id });
  }

  /** What is published after something that has to be looked up is published after it. */
  #inTurn(
    recorded: HowPublished['recorded'],
    act: (known: RecordedEvent | undefined) => Encoded | Promise<Encoded>,
  ): Promise<Encoded> {
    const before = this.#before;
    const encoded = (async () => {
      const known = await recorded;
      await before;
      return act(known);
    })();
    this.#before = encoded.catch(() => undefined);
    return encoded;
  }

  /** For reactions of the system itself: records an event as it is. */
  append(event: EncodedEvent): void {
    this.#assertOpen();
    this.#collect({ event, derived: false });
  }

  report(type: SystemEventType, data: Readonly<Record<string, JsonValue>>, about = this.event): void {
    this.#assertOpen();
    const said = ['report', this.consumer, type, about.source, about.id, JSON.stringify(data)];
    const line = said.join('\n');
    this.#reports ??= [];
    const before = this.#reports.filter((report) => report === line).length;
    this.#reports.push(line);
    const id = deterministicId([...said, before], about.recordedMs);
    this.appends.push({ event: reportOn(this.#setting, type, about, data, id), derived: true });
  }

  tooLate(data: Readonly<Record<string, JsonValue>>): void {
    this.#assertOpen();
    this.late = true;
    this.report(SYSTEM_EVENTS.eventLate, data);
  }

  part<Answer>(describe: () => HandledPart, act: (edited: RecordedEvent | undefined) => Answer): Answer | undefined {
    this.#assertOpen();
    // Of what comes after a publication that failed nothing would be kept.
    if (this.#failure !== undefined) throw this.#failure.error;
    let edited: RecordedEvent | undefined;
    if (this.#edited !== undefined) {
      const { without = [], instead = {}, insteadVersions = {}, [OPENING]: opening } = this.#edited;
      const { id, event } = describe();
      if (without.includes(id)) return undefined;
      const data = instead[id];
      if (event !== undefined && data !== undefined) {
        edited = withData(event, data, { version: insteadVersions[id], opening });
      }
    }
    const whole = this.#part;
    this.#part = describe;
    const answer = act(edited);
    if (typeof (answer as { then?: unknown } | null | undefined)?.then !== 'function') {
      this.#part = whole;
      return answer;
    }
    return Promise.resolve(answer).then((value: unknown) => {
      this.#part = whole;
      return value;
    }) as Answer;
  }

  /** What it is, of several things, that failed with this error; undefined: all. */
  failedPart(error: unknown): FailedPart | undefined {
    // A publication may fail while something else is under way.
    const part = this.#failure?.error === error ? this.#failure?.part : this.#part;
    if (part === undefined) return undefined;
    const { id, what, event } = part();
    return { id, what, ...(event === undefined ? {} : { position: event.position }) };
  }

  async isLeftOut(source: string, id: string): Promise<boolean> {
    return (await this.#setting.leftOut?.has(source, id)) ?? false;
  }

  find(source: string, id: string): Promise<RecordedEvent | undefined> {
    return this.#setting.eventLog.find(source, id);
  }

  /** What has to settle after the handler did; undefined when there is nothing. Rejects, as the attempt then fails. */
  unfinished(): Promise<unknown> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    const encoding = this.#encoding;
    this.#encoding = undefined;
    return encoding === undefined ? undefined : Promise.all(encoding);
  }

  /** Ends the attempt; `reason` aborts its signal. */
  close(reason?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    if (reason !== undefined) this.#controller?.abort(reason);
  }

  timedOut(): AttemptTimeout {
    const error = new AttemptTimeout(this.consumer, this.#setting.reaction.timeoutMs ?? 0);
    this.close(error);
    return error;
  }

  #admit(definition: EventDefinition, encoded: Encoded, derived: boolean): void {
    for (const event of admit(encoded, definition.onInvalid, this.#setting.environment).events)
      this.#collect({ event, derived });
  }

  #collect(append: AttemptAppend): void {
    this.#assertOpen();
    assertSize(append.event, this.#setting.limits);
    assertCount(this.appends.length + 1, this.#setting.limits);
    this.appends.push(append);
  }

  #publicationFailed(error: unknown, part: (() => HandledPart) | undefined): void {
    this.#failure ??= { error, part };
    if (!this.#closed) return;
    const { logger } = this.#setting;
    const { position } = this.event;
    logger.warn({ consumer: this.consumer, position, err: error }, 'a handler published after its attempt was over');
  }

  #nextId(): string {
    this.#published += 1;
    return deterministicId(
      ['event', this.consumer, this.event.source, this.event.id, this.#published],
      this.event.recordedMs,
    );
  }

  #assertOpen(): void {
    if (this.#closed) throw this.#lost();
  }

  #lost(): ClaimLost {
    return new ClaimLost(this.consumer, this.event.position);
  }
}
