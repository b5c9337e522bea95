import type { JsonValue } from '../event/json.ts';
import { position } from '../event/position.ts';
import type { Position } from '../event/position.ts';

/**
 * How far a consumer is done: every event that it gets at or below `low`, and the ranges above it.
 *
 * Shape     `done`: closed ranges [from, to] of positions, ascending, disjoint, all above `low`. `mark`: what the consumer has to know of the
 *           events up to `low` to go on from there, such as how far event time has come; a function of these events alone.
 */
export interface Checkpoint {
  readonly low: Position;
  readonly done: readonly (readonly [from: Position, to: Position])[];
  readonly mark?: JsonValue;
}

/** What of a checkpoint is beside its low mark, as text for a store. */
export function restOfCheckpoint({ done, mark }: Checkpoint): string {
  return JSON.stringify(mark === undefined ? done : { done, mark });
}

/** A checkpoint as a store has it. */
export function checkpointOf(low: number, rest: string): Checkpoint {
  const read = JSON.parse(rest) as Checkpoint['done'] | Omit<Checkpoint, 'low'>;
  return 'done' in read ? { low: position(low), ...read } : { low: position(low), done: read };
}

/** Whether an event at that place is done. */
export function isDone({ low, done }: Checkpoint, place: Position): boolean {
  return place <= low || done.some(([from, to]) => from <= place && place <= to);
}

export interface Pause {
  readonly sinceMs: number;
  readonly reason: string;
}

/** What the states of a consumer's keys are, where a definition of the same name and kind may come to keep others. */
export interface KeptStates {
  /** Their namespace. */
  readonly rows: string;
  /** What events wait for in them before they are handled. */
  readonly waitsFor: 'nothing' | 'numbers' | 'time' | 'match';
  /** Whether they have values of the program's own. */
  readonly own: boolean;
  /** The definition keeps others now, and it is not known yet whether these may be forgotten. */
  readonly left: boolean;
}

/** Events of a type that a consumer did not take at that time: those after one place, up to another. */
export interface MissedEvents {
  readonly type: string;
  readonly after: Position;
  readonly upTo: Position;
}

/** Where something was begun: after which event, and when. */
export interface Begun {
  readonly after: Position;
  readonly atMs: number;
}

/** What stopped a build that is to be whole or not at all. */
export interface BuildFailure {
  readonly position: Position;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly key: string;
  readonly error: string;
}

/** What is built, of a consumer that is built beside another one to take its place. */
export interface BuildForm {
  /** Which build it is. */
  readonly id: string;
  /** That other one. */
  readonly of: string;
  /** It is compared with that one, takes its place never, and ends at the latest there. */
  readonly trial: { readonly upTo: Position | undefined } | undefined;
  /** What becomes of an event whose attempts have failed: its key is set aside, or the build stops. */
  readonly onFailure: 'park' | 'fail';
  readonly failure: BuildFailure | undefined;
}

/** What a consumer was when it last ran: what its stored state means depends on it. */
export interface ConsumerForm {
  readonly kind: 'consumer' | 'projection' | 'window' | 'monitor' | 'automation' | 'system';
  readonly mode: 'ordered' | 'queue';
  /** Event types that it takes, in order; undefined: all. */
  readonly types: readonly string[] | undefined;
  /** Names of the declared indexes of its rows, in order. */
  readonly indexes: readonly string[];
  /** As the definition declares it: under a higher one its states are made in another way. Default: 1. */
  readonly version?: number | undefined;
  /** What tables of its own it has (`tablesDigest`). Default: none. */
  readonly tables?: string | undefined;
  /** How its keys are made (`Reaction.keyedBy`): another way spreads events over lanes in another way. Undefined: not known. */
  readonly keyedBy?: string | undefined;
  readonly keeps?: KeptStates | undefined;
  /** What it looks for, by ids (`ReactionTime.looksFor`), and where it began to; null: with the consumer. Default: not known, so with the consumer. */
  readonly looksFor?: Readonly<Record<string, Begun | null>> | undefined;
  /** The event after which it began: it was given none before that. Default: the beginning. */
  readonly began?: Position | undefined;
  /** What it was not given, because it took other types then. Default: nothing. */
  readonly missed?: readonly MissedEvents[] | undefined;
  /** Whether it was replayed at some time, or one of its name was before it: there may be facts that it would not publish. Default: it was not. */
  readonly replayed?: true | undefined;
  /** Where it is built to take the place of another one. Default: it is not. */
  readonly build?: BuildForm | undefined;
  /** The build that took its place last (`BuildForm.id`). Default: none did. */
  readonly built?: string | undefined;
  /** Whether rows that were written before may lack values of them. */
  readonly indexing: boolean;
}

/** A form as a store has it. JSON leaves out members that are undefined; the type has them. */
export function formOfText(text: string): ConsumerForm {
  const form = JSON.parse(text) as ConsumerForm;
  const { kind, mode, types, indexes, version, tables, keyedBy, keeps, looksFor, began, missed } = form;
  const { replayed, built, indexing } = form;
  const build = form.build && wholeBuild(form.build);
  return {
    kind,
    mode,
    types,
    indexes,
    version,
    tables,
    keyedBy,
    keeps,
    looksFor,
    began,
    missed,
    replayed,
    build,
    built,
    indexing,
  };
}

function wholeBuild({ id, of, trial, onFailure, failure }: BuildForm): BuildForm {
  return { id, of, trial: trial && { upTo: trial.upTo }, onFailure, failure };
}

/** A named consumer as the store remembers it, running or not. */
export interface ConsumerRecord {
  readonly consumer: string;
  readonly form: ConsumerForm;
  readonly checkpoint: Checkpoint;
  readonly paused: Pause | undefined;
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** What of a record is to become another, and what goes with it; `paused: undefined`: it is paused no longer. */
export type RecordChange = Partial<Pick<ConsumerRecord, 'form' | 'checkpoint' | 'paused'>> & {
  /** What the consumer has made of events above a position: these deliveries, and all rows of namespaces. */
  readonly forget?: { readonly above: Position; readonly rows: readonly string[] };
  /** What waits behind other events, and not for a time, is due then. */
  readonly waitingDueMs?: number;
  /** Only where all its lanes are at one place; or somewhere in a stretch in which nothing concerns it: then they are all at its end. */
  readonly together?: true | Stretch;
} & OfBuild;

/** Only where the consumer is that build (`BuildForm.id`): under its name there may be another by now. Otherwise it counts as not known. Default: whatever it is. */
export interface OfBuild {
  readonly ofBuild?: string | undefined;
}

/** Whether a record is what a change is for. */
export function isOfBuild(record: ConsumerRecord | undefined, { ofBuild }: OfBuild): record is ConsumerRecord {
  return record !== undefined && (ofBuild === undefined || record.form.build?.id === ofBuild);
}

export interface Stretch {
  readonly from: Position;
  readonly to: Position;
}

/** What goes with a consumer that is forgotten, but its checkpoint and its deliveries. */
export interface Removal extends OfBuild {
  /** All rows of these namespaces. Default: none. */
  readonly rows?: readonly string[];
}

/** What takes the place of a consumer; a build (`ofBuild`) only while it is not paused. */
export interface Replacement extends OfBuild {
  /** The consumer that does, and is none by itself any more. */
  readonly by: string;
  readonly form: ConsumerForm;
  /** Its namespaces, and the names that they get. */
  readonly rows: readonly { readonly from: string; readonly to: string }[];
}

/** Whether it may take the place of another. */
export function isReplacing(record: ConsumerRecord | undefined, { ofBuild }: OfBuild): record is ConsumerRecord {
  return isOfBuild(record, { ofBuild }) && (ofBuild === undefined || record.paused === undefined);
}

/** Whether everything that is done at the one place is done at the other. */
export function covers(ahead: Checkpoint, behind: Checkpoint): boolean {
  return (
    ahead.low >= behind.low &&
    behind.done.every(
      ([from, to]) =>
        to <= ahead.low || ahead.done.some(([first, last]) => first <= Math.max(from, ahead.low + 1) && to <= last),
    )
  );
}

/**
 * Remembers consumers. Checkpoints that belong to effects go through UnitOfWork instead.
 *
 * Guarantee Each call atomic and durable on return; safe concurrently; later calls win. Where nodes share consumers, `put`, `change`,
 *           `replace` and `remove` take all lanes from their holders; the checkpoint of a record is then what all lanes have in common.
 */
export interface CheckpointStore {
  load(consumer: string): Promise<ConsumerRecord | undefined>;
  /** By name, ascending. */
  list(): Promise<readonly ConsumerRecord[]>;
  /** Makes a consumer known, or leaves it as it is. Answers what the store knows then. */
  create(record: ConsumerRecord): Promise<ConsumerRecord>;
  /** Creates or replaces. */
  put(record: ConsumerRecord): Promise<void>;
  /**
   * Changes what is given and when it was changed, all together. Answers the record as it is then; undefined: the consumer is not known.
   *
   * Errors    WrongState where its lanes are not at one place, and have to be: then nothing was changed.
   */
  change(consumer: string, change: RecordChange, updatedMs: number): Promise<ConsumerRecord | undefined>;
  /**
   * Puts another consumer in the place of one, all together: its checkpoint, its deliveries and the rows of the given namespaces, which are
   * renamed, become those of the one; what that had goes, its rows a few at a time, which is not waited for. Whether it is paused stays. Answers the record as it is then; undefined: one of the
   * two is not known, and nothing was changed.
   *
   * Errors    WrongState where the other is behind: then nothing was changed.
   */
  replace(consumer: string, replacement: Replacement, updatedMs: number): Promise<ConsumerRecord | undefined>;
  /** Forgets the consumer, its checkpoint, its deliveries and what is given, all together. Answers whether it was known. */
  remove(consumer: string, removal?: Removal): Promise<boolean>;
}
