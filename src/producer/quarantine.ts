import { compileSelection } from '../channel/selection.ts';
import { InvalidEvent, WrongState } from '../errors.ts';
import { quarantinedEvent } from '../schema/gate.ts';
import { encodeJson } from '../event/json.ts';
import type { EventDraft } from '../event/create-event.ts';
import type { JsonValue } from '../event/json.ts';
import { OPENING } from '../event/opening.ts';
import type { Opening } from '../event/opening.ts';
import type { PersonalFields } from '../event/personal-fields.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import { asStored } from '../event/upcast-event.ts';
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

/** What edits go through, as publications do. */
export interface EditGate {
  readonly registry: SchemaRegistry;
  readonly sealing: Sealing | undefined;
}

/** What an operator gives in place of an event's data, as it is stored, and the schema version that it is of; undefined: that of the event. */
interface AdmittedEdit {
  readonly data: JsonValue;
  readonly version: number | undefined;
  readonly opening?: Opening | undefined;
}

/**
 * The report as if the event had said what an operator says in its place.
 *
 * Errors    As of `admitEdit`.
 */
export async function editQuarantined(gate: EditGate, report: RecordedEvent, data: JsonValue): Promise<AdmittedEdit> {
  const { event, ...rest } = report.data as { readonly event: { readonly type: string; [member: string]: JsonValue } };
  const shown = shownFromQuarantine(report);
  const admitted = await admit(gate, { event: shown, isErased: isErased(report) }, data);
  const ofVersion = admitted.version === undefined ? {} : { schemaVersion: admitted.version };
  const edited = { ...event, ...ofVersion, encoding: 'json', data: encodeJson(admitted.data, 'data') };
  return { data: { ...rest, event: edited }, version: undefined, opening: admitted.opening };
}

/**
 * Data that an operator gives in place of an event's, through the same gate.
 *
 * Guarantee Sealed as a publication is, with a key of whom the event is about.
 * Errors    EventDataInvalid; WrongState where it is about somebody else, or that one was forgotten.
 */
export function admitEdit(gate: EditGate, event: RecordedEvent, data: JsonValue): Promise<AdmittedEdit> {
  return admit(gate, { event, isErased: isErased(event) }, data);
}

async function admit(
  { registry, sealing }: EditGate,
  edited: { readonly event: RecordedEvent; readonly isErased: boolean },
  data: JsonValue,
): Promise<AdmittedEdit> {
  const { type } = edited.event;
  const definition = registry.find(type);
  if (definition === undefined && sealing?.types.has(type) === true)
    throw new WrongState(
      `events of ${type} have personal fields, and the program does not define it, so that nobody can seal what is given in their place: define it, or retry or discard the dead letter`,
    );
  const version = definition?.version;
  if (definition === undefined || definition.onInvalid === 'warn') return { data, version };
  const validation = await validate(definition, data);
  if (!validation.ok) throw dataInvalid(definition, validation.issues);
  const { personal } = definition;
  if (personal === undefined) return { data: JSON.parse(encodeJson(validation.data, 'data')) as JsonValue, version };
  assertSamePerson(personal, edited, validation.data);
  const { stored } = asStored(edited.event);
  const draft: EventDraft = { ...stored, cause: undefined, encoding: 'json', data: null };
  const sealed = await sealDraft(definition, personal, { draft, data: validation.data, issues: undefined }, sealing);
  return { data: JSON.parse(sealed.draft.data ?? 'null') as JsonValue, version, opening: sealed.draft[OPENING] };
}

/** What nobody can read any more is not to be said again of them. Errors: WrongState. */
function assertSamePerson(
  personal: PersonalFields,
  { event, isErased: wasForgotten }: { readonly event: RecordedEvent; readonly isErased: boolean },
  data: unknown,
): void {
  const said = personal.subjectOf(data);
  const of = subjectOf(personal, event);
  const instead = 'it can be retried or discarded, but not edited';
  if (of === undefined) throw new WrongState(`event ${event.id} does not say whose it is: ${instead}`);
  if (wasForgotten) throw new WrongState(`event ${event.id} is about ${of}, who was forgotten: ${instead}`);
  if (of !== said)
    throw new WrongState(
      `event ${event.id} is about ${of}, and the data in its place about ${said}: give data about the same one, or discard it and publish another event`,
    );
}

/** As it is read, or as it was recorded where it cannot be brought to the present version. */
function subjectOf(personal: PersonalFields, event: RecordedEvent): string | undefined {
  for (const each of [event, asStored(event)])
    try {
      return personal.subjectOf(each.data);
    } catch {
      continue;
    }
  return undefined;
}

function isErased(event: RecordedEvent): boolean {
  const { stored } = asStored(event);
  return stored[OPENING]?.isErased(stored) ?? false;
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
