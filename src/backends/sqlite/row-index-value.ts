import type { IndexCondition, IndexValue } from '../../consumer/row-store.ts';

/** An index value as it is stored: first its kind, in the order of kinds, then the value within the kind. */
export type StoredIndexValue = readonly [kind: number, value: string | number];

export type IndexValues = Readonly<Record<string, IndexValue>>;

const NULL: StoredIndexValue = [0, 0];
const STRING = 3;

export function storedIndexValue(value: IndexValue | undefined): StoredIndexValue {
  if (value === null || value === undefined) return NULL;
  if (typeof value === 'boolean') return [1, value ? 1 : 0];
  return [typeof value === 'number' ? 2 : STRING, value];
}

export function parseIndexes(json: string | null): IndexValues {
  return json === null ? {} : (JSON.parse(json) as IndexValues);
}

/** The value of a row in an index; null without one. */
export function valueIn(indexes: IndexValues, index: string): IndexValue {
  return Object.hasOwn(indexes, index) ? (indexes[index] ?? null) : null;
}

/** By code point: the order of UTF-8 bytes, which is that of SQLite. */
export function compareText(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

export function compareIndexValues(left: IndexValue, right: IndexValue): number {
  const [leftKind, leftValue] = storedIndexValue(left);
  const [rightKind, rightValue] = storedIndexValue(right);
  if (leftKind !== rightKind) return leftKind - rightKind;
  if (typeof leftValue === 'string' && typeof rightValue === 'string') return compareText(leftValue, rightValue);
  return Number(leftValue) - Number(rightValue);
}

/** How each comparison judges the order of a row's value and the condition's. */
const COMPARISONS: Readonly<Record<Exclude<IndexCondition['op'], 'prefix'>, (order: number) => boolean>> = {
  '=': (order) => order === 0,
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** Whether a condition holds for a row. A comparison holds only within one kind. */
export function conditionHolds({ index, op, value: wanted }: IndexCondition, indexes: IndexValues): boolean {
  const value = valueIn(indexes, index);
  if (storedIndexValue(value)[0] !== storedIndexValue(wanted)[0]) return false;
  if (op === 'prefix') return typeof value === 'string' && value.startsWith(String(wanted));
  return COMPARISONS[op](compareIndexValues(value, wanted));
}

/** A condition on the entries of its own index, as SQL over `e.kind` and `e.value`. It may let through more, never less. */
export function entryCondition({ op, value }: IndexCondition): {
  readonly sql: string;
  readonly parameters: readonly (string | number)[];
} {
  const [kind, stored] = storedIndexValue(value);
  if (op !== 'prefix') return { sql: `e.kind = ? AND e.value ${op} ?`, parameters: [kind, stored] };
  return { sql: 'e.kind = ? AND e.value >= ?', parameters: [STRING, String(value)] };
}
