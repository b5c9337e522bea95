import { createHash } from 'node:crypto';
import { compileSelection, eitherOf } from '../channel/selection.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import { InvalidDefinition, describeValue } from '../errors.ts';
import type { EventDefinition, EventOf } from '../event/define-event.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { assertCompositePattern } from '../time/composite-pattern.ts';
import type { Bound, CompositePattern, Step, Wanted } from '../time/composite-pattern.ts';
import { dueOfMatcher, matchEvent, newMatcher, passTime } from '../time/matcher.ts';
import type { Match, MatcherState, MatchStep } from '../time/matcher.ts';
import type { EventTimeOptions } from './event-time-options.ts';
import type { HoldOptions, Machine } from './in-order.ts';
import type { LateWay } from './late-events.ts';
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
        : Given extends Absence
          ? EventDefinition
          : never;

export interface PatternOptions<Steps extends PatternSteps> {
  /** One step after another. */
  readonly sequence: Steps;
  /** Of what the events are looked at together. */
  readonly key: (event: EventOf<DefinitionIn<Steps[number]>>) => string;
  /** From its first event to its last, inclusive. Default: no limit. */
  readonly within?: Duration;
  /** `'some'` (default): other events of the key may come between two steps; `'next'`: none of the types that it names may. */
  readonly order?: 'some' | 'next';
  /**
   * It matches once for each key. Default: it begins anew when it has matched; where each event that can be the first is to begin a match of its
   * own, that step is `every`: `[every(one('order', OrderPlaced)), not(OrderPaid).within('15m')]`.
   */
  readonly once?: boolean;
  readonly time?: EventTimeOptions<EventOf<DefinitionIn<Steps[number]>>>;
  /** With a `time.disorder`, events wait until nothing earlier is expected; what comes still later is late. Default `'drop'`. */
  readonly late?: LateWay;
  readonly hold?: HoldOptions;
}

/** Several events that belong together, in event time. */
export interface PatternDefinition<Matched = unknown> {
  readonly kind: 'pattern';
  readonly on: readonly EventDefinition[];
  readonly selection: CompiledSelection;
  readonly composite: CompositePattern<StoredEvent>;
  /** What matches under way mean; another one for another pattern. */
  readonly shape: string;
  readonly options: Pick<PatternOptions<PatternSteps>, 'hold' | 'late' | 'time'> & {
    readonly key: (event: RecordedEvent) => string;
  };
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
): PatternDefinition<Joined<MatchedBy<Steps[number]>>> {
  const { sequence, once = false, within, order = 'some' } = options;
  if (!Array.isArray(sequence) || sequence.length === 0)
    throw new InvalidDefinition('pattern', `sequence must be a list of steps, found ${describeValue(sequence)}`);
  const groups = sequence.filter((step: unknown) => step instanceof Every);
  if (groups.length > 1) throw new InvalidDefinition('pattern', 'only one stretch of a sequence may be every');
  if (once && groups.length > 0) throw new InvalidDefinition('pattern', 'what is every does not match once');
  const steps = (sequence as PatternSteps).flatMap((step) => (step instanceof Every ? [...step.steps] : [step]));
  const place = (sequence as PatternSteps).findIndex((step) => step instanceof Every);
  const [group] = groups as readonly Every[];
  const stretch = [place, place + (group?.steps.length ?? 0) - 1] as const;
  const composite: CompositePattern<StoredEvent> = {
    steps: steps.map((step, index) => stepOf(step, `sequence[${index}]`)),
    every: group !== undefined ? stretch : once ? undefined : [0, steps.length - 1],
    withinMs: within === undefined ? Number.POSITIVE_INFINITY : durationMs(within, 'within'),
    order,
  };
  assertCompositePattern(composite);
  const sides = steps.flatMap((step): readonly Side[] => (step instanceof Sides ? step.sides : [step]));
  return {
    kind: 'pattern',
    on: [...new Set(sides.map(({ definition }) => definition))],
    selection: selectionOf(sides, order),
    composite,
    shape: shapeOf(steps, composite),
    options: options as unknown as PatternDefinition['options'],
  };
}

/** What of the log can be part of a match; where steps follow at once, whatever could come between them. */
function selectionOf(sides: readonly Side[], order: 'some' | 'next'): CompiledSelection {
  const selections = sides.map(({ definition, condition }) =>
    compileSelection({ types: [definition.type], where: order === 'next' ? undefined : condition?.pattern }),
  );
  return selections.reduce((all, selection) => eitherOf(all, selection));
}

/** Conditions that are functions are not seen: changed ones are asked about matches that have begun, too. */
function shapeOf(steps: readonly PatternStep[], { every, order }: CompositePattern<StoredEvent>): string {
  const shown = (side: Side): unknown =>
    side instanceof Part
      ? [side.name, side.definition.type, side.min, side.max]
      : ['not', side.definition.type, side.forMs ?? null];
  const all = steps.map((step) => (step instanceof Sides ? [step.kind, ...step.sides.map(shown)] : shown(step)));
  const text = JSON.stringify([all, every ?? null, order]);
  return `pattern ${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

function stepOf(step: PatternStep, place: string): Step<StoredEvent> {
  if (step instanceof Part) return { kind: 'count', event: wanted(step), min: step.min, max: step.max };
  if (step instanceof Absence) {
    if (step.forMs === undefined)
      throw new InvalidDefinition(`pattern ${place}`, 'not() needs a time: not(Definition).within(duration)');
    return { kind: 'absent', absent: { absent: wantedBy(step), forMs: step.forMs } };
  }
  if (step instanceof Sides)
    return {
      kind: step.kind,
      sides: step.sides.map((side) => {
        if (side instanceof Absence) return { absent: wantedBy(side), forMs: side.forMs };
        if (side.min !== 1 || side.max !== 1)
          throw new InvalidDefinition(`pattern ${place}`, 'a side of and() or or() is one event, and has no count');
        return wanted(side);
      }),
    };
  throw new InvalidDefinition(
    `pattern ${place}`,
    `expected one(), not(), and(), or() or every(), found ${describeValue(step)}`,
  );
}

function wanted(part: Part): Wanted<StoredEvent> {
  return { name: part.name, matches: wantedBy(part) };
}

function wantedBy({ definition, condition }: Side): Wanted<StoredEvent>['matches'] {
  const { type } = definition;
  if (condition === undefined) return (event) => event.type === type;
  const { holds } = condition;
  return (event, bound) => event.type === type && holds(eventOf(event), matchedIn(bound));
}

/** Events as they are read, by what is kept of them: the data of one is parsed once. */
const events = new WeakMap<StoredEvent, RecordedEvent>();

function eventOf(stored: StoredEvent): RecordedEvent {
  let event = events.get(stored);
  if (event === undefined) events.set(stored, (event = recordedEvent(stored)));
  return event;
}

export function matchedIn(bound: Bound<StoredEvent>): MatchedSoFar {
  return Object.fromEntries(Object.entries(bound).map(([name, found]) => [name, found.map(eventOf)]));
}

/** The machine of a pattern; `found` is told of each match. */
export function patternMachine(
  { composite, shape }: Pick<PatternDefinition, 'composite' | 'shape'>,
  found: (match: Match<StoredEvent>, saying: Saying) => void,
): Machine<MatcherState<StoredEvent>, StoredEvent> {
  const told = (step: MatchStep<StoredEvent>, saying: Saying): MatcherState<StoredEvent> => {
    for (const match of step.matches) found(match, saying);
    return step.state;
  };
  return {
    shape,
    valueOf: (event) => {
      events.set(event.stored, event);
      return event.stored;
    },
    initial: (timeMs) => newMatcher(composite, timeMs),
    next: (state, value, timeMs, saying) => told(matchEvent(composite, state, { timeMs, value }), saying),
    pass: (state, toMs, saying) => told(passTime(composite, state, toMs), saying),
    dueMs: (state) => dueOfMatcher(composite, state),
    isOver: (state) =>
      !state.over &&
      state.runs.length === 1 &&
      state.runs.every(isFresh) &&
      dueOfMatcher(composite, state) === Number.POSITIVE_INFINITY,
  };
}

/** Nothing has come of it, and nothing comes of it with time: as if it began with the next event. */
function isFresh({ step, firstMs, count, sides }: MatcherState<StoredEvent>['runs'][number]): boolean {
  return step === 0 && firstMs === undefined && count === 0 && !sides.includes(true);
}
