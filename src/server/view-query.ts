import { InvalidInput } from '../index.ts';
import type { IndexCondition, IndexValue, ProjectionDefinition } from '../index.ts';
import type { ServedSystem } from './served-system.ts';

const OPERATORS: Readonly<Record<string, IndexCondition['op']>> = {
  eq: '=',
  lt: '<',
  lte: '<=',
  gt: '>',
  gte: '>=',
  prefix: 'prefix',
};

const WORDS = Object.fromEntries(Object.entries(OPERATORS).map(([word, op]) => [op, word]));
/** Conditions that hold for every value of a kind. */
const OF_KIND = {
  boolean: { op: '>=', value: false },
  number: { op: '>=', value: -Number.MAX_VALUE },
} as const;

/** How the parameters are written, for people. */
export const FILTERS =
  'Filters on declared indexes: `customer=c1` or `customer.eq=c1`, and with `.lt`, `.lte`, `.gt`, `.gte`, `.prefix`: `total.gte=100`. A value that reads as a number, as `true`, `false` or `null`, is taken as such where the index holds values of that kind, else as text; what the index holds nothing of the kind of is refused.';

/**
 * The conditions in a query, on indexes of a view.
 *
 * Errors    InvalidInput names a parameter that is no index with one of the operators.
 */
export async function conditionsOf(
  system: ServedSystem,
  view: ProjectionDefinition,
  query: Iterable<readonly [string, string]>,
): Promise<readonly IndexCondition[]> {
  const conditions: IndexCondition[] = [];
  for (const [name, value] of query) {
    const { index, op } = parse(view, name);
    conditions.push({ index, op, value: op === 'prefix' ? value : await valueOf(system, view, index, value) });
  }
  return conditions;
}

function parse(view: ProjectionDefinition, name: string): { index: string; op: IndexCondition['op'] } {
  if (view.indexes.includes(name)) return { index: name, op: '=' };
  const dot = name.lastIndexOf('.');
  const index = name.slice(0, Math.max(dot, 0));
  const word = name.slice(dot + 1);
  const op = Object.hasOwn(OPERATORS, word) ? OPERATORS[word] : undefined;
  if (op !== undefined && view.indexes.includes(index)) return { index, op };
  const declared = view.indexes.length === 0 ? 'it declares none' : view.indexes.join(', ');
  throw new InvalidInput({
    path: 'query',
    expected: `order_by, direction, limit, after, after-position, or an index of view ${view.name} (${declared}), with .eq, .lt, .lte, .gt, .gte or .prefix`,
    found: name,
  });
}

/**
 * Where no row is found: an index that holds values, and none of the kind of what was given, cannot be meant so.
 *
 * Errors    InvalidInput names the parameter.
 */
export async function assertHeld(
  system: ServedSystem,
  view: ProjectionDefinition,
  conditions: readonly IndexCondition[],
): Promise<void> {
  for (const { index, op, value } of conditions) {
    if (typeof value !== 'string') continue;
    const holds = async (condition: Omit<IndexCondition, 'index'>) =>
      (await system.views.query(view, { where: [{ index, ...condition }], limit: 1 })).items.length > 0;
    if (await holds({ op: '>=', value: '' })) continue;
    const held = (await holds(OF_KIND.number))
      ? 'a number'
      : (await holds(OF_KIND.boolean))
        ? 'true or false'
        : undefined;
    if (held === undefined) continue;
    const expected =
      op === 'prefix'
        ? `another condition: index ${index} holds no text, but ${held}`
        : `${held}, as index ${index} holds`;
    throw new InvalidInput({ path: op === '=' ? index : `${index}.${WORDS[op]}`, expected, found: value });
  }
}

/** A query has only text; what the index holds says what is meant. */
async function valueOf(
  system: ServedSystem,
  view: ProjectionDefinition,
  index: string,
  text: string,
): Promise<IndexValue> {
  const reading = readingOf(text);
  if (reading === undefined) return text;
  const { items } = await system.views.query(view, { where: [{ index, ...reading.kind }], limit: 1 });
  return items.length > 0 ? reading.value : text;
}

/** What a text reads as besides itself, and the condition that holds for every value of that kind. */
function readingOf(
  text: string,
): { value: IndexValue; kind: { op: IndexCondition['op']; value: IndexValue } } | undefined {
  if (text === 'null') return { value: null, kind: { op: '=', value: null } };
  if (text === 'true' || text === 'false') return { value: text === 'true', kind: OF_KIND.boolean };
  const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(number) ? { value: number, kind: OF_KIND.number } : undefined;
}
