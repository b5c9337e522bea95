import { InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import { isOptions } from '../system/known-options.ts';

/** Errors: InvalidDefinition when an option is no event definition. */
export function assertDefinition(name: string, option: string, given: unknown): void {
  if ((given as { readonly kind?: unknown } | null | undefined)?.kind !== 'event')
    throw new InvalidDefinition(name, `${option} must be what defineEvent gives, found ${describeValue(given)}`);
}

/** Errors: InvalidDefinition when an option is given and no object. */
export function assertObject(name: string, option: string, given: unknown): void {
  if (given !== undefined && !isOptions(given))
    throw new InvalidDefinition(name, `${option} must be an object, found ${describeValue(given)}`);
}

/** Errors: InvalidDefinition when an option is given and no function. */
export function assertFunction(name: string, option: string, given: unknown): void {
  if (given !== undefined && typeof given !== 'function')
    throw new InvalidDefinition(name, `${option} must be a function, found ${describeValue(given)}`);
}

/** Errors: InvalidDefinition when an option is no duration, not whole milliseconds, or shorter than `leastMs`. */
export function wholeMs(name: string, option: string, duration: Duration, leastMs: 0 | 1 = 1): number {
  const ms = knownMs(name, option, duration);
  if (Number.isSafeInteger(ms) && ms >= leastMs) return ms;
  const above = leastMs === 0 ? '' : ' above 0';
  throw new InvalidDefinition(name, `${option} must be whole milliseconds${above}, found ${describeValue(duration)}`);
}

function knownMs(name: string, option: string, duration: Duration): number {
  try {
    return durationMs(duration, option);
  } catch (cause) {
    if (!(cause instanceof InvalidInput)) throw cause;
    throw new InvalidDefinition(name, `${option} must be ${cause.expected}, found ${cause.found}`, { cause });
  }
}
