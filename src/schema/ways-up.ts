import { InvalidDefinition } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { UpcastingTypes } from '../event/upcast-event.ts';
import { missingStep } from '../event/upcasters.ts';
import type { SchemaRecord } from './schema-store.ts';

/**
 * Refuses a program that could not read what is recorded: where a type has upcasters they lead up from every older version that the store
 * remembers or the program defines.
 *
 * Errors    InvalidDefinition names the type, the version and the step.
 */
export function assertWaysUp(
  types: UpcastingTypes,
  defined: readonly EventDefinition[],
  remembered: readonly SchemaRecord[],
): void {
  const known = [
    ...defined.map(({ type, version }) => ({ type, version, by: 'the program defines' })),
    ...remembered.map(({ type, version }) => ({ type, version, by: 'the store remembers' })),
  ];
  for (const { type, version, by } of known) {
    const upcasting = types.get(type);
    const step = upcasting && missingStep(upcasting, version);
    if (step !== undefined)
      throw new InvalidDefinition(
        `event ${type}`,
        `${by} version ${version}, and upcast has no step from version ${step} to ${step + 1}`,
      );
  }
}

/** Whoever reacts to an event, and by which definitions. */
export interface Reacting {
  readonly kind: string;
  readonly name: string;
  readonly on: readonly EventDefinition[];
}

/**
 * Whoever reacts to an event with upcasters gets it in the current version, whatever it names: so it has to name that one.
 *
 * Errors    InvalidDefinition names who reacts, and the versions.
 */
export function assertReactsToCurrent(types: UpcastingTypes, reacting: readonly Reacting[]): void {
  for (const { kind, name, on } of reacting) {
    for (const { type, version } of on) {
      const current = types.get(type)?.version;
      if (current !== undefined && version < current)
        throw new InvalidDefinition(
          `${kind} ${name}`,
          `on names version ${version} of ${type}, which is read in version ${current}; name the definition of version ${current}`,
        );
    }
  }
}
