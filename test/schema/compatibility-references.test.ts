/** Schemas whose definitions refer to each other: long chains, circles, and random ones against a validator. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareSchemas } from '../../src/schema/compatibility/compare.ts';
import type { Schema } from './arbitrary-schema.ts';

/** Each definition refers to the next one twice; what the last one is, or which one it refers to. */
function chain(length: number, { leaf, back }: { leaf: Schema; back?: number }): Schema {
  const ref = (to: number): Schema => ({
    $ref: `#/$defs/${to < length ? `d${to}` : back === undefined ? 'leaf' : `d${back}`}`,
  });
  const definitions = Array.from({ length }, (_, index) => [
    `d${index}`,
    {
      type: 'object',
      properties: { ...(back === undefined ? {} : { v: leaf }), a: ref(index + 1), b: ref(index + 1) },
      required: ['a'],
    },
  ]);
  return { ...(ref(0) as object), $defs: { leaf, ...Object.fromEntries(definitions) } };
}

/** Well above what it takes, and nothing beside what it took without a memory. */
const SOON_MS = 5_000;

describe('definitions that each refer to the next one twice are compared at once', () => {
  const [whole, any, text] = [{ type: 'integer' }, { type: 'number' }, { type: 'string' }];

  test.each([14, 60, 1_000])('%i deep', (length) => {
    const begin = performance.now();
    const same = { ...(chain(length, { leaf: whole }) as object), title: 'the same' };
    expect(compareSchemas(chain(length, { leaf: whole }), same)).toEqual([]);
    expect(compareSchemas(chain(length, { leaf: whole }), chain(length, { leaf: any }), 'backward')).toEqual([]);
    const narrowed = compareSchemas(chain(length, { leaf: any }), chain(length, { leaf: whole }), 'backward');
    expect(narrowed[0]).toMatchObject({ rule: 'type-narrowed', place: `data${'.a'.repeat(length)}` });
    expect(narrowed.length).toBeLessThan(100);
    expect(compareSchemas(chain(length, { leaf: any }), chain(length, { leaf: text }), 'full')).not.toEqual([]);
    expect(performance.now() - begin).toBeLessThan(SOON_MS);
  });

  test.each([
    [60, 0],
    [200, 100],
    [1_000, 990],
  ])('%i deep, the last one again of number %i', (length, back) => {
    const begin = performance.now();
    const of = (leaf: Schema): Schema => chain(length, { leaf, back });
    // Nothing finite is in them where each is demanded; that is not found, and the comparison goes on through them.
    expect(compareSchemas(of(whole), of(any), 'backward')).toEqual([]);
    expect(compareSchemas(of(any), of(whole), 'backward')[0]).toMatchObject({ rule: 'type-narrowed', place: 'data.v' });
    expect(performance.now() - begin).toBeLessThan(SOON_MS);
  });

  test('circles that are too long count as not shown, and do not end the process', () => {
    const of = (leaf: Schema): Schema => chain(3_000, { leaf, back: 0 });
    const rules = compareSchemas(of(whole), of(any), 'backward').map(({ rule }) => rule);
    expect(new Set(rules)).toEqual(new Set(['cannot-be-shown']));
  });

  test('a place is told of each difference, and of those in too many places some', () => {
    const both = (leaf: Schema): Schema => ({
      properties: { billing: { $ref: '#/$defs/x' }, shipping: { $ref: '#/$defs/x' } },
      $defs: { x: { properties: { zip: leaf } } },
    });
    const places = compareSchemas(both(any), both(whole), 'backward').map(({ place }) => place);
    expect(places).toEqual(['data.billing.zip', 'data.shipping.zip']);
  });
});

const NAMES = ['d0', 'd1', 'd2', 'd3'];
const ref = fc.constantFrom(...NAMES).map((name): Schema => ({ $ref: `#/$defs/${name}` }));
const leaf = fc.constantFrom<Schema>(
  { type: 'integer' },
  { type: 'number' },
  { type: 'number', minimum: 1 },
  { type: 'null' },
  { enum: [1, null] },
  true,
  false,
);
const part = fc.oneof({ arbitrary: ref, weight: 3 }, { arbitrary: leaf, weight: 2 });
const definition: fc.Arbitrary<Schema> = fc.oneof(
  fc
    .record({ a: part, b: part, required: fc.subarray(['a', 'b']), additionalProperties: fc.boolean() })
    .map(({ a, b, required, additionalProperties }) => ({
      type: 'object',
      properties: { a, b },
      required,
      ...(additionalProperties ? {} : { additionalProperties }),
    })),
  fc.tuple(part, part).map(([one, other]) => ({ anyOf: [one, other, { type: 'null' }] })),
  fc.tuple(part, leaf).map(([one, other]) => ({ oneOf: [one, other] })),
  fc.tuple(part, part).map(([one, other]) => ({ allOf: [one, other] })),
  fc.tuple(part, part).map(([first, rest]) => ({ type: 'array', prefixItems: [first], items: rest })),
  part.map((excluded) => ({ not: excluded, type: ['object', 'integer'] })),
  leaf,
);
const definitions = fc.tuple(definition, definition, definition, definition);
/** Two that differ in some definitions. */
const pairs = fc
  .tuple(definitions, definitions, fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }))
  .map(
    ([older, others, changed]) => [older, older.map((own, index) => (changed[index] ? others[index] : own))] as const,
  );
const { value } = fc.letrec<{ value: Schema }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<Schema>(null, 0, 1, 2, 1.5, 'x'),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
    fc.array(tie('value'), { maxLength: 3 }),
  ),
}));

const ajv = new Ajv2020({ strict: false, logger: false, validateSchema: false });

function holds(schema: Schema): ((value: unknown) => boolean | undefined) | undefined {
  try {
    const validate = ajv.compile(schema as object);
    return (given) => {
      try {
        return validate(given);
      } catch (error) {
        // It refers to itself for the same instance, without an end.
        if (error instanceof RangeError) return undefined;
        throw error;
      }
    };
  } catch {
    return undefined;
  }
}

test('of random definitions that refer to each other, what is said to be compatible is so for every instance', () => {
  let compatible = 0;
  fc.assert(
    fc.property(pairs, fc.array(value, { minLength: 40, maxLength: 40 }), ([older, newer], values) => {
      const schemas = [older, newer].map((list) => ({
        $ref: '#/$defs/d0',
        $defs: Object.fromEntries(list.map((own, index) => [NAMES[index] ?? '', own ?? true])),
      }));
      const [before = {}, after = {}] = schemas as Schema[];
      if (compareSchemas(before, after, 'backward').length > 0) return;
      compatible += 1;
      const [wasValid, isValid] = [holds(before), holds(after)];
      for (const given of values)
        if (wasValid?.(given) === true) expect(isValid?.(given), JSON.stringify(given)).not.toBe(false);
    }),
    { numRuns: Number(process.env['MODEL_RUNS'] ?? 400) },
  );
  expect(compatible).toBeGreaterThan(50);
});
