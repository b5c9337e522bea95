import { LANES } from '../../consumer/lanes.ts';
import type { StoreReport } from '../../store.ts';
import type { Database } from './database.ts';
import { MIGRATIONS, SCHEMA_VERSION } from './migrate.ts';
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
  const problems = thorough ? await problemsOf(database) : [];
  return { backend: 'postgres', location, readOnly, bytes: row?.[0] ?? 0, schemaVersion: SCHEMA_VERSION, problems };
}

async function problemsOf(database: Database): Promise<readonly string[]> {
  // Where something is not there, or cannot be read, there is no looking at what it holds.
  const { problems, isReadable } = await lacking(database);
  if (!isReadable) return problems;
  const inside = [...(await brokenParts(database)), ...(await brokenStreams(database))];
  return [...problems, ...inside].slice(0, MAX_PROBLEMS);
}

/** Why nothing can be written to a store, or it cannot be opened: parts that are missing. */
export async function missingParts(database: Database): Promise<readonly string[]> {
  return (await lacking(database)).missing;
}

type Kind = 'FUNCTION' | 'INDEX' | 'SEQUENCE' | 'TABLE';

/** What the migrations have made. */
function expected(): readonly { readonly kind: Kind; readonly name: string }[] {
  const made = /^CREATE (FUNCTION|INDEX|SEQUENCE|TABLE) (\w+)/gm;
  return MIGRATIONS.flatMap(({ sql }) =>
    [...sql.matchAll(made)].map(([, kind, name = '']) => ({ kind: kind as Kind, name })),
  );
}

const LOOK = `SELECT w.kind, w.name, current_user::text, coalesce(c.oid, f.oid) IS NOT NULL,
  CASE
    WHEN w.kind = 'TABLE' THEN array(SELECT p FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p WHERE NOT has_table_privilege(c.oid, p))
    WHEN w.kind = 'SEQUENCE' THEN array(SELECT p FROM unnest('{USAGE}'::text[]) AS p WHERE NOT has_sequence_privilege(c.oid, p))
    WHEN w.kind = 'FUNCTION' THEN array(SELECT p FROM unnest('{EXECUTE}'::text[]) AS p WHERE NOT has_function_privilege(f.oid, p))
    ELSE '{}'
  END,
  w.name = 'events' AND NOT pg_has_role(c.relowner, 'USAGE'),
  w.kind <> 'TABLE' OR EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary),
  has_schema_privilege(current_schema(), 'CREATE')
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (kind, name, place)
LEFT JOIN pg_class AS c ON w.kind <> 'FUNCTION' AND c.relname = w.name AND c.relnamespace = current_schema()::regnamespace
LEFT JOIN pg_proc AS f ON w.kind = 'FUNCTION' AND f.proname = w.name AND f.pronamespace = current_schema()::regnamespace
ORDER BY w.place`;

type Part = [
  kind: Kind,
  name: string,
  role: string,
  isThere: boolean,
  not: string[],
  isForeign: boolean,
  isKeyed: boolean,
  mayCreate: boolean,
];

/** What of a store is not there, or not for this role to use. */
async function lacking(database: Database): Promise<{
  readonly problems: readonly string[];
  readonly missing: readonly string[];
  readonly isReadable: boolean;
}> {
  const parts = expected();
  const found = await database.query<Part>(LOOK, [parts.map(({ kind }) => kind), parts.map(({ name }) => name)]);
  const missing = found.filter(([, , , isThere]) => !isThere);
  const keyless = found.filter(([, , , isThere, , , isKeyed]) => isThere && !isKeyed);
  const forbidden = found.filter(([, , , isThere, not]) => isThere && not.length > 0);
  const foreign = found.filter(([, , , isThere, , isForeign]) => isThere && isForeign);
  const byRights = Map.groupBy(forbidden, ([, , role, , not]) => `the role ${role} lacks ${not.join(', ')}`);
  return {
    // Without an index a program is slow, and works.
    missing: missing.filter(([kind]) => kind !== 'INDEX').map(saidOf),
    problems: [
      ...missing.map(saidOf),
      ...keyless.map(([, name]) => `the primary key of the table ${name} is missing`),
      ...[...byRights].map(([who, what]) => `${who} on ${what.map(([, name]) => name).join(', ')}`),
      ...foreign.map(([, name, role]) => `the role ${role} does not own the table ${name}, and so cannot add to it`),
      ...found
        .slice(0, 1)
        .flatMap(([, , role, , , , , mayCreate]) =>
          mayCreate ? [] : [`the role ${role} lacks CREATE on the schema, and so cannot add tables to the log`],
        ),
    ],
    isReadable:
      missing.every(([kind]) => kind === 'INDEX') && forbidden.every(([, , , , not]) => !not.includes('SELECT')),
  };
}

function saidOf([kind, name]: Part): string {
  return `the ${kind.toLowerCase()} ${name} is missing`;
}

/** Tables of the log that are gone, a log without its end, consumers without all of their lanes. */
async function brokenParts(database: Database): Promise<readonly string[]> {
  const gone = await database.query<[string]>(
    `SELECT name FROM partitions WHERE NOT dropping AND to_regclass(name) IS NULL ORDER BY first LIMIT ${MAX_PROBLEMS}`,
  );
  const [end] = await database.query<[heads: number, head: number | null, last: number | null]>(
    'SELECT (SELECT count(*) FROM log_head), (SELECT position FROM log_head), (SELECT max(position) FROM events)',
  );
  const [heads = 0, head, last] = end ?? [];
  const lanes = await database.query<[consumer: string, lanes: number]>(
    `SELECT c.consumer, coalesce(sum(cardinality(l.lanes)), 0) AS lanes FROM consumers AS c LEFT JOIN lanes AS l USING (consumer)
GROUP BY c.consumer HAVING coalesce(sum(cardinality(l.lanes)), 0) <> ${LANES} ORDER BY c.consumer LIMIT ${MAX_PROBLEMS}`,
  );
  return [
    ...gone.map(([name]) => `the table ${name} with a part of the log is missing`),
    ...(heads === 1 ? [] : [`log_head has ${heads} rows in place of one`]),
    ...((last ?? 0) > (head ?? 0) ? [`the log ends at position ${head ?? 0}, but has an event at ${last}`] : []),
    ...lanes.map(([consumer, count]) => `consumer ${fromText(consumer)} has ${count} of its ${LANES} lanes`),
  ];
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
