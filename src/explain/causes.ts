import type { EventLog } from '../channel/event-log.ts';
import type { RecordedCommand } from '../channel/append-conditions.ts';
import type { RecordedEvent } from '../event/event.ts';
import { conversationOf } from './conversation.ts';
import { causeOfCommand, commandLink, eventLink } from './links.ts';
import type { CauseLink, EffectLink, PublisherOf, RowsOf } from './links.ts';

/** No chain of reactions is that long (G12). */
const MAX_LINKS = 1_000;

/** What led to an event, from what did so directly to where it began. */
export async function causesOf(
  log: EventLog,
  event: RecordedEvent,
  publisherOf: PublisherOf,
): Promise<readonly CauseLink[]> {
  return chainFrom(log, { next: event.causationid, before: event.position }, publisherOf, new Set([event.id]));
}

/** What led to a command: nothing, where no reaction executed it. */
export async function causesOfCommand(
  log: EventLog,
  command: RecordedCommand,
  publisherOf: PublisherOf,
): Promise<readonly CauseLink[]> {
  // One without facts has no place.
  const before = command.events === 0 ? Number.POSITIVE_INFINITY : command.position;
  return chainFrom(log, { next: causeOfCommand(command), before }, publisherOf, new Set([command.id]));
}

async function chainFrom(
  log: EventLog,
  { next, before }: { next: string | undefined; before: number },
  publisherOf: PublisherOf,
  seen: Set<string>,
): Promise<readonly CauseLink[]> {
  const links: CauseLink[] = [];
  while (next !== undefined && !seen.has(next) && links.length < MAX_LINKS) {
    seen.add(next);
    const cause = await causeBefore(log, next, before);
    if (cause !== undefined) {
      links.push(eventLink(cause, publisherOf));
      before = cause.position;
      next = cause.causationid;
      continue;
    }
    const command = await log.findCommand(next);
    if (command === undefined) return [...links, { kind: 'unknown', id: next }];
    links.push(commandLink(command));
    next = causeOfCommand(command);
  }
  return links;
}

/** Of several events with one id, of different sources, the last one before. */
async function causeBefore(log: EventLog, id: string, before: number): Promise<RecordedEvent | undefined> {
  return (await log.findById(id)).findLast(({ position }) => position < before);
}

/** A link that grows. */
type Growing = EffectLink & { readonly effects: EffectLink[] };

/** What an event led to, as a tree: rows, commands and events; of its conversation, as far as that is told. */
export async function effectsOf(
  log: EventLog,
  event: RecordedEvent,
  { publisherOf, rowsOf }: { readonly publisherOf: PublisherOf; readonly rowsOf: RowsOf },
): Promise<{ readonly effects: readonly EffectLink[]; readonly isWhole: boolean }> {
  const { events, isWhole } = await conversationOf(log, event.correlationid, event.position);
  const growing = (of: RecordedEvent): Growing => ({
    ...eventLink(of, publisherOf),
    effects: rowsOf(of).map((row) => ({ ...row, effects: [] })),
  });
  const root = growing(event);
  const byId = new Map<string, Growing>([[event.id, root]]);
  const commands = new Set<string>();
  for (const each of events) {
    const { causationid } = each;
    if (causationid === undefined) continue;
    // The facts of a command that a reaction executed name it, and it names the event.
    if (!byId.has(causationid) && !commands.has(causationid)) {
      commands.add(causationid);
      const command = await log.findCommand(causationid);
      const parent = command === undefined ? undefined : byId.get(causeOfCommand(command) ?? '');
      if (command !== undefined && parent !== undefined) {
        const link: Growing = { ...commandLink(command), effects: [] };
        parent.effects.push(link);
        byId.set(causationid, link);
      }
    }
    const parent = byId.get(causationid);
    if (parent === undefined) continue;
    const link = growing(each);
    parent.effects.push(link);
    if (!byId.has(each.id)) byId.set(each.id, link);
  }
  return { effects: root.effects, isWhole };
}
