import type { StoreReport } from '../../store.ts';
import type { Database } from './database.ts';
import { SCHEMA_VERSION } from './migrate.ts';
import { fromText } from './text.ts';

/** Findings listed; more of them say nothing new. */
const MAX_PROBLEMS = 20;

interface ReportOptions {
  readonly location: string;
  readonly schema: string;
  readonly readOnly: boolean;
  readonly thorough: boolean;
}

/** How the schema is doing. A thorough report reads the whole log. */
export async function reportOf(
  database: Database,
  { location, schema, readOnly, thorough }: ReportOptions,
): Promise<StoreReport> {
  const [row] = await database.query<[number]>(
    `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'm')`,
    [schema],
  );
  const problems = thorough ? await brokenStreams(database) : [];
  return { backend: 'postgres', location, readOnly, bytes: row?.[0] ?? 0, schemaVersion: SCHEMA_VERSION, problems };
}

/** Streams whose end is not that of their last event, and events without an identity. */
async function brokenStreams(database: Database): Promise<readonly string[]> {
  const ends = await database.query<[stream: string, version: number, last: number]>(
    `SELECT s.stream, s.version, e.last FROM streams AS s
JOIN (SELECT stream, max(version) AS last FROM events GROUP BY stream) AS e USING (stream) WHERE e.last > s.version LIMIT ${MAX_PROBLEMS}`,
  );
  const unknown = await database.query<[position: number]>(
    `SELECT e.position FROM events AS e LEFT JOIN identities AS i ON i.id = e.id AND i.source = e.source AND i.position = e.position
WHERE i.id IS NULL LIMIT ${MAX_PROBLEMS}`,
  );
  return [
    ...ends.map(
      ([stream, version, last]) => `stream ${fromText(stream)}: ends at version ${version}, but has an event ${last}`,
    ),
    ...unknown.map(([place]) => `the event at position ${place} has no identity`),
  ];
}
