import { LimitExceeded } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EncodedEvent } from '../event/event.ts';

/** What one publish, one command, or the handling of one event, may record at most, and how many may wait (G10). */
export interface EventLimits {
  readonly batchEvents: number;
  /** Of the data of one event, and of what a refusal says. */
  readonly eventBytes: number;
  /** Commands that wait for others: for their turn on a stream, or for the first one of their id. */
  readonly waitingCommands: number;
}

export const DEFAULT_LIMITS: EventLimits = { batchEvents: 10_000, eventBytes: 1_048_576, waitingCommands: 20_000 };

/** Errors: LimitExceeded. */
export function assertSize({ id, data }: EncodedEvent, { eventBytes }: EventLimits): void {
  // UTF-8 needs at most three bytes for a unit of UTF-16: most events need no exact count.
  if (data === null || data.length * 3 <= eventBytes) return;
  const bytes = Buffer.byteLength(data);
  if (bytes > eventBytes) throw new LimitExceeded(`data of event ${describeValue(id)} in bytes`, eventBytes, bytes);
}

/** What a refusal says is kept as long as an event is. Errors: LimitExceeded. */
export function assertRefusalSize(command: string, text: string, { eventBytes }: EventLimits): void {
  const bytes = Buffer.byteLength(text);
  if (bytes > eventBytes)
    throw new LimitExceeded(`reason, message and details of the refusal of ${command} in bytes`, eventBytes, bytes);
}

/** Errors: LimitExceeded. */
export function assertCount(events: number, { batchEvents }: EventLimits): void {
  if (events > batchEvents) throw new LimitExceeded('events in a batch', batchEvents, events);
}
