import type { HandlerPublishOptions } from '../consumer/context.ts';
import type { On, ReactionOptions } from '../consumer/define-consumer.ts';
import type { LoopLimits } from '../consumer/loop-guard.ts';
import type { Handling, Reaction } from '../consumer/reaction.ts';
import type { EventDefinition, InputOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import { matchedIn, patternMachine } from '../operator/define-pattern.ts';
import type { PatternDefinition } from '../operator/define-pattern.ts';
import { patternsMachine } from '../operator/define-patterns.ts';
import type { NamedMatch, PatternsDefinition } from '../operator/define-patterns.ts';
import { waitsForOthers } from '../operator/event-time-options.ts';
import { holdRules, inOrder } from '../operator/in-order.ts';
import { LateEvents } from '../operator/late-events.ts';
import { timedReaction } from '../operator/timed-reaction.ts';
import type { Found, Operator, TimedOptions } from '../operator/timed-reaction.ts';
import type { MatchedSoFar } from '../operator/pattern.ts';
import { personalEvents } from '../operator/personal-operator.ts';
import { isoTime } from '../system/clock.ts';
import { deterministicId } from '../system/ids.ts';
import { titleOf } from '../system/known-options.ts';
import type { Logger } from '../system/logger.ts';

/** What the run of an automation is given that waits for several events. */
export interface MatchContext<Matched, Publishes> {
  /** The events that matched, by the names of the pattern's parts, each in the order in which they happened. */
  readonly events: Matched;
  /** What the events belong to. */
  readonly key: string;
  /** When the last of them happened, or when it was known that one did not; RFC 3339 in UTC. */
  readonly time: string;
  /** Counted from 1. */
  readonly attempt: number;
  /** The same on every attempt at this match. */
  readonly idempotencyKey: string;
  /** Aborted when the attempt's time is up or the system closes without waiting longer. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Records a fact together with the match: once, however often the handling is repeated. */
  readonly publish: <Definition extends Publishes & EventDefinition>(
    definition: Definition,
    data: InputOf<Definition>,
    options?: HandlerPublishOptions,
  ) => Promise<{ readonly id: string }>;
}

/** What the run of an automation is given that waits for any of many patterns: which it was, and the events of its match. */
export type MatchContexts<Matches, Publishes> = {
  readonly [Name in keyof Matches & string]: MatchContext<Matches[Name], Publishes> & { readonly pattern: Name };
}[keyof Matches & string];

type AnyContext = MatchContext<MatchedSoFar, EventDefinition> & { readonly pattern: string | undefined };

/** As the implementation sees it, whatever its types were. */
export type PatternRun = (context: AnyContext) => void | Promise<void>;

/** An automation that runs for each match of a pattern, or of many, as a reaction. */
export function patternReaction(
  options: Pick<ReactionOptions<undefined>, 'concurrency' | 'from' | 'name' | 'retry' | 'summary' | 'timeout'> & {
    readonly on: PatternDefinition | PatternsDefinition;
    readonly run: PatternRun;
    readonly publishes?: readonly EventDefinition[];
  },
  loops: LoopLimits,
): Reaction {
  const { on: given, run, publishes = [] } = options;
  const name = titleOf('automation', options);
  const { key, time, hold, late: way = 'drop' } = given.options;
  const late = new LateEvents(name, options.name, way, given.on);
  const order = { rules: holdRules(name, hold), waits: waitsForOthers(name, time), late };
  const operator: Operator<unknown> =
    given.kind === 'pattern'
      ? inOrder(
          patternMachine(given, (match, saying) => saying.found({ match, pattern: undefined } satisfies AnyMatch)),
          order,
        )
      : inOrder(
          patternsMachine(given.rules, late, (match, saying) => saying.found(match satisfies AnyMatch)),
          order,
        );
  const timed = { ...options, on: given.on, key, ...(time === undefined ? {} : { time }) };
  return timedReaction('automation', timed as unknown as TimedOptions<On>, {
    operator,
    selection: given.selection,
    publishes: [...publishes, ...late.publishes],
    loops,
    // A match under way ends with the pattern; events that wait for earlier ones do not.
    kept: { waitsFor: 'match', own: false },
    personal: personalEvents(given.on),
    async act(handling, found) {
      for (const one of found) {
        const context = contextOf(handling, one);
        const { idempotencyKey, pattern } = context;
        const places = [
          ...new Set(Object.values(context.events).flatMap((events) => events.map(({ position }) => position))),
        ];
        const ofEvents = places.length === 0 ? '' : `, of the events ${places.slice(0, SHOWN_PLACES).join(', ')}`;
        const ofPattern = pattern === undefined ? '' : `, of the pattern ${pattern}`;
        const what = `a match of ${context.time}${ofPattern}${ofEvents}${places.length > SHOWN_PLACES ? ' and more' : ''}`;
        await handling.part(
          () => ({ id: `match ${idempotencyKey}`, what }),
          () => run(context),
        );
      }
    },
  });
}

const SHOWN_PLACES = 10;

type AnyMatch = NamedMatch | (Omit<NamedMatch, 'pattern'> & { readonly pattern: undefined });

/** Ids of what it publishes are made of the match: several may be found in one handling, and time alone finds some. */
function contextOf(handling: Handling, { what, saying }: Found): AnyContext {
  const { match, pattern } = what as AnyMatch;
  const { bound, timeMs } = match;
  const events = matchedIn(bound);
  const ofPattern = pattern === undefined ? [] : ['pattern', pattern];
  const of = [handling.consumer, saying.key, timeMs, ...ofPattern, ...placesOf(events)];
  let published = 0;
  return {
    events,
    pattern,
    key: saying.key,
    time: isoTime(timeMs),
    attempt: handling.number,
    idempotencyKey: deterministicId(['match', ...of]),
    get signal() {
      return handling.signal;
    },
    log: handling.log,
    publish(definition, data, options = {}) {
      published += 1;
      const place = published;
      return saying.publishFrom(definition, data, options, () => deterministicId(['matched', ...of, place]));
    },
  };
}

function placesOf(events: MatchedSoFar): readonly (string | number)[] {
  return Object.entries(events).flatMap(([name, found]: [string, readonly RecordedEvent[]]) => [
    name,
    ...found.map(({ position }) => position),
  ]);
}
