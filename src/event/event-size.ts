import type { EncodedEvent, RecordedEvent } from './event.ts';
import { storedText } from './upcast-event.ts';

/** Attributes are about 400 bytes in memory. */
const ATTRIBUTE_BYTES = 400;

/** What an event takes in memory, roughly: for limits (G10). Parsed data, where somebody asks for it, comes on top. */
export function roughBytes(event: RecordedEvent): number {
  return bytesOf(storedText(event));
}

/** As `roughBytes`, before the event is recorded. */
export function encodedBytes({ data }: EncodedEvent): number {
  return bytesOf(data);
}

function bytesOf(data: string | null): number {
  return ATTRIBUTE_BYTES + 2 * (data?.length ?? 0);
}

export function sumOfBytes(events: readonly RecordedEvent[]): number {
  let bytes = 0;
  for (const event of events) bytes += roughBytes(event);
  return bytes;
}

/** The beginning of a page: ends with the event that reaches `maxBytes`, so that it holds at least one. */
export function withinBytes(events: readonly RecordedEvent[], maxBytes: number): readonly RecordedEvent[] {
  let bytes = 0;
  for (const [index, event] of events.entries()) {
    bytes += roughBytes(event);
    if (bytes >= maxBytes) return events.slice(0, index + 1);
  }
  return events;
}
