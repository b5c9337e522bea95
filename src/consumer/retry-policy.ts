import { InvalidDefinition, ThereuponError } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { BackoffPolicy } from '../system/backoff.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown, isOptions } from '../system/known-options.ts';

/** How a consumer answers failures. Every option has a default; see `DEFAULT_RETRY`. */
export interface RetryOptions {
  /** Attempts in total, the first included. Default 5. */
  readonly attempts?: number;
  /** The wait after the first failure. Default `'200ms'`. */
  readonly minDelay?: Duration;
  /** No wait is longer. Default `'1m'`. */
  readonly maxDelay?: Duration;
  /** Each wait is this many times the one before. Default 2. */
  readonly factor?: number;
  /** 0 to 1: which part of the wait is left to chance. Default 0.5. */
  readonly jitter?: number;
  /** No attempt later than this after the first failure. Default: no limit. */
  readonly maxAge?: Duration;
  /** Errors that no retry will mend. Default: those whose `retry` is `'never'`. */
  readonly terminal?: (error: unknown) => boolean;
}

export interface RetryPolicy extends BackoffPolicy {
  readonly attempts: number;
  readonly maxAgeMs: number;
  terminal(error: unknown): boolean;
}

const RETRY_OPTIONS = 'attempts minDelay maxDelay factor jitter maxAge terminal'.split(' ');

/** Errors: InvalidDefinition names the option. */
export function retryPolicy(options: RetryOptions, definition: string): RetryPolicy {
  if (!isOptions(options))
    throw new InvalidDefinition(definition, `retry must be an object, found ${describeValue(options)}`);
  assertKnown(definition, options, RETRY_OPTIONS, 'retry.');
  if (options.terminal !== undefined && typeof options.terminal !== 'function')
    throw new InvalidDefinition(
      definition,
      `retry.terminal must be a function, found ${describeValue(options.terminal)}`,
    );
  const attempts = options.attempts ?? 5;
  if (!Number.isInteger(attempts) || attempts < 1) {
    throw new InvalidDefinition(definition, `retry.attempts must be a whole number from 1, found ${String(attempts)}`);
  }
  const jitter = options.jitter ?? 0.5;
  if (!(jitter >= 0 && jitter <= 1))
    throw new InvalidDefinition(definition, `retry.jitter must be from 0 to 1, found ${String(jitter)}`);
  const factor = options.factor ?? 2;
  if (!(factor >= 1))
    throw new InvalidDefinition(definition, `retry.factor must be at least 1, found ${String(factor)}`);
  return {
    attempts,
    jitter,
    factor,
    minDelayMs: durationMs(options.minDelay ?? '200ms', 'retry.minDelay'),
    maxDelayMs: durationMs(options.maxDelay ?? '1m', 'retry.maxDelay'),
    maxAgeMs: options.maxAge === undefined ? Number.POSITIVE_INFINITY : durationMs(options.maxAge, 'retry.maxAge'),
    terminal: options.terminal ?? ((error) => error instanceof ThereuponError && error.retry === 'never'),
  };
}
