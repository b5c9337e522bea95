import { StoreUnusable } from '../../errors.ts';
import type { PendingMigrations } from '../../store.ts';
import type { Database, Queries } from './database.ts';
import { logAndState } from './migrations/0001-log-and-state.ts';

/** In order; the number of a migration is its place in this list, from 1. */
const MIGRATIONS: readonly string[] = [logAndState];

export const SCHEMA_VERSION = MIGRATIONS.length;

const MIGRATIONS_TABLE = 'CREATE TABLE migrations (number integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())';

/** "Thpn", and beside it the hash of the schema's name: one migration of a store at a time. */
const MIGRATION_LOCK = 0x5468706e;

/**
 * Brings the schema to the present form, or creates it. Several processes may come at once: one migrates, the others wait.
 *
 * Errors    StoreUnusable when it belongs to another program or to a newer version of this package; nothing was written.
 */
export async function migrate(database: Database, schema: string): Promise<void> {
  await database.transaction('BEGIN', async (queries) => {
    await queries.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [MIGRATION_LOCK, schema]);
    const version = await versionOf(queries, database.store, schema);
    if (version === SCHEMA_VERSION) return;
    if (version === 0) {
      await queries.change(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
      await queries.change(MIGRATIONS_TABLE);
    }
    for (const [index, sql] of MIGRATIONS.entries()) {
      const number = index + 1;
      if (number <= version) continue;
      await queries.script(sql);
      await queries.change('INSERT INTO migrations (number) VALUES ($1)', [number]);
    }
  });
}

/** What `migrate` would run. Errors as of it. */
export async function pendingMigrations(database: Database, schema: string): Promise<PendingMigrations> {
  const from = await versionOf(database, database.store, schema);
  const parts: string[] = [];
  if (from === 0) parts.push(`CREATE SCHEMA IF NOT EXISTS ${schema};`, `${MIGRATIONS_TABLE};`);
  for (const [index, sql] of MIGRATIONS.entries())
    if (index + 1 > from) parts.push(sql.trim(), `INSERT INTO migrations (number) VALUES (${index + 1});`);
  const sql =
    parts.length === 0 ? '' : ['BEGIN;', `SET LOCAL search_path = ${schema};`, ...parts, 'COMMIT;', ''].join('\n');
  return { from, to: SCHEMA_VERSION, sql };
}

/** 0: there is no store yet. */
export async function versionOf(queries: Queries, store: string, schema: string): Promise<number> {
  const tables = await queries.query<[string]>('SELECT tablename::text FROM pg_tables WHERE schemaname = $1', [schema]);
  const names = new Set(tables.map(([name]) => name));
  if (names.size === 0) return 0;
  if (!names.has('migrations') || !names.has('log_head'))
    throw new StoreUnusable(
      store,
      `the schema ${schema} holds tables of another program; name another one (?schema=…)`,
    );
  const [row] = await queries.query<[number]>('SELECT max(number) FROM migrations');
  const version = row?.[0] ?? 0;
  if (version > SCHEMA_VERSION) {
    throw new StoreUnusable(
      store,
      `the schema ${schema} has version ${version}, this version of thereupon knows up to ${SCHEMA_VERSION}; update thereupon`,
    );
  }
  return version;
}
