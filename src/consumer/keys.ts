import type { RecordedEvent } from '../event/event.ts';
import type { LaneKey } from './lanes.ts';

/** The default ordering key: `partitionkey` where the event has one, else its stream. */
export function orderingKey(event: RecordedEvent): string {
  return event.partitionkey ?? event.stream;
}

/** In a queue every event is a key of its own. */
export function queueKey(event: RecordedEvent): string {
  return `#${event.position}`;
}

/** By which key a store can find the events of lanes; undefined: only the program knows the keys. */
export function laneKeyOf(keyOf: (event: RecordedEvent) => string): LaneKey | undefined {
  if (keyOf === orderingKey) return 'ordering-key';
  return keyOf === queueKey ? 'position' : undefined;
}
