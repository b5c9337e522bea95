import { createHash } from 'node:crypto';
import { compileSelection, eitherOf } from '../channel/selection.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import { InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition, EventOf } from '../event/define-event.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { eventKept, keptEvent } from '../event/kept-event.ts';
import type { KeptEvent } from '../event/kept-event.ts';
import type { Opening } from '../event/opening.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import { revivedBy } from '../event/upcast-event.ts';
import { isoTime } from '../system/clock.ts';
import type { Duration } from '../system/duration.ts';
import { assertCompositePattern } from '../time/composite-pattern.ts';
import type { Bound, CompositePattern, Step, Wanted } from '../time/composite-pattern.ts';
import { dueOfMatcher, matchEvent, newMatcher, passTime, timeAfterEvent } from '../time/matcher.ts';
import type { Match, MatcherState, MatchStep } from '../time/matcher.ts';
import { NO_TIME } from '../time/watermark.ts';
import { assertKnown, assertOptions } from '../system/known-options.ts';
import { wholeMs } from './assert-options.ts';
import type { EventTimeOptions } from './event-time-options.ts';
import type { HoldOptions, Machine } from './in-order.ts';
import type { LateWay } from './late-events.ts';
import { matcherFrom, matcherJson } from './matcher-json.ts';
import { Absence, Every, Part, Sides } from './pattern.ts';
import type { Joined, MatchedBy, MatchedSoFar, PatternStep, Side } from './pattern.ts';
import type { Saying } from './timed-reaction.ts';

/** Steps one after another; one of them, or a stretch of them, may be `every`. */
export type PatternSteps = readonly (PatternStep | Every)[];

/** The definitions that a step names. */
type DefinitionIn<Given> =
  Given extends Part<string, infer Definition>
    ? Definition
    : Given extends Sides<infer Parts>
      ? DefinitionIn<Parts[number]>
      : Given extends Every<infer Steps>
        ? DefinitionIn<Steps[number]>
        : Given extends Absence<infer Definition>
          ? Definition
          : never;

/** What is looked for in the events of a key. */
export interface PatternRule<Steps extends PatternSteps = PatternSteps> {
  /**
   * One step after another. It matches once for each key (CE3). Where each event that can be the first is to begin a match of its own, that step is
   * `every`: `[every(one('order', OrderPlaced)), not(OrderPaid).within('15m')]`; where it is to begin anew when it has matched, all steps are.
   */
  readonly sequence: Steps;
  /** From its first event to its last, inclusive. Default: no limit. */
  readonly within?: Duration;
  /** `'some'` (default): other events of the key may come between two steps; `'next'`: none of the types that it names may. */
  readonly order?: 'some' | 'next';
}

/** Which events belong together, and when; `Event`: whatever a pattern may be made of. */
export interface PatternKeyOptions<Event> {
  /** Of what the events are looked at together. */
  readonly key: (event: Event) => string;
  readonly time?: EventTimeOptions<Event>;
  /** With a `time.disorder`, events wait until nothing earlier is expected; what comes still later is late. Default `'drop'`. */
  readonly late?: LateWay;
  readonly hold?: HoldOptions;
}

/** What a pattern of a set may say. */
export const RULE_OPTIONS = 'sequence within order'.split(' ');
export const KEY_OPTIONS = 'key time late hold'.split(' ');

/** The events that steps may be. */
export type EventIn<Steps extends PatternSteps> = EventOf<DefinitionIn<Steps[number]>>;

/** The events of a match of these steps, by the names of their parts. */
export type MatchOf<Steps extends PatternSteps> = Joined<MatchedBy<Steps[number]>>;

export interface PatternOptions<Steps extends PatternSteps>
  extends PatternRule<Steps>, PatternKeyOptions<EventIn<Steps>> {}

/** What is looked for, in the form in which it is looked for. */
export interface CompiledRule {
  readonly on: readonly EventDefinition[];
  readonly selection: CompiledSelection;
  readonly roles: PatternRoles;
  readonly composite: CompositePattern<StoredEvent>;
  /** What matches under way mean; another one for another pattern. */
  readonly shape: string;
}

/** What it selects, once or twice over. */
export interface PatternRoles {
  /** What can be the first event of a match; of a key of which nothing is under way all else is nothing to it. */
  readonly beginning: CompiledSelection;
  /** What can come later. */
  readonly later: CompiledSelection | undefined;
}

/** Several events that belong together, in event time. */
export interface PatternDefinition<Matched = unknown> extends CompiledRule {
  readonly kind: 'pattern';
  readonly options: PatternKeyOptions<RecordedEvent>;
  /** Never there; carries the events of a match to `run`. */
  readonly matched?: Matched;
}

/**
 * Declares a pattern over several events of a key; an automation that has it as `on` runs for each match and is handed all of its events.
 *
 * Guarantee Matches follow from the events in the order in which they happened (CE1 to CE8 of the field's contracts), over restarts too.
 * Errors    InvalidDefinition names the part.
 */
export function definePattern<const Steps extends PatternSteps>(
  options: PatternOptions<Steps>,
): PatternDefinition<MatchOf<Steps>> {
  assertOptions('pattern', options);
  assertKnown('pattern', options, [...RULE_OPTIONS, ...KEY_OPTIONS]);
  return {
    kind: 'pattern',
    ...compileRule('pattern', options),
    options: options as unknown as PatternDefinition['options'],
  };
}

/** Errors: InvalidDefinition names the part of `name`. */
export function compileRule(name: string, options: PatternRule): CompiledRule {
  const { sequence, within, order = 'some' } = options;
  if (!Array.isArray(sequence) || sequence.length === 0)
    throw new InvalidDefinition(name, `sequence must be a list of steps, found ${describeValue(sequence)}`);
  const groups = sequence.filter((step: unknown): step is Every => step instanceof Every);
  if (groups.some((each) => each.steps.length === 0))
    throw new InvalidDefinition(name, 'every() needs the steps that begin anew');
  if (groups.length > 1) throw new InvalidDefinition(name, 'only one stretch of a sequence may be every');
  const steps = sequence.flatMap((step) => (step instanceof Every ? [...step.steps] : [step]));
  const place = sequence.findIndex((step) => step instanceof Every);
  const [group] = groups as readonly Every[];
  const stretch = [place, place + (group?.steps.length ?? 0) - 1] as const;
  const composite: CompositePattern<StoredEvent> = {
    steps: steps.map((step, index) => stepOf(step, `${name} sequence[${index}]`)),
    every: group === undefined ? undefined : stretch,
    withinMs: within === undefined ? Number.POSITIVE_INFINITY : wholeMs(name, 'within', within, 0),
    order,
  };
  asDefinition(name, () => assertCompositePattern(composite));
  const sides = steps.flatMap((step): readonly Side[] => (step instanceof Sides ? step.sides : [step]));
  assertNames(name, sides);
  const selection = selectionOf(sides, order);
  return {
    on: [...new Set(sides.map(({ definition }) => definition))],
    selection,
    roles: rolesOf(steps, order, selection),
    composite,
    shape: shapeOf(steps, composite),
  };
}

/** Errors: InvalidDefinition in place of InvalidInput, which does not say whose it is. */
function asDefinition(name: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    if (!(cause instanceof InvalidInput)) throw cause;
    const path = cause.path.replace(/^pattern\.?/, '').replace(/^steps/, 'sequence');
    const what = `expected ${cause.expected}, found ${cause.found}`;
    throw new InvalidDefinition(name, path === '' ? what : `${path}: ${what}`, { cause });
  }
}

/** A match has its events by the names of parts. Sides of which any will do may share one. */
function assertNames(name: string, sides: readonly Side[]): void {
  const seen = new Map<string, Part>();
  for (const side of sides) {
    if (!(side instanceof Part)) continue;
    const other = seen.get(side.name);
    if (other !== undefined && other.definition !== side.definition)
      throw new InvalidDefinition(name, `two parts of different events have the name ${side.name}`);
    seen.set(side.name, side);
  }
}

/** What of the log can be part of a match; where steps follow at once, whatever could come between them. */
function selectionOf(sides: readonly Side[], order: 'some' | 'next'): CompiledSelection {
  const selections = sides.map(({ definition, condition }) =>
    compileSelection({ types: [definition.type], where: order === 'next' ? undefined : condition?.pattern }),
  );
  return selections.reduce((all, selection) => eitherOf(all, selection));
}

function rolesOf(steps: readonly PatternStep[], order: 'some' | 'next', selection: CompiledSelection): PatternRoles {
  const sidesOf = (step: PatternStep): readonly Side[] => (step instanceof Sides ? step.sides : [step]);
  const needed = steps.findIndex((step) => !(step instanceof Part && step.min === 0));
  const first = steps.slice(0, needed < 0 ? steps.length : needed + 1).flatMap(sidesOf);
  // What an absence waits for begins with whatever comes first.
  if (!first.every((side) => side instanceof Part)) return { beginning: selection, later: undefined };
  const others = steps.slice(needed + 1).flatMap(sidesOf);
  const later = order === 'next' ? selection : others.length === 0 ? undefined : selectionOf(others, order);
  return { beginning: selectionOf(first, 'some'), later };
}

/** Of conditions that are functions nothing is seen: changed ones are asked about matches that have begun, too. */
function shapeOf(steps: readonly PatternStep[], { every, order }: CompositePattern<StoredEvent>): string {
  const shown = (side: Side): unknown =>
    side instanceof Part
      ? [side.name, side.definition.type, side.min, side.max, whereOf(side)]
      : ['not', side.definition.type, side.forMs ?? null, whereOf(side)];
  const all = steps.map((step) => (step instanceof Sides ? [step.kind, ...step.sides.map(shown)] : shown(step)));
  const text = JSON.stringify([all, every ?? null, order]);
  return `pattern ${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

/** What can be said of a condition. */
function whereOf({ condition }: Side): unknown {
  return condition === undefined ? null : (condition.pattern ?? 'a function');
}

function stepOf(step: PatternStep, place: string): Step<StoredEvent> {
  if (step instanceof Part) return { kind: 'count', event: wanted(step), min: step.min, max: step.max };
  if (step instanceof Absence) {
    if (step.forMs === undefined)
      throw new InvalidDefinition(place, 'not() needs a time: not(Definition).within(duration)');
    return { kind: 'absent', absent: { absent: wantedBy(step), forMs: step.forMs } };
  }
  if (step instanceof Sides)
    return {
      kind: step.kind,
      sides: step.sides.map((side: unknown) => {
        if (side instanceof Sides)
          throw new InvalidDefinition(place, 'and() and or() have one() or not() as sides, not and() or or() in turn');
        if (!(side instanceof Absence) && !(side instanceof Part))
          throw new InvalidDefinition(place, `a side of and() or or() is one() or not(), found ${describeValue(side)}`);
        if (side instanceof Absence) return { absent: wantedBy(side), forMs: side.forMs };
        if (side.min !== 1 || side.max !== 1)
          throw new InvalidDefinition(place, 'a side of and() or or() is one event, and has no count');
        return wanted(side);
      }),
    };
  const isEvent = (step as { readonly kind?: unknown } | null | undefined)?.kind === 'event';
  const found = isEvent ? "an event's definition; give it a name: one('name', definition)" : describeValue(step);
  throw new InvalidDefinition(place, `expected one(), not(), and(), or() or every(), found ${found}`);
}

function wanted(part: Part): Wanted<StoredEvent> {
  return { name: part.name, matches: wantedBy(part) };
}

function wantedBy({ definition, condition }: Side): Wanted<StoredEvent>['matches'] {
  const { type } = definition;
  if (condition === undefined) return (event) => event.type === type;
  const { holds, pattern } = condition;
  // What is data does not look at what was matched before.
  if (pattern !== undefined) return (event) => event.type === type && holds(eventOf(event), NOTHING_YET);
  return (event, bound) => event.type === type && holds(eventOf(event), matchedIn(bound));
}

const NOTHING_YET: MatchedSoFar = {};

/** Events as they are read, by what is kept of them: the data of one is parsed once. Those that came last are mostly asked for. */
const events = new WeakMap<StoredEvent, RecordedEvent>();
const latest: (RecordedEvent | undefined)[] = Array.from({ length: 1_024 });

export function eventOf(stored: StoredEvent): RecordedEvent {
  const late = latest[stored.position % latest.length];
  if (late?.stored === stored) return late;
  let event = events.get(stored);
  if (event === undefined) events.set(stored, (event = recordedEvent(stored)));
  return event;
}

export function matchedIn(bound: Bound<StoredEvent>): MatchedSoFar {
  return Object.fromEntries(Object.entries(bound).map(([name, found]) => [name, found.map(eventOf)]));
}

/** Matches of a key under way, at most: each event is compared with all of them. The oldest are given up, and that is recorded (G10). */
const MAX_RUNS = 1_000;

/** A machine that is given events whole, and keeps those that a match may have. */
export type PatternMachine<State> = Machine<State, StoredEvent> & Required<Pick<Machine<State, StoredEvent>, 'json'>>;

/** An event that waited for earlier ones. */
export const WAITING: NonNullable<PatternMachine<unknown>['waiting']> = {
  placeOf: ({ position }) => position,
  partOf: (value) => ({ id: `event ${value.position}`, what: 'an event that was held', event: eventOf(value) }),
};

/** Whether states of a shape are of patterns, which are given events whole. */
export function keepsEvents(shape: string): boolean {
  return shape.startsWith('pattern');
}

/** The machine of one pattern. `lookAtMs`: when to look after what is due then. */
export type OnePatternMachine = PatternMachine<MatcherState<StoredEvent>> & { lookAtMs(dueMs: number): number };

/** What is kept of events of these definitions, as JSON, and back. */
export function matcherForm(on: readonly EventDefinition[]): OnePatternMachine['json'] {
  const revived = revivedBy(on);
  return {
    of: matcherJson,
    from: (json: JsonValue, opening?: Opening) => matcherFrom(json, (stored) => revived(stored, opening)),
    ofValue: (value: StoredEvent) => keptEvent(value),
    fromValue: (json: JsonValue, opening?: Opening) => revived(eventKept(json as unknown as KeptEvent), opening),
  };
}

/** The machine of a pattern; `found` is told of each match. */
export function patternMachine(
  {
    on,
    composite,
    shape,
    selection,
    id = shape,
  }: Pick<CompiledRule, 'on' | 'composite' | 'selection' | 'shape'> & {
    /** What it is among others; default: its shape. */
    readonly id?: string;
  },
  found: (match: Match<StoredEvent>, saying: Saying) => void,
): OnePatternMachine {
  // Where nothing is absent, time brings on only that matches under way are over: all those of a stretch may be looked after at once.
  const { steps, withinMs } = composite;
  const needed = steps.findIndex((step) => step.kind !== 'count' || step.min > 0);
  const beginsAbsent = steps.length > 1 && steps[needed] !== undefined && hasAbsence(steps[needed]);
  const forgets = withinMs > 0 && !steps.some(hasAbsence);
  const told = (step: MatchStep<StoredEvent>, saying: Saying): MatcherState<StoredEvent> => {
    for (const match of step.matches) found(match, saying);
    const { runs } = step.state;
    // What has no event yet is none under way.
    const tooMany = runs.length <= MAX_RUNS ? 0 : runs.filter(({ firstMs }) => firstMs !== undefined).length - MAX_RUNS;
    if (tooMany <= 0) return step.state;
    const given = step.state.runs.slice(0, tooMany);
    const first = given[0]?.firstMs;
    const since = first === undefined ? null : isoTime(first);
    saying.report(SYSTEM_EVENTS.patternOverflowed, { key: saying.key, givenUp: tooMany, since, limit: MAX_RUNS });
    return { ...step.state, runs: step.state.runs.slice(tooMany) };
  };
  const lookAtMs = (dueMs: number): number =>
    forgets && dueMs < Number.POSITIVE_INFINITY ? (Math.ceil(dueMs / withinMs) + 1) * withinMs : dueMs;
  return {
    shape,
    looksFor: [id],
    needsAsMuch: keepsEvents,
    wants: (value) => selection.matches(eventOf(value)),
    valueOf: (event) => {
      latest[event.position % latest.length] = event;
      return event.stored;
    },
    // What is absent at the beginning is so since it is looked for, not since the key was first heard of (CE1).
    initial(timeMs, since) {
      const sinceMs = (beginsAbsent ? since?.(id) : undefined) ?? NO_TIME;
      return newMatcher(composite, sinceMs === NO_TIME ? timeMs : Math.min(timeMs, sinceMs));
    },
    beginsInTurn: true,
    waiting: WAITING,
    forgets: true,
    without: () => undefined,
    next: (state, value, timeMs, saying) => told(matchEvent(composite, state, { timeMs, value }), saying),
    leftMs: (state, value, timeMs) => timeAfterEvent(composite, state, { timeMs, value }),
    pass: (state, toMs, saying) => told(passTime(composite, state, toMs), saying),
    dueMs: (state) => dueOfMatcher(composite, state),
    lookMs: (state) => lookAtMs(dueOfMatcher(composite, state)),
    lookAtMs,
    json: matcherForm(on),
    isOver: (state) =>
      !state.over &&
      state.runs.length === 1 &&
      state.runs.every(isFresh) &&
      dueOfMatcher(composite, state) === Number.POSITIVE_INFINITY,
  };
}

function hasAbsence(step: Step<StoredEvent>): boolean {
  if (step.kind === 'absent') return true;
  return step.kind !== 'count' && step.sides.some((side) => 'absent' in side);
}

/** Nothing has come of it, and nothing comes of it with time: as if it began with the next event. */
function isFresh({ step, firstMs, count, sides }: MatcherState<StoredEvent>['runs'][number]): boolean {
  return step === 0 && firstMs === undefined && count === 0 && !sides.includes(true);
}
