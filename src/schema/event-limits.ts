import { LimitExceeded, describeValue } from '../errors.ts';
import type { EncodedEvent } from '../event/event.ts';

/** What one publish, or the handling of one event, may record at most (G10). */
export interface EventLimits {
  readonly batchEvents: number;
  /** Of the data of one event. */
  readonly eventBytes: number;
}

export const DEFAULT_LIMITS: EventLimits = { batchEvents: 10_000, eventBytes: 1_048_576 };

/** Errors: LimitExceeded. */
export function assertSize({ id, data }: EncodedEvent, { eventBytes }: EventLimits): void {
  // UTF-8 needs at most three bytes for a unit of UTF-16: most events need no exact count.
  if (data === null || data.length * 3 <= eventBytes) return;
  const bytes = Buffer.byteLength(data);
  if (bytes > eventBytes) throw new LimitExceeded(`data of event ${describeValue(id)} in bytes`, eventBytes, bytes);
}

/** Errors: LimitExceeded. */
export function assertCount(events: number, { batchEvents }: EventLimits): void {
  if (events > batchEvents) throw new LimitExceeded('events in a batch', batchEvents, events);
}
