import { assertJson } from './json.ts';

/** Objects that were checked and frozen here; they are not walked again. */
const sealed = new WeakSet<object>();

/**
 * Checks that a value is JSON through and through and freezes it, so that what is kept in memory is and stays what is stored.
 * A value that was sealed before costs nothing.
 *
 * Errors    InvalidInput names the place of what is not JSON.
 */
export function sealJson<T>(value: T, path: string): T {
  if (typeof value === 'object' && value !== null && sealed.has(value)) return value;
  assertJson(value, path, 0);
  if (typeof value === 'object' && value !== null) freeze(value);
  return value;
}

function freeze(value: object): void {
  if (sealed.has(value)) return;
  sealed.add(value);
  Object.freeze(value);
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) freeze(child as object);
}
