import { describeValue } from '../../system/values.ts';
import { sameJson } from '../../event/json.ts';
import type { JsonValue } from '../../event/json.ts';
import { isList, isObject } from '../schema-parts.ts';
import type { JsonObject } from '../schema-parts.ts';
import { formatNamed } from './formats.ts';
import { fail } from './run.ts';
import type { Check, Compiler } from './run.ts';

const TYPES = new Map<JsonValue, (data: unknown) => boolean>([
  ['string', (data) => typeof data === 'string'],
  ['number', (data) => typeof data === 'number'],
  ['integer', (data) => Number.isInteger(data)],
  ['boolean', (data) => typeof data === 'boolean'],
  ['null', (data) => data === null],
  ['object', isObject],
  ['array', isList],
]);

/** `type`, `enum`, `const`, and what is said of numbers and texts. */
export function* valueChecks(schema: JsonObject, compiler: Compiler): Iterable<Check> {
  const { type, enum: allowed } = schema;
  if (type !== undefined) yield ofType(isList(type) ? type : [type]);
  if (isList(allowed)) {
    const message = `must be ${oneOf(allowed)}`;
    yield (data, place, run) => allowed.some((each) => sameJson(each, data)) || fail(run, place, message);
  }
  if (schema['const'] !== undefined) {
    const { const: only } = schema;
    yield (data, place, run) => sameJson(only, data) || fail(run, place, `must be ${describeValue(only)}`);
  }
  yield* numberChecks(schema);
  yield* textChecks(schema, compiler);
}

function ofType(names: readonly JsonValue[]): Check {
  const tests = names.map((name) => TYPES.get(name) ?? (() => false));
  const message = `must be ${names.map((name) => (typeof name === 'string' ? name : describeValue(name))).join(' or ')}`;
  const [only] = tests;
  if (only !== undefined && tests.length === 1) return (data, place, run) => only(data) || fail(run, place, message);
  return (data, place, run) => tests.some((test) => test(data)) || fail(run, place, message);
}

function* numberChecks(schema: JsonObject): Iterable<Check> {
  const ofNumber = (keyword: string, says: string, test: (data: number, limit: number) => boolean): Check[] => {
    const limit = schema[keyword];
    if (typeof limit !== 'number') return [];
    const message = `must be ${says} ${limit}`;
    return [(data, place, run) => typeof data !== 'number' || test(data, limit) || fail(run, place, message)];
  };
  yield* ofNumber('minimum', '>=', (data, limit) => data >= limit);
  yield* ofNumber('maximum', '<=', (data, limit) => data <= limit);
  yield* ofNumber('exclusiveMinimum', '>', (data, limit) => data > limit);
  yield* ofNumber('exclusiveMaximum', '<', (data, limit) => data < limit);
  yield* ofNumber('multipleOf', 'a multiple of', isMultiple);
}

/** In decimal digits, as both are written: 0.0075 is a multiple of 0.0001, whatever a division says. */
function isMultiple(data: number, of: number): boolean {
  if (Number.isSafeInteger(data) && Number.isSafeInteger(of)) return data % of === 0;
  const [digits, power] = decimal(data);
  const [ofDigits, ofPower] = decimal(of);
  const shift = power - ofPower;
  return shift >= 0
    ? (digits * 10n ** BigInt(shift)) % ofDigits === 0n
    : digits % (ofDigits * 10n ** BigInt(-shift)) === 0n;
}

function decimal(value: number): readonly [digits: bigint, power: number] {
  const [mantissa = '0', exponent = '0'] = String(value).split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  return [BigInt(whole + fraction), Number(exponent) - fraction.length];
}

function* textChecks(schema: JsonObject, { assertFormats }: Compiler): Iterable<Check> {
  const { minLength, maxLength, pattern, format } = schema;
  const ofText = (message: string, test: (data: string) => boolean): Check => {
    return (data, place, run) => typeof data !== 'string' || test(data) || fail(run, place, message);
  };
  if (typeof minLength === 'number')
    yield ofText(
      `must have at least ${minLength} characters`,
      (data) => data.length >= minLength && charactersOf(data) >= minLength,
    );
  if (typeof maxLength === 'number')
    yield ofText(
      `must have at most ${maxLength} characters`,
      (data) => data.length <= maxLength || charactersOf(data) <= maxLength,
    );
  if (typeof pattern === 'string') {
    const expression = new RegExp(pattern, 'u');
    yield ofText(`must match the pattern ${describeValue(pattern)}`, (data) => expression.test(data));
  }
  const isOne = assertFormats && typeof format === 'string' ? formatNamed(format) : undefined;
  if (isOne !== undefined)
    yield (data, place, run) => isOne(data) || fail(run, place, `must match the format ${describeValue(format)}`);
}

/** Code points: a character of two UTF-16 units is one. */
function charactersOf(text: string): number {
  let count = 0;
  for (const _character of text) count += 1;
  return count;
}

function oneOf(allowed: readonly JsonValue[]): string {
  const shown = allowed.slice(0, 10).map(describeValue);
  return [...shown, ...(allowed.length > 10 ? [`one of ${allowed.length - 10} more`] : [])].join(' or ');
}
