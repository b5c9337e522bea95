import type { EventQuery } from '../channel/append-conditions.ts';
import { queryOf } from '../channel/condition.ts';
import type { PatternFor } from '../channel/filter/pattern.ts';
import { InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition, EventOf } from '../event/define-event.ts';
import { assertStreamName, categoryOf } from '../event/stream-name.ts';
import { assertKnown, isOptions } from '../system/known-options.ts';
import type { DeciderDefinition, OwnStreams } from './define-decider.ts';
import { foldOf } from './fold.ts';
import type { Evolving, Fold, StateEvolutions } from './fold.ts';

/** One of the things that are decided on together. */
export interface PartDefinition<State = unknown> {
  readonly kind: 'part';
  readonly on: readonly EventDefinition[];
  /** How the events of a query add up; undefined: it is the state of a stream. */
  readonly fold?: Fold;
  /** Whose streams it is the state of; undefined: it is a query. */
  readonly owner?: Omit<StreamPart, 'stream'>;
  // A method: which part it is follows from the data of the command.
  of(data: unknown): StreamPart | QueryPart;
  /** Never there; carries the shape of the state. */
  readonly stateShape?: State;
}

export type StateOfPart<Definition> = Definition extends PartDefinition<infer State> ? State : never;

/** The state of one stream. */
export interface StreamPart {
  readonly decider: string;
  readonly own: OwnStreams;
  readonly stream: string;
}

/** What the events of a query add up to. */
export interface QueryPart {
  readonly fold: Fold;
  readonly query: EventQuery;
  /** The only ones that its events are of; undefined: any. */
  readonly categories: readonly string[] | undefined;
  /** Whether what is left of them is enough. */
  readonly isRetained: boolean;
  /** The same for commands that may stand in each other's way. */
  readonly turn: string;
}

/** A part under its name. */
export interface Part {
  readonly name: string;
  readonly on: readonly EventDefinition[];
  readonly fold: Fold | undefined;
  readonly owner: PartDefinition['owner'];
  of(data: unknown): StreamPart | QueryPart;
}

/**
 * The state of a stream, as a decider makes it: which stream follows from the data of the command.
 *
 * Errors    InvalidDefinition when the decider decides across streams itself.
 */
export function ofStream<State>(
  decider: DeciderDefinition<State>,
  stream: (data: never) => string,
): PartDefinition<State> {
  const own = (decider as Partial<DeciderDefinition> | undefined)?.own;
  if (own === undefined)
    throw new InvalidDefinition('ofStream', 'expected a decider of one stream, and which stream it is');
  return {
    kind: 'part',
    on: decider.on,
    owner: { decider: decider.name, own },
    of(data) {
      const name: unknown = stream(data as never);
      assertStreamName(name, `ofStream(${decider.name})`);
      if (categoryOf(name) !== own.category)
        throw new InvalidInput({
          path: `ofStream(${decider.name})`,
          expected: `a stream of category ${own.category}`,
          found: name,
        });
      return { decider: decider.name, own, stream: name };
    },
  };
}

export interface QueryOptions<Definitions extends readonly EventDefinition[], State, Data> {
  readonly initial: () => State;
  readonly evolve: NoInfer<StateEvolutions<Definitions, State>> & Evolving<Definitions>;
  /** Events that have all of these tags. */
  readonly tags?: (data: Data) => readonly string[];
  /** Events that fit this pattern. */
  readonly where?: (data: Data) => PatternFor<EventOf<Definitions[number]>>;
  /** Events of streams of these categories only: then it does not matter what was removed of others. Default: of all. */
  readonly categories?: readonly string[];
  /**
   * `'whole'`, the default: where events were removed that it may ask for, commands fail with HistoryShortened. `'retained'`: what is left of
   * them is enough.
   */
  readonly history?: 'whole' | 'retained';
}

const QUERY_OPTIONS = 'initial evolve tags where categories history'.split(' ');

/**
 * What events add up to that have tags in common, or fit a pattern, whatever their streams: "no other open order for this customer". Of the types
 * that `evolve` names. No further one is recorded between the decision and what it records.
 *
 * Errors    InvalidDefinition
 */
export function ofQuery<const Definitions extends readonly EventDefinition[], State, Data>(
  options: QueryOptions<Definitions, State, Data>,
): PartDefinition<State> {
  const title = 'ofQuery';
  if (!isOptions(options)) throw new InvalidDefinition(title, 'expected initial and evolve, and tags or where');
  assertKnown(title, options, QUERY_OPTIONS);
  const fold = foldOf(title, options.initial, options.evolve);
  const on = (options.evolve as unknown as readonly (readonly [EventDefinition, unknown])[]).map(([each]) => each);
  const types = [...fold.steps.keys()];
  const { categories, history = 'whole' } = options;
  assertCategories(title, categories);
  if (history !== 'whole' && history !== 'retained')
    throw new InvalidDefinition(title, `history must be 'whole' or 'retained', found ${describeValue(history)}`);
  return {
    kind: 'part',
    on,
    fold,
    of(data) {
      const tags = options.tags?.(data as Data);
      const where = options.where?.(data as Data);
      return {
        fold,
        query: within(
          queryOf({ types, ...(tags === undefined ? {} : { tags }), ...(where === undefined ? {} : { where }) }, title),
          categories,
        ),
        categories,
        isRetained: history === 'retained',
        turn: JSON.stringify([types, tags ?? []]),
      };
    },
  };
}

function within(query: EventQuery, categories: readonly string[] | undefined): EventQuery {
  if (categories === undefined) return query;
  const { matches } = query;
  return {
    ...query,
    matches: (event) => categories.includes(categoryOf(event.stream)) && (matches === undefined || matches(event)),
  };
}

function assertCategories(title: string, categories: unknown): void {
  if (categories === undefined) return;
  const isList = Array.isArray(categories) && categories.length > 0;
  if (!isList || !categories.every((each) => typeof each === 'string' && each !== '' && !each.includes('-')))
    throw new InvalidDefinition(
      title,
      `categories must be a list of the parts of stream names before their first dash (order of order-17), found ${describeValue(categories)}`,
    );
}

/** Whose states a program makes of streams: its deciders', and those of others that it decides across. */
export function ownersOf(
  deciders: readonly Pick<DeciderDefinition, 'name' | 'on' | 'own' | 'parts'>[],
): readonly (NonNullable<PartDefinition['owner']> & { readonly on: readonly EventDefinition[] })[] {
  return deciders.flatMap(({ name, on, own, parts }) => [
    ...(own === undefined ? [] : [{ decider: name, own, on }]),
    ...parts.flatMap((part) => (part.owner === undefined ? [] : [{ ...part.owner, on: part.on }])),
  ]);
}

/** Errors: InvalidDefinition. */
export function partsOf(title: string, across: unknown): readonly Part[] {
  if (!isOptions(across) || Object.keys(across).length === 0)
    throw new InvalidDefinition(title, 'across must be an object of ofStream(...) and ofQuery(...), of one at least');
  return Object.entries(across as Readonly<Record<string, Partial<PartDefinition> | undefined>>).map(([name, part]) => {
    if (part?.kind !== 'part' || part.of === undefined)
      throw new InvalidDefinition(title, `across.${name} must be what ofStream or ofQuery gives`);
    return { name, on: part.on ?? [], fold: part.fold, owner: part.owner, of: part.of };
  });
}
