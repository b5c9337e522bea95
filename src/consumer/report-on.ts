import { causeOf } from '../event/create-event.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { systemEvent } from '../event/system-events.ts';
import type { SystemEventType } from '../event/system-events.ts';
import type { Environment } from '../system/environment.ts';
import type { FailedPart } from './delivery-store.ts';
import type { Reaction } from './reaction.ts';

/** What the system reports of a reaction and an event. `id`: where it is to be told once, however often the event is handled. */
export function reportOn(
  { environment, reaction }: { readonly environment: Environment; readonly reaction: Pick<Reaction, 'name'> },
  type: SystemEventType,
  event: RecordedEvent,
  data: Readonly<Record<string, JsonValue>>,
  id?: string,
): EncodedEvent {
  return systemEvent(environment, {
    type,
    about: reaction.name,
    data: {
      consumer: reaction.name,
      position: event.position,
      source: event.source,
      id: event.id,
      type: event.type,
      ...data,
    },
    cause: causeOf(event),
    ...(id === undefined ? {} : { id }),
  });
}

/** What is said of a part that failed in reports of its dead letter. */
export function partReported(part: FailedPart | undefined): Readonly<Record<string, JsonValue>> {
  if (part === undefined) return {};
  return { part: part.what, ...(part.position === undefined ? {} : { partPosition: part.position }) };
}
