import path from 'node:path';
import { digestOf, RowProblem, shown } from './unit.ts';
import type { Row, Unit } from './unit.ts';
import type { JsonValue } from '../../index.ts';

/** Fills a template from the rows of an event; undefined where a column that it needs has no value. */
export type Fill = (unit: Unit) => JsonValue | undefined;

/** What a template reads from: the columns it names are added to `columns`. */
export interface Scope {
  readonly columns: Set<string>;
}

/** `{Column}`; `{{` and `}}` stand for the braces themselves. */
const PLACE = /\{\{|\}\}|\{([^{}]+)\}/g;

/** Compiles a template. Errors: RangeError names the place in it. */
export function compileTemplate(template: JsonValue, scope: Scope, at: string): Fill {
  if (typeof template === 'string') return compileText(template, scope, at);
  if (typeof template !== 'object' || template === null) return () => template;
  if (Array.isArray(template)) return compileList(template, scope, at);
  const entries = Object.entries(template);
  const [first] = entries;
  if (first?.[0].startsWith('$') === true) {
    if (entries.length > 1) throw new RangeError(`${at}: ${first[0]} stands alone in its object`);
    return compileOperation(first[0], first[1], scope, `${at}.${first[0]}`);
  }
  const members = entries.map(([name, value]) => [name, compileTemplate(value, scope, `${at}.${name}`)] as const);
  return (unit) => {
    const filled: Record<string, JsonValue> = {};
    for (const [name, fill] of members) {
      const value = fill(unit);
      if (value !== undefined) filled[name] = value;
    }
    return filled;
  };
}

function compileList(template: readonly JsonValue[], scope: Scope, at: string): Fill {
  const items = template.map((item, index) => compileTemplate(item, scope, `${at}[${index}]`));
  return (unit) => items.map((fill) => fill(unit)).filter((value) => value !== undefined);
}

/** A column alone keeps its type; within other text it becomes text. */
function compileText(template: string, scope: Scope, at: string): Fill {
  const parts: (string | Fill)[] = [];
  let end = 0;
  const literal = (text: string) => {
    if (/[{}]/.test(text))
      throw new RangeError(
        `${at}: a single brace in ${JSON.stringify(template)}; write {{ or }} for the character itself`,
      );
    if (text !== '') parts.push(text);
  };
  for (const match of template.matchAll(PLACE)) {
    literal(template.slice(end, match.index));
    parts.push(match[1] === undefined ? match[0].slice(0, 1) : column(match[1], scope));
    end = match.index + match[0].length;
  }
  literal(template.slice(end));
  const [first] = parts;
  if (parts.length === 1 && typeof first === 'function') return first;
  return (unit) => {
    let text = '';
    for (const part of parts) {
      const value = typeof part === 'string' ? part : part(unit);
      if (value === undefined) return undefined;
      text += typeof value === 'string' ? value : JSON.stringify(value);
    }
    return text;
  };
}

function column(name: string, scope: Scope): Fill {
  if (name === '*') return (unit) => ({ ...unit[0].raw });
  if (name === '$file') return (unit) => path.basename(unit[0].file);
  if (name === '$line') return (unit) => unit[0].line;
  if (name === '$digest') return (unit) => digestOf(unit[0]);
  scope.columns.add(name);
  return (unit) => sameInAll(unit, name);
}

/** A group has one value of a column, or the template has to say which of them is meant. */
function sameInAll(unit: Unit, name: string): JsonValue | undefined {
  const [first] = unit;
  const value = first.values[name];
  for (const row of unit) {
    const other = row.values[name];
    if (other !== value && JSON.stringify(other) !== JSON.stringify(value)) {
      throw new RowProblem(
        row,
        `column ${name} is ${shown(other)} here and ${shown(value)} in line ${first.line} of the same group; say which is meant, such as {"$first": "{${name}}"}`,
      );
    }
  }
  return value;
}

function compileOperation(name: string, argument: JsonValue, scope: Scope, at: string): Fill {
  if (name === '$count') return (unit) => unit.length;
  if (name === '$product') {
    if (!Array.isArray(argument)) throw new RangeError(`${at}: expected a list of factors`);
    const factors = argument.map((factor, index) => compileTemplate(factor, scope, `${at}[${index}]`));
    return (unit) => product(unit, factors, at);
  }
  const fill = compileTemplate(argument, scope, at);
  const each = (unit: Unit) => unit.map((row) => fill([row])).filter((value) => value !== undefined);
  switch (name) {
    case '$each':
      return each;
    case '$first':
      return (unit) => each(unit)[0];
    case '$last':
      return (unit) => each(unit).at(-1);
    case '$distinct':
      return (unit) =>
        [...new Map(each(unit).map((value) => [JSON.stringify(value), value] as const)).values()].sort(compareValues);
    case '$min':
      return (unit) => each(unit).sort(compareValues)[0];
    case '$max':
      return (unit) => each(unit).sort(compareValues).at(-1);
    case '$sum':
      return (unit) =>
        exact(
          unit[0],
          at,
          each(unit).reduce<number>((total, value) => total + numeric(unit[0], at, value), 0),
        );
    default:
      throw new RangeError(
        `${at}: there is no ${name}; there are $each, $first, $last, $min, $max, $sum, $product, $count, $distinct`,
      );
  }
}

function product(unit: Unit, factors: readonly Fill[], at: string): number | undefined {
  let result = 1;
  for (const fill of factors) {
    const value = fill(unit);
    if (value === undefined) return undefined;
    result *= numeric(unit[0], at, value);
  }
  return exact(unit[0], at, result === 0 ? 0 : result);
}

function numeric(row: Row, at: string, value: JsonValue): number {
  if (typeof value !== 'number') throw new RowProblem(row, `${at}: expected a number, found ${shown(value)}`);
  return value;
}

/** Whole numbers stay exact or are refused; fractions are what they are. */
function exact(row: Row, at: string, value: number): number {
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new RowProblem(row, `${at}: the result is too large to be exact`);
  return value;
}

/** Numbers by size, dates by instant, everything else by its text. */
function compareValues(left: JsonValue, right: JsonValue): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  const [one, other] = [textOf(left), textOf(right)];
  if (DATE.test(one) && DATE.test(other)) return Date.parse(one) - Date.parse(other);
  return one < other ? -1 : one > other ? 1 : 0;
}

const DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/;

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
