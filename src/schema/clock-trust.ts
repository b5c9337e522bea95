import { InvalidInput } from '../errors.ts';
import type { SchemaIssue } from '../errors.ts';
import type { EncodedEvent } from '../event/event.ts';
import { timestampMs } from '../event/timestamp.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown, isOptions } from '../system/known-options.ts';

/** By how much the clocks of sources may be ahead of this one's: events from further in the future are quarantined. */
export interface ClockOptions {
  /** Of sources that are not named. Default: no event is too far ahead. */
  readonly trusted?: Duration;
  /** By source. */
  readonly sources?: Readonly<Record<string, Duration>>;
}

/** Which events are from a future that nobody can know. */
export class ClockTrust {
  readonly #trustedMs: number;
  readonly #sources: ReadonlyMap<string, number>;

  /** Errors: InvalidInput names the option. */
  constructor(options: ClockOptions) {
    if (!isOptions(options))
      throw new InvalidInput({ path: 'clocks', expected: 'an object with trusted, sources or both', found: options });
    assertKnown('clocks', options, ['trusted', 'sources']);
    const { trusted, sources = {} } = options;
    this.#trustedMs = trusted === undefined ? Number.POSITIVE_INFINITY : durationMs(trusted, 'clocks.trusted');
    if (!isOptions(sources))
      throw new InvalidInput({ path: 'clocks.sources', expected: 'durations by source', found: sources });
    this.#sources = new Map(
      Object.entries(sources).map(([source, duration]) => [source, durationMs(duration, `clocks.sources.${source}`)]),
    );
  }

  /** What is wrong with the time of an event; undefined: nothing. */
  issueOf({ source, time }: Pick<EncodedEvent, 'source' | 'time'>, nowMs: number): SchemaIssue | undefined {
    const issue = this.issueOfTime(source, timestampMs(time) ?? nowMs, nowMs);
    // The same whenever the event is told: so that it is one report.
    return issue && { path: issue.path, message: `${time} is ${issue.message}` };
  }

  /** What is wrong with a time that a source gives; undefined: nothing. */
  issueOfTime(
    source: string,
    timeMs: number,
    nowMs: number,
  ): (SchemaIssue & { readonly expected: string }) | undefined {
    const trustedMs = this.#sources.get(source) ?? this.#trustedMs;
    if (timeMs - nowMs <= trustedMs) return undefined;
    return {
      path: 'time',
      message: `further in the future than the clock of ${source} is trusted, which is for ${trustedMs} ms`,
      expected: `a time at most ${trustedMs} ms after the event was recorded, which is how far the clock of ${source} is trusted`,
    };
  }
}
