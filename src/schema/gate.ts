import { completeEvent } from '../event/create-event.ts';
import type { EncodedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { SYSTEM_EVENTS, systemEvent } from '../event/system-events.ts';
import type { Environment } from '../system/environment.ts';
import { deterministicId } from '../system/ids.ts';
import type { Encoded } from './encode.ts';
import type { InvalidDataPolicy } from '../event/define-event.ts';

/** What gets recorded for a publication: the event itself, or its quarantine; and a report where its data does not fit. */
export interface Admission {
  readonly events: readonly EncodedEvent[];
  readonly quarantined: boolean;
}

/** Turns encoded data into the events to record, by the policy of its type. */
export function admit(encoded: Encoded, policy: InvalidDataPolicy, environment: Environment): Admission {
  const event = completeEvent(encoded.draft, environment);
  if (encoded.issues === undefined) return { events: [event], quarantined: false };
  const issues = encoded.issues.map(({ path, message }) => ({ path, message }));
  const report = (type: typeof SYSTEM_EVENTS.eventQuarantined | typeof SYSTEM_EVENTS.dataMismatched, data: JsonValue) =>
    systemEvent(environment, {
      type,
      about: type === SYSTEM_EVENTS.eventQuarantined ? 'quarantine' : 'schemas',
      data,
      cause: encoded.draft.cause,
      // The same event quarantined again is the same report.
      id: deterministicId(type, event.source, event.id),
    });
  if (policy === 'quarantine') {
    return { events: [report(SYSTEM_EVENTS.eventQuarantined, { issues, event: asJson(event) })], quarantined: true };
  }
  const mismatch = report(SYSTEM_EVENTS.dataMismatched, {
    source: event.source,
    id: event.id,
    type: event.type,
    schemaVersion: event.schemaVersion,
    issues,
  });
  return { events: [event, mismatch], quarantined: false };
}

/** An encoded event as JSON that `quarantinedEvent` turns back. */
function asJson(event: EncodedEvent): JsonValue {
  return JSON.parse(JSON.stringify(event)) as JsonValue;
}

/** The event that a quarantine report holds. */
export function quarantinedEvent(data: unknown): EncodedEvent {
  const { event } = data as { event: EncodedEvent };
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    schemaVersion: event.schemaVersion,
    stream: event.stream,
    subject: event.subject,
    time: event.time,
    correlationid: event.correlationid,
    causationid: event.causationid,
    encoding: event.encoding,
    data: event.data,
    attributes: event.attributes,
  };
}
