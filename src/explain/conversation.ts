import type { EventLog } from '../channel/event-log.ts';
import type { RecordedEvent } from '../event/event.ts';
import { sumOfBytes } from '../event/event-size.ts';
import type { Position } from '../event/position.ts';

const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;
/** Larger ones are told in part. */
const MAX_EVENTS = 2_000;
const MAX_BYTES = 16 * 1_024 * 1_024;

/** The events of a business conversation after a place, in the order of the log. `isWhole`: there are no others. */
export async function conversationOf(
  log: EventLog,
  correlationid: string,
  from: Position,
): Promise<{ readonly events: readonly RecordedEvent[]; readonly isWhole: boolean }> {
  const events: RecordedEvent[] = [];
  let bytes = 0;
  for (let after = from; ;) {
    const page = await log.read({ correlationid, after, limit: PAGE, maxBytes: PAGE_BYTES });
    events.push(...page);
    bytes += sumOfBytes(page);
    const last = page.at(-1);
    if (last === undefined) return { events, isWhole: true };
    if (events.length >= MAX_EVENTS || bytes >= MAX_BYTES)
      return { events: events.slice(0, MAX_EVENTS), isWhole: false };
    after = last.position;
  }
}
