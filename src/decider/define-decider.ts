import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition } from '../event/define-event.ts';
import { personalState } from '../event/personal-fields.ts';
import type { PersonalFields, PersonalState } from '../event/personal-fields.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';
import type { Command, Decision } from './decision.ts';
import type { CommandDataOf, CommandDefinition } from './define-command.ts';
import { foldOf } from './fold.ts';
import type { Evolving, Fold, StateEvolutions } from './fold.ts';
import { partsOf } from './parts.ts';
import type { Part, PartDefinition, StateOfPart } from './parts.ts';

/** For each command, the function that takes a state and a command to what comes of it. Pure. */
export type Deciding<Commands extends readonly CommandDefinition[], State> = {
  readonly [Index in keyof Commands]: readonly [
    Commands[Index],
    (state: State, command: Command<CommandDataOf<Commands[Index]>>) => Decision,
  ];
};

/** Where the compiler learns which commands are meant. */
type Decided<Commands extends readonly CommandDefinition[]> = {
  readonly [Index in keyof Commands]: readonly [Commands[Index], unknown];
};

/** When the state of a stream is written down, so that it is not made of all its events again. Whichever comes first. */
export interface SnapshotOptions {
  /** After so many events. */
  readonly every?: number;
  /** With the first command so long after the last one. */
  readonly after?: Duration;
}

interface CommonOptions<Commands extends readonly CommandDefinition[], State> {
  /** Names the decider for ever; a literal. */
  readonly name: string;
  readonly summary?: string;
  /** `[]`: nothing is decided, and states can be asked for. */
  readonly decide: NoInfer<Deciding<Commands, State>> & Decided<Commands>;
  /** All facts that `decide` gives, those of its refusals too. Default: those that `evolve` speaks of, here and in its parts. */
  readonly publishes?: readonly EventDefinition[];
  /** How often a command is decided, on fresh state, when others were first. Default 10. */
  readonly attempts?: number;
}

export interface DeciderOptions<
  Definitions extends readonly EventDefinition[],
  Commands extends readonly CommandDefinition[],
  State,
> extends CommonOptions<Commands, State> {
  /** The state before the first event: JSON. */
  readonly initial: () => State;
  /** Pure: the same state and event give the same state. The state handed in is frozen. */
  readonly evolve: NoInfer<StateEvolutions<Definitions, State>> & Evolving<Definitions>;
  /** Of what `evolve` makes, from 1: a higher one lets no older snapshot count. */
  readonly version?: number;
  /** The streams that it decides, `order` for `order-17`. Default: its name. */
  readonly category?: string;
  readonly snapshot?: SnapshotOptions;
  /** What of a state is personal, where snapshots are written of events that have personal fields; the key is the stream. */
  readonly personal?: PersonalState<NoInfer<State>>;
}

export interface AcrossOptions<
  Across extends Readonly<Record<string, PartDefinition>>,
  Commands extends readonly CommandDefinition[],
> extends CommonOptions<Commands, StatesOf<Across>> {
  /** What is decided on together: states of streams (`ofStream`) and what events of a query add up to (`ofQuery`). All as of one moment. */
  readonly across: Across;
}

export type StatesOf<Across extends Readonly<Record<string, PartDefinition>>> = {
  readonly [Name in keyof Across]: StateOfPart<Across[Name]>;
};

/** Decides commands on what has happened. */
export interface DeciderDefinition<State = unknown> {
  readonly kind: 'decider';
  readonly name: string;
  readonly summary: string | undefined;
  /** What its states are made of. */
  readonly on: readonly EventDefinition[];
  /** What it may record. */
  readonly publishes: readonly EventDefinition[];
  readonly commands: readonly CommandDefinition[];
  readonly attempts: number;
  /** Of one that decides streams of its own. */
  readonly own: OwnStreams | undefined;
  readonly parts: readonly Part[];
  // A method, so that a decider of one state is a decider of every wider one.
  decide(state: unknown, command: Command): unknown;
  /** Never there; carries the shape of a state. */
  readonly stateShape?: State;
}

export interface OwnStreams {
  readonly fold: Fold;
  readonly category: string;
  readonly version: number;
  readonly snapshot: { readonly every: number; readonly afterMs: number } | undefined;
  /** What of a snapshot is personal. */
  readonly personal: PersonalFields | 'none' | undefined;
}

const OPTIONS = 'name summary decide publishes attempts initial evolve version category snapshot personal'.split(' ');
const ACROSS_OPTIONS = 'name summary decide publishes attempts across'.split(' ');
const DEFAULT_ATTEMPTS = 10;
/** As of consumers: they name rows. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,127}$/u;

/**
 * Declares how commands are decided: on the state of a stream, or across several.
 *
 * Guarantee `decide` sees all that was recorded before what it decides, and nothing of it changes before that is recorded, whoever else decides
 *           at the same time (G4).
 * Errors    InvalidDefinition
 */
export function defineDecider<
  const Definitions extends readonly EventDefinition[],
  const Commands extends readonly CommandDefinition[],
  State,
>(options: DeciderOptions<Definitions, Commands, State>): DeciderDefinition<State>;
export function defineDecider<
  const Across extends Readonly<Record<string, PartDefinition>>,
  const Commands extends readonly CommandDefinition[],
>(options: AcrossOptions<Across, Commands>): DeciderDefinition<StatesOf<Across>>;
export function defineDecider(given: object): DeciderDefinition {
  const options = given as Partial<
    DeciderOptions<[], [], unknown> & AcrossOptions<Record<string, PartDefinition>, []>
  > & {
    readonly name: string;
  };
  const title = titleOf('decider', options);
  const isAcross = options.across !== undefined;
  assertKnown(title, options, isAcross ? ACROSS_OPTIONS : OPTIONS);
  if (typeof options.name !== 'string' || !NAME.test(options.name))
    throw new InvalidDefinition(title, 'name must be 1 to 128 letters, digits, dots, dashes or underscores');
  const attempts = options.attempts ?? DEFAULT_ATTEMPTS;
  if (!Number.isSafeInteger(attempts) || attempts < 1)
    throw new InvalidDefinition(title, `attempts must be a whole number from 1, found ${describeValue(attempts)}`);
  const decide = decideOf(title, options.decide);
  const own = isAcross ? undefined : ownStreams(title, options);
  for (const { definition } of decide.values())
    if (definition.namesStream === isAcross)
      throw new InvalidDefinition(
        title,
        isAcross
          ? `command ${definition.name} names a stream, and is decided across several; say in across which ones`
          : `command ${definition.name} names no stream; give it stream: (data) => '${options.category ?? options.name}-…'`,
      );
  const parts = options.across === undefined ? [] : partsOf(title, options.across);
  const on = own === undefined ? parts.flatMap((part) => part.on) : definitionsIn(options.evolve);
  return {
    kind: 'decider',
    name: options.name,
    summary: options.summary,
    on,
    publishes: publishesOf(title, options.publishes ?? (decide.size === 0 ? [] : [...new Set(on)])),
    commands: [...decide.values()].map(({ definition }) => definition),
    attempts,
    own,
    parts,
    decide(state, command) {
      return decide.get(command.name)?.step(state, command);
    },
  };
}

function ownStreams(
  title: string,
  options: Partial<DeciderOptions<[], [], unknown>> & { readonly name: string },
): OwnStreams {
  const { version = 1, category = options.name } = options;
  if (!Number.isSafeInteger(version) || version < 1)
    throw new InvalidDefinition(title, `version must be a whole number from 1, found ${describeValue(version)}`);
  if (typeof category !== 'string' || category === '' || category.includes('-'))
    throw new InvalidDefinition(
      title,
      `category must be the part of stream names before their first dash (order of order-17), found ${describeValue(category)}`,
    );
  return {
    fold: foldOf(title, options.initial, options.evolve),
    category,
    version,
    snapshot: snapshotRule(title, options.snapshot),
    personal: personalState(title, options.personal),
  };
}

function snapshotRule(title: string, options: SnapshotOptions | undefined): OwnStreams['snapshot'] {
  if (options === undefined) return undefined;
  assertKnown(title, options, ['every', 'after'], 'snapshot.');
  const { every, after } = options;
  if (every === undefined && after === undefined)
    throw new InvalidDefinition(title, 'snapshot must say when: every (events) or after (a duration)');
  if (every !== undefined && (!Number.isSafeInteger(every) || every < 1))
    throw new InvalidDefinition(title, `snapshot.every must be a whole number from 1, found ${describeValue(every)}`);
  return {
    every: every ?? Number.POSITIVE_INFINITY,
    afterMs: after === undefined ? Number.POSITIVE_INFINITY : durationMs(after, `${title}: snapshot.after`),
  };
}

type Step = (state: unknown, command: Command) => unknown;

/** By the names of the commands. */
function decideOf(
  title: string,
  given: unknown,
): ReadonlyMap<string, { readonly definition: CommandDefinition; readonly step: Step }> {
  if (!Array.isArray(given)) throw new InvalidDefinition(title, 'decide must be a list of [command, function]');
  const steps = new Map<string, { readonly definition: CommandDefinition; readonly step: Step }>();
  for (const [index, pair] of (given as readonly (readonly [CommandDefinition?, Step?])[]).entries()) {
    const [command, step] = Array.isArray(pair) ? pair : [];
    if (command?.kind !== 'command' || typeof step !== 'function')
      throw new InvalidDefinition(title, `decide[${index}] must be [command, (state, command) => facts or refusal]`);
    if (steps.has(command.name)) throw new InvalidDefinition(title, `decide names command ${command.name} twice`);
    steps.set(command.name, { definition: command, step });
  }
  return steps;
}

function definitionsIn(evolve: unknown): readonly EventDefinition[] {
  return (evolve as readonly (readonly [EventDefinition, unknown])[]).map(([definition]) => definition);
}

function publishesOf(title: string, given: readonly EventDefinition[]): readonly EventDefinition[] {
  if (!Array.isArray(given)) throw new InvalidDefinition(title, 'publishes must be a list of event definitions');
  const index = (given as readonly (Partial<EventDefinition> | undefined)[]).findIndex(
    (each) => each?.kind !== 'event',
  );
  if (index !== -1)
    throw new InvalidDefinition(
      title,
      `publishes must be a list of event definitions, found ${describeValue(given[index])} at ${index}`,
    );
  return given;
}
