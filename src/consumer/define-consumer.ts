import { compileSelection } from '../channel/selection.ts';
import type { Selection } from '../channel/selection.ts';
import type { PatternFor } from '../channel/filter/pattern.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition, EventOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { personalState } from '../event/personal-fields.ts';
import type { PersonalState } from '../event/personal-fields.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';
import { keyedBy, orderingKey, queueKey } from './keys.ts';
import type { HandlerContext } from './context.ts';
import { handlerContext } from './context.ts';
import { CONSUMER_NAME } from './reaction.ts';
import { namespaceOf } from './namespaces.ts';
import type { ConsumerStart, Reaction } from './reaction.ts';
import { CONSUMER_LIMITS } from './loop-guard.ts';
import { assertFrom } from './replay.ts';
import { retryPolicy } from './retry-policy.ts';
import type { RetryOptions } from './retry-policy.ts';

/** One definition or several; left out: every event. */
export type On = EventDefinition | readonly EventDefinition[] | undefined;
/** The union of definitions that an `on` names. */
export type DefinitionsOf<Given extends On> = Given extends readonly (infer Definition)[] ? Definition : Given;
/** The events that an `on` lets through. */
export type EventsOf<Given extends On> = [Given] extends [undefined] ? RecordedEvent : EventOf<DefinitionsOf<Given>>;

/** What consumers, projections and automations have in common: which events, from where, and how failures are answered. */
export interface ReactionOptions<Given extends On> {
  /** Names the checkpoint for ever; a literal. */
  readonly name: string;
  readonly summary?: string;
  readonly on?: Given;
  /** An event pattern, typed against the events. */
  readonly where?: PatternFor<EventsOf<Given>>;
  /** Only streams of these categories. */
  readonly category?: string | readonly string[];
  readonly source?: string | readonly string[];
  /** Where it begins when the store does not know it yet. Default `'beginning'`. */
  readonly from?: ConsumerStart;
  readonly retry?: RetryOptions;
  /** Of one attempt. Default `'30s'`. */
  readonly timeout?: Duration;
  /** Keys handled at the same time; in a queue, events. Default 16. */
  readonly concurrency?: number;
}

export interface ConsumerOptions<
  Given extends On,
  Publishes extends readonly EventDefinition[],
  State,
> extends ReactionOptions<Given> {
  /** `ordered` (default): one after another per key. `queue`: each event by itself, competing. */
  readonly mode?: 'ordered' | 'queue';
  /** The ordering key. Default: `partitionkey`, else the stream. */
  readonly key?: (event: EventsOf<Given>) => string;
  /** Queue: higher first. */
  readonly priority?: (event: EventsOf<Given>) => number;
  /** Queue: how long after it was recorded the event is handled. */
  readonly delay?: (event: EventsOf<Given>) => Duration;
  /** What it may publish. */
  readonly publishes?: Publishes;
  /** State per key, kept exactly once in effect. `initial` says what a key begins with. */
  readonly state?: {
    readonly initial: () => State;
    /** What of a state is personal, where it is made of events with personal fields: it is stored sealed, as theirs is. */
    readonly personal?: PersonalState<NoInfer<State>>;
  };
  /** Left out in a queue: events are received and acknowledged one by one, with `system.consumers.receive(name)`. */
  readonly handle?: (context: HandlerContext<EventsOf<Given>, Publishes[number], State>) => void | Promise<void>;
}

/** A named durable reader of events that acts on them. */
export interface ConsumerDefinition {
  readonly kind: 'consumer';
  readonly name: string;
  readonly on: readonly EventDefinition[];
  readonly publishes: readonly EventDefinition[];
  /** What the delivery engine runs. */
  readonly reaction: Reaction;
}

/** What every reaction may say of itself. */
export const REACTION_OPTIONS = 'name summary on where category source from retry timeout concurrency'.split(' ');

const CONSUMER_OPTIONS = [...REACTION_OPTIONS, ...'mode key priority delay publishes state handle'.split(' ')];

/** Errors: InvalidDefinition; InvalidPattern names the place in `where`. */
export function defineConsumer<
  const Given extends On = undefined,
  const Publishes extends readonly EventDefinition[] = [],
  State = never,
>(options: ConsumerOptions<Given, Publishes, State>): ConsumerDefinition {
  const name = titleOf('consumer', options);
  assertKnown(name, options, CONSUMER_OPTIONS);
  const mode = options.mode ?? 'ordered';
  if (mode !== 'ordered' && mode !== 'queue')
    throw new InvalidDefinition(name, `mode must be ordered or queue, found ${describeValue(mode)}`);
  if (mode === 'ordered' && (options.priority !== undefined || options.delay !== undefined)) {
    throw new InvalidDefinition(name, 'priority and delay would break the order of a key; they need mode: queue');
  }
  if (mode === 'queue' && options.state !== undefined) {
    throw new InvalidDefinition(name, 'state belongs to a key and its order; it needs mode: ordered');
  }
  if (mode === 'ordered' && options.handle === undefined)
    throw new InvalidDefinition(name, 'an ordered consumer needs a handle function');
  const { handle, delay } = options;
  const initial = options.state?.initial as (() => JsonValue) | undefined;
  const common = reactionOf(options, 'consumer');
  const reaction: Reaction = {
    ...common,
    publishes: options.publishes ?? [],
    loops: (options.publishes ?? []).length === 0 ? undefined : CONSUMER_LIMITS,
    mode,
    state:
      initial === undefined
        ? undefined
        : {
            namespace: namespaceOf('state', options.name),
            initial,
            personal: personalState(name, options.state?.personal),
            indexNames: [],
            indexes: () => ({}),
          },
    keyedBy: keyedBy(mode === 'queue' ? queueKey : options.key),
    keyOf:
      mode === 'queue' ? queueKey : ((options.key as ((event: RecordedEvent) => string) | undefined) ?? orderingKey),
    priorityOf: options.priority as ((event: RecordedEvent) => number) | undefined,
    delayMsOf: delay === undefined ? undefined : (event) => durationMs(delay(event as EventsOf<Given>), 'delay'),
    handle:
      handle === undefined
        ? undefined
        : (attempt) =>
            handle(
              handlerContext(attempt, initial) as unknown as HandlerContext<EventsOf<Given>, Publishes[number], State>,
            ),
  };
  return {
    kind: 'consumer',
    name: options.name,
    on: definitionsOf(options.on),
    publishes: options.publishes ?? [],
    reaction,
  };
}

/** The parts of a reaction that every kind takes from the same options. */
export function reactionOf<Given extends On>(
  options: ReactionOptions<Given>,
  kind: Reaction['kind'],
): Omit<
  Reaction,
  'publishes' | 'loops' | 'mode' | 'state' | 'keyOf' | 'keyedBy' | 'priorityOf' | 'delayMsOf' | 'handle'
> {
  const name = titleOf(kind, options);
  if (typeof options.name !== 'string' || !CONSUMER_NAME.test(options.name)) {
    throw new InvalidDefinition(name, 'name must be 1 to 200 letters, digits, and . _ : - after the first');
  }
  const concurrency = options.concurrency ?? 16;
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new InvalidDefinition(
      name,
      `concurrency must be a whole number from 1, found ${describeValue(options.concurrency)}`,
    );
  }
  if (options.from !== undefined && options.from !== 'end')
    assertFrom(options.from, "'beginning', 'end', { position } or { time }");
  const on = definitionsOf(options.on);
  if (options.on !== undefined && on.length === 0)
    throw new InvalidDefinition(name, 'on is an empty list; leave it out for every event');
  for (const option of ['category', 'source'] as const)
    if (options[option] !== undefined && !isTexts(options[option]))
      throw new InvalidDefinition(
        name,
        `${option} must be a name or a list of names, found ${describeValue(options[option])}`,
      );
  const selection: Selection = {
    types: on.length === 0 ? undefined : on.map((definition) => definition.type),
    categories: asList(options.category),
    sources: asList(options.source),
    where: options.where,
  };
  return {
    name: options.name,
    kind,
    summary: options.summary,
    selection: compileSelection(selection),
    consumes: selection.types,
    start: options.from ?? 'beginning',
    concurrency,
    retry: retryPolicy(options.retry === undefined ? {} : options.retry, name),
    timeoutMs: durationMs(options.timeout ?? '30s', 'timeout'),
  };
}

export function definitionsOf(on: On): readonly EventDefinition[] {
  if (on === undefined) return [];
  const given: readonly EventDefinition[] = Array.isArray(on) ? on : [on as EventDefinition];
  for (const definition of given)
    if ((definition as { readonly kind?: unknown } | undefined)?.kind !== 'event')
      throw new InvalidDefinition('on', `expected what defineEvent gives, found ${shown(definition)}`);
  return given;
}

/** One of the other definitions is an obvious slip: what it publishes is meant. */
function shown(given: unknown): string {
  const { kind, name } = (given ?? {}) as { readonly kind?: unknown; readonly name?: unknown };
  if (typeof kind !== 'string' || typeof name !== 'string') return describeValue(given);
  return `the ${kind} ${name}; name the events that it publishes`;
}

function isTexts(given: unknown): boolean {
  const all: readonly unknown[] = Array.isArray(given) ? given : [given];
  return all.length > 0 && all.every((one) => typeof one === 'string' && one !== '');
}

function asList(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value;
}
