import { redacted } from '../event/redaction.ts';
import type { StoredError } from './delivery-store.ts';

/** Longer texts are cut: an error report must not become a burden of its own. */
const MAX_TEXT = 4_000;
const MAX_CAUSES = 5;

/**
 * Anything that was thrown, as data that can be stored and shown.
 *
 * Shape     `without`: texts that may stand in none of its parts.
 * Guarantee Never throws itself: strings, circular objects, hostile getters and proxies are described as far as they let one.
 */
export function storedError(thrown: unknown, without: readonly string[] = [], depth = 0): StoredError {
  const cut = (given: unknown) => shortened(redacted(String(given), without));
  try {
    if (thrown instanceof Error) {
      const code: unknown = (thrown as { code?: unknown }).code;
      return {
        name: cut(thrown.name),
        message: cut(thrown.message),
        code: typeof code === 'string' || typeof code === 'number' ? cut(String(code)) : undefined,
        stack: thrown.stack === undefined ? undefined : cut(thrown.stack),
        cause: causeOf(thrown, without, depth),
      };
    }
    return { name: 'NotAnError', message: cut(describe(thrown)), code: undefined, stack: undefined, cause: undefined };
  } catch {
    // A value that defends itself against being looked at; that it was thrown is all there is to say.
    return {
      name: 'NotAnError',
      message: 'a value that cannot be described was thrown',
      code: undefined,
      stack: undefined,
      cause: undefined,
    };
  }
}

function causeOf(error: Error, without: readonly string[], depth: number): StoredError | undefined {
  if (depth >= MAX_CAUSES) return undefined;
  if (error instanceof AggregateError && error.errors.length > 0)
    return storedError(error.errors[0], without, depth + 1);
  return error.cause === undefined ? undefined : storedError(error.cause, without, depth + 1);
}

function describe(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null) {
    const seen = new Set<unknown>();
    return JSON.stringify(thrown, (_member, value: unknown) => {
      if (typeof value === 'bigint') return String(value);
      if (typeof value !== 'object' || value === null) return value;
      if (seen.has(value)) return '[seen before]';
      seen.add(value);
      return value;
    });
  }
  return String(thrown);
}

function shortened(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)} [cut]` : text;
}
