import type { RecordedEvent } from '../event/event.ts';
import { SYSTEM_CATEGORY, categoryOf } from '../event/stream-name.ts';
import { isSystemEventType } from '../event/system-events.ts';
import { compilePattern } from './filter/compile.ts';
import type { CompiledPattern } from './filter/compile.ts';
import { matches } from './filter/matches.ts';

/** Which events a consumer or a reader gets. All given parts must hold. */
export interface Selection {
  readonly types?: readonly string[] | undefined;
  readonly categories?: readonly string[] | undefined;
  readonly sources?: readonly string[] | undefined;
  /** An event pattern over attributes and data. */
  readonly where?: unknown;
}

export interface CompiledSelection {
  readonly types: readonly string[] | undefined;
  /** What the shared index knows of the selection: `where` and whatever of the rest it does not speak of itself. */
  readonly pattern: CompiledPattern | undefined;
  /** What it was made of: an event is selected by any of these. */
  readonly asked: readonly Selection[];
  /** The whole selection, for one event. */
  matches(event: RecordedEvent): boolean;
}

/**
 * Compiles a selection once.
 *
 * Guarantee Without a type or category that names them, events of the system's own category are left out.
 * Errors    InvalidPattern names the place in `where`.
 */
export function compileSelection(selection: Selection): CompiledSelection {
  const where = selection.where === undefined ? undefined : compilePattern(selection.where);
  const types = asSet(selection.types);
  const categories = asSet(selection.categories);
  const sources = asSet(selection.sources);
  const wantsSystem = [...(types ?? [])].some(isSystemEventType) || categories?.has(SYSTEM_CATEGORY) === true;
  return {
    types: selection.types,
    pattern: indexPattern(selection),
    asked: [selection],
    matches(event) {
      if (types !== undefined && !types.has(event.type)) return false;
      if (sources !== undefined && !sources.has(event.source)) return false;
      if (categories !== undefined || !wantsSystem) {
        const category = categoryOf(event.stream);
        if (categories !== undefined && !categories.has(category)) return false;
        if (!wantsSystem && category === SYSTEM_CATEGORY) return false;
      }
      return where === undefined || matches(where, (name) => event.attribute(name));
    },
  };
}

/** What either of two selections selects. */
export function eitherOf(left: CompiledSelection, right: CompiledSelection): CompiledSelection {
  const types = left.types === undefined || right.types === undefined ? undefined : [...left.types, ...right.types];
  const alternatives =
    left.pattern === undefined || right.pattern === undefined
      ? undefined
      : [...left.pattern.alternatives, ...right.pattern.alternatives];
  return {
    types,
    pattern: alternatives === undefined ? undefined : { alternatives },
    asked: [...left.asked, ...right.asked],
    matches: (event) => left.matches(event) || right.matches(event),
  };
}

function asSet(values: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return values === undefined ? undefined : new Set(values);
}

function indexPattern(selection: Selection): CompiledPattern | undefined {
  const where = (selection.where ?? {}) as Readonly<Record<string, unknown>>;
  const pattern: Record<string, unknown> = { ...where };
  if (selection.types !== undefined && !Object.hasOwn(where, 'type')) pattern['type'] = selection.types;
  if (selection.categories !== undefined && !Object.hasOwn(where, 'category'))
    pattern['category'] = selection.categories;
  if (selection.sources !== undefined && !Object.hasOwn(where, 'source')) pattern['source'] = selection.sources;
  return Object.keys(pattern).length === 0 ? undefined : compilePattern(pattern);
}
