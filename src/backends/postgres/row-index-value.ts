import type { IndexValue } from '../../consumer/row-store.ts';
import { fromText, toText } from './text.ts';

/** An index value as it is stored: first its kind, in the order of kinds, then the value within the kind. */
export type StoredIndexValue = readonly [kind: number, number: number, string: string];

type IndexValues = Readonly<Record<string, IndexValue>>;

export const NULL: StoredIndexValue = [0, 0, ''];
export const STRING = 3;

export function storedIndexValue(value: IndexValue | undefined): StoredIndexValue {
  if (value === null || value === undefined) return NULL;
  if (typeof value === 'boolean') return [1, value ? 1 : 0, ''];
  return typeof value === 'number' ? [2, value, ''] : [STRING, 0, rowText(value)];
}

/** Keys, names and text in an index: without NUL and lone surrogates, which PostgreSQL cannot hold, nor look at in JSON. */
export function rowText(text: string): string {
  return toText(text.toWellFormed());
}

/** The declared indexes of a row as JSON with `rowText` in it, in which PostgreSQL can look; null: none declared. */
export function indexesJson(indexes: IndexValues): string | null {
  const entries = Object.entries(indexes).map(([name, value]) => [
    rowText(name),
    typeof value === 'string' ? rowText(value) : value,
  ]);
  return entries.length === 0 ? null : JSON.stringify(Object.fromEntries(entries));
}

/** The entries of a row by the stored names of its indexes. */
export function storedIndexes(json: string | null): ReadonlyMap<string, StoredIndexValue> {
  const stored = new Map<string, StoredIndexValue>();
  for (const [name, value] of Object.entries(parse(json)))
    // Text is in its stored form there.
    stored.set(name, typeof value === 'string' ? [STRING, 0, value] : storedIndexValue(value));
  return stored;
}

/** The value of a row in an index; null without one. */
export function valueIn(json: string | null, index: string): IndexValue {
  const indexes = parse(json);
  const name = rowText(index);
  const value = Object.hasOwn(indexes, name) ? indexes[name] : undefined;
  return typeof value === 'string' ? fromText(value) : (value ?? null);
}

/** The declared indexes of a row as its writer gave them. */
export function givenIndexes(json: string | null): IndexValues {
  return Object.fromEntries(
    Object.entries(parse(json)).map(([name, value]) => [
      fromText(name),
      typeof value === 'string' ? fromText(value) : value,
    ]),
  );
}

export function sameIndexValue(left: StoredIndexValue, right: StoredIndexValue): boolean {
  return left[0] === right[0] && left[1] === right[1] && left[2] === right[2];
}

function parse(json: string | null): IndexValues {
  return json === null ? {} : (JSON.parse(json) as IndexValues);
}
