import type { StandardSchemaV1 } from '@standard-schema/spec';
import { EventDataInvalid, InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue, isThenable } from '../system/values.ts';
import { issuesOf } from './schema-issues.ts';

/**
 * Gives the data of one schema version the shape of the next one. Pure: it gets what is recorded, frozen, and answers at once.
 *
 * Shape     Say what it gets, `(data: DataOf<typeof OrderPlacedV1>) => …`: what was recorded cannot be told from the new schema.
 */
export type Upcaster = (data: never) => unknown;

/** Upcasters by the version that each starts from; it leads to the next one. */
export type Upcasters = Readonly<Record<number, Upcaster>>;

/** How data of older versions is read in the version of a definition. */
export interface Upcasting {
  readonly version: number;
  readonly steps: Upcasters;
  /** Brings data from a version to that of the definition. Errors: what an upcaster throws; EventDataInvalid. */
  upcast(data: unknown, from: number): unknown;
}

/**
 * Checks upcasters and makes one of their chain.
 *
 * Shape     Undefined: there are none. What the last one gives goes through the schema as what a publisher gives, whose defaults are filled in;
 *           not where data that does not fit is recorded all the same (`isLenient`).
 * Errors    InvalidDefinition names the step.
 */
export function upcastingOf(
  name: string,
  given: unknown,
  to: {
    readonly type: string;
    readonly version: number;
    readonly schema: StandardSchemaV1;
    readonly isLenient: boolean;
  },
): Upcasting | undefined {
  if (given === undefined) return undefined;
  const { type, version, schema, isLenient } = to;
  const steps = stepsOf(name, given, version);
  return {
    version,
    steps,
    upcast(data, from) {
      const present = climb(name, steps, data, { from, to: version });
      return isLenient ? present : throughSchema(present);
    },
  };

  function throughSchema(data: unknown): unknown {
    const result = schema['~standard'].validate(data);
    if (isThenable(result))
      throw new InvalidInput({
        path: 'schema',
        expected: 'one that validates at once and throws nothing, as data is read',
        found: result,
      });
    if (result.issues !== undefined) throw new EventDataInvalid(type, version, issuesOf(result.issues));
    return result.value;
  }
}

function climb(
  name: string,
  steps: Upcasters,
  data: unknown,
  { from, to }: { readonly from: number; readonly to: number },
): unknown {
  let present = data;
  for (let step = from; step < to; step += 1) {
    const upcaster = steps[step] as ((data: unknown) => unknown) | undefined;
    if (upcaster === undefined)
      throw new InvalidDefinition(name, `upcast has no step from version ${step} to ${step + 1}`);
    present = upcaster(present);
    if (isThenable(present))
      throw new InvalidInput({ path: `upcast ${step}`, expected: 'data, at once', found: present });
  }
  return present;
}

/** As far as a version on the way. What the steps give there goes through no schema: the program reads a later one. */
export function upcastingUpTo(name: string, { steps }: Upcasting, version: number): Upcasting {
  return { version, steps, upcast: (data, from) => climb(name, steps, data, { from, to: version }) };
}

function stepsOf(name: string, given: unknown, version: number): Upcasters {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new InvalidDefinition(
      name,
      `upcast must be an object of functions by the version that each starts from, found ${describeValue(given)}`,
    );
  const steps = Object.entries(given as Readonly<Record<string, unknown>>);
  for (const [from, upcaster] of steps) {
    if (!/^[1-9]\d{0,8}$/.test(from) || Number(from) >= version)
      throw new InvalidDefinition(
        name,
        version === 1
          ? `upcast leads from older versions to this one, and version 1 has none, found ${describeValue(from)}`
          : `upcast must name versions from 1 to ${version - 1}, those before version ${version}, found ${describeValue(from)}`,
      );
    if (typeof upcaster !== 'function')
      throw new InvalidDefinition(name, `upcast ${from} must be a function, found ${describeValue(upcaster)}`);
  }
  const lowest = Math.min(version, ...steps.map(([from]) => Number(from)));
  for (let from = lowest; from < version; from += 1)
    if (!Object.hasOwn(given, from))
      throw new InvalidDefinition(
        name,
        `upcast has no step from version ${from} to ${from + 1}; each leads to the next one`,
      );
  return Object.freeze({ ...(given as Upcasters) });
}

/** The versions below that of a definition from which there is a way up. */
export function versionsBelow({ steps }: Upcasting): readonly number[] {
  return Object.keys(steps).map(Number);
}

/** The first step that is missing on the way from a version; undefined: there is a way. */
export function missingStep({ version, steps }: Upcasting, from: number): number | undefined {
  for (let step = from; step < version; step += 1) if (!Object.hasOwn(steps, step)) return step;
  return undefined;
}
