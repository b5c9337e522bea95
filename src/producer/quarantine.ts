import { compileSelection } from '../channel/selection.ts';
import { InvalidEvent, WrongState } from '../errors.ts';
import { quarantinedEvent } from '../schema/gate.ts';
import { encodeJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import { dataInvalid, validate } from '../schema/registry.ts';
import type { ClockTrust } from '../schema/clock-trust.ts';
import type { SchemaRegistry } from '../schema/registry.ts';
import { sealDraft } from '../schema/sealing.ts';
import type { Sealing } from '../schema/sealing.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';

/** The name under which quarantined events wait as dead letters. */
export const QUARANTINE = 'thereupon.quarantine';

export const quarantineSelection = compileSelection({ types: [SYSTEM_EVENTS.eventQuarantined] });

/** A quarantined event for people: as it is, not as the report that holds it. */
export function shownFromQuarantine(report: RecordedEvent): RecordedEvent {
  const { position, version, recordedMs } = report.stored;
  return recordedEvent(Object.freeze({ ...quarantinedEvent(report), position, version, recordedMs }));
}

/**
 * The report as if the event had said what an operator says in its place.
 *
 * Errors    EventDataInvalid when that does not fit either.
 */
export async function editQuarantined(
  registry: SchemaRegistry,
  report: RecordedEvent,
  data: JsonValue,
): Promise<AdmittedEdit> {
  const { event, ...rest } = report.data as { readonly event: { readonly type: string; [member: string]: JsonValue } };
  const admitted = await admitEdit(registry, event.type, data);
  const ofVersion = admitted.version === undefined ? {} : { schemaVersion: admitted.version };
  const edited = { ...event, ...ofVersion, encoding: 'json', data: encodeJson(admitted.data, 'data') };
  return { data: { ...rest, event: edited }, version: undefined };
}

/** What an operator gives in place of an event's data, and the schema version that it is of; undefined: that of the event. */
interface AdmittedEdit {
  readonly data: JsonValue;
  readonly version: number | undefined;
}

/** Data that an operator gives in place of an event's, through the same gate. Errors: EventDataInvalid. */
export async function admitEdit(registry: SchemaRegistry, type: string, data: JsonValue): Promise<AdmittedEdit> {
  const definition = registry.find(type);
  if (definition?.personal !== undefined)
    throw new WrongState(
      `events of ${type} have personal fields, and what is given in their place cannot be sealed yet: the dead letter can be retried or discarded, but not edited; publish another event`,
    );
  const version = definition?.version;
  if (definition === undefined || definition.onInvalid === 'warn') return { data, version };
  const validation = await validate(definition, data);
  if (!validation.ok) throw dataInvalid(definition, validation.issues);
  return { data: JSON.parse(encodeJson(validation.data, 'data')) as JsonValue, version };
}

/**
 * The event in a quarantine report, if it fits the schema that its type has now: after a new schema, or an edit by an operator; and if its time
 * has come, as far as its clock is trusted.
 *
 * Errors    EventDataInvalid or InvalidEvent when it still does not.
 */
export async function releaseFromQuarantine(
  registry: SchemaRegistry,
  report: RecordedEvent,
  {
    clocks,
    nowMs,
    sealing,
  }: { readonly clocks: ClockTrust; readonly nowMs: number; readonly sealing: Sealing | undefined },
): Promise<EncodedEvent> {
  const event = quarantinedEvent(report);
  const ahead = clocks.issueOf(event, nowMs);
  if (ahead !== undefined)
    throw new InvalidEvent({
      attribute: 'time',
      expected: `a time that has come: ${ahead.message}; try it again later`,
      found: event.time,
    });
  const definition = registry.require(event.type);
  if (definition === undefined) return event;
  const data: unknown =
    event.data !== null && event.encoding === 'json' ? JSON.parse(event.data) : (event.data ?? undefined);
  const { upcasting } = definition;
  const isOlder = upcasting !== undefined && event.schemaVersion > 0 && event.schemaVersion < definition.version;
  const validation = isOlder
    ? { ok: true as const, data: upcasting.upcast(data, event.schemaVersion) }
    : await validate(definition, data);
  if (!validation.ok) throw dataInvalid(definition, validation.issues);
  const { personal } = definition;
  const released = {
    ...event,
    schemaVersion: definition.version,
    stream: definition.streamOf(validation.data) ?? event.stream,
    subject: event.subject ?? definition.subjectOf(validation.data) ?? definition.streamOf(validation.data),
    ...(event.encoding === 'json' ? { data: encodeJson(validation.data, 'data') } : {}),
  };
  if (personal === undefined) return released;
  const { draft } = await sealDraft(
    definition,
    personal,
    { draft: released, data: validation.data, issues: undefined },
    sealing,
  );
  return { ...released, data: draft.data };
}
