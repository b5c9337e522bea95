import type { DataEncoding, EncodedEvent, RareAttributes, RecordedEvent, StoredEvent } from '../../event/event.ts';
import { laneOfOrderingKey } from '../../consumer/lanes.ts';
import { position } from '../../event/position.ts';
import { recordedEvent } from '../../event/recorded-event.ts';
import { tagsOf } from '../../event/tags.ts';
import type { Queries, SqlValue } from './database.ts';
import type { TextRow } from './item-query.ts';
import { fromText, toText } from './text.ts';

/** What most events of a log have in common, as the statement and its values say it. What is so is not sent: the column is NULL. */
export interface Usual {
  readonly type: string;
  readonly source: string;
}

const USUAL_VERSION = 1;
const USUAL_ENCODING = 'json';

/** The columns of a read, in the order of `EventRow`; `events` is `e`. */
export const EVENT_COLUMNS = eventColumns('e.type', 'e.source');

/** The same, with the parameters that hold what is usual. */
export function columnsBeside(type: string, source: string): string {
  return eventColumns(`nullif(e.type, ${type})`, `nullif(e.source, ${source})`);
}

function eventColumns(type: string, source: string): string {
  return `e.position, e.stream, e.version, ${type}, nullif(e.schema_version, ${USUAL_VERSION}), ${source}, e.id, e.subject, e."time", e.recorded_ms, e.correlationid, e.causationid, e.encoding, e.attributes, e.data`;
}

/** 64-bit integers are numbers, or, as they come from the server, text. */
export type EventRow = readonly [
  position: number | string,
  stream: string,
  version: number | string,
  type: string | null,
  schemaVersion: number | string | null,
  source: string | null,
  id: string,
  subject: string | null,
  time: string,
  recordedMs: number | string,
  correlationid: string | null,
  causationid: string | null,
  encoding: DataEncoding | null,
  attributes: string | null,
  data: string | null,
];

const NOTHING_USUAL: Usual = { type: '', source: '' };

/** `usual`: what the columns were read beside. */
export function storedEvent(row: EventRow, usual = NOTHING_USUAL): StoredEvent {
  return Object.freeze({
    position: position(Number(row[0])),
    stream: fromText(row[1]),
    version: Number(row[2]),
    type: row[3] === null ? usual.type : fromText(row[3]),
    schemaVersion: row[4] === null ? USUAL_VERSION : Number(row[4]),
    source: row[5] === null ? usual.source : fromText(row[5]),
    id: fromText(row[6]),
    subject: readSubject(row[7], row[1]),
    time: fromText(row[8]),
    recordedMs: Number(row[9]),
    correlationid: fromText(row[10] ?? row[6]),
    causationid: row[11] === null ? undefined : fromText(row[11]),
    encoding: row[12] ?? USUAL_ENCODING,
    attributes: row[13] === null ? undefined : (Object.freeze(JSON.parse(row[13])) as RareAttributes),
    data: row[14] === null ? null : fromText(row[14]),
  });
}

/** Of a row whose columns are `EVENT_COLUMNS`, or those beside what is usual. */
export function eventOf(row: TextRow, usual?: Usual): RecordedEvent {
  return recordedEvent(storedEvent(row as unknown as EventRow, usual));
}

/** Of most events, which begin a conversation: their own id, which need not be stored twice. */
export function storedCorrelation({ id, correlationid }: EncodedEvent): string | null {
  return correlationid === id ? null : toText(correlationid);
}

/** No other text is stored as that: `toText` puts something behind it. */
const AS_STREAM = '\u0001';

/** Of many events what they are about is what their stream is about. */
export function storedSubject({ subject, stream }: EncodedEvent): string | null {
  if (subject === undefined) return null;
  return subject === stream ? AS_STREAM : toText(subject);
}

function readSubject(subject: string | null, stream: string): string | undefined {
  if (subject === null) return undefined;
  return fromText(subject === AS_STREAM ? stream : subject);
}

export function storedEncoding({ encoding }: EncodedEvent): string | null {
  return encoding === USUAL_ENCODING ? null : encoding;
}

/** An event with the place that it gets. */
export interface PlacedEvent {
  readonly event: EncodedEvent;
  readonly position: number;
  readonly version: number;
}

const INSERT = `WITH placed AS (
  INSERT INTO events (position, stream, version, type, schema_version, source, id, subject, "time", recorded_ms, correlationid, causationid, encoding, attributes, data, lane)
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::smallint[])
), identified AS (
  INSERT INTO identities (id, source, position) SELECT * FROM unnest($7::text[], $6::text[], $1::bigint[])
), ended AS (
  INSERT INTO streams (stream, version) SELECT * FROM unnest($17::text[], $18::bigint[])
  ON CONFLICT (stream) DO UPDATE SET version = excluded.version
), tagged AS (
  INSERT INTO event_tags (tag, position) SELECT * FROM unnest($21::text[], $22::bigint[])
)
UPDATE log_head SET position = $19::bigint, recorded_ms = $20::bigint RETURNING pg_notify('thereupon_' || current_schema(), position::text)`;

/** Writes events at the end of the log, whose head is locked. `ends`: the last version of each stream that they belong to. */
export async function insertEvents(
  queries: Queries,
  events: readonly PlacedEvent[],
  ends: ReadonlyMap<string, number>,
  recordedMs: number,
): Promise<void> {
  const last = events.at(-1);
  if (last === undefined) return;
  const columns = columnsOf(
    events.map(({ event, position: place, version }) => valuesOf(event, place, version, recordedMs)),
  );
  const streams = [...ends.keys()];
  const parameters: SqlValue[] = [
    ...columns,
    streams.map(toText),
    [...ends.values()],
    last.position,
    recordedMs,
    ...tagColumns(events),
  ];
  await queries.change(INSERT, parameters);
}

const INSERT_IMAGE = `WITH placed AS (
  INSERT INTO events (position, stream, version, type, schema_version, source, id, subject, "time", recorded_ms, correlationid, causationid, encoding, attributes, data, lane)
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::smallint[])
), tagged AS (
  INSERT INTO event_tags (tag, position) SELECT * FROM unnest($17::text[], $18::bigint[])
)
INSERT INTO identities (id, source, position) SELECT * FROM unnest($7::text[], $6::text[], $1::bigint[])`;

/** Writes events at the places that they have, with their identities and nothing else. In position order, above all that are there. */
export async function insertPlaced(queries: Queries, events: readonly StoredEvent[]): Promise<void> {
  const columns = columnsOf(events.map((event) => valuesOf(event, event.position, event.version, event.recordedMs)));
  const tags = tagColumns(events.map((event) => ({ event, position: event.position })));
  await queries.prepared(INSERT_IMAGE, [...columns, ...tags]);
}

function tagColumns(events: readonly Pick<PlacedEvent, 'event' | 'position'>[]): readonly SqlValue[] {
  const tagged = events.flatMap(({ event, position: place }) =>
    tagsOf(event).map((tag) => [toText(tag), place] as const),
  );
  return [tagged.map(([tag]) => tag), tagged.map(([, place]) => place)];
}

const COLUMNS = 16;

function columnsOf(rows: readonly (readonly (string | number | null)[])[]): (string | number | null)[][] {
  const columns: (string | number | null)[][] = Array.from({ length: COLUMNS }, () => []);
  for (const row of rows) for (const [index, value] of row.entries()) columns[index]?.push(value);
  return columns;
}

function valuesOf(
  event: EncodedEvent,
  place: number,
  version: number,
  recordedMs: number,
): readonly (string | number | null)[] {
  return [
    place,
    toText(event.stream),
    version,
    toText(event.type),
    event.schemaVersion,
    toText(event.source),
    toText(event.id),
    storedSubject(event),
    toText(event.time),
    recordedMs,
    storedCorrelation(event),
    event.causationid === undefined ? null : toText(event.causationid),
    storedEncoding(event),
    event.attributes === undefined ? null : JSON.stringify(event.attributes),
    event.data === null || event.encoding === 'none' ? null : toText(event.data),
    laneOfOrderingKey(event),
  ];
}
