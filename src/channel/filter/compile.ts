/**
 * Turns a pattern, as it comes from JSON or from a program, into alternatives of conditions.
 *
 * 1. An alternative is a set of conditions which must all hold; a pattern matches when one alternative does.
 * 2. `$or` is multiplied out, so that an alternative has no structure but its list.
 * 3. A field name with dots is the same as nested fields, so a path is split at its dots.
 */
import { comparisonsOf, isScalar, operatorKey, type Condition, type Operator, type Scalar } from './condition.ts';
import { describeValue } from '../../system/values.ts';
import { InvalidPattern } from './invalid-pattern.ts';
import { parseOperator } from './parse-operator.ts';
import { MAX_ALTERNATIVES, MAX_DEPTH, MAX_EXPANDED_COMPARISONS, MAX_VALUES } from './pattern-limits.ts';

/** Conditions which must all hold, in arrays of objects all in the same element. */
export type Alternative = { readonly conditions: readonly Condition[] };

/**
 * A checked pattern, ready for {@link matches} and FilterIndex. Immutable; may be shared.
 */
export type CompiledPattern = { readonly alternatives: readonly Alternative[] };

/**
 * Checks and compiles an event pattern.
 *
 * Shape  The pattern language of EventBridge: nested fields end in lists of values and operators.
 * Errors InvalidPattern (caller): names the place, what was expected there and what was found, or the limit exceeded.
 * Source EventBridge user guide, "Event patterns"; event-ruler README.
 */
export function compilePattern(pattern: unknown): CompiledPattern {
  const reader: Reader = { values: 0, levels: 0, insideOr: false };
  const combinations = readObject(reader, pattern, { path: [], place: '' });
  return { alternatives: combinations.map((conditions) => ({ conditions })) };
}

type Reader = { values: number; levels: number; insideOr: boolean };
type Place = { readonly path: readonly string[]; readonly place: string };
type Combinations = (readonly Condition[])[];

/** Words which EventBridge keeps from being field names inside `$or`; an object with one is an operator. */
const RESERVED = new Set(
  (
    'exactly equals-ignore-case prefix suffix anything-but exists wildcard numeric cidr = < <= > >= regex ' +
    'not-wildcard not-equals-ignore-case date-after date-on-or-after date-before date-on-or-before in-date-range ' +
    'ip-address-in-range ip-address-not-in-range'
  ).split(' '),
);

function readObject(reader: Reader, source: unknown, at: Place): Combinations {
  if (!isObject(source)) throw fault(at.place, at.path.length === 0 ? 'an object' : 'an object or a list', source);
  const names = Object.keys(source);
  if (names.length === 0) throw fault(at.place, 'at least one field', source);
  // Levels are counted besides path lengths, because $or nests without making the path longer.
  reader.levels += 1;
  limitDepth(reader.levels, at.place);
  // What every combination has is collected once; only real choices are multiplied.
  const common: Condition[] = [];
  let combinations: Combinations = [[]];
  for (const name of names) {
    const field = readOwn(source, name);
    const place = at.place === '' ? name : `${at.place}.${name}`;
    if (name === '$or' && isOrList(field)) {
      combinations = multiply(combinations, readOr(reader, field, { path: at.path, place }), place);
      continue;
    }
    if (reader.insideOr && RESERVED.has(name)) throw fault(place, 'a field name that is not reserved in $or', name);
    count(reader, place);
    const path = [...at.path, ...name.split('.')];
    limitDepth(path.length, place);
    const read = Array.isArray(field)
      ? [[readList(reader, field, { path, place })]]
      : readObject(reader, field, { path, place });
    if (read.length === 1) common.push(...(read[0] ?? []));
    else combinations = multiply(combinations, read, place);
  }
  reader.levels -= 1;
  return multiply([common], combinations, at.place);
}

function limitDepth(levels: number, place: string): void {
  if (levels > MAX_DEPTH) throw fault(place, `at most ${MAX_DEPTH} levels (limit depth)`, 'more', true);
}

/** `$or` is an operator only before two or more objects of ordinary field names; else it is a field of that name. */
function isOrList(field: unknown): field is readonly object[] {
  if (!Array.isArray(field) || field.length < 2) return false;
  return field.every((item: unknown) => isObject(item) && !Object.keys(item).some((name) => RESERVED.has(name)));
}

function readOr(reader: Reader, list: readonly object[], at: Place): Combinations {
  const outer = reader.insideOr;
  reader.insideOr = true;
  const combinations: Combinations = [];
  for (const [index, item] of list.entries()) {
    const place = `${at.place}[${index}]`;
    count(reader, place);
    for (const combination of readObject(reader, item, { path: at.path, place })) combinations.push(combination);
    limitCombinations(combinations.length, at.place);
  }
  reader.insideOr = outer;
  return combinations;
}

function multiply(left: Combinations, right: Combinations, place: string): Combinations {
  limitCombinations(left.length * right.length, place);
  const size = total(left) * right.length + total(right) * left.length;
  if (size > MAX_EXPANDED_COMPARISONS) {
    throw fault(
      place,
      `at most ${MAX_EXPANDED_COMPARISONS} comparisons in all combinations of $or (limit comparisons)`,
      size,
    );
  }
  return left.flatMap((first) => right.map((second) => [...first, ...second]));
}

function total(combinations: Combinations): number {
  let sum = 0;
  for (const combination of combinations) for (const condition of combination) sum += comparisonsOf(condition);
  return sum;
}

function limitCombinations(combinations: number, place: string): void {
  if (combinations <= MAX_ALTERNATIVES) return;
  throw fault(place, `at most ${MAX_ALTERNATIVES} combinations of $or (limit alternatives)`, combinations);
}

function readList(reader: Reader, list: readonly unknown[], at: Place): Condition {
  if (list.length === 0) throw fault(at.place, 'at least one value', list);
  const values = new Set<Scalar>();
  const operators = new Map<string, Operator>();
  let absent = false;
  for (const [index, item] of list.entries()) {
    const place = `${at.place}[${index}]`;
    count(reader, place);
    if (isObject(item)) {
      const parsed = parseOperator(item, place);
      if ('operator' in parsed) {
        count(reader, place, innerValues(parsed.operator));
        operators.set(operatorKey(parsed.operator), parsed.operator);
      } else if ('value' in parsed) values.add(parsed.value);
      else absent = true;
    } else if (isScalar(item) && !(typeof item === 'number' && !Number.isFinite(item))) {
      values.add(item);
    } else {
      throw fault(place, 'a string, number, boolean, null or operator', item);
    }
  }
  return { path: at.path, values, operators: [...operators.values()], absent };
}

function innerValues(operator: Operator): number {
  if (operator.kind === 'other-than') return operator.values.size;
  return operator.kind === 'none-of' ? operator.operators.length : 0;
}

function count(reader: Reader, place: string, values = 1): void {
  reader.values += values;
  if (reader.values > MAX_VALUES)
    throw fault(place, `at most ${MAX_VALUES} fields and values (limit values)`, 'more', true);
}

function readOwn(source: object, name: string): unknown {
  return (source as Readonly<Record<string, unknown>>)[name];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fault(path: string, expected: string, found: unknown, plain = false): InvalidPattern {
  return new InvalidPattern({ path, expected, found: plain ? String(found) : describeValue(found) });
}
