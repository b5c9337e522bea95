import type { EventLog } from '../channel/event-log.ts';
import type { RecordedEvent } from '../event/event.ts';
import { encodeJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { OPENING } from '../event/opening.ts';
import type { Opening } from '../event/opening.ts';
import { justBefore } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { withDataOf } from '../event/upcast-event.ts';
import type { Delivery } from './delivery-store.ts';
import type { Work } from './key-queues.ts';

/** What a consumer does with the deliveries that it has set aside. One form for ordered consumers, one for queues. */
export interface Aside {
  /** Reads what the store knows. Called once, before the first event is taken. */
  load(): Promise<void>;
  /** Sets the work aside at once when it may not run now. Throws, with nothing changed, what the user's own functions throw. */
  intercept(work: Work): boolean;
  /** An attempt failed; `delivery` stands for the event now. */
  failed(work: Work, delivery: Delivery): void;
  /** An operator changed stored deliveries of the key; `removed` of them are gone. */
  changed(key: string, removed: number): void;
  /** Why nothing more can be set aside, and so no event be taken; undefined: it can. */
  readonly full: string | undefined;
  /** Something is being done about deliveries right now; those that only wait for their time do not count. */
  readonly busy: boolean;
  /** Deliveries wait that time alone brings on. */
  readonly timed: boolean;
  stop(): void;
}

/** Undefined: it is no longer in the log. */
export async function eventAt(log: EventLog, position: Position): Promise<RecordedEvent | undefined> {
  const [event] = await log.read({ after: justBefore(position), limit: 1 });
  return event?.position === position ? event : undefined;
}

/** The event, with other data, of a schema version; default: that in which the event is stored. */
export function withData(
  event: RecordedEvent,
  data: JsonValue,
  of: { readonly version: number | undefined; readonly opening: Opening | undefined },
): RecordedEvent {
  return withDataOf(event, encodeJson(data, 'data'), of);
}

/** The event that a delivery points to, with the operator's data where it was edited. Undefined when it is no longer in the log. */
export async function eventOf(log: EventLog, delivery: Delivery): Promise<RecordedEvent | undefined> {
  const event = await eventAt(log, delivery.position);
  if (event === undefined) return undefined;
  const { data, dataVersion: version, [OPENING]: opening } = delivery.edited ?? {};
  return data === undefined ? event : withData(event, data, { version, opening });
}
