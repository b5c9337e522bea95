import { handlerContext } from '../consumer/context.ts';
import type { HandlerContext } from '../consumer/context.ts';
import { definitionsOf, reactionOf } from '../consumer/define-consumer.ts';
import { keyedBy, orderingKey } from '../consumer/keys.ts';
import type { EventsOf, On, ReactionOptions } from '../consumer/define-consumer.ts';
import type { Reaction } from '../consumer/reaction.ts';
import { InvalidDefinition, describeValue } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';

export interface AutomationOptions<
  Given extends On,
  Publishes extends readonly EventDefinition[],
  State,
> extends ReactionOptions<Given> {
  /** What it may publish: the catalog shows it, and nothing else passes. */
  readonly publishes?: Publishes;
  /** The ordering key. Default: `partitionkey`, else the stream. */
  readonly key?: (event: EventsOf<Given>) => string;
  /** Reactions in a row that led to an event, at most, for it to be reacted to again (G12). Default 32. */
  readonly maxDepth?: number;
  /** Runs within one conversation (correlation id), at most, in a span of recorded time (G12). Default 1,000 in `'1m'`. */
  readonly maxRate?: { readonly runs: number; readonly per: Duration };
  /** State per key, kept exactly once in effect. `initial` says what a key begins with. */
  readonly state?: { readonly initial: () => State };
  readonly run: (context: HandlerContext<EventsOf<Given>, Publishes[number], State>) => void | Promise<void>;
}

/** When an event, if a condition, then an action. */
export interface AutomationDefinition {
  readonly kind: 'automation';
  readonly name: string;
  readonly on: readonly EventDefinition[];
  readonly publishes: readonly EventDefinition[];
  readonly reaction: Reaction;
}

/**
 * Declares a reaction.
 *
 * Guarantee What `run` publishes is committed with its checkpoint: exactly once in effect, whatever crashes when (G6).
 *           A chain of reactions that is too deep or too fast is stopped, parked and reported (G12).
 * Errors    InvalidDefinition; InvalidPattern names the place in `where`.
 */
export function defineAutomation<
  const Given extends On,
  const Publishes extends readonly EventDefinition[] = [],
  State = never,
>(options: AutomationOptions<Given, Publishes, State>): AutomationDefinition {
  const name = `automation ${describeValue(options.name)}`;
  if (typeof options.run !== 'function')
    throw new InvalidDefinition(name, `run must be a function, found ${describeValue(options.run)}`);
  const maxDepth = options.maxDepth ?? 32;
  if (!Number.isInteger(maxDepth) || maxDepth < 1)
    throw new InvalidDefinition(
      name,
      `maxDepth must be a whole number from 1, found ${describeValue(options.maxDepth)}`,
    );
  const { runs, per } = options.maxRate ?? { runs: 1_000, per: '1m' };
  if (!Number.isInteger(runs) || runs < 1)
    throw new InvalidDefinition(name, `maxRate.runs must be a whole number from 1, found ${describeValue(runs)}`);
  const initial = options.state?.initial as (() => JsonValue) | undefined;
  const reaction: Reaction = {
    ...reactionOf(options, 'automation'),
    publishes: options.publishes ?? [],
    loops: { maxDepth, maxRuns: runs, perMs: durationMs(per, 'maxRate.per'), fromDepth: 0 },
    mode: 'ordered',
    state:
      initial === undefined
        ? undefined
        : { namespace: `state:${options.name}`, initial, indexNames: [], indexes: () => ({}) },
    keyedBy: keyedBy(options.key),
    keyOf: (options.key as ((event: RecordedEvent) => string) | undefined) ?? orderingKey,
    priorityOf: undefined,
    delayMsOf: undefined,
    handle: (handling) =>
      options.run(
        handlerContext(handling, initial) as unknown as HandlerContext<EventsOf<Given>, Publishes[number], State>,
      ),
  };
  return {
    kind: 'automation',
    name: options.name,
    on: definitionsOf(options.on),
    publishes: options.publishes ?? [],
    reaction,
  };
}
