/**
 * One condition on one field, and whether a value fulfils it.
 *
 * A field pattern is a list, and one entry that accepts is enough. Plain values are kept in a set, operators in a list.
 */
import { addressBits } from './address-bits.ts';
import { foldCase } from './folded-text.ts';
import { matchesWildcard, type Wildcard } from './wildcard.ts';

/** A leaf of an event: what an operator can be asked about. */
export type Scalar = string | number | boolean | null;

/**
 * What a field may be compared with.
 *
 * Shape A range includes both ends (an open end is moved to the next representable number). Texts of the `folded`
 *       operators are folded. `none-of` carries anything-but with operators, `other-than` with plain values.
 */
export type Operator =
  | { readonly kind: 'present' }
  | { readonly kind: 'prefix' | 'suffix' | 'folded-prefix' | 'folded-suffix' | 'folded-equal'; readonly text: string }
  | { readonly kind: 'wildcard'; readonly pieces: Wildcard }
  | { readonly kind: 'network'; readonly bits: string }
  | { readonly kind: 'range'; readonly low: number; readonly high: number }
  | { readonly kind: 'other-than'; readonly values: ReadonlySet<Scalar> }
  | { readonly kind: 'none-of'; readonly operators: readonly Operator[] };

/**
 * A condition on the field at `path`, fulfilled when the leaf there is among the values or accepted by an operator, or
 * when there is no leaf and `absent` is set.
 */
export type Condition = {
  readonly path: readonly string[];
  readonly values: ReadonlySet<Scalar>;
  readonly operators: readonly Operator[];
  readonly absent: boolean;
};

/** Whether the value is a leaf: anything else (object, list, undefined, function) leaves the field absent. */
export function isScalar(value: unknown): value is Scalar {
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'boolean' || value === null;
}

/** Whether a present leaf fulfils the condition. */
export function accepts(condition: Condition, value: Scalar): boolean {
  if (condition.values.has(value)) return true;
  for (const operator of condition.operators) if (acceptsBy(operator, value)) return true;
  return false;
}

/** The number of values and operators, `exists: false` included, that a leaf may be compared with. */
export function comparisonsOf(condition: Condition): number {
  return condition.values.size + condition.operators.length + (condition.absent ? 1 : 0);
}

/** Whether one operator accepts a present leaf. */
export function acceptsBy(operator: Operator, value: Scalar): boolean {
  switch (operator.kind) {
    case 'present':
      return true;
    case 'range':
      return typeof value === 'number' && value >= operator.low && value <= operator.high;
    case 'other-than':
      return !operator.values.has(value);
    case 'none-of':
      return !operator.operators.some((inner) => acceptsBy(inner, value));
    case 'prefix':
      return typeof value === 'string' && value.startsWith(operator.text);
    case 'suffix':
      return typeof value === 'string' && value.endsWith(operator.text);
    case 'folded-prefix':
      return typeof value === 'string' && foldCase(value).startsWith(operator.text);
    case 'folded-suffix':
      return typeof value === 'string' && foldCase(value).endsWith(operator.text);
    case 'folded-equal':
      return typeof value === 'string' && foldCase(value) === operator.text;
    case 'wildcard':
      return typeof value === 'string' && matchesWildcard(operator.pieces, value);
    case 'network':
      return typeof value === 'string' && addressBits(value)?.startsWith(operator.bits) === true;
    default:
      return operator satisfies never;
  }
}

/** A text that is equal for two operators exactly when they are written alike. */
export function operatorKey(operator: Operator): string {
  switch (operator.kind) {
    case 'present':
      return operator.kind;
    case 'range':
      return `range ${operator.low} ${operator.high}`;
    case 'other-than':
      return `other-than ${JSON.stringify([...operator.values])}`;
    case 'none-of':
      return `none-of ${JSON.stringify(operator.operators.map(operatorKey))}`;
    case 'wildcard':
      return `wildcard ${JSON.stringify(operator.pieces)}`;
    case 'network':
      return `network ${operator.bits}`;
    case 'prefix':
    case 'suffix':
    case 'folded-prefix':
    case 'folded-suffix':
    case 'folded-equal':
      return `${operator.kind} ${operator.text}`;
    default:
      return operator satisfies never;
  }
}
