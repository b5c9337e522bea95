import type { CompiledSelection } from '../channel/selection.ts';
import type { Cause } from '../event/create-event.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { EncodedEvent, RecordedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { PersonalFields, PersonalParts } from '../event/personal-fields.ts';
import type { Position } from '../event/position.ts';
import type { PublishOptions } from '../schema/encode.ts';
import type { SystemEventType } from '../event/system-events.ts';
import type { Logger } from '../system/logger.ts';
import type { DueTime, WorkTime } from './key-queues.ts';
import type { WatermarkRule } from '../time/watermark.ts';
import type { BuildForm, KeptStates } from './checkpoint-store.ts';
import type { LoopLimits } from './loop-guard.ts';
import type { IndexValue } from './row-store.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { SqlStatement, TablesForm } from './table-store.ts';
import type { Upstream } from './told-time.ts';

/** Where a consumer begins that the store does not know yet. */
export type ConsumerStart = 'beginning' | 'end' | { readonly position: Position } | { readonly time: string | Date };

/** How events are told apart for ordering: one after another per key, or each by itself. */
export type DeliveryMode = 'ordered' | 'queue';

/** Where a piece of work stands in event time. */
export interface HandlingTime {
  /** How far event time had come when the event came, and with it; undefined: it could not be told when it happened. */
  readonly taken: WorkTime | undefined;
  /** How far it has come now. */
  readonly presentMs: number;
  /** When it began for the consumer, whichever key told of it first. */
  readonly sinceMs: number;
  readonly began: WhatBegan;
  /** When an event happened of which that was not known when it came. Errors: what was wrong with its time, as long as it is. */
  timeOf(event: RecordedEvent): number;
  /** Time alone brought it on: the event is the last one of its key, and was handled before. */
  readonly due: DueTime | undefined;
  /** The key is expected, since then, and the event is not its own: it is the one that told of time. */
  readonly expectedSinceMs: number | undefined;
}

/** When and where it was begun to look for something, by its id (`ReactionTime.looksFor`). */
export interface WhatBegan {
  /**
   * When, as far as the event at a place is concerned, of what did not begin with the consumer; NO_TIME: later than that event, or that is not known.
   * Undefined: it began with the consumer.
   */
  beganMs(id: string, place: number): number | undefined;
  /** The event after which; 0: it began with the consumer. */
  beganAfter(id: string): Position;
  /** How far event time was there, as far as is known; NO_TIME: nothing is, or with the consumer. */
  passedMs(id: string): number;
  /** The last of these events. */
  readonly lastBegan: Position;
}

/** One of the things that come of an event, or of time; of one that hands an event over, which. */
export interface HandledPart {
  /** The same on every attempt. */
  readonly id: string;
  /** In words. */
  readonly what: string;
  readonly event?: RecordedEvent;
}

/** One event in the hands of a handler, and what it may ask for. Fulfilled by Attempt. */
export interface Handling {
  readonly consumer: string;
  readonly event: RecordedEvent;
  /** Attempts at this event so far, this one included. */
  readonly number: number;
  /** Whether there will be no other attempt where this one fails with that error. */
  isLast(error: unknown): boolean;
  readonly key: string;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly cause: Cause;
  /**
   * Does one of several things. What fails is then known, so that an operator can give up that alone, and `act` is given the event that is
   * handed over as he has edited it, if he has. Undefined: it was given up.
   */
  part<Answer>(describe: () => HandledPart, act: (edited: RecordedEvent | undefined) => Answer): Answer | undefined;
  /** The state of the key, as the handling of the key's earlier events left it. */
  readonly state: JsonValue | undefined;
  setState(value: JsonValue | undefined): void;
  /** Of a reaction whose states have a form of their own: unchecked, and never to be changed. */
  keepState(value: JsonValue | undefined): void;
  /** Of a reaction that goes by event time. */
  readonly time: HandlingTime | undefined;
  publish(definition: EventDefinition, data: unknown, options?: PublishOptions): Promise<{ readonly id: string }>;
  /** Publishes a fact that follows from something else than the event alone; `id` is made of what it follows from. `cause`: default the event. */
  derive(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions & { readonly id: string },
    cause?: Cause,
  ): Promise<{ readonly id: string }>;
  /** Publishes as `publish` does what follows from something else than the event; `id`: of a fact to which the program gives none. */
  publishFrom(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions,
    from: { readonly id: () => string; readonly cause?: Cause },
  ): Promise<{ readonly id: string }>;
  /** Publishes that an event of its own holds no longer: with the data that it was recorded with; where it is not yet, with this data. */
  takeBack(
    definition: EventDefinition,
    event: { readonly id: string; readonly data: unknown },
    options: PublishOptions & { readonly id: string },
    cause?: Cause,
  ): Promise<{ readonly id: string }>;
  /** Whether there may be facts of it that it would not publish now: it was replayed. */
  readonly mayHaveSaidOtherwise: boolean;
  /** What was published before in place of a fact: under its id, and those of the facts that took its place one after another. */
  recall(fact: RecallFact): Promise<Recalled>;
  append(event: EncodedEvent): void;
  /** Of a reaction with tables: changes them, in the unit that all else of the handling is committed with. */
  execute(statement: SqlStatement): void;
  /** Records what the system has to say about an event, by default that of the handling. */
  report(type: SystemEventType, data: Readonly<Record<string, JsonValue>>, about?: RecordedEvent): void;
  /** Counts the event as late and records that. */
  tooLate(data: Readonly<Record<string, JsonValue>>): void;
  /** An event by its identity; undefined: it is not in the log, or no longer. */
  find(source: string, id: string): Promise<RecordedEvent | undefined>;
  /** Whether an event of the log, of a type that may be taken back, was never handled: it was given up, or is from before the consumer took its type. */
  isLeftOut(source: string, id: string): Promise<boolean>;
}

/** A fact that is about to be published, or stands, and the ids of it and those that took its place one after another, by their numbers from 0. */
export interface RecallFact {
  readonly definition: EventDefinition;
  /** Undefined: there is none. */
  readonly data: unknown;
  /** Its attribute. */
  readonly timing: string | undefined;
  readonly idAt: (number: number) => string;
}

/** A fact that was published. */
export interface ToldFact {
  readonly number: number;
  readonly event: RecordedEvent;
  /** Its attribute. */
  readonly timing: string | undefined;
  /** It says what the other one says. */
  readonly isSame: boolean;
}

/** Facts under ids that follow one another, in their order, and what takes back the last one; undefined: it stands. */
export interface Recalled {
  readonly told: readonly ToldFact[];
  readonly retraction: RecordedEvent | undefined;
}

/** How a reaction goes by event time: it is told when time alone brings something on for a key. */
export interface ReactionTime {
  readonly watermark: WatermarkRule;
  /** Whether each source has a time of its own; false: one time for all. */
  readonly bySource: boolean;
  /** The program reads it off the data: nobody has asked yet whether it is to be trusted. */
  readonly isRead?: boolean;
  /** When an event happened, in milliseconds since 1970. Errors: InvalidInput, and what the program's own function throws. */
  timeOf(event: RecordedEvent): number;
  /** Keys that are to be heard of, also where they never are. */
  readonly expected: readonly string[];
  /** What it looks for that may change between two runs of a program, by ids: what began later knows nothing of before. */
  readonly looksFor: readonly string[];
  /** Types of what it publishes when event time has come so far, and at that time. */
  readonly results?: readonly string[] | undefined;
  /** Whose results it reads; how far these are there they tell. */
  readonly upstreams?: readonly Upstream[];
  /** Somebody goes by the time of its results: it tells how far they are there. */
  readonly tells?: boolean;
  /** When time alone brings something on for a key next, as its state has it; infinite: never. Not stored: the rules that hold now say it. */
  dueMs(state: JsonValue): number;
  /** What of a key waits, as its state has it; undefined: nothing does. */
  heldIn(state: JsonValue): HeldEvents | undefined;
  /** The last event of a key, as its state has it, without data: the cause of what time alone brings on. */
  lastOf(state: JsonValue): StoredEvent;
}

/** What of a key waits for others, and for what. */
export interface HeldEvents {
  readonly events: number;
  /** In words. */
  readonly waitsFor: string;
}

/** The index of a keyed state that says how many events it holds; null: none. */
export const HELD_INDEX = 'held';

/** What the rows of a consumer may be: values of its handlers, what it knows of time, a read model, or what it did not handle. */
/** State that belongs to a key: a row in a namespace, with the row's declared indexes. */
export interface KeyedState {
  readonly namespace: string;
  /** Where a definition of the same name and kind may come to keep other states in place of these, which must not be lost in silence. */
  readonly kept?: Pick<KeptStates, 'own' | 'waitsFor'>;
  /** Of states of the engine's own, which nobody else gets to see: between what is worked with and what is stored. Default: they are the same. */
  readonly form?: {
    readonly stored: (state: JsonValue) => JsonValue;
    /** Undefined: what is stored means nothing to the present definition, and the key begins anew. */
    readonly restored: (row: JsonValue) => JsonValue | undefined;
  };
  /** What of a state is personal; undefined: nothing is said of it, or it is `'none'`, and nothing is. */
  readonly personal?: PersonalFields | PersonalParts | 'none' | undefined;
  initial(): JsonValue | undefined;
  readonly indexNames: readonly string[];
  indexes(value: JsonValue): Readonly<Record<string, IndexValue>>;
}

/** How the rows of a projection follow from events, where they are changed as the events are recorded. */
export interface InlineReaction {
  /** Types of events that take others back. */
  readonly retracts: ReadonlySet<string>;
  /** Undefined: it belongs to no row. */
  keyOf(event: RecordedEvent): unknown;
  /** As `handle` does, of a frozen row; undefined: there is none. */
  evolve(row: JsonValue | undefined, event: RecordedEvent): JsonValue | undefined;
}

/**
 * What the delivery engine runs. Consumers, projections and automations are all turned into this, and so have the same
 * guarantees, figures, dead letters, pause and replay.
 */
export interface Reaction {
  readonly name: string;
  readonly kind: 'consumer' | 'projection' | 'window' | 'monitor' | 'automation' | 'system';
  readonly summary: string | undefined;
  /** As its definition declares it: a program with a higher one makes its states in another way. Default: 1. */
  readonly version?: number;
  /** Of one that can be built anew beside itself: what becomes of an event whose attempts have failed then. Default: its key is set aside. */
  readonly onBuildFailure?: BuildForm['onFailure'];
  /** The build that it is (`BuildForm.id`), to take the place of another one: those who are waited for come before it. Default: it is none. */
  readonly build?: string;
  readonly selection: CompiledSelection;
  /** What the catalog shows: which types it reacts to (undefined: all) and which it publishes. */
  readonly consumes: readonly string[] | undefined;
  readonly publishes: readonly EventDefinition[];
  /** Types of events that it takes out again when they are taken back. */
  readonly takesBack?: ReadonlySet<string>;
  /** When its runs are taken for a loop; undefined: never, because it publishes nothing. */
  readonly loops: LoopLimits | undefined;
  readonly start: ConsumerStart;
  readonly mode: DeliveryMode;
  /** How many keys (queue: events) may be handled at the same time. */
  readonly concurrency: number;
  readonly retry: RetryPolicy;
  /** It calls nobody: that events are handled again after a crash costs nothing but time. Default false. */
  readonly isPure?: boolean;
  /** Of one attempt; undefined: none. */
  readonly timeoutMs: number | undefined;
  readonly state: KeyedState | undefined;
  /** Its rows are changed where events are recorded, while nothing stands against it. Default: the engine changes them afterwards. */
  readonly inline?: InlineReaction | undefined;
  /** Tables of its own, which the statements of its handlings change. Default: it has none. */
  readonly tables?: TablesForm | undefined;
  /** Undefined: it goes by the order of the log alone. Otherwise it is ordered and has state. */
  readonly time?: ReactionTime | undefined;
  readonly keyOf: (event: RecordedEvent) => string;
  /** As `keyedBy` says of the function that makes its keys: two programs with different ones must not share a consumer's lanes. */
  readonly keyedBy: string;
  /** Queue mode: higher first; undefined: log order. */
  readonly priorityOf: ((event: RecordedEvent) => number) | undefined;
  /** Queue mode: how long after it was recorded an event is to be handled, in milliseconds. */
  readonly delayMsOf: ((event: RecordedEvent) => number) | undefined;
  /** Undefined: events are received and acknowledged one by one through a queue. */
  readonly handle: ((handling: Handling) => void | Promise<void>) | undefined;
}

/** Consumer names are part of ids, streams and addresses. */
export const CONSUMER_NAME = /^[\p{L}\p{N}][\p{L}\p{N}._:-]{0,199}$/u;
