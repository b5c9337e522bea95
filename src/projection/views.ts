import { assertKnown } from '../system/known-options.ts';
import { InvalidInput, NotFound, WrongState } from '../errors.ts';
import type { BuildOptions, BuildStatus } from '../consumer/build.ts';
import type { Builds } from '../consumer/builds.ts';
import type { IndexCondition, IndexValue, RowStore } from '../consumer/row-store.ts';
import type { SqlCell, TableStore } from '../consumer/table-store.ts';
import type { EventLog } from '../channel/event-log.ts';
import { assertReached, spanOf } from '../time/as-of.ts';
import type { AsOf } from '../time/as-of.ts';
import type { ProjectionDefinition } from './define-projection.ts';
import type { TableProjectionDefinition, TablesOf } from './define-table-projection.ts';
import { pastRow } from './past-row.ts';
import { SqlTable, statementOf } from './sql.ts';
import type { Sql } from './sql.ts';

export interface ViewRow<RowShape = unknown> {
  readonly key: string;
  readonly row: RowShape;
}

export interface ViewQuery {
  /** Conditions on declared indexes; all must hold. */
  readonly where?: readonly IndexCondition[];
  /** A declared index; default: by key. */
  readonly orderBy?: string;
  readonly direction?: 'asc' | 'desc';
  /** 1 to 1,000, default 100. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}

export interface RebuildOptions extends BuildOptions {
  /** Cancels the build. */
  readonly signal?: AbortSignal;
}

/** A view that is being built anew. */
export interface Rebuild {
  status(): Promise<BuildStatus>;
  /** Resolves when its rows are those of the view, when a dry run has compared them, or when it has failed or was cancelled. */
  ended(): Promise<BuildStatus>;
  cancel(): Promise<BuildStatus>;
}

export interface ViewPage<RowShape = unknown> {
  readonly items: readonly ViewRow<RowShape>[];
  readonly next: string | undefined;
}

const MAX_LIMIT = 1_000;
const QUERY_OPTIONS = ['where', 'orderBy', 'direction', 'limit', 'after'];
const REBUILD_OPTIONS = ['from', 'to', 'dryRun', 'onFailure', 'signal'];
const READS = ['SELECT', 'WITH', 'VALUES'];

/**
 * Read models, asked from outside.
 *
 * Guarantee A page shows committed rows; rows that change between two pages show up where their new place is.
 * Errors    NotFound (no such view), InvalidInput (an index that is not declared, a limit, a page mark), WrongState (an index of a version that
 *           is being built)
 */
export class Views {
  readonly #rows: RowStore;
  readonly #log: EventLog;
  readonly #builds: Builds;
  readonly #tables: TableStore | undefined;
  readonly #shortened: () => Promise<ReadonlySet<string>>;
  readonly #projections: ReadonlyMap<string, ProjectionDefinition>;

  constructor(
    {
      log,
      rows,
      builds,
      tables,
      shortened,
    }: {
      readonly log: EventLog;
      readonly rows: RowStore;
      /** Categories that have lost events. */
      readonly shortened: () => Promise<ReadonlySet<string>>;
      readonly builds: Builds;
      readonly tables: TableStore | undefined;
    },
    projections: readonly ProjectionDefinition[],
  ) {
    this.#log = log;
    this.#rows = rows;
    this.#builds = builds;
    this.#tables = tables;
    this.#shortened = shortened;
    this.#projections = new Map(projections.map((projection) => [projection.name, projection]));
  }

  list(): readonly ProjectionDefinition[] {
    return [...this.#projections.values()];
  }

  /** The row of a key; undefined when no event led to one. */
  async get<RowShape>(view: ProjectionDefinition<RowShape> | string, key: string): Promise<RowShape | undefined> {
    return (await this.#rows.get(this.#require(view).namespace, key)) as RowShape | undefined;
  }

  /**
   * The row of a key as it was at a position or an instant: made anew of the events before that. Takes as long as reading the log up to there.
   *
   * Shape     What was given up by an operator is taken in all the same; what a rebuild left out, which began later, is not.
   * Errors    InvalidInput (`asOf`); what the projection throws.
   */
  async getAt<RowShape>(
    view: ProjectionDefinition<RowShape> | string,
    key: string,
    asOf: AsOf,
    signal?: AbortSignal,
  ): Promise<RowShape | undefined> {
    const projection = this.#require(view);
    if (asOf.version !== undefined)
      throw new InvalidInput({
        path: 'version',
        expected: 'a position or an instant, since rows are made of several streams',
        found: asOf.version,
      });
    const span = spanOf(asOf);
    if (span === undefined) return this.get(view, key);
    await assertReached(asOf, this.#log);
    const [from, shortened] = [await this.#builds.began(projection.name), await this.#shortened()];
    return (await pastRow(this.#log, projection, { key, span, from, shortened, signal })) as RowShape | undefined;
  }

  /**
   * What SQL finds in the tables of a table projection, a row an object: views.select(totals, (tables) => sql`SELECT day FROM ${tables.totals}`).
   *
   * Guarantee Committed rows of one instant; nothing is changed. On SQLite it is carried out in the thread of the caller.
   * Errors    InvalidInput where it is no single statement that reads; StatementRefused where the database does not carry it out.
   */
  async select<Tables = Readonly<Record<string, unknown>>>(
    view: Pick<TableProjectionDefinition<Tables>, 'name' | 'tablesShape'> | string,
    query: (tables: TablesOf<Tables>) => Sql,
  ): Promise<readonly Readonly<Record<string, SqlCell>>[]> {
    const { name, tables } = this.#known(view);
    const names = Object.keys(tables);
    if (this.#tables === undefined || names.length === 0)
      throw new InvalidInput({ path: 'view', expected: 'a projection with tables of its own', found: name });
    const given = Object.fromEntries(names.map((table) => [table, new SqlTable(table)])) as TablesOf<Tables>;
    const nameOf = (table: string) => (names.includes(table) ? tables[table] : undefined);
    return this.#tables.select(statementOf(query(given), READS, nameOf));
  }

  async count(view: ProjectionDefinition | string): Promise<number> {
    return this.#rows.count(this.#require(view).namespace);
  }

  async query<RowShape>(
    view: ProjectionDefinition<RowShape> | string,
    query: ViewQuery = {},
  ): Promise<ViewPage<RowShape>> {
    const projection = this.#require(view);
    assertKnown(`a query of view ${projection.name}`, query, QUERY_OPTIONS);
    if (query.where !== undefined && !Array.isArray(query.where))
      throw new InvalidInput({
        path: 'where',
        expected: "a list of conditions: [{ index: 'total', op: '>=', value: 5 }]",
        found: query.where,
      });
    const limit = query.limit ?? 100;
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
      throw new InvalidInput({ path: 'limit', expected: `1 to ${MAX_LIMIT}`, found: query.limit });
    const asked: (readonly [path: string, index: string])[] = (query.where ?? []).map(({ index }, place) => [
      `where[${place}].index`,
      index,
    ]);
    if (query.orderBy !== undefined) asked.push(['orderBy', query.orderBy]);
    for (const [path, index] of asked) assertIndex(projection, path, index);
    const serving = asked.length === 0 ? undefined : await this.#builds.awaited(projection.name);
    for (const [, index] of asked) if (serving !== undefined) assertServes(projection, serving, index);
    const rows = await this.#rows.query(projection.namespace, {
      where: query.where ?? [],
      limit: limit + 1,
      ...(query.orderBy === undefined
        ? {}
        : { orderBy: { index: query.orderBy, direction: query.direction ?? 'asc' } }),
      ...(query.after === undefined ? {} : { after: decodeMark(query.after) }),
    });
    const items = rows.slice(0, limit).map(({ key, value }) => ({ key, row: value as RowShape }));
    const last = rows[limit - 1];
    return {
      items,
      next: rows.length > limit && last !== undefined ? encodeMark(last.key, last.orderValue) : undefined,
    };
  }

  /**
   * Builds the rows of a view anew beside those that serve, and switches them in one step when both are at one place. Goes on by itself, also
   * after a crash; where a build has failed, what failed of it is tried again. Returns when it has begun.
   *
   * Guarantee The view serves, and follows the log, meanwhile; whoever asks it sees the one rows or the others, and never that it goes back.
   * Errors    InvalidInput (`from`, `to`, `onFailure`); WrongState where the view is being built.
   */
  async rebuild(view: ProjectionDefinition | string, { signal, ...options }: RebuildOptions = {}): Promise<Rebuild> {
    const { name } = this.#known(view);
    signal?.throwIfAborted();
    assertKnown(`the rebuild of view ${name}`, options, REBUILD_OPTIONS);
    assertOptions(options);
    await this.#builds.begin(name, options);
    const ended = this.#builds.ended(name);
    const cancel = () => this.#builds.cancel(name);
    const abort = () => void cancel().catch(() => undefined);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    void ended?.catch(() => undefined).then(() => signal?.removeEventListener('abort', abort));
    return {
      cancel,
      status: async () => required(name, await this.#builds.status(name)),
      // Where consumers do not run in this process, nobody tells it.
      ended: async () => ended ?? required(name, undefined),
    };
  }

  /** How the build of a view stands, or how the last one ended; undefined: there was none. */
  async rebuildStatus(view: ProjectionDefinition | string): Promise<BuildStatus | undefined> {
    return this.#builds.status(this.#known(view).name);
  }

  /** What was built goes; the view stays as it is. Errors: WrongState where nothing is being built. */
  async cancelRebuild(view: ProjectionDefinition | string): Promise<BuildStatus> {
    return this.#builds.cancel(this.#known(view).name);
  }

  /** One that has rows. */
  #require(view: ProjectionDefinition | string): ProjectionDefinition {
    const projection = this.#known(view);
    const names = Object.values(projection.tables).join(', ');
    if (names === '') return projection;
    throw new WrongState(
      `view ${projection.name} has tables of its own in place of rows (${names}); ask them with SQL, views.select`,
    );
  }

  #known(view: Pick<ProjectionDefinition, 'name'> | string): ProjectionDefinition {
    const name = typeof view === 'string' ? view : view.name;
    const projection = this.#projections.get(name);
    if (projection === undefined) throw new NotFound('view', name, [...this.#projections.keys()]);
    return projection;
  }
}

function required(view: string, status: BuildStatus | undefined): BuildStatus {
  if (status !== undefined) return status;
  throw new WrongState(
    `consumers do not run in this process: how the build of view ${view} ends is told by its status`,
  );
}

function assertOptions({ onFailure, dryRun }: BuildOptions): void {
  if (onFailure !== undefined && onFailure !== 'park' && onFailure !== 'fail')
    throw new InvalidInput({ path: 'onFailure', expected: "'park' or 'fail'", found: onFailure });
  if (dryRun !== undefined && typeof dryRun !== 'boolean')
    throw new InvalidInput({ path: 'dryRun', expected: 'true or false', found: dryRun });
}

/** While a version is built whose rows have an index, those that serve do not have it. */
function assertServes({ name, version }: ProjectionDefinition, indexes: readonly string[], index: string): void {
  if (indexes.includes(index)) return;
  const until = indexes.length === 0 ? 'none' : indexes.join(', ');
  throw new WrongState(
    `index ${index} of view ${name} comes with version ${version}, which is being built; until it serves there is ${until}`,
  );
}

function assertIndex(projection: ProjectionDefinition, path: string, index: string): void {
  if (projection.indexes.includes(index)) return;
  const declared =
    projection.indexes.length === 0 ? 'none is declared' : `declared are ${projection.indexes.join(', ')}`;
  throw new InvalidInput({ path, expected: `an index of view ${projection.name} (${declared})`, found: index });
}

/** A page mark is opaque to its holder. */
function encodeMark(key: string, value: IndexValue | undefined): string {
  return Buffer.from(JSON.stringify(value === undefined ? [key] : [key, value])).toString('base64url');
}

function decodeMark(mark: string): { key: string; value: IndexValue | undefined } {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(mark, 'base64url').toString());
    if (
      Array.isArray(parsed) &&
      typeof parsed[0] === 'string' &&
      (parsed.length < 2 || typeof parsed[1] !== 'object' || parsed[1] === null)
    ) {
      return { key: parsed[0], value: parsed[1] as IndexValue | undefined };
    }
  } catch {
    // Not JSON: refused below like every other mark that did not come from here.
  }
  throw new InvalidInput({ path: 'after', expected: 'the mark that the page before gave', found: mark });
}
