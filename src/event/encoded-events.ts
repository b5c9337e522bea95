import type { EncodedEvent } from './event.ts';

/** Encoded events as text, for where they wait until the log takes them. */
export function textOfEvents(events: readonly EncodedEvent[]): string {
  return JSON.stringify(events);
}

/** JSON leaves out members that are undefined; the type has them. */
export function eventsOfText(text: string): readonly EncodedEvent[] {
  return (JSON.parse(text) as EncodedEvent[]).map((event) => ({
    ...event,
    subject: event.subject,
    causationid: event.causationid,
    attributes: event.attributes,
  }));
}
