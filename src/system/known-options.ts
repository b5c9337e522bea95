import { InvalidDefinition } from '../errors.ts';
import { describeValue } from './values.ts';

/**
 * Options whose names nobody knows would go unheard: where TypeScript is run as it is, nobody else looks.
 *
 * Errors    InvalidDefinition names the option and those that there are. `path`: where the options are, with a dot at its end.
 */
export function assertKnown(name: string, options: unknown, known: readonly string[], path = ''): void {
  if (typeof options !== 'object' || options === null) return;
  const unknown = Object.keys(options).find((option) => !known.includes(option));
  if (unknown === undefined) return;
  const all = known.join(', ');
  throw new InvalidDefinition(
    name,
    `there is no option ${path}${unknown}; ${path === '' ? 'there are' : `${path.slice(0, -1)} has`} ${all}`,
  );
}

/** Whether something is an object that may have options: no list, no date. */
export function isOptions(given: unknown): given is object {
  return Object.prototype.toString.call(given) === '[object Object]';
}

/** Errors: InvalidDefinition when they are no object. */
export function assertOptions(kind: string, options: unknown): void {
  if (!isOptions(options))
    throw new InvalidDefinition(kind, `expected an object of options, found ${describeValue(options)}`);
}

/** How errors name a definition. Errors: as `assertOptions`. */
export function titleOf(kind: string, options: { readonly name: unknown }): string {
  assertOptions(kind, options);
  return `${kind} ${describeValue(options.name)}`;
}
