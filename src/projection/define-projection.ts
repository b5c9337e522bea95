import type { PatternFor } from '../channel/filter/pattern.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition, EventOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { personalState } from '../event/personal-fields.ts';
import type { PersonalState } from '../event/personal-fields.ts';
import { reactionOf } from '../consumer/define-consumer.ts';
import { keyedBy } from '../consumer/keys.ts';
import { unlessLeftOut } from '../consumer/left-out.ts';
import { namespaceOf } from '../consumer/namespaces.ts';
import type { Handling, Reaction } from '../consumer/reaction.ts';
import type { RetryOptions } from '../consumer/retry-policy.ts';
import type { IndexValue } from '../consumer/row-store.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';
import { assertAtOnce, onBuildFailureOf, projectionSteps, versionOf } from './steps.ts';
import type { Steps } from './steps.ts';

/**
 * For each event definition, the function that takes a row and an event of it to the next row; undefined removes the row. A second one takes
 * an event back that was corrected (`retractionOf`): to the row as if it had never been; without it a correction is one more event.
 */
export type Evolutions<Definitions extends readonly EventDefinition[], RowShape> = {
  readonly [Index in keyof Definitions]: readonly [
    Definitions[Index],
    (row: RowShape, event: EventOf<Definitions[Index]>) => RowShape | undefined,
    ((row: RowShape, event: EventOf<Definitions[Index]>) => RowShape | undefined)?,
  ];
};

type Evolution = (row: unknown, event: RecordedEvent) => unknown;

/** Where the compiler learns which definitions are meant; what their functions are is learnt from `Evolutions`. */
type Evolved<Definitions extends readonly EventDefinition[]> = {
  readonly [Index in keyof Definitions]: readonly [Definitions[Index], unknown, unknown?];
};

export interface ProjectionOptions<Definitions extends readonly EventDefinition[], RowShape> {
  /** Names the read model for ever; a literal. */
  readonly name: string;
  readonly summary?: string;
  /** Which row an event belongs to; undefined: none. */
  readonly key: (event: EventOf<Definitions[number]>) => string | undefined;
  readonly initial: () => RowShape;
  /** Pure: the same row and event give the same row. The row handed in is frozen. */
  readonly on: NoInfer<Evolutions<Definitions, RowShape>> & Evolved<Definitions>;
  readonly where?: PatternFor<EventOf<Definitions[number]>>;
  /** What rows can be filtered and sorted by. */
  readonly indexes?: Readonly<Record<string, (row: NoInfer<RowShape>) => IndexValue>>;
  readonly retry?: RetryOptions;
  /**
   * `'inline'`: rows are changed in the transaction that records an event, so that whoever sees the event, or is told that it is recorded, finds
   * them changed. `'async'` (the default): soon after. docs/guides/projections.md says what either costs.
   */
  readonly mode?: 'inline' | 'async';
  /**
   * A whole number from 1, which only rises. Default: 1. Where a store has the rows of a lower one, they serve as they are while those of this
   * one are built beside them, and are switched for them in one step; docs/guides/rebuilding.md.
   */
  readonly version?: number;
  /** What becomes of an event that cannot be handled while rows are built anew: its key is set aside (`'park'`, the default), or the build fails. */
  readonly onBuildFailure?: 'park' | 'fail';
  /** What of a row is personal, where events with personal fields make it: it is stored sealed, as theirs is. No index may be made of it. */
  readonly personal?: PersonalState<NoInfer<RowShape>>;
}

/** A read model: keyed rows that follow from events. */
export interface ProjectionDefinition<RowShape = unknown> {
  readonly kind: 'projection';
  readonly name: string;
  readonly on: readonly EventDefinition[];
  readonly indexes: readonly string[];
  readonly mode: 'inline' | 'async';
  readonly version: number;
  /** Tables of its own, which it keeps in place of rows (`defineTableProjection`), and what the database calls them. */
  readonly tables: Readonly<Record<string, string>>;
  /** Where its rows are kept. */
  readonly namespace: string;
  readonly reaction: Reaction;
  /** How its rows follow from events; undefined: the event belongs to no row. */
  keyOf(event: RecordedEvent): string | undefined;
  /** The row after an event; undefined: there is none. Frozen rows in, rows out. */
  evolve(row: unknown, event: RecordedEvent): unknown;
  /** Never there; carries the shape of a row to `views.get(definition, key)`. */
  readonly rowShape?: RowShape;
}

/** A purely computed row that throws will throw again; two more attempts are for code that reads the environment. */
export const PROJECTION_RETRY: RetryOptions = { attempts: 3, minDelay: '50ms' };

const PROJECTION_OPTIONS = 'name summary key initial on where indexes retry mode version onBuildFailure personal'.split(
  ' ',
);

/** Errors: InvalidDefinition; InvalidPattern names the place in `where`. */
export function defineProjection<const Definitions extends readonly EventDefinition[], RowShape>(
  options: ProjectionOptions<Definitions, RowShape>,
): ProjectionDefinition<RowShape> {
  const name = titleOf('projection', options);
  assertKnown(name, options, PROJECTION_OPTIONS);
  const steps = projectionSteps(name, options.on as Steps<Evolution>);
  const { retracts } = steps;
  const namespace = namespaceOf('view', options.name);
  const keyOfEvent = options.key as (event: RecordedEvent) => string | undefined;
  const keyOf = retracts.size === 0 ? keyOfEvent : (event: RecordedEvent) => keyOfEvent(steps.subject(event));
  const initial = options.initial as () => JsonValue;
  const indexes = Object.entries(options.indexes ?? {}) as [string, (row: unknown) => IndexValue][];
  const personal = personalState(name, options.personal);
  const evolve = (row: unknown, event: RecordedEvent): unknown => {
    const step = steps.of.get(event.type);
    if (step === undefined) return row;
    const next: unknown = step(row === undefined ? initial() : row, steps.subject(event));
    assertAtOnce(name, event.type, next);
    return next;
  };
  const nextRow = (row: JsonValue | undefined, event: RecordedEvent): JsonValue | undefined => {
    const next = evolve(row, event) as JsonValue | undefined;
    // Derived here too, so that an index function that throws fails this event and not the commit of many.
    if (next !== undefined) indexValues(name, indexes, next);
    return next;
  };
  const evolved = (attempt: Handling): void => {
    const next = nextRow(attempt.state, attempt.event);
    if (next !== undefined || attempt.state !== undefined) attempt.setState(next);
  };
  const common = reactionOf<readonly EventDefinition[]>(
    {
      name: options.name,
      on: steps.definitions,
      retry: options.retry ?? PROJECTION_RETRY,
      ...(options.summary === undefined ? {} : { summary: options.summary }),
      ...(options.where === undefined ? {} : { where: options.where }),
    },
    'projection',
  );
  const version = versionOf(name, options.version);
  const mode = modeOf(name, options.mode);
  const reaction: Reaction = {
    ...common,
    version,
    onBuildFailure: onBuildFailureOf(name, options.onBuildFailure),
    isPure: true,
    timeoutMs: undefined,
    publishes: [],
    ...(retracts.size === 0 ? {} : { takesBack: steps.takesBack }),
    loops: undefined,
    mode: 'ordered',
    state: {
      namespace,
      initial,
      personal,
      indexNames: indexes.map(([index]) => index),
      indexes: (row) => indexValues(name, indexes, row),
    },
    ...(mode === 'inline' ? { inline: { retracts, keyOf, evolve: nextRow } } : {}),
    keyedBy: keyedBy(keyOfEvent),
    keyOf: (event) => keyOf(event) ?? NO_ROW,
    priorityOf: undefined,
    delayMsOf: undefined,
    handle(attempt) {
      if (attempt.key === NO_ROW) return undefined;
      return retracts.has(attempt.event.type) ? unlessLeftOut(attempt, () => evolved(attempt)) : evolved(attempt);
    },
  };
  return {
    kind: 'projection',
    name: options.name,
    on: steps.definitions,
    indexes: indexes.map(([index]) => index),
    mode,
    version,
    tables: {},
    namespace,
    reaction,
    keyOf,
    evolve,
  };
}

function modeOf(name: string, given: unknown = 'async'): 'inline' | 'async' {
  if (given === 'inline' || given === 'async') return given;
  throw new InvalidDefinition(name, `mode must be 'inline' or 'async', found ${describeValue(given)}`);
}

/** The ordering key of events that belong to no row; no key of a row looks like it. */
export const NO_ROW = '\u0000no row';

/** Errors: InvalidDefinition names the index whose function throws, or gives something else. */
function indexValues(
  name: string,
  indexes: readonly [string, (row: unknown) => IndexValue][],
  row: unknown,
): Record<string, IndexValue> {
  const values: Record<string, IndexValue> = {};
  for (const [index, derive] of indexes) {
    let value: unknown;
    try {
      value = derive(row);
    } catch (error) {
      throw new InvalidDefinition(
        name,
        `index ${index} threw: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      );
    }
    if (
      value !== null &&
      typeof value !== 'string' &&
      typeof value !== 'boolean' &&
      !(typeof value === 'number' && Number.isFinite(value))
    ) {
      throw new InvalidDefinition(
        name,
        `index ${index} must give a string, finite number, boolean or null, found ${describeValue(value)}`,
      );
    }
    values[index] = value;
  }
  return values;
}
