import { z } from 'zod';
import { dateReader } from './date-text.ts';
import type { JsonValue } from '../../index.ts';

const TYPES = ['string', 'integer', 'number', 'decimal', 'boolean', 'date', 'json'] as const;

/** How a column is read. A name alone stands for the type with nothing else said. */
export const columnRules = z.preprocess(
  (given) => (typeof given === 'string' ? { type: given } : given),
  z.strictObject({
    type: z.enum(TYPES).default('string'),
    /** Takes white space off both ends of a string; every other type does so anyway. */
    trim: z.boolean().default(false),
    /** Texts beside the empty one that mean: no value. */
    absent: z.array(z.string()).default([]),
    /** In place of no value. */
    default: z.json().optional(),
    /** decimal: digits after the point; the value is the whole number of these units, `"9.95"` → 995. */
    scale: z.int().min(0).max(12).default(2),
    /** number, decimal: the decimal point, and what groups thousands. */
    point: z.string().length(1).optional(),
    thousands: z.string().length(1).optional(),
    /** boolean: what stands for true and false. */
    true: z.array(z.string()).default(['true', '1', 'yes', 'y']),
    false: z.array(z.string()).default(['false', '0', 'no', 'n']),
    /** date: see DateRules. */
    format: z.string().optional(),
    zone: z.string().optional(),
  }),
);

export type ColumnRules = z.output<typeof columnRules>;

/** A value, nothing (the field is empty), or why it cannot be read. */
export type Reading = { readonly value: JsonValue | undefined } | { readonly reason: string };

/** Reads one column. */
export type ReadColumn = (raw: JsonValue | undefined) => Reading;

type Parse = (text: string) => Reading;

/** Errors: RangeError for rules that contradict themselves. */
export function columnReader(rules: ColumnRules): ReadColumn {
  const parse = parserOf(rules);
  const otherwise: Reading = { value: rules.default };
  const absent = new Set(['', ...rules.absent]);
  return (raw) => {
    if (raw === undefined || raw === null) return otherwise;
    if (typeof raw === 'string') {
      const text = rules.trim || rules.type !== 'string' ? raw.trim() : raw;
      return absent.has(text) ? otherwise : parse(text);
    }
    // A JSON value that has the type already.
    if (rules.type === 'json' || (rules.type === 'boolean' && typeof raw === 'boolean')) return { value: raw };
    if (typeof raw === 'object')
      return { reason: `expected ${rules.type}, found ${Array.isArray(raw) ? 'a list' : 'an object'}` };
    return parse(String(raw));
  };
}

function parserOf(rules: ColumnRules): Parse {
  switch (rules.type) {
    case 'string':
      return (value) => ({ value });
    case 'integer':
      return integer;
    case 'number':
      return (text) => number(plainNumber(text, rules));
    case 'decimal':
      return (text) => decimal(plainNumber(text, rules), rules.scale);
    case 'boolean':
      return booleanParser(rules.true, rules.false);
    case 'date': {
      const read = dateReader(rules);
      return (text) => {
        const date = read(text);
        return 'time' in date ? { value: date.time } : date;
      };
    }
    case 'json':
      return json;
  }
}

/** `17243.0` is what spreadsheets make of an integer. */
function integer(text: string): Reading {
  const value = Number(text);
  if (!/^[+-]?\d+(?:\.0+)?$/.test(text)) return { reason: 'expected an integer' };
  return Number.isSafeInteger(value)
    ? { value: value === 0 ? 0 : value }
    : { reason: 'an integer too large to be exact; read it as a string' };
}

function number(text: string): Reading {
  const value = Number(text);
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) || !Number.isFinite(value))
    return { reason: 'expected a number' };
  return { value };
}

/** Exact: no floating point between the text and the whole number of units. */
function decimal(text: string, scale: number): Reading {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text);
  const [whole, fraction] = [match?.[2] ?? '', (match?.[3] ?? '').replace(/0+$/, '')];
  if (match === null || (whole === '' && (match[3] ?? '') === '')) return { reason: 'expected a decimal number' };
  if (fraction.length > scale) return { reason: `has more than ${scale} digits after the point` };
  const units = Number(`${whole}${fraction.padEnd(scale, '0')}`);
  if (!Number.isSafeInteger(units)) return { reason: 'a number too large to be exact' };
  return { value: match[1] === '-' && units !== 0 ? -units : units };
}

function plainNumber(text: string, { point, thousands }: ColumnRules): string {
  const ungrouped = thousands === undefined ? text : text.replaceAll(thousands, '');
  return point === undefined ? ungrouped : ungrouped.replaceAll(point, '.');
}

function booleanParser(yes: readonly string[], no: readonly string[]): Parse {
  const words = new Map([
    ...no.map((word) => [word.toLowerCase(), false] as const),
    ...yes.map((word) => [word.toLowerCase(), true] as const),
  ]);
  return (text) => {
    const value = words.get(text.toLowerCase());
    return value === undefined ? { reason: `expected one of ${[...yes, ...no].join(', ')}` } : { value };
  };
}

function json(text: string): Reading {
  try {
    return { value: JSON.parse(text) as JsonValue };
  } catch {
    return { reason: 'expected JSON' };
  }
}
