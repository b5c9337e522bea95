import type { TrimOutcome, TrimRequest } from '../../channel/event-log.ts';
import { contentDigest } from '../../event/content-digest.ts';
import type { Queries } from './database.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS, storedEvent } from './event-rows.ts';
import { linkRemoved } from './log-chain.ts';
import { LogReader, ofCategory } from './log-reader.ts';
import { toText } from './text.ts';

/** Events of one stream removed in one transaction. */
const MAX_STEP = 1_000;

const OF_CATEGORY = ofCategory('stream', '$1');
const REMOVABLE = `${OF_CATEGORY} AND position <= $2 AND NOT position = ANY($3::bigint[])`;

/** A step of removing the events of a stream below a version. Runs in a transaction that holds the head of the log. */
export async function truncateStep(
  queries: Queries,
  stream: string,
  beforeVersion: number,
): Promise<{ readonly removed: number; readonly more: boolean }> {
  const removed = await remove(
    queries,
    `SELECT position FROM events WHERE stream = $1 AND version < $2 ORDER BY version LIMIT ${MAX_STEP}`,
    [toText(stream), beforeVersion],
  );
  return { removed, more: removed === MAX_STEP };
}

/** From now on the stream takes no events. Answers its version. */
export async function markDeleted(queries: Queries, stream: string): Promise<number> {
  const sql = `INSERT INTO streams (stream, version, deleted) VALUES ($1, 0, true)
ON CONFLICT (stream) DO UPDATE SET deleted = true RETURNING version`;
  const [row] = await queries.query<[number]>(sql, [toText(stream)]);
  return row?.[0] ?? 0;
}

/** One step of a rule. Runs in a transaction. */
export async function trim(queries: Queries, request: TrimRequest): Promise<TrimOutcome> {
  const { keep, limit } = request;
  const category = toText(request.category);
  const boundary = await boundaryOf(queries, category, request);
  const removableUpTo = Math.min(boundary, request.notAbove);
  const removed = await remove(queries, `SELECT position FROM events WHERE ${REMOVABLE} ORDER BY position LIMIT $4`, [
    category,
    removableUpTo,
    keep,
    limit,
  ]);
  const [rest] = await queries.query<[more: boolean, protectedEvents: number]>(
    `SELECT EXISTS (SELECT FROM events WHERE ${REMOVABLE}), (
  SELECT count(*) FROM events WHERE ${OF_CATEGORY} AND position > $2 AND position <= $4
) + (
  SELECT count(*) FROM events WHERE ${OF_CATEGORY} AND position = ANY($3::bigint[]) AND position <= $2
)`,
    [category, removableUpTo, keep, boundary],
  );
  const [more, protectedEvents] = rest ?? [false, 0];
  return { removed, more, protected: protectedEvents };
}

/** The position up to which the rule names the events of the category, which comes as it is stored: always its oldest ones. */
export async function boundaryOf(
  queries: Queries,
  category: string,
  { recordedBeforeMs, keepNewest }: Pick<TrimRequest, 'keepNewest' | 'recordedBeforeMs'>,
): Promise<number> {
  const byAge = recordedBeforeMs === undefined ? 0 : await new LogReader(queries).positionBefore(recordedBeforeMs);
  if (keepNewest === undefined) return byAge;
  const [row] = await queries.query<[number]>(
    `SELECT position FROM events WHERE ${OF_CATEGORY} ORDER BY position DESC OFFSET $2 LIMIT 1`,
    [category, keepNewest],
  );
  return Math.max(byAge, row?.[0] ?? 0);
}

/** Removes events for good. Their identities stay, with a digest of what they said (G2). */
async function remove(
  queries: Queries,
  positions: string,
  values: readonly (string | number | readonly number[])[],
): Promise<number> {
  const rows = await queries.query<EventRow>(
    `DELETE FROM events AS e WHERE e.position IN (${positions}) RETURNING ${EVENT_COLUMNS}`,
    values,
  );
  if (rows.length > 0) {
    await queries.change('DELETE FROM event_tags WHERE position = ANY($1::bigint[])', [rows.map((row) => row[0])]);
    await keepDigests(queries, rows);
  }
  await linkRemoved(
    queries,
    rows.map((row) => Number(row[0])),
  );
  return rows.length;
}

/** What a duplicate of an event that is removed is told, and compared with. */
export async function keepDigests(queries: Queries, rows: readonly EventRow[]): Promise<void> {
  const sql = `UPDATE identities AS i SET stream = r.stream, version = r.version, recorded_ms = r.recorded_ms, digest = r.digest
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) AS r (id, source, stream, version, recorded_ms, digest)
WHERE i.id = r.id AND i.source = r.source`;
  await queries.change(sql, [
    rows.map((row) => row[6]),
    rows.map((row) => row[5]),
    rows.map((row) => row[1]),
    rows.map((row) => row[2]),
    rows.map((row) => row[9]),
    rows.map((row) => contentDigest(storedEvent(row))),
  ]);
}
