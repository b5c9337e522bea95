import type { EventLog } from '../channel/event-log.ts';
import { InvalidInput } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';

/** Where a replay begins. */
export type ReplayFrom = 'beginning' | { readonly position: Position } | { readonly time: string | Date };

/**
 * The position after which a replay begins.
 *
 * Errors    InvalidInput when it is no place in a log; as of the log.
 */
export async function placeOf(from: ReplayFrom, log: Pick<EventLog, 'positionBefore'>): Promise<Position> {
  assertFrom(from);
  if (from === 'beginning') return START;
  if ('position' in from) return from.position;
  return log.positionBefore(new Date(from.time).getTime());
}

/** Errors: InvalidInput says what of it is no place in the log. */
export function assertFrom(
  from: unknown,
  expected = "'beginning', { position: 42 } or { time: '2026-01-01' }",
  path = 'from',
): asserts from is ReplayFrom {
  if (from === 'beginning') return;
  const given = typeof from === 'object' && from !== null ? (from as { position?: unknown; time?: unknown }) : {};
  if (given.position !== undefined) {
    if (typeof given.position === 'number' && Number.isSafeInteger(given.position) && given.position >= 0) return;
    throw new InvalidInput({ path: `${path}.position`, expected: 'a whole number from 0', found: given.position });
  }
  if (given.time !== undefined) {
    const isTime = typeof given.time === 'string' || given.time instanceof Date;
    if (isTime && !Number.isNaN(new Date(given.time as string | Date).getTime())) return;
    throw new InvalidInput({ path: `${path}.time`, expected: 'an RFC 3339 timestamp or a Date', found: given.time });
  }
  throw new InvalidInput({ path, expected, found: from });
}

/** Errors: InvalidInput for a time that is still to come: nothing would be left of what was recorded. */
export function assertPast(from: ReplayFrom, nowMs: number, path = 'from.time'): void {
  if (from === 'beginning' || !('time' in from) || new Date(from.time).getTime() <= nowMs) return;
  const expected = `a time that has come: it is ${new Date(nowMs).toISOString()} now`;
  throw new InvalidInput({ path, expected, found: from.time });
}

/** Errors: InvalidInput for a place that the log has not reached. */
export function assertReached(place: Position, head: Position, path = 'from.position'): void {
  if (place > head) throw new InvalidInput({ path, expected: `a position up to the head, ${head}`, found: place });
}
