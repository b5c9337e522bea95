import type { IndexCondition, IndexValue, RowQuery } from '../../consumer/row-store.ts';
import { compareText } from './text-order.ts';

/** The order of kinds: null, booleans, numbers, strings. */
function kindOf(value: IndexValue): 0 | 1 | 2 | 3 {
  if (value === null) return 0;
  if (typeof value === 'boolean') return 1;
  return typeof value === 'number' ? 2 : 3;
}

export function compareIndexValues(left: IndexValue, right: IndexValue): number {
  if (typeof left === 'string' && typeof right === 'string') return compareText(left, right);
  return kindOf(left) - kindOf(right) || Number(left) - Number(right);
}

/** Whether a condition holds for the value that a row has for its index. */
export function holds(condition: IndexCondition, value: IndexValue): boolean {
  if (kindOf(value) !== kindOf(condition.value)) return false;
  const order = compareIndexValues(value, condition.value);
  switch (condition.op) {
    case '=':
      return order === 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
    case 'prefix':
      return typeof value === 'string' && typeof condition.value === 'string' && value.startsWith(condition.value);
  }
}

interface Ordered {
  readonly key: string;
  readonly orderValue: IndexValue | undefined;
}

/** How a query orders two rows: by index value in its direction, then by key, ascending. */
export function compareRows(left: Ordered, right: Ordered, orderBy: RowQuery['orderBy']): number {
  const order = orderBy === undefined ? 0 : compareIndexValues(left.orderValue ?? null, right.orderValue ?? null);
  return (orderBy?.direction === 'desc' ? -order : order) || compareText(left.key, right.key);
}
