import { isDeepStrictEqual } from 'node:util';
import { incompatibilities } from '../../index.ts';
import type { CatalogEvent, CompatibilityMode, SchemaVersion, VersionFinding } from '../../index.ts';

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
  readonly event: CatalogEvent;
  readonly isOwn: boolean;
}

/** Compares what a program defines with what a store remembers; of a store alone, its versions with each other. */
export function compareHistories(
  remembered: readonly CatalogEvent[],
  own: readonly CatalogEvent[] | undefined,
  mode: CompatibilityMode,
): Comparison {
  const types = [...new Set((own ?? remembered).map(({ type }) => type))].toSorted();
  const of = (events: readonly CatalogEvent[], type: string): readonly CatalogEvent[] =>
    events.filter((event) => event.type === type);
  const events = types.map((type) => historyOf(type, of(remembered, type), own && of(own, type), mode));
  const known = new Set(types);
  return {
    ok: events.every(({ findings }) => findings.length === 0),
    mode,
    events,
    notDefined: [...new Set(remembered.map(({ type }) => type))].filter((type) => !known.has(type)),
  };
}

function historyOf(
  type: string,
  remembered: readonly CatalogEvent[],
  own: readonly CatalogEvent[] | undefined,
  mode: CompatibilityMode,
): EventHistory {
  const known = new Map(remembered.map((event) => [event.version, event]));
  const isChanged = (event: CatalogEvent): boolean =>
    known.has(event.version) && !isDeepStrictEqual(known.get(event.version)?.jsonSchema, event.jsonSchema);
  const added = (own ?? []).filter((event) => !known.has(event.version) || isChanged(event));
  const versions: Version[] = [
    ...remembered.map((event) => ({ version: event.version, event, isOwn: false })),
    // After the remembered ones: of one number, what the program says is the newer one.
    ...added.map((event) => ({ version: event.version, event, isOwn: true })),
  ].toSorted((left, right) => left.version - right.version);
  const findings = incompatibilities(versions.flatMap(comparable), mode).filter(
    // What the store remembers of versions that the program no longer defines cannot be mended any more.
    ({ newerVersion }) => own === undefined || own.some(({ version }) => version === newerVersion),
  );
  const state = remembered.length === 0 ? 'new' : added.length === 0 ? 'unchanged' : 'compatible';
  return {
    type,
    versions: [...new Set(versions.map(({ version }) => version))],
    state: findings.length > 0 ? 'incompatible' : state,
    changedInPlace: added.filter(isChanged).map(({ version }) => version),
    notCompared: versions.filter(({ event }) => event.jsonSchema === undefined).map(({ version }) => version),
    findings,
  };
}

function comparable({ version, event: { jsonSchema, vendor } }: Version): SchemaVersion[] {
  if (jsonSchema === undefined) return [];
  // What zod's objects do not declare they leave out, unless they say that they are open.
  return [{ version, jsonSchema, undeclared: vendor === 'zod' ? 'absent' : 'possible' }];
}
