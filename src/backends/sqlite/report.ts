import { statSync } from 'node:fs';
import type { StoreReport } from '../../store.ts';
import type { Database } from './database.ts';
import { SCHEMA_VERSION } from './migrate.ts';

/** Findings listed; more of them say nothing new. */
const MAX_PROBLEMS = 20;

interface ReportOptions {
  readonly location: string;
  readonly readOnly: boolean;
  readonly thorough: boolean;
}

/** How the file is doing. A thorough report reads all of it, which takes a second per few hundred megabytes. */
export function reportOf(database: Database, { location, readOnly, thorough }: ReportOptions): StoreReport {
  const bytes = ['', '-wal'].reduce(
    (sum, suffix) => sum + (statSync(`${location}${suffix}`, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
  const problems = thorough ? check(database) : [];
  return { backend: 'sqlite', location, readOnly, bytes, schemaVersion: SCHEMA_VERSION, problems };
}

function check(database: Database): readonly string[] {
  try {
    const pages = database
      .query<[string]>(`PRAGMA integrity_check(${MAX_PROBLEMS})`)
      .all()
      .map(([finding]) => finding);
    const damage = pages.filter((finding) => finding !== 'ok').map((finding) => `the file is damaged: ${finding}`);
    return damage.length > 0 ? damage : brokenStreams(database);
  } catch (error) {
    return [`the file is damaged: ${(error as Error).message}`];
  }
}

/** Streams whose events do not follow one another, and heads that are not their last event. */
function brokenStreams(database: Database): readonly string[] {
  const unlinked = `SELECT e.stream, e.version FROM events AS e LEFT JOIN events AS p ON p.position = e.previous
    WHERE e.version > coalesce((SELECT floor FROM stream_floors AS f WHERE f.stream = e.stream), 1)
    AND (p.stream IS NOT e.stream OR p.version IS NOT e.version - 1) LIMIT ${MAX_PROBLEMS}`;
  const behind = `SELECT e.stream, max(e.version) AS last FROM events AS e, log_state AS s LEFT JOIN stream_heads AS h ON h.stream = e.stream
    WHERE e.position <= s.heads_upto GROUP BY e.stream HAVING h.version IS NULL OR h.version < last LIMIT ${MAX_PROBLEMS}`;
  return [
    ...database
      .query<[string, number]>(unlinked)
      .all()
      .map(([stream, version]) => `stream ${stream}: version ${version} does not follow on the version before it`),
    ...database
      .query<[string, number]>(behind)
      .all()
      .map(([stream, version]) => `stream ${stream}: its index ends before version ${version}`),
  ];
}
