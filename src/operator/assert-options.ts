import { InvalidDefinition, describeValue } from '../errors.ts';

/** Errors: InvalidDefinition when an option is no event definition. */
export function assertDefinition(name: string, option: string, given: unknown): void {
  if ((given as { readonly kind?: unknown } | null | undefined)?.kind !== 'event')
    throw new InvalidDefinition(name, `${option} must be what defineEvent gives, found ${describeValue(given)}`);
}

/** Errors: InvalidDefinition when an option is given and no object. */
export function assertObject(name: string, option: string, given: unknown): void {
  if (given !== undefined && (typeof given !== 'object' || given === null))
    throw new InvalidDefinition(name, `${option} must be an object, found ${describeValue(given)}`);
}

/** Errors: InvalidDefinition when an option is given and no function. */
export function assertFunction(name: string, option: string, given: unknown): void {
  if (given !== undefined && typeof given !== 'function')
    throw new InvalidDefinition(name, `${option} must be a function, found ${describeValue(given)}`);
}
