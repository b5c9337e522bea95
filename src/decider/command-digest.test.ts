import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { JsonValue } from '../event/json.ts';
import { commandDigest } from './command-digest.ts';

it('is the same for the same data, in whatever order its members are said', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(commandDigest('a', turned(value as JsonValue))).toBe(commandDigest('a', value as JsonValue));
    }),
  );
});

it('tells other data, and another name, from them', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (left, right) => {
      const isSame = JSON.stringify(sorted(left as JsonValue)) === JSON.stringify(sorted(right as JsonValue));
      expect(commandDigest('a', left as JsonValue) === commandDigest('a', right as JsonValue)).toBe(isSame);
    }),
  );
  expect(commandDigest('a', 1)).not.toBe(commandDigest('b', 1));
  const own = JSON.parse('{"__proto__":{"a":1}}') as JsonValue;
  expect(commandDigest('a', own)).not.toBe(commandDigest('a', {}));
});

it('keeps its form, since it is stored', () => {
  expect(commandDigest('shop.place-order', { orderId: '17', total: 120, lines: [{ sku: 'ä', n: 1 }] })).toBe(
    'aec-udO007m7z_CukaajdZ',
  );
});

/** With its members the other way round. */
function turned(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(turned);
  const entries = Object.entries(value as Readonly<Record<string, JsonValue>>).reverse();
  return Object.fromEntries(entries.map(([name, child]) => [name, turned(child)]));
}

/** Another way to put members in order: as a list of pairs. */
function sorted(value: JsonValue): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(sorted);
  const entries = Object.entries(value as Readonly<Record<string, JsonValue>>);
  entries.sort(([left], [right]) => (left < right ? -1 : 1));
  return { members: entries.map(([name, child]) => [name, sorted(child)]) };
}
