import { compileSelection, eitherOf } from '../channel/selection.ts';
import { titleOf } from '../system/known-options.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import { definitionsOf, reactionOf } from '../consumer/define-consumer.ts';
import type { EventsOf, On, ReactionOptions } from '../consumer/define-consumer.ts';
import { keyedBy } from '../consumer/keys.ts';
import type { LoopLimits } from '../consumer/loop-guard.ts';
import { unlessLeftOut } from '../consumer/left-out.ts';
import { KeySaying, lastEvent, storedEvent } from './key-saying.ts';
import type { LastEvent } from './key-saying.ts';
import { recalling } from './recalling.ts';
import type { SayingOf } from './recalling.ts';
import { HELD_INDEX } from '../consumer/reaction.ts';
import { namespaceOf } from '../consumer/namespaces.ts';
import type {
  HandledPart,
  Handling,
  HeldEvents,
  KeyedState,
  Reaction,
  ReactionTime,
  Recalled,
  RecallFact,
  WhatBegan,
} from '../consumer/reaction.ts';
import type { IndexValue } from '../consumer/row-store.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition } from '../event/define-event.ts';
import { retractedEvent } from '../event/derived-definitions.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { openingOf } from '../event/opening.ts';
import type { Opening } from '../event/opening.ts';
import type { PersonalParts } from '../event/personal-fields.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_EVENTS, systemStream } from '../event/system-events.ts';
import type { SystemEventType } from '../event/system-events.ts';
import { asForgotten } from '../event/upcast-event.ts';
import type { PublishOptions } from '../schema/encode.ts';
import { NO_TIME } from '../time/watermark.ts';
import { timeReader, watermarkRule } from './event-time-options.ts';
import type { EventTimeOptions } from './event-time-options.ts';

/** What every operator that goes by event time takes. */
export interface TimedOptions<Given extends On> extends ReactionOptions<Given> {
  readonly on: Given;
  /** Of what the events are looked at together; results follow for each key by itself. */
  readonly key: (event: EventsOf<Given>) => string;
  readonly time?: EventTimeOptions<EventsOf<Given>>;
}

/** What an operator may say of a key. */
export interface Saying {
  readonly key: string;
  /** The last event of the key. What follows from time alone follows from it. */
  readonly last: RecordedEvent;
  /** Publishes a fact once, whose id follows from what it is about. */
  publish(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions & { readonly id: string },
  ): Promise<{ readonly id: string }>;
  /** Publishes what the program says; `id`: where it gives none. */
  publishFrom(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions,
    id: () => string,
  ): Promise<{ readonly id: string }>;
  /** Publishes, as `publish` does, that an event of its own holds no longer; with the data that was recorded. */
  takeBack(
    definition: EventDefinition,
    event: { readonly id: string; readonly data: unknown },
    options: PublishOptions & { readonly id: string },
  ): Promise<{ readonly id: string }>;
  /** Whether something else may have been said before. */
  readonly recalls: boolean;
  /** What was said before in place of a fact, where that may have been something else. Undefined: nothing, or it has yet to be looked up. */
  recall(fact: RecallFact): Recalled | undefined;
  /** Does one of the things that come of the key now; what fails an operator may give up by itself. Undefined: he has. */
  part<Answer>(describe: () => HandledPart, act: (edited: RecordedEvent | undefined) => Answer): Answer | undefined;
  /** Whether the event at this place is the one that is being taken. */
  takes(place: number): boolean;
  /** How far time had come before the event that is being taken; NO_TIME: none is, or nothing was known. */
  readonly watermarkMs: number;
  /** Something to act upon when the state is known that it leads to. */
  found(what: unknown): void;
  /** Records what the system has to say about the last event. */
  report(type: SystemEventType, data: Readonly<Record<string, JsonValue>>): void;
  /** Counts the event as late and records that. `wholly`: nothing comes of it; default. */
  tooLate(data: Readonly<Record<string, JsonValue>>, wholly?: boolean): void;
  /** When it began to look for something, as far as the event at that place is concerned; NO_TIME: that is not known. */
  since(id: string, place: number): number;
}

/** When a consumer began to look for something; NO_TIME: that is not known. */
export type Since = (id: string) => number;

/** What an operator has found in the events of a key. */
export interface Found {
  readonly what: unknown;
  readonly saying: Saying;
}

/** Sets the state of the key that is handled. */
export type Keep<State> = (state: State) => void;

/** An event in the hands of an operator. */
export interface TimedEvent {
  readonly event: RecordedEvent;
  readonly timeMs: number;
  /** What came before it has told that time has come so far: it is late if it is from before that. */
  readonly watermarkMs: number;
  /** With it time has come so far. */
  readonly afterMs: number;
}

/**
 * What is made of the events of a key, as functions of its state.
 *
 * Shape     `dueMs`: the least watermark at which `pass` has something to do; infinite: none. `isOver`: the state is as if there had been no event.
 */
export interface Operator<State> {
  /** What its states mean: of those of another shape it goes on with nothing but what waits in them. */
  readonly shape: string;
  /** What it looks for that may change between two runs of a program, by ids. */
  readonly looksFor?: readonly string[];
  /** Of a key whose first event is from then; `since`: where nothing was known of the key before. */
  initial(timeMs: number, since?: Since): State;
  take(state: State, event: TimedEvent, saying: Saying): State;
  pass(state: State, watermarkMs: number, saying: Saying): State;
  dueMs(state: State): number;
  isOver(state: State): boolean;
  /** What it says depends on what it said before (`Saying.recall`). */
  readonly recalls?: boolean;
  /** What waits for others, where something may. */
  heldIn?(state: State): HeldEvents | undefined;
  /** As JSON, and back. */
  stored(state: State): JsonValue;
  restored(json: JsonValue, opening: Opening | undefined): State;
  /** A state without what it has of some that it looks for anew, since time was at `passedMs`. Undefined: nothing is left. */
  without?(state: State, ids: ReadonlySet<string>, passedMs: number): State | undefined;
  /** Of a state of another shape: what waits in it, with all else anew. Undefined: nothing that it could go on with. */
  adopted?(shape: string, json: JsonValue, opening: Opening | undefined): State | undefined;
}

/** The state of a key as it is stored. */
interface Kept<State> {
  /** Null, in stores of before: no event of the key was handled yet. */
  readonly of: State | null;
  /** How far time has come for the key; null: nothing is known. */
  readonly atMs: number | null;
  /** Its last event: the cause of what time brings on. */
  readonly last: LastEvent;
  /** What was begun to be looked for after that event knows nothing of this state (`WhatBegan.lastBegan`). Undefined: everything does. */
  readonly since?: Position | undefined;
}

type StoredKept = readonly [shape: string, of: JsonValue, atMs: number | null, last: LastEvent, since?: Position];

/**
 * The reaction that an operator is.
 *
 * Guarantee What it says is a function of the events in the order of the log: each is taken at the watermark that those before it and itself
 *           make, and what time alone brings on is brought on before the next event of the key, whenever it runs.
 */
export function timedReaction<State, Given extends On>(
  kind: Reaction['kind'],
  options: TimedOptions<Given>,
  parts: {
    readonly operator: Operator<State>;
    readonly publishes: readonly EventDefinition[];
    /** It follows from events of whatever type. */
    readonly ofAllTypes?: boolean;
    /** Facts that take back what the events said. */
    readonly also?: readonly EventDefinition[];
    readonly expected?: readonly string[];
    /** Of what it publishes: what it says when event time has come so far, and at that time. */
    readonly results?: readonly EventDefinition[];
    /** Default: all events of the types, as the options say. */
    readonly selection?: CompiledSelection;
    readonly loops?: LoopLimits;
    readonly kept?: KeyedState['kept'];
    /** What of the states is personal, of the operator's own; undefined: nothing is said. */
    readonly personal?: PersonalParts | 'none' | undefined;
    /** Members of `time` that are not about time. */
    readonly timeOptions?: readonly string[];
    /** Default: event time, as the options say. */
    readonly clock?: Pick<ReactionTime, 'bySource' | 'timeOf' | 'watermark'>;
    /** Acts upon what the operator found; `keep` is given the state as it is afterwards, where that is another than `kept`. */
    readonly act?: (
      handling: Handling,
      found: readonly Found[],
      keep: Keep<State>,
      kept: State,
    ) => void | Promise<void>;
  },
): Reaction {
  const name = titleOf(kind, options);
  if (typeof options.key !== 'function')
    throw new InvalidDefinition(name, `key must be a function, found ${describeValue(options.key)}`);
  if (definitionsOf(options.on).length === 0 && parts.ofAllTypes !== true)
    throw new InvalidDefinition(name, 'on is empty; it follows from events');
  const { operator, publishes, also = [], expected = [], personal } = parts;
  const on = [...definitionsOf(options.on), ...also];
  const onAny = on.length === 0 ? undefined : on;
  const common = reactionOf<readonly EventDefinition[]>({ ...options, on: onAny, where: options.where } as never, kind);
  const time = (options.time === undefined ? {} : options.time) as EventTimeOptions<never>;
  const rule = watermarkRule(name, time, parts.timeOptions);
  const taken = new Set(also.map(({ type }) => type));
  // What takes an event back belongs where that one did.
  const asItWas = (event: RecordedEvent) => (taken.has(event.type) ? retractedEvent(event) : event);
  const readTime = parts.clock?.timeOf.bind(parts.clock) ?? timeReader(time);
  const timeOf =
    time.at === undefined
      ? (event: RecordedEvent) => readTime(asItWas(event))
      : (event: RecordedEvent) => keptTime(name, readTime, asItWas(event));
  const keyOf = options.key as (event: RecordedEvent) => string;
  const passages = compileSelection({
    types: [SYSTEM_EVENTS.timePassed],
    where: { stream: [systemStream(options.name)] },
  });
  return {
    ...common,
    selection: eitherOf(parts.selection ?? common.selection, passages),
    // What is pure needs none.
    isPure: parts.act === undefined,
    timeoutMs: parts.act === undefined ? undefined : common.timeoutMs,
    publishes,
    loops: parts.loops,
    mode: 'ordered',
    state: {
      // Not where states of handlers are: a definition may become one of the other kind.
      namespace: namespaceOf('time', options.name),
      ...(parts.kept === undefined ? {} : { kept: parts.kept }),
      initial: () => undefined,
      form: {
        stored(kept) {
          const { of, atMs, last, since } = kept as unknown as Kept<State>;
          const row = [operator.shape, of === null ? null : operator.stored(of), atMs, last] as const;
          return since === undefined ? row : [...row, since];
        },
        restored(row) {
          const [shape, of, atMs, last, since] = row as unknown as StoredKept;
          const opening = openingOf(row);
          const state =
            of === null
              ? null
              : shape === operator.shape
                ? operator.restored(of, opening)
                : (operator.adopted?.(shape, of, opening) ?? null);
          if (state === null && shape !== operator.shape) return undefined;
          return { of: state, atMs, last, ...(since === undefined ? {} : { since }) } as unknown as JsonValue;
        },
      },
      personal: personal && inRow(operator.shape, personal),
      indexNames: operator.heldIn === undefined ? [] : [HELD_INDEX],
      indexes(kept): Readonly<Record<string, IndexValue>> {
        if (operator.heldIn === undefined) return {};
        const { of } = kept as unknown as Kept<State>;
        return { [HELD_INDEX]: (of === null ? undefined : operator.heldIn(of)?.events) ?? null };
      },
    },
    time: {
      watermark: parts.clock?.watermark ?? rule,
      bySource: parts.clock?.bySource ?? true,
      isRead: parts.clock === undefined && time.at !== undefined,
      timeOf,
      expected,
      looksFor: operator.looksFor ?? [],
      results: parts.results?.map(({ type }) => type),
      dueMs(kept) {
        const { of } = kept as unknown as Kept<State>;
        return of === null ? Number.POSITIVE_INFINITY : operator.dueMs(of);
      },
      heldIn(kept) {
        const { of } = kept as unknown as Kept<State>;
        return of === null ? undefined : operator.heldIn?.(of);
      },
      lastOf: (kept) => storedEvent((kept as unknown as Kept<State>).last),
    },
    keyedBy: keyedBy(options.key),
    keyOf: taken.size === 0 ? keyOf : (event) => keyOf(asItWas(event)),
    priorityOf: undefined,
    delayMsOf: undefined,
    ...(taken.size === 0 ? {} : { takesBack: new Set(definitionsOf(options.on).map(({ type }) => type)) }),
    handle(handling) {
      const act = (): void | Promise<void> => {
        if (operator.recalls === true && handling.mayHaveSaidOtherwise)
          return recalling(handling, (given) => {
            const handled = handle(operator, handling, [], given);
            return handled && (() => handled.keep(handled.state));
          });
        const found: Found[] = [];
        const handled = handle(operator, handling, found);
        if (handled === undefined) return undefined;
        handled.keep(handled.state);
        return found.length === 0 ? undefined : parts.act?.(handling, found, handled.keep, handled.state);
      };
      // Of what time alone brings on the event is the last one of the key: that was taken in.
      const isEvent = handling.time?.due === undefined && handling.time?.expectedSinceMs === undefined;
      const takesBack = isEvent && taken.has(handling.event.type);
      return takesBack ? unlessLeftOut(handling, act) : act();
    },
  };
}

function handle<State>(
  operator: Operator<State>,
  handling: Handling,
  found: Found[],
  given?: SayingOf,
): { readonly keep: Keep<State>; readonly state: State } | undefined {
  const kept = handling.state as unknown as Kept<State> | undefined;
  const { event, time } = handling;
  if (time === undefined) throw new Error('a handling without event time');
  const before = kept === undefined ? undefined : presentOf(operator, kept, time.began);
  // What was due has become nothing meanwhile.
  if (before === undefined && time.due !== undefined) {
    if (kept !== undefined) handling.keepState(undefined);
    return undefined;
  }
  const knownMs = kept?.atMs ?? NO_TIME;
  let state: State;
  let atMs: number;
  let last: LastEvent;
  if (before !== undefined && isPassage(handling, before.last[4])) {
    // What failed is brought on again, and no more: what waits behind it was in time for the rest.
    atMs = Math.max(knownMs, time.due?.upToMs ?? finite(operator.dueMs(before.of)) ?? knownMs);
    state = operator.pass(before.of, atMs, sayingOf(given, handling, before.last, found));
    last = before.last;
  } else if (time.expectedSinceMs !== undefined) {
    if (before !== undefined) return undefined;
    // Its own events may be from before that, and are in time as long as any are. What is due by now is brought on once this is known.
    atMs = time.presentMs;
    state = operator.initial(time.expectedSinceMs);
    last = lastEvent(event);
  } else {
    const timeMs = time.taken?.eventMs ?? time.timeOf(event);
    // Of an event of which it was not known when it came the key's own time tells; of a key that has none, the present.
    const set = kept === undefined ? time.presentMs : knownMs;
    const { watermarkMs, afterMs } = time.taken ?? { watermarkMs: set, afterMs: set };
    const nowMs = Math.max(knownMs, watermarkMs);
    atMs = Math.max(nowMs, afterMs);
    let passed =
      before === undefined ? undefined : operator.pass(before.of, nowMs, sayingOf(given, handling, before.last, found));
    const say = sayingOf(given, handling, event, found, nowMs);
    // What time left nothing of is forgotten, as where time alone was brought on before.
    if (passed === undefined) passed = operator.initial(timeMs, (id) => say.since(id, event.position));
    else if (operator.isOver(passed)) passed = operator.initial(timeMs);
    const taken = operator.take(passed, { event, timeMs, watermarkMs: nowMs, afterMs: atMs }, say);
    // Of a key of which only what is too late is known nothing is known.
    if (before === undefined && say.isLate) return undefined;
    state = operator.pass(taken, atMs, say);
    last = lastEvent(event);
  }
  const keep: Keep<State> = (of) => {
    const isOver = operator.isOver(of);
    if (isOver && kept === undefined && handling.state === undefined) return;
    const { lastBegan } = time.began;
    const present = { of, atMs: finite(atMs), last, ...(lastBegan === START ? {} : { since: lastBegan }) };
    handling.keepState(isOver ? undefined : (present as unknown as JsonValue));
  };
  return { keep, state };
}

/** Written out, and without a function for each event. */
function sayingOf(
  given: SayingOf | undefined,
  handling: Handling,
  last: RecordedEvent | LastEvent,
  found: Found[],
  watermarkMs?: number,
): KeySaying {
  return given === undefined ? new KeySaying(handling, last, found, watermarkMs) : given(last, found, watermarkMs);
}

/** What is kept of a key, without what was kept for something that was looked for before, and is again: between the two nobody looked. */
function presentOf<State>(
  operator: Operator<State>,
  { of, last, since = START }: Kept<State>,
  began: WhatBegan,
): { readonly of: State; readonly last: LastEvent } | undefined {
  if (of === null) return undefined;
  if (began.lastBegan <= since || operator.without === undefined) return { of, last };
  const ids = new Set((operator.looksFor ?? []).filter((id) => began.beganAfter(id) > since));
  const passedMs = Math.max(...[...ids].map((id) => began.passedMs(id)));
  const left = ids.size === 0 ? of : operator.without(of, ids, passedMs);
  return left === undefined ? undefined : { of: left, last };
}

/** Whether nothing but time is to pass: its event was handled before, and what time brought on then failed. */
function isPassage({ event, time }: Handling, last: number): boolean {
  return time?.expectedSinceMs === undefined && (time?.due !== undefined || event.position === last);
}

/** Of rows as they are stored: the operator's state is a member of them. One of another shape is not known. */
function inRow(shape: string, personal: PersonalParts | 'none'): PersonalParts | 'none' {
  if (personal === 'none') return personal;
  return {
    isSaid: personal.isSaid,
    partsOf(row) {
      const [of, state] = row as unknown as StoredKept;
      if (of !== shape || state === null) return [];
      return personal.partsOf(state).map(({ path, fields }) => ({ path: [1, ...path], fields }));
    },
  };
}

/** Times are stored as they are, and an event has to have the same one when its person is forgotten. */
function keptTime(title: string, read: (event: RecordedEvent) => number, event: RecordedEvent): number {
  const ms = read(event);
  const forgotten = asForgotten(event);
  if (forgotten === undefined) return ms;
  let left: number | undefined;
  try {
    left = read(forgotten);
  } catch {
    left = undefined;
  }
  if (left === ms) return ms;
  throw new InvalidDefinition(
    title,
    'time.at reads a personal field, and times stay readable; let it read something else',
  );
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}
