import type { PatternFor } from '../channel/filter/pattern.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition, EventOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import { reactionOf } from '../consumer/define-consumer.ts';
import { keyedBy } from '../consumer/keys.ts';
import { unlessLeftOut } from '../consumer/left-out.ts';
import { namespaceOf } from '../consumer/namespaces.ts';
import type { Handling, Reaction } from '../consumer/reaction.ts';
import type { RetryOptions } from '../consumer/retry-policy.ts';
import { tableName } from '../consumer/table-store.ts';
import type { SqlStatement, TableForm, TablesForm } from '../consumer/table-store.ts';
import { assertKnown, isOptions, titleOf } from '../system/known-options.ts';
import { NO_ROW, PROJECTION_RETRY } from './define-projection.ts';
import type { ProjectionDefinition } from './define-projection.ts';
import { SqlTable, statementOf } from './sql.ts';
import type { Sql } from './sql.ts';
import { onBuildFailureOf, projectionSteps, versionOf } from './steps.ts';
import type { Steps } from './steps.ts';

/** A table as SQL has it: what stands between the brackets of CREATE TABLE, and indexes beside those that keys make. */
export interface TableOptions {
  readonly columns: string;
  /** Each by its columns, `'customer, placed DESC'`; `unique`: no two rows agree in them. */
  readonly indexes?: readonly (string | { readonly columns: string; readonly unique: boolean })[];
}

/** The tables of a projection, by name, to stand in `sql`. */
export type TablesOf<Tables> = { readonly [Name in keyof Tables]: SqlTable };

/** What comes of an event in the tables: a statement, several, or nothing. */
export type TableStep<Event, Tables> = (event: Event, tables: TablesOf<Tables>) => Sql | readonly Sql[] | undefined;

/**
 * For each event definition, the statements that take an event of it into the tables. A second function takes an event out again that was corrected
 * (`retractionOf`); without it a correction is one more event.
 */
export type TableSteps<Definitions extends readonly EventDefinition[], Tables> = {
  readonly [Index in keyof Definitions]: readonly [
    Definitions[Index],
    TableStep<EventOf<Definitions[Index]>, Tables>,
    TableStep<EventOf<Definitions[Index]>, Tables>?,
  ];
};

/** Where the compiler learns which definitions are meant. */
type Stepped<Definitions extends readonly EventDefinition[]> = {
  readonly [Index in keyof Definitions]: readonly [Definitions[Index], unknown, unknown?];
};

export interface TableProjectionOptions<Definitions extends readonly EventDefinition[], Tables> {
  /** Names the read model for ever; a literal. */
  readonly name: string;
  readonly summary?: string;
  /** By name: lower-case letters, digits and `_`. In the database a table is called `view_` and its name. */
  readonly tables: Tables & Readonly<Record<string, TableOptions>>;
  readonly on: NoInfer<TableSteps<Definitions, Tables>> & Stepped<Definitions>;
  /**
   * Events of one key are taken in one after another, in their order; those of several keys in any order. Default: the stream. Say `() => 'all'`
   * where statements depend on the order of all. Undefined: the event is not taken in.
   */
  readonly key?: (event: EventOf<Definitions[number]>) => string | undefined;
  readonly where?: PatternFor<EventOf<Definitions[number]>>;
  readonly retry?: RetryOptions;
  /** A whole number from 1, which rises whenever tables or statements are others: they are then built beside those that serve. Default: 1. */
  readonly version?: number;
  /** What becomes of an event that cannot be handled while tables are built anew: its key is set aside (`'park'`, the default), or the build fails. */
  readonly onBuildFailure?: 'park' | 'fail';
  /** Of events with personal fields: nothing personal is written to the tables, which are not sealed. */
  readonly personal?: 'none';
}

export interface TableProjectionDefinition<Tables = unknown> extends ProjectionDefinition<never> {
  /** Never there; carries the names of its tables to `views.select(definition, …)`. */
  readonly tablesShape?: Tables;
}

const OPTIONS = 'name summary tables on key where retry version onBuildFailure personal'.split(' ');
const TABLE_OPTIONS = ['columns', 'indexes'];
/** So that with what is put before and behind it is no longer than the names of PostgreSQL. */
const TABLE_NAME = /^[a-z][a-z0-9_]{0,47}$/u;
const CHANGES = ['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'MERGE', 'WITH'];

type Step = (event: RecordedEvent, tables: TablesOf<object>) => Sql | readonly Sql[] | undefined;

/**
 * A read model in tables of its own: for each event the program says what SQL takes it in.
 *
 * Guarantee Statements are carried out in the transaction that writes down how far the projection is: each event counts once, whatever crashes when (G6).
 *           A statement that the database refuses sets its key aside (G7), and nothing of its event is written.
 * Errors    InvalidDefinition; InvalidPattern names the place in `where`. When a system is opened: CapabilityMissing, on stores without SQL.
 */
export function defineTableProjection<const Definitions extends readonly EventDefinition[], const Tables>(
  options: TableProjectionOptions<Definitions, Tables>,
): TableProjectionDefinition<Tables> {
  const name = titleOf('projection', options);
  assertKnown(name, options, OPTIONS);
  const steps = projectionSteps(name, options.on as unknown as Steps<Step>);
  const namespace = namespaceOf('view', options.name);
  const forms: TablesForm = {
    ...tableForms(name, namespace, options.tables),
    personal: personalOf(name, options.personal),
  };
  const names = Object.keys(options.tables);
  const tables = Object.fromEntries(names.map((table) => [table, new SqlTable(table)])) as TablesOf<object>;
  const keyOfEvent = (options.key ?? ((event: RecordedEvent) => event.stream)) as (
    event: RecordedEvent,
  ) => string | undefined;
  const keyOf = (event: RecordedEvent) => keyOfEvent(steps.subject(event));
  const statementsFor = (event: RecordedEvent, of: string): readonly SqlStatement[] => {
    const made = steps.of.get(event.type)?.(steps.subject(event), tables) ?? [];
    const nameOf = (table: string) => (names.includes(table) ? tableName(of, table) : undefined);
    return (Array.isArray(made) ? made : [made]).map((each: unknown) => statementOf(each, CHANGES, nameOf));
  };
  const taken = (attempt: Handling): void => {
    const statements = statementsFor(attempt.event, namespaceOf('view', attempt.consumer));
    for (const statement of statements) attempt.execute(statement);
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
  const reaction: Reaction = {
    ...common,
    version,
    onBuildFailure: onBuildFailureOf(name, options.onBuildFailure),
    isPure: true,
    timeoutMs: undefined,
    publishes: [],
    ...(steps.retracts.size === 0 ? {} : { takesBack: steps.takesBack }),
    loops: undefined,
    mode: 'ordered',
    state: undefined,
    tables: forms,
    keyedBy: keyedBy(keyOfEvent),
    keyOf: (event) => keyOf(event) ?? NO_ROW,
    priorityOf: undefined,
    delayMsOf: undefined,
    handle(attempt) {
      if (attempt.key === NO_ROW) return undefined;
      return steps.retracts.has(attempt.event.type) ? unlessLeftOut(attempt, () => taken(attempt)) : taken(attempt);
    },
  };
  return {
    kind: 'projection',
    name: options.name,
    on: steps.definitions,
    indexes: [],
    mode: 'async',
    version,
    tables: Object.fromEntries(names.map((table) => [table, tableName(namespace, table)])),
    namespace,
    reaction,
    keyOf,
    evolve(row, event) {
      statementsFor(event, namespace);
      return row;
    },
  };
}

function personalOf(name: string, given: unknown): 'none' | undefined {
  if (given === undefined || given === 'none') return given;
  throw new InvalidDefinition(
    name,
    `personal must be 'none', since tables are not sealed, found ${describeValue(given)}; personal values are kept in the rows of defineProjection`,
  );
}

function tableForms(name: string, namespace: string, tables: unknown): TablesForm {
  if (!isOptions(tables) || Object.keys(tables).length === 0)
    throw new InvalidDefinition(
      name,
      `tables must be an object with at least one table, found ${describeValue(tables)}`,
    );
  return { namespace, tables: Object.entries(tables).map((entry) => tableForm(name, namespace, ...entry)) };
}

function tableForm(name: string, namespace: string, table: string, options: TableOptions): TableForm {
  const path = `tables.${table}`;
  if (!TABLE_NAME.test(table))
    throw new InvalidDefinition(
      name,
      `${path}: a table is named by at most 48 lower-case letters, digits and _, beginning with a letter`,
    );
  if (!isOptions(options))
    throw new InvalidDefinition(name, `${path} must be { columns }, found ${describeValue(options)}`);
  assertKnown(name, options, TABLE_OPTIONS, `${path}.`);
  const columnsOf = (columns: unknown, place: string): string => {
    if (typeof columns === 'string' && columns.trim() !== '') return columns.trim();
    throw new InvalidDefinition(
      name,
      `${place} must be SQL, such as 'day TEXT PRIMARY KEY, cents BIGINT', found ${describeValue(columns)}`,
    );
  };
  const indexes = (options.indexes ?? []).map((index, at) => {
    const place = `${path}.indexes[${at}]`;
    const { columns, unique } = typeof index === 'string' ? { columns: index, unique: false } : index;
    return { columns: columnsOf(columns, place), unique };
  });
  return { name: tableName(namespace, table), columns: columnsOf(options.columns, `${path}.columns`), indexes };
}
