import { InvalidInput } from '../errors.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';

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

/** Windows that an event is in, at most. */
const MAX_OVERLAP = 10_000;

/** Windows of one size, one after another: each event is in one. */
export function tumbling(size: Duration, options: { readonly offset?: Duration } = {}): Windowing {
  return hopping(size, { every: size, ...options });
}

/** Windows of one size that begin every so often: each event is in as many as overlap at its time. */
export function hopping(size: Duration, options: { readonly every: Duration; readonly offset?: Duration }): Windowing {
  if (typeof options !== 'object' || (options as unknown) === null)
    throw new InvalidInput({ path: 'hopping', expected: 'a size and an object with every', found: options });
  const { every, offset = 0 } = options;
  const sizeMs = wholeMs(size, 'size');
  const everyMs = wholeMs(every, 'every');
  const offsetMs = durationMs(offset, 'offset');
  if (everyMs > sizeMs)
    throw new InvalidInput({
      path: 'every',
      expected: 'no more than the size, or events would be in no window',
      found: every,
    });
  if (sizeMs / everyMs > MAX_OVERLAP)
    throw new InvalidInput({
      path: 'every',
      expected: `at least a ${MAX_OVERLAP}th of the size: each event is in as many windows`,
      found: every,
    });
  if (!Number.isSafeInteger(offsetMs))
    throw new InvalidInput({ path: 'offset', expected: 'whole milliseconds', found: offset });
  return { kind: 'hopping', sizeMs, everyMs, offsetMs: offsetMs % everyMs };
}

/** A window for each run of events of which none is as far as the gap from the next. A late event may join two into one. */
export function session(gap: Duration): Windowing {
  return { kind: 'session', gapMs: wholeMs(gap, 'gap') };
}

/** A window for each so many events of a key, in the order in which they come. It spans the times of these events. */
export function byCount(size: number): Windowing {
  if (!Number.isSafeInteger(size) || size < 1)
    throw new InvalidInput({ path: 'size', expected: 'a whole number from 1', found: size });
  return { kind: 'count', size };
}

/** Starts of the windows that an event is in, ascending. */
export function startsOf({ sizeMs, everyMs, offsetMs }: Windowing & { kind: 'hopping' }, timeMs: number): number[] {
  const starts: number[] = [];
  const last = Math.floor((timeMs - offsetMs) / everyMs) * everyMs + offsetMs;
  for (let startMs = last; startMs > timeMs - sizeMs; startMs -= everyMs) starts.unshift(startMs);
  return starts;
}

function wholeMs(duration: Duration, path: string): number {
  const ms = durationMs(duration, path);
  if (!Number.isSafeInteger(ms) || ms < 1)
    throw new InvalidInput({ path, expected: 'whole milliseconds, at least one', found: duration });
  return ms;
}
