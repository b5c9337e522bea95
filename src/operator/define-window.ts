import { definitionsOf, REACTION_OPTIONS } from '../consumer/define-consumer.ts';
import type { EventsOf, On } from '../consumer/define-consumer.ts';
import type { Reaction } from '../consumer/reaction.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { retractionOf } from '../event/derived-definitions.ts';
import type { EventDefinition, InputOf } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';
import { personalState } from '../event/personal-fields.ts';
import type { PersonalState } from '../event/personal-fields.ts';
import { sealJson } from '../event/sealed-json.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';
import type { Early } from '../time/window-set.ts';
import { isWindowing } from '../time/windowing.ts';
import type { Windowing } from '../time/windowing.ts';
import { assertDefinition, assertFunction, assertObject, wholeMs } from './assert-options.ts';
import { LateEvents } from './late-events.ts';
import type { LateWay } from './late-events.ts';
import { timedReaction } from './timed-reaction.ts';
import type { TimedOptions } from './timed-reaction.ts';
import { WindowOperator } from './window-operator.ts';
import type { Rules, WindowOf, Windows } from './window-operator.ts';

/** How what is in a window is brought together. Pure; accumulators are JSON, and frozen. */
export interface WindowAggregate<Event, Accumulator, Result> {
  readonly initial: () => Accumulator;
  readonly add: (accumulator: Accumulator, event: Event) => Accumulator;
  /** Of two windows that become one: sessions need it. */
  readonly merge?: (left: Accumulator, right: Accumulator) => Accumulator;
  /** As if the event had never been added. With it the window takes part in corrections of its events, where these are results themselves. */
  readonly remove?: (accumulator: Accumulator, event: Event) => Accumulator;
  readonly result: (accumulator: Accumulator, window: WindowOf) => Result;
}

/**
 * What becomes of an event that comes when its window is over.
 *
 * - `'drop'`: it is counted and recorded as `thereupon.event.late`;
 * - `'side'`: it is published again as `lateOf` its definition, in the stream `late-<name of the window>`;
 * - `correct`: for so long after its end a window takes it, and its result is published again: the one before is taken back (`retractionOf`),
 *   and the new one names it (`replaces`). What comes still later goes the way of `beyond`, by default `'drop'`.
 */
export type LatePolicy =
  | LateWay
  | {
      readonly correct: Duration;
      readonly beyond?: LateWay;
      /** How many late events share a correction. Default 1. */
      readonly every?: number;
    };

export interface WindowOptions<
  Given extends EventDefinition | readonly EventDefinition[],
  Result extends EventDefinition,
  Accumulator,
> extends TimedOptions<Given> {
  readonly windows: Windowing;
  readonly aggregate: WindowAggregate<EventsOf<Given>, Accumulator, InputOf<Result>>;
  /**
   * What is published when a window is over: one event for each window and key. Its time is the last instant of the window. What is said before
   * the window is over has the attribute `timing: 'early'`, what is said after late events `'late'`; what is said at its end has none.
   */
  readonly publishes: Result;
  /** Publishes a result before the window is over, too: every so often in event time, or every so many events. Each takes the place of the one before. */
  readonly early?: { readonly every: Duration } | { readonly events: number };
  /** Default `'drop'`. */
  readonly late?: LatePolicy;
  /**
   * What of an accumulator is personal, where events with personal fields make it: it is stored sealed, as theirs is. `*`: of a list its items, of
   * anything else all. What of a result is, its own definition says.
   */
  readonly personal?: PersonalState<NoInfer<Accumulator>>;
}

/** Results over stretches of event time. */
export interface WindowDefinition {
  readonly kind: 'window';
  readonly name: string;
  readonly on: readonly EventDefinition[];
  readonly publishes: readonly EventDefinition[];
  readonly reaction: Reaction;
}

/**
 * Declares windows: events of a key are brought together over stretches of event time.
 *
 * Guarantee Results are a function of the recorded events in their order (G6, G8): the same after a crash, on several nodes and in a replay.
 *           A result has one id for ever. What is late is never dropped in silence.
 * Errors    InvalidDefinition; InvalidPattern names the place in `where`.
 */
export function defineWindow<
  const Given extends EventDefinition | readonly EventDefinition[],
  Result extends EventDefinition,
  Accumulator,
>(options: WindowOptions<Given, Result, Accumulator>): WindowDefinition {
  const name = titleOf('window', options);
  assertKnown(name, options, [
    ...REACTION_OPTIONS,
    ...'key time windows aggregate publishes early late personal'.split(' '),
  ]);
  assertKnown(name, options.aggregate, ['initial', 'add', 'merge', 'remove', 'result'], 'aggregate.');
  assertKnown(name, options.early, ['every', 'events'], 'early.');
  if (typeof options.late === 'object') assertKnown(name, options.late, ['correct', 'beyond', 'every'], 'late.');
  const { windows, aggregate } = options;
  for (const part of ['initial', 'add', 'result'] as const)
    if (typeof aggregate?.[part] !== 'function')
      throw new InvalidDefinition(
        name,
        `aggregate.${part} must be a function, found ${describeValue(aggregate?.[part])}`,
      );
  assertFunction(name, 'aggregate.merge', aggregate.merge);
  assertFunction(name, 'aggregate.remove', aggregate.remove);
  assertDefinition(name, 'publishes', options.publishes);
  assertObject(name, 'early', options.early);
  if (!isWindowing(windows))
    throw new InvalidDefinition(
      name,
      `windows must be what tumbling, hopping, session or byCount give, found ${describeValue(windows)}`,
    );
  if (windows.kind === 'session' && aggregate.merge === undefined)
    throw new InvalidDefinition(name, 'aggregate.merge is missing: a late event may join two sessions into one');
  if (windows.kind === 'count' && aggregate.remove !== undefined)
    throw new InvalidDefinition(name, 'aggregate.remove has no meaning for windows by count, which take nothing back');
  if (windows.kind === 'count' && options.early !== undefined)
    throw new InvalidDefinition(name, 'early has no meaning for windows by count, which tell when they are full');
  const late = latePolicy(name, options.late === undefined ? 'drop' : options.late);
  if (windows.kind === 'count' && late.latenessMs > 0)
    throw new InvalidDefinition(name, 'late.correct has no meaning for windows by count, in which nothing is late');
  const on = definitionsOf(options.on);
  const retractions = aggregate.remove === undefined ? [] : on.map((definition) => retractionOf(definition));
  const published = options.publishes as EventDefinition;
  if (on.some(({ type }) => type === published.type))
    throw new InvalidDefinition(
      name,
      `it is on ${published.type}, which it publishes: its results would be its events`,
    );
  const lateEvents = new LateEvents(name, options.name, late.beyond, on, 'late.beyond');
  const publishes = [published, retractionOf(published), ...lateEvents.publishes];
  const personal = personalState(name, options.personal);
  const operator = new WindowOperator(options.name, {
    rules: {
      windowing: windows,
      aggregate: sealed(aggregate as unknown as Rules['aggregate']),
      latenessMs: late.latenessMs,
      lateEvents: late.every,
      early: earlyOf(name, options.early),
      firings: 'all',
    },
    result: aggregate.result as unknown as (accumulator: JsonValue, window: WindowOf) => JsonValue,
    published,
    late: lateEvents,
    personal,
    retracted: new Set(retractions.map(({ type }) => type)),
  });
  const reaction = timedReaction<Windows, On>('window', options as unknown as TimedOptions<On>, {
    operator,
    publishes,
    also: retractions,
    personal: operator.personal,
    // What is full by count is told at once, whatever time it is.
    results: windows.kind === 'count' ? [] : [published, retractionOf(published)],
  });
  return { kind: 'window', name: options.name, on, publishes, reaction };
}

function latePolicy(
  name: string,
  given: LatePolicy,
): { readonly latenessMs: number; readonly beyond: LateWay; readonly every: number } {
  if (given !== 'drop' && given !== 'side' && (typeof given !== 'object' || (given as unknown) === null))
    throw new InvalidDefinition(
      name,
      `late must be 'drop', 'side' or an object with correct, found ${describeValue(given)}`,
    );
  const { correct, beyond = 'drop', every = 1 } = typeof given === 'string' ? { correct: 0, beyond: given } : given;
  if (!Number.isSafeInteger(every) || every < 1)
    throw new InvalidDefinition(name, `late.every must be a whole number from 1, found ${describeValue(every)}`);
  return { latenessMs: wholeMs(name, 'late.correct', correct, typeof given === 'string' ? 0 : 1), beyond, every };
}

function earlyOf(name: string, given: { every: Duration } | { events: number } | undefined): Early | undefined {
  if (given === undefined) return undefined;
  if ('events' in given && 'every' in given) throw new InvalidDefinition(name, 'early has every or events, not both');
  if ('events' in given) {
    if (Number.isSafeInteger(given.events) && given.events >= 1) return given;
    throw new InvalidDefinition(
      name,
      `early.events must be a whole number from 1, found ${describeValue(given.events)}`,
    );
  }
  return { everyMs: wholeMs(name, 'early.every', given.every) };
}

/** What the program's functions make is checked, and kept from being changed. */
function sealed(aggregate: Rules['aggregate']): Rules['aggregate'] {
  const { merge, remove } = aggregate as { readonly merge?: unknown; readonly remove?: unknown };
  return {
    initial: () => sealJson(aggregate.initial(), 'aggregate.initial()'),
    add: (accumulator, event) => sealJson(aggregate.add(accumulator, event), 'aggregate.add()'),
    ...(merge === undefined
      ? {}
      : { merge: (left, right) => sealJson(aggregate.merge?.(left, right) ?? null, 'aggregate.merge()') }),
    ...(remove === undefined
      ? {}
      : {
          remove: (accumulator, event) =>
            sealJson(aggregate.remove?.(accumulator, event) ?? null, 'aggregate.remove()'),
        }),
    result: (accumulator, span) => aggregate.result(accumulator, span),
  };
}
