import { ThereuponError } from '../../errors.ts';

/**
 * Says that a pattern cannot be used as a filter, and which place in it is to blame.
 *
 * Shape  path: the place in the pattern, `data.total[0].numeric[1]`, empty for the pattern as a whole.
 * Errors Whose fault: the caller's; what to do: correct the pattern, never retry as is.
 */
export class InvalidPattern extends ThereuponError {
  readonly path: string;
  readonly expected: string;
  readonly found: string;

  constructor(place: { readonly path: string; readonly expected: string; readonly found: string }) {
    const where = place.path === '' ? 'pattern' : `pattern ${place.path}`;
    super(
      { code: 'invalid-pattern', retry: 'never', fault: 'caller' },
      `${where}: expected ${place.expected}, found ${place.found}`,
    );
    this.path = place.path;
    this.expected = place.expected;
    this.found = place.found;
  }
}
