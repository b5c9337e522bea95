import { InvalidInput } from '../../errors.ts';
import type { JsonValue } from '../../event/json.ts';
import { SchemaDocument } from './document.ts';
import { textOf } from './gap.ts';
import type { Gap } from './gap.ts';
import { Prover } from './prover.ts';
import { RULES } from './rules.ts';
import type { CompatibilityRule } from './rules.ts';
import { conjunction } from './shape.ts';

/** `backward`: the new schema reads everything that was valid under the old one; `forward`: the old schema reads everything that is valid under the new one. */
export type CompatibilityDirection = 'backward' | 'forward';

/**
 * What is demanded between the versions of an event: nothing, one direction, or both (`full`).
 *
 * Each version is compared with the one before it, with `-transitive` with all before it.
 */
export type CompatibilityMode =
  | 'none'
  | 'backward'
  | 'backward-transitive'
  | 'forward'
  | 'forward-transitive'
  | 'full'
  | 'full-transitive';

export const COMPATIBILITY_MODES: readonly CompatibilityMode[] = [
  'none',
  'backward',
  'backward-transitive',
  'forward',
  'forward-transitive',
  'full',
  'full-transitive',
];

/**
 * What a schema that says nothing about properties beside its own means where it writes.
 *
 * `possible`: as JSON Schema has it, anything may stand there. A property that is added to such an object, even an optional one, breaks `backward`: what is
 * stored may hold something else by that name.
 * `absent`: whoever writes leaves out what is not declared, as zod's objects do. Then an optional property may be added and taken away, both ways.
 */
export type UndeclaredProperties = 'possible' | 'absent';

/** One thing that one of two schemas allows and the other one may refuse. */
export interface CompatibilityFinding {
  readonly rule: CompatibilityRule;
  readonly direction: CompatibilityDirection;
  /** In the instance, from `data` on: `data.items[].price`. */
  readonly place: string;
  /** JSON pointer into the old schema. */
  readonly olderPointer: string;
  /** JSON pointer into the new schema. */
  readonly newerPointer: string;
  /** What the schemas say there, as JSON text; `not given` where they say nothing. */
  readonly was: string;
  readonly is: string;
  readonly reason: string;
  /** Place, what was, what is, and why that matters, in one sentence. */
  readonly message: string;
}

/**
 * Compares two versions of a schema: does every instance that is valid under the one validate under the other?
 *
 * Shape     JSON Schema 2020-12, and the forms of draft 4 to 7 (lists as `items`, `dependencies`, boolean `exclusiveMinimum`). `mode` default `full`: both directions.
 *           `undeclared` default `possible`, for both.
 * Guarantee Without findings of a direction it holds for every instance. What cannot be shown is a finding, `cannot-be-shown` where nothing more is known. Patterns,
 *           formats and encodings are compared as texts; conditions (`if`) too, by what they ask; annotations say nothing.
 */
export function compareSchemas(
  older: JsonValue,
  newer: JsonValue,
  mode: CompatibilityMode = 'full',
  undeclared: { readonly older?: UndeclaredProperties; readonly newer?: UndeclaredProperties } = {},
): readonly CompatibilityFinding[] {
  return directionsOf(mode).flatMap((direction) => {
    const [one, other] = [new SchemaDocument(older), new SchemaDocument(newer)];
    const [writer, reader] = direction === 'backward' ? [one, other] : [other, one];
    const written = (direction === 'backward' ? undeclared.older : undeclared.newer) ?? 'possible';
    const gaps = new Prover(writer, written).check(conjunction([writer.root]), reader.root);
    return gaps.map((found) => findingOf(found, direction));
  });
}

export function directionsOf(mode: CompatibilityMode): readonly CompatibilityDirection[] {
  switch (mode) {
    case 'none':
      return [];
    case 'backward':
    case 'backward-transitive':
      return ['backward'];
    case 'forward':
    case 'forward-transitive':
      return ['forward'];
    case 'full':
    case 'full-transitive':
      return ['backward', 'forward'];
  }
}

function findingOf(
  { difference, place, written, read, reason }: Gap,
  direction: CompatibilityDirection,
): CompatibilityFinding {
  const isBackward = direction === 'backward';
  const from = written ?? { pointer: '', value: undefined };
  const [old, young] = isBackward ? [from, read] : [read, from];
  const names = isBackward ? ['the old schema', 'the new schema'] : ['the new schema', 'the old schema'];
  const [was, is] = [textOf(old.value), textOf(young.value)];
  const why = reason.replaceAll('{writer}', names[0] ?? '').replaceAll('{reader}', names[1] ?? '');
  const where = placeText(place.steps());
  const rule = RULES[difference][isBackward ? 0 : 1];
  return {
    rule,
    direction,
    place: where,
    olderPointer: old.pointer,
    newerPointer: young.pointer,
    was,
    is,
    reason: why,
    message: `${where}: was ${was}, is ${is}: ${why}`,
  };
}

function placeText(place: readonly string[]): string {
  return `data${place.map((step) => (step.startsWith('[') ? step : `.${step}`)).join('')}`;
}

/** One version of an event's schema. */
export interface SchemaVersion {
  readonly version: number;
  readonly jsonSchema: JsonValue;
  /** Default `possible`. */
  readonly undeclared?: UndeclaredProperties;
}

/** A finding between two versions. */
export interface VersionFinding extends CompatibilityFinding {
  readonly olderVersion: number;
  readonly newerVersion: number;
}

/**
 * What is wrong in the history of an event's schemas under a mode.
 *
 * Shape     In any order; compared by version. Of two with one number, the first is the older one: a schema that was changed in place.
 * Errors    InvalidInput names the mode.
 */
export function incompatibilities(
  history: readonly SchemaVersion[],
  mode: CompatibilityMode,
): readonly VersionFinding[] {
  assertMode(mode, 'mode');
  const versions = history.toSorted((left, right) => left.version - right.version);
  return versions.flatMap((newer, index) =>
    versions.slice(mode.endsWith('-transitive') ? 0 : Math.max(0, index - 1), index).flatMap((older) =>
      compareSchemas(older.jsonSchema, newer.jsonSchema, mode, undeclaredIn(older, newer)).map((finding) => ({
        ...finding,
        olderVersion: older.version,
        newerVersion: newer.version,
      })),
    ),
  );
}

function undeclaredIn(older: SchemaVersion, newer: SchemaVersion): Parameters<typeof compareSchemas>[3] {
  return { older: older.undeclared ?? 'possible', newer: newer.undeclared ?? 'possible' };
}

/** Errors: InvalidInput names the place. */
export function assertMode(mode: unknown, path: string): asserts mode is CompatibilityMode {
  if (!COMPATIBILITY_MODES.some((known) => known === mode))
    throw new InvalidInput({ path, expected: `one of ${COMPATIBILITY_MODES.join(', ')}`, found: mode });
}
