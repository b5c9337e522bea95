import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';
import { personalWhole } from '../event/personal-fields.ts';
import type { PersonalFields, PersonalPart, PersonalParts } from '../event/personal-fields.ts';
import { assertKnown } from '../system/known-options.ts';

/** Whose the readings of a monitor are, by its key; `'none'`: they say nothing of anybody. */
export type PersonalReadings = 'none' | { readonly subject: (key: string) => string };

/** Of states that keep events of these definitions whole: these stay as they are stored. `none`: of whatever types. */
export function personalEvents(on: readonly EventDefinition[]): PersonalParts | 'none' {
  if (on.length > 0 && !on.some(({ personal }) => personal !== undefined)) return 'none';
  return { isSaid: true, partsOf: () => [] };
}

/** Of states that also have one of the program's own, at the end of a path; `own`: what it says of that. */
export function personalOwn(
  events: PersonalParts | 'none',
  path: PersonalPart['path'],
  own: { readonly has: boolean; readonly personal: PersonalFields | 'none' | undefined },
): PersonalParts | 'none' | undefined {
  if (!own.has || own.personal === 'none') return events;
  if (own.personal === undefined) return undefined;
  const parts = [{ path, fields: own.personal }];
  return { isSaid: true, partsOf: () => parts };
}

/** Of states with readings: those that wait, and what was measured. Errors: InvalidDefinition. */
export function personalReadings(title: string, given: unknown): PersonalParts | 'none' | undefined {
  if (given === undefined || given === 'none') return given;
  if (typeof given !== 'object' || given === null)
    throw new InvalidDefinition(title, `personal must be 'none' or { subject }, found ${describeValue(given)}`);
  assertKnown(title, given, ['subject'], 'personal.');
  const { subject } = given as { readonly subject: unknown };
  if (typeof subject !== 'function') throw new InvalidDefinition(title, 'personal.subject must be a function');
  const fields = personalWhole((_reading, key) => (subject as (key: string | undefined) => string)(key));
  return {
    isSaid: true,
    partsOf(state: JsonValue) {
      const { held } = state as { readonly held: readonly unknown[] };
      return [{ path: ['of'], fields }, ...held.map((_, index) => ({ path: ['held', index, 'event', 0], fields }))];
    },
  };
}
