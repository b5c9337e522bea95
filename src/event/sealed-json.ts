import { assertJson } from './json.ts';

/** To walk through so few values again costs less than to remember that it was done. */
const SMALL = 8;
/** Larger objects that were checked and frozen here; they are not walked again. */
const sealed = new WeakSet<object>();

/**
 * Checks that a value is JSON through and through and freezes it, so that what is kept in memory is and stays what is stored.
 * A large value that was sealed before costs nothing.
 *
 * Errors    InvalidInput names the place of what is not JSON.
 */
export function sealJson<T>(value: T, path: string): T {
  if (typeof value === 'object' && value !== null && sealed.has(value)) return value;
  assertJson(value, path, 0);
  if (typeof value === 'object' && value !== null) freeze(value);
  return value;
}

/** Answers how many values there are in it. */
function freeze(value: object): number {
  if (sealed.has(value)) return SMALL + 1;
  Object.freeze(value);
  let values = 0;
  for (const child of Object.values(value)) {
    values += 1;
    if (typeof child === 'object' && child !== null) values += freeze(child as object);
  }
  if (values > SMALL) sealed.add(value);
  return values;
}
