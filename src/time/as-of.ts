import { InvalidInput } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import { timestampMs } from '../event/timestamp.ts';
import { assertKnown } from '../system/known-options.ts';

/** A point of history. At most one of the three; none: now. */
export interface AsOf {
  /** After this version of the stream. Not of what several streams make. */
  readonly version?: number;
  /** After this place in the log. */
  readonly position?: number;
  /**
   * At this instant, what happens then included: RFC 3339, a date, or a Date. By whole milliseconds, as events are compared: finer digits are cut
   * off, of both, so that everything of the same millisecond is included.
   */
  readonly at?: string | Date;
  /** What `at` means: what had happened by then (`event`, the default), or what was recorded by then. */
  readonly by?: 'event' | 'recorded';
}

/** Which events are before a point, of a sequence in the order of the log. */
export interface Span {
  has(event: RecordedEvent): boolean;
  /** Neither it nor any later one is one of them. */
  isPast(event: RecordedEvent): boolean;
  /** Whether all events of a stream up to a version are among them, by what is known of those. */
  hasAll(of: { readonly version: number; readonly reach?: Reached }): boolean;
}

/** Of events: where the last one is, when that was recorded, and the latest time that one of them tells; undefined: it is not known. */
export interface Reached {
  readonly position: number;
  readonly recordedMs: number;
  readonly eventMs?: number;
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** Which events are before a point. Undefined: all. Errors: InvalidInput. */
export function spanOf(asOf: AsOf): Span | undefined {
  assertKnown('as of', asOf, ['version', 'position', 'at', 'by']);
  const { version, position, at, by } = asOf;
  const given = [version, position, at].filter((each) => each !== undefined);
  if (given.length > 1)
    throw new InvalidInput({ path: 'as of', expected: 'one of version, position and at', found: asOf });
  if (by !== undefined && by !== 'event' && by !== 'recorded')
    throw new InvalidInput({ path: 'by', expected: "'event' or 'recorded'", found: by });
  if (version !== undefined) {
    assertPlace('version', version);
    return upTo(
      (event) => event.version > version,
      (of) => of.version <= version,
    );
  }
  if (position !== undefined) {
    assertPlace('position', position);
    return upTo(
      (event) => event.position > position,
      ({ reach }) => reach !== undefined && reach.position <= position,
    );
  }
  if (at === undefined) return undefined;
  const atMs = instantMs(at);
  if (by === 'recorded')
    return upTo(
      (event) => event.recordedMs > atMs,
      ({ reach }) => reach !== undefined && reach.recordedMs <= atMs,
    );
  // Any event may tell of an earlier time than the one before it.
  return {
    has: (event) => eventMs(event) <= atMs,
    isPast: () => false,
    hasAll: ({ reach }) => reach?.eventMs !== undefined && reach.eventMs <= atMs,
  };
}

/** Errors: InvalidInput for a place that the log has not come to. */
export async function assertReached({ position }: AsOf, log: { head(): Promise<number> }): Promise<void> {
  if (position === undefined) return;
  const head = await log.head();
  if (position > head)
    throw new InvalidInput({
      path: 'position',
      expected: `a place in the log, which ends at ${head}`,
      found: position,
    });
}

/** Of an instant the last millisecond that it names: a date is the whole day, in UTC. Errors: InvalidInput. */
export function instantMs(at: string | Date): number {
  if (at instanceof Date) {
    if (!Number.isNaN(at.getTime())) return at.getTime();
  } else if (typeof at === 'string') {
    const ms = DATE.test(at) ? timestampMs(`${at}T23:59:59.999Z`) : timestampMs(at);
    if (ms !== undefined) return ms;
  }
  throw new InvalidInput({
    path: 'at',
    expected: 'an RFC 3339 timestamp with an offset (2026-11-23T08:17:00Z), or a date (2026-11-23, its end in UTC)',
    found: at,
  });
}

/** When it happened. */
export function eventMs(event: RecordedEvent): number {
  return timestampMs(event.time) ?? event.recordedMs;
}

function upTo(isPast: Span['isPast'], hasAll: Span['hasAll']): Span {
  return { has: () => true, isPast, hasAll };
}

function assertPlace(path: string, place: number): void {
  if (!Number.isSafeInteger(place) || place < 0)
    throw new InvalidInput({ path, expected: 'a whole number from 0', found: place });
}
