import type { DataEncoding, RareAttributes, StoredEvent } from './event.ts';
import type { JsonValue } from './json.ts';
import { position } from './position.ts';
import { keptInState } from './upcast-event.ts';

/** A stored event as a list, without what is as usual: states keep many of them. */
export type KeptEvent = readonly [
  id: string,
  source: string,
  type: string,
  stream: string,
  position: number,
  version: number,
  schemaVersion: number,
  recordedMs: number,
  time: string,
  data: string | null,
  /** Null: JSON. */
  encoding: DataEncoding | null,
  subject: string | null,
  /** Null: its id. */
  correlationid: string | null,
  causationid: string | null,
  attributes: JsonValue,
];

/** What is sealed in its data stays so. */
export function keptEvent(given: StoredEvent): KeptEvent {
  const event = keptInState(given);
  const { id, encoding, correlationid } = event;
  return [
    id,
    event.source,
    event.type,
    event.stream,
    event.position,
    event.version,
    event.schemaVersion,
    event.recordedMs,
    event.time,
    event.data,
    encoding === 'json' ? null : encoding,
    event.subject ?? null,
    correlationid === id ? null : correlationid,
    event.causationid ?? null,
    (event.attributes ?? null) as JsonValue,
  ];
}

export function eventKept(kept: KeptEvent): StoredEvent {
  const [id, source, type, stream, place, version, schemaVersion, recordedMs, time, data, ...rare] = kept;
  const [encoding, subject, correlationid, causationid, attributes] = rare;
  return {
    id,
    source,
    type,
    stream,
    position: position(place),
    version,
    schemaVersion,
    recordedMs,
    time,
    data,
    encoding: encoding ?? 'json',
    subject: subject ?? undefined,
    correlationid: correlationid ?? id,
    causationid: causationid ?? undefined,
    attributes: (attributes ?? undefined) as RareAttributes | undefined,
  };
}
