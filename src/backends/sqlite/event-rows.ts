import type { EncodedEvent, RareAttributes, RecordedEvent, StoredEvent } from '../../event/event.ts';
import { position } from '../../event/position.ts';
import { recordedEvent } from '../../event/recorded-event.ts';
import type { InternedNames, Kind } from './interned-names.ts';

/** The columns of a read, in the order of `EventRow`. Where two tables are joined, `events` is `e`. */
export const EVENT_COLUMNS =
  'e.position, e.stream, e.version, e.kind, e.source, e.id, e.subject, e.time, e.recorded_ms, e.correlationid, e.causationid, e.attributes, e.data';

export type EventRow = [
  position: number,
  stream: string,
  version: number,
  kind: number,
  source: number,
  id: string,
  subject: string | number | null,
  time: string,
  recordedMs: number,
  correlationid: string | null,
  causationid: string | null,
  attributes: string | null,
  data: string | null,
];

/** In `events.subject`: there is none. NULL says that it is the name of the stream, which is the rule. */
const NO_SUBJECT = 0;

export function subjectColumn(event: EncodedEvent): string | number | null {
  if (event.subject === event.stream) return null;
  return event.subject ?? NO_SUBJECT;
}

export function attributesColumn(attributes: RareAttributes | undefined): string | null {
  return attributes === undefined ? null : JSON.stringify(attributes);
}

/** The stored event of a row. */
export function storedEvent(row: EventRow, names: InternedNames): StoredEvent {
  const kind = names.kind(row[3]);
  const subject = row[6];
  return Object.freeze({
    id: row[5],
    source: names.sourceName(row[4]),
    type: kind.type,
    schemaVersion: kind.schemaVersion,
    stream: row[1],
    subject: subject === null ? row[1] : subject === NO_SUBJECT ? undefined : (subject as string),
    time: row[7],
    correlationid: row[9] ?? row[5],
    causationid: row[10] ?? undefined,
    encoding: kind.encoding,
    data: row[12],
    attributes: row[11] === null ? undefined : (Object.freeze(JSON.parse(row[11])) as RareAttributes),
    position: position(row[0]),
    version: row[2],
    recordedMs: row[8],
  });
}

export function recordedEvents(rows: readonly EventRow[], names: InternedNames): RecordedEvent[] {
  return rows.map((row) => recordedEvent(storedEvent(row, names)));
}

/** An event as it will be read, from what was just written. The producer's objects are not kept: it may go on using them. */
export function writtenEvent(
  event: EncodedEvent,
  kind: Kind,
  place: { position: number; version: number; recordedMs: number },
): RecordedEvent {
  return recordedEvent(
    Object.freeze({
      id: event.id,
      source: event.source,
      type: kind.type,
      schemaVersion: kind.schemaVersion,
      stream: event.stream,
      subject: event.subject,
      time: event.time,
      correlationid: event.correlationid,
      causationid: event.causationid,
      encoding: kind.encoding,
      data: event.data,
      attributes: event.attributes === undefined ? undefined : Object.freeze({ ...event.attributes }),
      position: position(place.position),
      version: place.version,
      recordedMs: place.recordedMs,
    }),
  );
}
