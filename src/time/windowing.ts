import { InvalidInput } from '../errors.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown } from '../system/known-options.ts';

/** A span of event time, from `startMs` up to, but not including, `endMs`: its end belongs to the next one. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** How event time is cut into windows. Tumbling and hopping windows are aligned to 1970-01-01T00:00:00Z and the offset. */
export type Windowing =
  | { readonly kind: 'hopping'; readonly sizeMs: number; readonly everyMs: number; readonly offsetMs: number }
  | { readonly kind: 'session'; readonly gapMs: number }
  | { readonly kind: 'count'; readonly size: number };

/** What the functions here have made: what is made by hand has not been checked. */
const made = new WeakSet<object>();

/** Whether it is what `tumbling`, `hopping`, `session` or `byCount` gave. */
export function isWindowing(given: unknown): given is Windowing {
  return typeof given === 'object' && given !== null && made.has(given);
}

function checked(windowing: Windowing): Windowing {
  made.add(windowing);
  return windowing;
}

/** Windows that an event is in, at most. */
const MAX_OVERLAP = 10_000;

/** Windows of one size, one after another: each event is in one. */
export function tumbling(size: Duration, options: { readonly offset?: Duration } = {}): Windowing {
  assertOptional('tumbling', options);
  assertKnown('tumbling', options, ['offset']);
  return overlapping('tumbling', size, { every: size, ...options });
}

/** Windows of one size that begin every so often: each event is in as many as overlap at its time. */
export function hopping(size: Duration, options: { readonly every: Duration; readonly offset?: Duration }): Windowing {
  assertOptional('hopping', options);
  assertKnown('hopping', options, ['every', 'offset']);
  return overlapping('hopping', size, options);
}

function overlapping(
  of: 'hopping' | 'tumbling',
  size: Duration,
  { every, offset = 0 }: { readonly every: Duration; readonly offset?: Duration },
): Windowing {
  const sizeMs = wholeMs(size, `${of}: size`);
  const everyMs = wholeMs(every, `${of}: every`);
  const offsetMs = durationMs(offset, `${of}: offset`);
  if (everyMs > sizeMs)
    throw new InvalidInput({
      path: `${of}: every`,
      expected: 'no more than the size, or events would be in no window',
      found: every,
    });
  if (sizeMs / everyMs > MAX_OVERLAP)
    throw new InvalidInput({
      path: `${of}: every`,
      expected: `at least a ${MAX_OVERLAP}th of the size: each event is in as many windows`,
      found: every,
    });
  if (!Number.isSafeInteger(offsetMs))
    throw new InvalidInput({ path: `${of}: offset`, expected: 'whole milliseconds', found: offset });
  return checked({ kind: 'hopping', sizeMs, everyMs, offsetMs: offsetMs % everyMs });
}

/** A window for each run of events of which none is as far as the gap from the next. A late event may join two into one. */
export function session(gap: Duration): Windowing {
  return checked({ kind: 'session', gapMs: wholeMs(gap, 'session: gap') });
}

/** A window for each so many events of a key, in the order in which they come. It spans the times of these events. */
export function byCount(size: number): Windowing {
  if (!Number.isSafeInteger(size) || size < 1)
    throw new InvalidInput({ path: 'byCount: size', expected: 'a whole number from 1', found: size });
  return checked({ kind: 'count', size });
}

/** Starts of the windows that an event is in, ascending. */
export function startsOf({ sizeMs, everyMs, offsetMs }: Windowing & { kind: 'hopping' }, timeMs: number): number[] {
  const starts: number[] = [];
  const last = Math.floor((timeMs - offsetMs) / everyMs) * everyMs + offsetMs;
  for (let startMs = last; startMs > timeMs - sizeMs; startMs -= everyMs) starts.unshift(startMs);
  return starts;
}

/** What they are given after the size. */
function assertOptional(path: string, options: unknown): void {
  if (typeof options !== 'object' || options === null)
    throw new InvalidInput({ path, expected: 'a size and an object of options', found: options });
}

function wholeMs(duration: Duration, path: string): number {
  const ms = durationMs(duration, path);
  if (!Number.isSafeInteger(ms) || ms < 1)
    throw new InvalidInput({ path, expected: 'whole milliseconds, at least one', found: duration });
  return ms;
}
