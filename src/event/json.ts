import { InvalidInput } from '../errors.ts';

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [member: string]: JsonValue };

/** Deeper nesting is refused: it is never a fact, and it overflows the stack of whoever reads it. */
export const MAX_JSON_DEPTH = 128;

/**
 * JSON text of a value that JSON can carry whole: what is read back equals what was given.
 *
 * Errors    InvalidInput names the place of a Date, Map, function, NaN, bigint, class instance, cycle (as too deep), or `undefined` in a list.
 *           A member whose value is `undefined` counts as absent.
 */
export function encodeJson(value: unknown, path: string): string {
  assertJson(value, path, 0);
  return JSON.stringify(value);
}

/** Errors: InvalidInput names the place of the first part that is not JSON. */
export function assertJson(value: unknown, path: string, depth: number): void {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return;
    case 'number':
      if (Number.isFinite(value)) return;
      break;
    case 'object': {
      if (value === null) return;
      if (depth >= MAX_JSON_DEPTH)
        throw new InvalidInput({
          path,
          expected: `at most ${MAX_JSON_DEPTH} levels of nesting, no cycle`,
          found: value,
        });
      if (Array.isArray(value)) {
        if (typeof (value as { toJSON?: unknown }).toJSON === 'function') break;
        for (let index = 0; index < value.length; index += 1) {
          const item: unknown = value[index];
          if (typeof item !== 'string') assertJson(item, `${path}[${index}]`, depth + 1);
        }
        return;
      }
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) break;
      if (typeof (value as { toJSON?: unknown }).toJSON === 'function') break;
      for (const member in value) {
        const child = (value as Record<string, unknown>)[member];
        const kind = typeof child;
        if (kind === 'string' || kind === 'boolean' || kind === 'undefined') continue;
        if (kind === 'number' && Number.isFinite(child)) continue;
        assertJson(child, `${path}.${member}`, depth + 1);
      }
      return;
    }
    default:
      break;
  }
  throw new InvalidInput({
    path,
    expected: 'a JSON value (string, finite number, boolean, null, list or plain object)',
    found: value,
  });
}

/** Freezes a freshly parsed JSON value through and through: a fact handed to many readers is changed by none. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    if (Array.isArray(value)) {
      for (const item of value) deepFreeze(item);
    } else {
      for (const member in value) deepFreeze(value[member]);
    }
  }
  return value;
}

/** What a JSON value takes in memory, roughly: for limits (G10). */
export function roughJsonBytes(value: JsonValue | undefined): number {
  if (typeof value === 'string') return 16 + value.length;
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = 32;
  if (Array.isArray(value)) {
    for (const item of value) bytes += roughJsonBytes(item as JsonValue);
    return bytes;
  }
  const members = value as Readonly<Record<string, JsonValue>>;
  for (const member in members) bytes += 16 + roughJsonBytes(members[member]);
  return bytes;
}

/** Equal as JSON values: order of members does not count, order of items does. */
export function sameJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) && left.length === right.length && left.every((item, index) => sameJson(item, right[index]))
    );
  }
  if (Array.isArray(right)) return false;
  const leftMembers = Object.keys(left);
  if (leftMembers.length !== Object.keys(right).length) return false;
  return leftMembers.every(
    (member) =>
      Object.hasOwn(right, member) &&
      sameJson((left as Record<string, unknown>)[member], (right as Record<string, unknown>)[member]),
  );
}
