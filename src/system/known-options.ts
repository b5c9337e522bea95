import { InvalidDefinition } from '../errors.ts';

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
