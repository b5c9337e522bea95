import { SealedDataInvalid } from '../errors.ts';
import type { SchemaIssue } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import { openJson } from '../event/event-opening.ts';
import { erasedValue, placeIn } from '../event/personal-fields.ts';
import { isSealed, keyIdOf } from '../event/sealed-value.ts';
import type { SealedValue } from '../event/sealed-value.ts';
import { validate } from './registry.ts';
import type { Validation } from './registry.ts';
import type { KeptSealed, Sealing } from './sealing.ts';

/** Data that came with sealed values: how it reads, and these. */
export interface OpenedData {
  readonly data: unknown;
  readonly kept: KeptSealed;
  /** Places that nobody can read any more. */
  readonly erased: readonly string[];
}

/** The sealed values in some data, by their places. */
export function sealedPlaces(
  value: unknown,
  place = '',
  into = new Map<string, SealedValue>(),
): Map<string, SealedValue> {
  if (typeof value !== 'object' || value === null) return into;
  if (isSealed(value)) return into.set(place, value);
  for (const [name, child] of Object.entries(value)) sealedPlaces(child, placeIn(place, name), into);
  return into;
}

/**
 * Data with what came sealed in it opened, as far as there are keys: an event that was exported as it is stored.
 *
 * Errors    SealedDataInvalid names what was not sealed at its place, for this type, with that key.
 */
export async function openedData(
  { type, personal }: EventDefinition,
  data: unknown,
  values: ReadonlyMap<string, SealedValue>,
  sealing: Sealing,
): Promise<OpenedData> {
  const keys = await sealing.fetch(new Set([...values.values()].map(keyIdOf)));
  const erased = [...values]
    .filter(([, value]) => keys.get(keyIdOf(value))?.secret === undefined)
    .map(([place]) => place);
  const opened = openJson(data, {
    of: type,
    keys,
    erased: (place, wasString) => erasedValue(personal, place, wasString),
    invalid: (place) => new SealedDataInvalid({ what: `an event of ${type} that comes in`, place }),
  });
  return { data: opened, kept: { values, keys }, erased };
}

/** As `validate`. What nobody can read any more need not fit: it did when it was sealed. */
export async function validateOpened(definition: EventDefinition, { data, erased }: OpenedData): Promise<Validation> {
  const validation = await validate(definition, data);
  if (validation.ok) return validation;
  const issues = validation.issues.filter((issue) => !erased.some((place) => isWithin(issue, place)));
  return issues.length === 0 ? { ok: true, data } : { ok: false, issues };
}

/** Issues name places as `data.items[0].name`. */
function isWithin({ path }: SchemaIssue, place: string): boolean {
  const issued = path.replace(/\[(\d+)\]/g, '.$1').replace(/^data\.?/, '');
  return issued === place || issued.startsWith(`${place}.`);
}
