import type { EncodedEvent } from './event.ts';

/** What an event keeps in whatever form it is read: all but its data and what tells how to read that. Own properties. */
export class EventHead implements Omit<EncodedEvent, 'attributes' | 'data' | 'encoding' | 'schemaVersion'> {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly stream: string;
  readonly subject: string | undefined;
  readonly time: string;
  readonly correlationid: string;
  readonly causationid: string | undefined;

  constructor(event: EncodedEvent) {
    this.id = event.id;
    this.source = event.source;
    this.type = event.type;
    this.stream = event.stream;
    this.subject = event.subject;
    this.time = event.time;
    this.correlationid = event.correlationid;
    this.causationid = event.causationid;
  }
}
