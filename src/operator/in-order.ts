import type { HandledPart, HeldEvents } from '../consumer/reaction.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Opening } from '../event/opening.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import { isoTime } from '../system/clock.ts';
import { assertKnown } from '../system/known-options.ts';
import { NO_TIME } from '../time/watermark.ts';
import { emptyReorder, releaseUpTo, reorder } from '../time/reorder-buffer.ts';
import type { Held, ReorderRules, ReorderState } from '../time/reorder-buffer.ts';
import { assertObject } from './assert-options.ts';
import type { LateEvents } from './late-events.ts';
import type { Operator, Saying, Since, TimedEvent } from './timed-reaction.ts';

/** How many events of a key wait for those that happened before them, and what becomes of them when there are more. */
export interface HoldOptions {
  /** Default 10,000. */
  readonly maxEvents?: number;
  /**
   * `'release'` (default): the earliest goes on, which is recorded (`thereupon.hold.overflowed`), and what comes before it later is late.
   * `'drop'`: the one that came is treated as late.
   */
  readonly overflow?: 'release' | 'drop';
}

/** What is made of the events of a key in the order in which they happened. */
export interface Machine<State, Value> {
  /** What its states mean. */
  readonly shape: string;
  /** Whether what a machine of another shape needed of events is all that this one needs. */
  needsAsMuch(shape: string): boolean;
  /** What it needs of an event: JSON. */
  valueOf(event: RecordedEvent): Value;
  /** Of an event that another machine was given: whether it would be given to this one. Default: it would. */
  wants?(value: Value): boolean;
  /** What it looks for: as of an operator. */
  readonly looksFor?: readonly string[];
  /** As of an operator. */
  initial(timeMs: number, since?: Since): State;
  /** It knows nothing of a key before its first event has its turn. Default: it begins when that comes. */
  readonly beginsInTurn?: boolean;
  /** Where functions of the program look at an event when its turn comes: its place, and what it is to an operator. */
  readonly waiting?: { placeOf(value: Value): number; partOf(value: Value, timeMs: number): HandledPart };
  next(state: State, value: Value, timeMs: number, saying: Saying): State;
  /** Until when what the event leads to has time. Default: when something is due next after it. */
  leftMs?(state: State, value: Value, timeMs: number): number;
  /** Time has come so far, and nothing from before it will come. */
  pass(state: State, toMs: number, saying: Saying): State;
  /** When time alone brings something on next; infinite: never. */
  dueMs(state: State): number;
  /** When that is to be looked after; later than `dueMs` where nothing comes of it but that a state is forgotten. Default: at once. */
  lookMs?(state: State): number;
  isOver(state: State): boolean;
  /** A state without what it has of some that it looks for. Undefined: nothing is left. */
  without?(state: State, ids: ReadonlySet<string>): State | undefined;
  /** Keys of which nothing is under way are forgotten, and with them what was told of them. */
  readonly forgets?: boolean;
  /** It is told how far time has come before each event, and looks itself whether the event is too late for what that led to. */
  readonly isPunctual?: boolean;
  /** States as JSON, and back, where they are worked with in another form; and what it needs of events. */
  readonly json?: {
    of(state: State): JsonValue;
    from(json: JsonValue, opening: Opening | undefined): State;
    ofValue(value: Value): JsonValue;
    fromValue(json: JsonValue, opening: Opening | undefined): Value;
  };
}

/** The state of a key: what waits, and that of the machine. */
export interface InOrder<State, Value> extends ReorderState<Value> {
  readonly of: State;
  /** The last instant that time alone brought something on at: what happened before it comes too late. */
  readonly toldMs: number | undefined;
  /** No event has had its turn yet, and `of` is to be made anew when one has. */
  readonly isNew?: true;
}

function heldIn({ held }: InOrder<unknown, unknown>): HeldEvents | undefined {
  const first = held[0];
  if (first === undefined) return undefined;
  return { events: held.length, waitsFor: `event time to reach ${isoTime(first.timeMs)}` };
}

/**
 * Whether the time for what an event would lead to had run out before it came: nobody could say that what was to come meanwhile did not.
 */
export function hasRunOut<State, Value>(
  machine: Pick<Machine<State, Value>, 'dueMs' | 'leftMs' | 'next'>,
  state: State,
  value: Value,
  timeMs: number,
  saying: Saying,
): boolean {
  const { watermarkMs } = saying;
  if (timeMs >= watermarkMs) return false;
  const leftMs =
    machine.leftMs?.(state, value, timeMs) ?? machine.dueMs(machine.next(state, value, timeMs, unsaid(saying)));
  return leftMs < watermarkMs;
}

/** For what is only tried. */
function unsaid({ key, last, watermarkMs }: Saying): Saying {
  const nothing = () => {};
  const unpublished = () => Promise.resolve({ id: '' });
  return {
    key,
    last,
    since: () => NO_TIME,
    watermarkMs,
    publish: unpublished,
    publishFrom: unpublished,
    takeBack: unpublished,
    recalls: false,
    recall: () => undefined,
    part: () => undefined,
    takes: () => true,
    found: nothing,
    report: nothing,
    tooLate: nothing,
  };
}

/** What went on before its time, because too many wait. */
function overflowOf(key: string, early: readonly Held<unknown>[]): Readonly<Record<string, JsonValue>> {
  return { key, released: early.length, upTo: isoTime(early.at(-1)?.timeMs ?? Number.NaN) };
}

/** Errors: InvalidDefinition names the option. */
export function holdRules(name: string, options: HoldOptions = {}): ReorderRules {
  assertObject(name, 'hold', options);
  assertKnown(name, options, ['maxEvents', 'overflow'], 'hold.');
  const { maxEvents = 10_000, overflow = 'release' } = options;
  if (!Number.isSafeInteger(maxEvents) || maxEvents < 1)
    throw new InvalidDefinition(
      name,
      `hold.maxEvents must be a whole number from 1, found ${describeValue(maxEvents)}`,
    );
  if (overflow !== 'release' && overflow !== 'drop')
    throw new InvalidDefinition(name, `hold.overflow must be 'release' or 'drop', found ${describeValue(overflow)}`);
  return { maxEvents, overflow: overflow === 'drop' ? 'refuse' : 'release' };
}

/**
 * An operator that gives a machine the events of a key by event time: each waits until nothing earlier is expected, or, where `waits` is false,
 * goes on as it comes.
 *
 * Guarantee The machine is told of events and of time in the order of event time. An event from before what it was told is late.
 */
export function inOrder<State, Value>(
  machine: Machine<State, Value>,
  { rules, waits, late }: { readonly rules: ReorderRules; readonly waits: boolean; readonly late: LateEvents },
): Operator<InOrder<State, Value>> {
  type Kept = InOrder<State, Value>;

  function toldUpTo(state: Kept, toMs: number, saying: Saying): Kept {
    if (state.isNew === true) return state;
    if (machine.isPunctual === true) {
      if (machine.dueMs(state.of) >= toMs) return state;
      return { ...state, of: machine.pass(state.of, toMs, saying) };
    }
    let { of, toldMs } = state;
    for (let dueMs = machine.dueMs(of); dueMs < toMs; dueMs = machine.dueMs(of)) {
      // One instant after another, so that what is late does not depend on how far time went at once.
      of = machine.pass(of, dueMs + 1, saying);
      toldMs = dueMs;
    }
    return of === state.of ? state : { ...state, of, toldMs };
  }

  function goOn(state: Kept, released: readonly Held<Value>[], saying: Saying): Kept {
    let next = state;
    for (const { timeMs, event } of released) {
      if (next.isNew === true) {
        const { isNew: _isNew, ...known } = next;
        // What waited goes on to what is looked for now, whenever it came.
        const { position } = saying.last;
        const isTaken = machine.waiting === undefined || saying.takes(machine.waiting.placeOf(event));
        const place = isTaken ? position : Number.MAX_SAFE_INTEGER;
        next = { ...known, of: machine.initial(timeMs, (id) => saying.since(id, place)) };
      }
      next = toldUpTo(next, timeMs, saying);
      next = { ...next, of: turnOf(next.of, event, timeMs, saying) };
    }
    return next;
  }

  /** What fails of an event that waited is a part of what let it go. */
  function turnOf(state: State, value: Value, timeMs: number, saying: Saying): State {
    const { waiting } = machine;
    if (waiting === undefined || saying.takes(waiting.placeOf(value)))
      return machine.next(state, value, timeMs, saying);
    const after = saying.part(
      () => waiting.partOf(value, timeMs),
      (edited) => ({
        state: machine.next(state, edited === undefined ? value : machine.valueOf(edited), timeMs, saying),
      }),
    );
    return after === undefined ? state : after.state;
  }

  function without(state: Kept, ids: ReadonlySet<string>, passedMs: number): Kept | undefined {
    const of = machine.without?.(state.of, ids);
    if (of !== undefined) return { ...state, of };
    // What was to go on before that would have.
    return heldAnew(
      state,
      state.held.filter(({ timeMs }) => timeMs > passedMs),
    );
  }

  /** What waits goes on to another machine, or to one that begins anew. */
  function heldAnew({ next, releasedMs }: Kept, held: Kept['held']): Kept | undefined {
    const [first] = held;
    if (first === undefined) return undefined;
    return { held, next, releasedMs, of: machine.initial(first.timeMs), toldMs: undefined, ...beginning };
  }

  /** What waits in a state as it is stored. */
  function heldFrom(kept: JsonValue, opening: Opening | undefined): readonly Held<Value>[] {
    const { held } = kept as unknown as Kept;
    const { json } = machine;
    if (json === undefined) return held;
    return held.map((one) => ({ ...one, event: json.fromValue(one.event as JsonValue, opening) }));
  }

  const lookMs = machine.lookMs?.bind(machine) ?? machine.dueMs.bind(machine);
  const beginning: Pick<Kept, 'isNew'> = waits && machine.beginsInTurn === true ? { isNew: true } : {};

  return {
    shape: machine.shape,
    looksFor: machine.looksFor ?? [],
    initial: (timeMs, since) => ({
      ...emptyReorder<Value>(),
      of: machine.initial(timeMs, since),
      toldMs: undefined,
      ...beginning,
    }),
    take(before, { event, timeMs, watermarkMs, afterMs }: TimedEvent, saying) {
      // What the event itself lets go takes no room from it.
      const state = waits && afterMs > watermarkMs && timeMs > afterMs ? this.pass(before, afterMs, saying) : before;
      if (!waits && machine.isPunctual === true)
        return goOn(state, [{ timeMs, number: 0, event: machine.valueOf(event) }], saying);
      const watermark = waits ? watermarkMs : Number.POSITIVE_INFINITY;
      const value = machine.valueOf(event);
      const isLate =
        timeMs < (state.toldMs ?? NO_TIME) ||
        (timeMs < watermarkMs &&
          ((waits && machine.forgets === true) || hasRunOut(machine, state.of, value, timeMs, saying)));
      const step = isLate
        ? { state, released: [], refused: 'late' as const }
        : reorder(rules, state, { timeMs, event: value, watermarkMs: watermark });
      if (step.refused !== undefined) {
        const reason =
          step.refused === 'late'
            ? 'it happened before what was told, or its time had run out'
            : 'too many wait for others';
        late.tell(saying, { timeMs, watermarkMs, wholly: true }, { reason });
        return { ...state, ...step.state };
      }
      const early = step.released.filter((one) => one.timeMs > watermark);
      if (early.length > 0) saying.report(SYSTEM_EVENTS.holdOverflowed, overflowOf(saying.key, early));
      return goOn({ ...state, ...step.state }, step.released, saying);
    },
    pass(state, watermarkMs, saying) {
      if (state.held.length === 0) return toldUpTo(state, watermarkMs, saying);
      const step = releaseUpTo(state, watermarkMs);
      const released = step.released.length === 0 ? state : goOn({ ...state, ...step.state }, step.released, saying);
      return toldUpTo(released, watermarkMs, saying);
    },
    // What is due at an instant comes after the events of that instant.
    dueMs: ({ held, of, isNew }) =>
      Math.min(held[0]?.timeMs ?? Number.POSITIVE_INFINITY, isNew === true ? Number.POSITIVE_INFINITY : lookMs(of) + 1),
    isOver: ({ held, of, isNew }) => held.length === 0 && (isNew === true || machine.isOver(of)),
    ...(waits ? { heldIn } : {}),
    ...(machine.without === undefined ? {} : { without }),
    stored(state) {
      const { json } = machine;
      // Other machines keep JSON, checked where it comes from the program.
      if (json === undefined) return state as unknown as JsonValue;
      const held = state.held.map((one) => ({ ...one, event: json.ofValue(one.event) }));
      return { ...state, held, of: json.of(state.of) } as unknown as JsonValue;
    },
    restored(kept, opening) {
      const state = kept as unknown as Kept;
      // It was about somebody who is forgotten.
      if ((state.of as JsonValue) === null) return { ...state, of: machine.initial(state.toldMs ?? NO_TIME) };
      if (machine.json === undefined) return state;
      return { ...state, held: heldFrom(kept, opening), of: machine.json.from(state.of as JsonValue, opening) };
    },
    adopted(shape, kept, opening) {
      if (!machine.needsAsMuch(shape)) return undefined;
      const held = heldFrom(kept, opening).filter(({ event }) => machine.wants?.(event) ?? true);
      return heldAnew(kept as unknown as Kept, held);
    },
  };
}
