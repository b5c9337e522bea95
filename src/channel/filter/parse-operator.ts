/**
 * Reads one entry of a field pattern that is an object: `{ "prefix": "a" }`.
 *
 * Source EventBridge user guide, "Comparison operators for use in event patterns"; event-ruler README.
 */
import { networkBits } from './address-bits.ts';
import type { Operator, Scalar } from './condition.ts';
import { foldCase } from './folded-text.ts';
import { describeValue } from '../../system/values.ts';
import { InvalidPattern } from './invalid-pattern.ts';
import { MAX_VALUES } from './pattern-limits.ts';
import { parseWildcard } from './wildcard.ts';

/** What an operator object comes to: `exists: false` and `numeric: ['=', n]` are not operators of their own. */
export type ParsedOperator = { readonly operator: Operator } | { readonly value: Scalar } | { readonly absent: true };

type Source = { readonly [name: string]: unknown };

/** Parses an operator object; `path` names its place for the error. */
export function parseOperator(source: object, path: string): ParsedOperator {
  const [name, argument] = onlyEntry(source as Source, path);
  const place = `${path}.${name}`;
  switch (name) {
    case 'prefix':
    case 'suffix':
      return { operator: parseAffix(name, argument, place) };
    case 'equals-ignore-case':
    case 'wildcard':
    case 'cidr':
      return { operator: parseText(name, argument, place) };
    case 'numeric':
      return parseNumeric(argument, place);
    case 'exists':
      if (typeof argument !== 'boolean') throw fault(place, 'true or false', argument);
      return argument ? { operator: { kind: 'present' } } : { absent: true };
    case 'anything-but':
      return { operator: parseAnythingBut(argument, place) };
    default:
      throw new InvalidPattern({ path, expected: 'a known operator', found: describeValue(name) });
  }
}

function onlyEntry(source: Source, path: string): [name: string, argument: unknown] {
  const names = Object.keys(source);
  const [name] = names;
  if (name === undefined) throw fault(path, 'a value or an operator', source);
  if (names.length > 1) {
    throw new InvalidPattern({ path, expected: 'one operator', found: describeValue(names.slice(0, 5).join(', ')) });
  }
  return [name, source[name]];
}

function fault(path: string, expected: string, found: unknown): InvalidPattern {
  return new InvalidPattern({ path, expected, found: describeValue(found) });
}

function parseAffix(kind: 'prefix' | 'suffix', argument: unknown, path: string): Operator {
  if (typeof argument === 'string') return { kind, text: argument };
  if (!isObject(argument)) throw fault(path, 'a string or { "equals-ignore-case": string }', argument);
  const [name, text] = onlyEntry(argument, path);
  if (name !== 'equals-ignore-case') throw fault(path, '"equals-ignore-case"', name);
  if (typeof text !== 'string') throw fault(`${path}.${name}`, 'a string', text);
  return { kind: `folded-${kind}`, text: foldCase(text) };
}

function parseText(name: 'equals-ignore-case' | 'wildcard' | 'cidr', argument: unknown, path: string): Operator {
  if (typeof argument !== 'string') throw fault(path, 'a string', argument);
  if (name === 'equals-ignore-case') return { kind: 'folded-equal', text: foldCase(argument) };
  if (name === 'cidr') {
    const bits = networkBits(argument);
    if (bits === undefined) throw fault(path, 'an IPv4 or IPv6 network, "10.0.0.0/24"', argument);
    return { kind: 'network', bits };
  }
  const pieces = parseWildcard(argument);
  if ('expected' in pieces) throw fault(path, pieces.expected, argument);
  return { kind: 'wildcard', pieces };
}

function parseAnythingBut(argument: unknown, path: string): Operator {
  if (isObject(argument)) {
    const [name, inner] = onlyEntry(argument, path);
    return { kind: 'none-of', operators: parseRefusedTexts(name, inner, path) };
  }
  const values: readonly unknown[] = Array.isArray(argument) ? limited(argument, path) : [argument];
  const [first] = values;
  for (const [at, value] of values.entries()) {
    if (!isText(value) && !isFiniteNumber(value)) {
      throw fault(Array.isArray(argument) ? `${path}[${at}]` : path, 'a string or a number', value);
    }
    if (typeof value !== typeof first) throw fault(path, 'strings only or numbers only', 'both');
  }
  return { kind: 'other-than', values: new Set(values as Scalar[]) };
}

function parseRefusedTexts(name: string, argument: unknown, path: string): Operator[] {
  const place = `${path}.${name}`;
  const texts: readonly unknown[] = Array.isArray(argument) ? limited(argument, place) : [argument];
  return texts.map((text, at) => {
    const textPlace = Array.isArray(argument) ? `${place}[${at}]` : place;
    if (name === 'equals-ignore-case' || name === 'wildcard') return parseText(name, text, textPlace);
    if (name !== 'prefix' && name !== 'suffix') {
      throw fault(path, '"prefix", "suffix", "equals-ignore-case" or "wildcard"', name);
    }
    // An empty one would accept every text, so that "anything but" it could only ever accept other types.
    if (!isText(text) || text === '') throw fault(textPlace, 'a string that is not empty', text);
    return { kind: name, text };
  });
}

function limited(list: readonly unknown[], path: string): readonly unknown[] {
  if (list.length === 0) throw fault(path, 'at least one value', list);
  if (list.length > MAX_VALUES) throw fault(path, `at most ${MAX_VALUES} values (limit values)`, list);
  return list;
}

function parseNumeric(argument: unknown, path: string): ParsedOperator {
  if (!Array.isArray(argument)) throw fault(path, 'a list, [">=", 1] or [">=", 1, "<", 9]', argument);
  const list: readonly unknown[] = argument;
  const [comparison, bound] = list;
  if (comparison !== '=' && !isLower(comparison) && !isUpper(comparison)) {
    throw fault(`${path}[0]`, '=, <, <=, > or >=', comparison);
  }
  if (!isFiniteNumber(bound)) throw fault(`${path}[1]`, 'a number', bound);
  if (list.length > 2 && !isLower(comparison)) throw fault(path, 'a range to begin with > or >=', comparison);
  if (comparison === '=') return { value: bound };
  if (isUpper(comparison)) return range(Number.NEGATIVE_INFINITY, comparison === '<' ? nextBelow(bound) : bound);
  const low = comparison === '>' ? nextAbove(bound) : bound;
  if (list.length === 2) return range(low, Number.POSITIVE_INFINITY);
  const [, , second, top] = list;
  if (!isUpper(second)) throw fault(`${path}[2]`, '< or <=', second);
  if (!isFiniteNumber(top)) throw fault(`${path}[3]`, 'a number', top);
  if (list.length > 4) throw fault(path, 'one or two comparisons', list);
  if (top < bound) throw fault(`${path}[3]`, `a number not below ${bound}`, top);
  return range(low, second === '<' ? nextBelow(top) : top);
}

function range(low: number, high: number): ParsedOperator {
  return { operator: { kind: 'range', low, high } };
}

function isLower(comparison: unknown): comparison is '>' | '>=' {
  return comparison === '>' || comparison === '>=';
}

function isUpper(comparison: unknown): comparison is '<' | '<=' {
  return comparison === '<' || comparison === '<=';
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isObject(value: unknown): value is Source {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const float = new Float64Array(1);
const bits = new BigInt64Array(float.buffer);

/** The smallest number above: with it "greater than" is "at least", and a range is two comparisons. */
function nextAbove(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  float[0] = value;
  bits[0] = (bits[0] ?? 0n) + (value > 0 ? 1n : -1n);
  return float[0];
}

function nextBelow(value: number): number {
  return -nextAbove(-value);
}
