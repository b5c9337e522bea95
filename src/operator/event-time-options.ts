import { InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { RecordedEvent } from '../event/event.ts';
import { timestampMs } from '../event/timestamp.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown, isOptions } from '../system/known-options.ts';
import type { WatermarkRule } from '../time/watermark.ts';
import { wholeMs } from './assert-options.ts';

/** How event time is read off events, and when it is known to have come so far. */
export interface EventTimeOptions<Event> {
  /** When an event happened: RFC 3339, a Date, or milliseconds since 1970. Default: its attribute `time`. */
  readonly at?: (event: Event) => string | number | Date;
  /** By how much an event may be behind the latest one of its source before it is late. Default `'0s'`. */
  readonly disorder?: Duration;
  /**
   * A source from which nothing was recorded for so long holds the others back no longer; and when there is nothing at all for so long, event
   * time goes on by the clock. Default `'1m'`. `'never'`: for histories, whose time says nothing of now.
   */
  readonly idle?: Duration | 'never';
  /** Sources that are waited for from the first event of any on, until each has spoken or was silent for `idle`; others count from their own. */
  readonly sources?: readonly string[];
}

/** Errors: InvalidDefinition names the option. */
export function watermarkRule(
  name: string,
  options: EventTimeOptions<never>,
  /** Options that whoever has these has besides. */
  more: readonly string[] = [],
): WatermarkRule {
  if (!isOptions(options)) throw new InvalidDefinition(name, `time must be an object, found ${describeValue(options)}`);
  assertKnown(name, options, ['at', 'disorder', 'idle', 'sources', ...more], 'time.');
  const { disorder = '0s', idle = '1m', sources = [], at } = options;
  if (at !== undefined && typeof at !== 'function')
    throw new InvalidDefinition(name, `time.at must be a function, found ${describeValue(at)}`);
  const disorderMs = wholeMs(name, 'time.disorder', disorder, 0);
  const idleMs = idle === 'never' ? Number.POSITIVE_INFINITY : wholeMs(name, 'time.idle', idle, 0);
  if (idleMs < 1) throw new InvalidDefinition(name, `time.idle must be above 0, found ${describeValue(idle)}`);
  if (disorderMs > LONGEST_MS || (idleMs > LONGEST_MS && idle !== 'never'))
    throw new InvalidDefinition(name, 'time.disorder and time.idle are at most a thousand years');
  if (!Array.isArray(sources) || sources.some((source) => typeof source !== 'string' || source === ''))
    throw new InvalidDefinition(name, `time.sources must be a list of sources, found ${describeValue(sources)}`);
  return { disorderMs, idleMs, expected: sources as readonly string[] };
}

/** Errors of the function: InvalidInput for what is no instant, and what `at` throws. */
export function timeReader(options: EventTimeOptions<never>): (event: RecordedEvent) => number {
  const at = options.at as ((event: RecordedEvent) => unknown) | undefined;
  if (at === undefined) return (event) => instantOf(event.time, 'time');
  return (event) => instantOf(at(event), 'time.at(event)');
}

function instantOf(given: unknown, path: string): number {
  const ms =
    typeof given === 'string'
      ? timestampMs(given)
      : given instanceof Date
        ? given.getTime()
        : typeof given === 'number'
          ? given
          : undefined;
  if (ms === undefined || !(ms >= FIRST_MS && ms <= LAST_MS))
    throw new InvalidInput({
      path,
      expected: 'an RFC 3339 timestamp, a Date or milliseconds since 1970, in the years 0 to 9999',
      found: given,
    });
  return Math.floor(ms);
}

const LONGEST_MS = 1_000 * 365 * 86_400_000;

/** What RFC 3339 can say. */
const FIRST_MS = Date.parse('0000-01-01T00:00:00.000Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/** Whether events wait for those that happened before them. Errors: as of `watermarkRule`. */
export function waitsForOthers(name: string, options: EventTimeOptions<never> | undefined): boolean {
  return options !== undefined && watermarkRule(name, options).disorderMs > 0;
}
