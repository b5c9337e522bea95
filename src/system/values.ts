/**
 * Whether it is a promise, where an answer is wanted at once. It is nobody's from then on: its failure ends no process.
 */
export function isPromised(value: unknown): value is PromiseLike<unknown> {
  if (!isThenable(value)) return false;
  void Promise.resolve(value).catch(() => undefined);
  return true;
}

/** Whether it has to be waited for. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}

/** A value in a few words, safe to print: short, quoted, never a whole document. */
export function describeValue(value: unknown): string {
  if (isPromised(value)) return 'a promise';
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string') {
    const shown = value.length > 80 ? `${value.slice(0, 77)}...` : value;
    return JSON.stringify(shown);
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (value instanceof Date) return 'a Date';
  if (typeof value === 'object' && Object.keys(value).length === 0) return 'an empty object';
  if (typeof value === 'object') {
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    return name === undefined || name === 'Object' ? 'an object' : `an object of class ${name}`;
  }
  return `a ${typeof value}`;
}
