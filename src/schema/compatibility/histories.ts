import type { JsonValue } from '../../event/json.ts';
import { sameJson } from '../../event/json.ts';
import { incompatibilities } from './compare.ts';
import type { CompatibilityMode, SchemaVersion, VersionFinding } from './compare.ts';

/** One version of one event, as a program defines it or a store remembers it. */
export interface KnownSchema {
  readonly type: string;
  readonly version: number;
  /** The name of the library that the schema came from. */
  readonly vendor: string;
  readonly jsonSchema: JsonValue | undefined;
  /** Versions whose data it reads by upcasters; absent: it has none. */
  readonly upcastsFrom?: readonly number[] | undefined;
}

/** What became of the schemas of one event. */
export interface EventHistory {
  readonly type: string;
  /** Of the store and of the program, in order. */
  readonly versions: readonly number[];
  readonly state: 'new' | 'unchanged' | 'compatible' | 'incompatible';
  /** Versions whose schema in the program is another one than in the store. */
  readonly changedInPlace: readonly number[];
  /** Versions that nothing can be said of: their schema library gives no JSON Schema. */
  readonly notCompared: readonly number[];
  /** Versions that are read by upcasters, so that the schemas themselves need not be `backward`. */
  readonly upcast: readonly number[];
  /** Versions from which no upcaster leads up, where there are upcasters: the program would be refused. */
  readonly noWayUp: readonly number[];
  readonly findings: readonly VersionFinding[];
}

export interface Comparison {
  readonly ok: boolean;
  readonly mode: CompatibilityMode;
  readonly events: readonly EventHistory[];
  /** Types that the store remembers and the program does not define. */
  readonly notDefined: readonly string[];
}

interface Version {
  readonly version: number;
  readonly schema: KnownSchema;
}

/**
 * Compares what a program defines with what a store remembers; of a store alone, its versions with each other.
 *
 * Shape     Of versions that the current definition reads by upcasters `backward` demands nothing: that they lead there is what it is about.
 */
export function compareHistories(
  remembered: readonly KnownSchema[],
  own: readonly KnownSchema[] | undefined,
  mode: CompatibilityMode,
): Comparison {
  const types = [...new Set((own ?? remembered).map(({ type }) => type))].toSorted();
  const of = (schemas: readonly KnownSchema[], type: string): readonly KnownSchema[] =>
    schemas.filter((schema) => schema.type === type);
  const events = types.map((type) => historyOf(type, of(remembered, type), own && of(own, type), mode));
  const known = new Set(types);
  return {
    ok: events.every(({ state }) => state !== 'incompatible'),
    mode,
    events,
    notDefined: [...new Set(remembered.map(({ type }) => type))].filter((type) => !known.has(type)),
  };
}

function historyOf(
  type: string,
  remembered: readonly KnownSchema[],
  own: readonly KnownSchema[] | undefined,
  mode: CompatibilityMode,
): EventHistory {
  const known = new Map(remembered.map((schema) => [schema.version, schema]));
  const isChanged = (schema: KnownSchema): boolean =>
    known.has(schema.version) && !isSame(known.get(schema.version)?.jsonSchema, schema.jsonSchema);
  const added = (own ?? []).filter((schema) => !known.has(schema.version) || isChanged(schema));
  const versions: Version[] = [
    ...remembered.map((schema) => ({ version: schema.version, schema })),
    // After the remembered ones: of one number, what the program says is the newer one.
    ...added.map((schema) => ({ version: schema.version, schema })),
  ].toSorted((left, right) => left.version - right.version);
  const numbers = [...new Set(versions.map(({ version }) => version))];
  const current = own?.toSorted((left, right) => left.version - right.version).at(-1);
  const upcastsFrom = new Set(current?.upcastsFrom ?? []);
  const older = upcastsFrom.size === 0 ? [] : numbers.filter((version) => version < (current?.version ?? 0));
  const noWayUp = older.filter((version) => !upcastsFrom.has(version));
  const findings = incompatibilities(versions.flatMap(comparable), mode).filter(
    ({ direction, olderVersion, newerVersion }) =>
      // What the store remembers of versions that the program no longer defines cannot be mended any more.
      (own === undefined || own.some(({ version }) => version === newerVersion)) &&
      !(direction === 'backward' && olderVersion < newerVersion && upcastsFrom.has(olderVersion)),
  );
  const state = remembered.length === 0 ? 'new' : added.length === 0 ? 'unchanged' : 'compatible';
  return {
    type,
    versions: numbers,
    state: findings.length + noWayUp.length > 0 ? 'incompatible' : state,
    changedInPlace: added.filter(isChanged).map(({ version }) => version),
    notCompared: versions.filter(({ schema }) => schema.jsonSchema === undefined).map(({ version }) => version),
    upcast: older.filter((version) => upcastsFrom.has(version)),
    noWayUp,
    findings,
  };
}

function isSame(left: JsonValue | undefined, right: JsonValue | undefined): boolean {
  return left === undefined || right === undefined ? left === right : sameJson(left, right);
}

function comparable({ version, schema: { jsonSchema, vendor } }: Version): SchemaVersion[] {
  if (jsonSchema === undefined) return [];
  // What zod's objects do not declare they leave out, unless they say that they are open.
  return [{ version, jsonSchema, undeclared: vendor === 'zod' ? 'absent' : 'possible' }];
}
