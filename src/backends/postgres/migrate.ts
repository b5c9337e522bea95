import { StoreUnavailable, StoreUnusable } from '../../errors.ts';
import type { PendingMigrations } from '../../store.ts';
import type { Database, Queries } from './database.ts';
import { sqlStateOf } from './database.ts';
import { logAndState } from './migrations/0001-log-and-state.ts';
import { serversOfNodes } from './migrations/0002-servers-of-nodes.ts';
import { timeOfDeliveries } from './migrations/0003-time-of-deliveries.ts';
import { commandsAndTags } from './migrations/0004-commands-and-tags.ts';
import { hashChain } from './migrations/0005-hash-chain.ts';
import { inlineRows } from './migrations/0006-inline-rows.ts';
import { tablesOfViews } from './migrations/0007-tables-of-views.ts';
import { linksOfSingleEvents } from './migrations/0008-links-of-single-events.ts';

/** One step to the present form. */
export interface Migration {
  readonly sql: string;
  /** The lowest form whose programs go on working on a schema that has this step, beside newer ones: 1 for one that only adds. */
  readonly worksFrom: number;
}

/** In order; the number of a migration is its place in this list, from 1. Only ever added to. */
export const MIGRATIONS: readonly Migration[] = [
  { sql: logAndState, worksFrom: 1 },
  { sql: serversOfNodes, worksFrom: 1 },
  { sql: timeOfDeliveries, worksFrom: 1 },
  // A program that knows no tags would append events that are not found by theirs.
  { sql: commandsAndTags, worksFrom: 4 },
  // Where a chain is begun, the server refuses what programs that do not know of it would append.
  { sql: hashChain, worksFrom: 4 },
  // What programs that do not know of such projections append ends them.
  { sql: inlineRows, worksFrom: 4 },
  { sql: tablesOfViews, worksFrom: 4 },
  { sql: linksOfSingleEvents, worksFrom: 4 },
];

export const SCHEMA_VERSION = MIGRATIONS.length;

const MIGRATIONS_TABLE =
  'CREATE TABLE migrations (number integer PRIMARY KEY, works_from integer NOT NULL, at timestamptz NOT NULL DEFAULT now())';

/** "Thpn", and beside it the hash of the schema's name: one migration of a store at a time. */
const MIGRATION_LOCK = 0x5468706e;
/** So long programs that work may have to wait behind a step that waits for a table; then it gives way, and comes again. */
const LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'";
/** lock_not_available, deadlock_detected: it was the one to give way. */
const BUSY: ReadonlySet<string> = new Set(['55P03', '40P01']);
const NEWEST = 'SELECT max(number), max(works_from) FROM migrations';
/** undefined_table, undefined_column: there is no store yet, or a table of another program. */
const NO_SUCH_TABLE: ReadonlySet<string> = new Set(['42P01', '42703']);
const TRIES = 30;

/**
 * Brings the schema to the present form, or creates it. Several processes may come at once: one migrates, the others wait. Programs of the
 * form before go on working meanwhile and afterwards, as far as the step says.
 *
 * Errors    StoreUnusable when it belongs to another program or to a newer version of this package that this one cannot work beside;
 *           StoreUnavailable when tables are in use for too long. Then nothing was written.
 */
export async function migrate(
  database: Database,
  schema: string,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  if (await isPresent(database, migrations.length)) return;
  for (let tries = 1; ; tries += 1) {
    try {
      await database.transaction('BEGIN', (queries) => migrateIn(queries, database.store, schema, migrations));
      return;
    } catch (error) {
      const isBusy = error instanceof StoreUnavailable && BUSY.has(sqlStateOf(error.cause) ?? '');
      if (!isBusy || tries === TRIES) throw error;
    }
  }
}

/** Whether there is nothing to do, asked as cheaply as can be: so it is at nearly every start. False: whoever has the lock is to look. */
async function isPresent(database: Database, known: number): Promise<boolean> {
  try {
    const [row] = await database.query<[version: number | null, worksFrom: number | null]>(NEWEST);
    const [version, worksFrom] = row ?? [];
    return (version ?? 0) >= known && (worksFrom ?? 0) <= known;
  } catch (error) {
    if (error instanceof StoreUnusable && NO_SUCH_TABLE.has(sqlStateOf(error.cause) ?? '')) return false;
    throw error;
  }
}

async function migrateIn(
  queries: Queries,
  store: string,
  schema: string,
  migrations: readonly Migration[],
): Promise<void> {
  await queries.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [MIGRATION_LOCK, schema]);
  await queries.query(LOCK_TIMEOUT);
  const version = await versionOf(queries, store, schema, migrations.length);
  if (version >= migrations.length) return;
  if (version === 0) {
    const rights = await rightsOn(queries, schema);
    const hindrance = hindranceOf(rights, schema);
    if (hindrance !== undefined) throw new StoreUnusable(store, hindrance);
    // Who owns it already need not be allowed to create others.
    if (!rights.isThere) await queries.change(`CREATE SCHEMA "${schema}"`);
    await queries.change(MIGRATIONS_TABLE);
  }
  for (const [index, { sql, worksFrom }] of migrations.entries()) {
    const number = index + 1;
    if (number <= version) continue;
    await queries.script(sql);
    await queries.change('INSERT INTO migrations (number, works_from) VALUES ($1, $2)', [number, worksFrom]);
  }
}

/** What `migrate` would run. Errors as of it. */
export async function pendingMigrations(database: Database, schema: string): Promise<PendingMigrations> {
  const from = await versionOf(database, database.store, schema);
  const parts: string[] = [];
  const rights = await rightsOn(database, schema);
  if (from === 0 && !rights.isThere) parts.push(`CREATE SCHEMA "${schema}";`);
  if (from === 0) parts.push(`${MIGRATIONS_TABLE};`);
  for (const [index, { sql, worksFrom }] of MIGRATIONS.entries())
    if (index + 1 > from)
      parts.push(sql.trim(), `INSERT INTO migrations (number, works_from) VALUES (${index + 1}, ${worksFrom});`);
  const sql =
    parts.length === 0 ? '' : ['BEGIN;', `SET LOCAL search_path = "${schema}";`, ...parts, 'COMMIT;', ''].join('\n');
  return { from, to: SCHEMA_VERSION, sql, hindrance: from === 0 ? hindranceOf(rights, schema) : undefined };
}

interface Rights {
  readonly role: string;
  readonly isThere: boolean;
  readonly mayCreateSchemas: boolean;
  readonly mayUse: boolean;
  readonly mayCreateTables: boolean;
}

/** What this role may do in a schema, or where it is not there yet. */
async function rightsOn(queries: Queries, schema: string): Promise<Rights> {
  const [row] = await queries.query<[role: string, boolean, boolean, boolean | null, boolean | null]>(
    `SELECT current_user::text, has_database_privilege(current_database(), 'CREATE'), n.oid IS NOT NULL,
  has_schema_privilege(n.oid, 'USAGE'), has_schema_privilege(n.oid, 'CREATE')
FROM (SELECT $1::text AS name) AS asked LEFT JOIN pg_namespace AS n ON n.nspname = asked.name`,
    [schema],
  );
  const [role = '', mayCreateSchemas = false, isThere = false, mayUse, mayCreateTables] = row ?? [];
  return { role, isThere, mayCreateSchemas, mayUse: mayUse === true, mayCreateTables: mayCreateTables === true };
}

/** Why this role cannot make the tables of a store; undefined: it can. */
function hindranceOf({ role, isThere, mayCreateSchemas, mayCreateTables }: Rights, schema: string): string | undefined {
  if (isThere)
    return mayCreateTables
      ? undefined
      : `the role ${role} may not make tables in the schema ${schema}; let it own the schema: ALTER SCHEMA "${schema}" OWNER TO "${role}"`;
  return mayCreateSchemas
    ? undefined
    : `the role ${role} may not make the schema ${schema}; make it for the role: CREATE SCHEMA "${schema}" AUTHORIZATION "${role}"`;
}

/** 0: there is no store yet. May be higher than `known`, the form of this program, where that one can work with it. */
export async function versionOf(
  queries: Queries,
  store: string,
  schema: string,
  known = SCHEMA_VERSION,
): Promise<number> {
  const tables = await queries.query<[string]>('SELECT tablename::text FROM pg_tables WHERE schemaname = $1', [schema]);
  const names = new Set(tables.map(([name]) => name));
  if (names.size === 0) {
    await assertUnicode(queries, store);
    return 0;
  }
  const { role, mayUse } = await rightsOn(queries, schema);
  if (!mayUse) {
    const mend = `let it own the schema (ALTER SCHEMA "${schema}" OWNER TO "${role}"), or read it (GRANT USAGE …)`;
    throw new StoreUnusable(store, `the role ${role} may not use the schema ${schema}; ${mend}`);
  }
  if (!names.has('migrations') || !names.has('log_head'))
    throw new StoreUnusable(
      store,
      `the schema ${schema} holds tables of another program; name another one (?schema=…)`,
    );
  const [row] = await queries.query<[version: number, worksFrom: number]>(NEWEST);
  const [version, worksFrom] = row ?? [0, 0];
  if (worksFrom > known) {
    throw new StoreUnusable(
      store,
      `the schema ${schema} has version ${version}, which programs of version ${worksFrom} and later work with; this version of thereupon knows up to ${known}; update thereupon`,
    );
  }
  return version;
}

/** What is published may hold any text. */
async function assertUnicode(queries: Queries, store: string): Promise<void> {
  const [row] = await queries.query<[string]>("SELECT current_setting('server_encoding')");
  const encoding = row?.[0] ?? 'nothing known';
  if (encoding !== 'UTF8')
    throw new StoreUnusable(
      store,
      `the database is encoded in ${encoding}, which cannot hold every text; make one in UTF8 (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)`,
    );
}
