import { compileSelection } from '../channel/selection.ts';
import { quarantinedEvent } from '../schema/gate.ts';
import { encodeJson } from '../event/json.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import { dataInvalid, validate } from '../schema/registry.ts';
import type { SchemaRegistry } from '../schema/registry.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';

/** The name under which quarantined events wait as dead letters. */
export const QUARANTINE = 'thereupon.quarantine';

export const quarantineSelection = compileSelection({ types: [SYSTEM_EVENTS.eventQuarantined] });

/**
 * The event in a quarantine report, if it fits the schema that its type has now: after a new schema, or an edit by an operator.
 *
 * Errors    EventDataInvalid when it still does not.
 */
export async function releaseFromQuarantine(registry: SchemaRegistry, report: RecordedEvent): Promise<EncodedEvent> {
  const event = quarantinedEvent(report);
  const definition = registry.require(event.type);
  if (definition === undefined) return event;
  const data: unknown =
    event.data !== null && event.encoding === 'json' ? JSON.parse(event.data) : (event.data ?? undefined);
  const validation = await validate(definition, data);
  if (!validation.ok) throw dataInvalid(definition, validation.issues);
  return {
    ...event,
    schemaVersion: definition.version,
    stream: definition.streamOf(validation.data) ?? event.stream,
    subject: event.subject ?? definition.subjectOf(validation.data),
    ...(event.encoding === 'json' ? { data: encodeJson(validation.data, 'data') } : {}),
  };
}
