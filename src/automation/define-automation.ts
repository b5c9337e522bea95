import { correctionContext, handlerContext } from '../consumer/context.ts';
import type { CorrectionContext, HandlerContext } from '../consumer/context.ts';
import { definitionsOf, REACTION_OPTIONS, reactionOf } from '../consumer/define-consumer.ts';
import type { EventsOf, On, ReactionOptions } from '../consumer/define-consumer.ts';
import { keyedBy, orderingKey } from '../consumer/keys.ts';
import { namespaceOf } from '../consumer/namespaces.ts';
import type { Reaction } from '../consumer/reaction.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';
import { personalState } from '../event/personal-fields.ts';
import type { PersonalState } from '../event/personal-fields.ts';
import { assertFunction, assertObject } from '../operator/assert-options.ts';
import type { PatternDefinition } from '../operator/define-pattern.ts';
import type { PatternsDefinition } from '../operator/define-patterns.ts';
import { sourcesIn } from '../operator/define-sequence.ts';
import type { SequenceDefinition } from '../operator/define-sequence.ts';
import type { SequenceOptions } from '../operator/in-sequence.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';
import { corrections } from './corrections.ts';
import { inTimeReaction, sequencedReaction } from './holding-automation.ts';
import type { InTimeOptions } from './holding-automation.ts';
import { patternReaction } from './pattern-automation.ts';
import type { MatchContext, MatchContexts, PatternRun } from './pattern-automation.ts';

/** What an automation waits for: events of a kind or of several; or several events that belong together, in one way or in any of many. */
export type Trigger = On | PatternDefinition | PatternsDefinition;

type EventsBy<Given extends Trigger> = Given extends On ? EventsOf<Given> : never;

/** What `run` is given: an event, or the events of a match. */
export type RunContext<Given extends Trigger, Publishes, State> =
  Given extends PatternDefinition<infer Matched>
    ? MatchContext<Matched, Publishes>
    : Given extends PatternsDefinition<infer Matches>
      ? MatchContexts<Matches, Publishes>
      : HandlerContext<EventsBy<Given>, Publishes, State>;

export interface AutomationOptions<
  Given extends Trigger,
  Publishes extends readonly EventDefinition[],
  State,
> extends Omit<ReactionOptions<Given extends On ? Given : never>, 'on'> {
  readonly on?: Given;
  /** What it may publish: the catalog shows it, and nothing else passes. */
  readonly publishes?: Publishes;
  /** The ordering key. Default: `partitionkey`, else the stream. A pattern has its own. */
  readonly key?: (event: EventsBy<Given>) => string;
  /** Reactions in a row that led to an event, at most, for it to be reacted to again (G12). Default 32. */
  readonly maxDepth?: number;
  /** Runs within one conversation (correlation id), at most, in a span of recorded time (G12). Default 1,000 in `'1m'`. Not with a pattern. */
  readonly maxRate?: { readonly runs: number; readonly per: Duration };
  /** State per key, kept exactly once in effect. `initial` says what a key begins with. Not with a pattern. */
  readonly state?: {
    readonly initial: () => State;
    /** What of a state is personal, where it is made of events with personal fields: it is stored sealed, as theirs is. */
    readonly personal?: PersonalState<NoInfer<State>>;
  };
  /**
   * Its events are handed over in the order of the numbers that their producers gave them: as said here, or as declared (`defineSequence`), where
   * what is noticed is recorded then. Not with a pattern, nor with `onCorrection`.
   */
  readonly sequence?: SequenceOptions | SequenceDefinition;
  /** Its events are handed over in the order in which they happened. Not with a pattern, `sequence` or `onCorrection`. */
  readonly inTime?: InTimeOptions<EventsBy<Given>>;
  readonly run: (context: RunContext<Given, Publishes[number], State>) => void | Promise<void>;
  /**
   * In place of `run`, for an event that corrects one for which it ran (`replaces`), and where one for which it ran is taken back
   * (`retractionOf`). Default: what corrects is run like any event, and what is taken back goes unheard. Not with a pattern.
   */
  readonly onCorrection?: (
    context: CorrectionContext<EventsBy<Given>, Publishes[number], State>,
  ) => void | Promise<void>;
}

/** When an event, if a condition, then an action. */
export interface AutomationDefinition {
  readonly kind: 'automation';
  readonly name: string;
  readonly on: readonly EventDefinition[];
  readonly publishes: readonly EventDefinition[];
  readonly reaction: Reaction;
  /** The declared count by which its events are handed over, which somebody has to watch. */
  readonly sequence: SequenceDefinition | undefined;
}

const AUTOMATION_OPTIONS = [
  ...REACTION_OPTIONS,
  ...'key publishes maxDepth maxRate state sequence inTime run onCorrection'.split(' '),
];

/** As the implementation sees them, whatever their types were. */
type AnyOptions = Omit<AutomationOptions<On, readonly EventDefinition[], JsonValue>, 'on' | 'onCorrection' | 'run'> & {
  readonly on?: On | PatternDefinition | PatternsDefinition;
  readonly run: (context: never) => void | Promise<void>;
  readonly onCorrection?: (context: never) => void | Promise<void>;
};

/**
 * Declares a reaction.
 *
 * Guarantee What `run` publishes is committed with its checkpoint: exactly once in effect, whatever crashes when (G6).
 *           A chain of reactions that is too deep or too fast is stopped, parked and reported (G12).
 * Errors    InvalidDefinition; InvalidPattern names the place in `where`.
 */
export function defineAutomation<
  const Given extends Trigger,
  const Publishes extends readonly EventDefinition[] = [],
  State = never,
>(options: AutomationOptions<Given, Publishes, State>): AutomationDefinition {
  const given = options as unknown as AnyOptions;
  const name = titleOf('automation', given);
  assertKnown(name, given, AUTOMATION_OPTIONS);
  if (typeof given.run !== 'function')
    throw new InvalidDefinition(name, `run must be a function, found ${describeValue(given.run)}`);
  assertFunction(name, 'onCorrection', given.onCorrection);
  for (const option of ['sequence', 'inTime'] as const) assertObject(name, option, given[option]);
  const { kind } = (given.sequence ?? {}) as { readonly kind?: unknown };
  if (kind !== undefined && !('sequence' in (given.sequence ?? {})))
    throw new InvalidDefinition(
      name,
      `sequence must be its options or what defineSequence gives, found a ${describeValue(kind)}`,
    );
  const maxDepth = given.maxDepth ?? 32;
  if (!Number.isInteger(maxDepth) || maxDepth < 1)
    throw new InvalidDefinition(name, `maxDepth must be a whole number from 1, found ${describeValue(given.maxDepth)}`);
  const publishes = given.publishes ?? [];
  const { on, reaction } = isPattern(given.on)
    ? { on: given.on.on, reaction: onPattern(name, given, given.on, maxDepth) }
    : { on: definitionsOf(given.on), reaction: onEvents(name, { ...given, on: given.on }, maxDepth) };
  const sequence = declaredCount(name, given.sequence, on, sourcesIn(given.source));
  return { kind: 'automation', name: given.name, on, publishes, reaction, sequence };
}

/** Errors: InvalidDefinition where it counts other events than the automation is on: what that one does not see would be a gap. */
function declaredCount(
  name: string,
  given: AnyOptions['sequence'],
  on: readonly EventDefinition[],
  sources: readonly string[],
): SequenceDefinition | undefined {
  if (given === undefined || !('reaction' in given)) return undefined;
  const both = 'both must be the same, or it would wait for what it is not on, and nobody would know';
  const assertSame = (what: string, counted: readonly string[], seen: readonly string[]) => {
    if (counted.toSorted().join(' ') !== seen.toSorted().join(' '))
      throw new InvalidDefinition(
        name,
        `sequence ${given.name} counts ${counted.join(', ') || 'all'}, and it is on ${seen.join(', ') || 'all'} as ${what}; ${both}`,
      );
  };
  assertSame('types', typesOf(given.on), typesOf(on));
  assertSame('sources', given.sources, sources);
  return given;
}

function typesOf(on: readonly EventDefinition[]): readonly string[] {
  return on.map(({ type }) => type);
}

function onEvents(name: string, options: AnyOptions & { readonly on: On }, maxDepth: number): Reaction {
  const { runs, per } = options.maxRate ?? { runs: 1_000, per: '1m' };
  if (!Number.isInteger(runs) || runs < 1)
    throw new InvalidDefinition(name, `maxRate.runs must be a whole number from 1, found ${describeValue(runs)}`);
  const initial = options.state?.initial;
  const loops = { maxDepth, maxRuns: runs, perMs: durationMs(per, 'maxRate.per'), fromDepth: 0 };
  const { key, run, onCorrection, sequence, inTime } = options;
  if ([onCorrection, sequence, inTime].filter((option) => option !== undefined).length > 1)
    throw new InvalidDefinition(name, 'it can have one of sequence, inTime and onCorrection');
  if (sequence !== undefined) return sequencedReaction({ ...options, sequence, run: run as never }, loops);
  if (inTime !== undefined) return inTimeReaction({ ...options, inTime, run: run as never }, loops);
  const correcting =
    onCorrection === undefined
      ? undefined
      : corrections(definitionsOf(options.on), {
          run: (handling) => run(handlerContext(handling, initial) as never),
          correct: (handling, correction) => onCorrection(correctionContext(handling, initial, correction) as never),
        });
  const common = reactionOf(correcting === undefined ? options : { ...options, on: correcting.on }, 'automation');
  const keyOf = key ?? orderingKey;
  return {
    ...common,
    publishes: options.publishes ?? [],
    ...(correcting === undefined ? {} : { takesBack: new Set(definitionsOf(options.on).map(({ type }) => type)) }),
    loops,
    mode: 'ordered',
    state:
      initial === undefined
        ? undefined
        : {
            namespace: namespaceOf('state', options.name),
            kept: { waitsFor: 'nothing', own: true },
            initial,
            personal: personalState(name, options.state?.personal),
            indexNames: [],
            indexes: () => ({}),
          },
    keyedBy: keyedBy(key),
    keyOf: correcting === undefined ? keyOf : (event) => keyOf(correcting.asItWas(event)),
    priorityOf: undefined,
    delayMsOf: undefined,
    handle:
      correcting === undefined
        ? (handling) => run(handlerContext(handling, initial) as never)
        : (handling) => correcting.handle(handling, common.selection),
  };
}

function onPattern(
  name: string,
  options: AnyOptions,
  pattern: PatternDefinition | PatternsDefinition,
  maxDepth: number,
): Reaction {
  for (const option of [
    'where',
    'category',
    'source',
    'key',
    'state',
    'maxRate',
    'sequence',
    'inTime',
    'onCorrection',
  ] as const)
    if (options[option] !== undefined)
      throw new InvalidDefinition(
        name,
        `${option} has no meaning with a pattern, which says itself what belongs to it`,
      );
  // Every event of a conversation is looked at, and few of them are runs: a loop shows in its depth.
  const loops = { maxDepth, maxRuns: Number.POSITIVE_INFINITY, perMs: 60_000, fromDepth: 0 };
  return patternReaction({ ...options, on: pattern, run: options.run as unknown as PatternRun }, loops);
}

function isPattern(on: AnyOptions['on']): on is PatternDefinition | PatternsDefinition {
  const kind = (on as { readonly kind?: unknown } | undefined)?.kind;
  return kind === 'pattern' || kind === 'patterns';
}
