import { completeEvent } from '../event/create-event.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { SYSTEM_CATEGORY } from '../event/stream-name.ts';
import { SYSTEM_EVENTS, SYSTEM_SOURCE, assertNotReserved, systemEvent } from '../event/system-events.ts';
import type { Environment } from '../system/environment.ts';
import { deterministicId } from '../system/ids.ts';
import type { ClockTrust } from './clock-trust.ts';
import type { Encoded } from './encode.ts';
import type { InvalidDataPolicy } from '../event/define-event.ts';

/** What gets recorded for a publication: the event itself, or its quarantine; and a report where its data does not fit. */
export interface Admission {
  readonly events: readonly EncodedEvent[];
  readonly quarantined: boolean;
  /** The event that was to be published, which a quarantine holds. */
  readonly event: EncodedEvent;
}

/** Turns encoded data into the events to record, by the policy of its type. */
export function admit(
  encoded: Encoded,
  policy: InvalidDataPolicy,
  environment: Environment,
  clocks?: ClockTrust,
): Admission {
  const event = completeEvent(encoded.draft, environment);
  assertNotReserved(event);
  // What is said to happen in the future would make everybody else's events late.
  const ahead = clocks?.issueOf(event, environment.clock.now());
  if (ahead !== undefined) {
    const issues = [...(encoded.issues ?? []), ahead].map(({ path, message }) => ({ path, message }));
    return { events: [quarantineReport(event, issues, environment)], quarantined: true, event };
  }
  if (encoded.issues === undefined) return { events: [event], quarantined: false, event };
  const issues = encoded.issues.map(({ path, message }) => ({ path, message }));
  if (policy === 'quarantine')
    return { events: [quarantineReport(event, issues, environment)], quarantined: true, event };
  const mismatch = systemEvent(environment, {
    type: SYSTEM_EVENTS.dataMismatched,
    about: 'schemas',
    data: { source: event.source, id: event.id, type: event.type, schemaVersion: event.schemaVersion, issues },
    cause: encoded.draft.cause,
    // The same event told again is the same report.
    id: deterministicId([SYSTEM_EVENTS.dataMismatched, event.source, event.id]),
  });
  return { events: [event, mismatch], quarantined: false, event };
}

/**
 * Holds a whole event. What differs each time an event is told (its time, its trace) are attributes of the report, so that the
 * same event quarantined again is the same report (G2).
 */
function quarantineReport(event: EncodedEvent, issues: JsonValue, environment: Environment): EncodedEvent {
  const { time, correlationid, causationid, attributes = {}, ...rest } = event;
  const { traceparent, tracestate, causationdepth, ...others } = attributes;
  return completeEvent(
    {
      id: deterministicId([SYSTEM_EVENTS.eventQuarantined, event.source, event.id]),
      source: SYSTEM_SOURCE,
      type: SYSTEM_EVENTS.eventQuarantined,
      schemaVersion: 0,
      stream: `${SYSTEM_CATEGORY}-quarantine`,
      time,
      correlationid,
      causationid,
      attributes: {
        ...(traceparent === undefined ? {} : { traceparent }),
        ...(tracestate === undefined ? {} : { tracestate }),
        ...(causationdepth === undefined ? {} : { causationdepth }),
      },
      encoding: 'json',
      data: JSON.stringify({ issues, event: { ...rest, attributes: others } }),
    },
    environment,
  );
}

/** The event that a quarantine report holds. */
export function quarantinedEvent(report: RecordedEvent): EncodedEvent {
  const { event } = report.data as { event: Omit<EncodedEvent, 'time' | 'correlationid' | 'causationid'> };
  const { traceparent, tracestate, causationdepth } = report.stored.attributes ?? {};
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    schemaVersion: event.schemaVersion,
    stream: event.stream,
    subject: event.subject,
    time: report.time,
    correlationid: report.correlationid,
    causationid: report.causationid,
    encoding: event.encoding,
    data: event.data,
    attributes: {
      ...event.attributes,
      ...(traceparent === undefined ? {} : { traceparent }),
      ...(tracestate === undefined ? {} : { tracestate }),
      ...(causationdepth === undefined ? {} : { causationdepth }),
    },
  };
}
