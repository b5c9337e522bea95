import { InvalidInput } from '../errors.ts';
import type { Position } from '../event/position.ts';
import { position } from '../event/position.ts';
import type { Pause } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-loop.ts';
import type { Reaction } from './reaction.ts';

/** Where a replay begins. */
export type ReplayFrom = 'beginning' | { readonly position: Position } | { readonly time: string | Date };

/** Errors: InvalidInput says what of it is no place in the log. */
export function assertFrom(from: unknown): asserts from is ReplayFrom {
  if (from === 'beginning') return;
  const given = typeof from === 'object' && from !== null ? (from as { position?: unknown; time?: unknown }) : {};
  if (given.position !== undefined) {
    if (typeof given.position === 'number' && Number.isSafeInteger(given.position) && given.position >= 0) return;
    throw new InvalidInput({ path: 'from.position', expected: 'a whole number from 0', found: given.position });
  }
  if (given.time !== undefined) {
    const isTime = typeof given.time === 'string' || given.time instanceof Date;
    if (isTime && !Number.isNaN(new Date(given.time as string | Date).getTime())) return;
    throw new InvalidInput({ path: 'from.time', expected: 'an RFC 3339 timestamp or a Date', found: given.time });
  }
  throw new InvalidInput({ path: 'from', expected: "'beginning', { position } or { time }", found: from });
}

/** A replay that was begun: rows, deliveries and checkpoint change in several writes, which may have happened in part. */
export interface BegunReplay {
  readonly place: Position;
  /** Why the consumer was paused before; it will be again. */
  readonly pausedBefore: string | undefined;
}

const MARK = /^replay from (\d+) under way(?:; paused before: (.*))?$/s;

/**
 * A begun replay as the reason of a pause. It is written down before the replay changes anything: a process that dies in the middle
 * leaves a paused consumer, and the next one carries the replay out from its beginning.
 */
export function replayMark({ place, pausedBefore }: BegunReplay): string {
  return `replay from ${place} under way${pausedBefore === undefined ? '' : `; paused before: ${pausedBefore}`}`;
}

export function begunReplay(paused: Pause | undefined): BegunReplay | undefined {
  const match = MARK.exec(paused?.reason ?? '');
  return match === null ? undefined : { place: position(Number(match[1])), pausedBefore: match[2] };
}

/** A reason that an operator gives must not read like a replay that was begun. */
export function pauseReason(reason: string): string {
  return MARK.test(reason) ? `paused: ${reason}` : reason;
}

/** Forgets what the consumer has made of the events above a place. May be repeated. */
export async function forgetAbove(reaction: Reaction, place: Position, stores: ConsumerStores): Promise<void> {
  const { rows, deliveries, unitOfWork } = stores;
  if (reaction.state !== undefined) await rows.clear(reaction.state.namespace);
  for (;;) {
    const page = await deliveries.list({
      consumer: reaction.name,
      after: { consumer: reaction.name, position: place },
      limit: 1_000,
    });
    if (page.length === 0) return;
    const remove = page.map((delivery) => delivery.position);
    await unitOfWork.commit({
      consumer: reaction.name,
      checkpoint: undefined,
      appends: [],
      rows: [],
      deliveries: { put: [], remove },
    });
  }
}
