import type { EncodedEvent, RecordedEvent, StoredEvent } from '../../event/event.ts';
import type { Position } from '../../event/position.ts';
import { recordedEvent } from '../../event/recorded-event.ts';

/** Somebody looked where an event is that has no place yet. */
export class Unplaced extends Error {}

/** An event before it is recorded, as readers will see it. Its place and its recorded time are the server's to give: who looks at them is refused. */
export function unplacedEvent(event: EncodedEvent, lookedAt: () => void): RecordedEvent {
  const look = (): never => {
    lookedAt();
    throw new Unplaced();
  };
  const stored: StoredEvent = {
    ...event,
    data: event.encoding === 'none' ? null : event.data,
    get position(): Position {
      return look();
    },
    get version(): number {
      return look();
    },
    get recordedMs(): number {
      return look();
    },
  };
  return recordedEvent(Object.freeze(stored));
}
