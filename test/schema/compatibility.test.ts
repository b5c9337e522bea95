/**
 * The rules of compatibility against cases of another registry, and against a validator: what is said to be compatible has to be so for every instance that
 * anybody finds.
 */
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareSchemas, incompatibilities } from '../../src/schema/compatibility/compare.ts';
import type { CompatibilityMode } from '../../src/schema/compatibility/compare.ts';
import { RULES } from '../../src/schema/compatibility/rules.ts';
import { testShared } from '../filter/shared-data.ts';
import { instance, mutated, schema } from './arbitrary-schema.ts';
import type { Schema } from './arbitrary-schema.ts';

interface Case {
  readonly id: string;
  readonly original: Schema;
  readonly updated: Schema;
  readonly compatibility: 'backward' | 'forward' | 'both' | 'none';
}

/** Cases that this product decides otherwise, by id, each with its reason. There are none. */
const DIFFERENT: Readonly<Record<string, string>> = {};

testShared('schema-compatibility/apicurio-json-schema-a.json', (content) => {
  const { tests } = content as { tests: readonly Case[] };

  describe('decides the cases of Apicurio Registry', () => {
    test.each(tests.map((one, index) => ({ ...one, title: `${index + 1}. ${one.id}: ${one.compatibility}` })))(
      '$title',
      ({ id, original, updated, compatibility }) => {
        const accepts = (mode: CompatibilityMode): boolean => compareSchemas(original, updated, mode).length === 0;
        const verdicts = { backward: accepts('backward'), forward: accepts('forward'), full: accepts('full') };
        const expected = {
          backward: compatibility === 'backward' || compatibility === 'both',
          forward: compatibility === 'forward' || compatibility === 'both',
          full: compatibility === 'both',
        };
        if (DIFFERENT[id] === undefined) expect(verdicts).toEqual(expected);
        else expect(verdicts, DIFFERENT[id]).not.toEqual(expected);
      },
    );

    test('the other way round, what was backward is forward', () => {
      for (const { id, original, updated, compatibility } of tests) {
        const accepted = compareSchemas(updated, original, 'forward').length === 0;
        expect(accepted, id).toBe(compatibility === 'backward' || compatibility === 'both');
      }
    });
  });
});

type Check = (value: unknown) => boolean | undefined;

const ajv = new Ajv2020({ strict: false, logger: false, validateSchema: false });

function validatorOf(schemaText: Schema): Check | undefined {
  try {
    const validate = ajv.compile(schemaText as object | boolean);
    ajv.removeSchema(schemaText as object | boolean);
    return (value) => {
      try {
        return validate(value);
      } catch {
        return undefined; // a schema that refers to itself in a circle has no answer
      }
    };
  } catch {
    return undefined;
  }
}

describe('what is said to be compatible is so for every instance', () => {
  const instances = fc.array(instance, { minLength: 30, maxLength: 30 });
  const holds = (older: Schema, newer: Schema, values: readonly Schema[]): void => {
    const [before, after] = [validatorOf(older), validatorOf(newer)];
    fc.pre(before !== undefined && after !== undefined);
    if (compareSchemas(older, newer, 'backward').length > 0) return;
    for (const value of values) {
      if (before(value) === true) expect(after(value), JSON.stringify(value)).not.toBe(false);
    }
  };

  test('of two schemas that have nothing to do with each other', () => {
    fc.assert(
      fc.property(schema, schema, instances, (older, newer, values) => holds(older, newer, values)),
      { numRuns: 1000 },
    );
  });

  test('of a schema and a change of it', () => {
    const pairs = schema.chain((older) => fc.tuple(fc.constant(older), mutated(older), instances));
    fc.assert(
      fc.property(pairs, ([older, newer, values]) => holds(older, newer, values)),
      { numRuns: 1000 },
    );
  });

  test('and of changes that no instance tells apart, nine in ten are recognised', () => {
    const pairs = fc.sample(
      schema.chain((older) => fc.tuple(fc.constant(older), mutated(older))),
      { seed: 20, numRuns: 400 },
    );
    const values = fc.sample(instance, { seed: 20, numRuns: 300 });
    let compatible = 0;
    let recognised = 0;
    for (const [older, newer] of pairs) {
      const [before, after] = [validatorOf(older), validatorOf(newer)];
      if (before === undefined || after === undefined) continue;
      const valid = values.filter((value) => before(value) === true);
      if (valid.length < 8 || valid.some((value) => after(value) === false)) continue;
      compatible += 1;
      if (compareSchemas(older, newer, 'backward').length === 0) recognised += 1;
    }
    expect(compatible).toBeGreaterThan(80);
    expect(recognised / compatible).toBeGreaterThan(0.9);
  });
});

describe('names the rule, the place, what was and what is', () => {
  const order = (change: Record<string, Schema>, required: string[] = ['orderId']): Schema => ({
    type: 'object',
    properties: { orderId: { type: 'string' }, total: { type: 'number', minimum: 0 }, ...change },
    required,
  });
  const cases: readonly (readonly [string, Schema, Schema, string, string])[] = [
    [
      'a property that is demanded now',
      order({}),
      order({}, ['orderId', 'total']),
      'property-became-required',
      'data.total',
    ],
    [
      'a type that became narrower',
      order({}),
      order({ total: { type: 'integer', minimum: 0 } }),
      'type-narrowed',
      'data.total',
    ],
    ['a bound', order({}), order({ total: { type: 'number', minimum: 1 } }), 'bound-tightened', 'data.total'],
    [
      'a bound that is new',
      order({}),
      order({ orderId: { type: 'string', maxLength: 9 } }),
      'bound-tightened',
      'data.orderId',
    ],
    ['a pattern', order({}), order({ orderId: { type: 'string', pattern: '^o' } }), 'pattern-changed', 'data.orderId'],
    [
      'a property in an open object',
      order({}),
      order({ note: { type: 'string' } }),
      'property-added-to-open-object',
      'data.note',
    ],
    ['a value that is gone', { enum: ['a', 'b'] }, { enum: ['a'] }, 'enum-value-removed', 'data'],
    ['values that are listed now', { type: 'string' }, { enum: ['a'] }, 'values-restricted', 'data'],
    ['an item', { items: { type: 'number' } }, { items: { type: 'integer' } }, 'type-narrowed', 'data[]'],
    [
      'an object that is closed',
      { type: 'object' },
      { type: 'object', additionalProperties: false },
      'object-closed',
      'data.*',
    ],
    [
      'an alternative that is gone',
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
      { anyOf: [{ type: 'string' }, { type: 'number' }] },
      'alternative-removed',
      'data',
    ],
    ['what is outside of the schema', {}, { $ref: 'https://example.com/other' }, 'cannot-be-shown', 'data'],
    ['what is not looked into', {}, { allOf: [{}], unevaluatedProperties: false }, 'cannot-be-shown', 'data'],
  ];

  test.each(cases)('%s', (_, older, newer, rule, place) => {
    const [finding, ...others] = compareSchemas(older, newer, 'backward');
    expect(finding).toMatchObject({ rule, place, direction: 'backward' });
    expect(others).toEqual([]);
    expect(finding?.message).toContain(`${place}: was ${finding?.was}, is ${finding?.is}: `);
  });

  test('says where in both schemas, through references', () => {
    const customer = (change: Record<string, Schema>): Schema => ({
      properties: { customer: { $ref: '#/$defs/customer' } },
      $defs: { customer: { type: 'object', properties: { age: { type: 'number', ...change } } } },
    });
    expect(compareSchemas(customer({}), customer({ maximum: 120 }), 'backward')).toEqual([
      {
        rule: 'bound-tightened',
        direction: 'backward',
        place: 'data.customer.age',
        olderPointer: '/$defs/customer/properties/age',
        newerPointer: '/$defs/customer/properties/age/maximum',
        was: 'not given',
        is: '120',
        reason: 'the old schema allows numbers of any size, and the new schema only numbers up to 120',
        message:
          'data.customer.age: was not given, is 120: the old schema allows numbers of any size, and the new schema only numbers up to 120',
      },
    ]);
  });

  test('a number that has to be whole, and safe as zod makes it, is one finding', () => {
    const safe = { type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
    expect(compareSchemas(order({}), order({ total: { ...safe, minimum: 0 } }), 'backward')).toMatchObject([
      { rule: 'type-narrowed' },
    ]);
    expect(compareSchemas(order({}), order({ total: { ...safe, maximum: 9 } }), 'backward')).toMatchObject([
      { rule: 'type-narrowed' },
      { rule: 'bound-tightened', is: '9' },
    ]);
    expect(compareSchemas({ type: 'integer' }, safe, 'backward')).toHaveLength(2);
  });

  test('the same change has another name forward', () => {
    const [finding] = compareSchemas(order({}), order({}, []), 'forward');
    expect(finding).toMatchObject({ rule: 'property-became-optional', direction: 'forward', place: 'data.orderId' });
    expect(compareSchemas(order({}), order({}, []), 'backward')).toEqual([]);
  });
});

describe('sees through the way that a schema is written', () => {
  const same: readonly (readonly [string, Schema, Schema])[] = [
    ['whole numbers above 0 are from 1', { type: 'integer', exclusiveMinimum: 0 }, { type: 'integer', minimum: 1 }],
    ['all values of a short range', { type: 'integer', minimum: 1, maximum: 3 }, { enum: [1, 2, 3] }],
    ['a type that is a list', { type: ['string', 'null'] }, { anyOf: [{ type: 'null' }, { type: 'string' }] }],
    ['the one alternative', { oneOf: [{ type: 'string' }] }, { type: 'string' }],
    ['what is not anything else', { not: { not: { type: 'string' } } }, { type: 'string' }],
    [
      'definitions of both drafts',
      { $ref: '#/definitions/x', definitions: { x: { type: 'null' } } },
      { $ref: '#/$defs/y', $defs: { y: { type: 'null' } } },
    ],
    [
      'lists of items of both drafts',
      { items: [{ type: 'string' }], additionalItems: false },
      { prefixItems: [{ type: 'string' }], items: false },
    ],
  ];

  test.each(same)('%s', (_, one, other) => {
    expect(compareSchemas(one, other)).toEqual([]);
  });

  test('alternatives that a property tells apart', () => {
    const kind = (name: string): Schema => ({ properties: { kind: { const: name } }, required: ['kind'] });
    const older = { type: 'object', properties: { kind: { enum: ['a', 'b'] } }, required: ['kind'] };
    expect(compareSchemas(older, { oneOf: [kind('a'), kind('b'), kind('c')] }, 'backward')).toEqual([]);
    expect(compareSchemas(older, { oneOf: [kind('a'), kind('c')] }, 'backward')).toMatchObject([
      { rule: 'alternative-removed' },
    ]);
  });

  test('schemas that refer to themselves in more ways than one are answered at once', () => {
    const circle: Schema = { $ref: '#', oneOf: [{ $ref: '#' }, { type: 'string' }], not: { anyOf: [{ $ref: '#' }] } };
    const start = performance.now();
    for (const older of [circle, { enum: [1, 'a'] }])
      for (const newer of [circle, { type: 'boolean' }]) compareSchemas(older, newer, 'full');
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(compareSchemas({ const: 'a' }, circle, 'backward')).not.toEqual([]);
  });

  test('schemas that refer to themselves', () => {
    const tree = (leaf: Schema): Schema => ({
      type: 'object',
      properties: { value: leaf, children: { type: 'array', items: { $ref: '#' } } },
    });
    expect(compareSchemas(tree({ type: 'integer' }), tree({ type: 'number' }), 'backward')).toEqual([]);
    expect(compareSchemas(tree({ type: 'number' }), tree({ type: 'integer' }), 'backward')).toMatchObject([
      { rule: 'type-narrowed', place: 'data.value' },
    ]);
  });
});

test('what depends on a property says nothing of what is no object', () => {
  const older = { required: ['a'], dependentSchemas: { a: { type: 'null' } } };
  expect(compareSchemas(older, { type: 'null' }, 'backward')).toMatchObject([{ rule: 'type-narrowed' }]);
  expect(compareSchemas({ type: 'object', ...older }, false, 'backward')).toEqual([]);
});

describe('where what is not declared is left out by whoever writes', () => {
  const absent = { older: 'absent', newer: 'absent' } as const;
  const order = (properties: Record<string, Schema>): Schema => ({ type: 'object', properties, required: ['id'] });
  const id = { id: { type: 'string' } };

  test('an optional property may come and go', () => {
    const [older, newer] = [order(id), order({ ...id, note: { type: 'string' } })];
    expect(compareSchemas(older, newer, 'full', absent)).toEqual([]);
    expect(compareSchemas(newer, older, 'full', absent)).toEqual([]);
    expect(compareSchemas(older, newer, 'backward')).toMatchObject([{ rule: 'property-added-to-open-object' }]);
  });

  test('but not change its form, nor be demanded', () => {
    const older = order({ ...id, note: { type: 'string' } });
    expect(compareSchemas(older, order({ ...id, note: { type: 'number' } }), 'backward', absent)).toMatchObject([
      { rule: 'type-narrowed', place: 'data.note' },
    ]);
    const demanding = { type: 'object', properties: { ...id, note: { type: 'string' } }, required: ['id', 'note'] };
    expect(compareSchemas(older, demanding, 'backward', absent)).toMatchObject([{ rule: 'property-became-required' }]);
  });

  test('what any part or alternative declares is declared, and an object that says it is open is open', () => {
    const closed = { properties: { ...id, a: {}, b: {} }, additionalProperties: false };
    const parts = { allOf: [order(id), { anyOf: [order({ a: {} }), order({ b: {} })] }] };
    expect(compareSchemas(parts, closed, 'backward', absent)).toEqual([]);
    expect(compareSchemas({ allOf: [parts, order({ c: {} })] }, closed, 'backward', absent)).not.toEqual([]);
    expect(
      compareSchemas({ ...(order(id) as object), additionalProperties: {} }, closed, 'backward', absent),
    ).not.toEqual([]);
    expect(compareSchemas({ type: 'object' }, closed, 'backward', absent)).not.toEqual([]);
  });
});

describe('the history of an event', () => {
  const version = (number: number, jsonSchema: Schema): { version: number; jsonSchema: Schema } => ({
    version: number,
    jsonSchema,
  });
  const history = [
    version(3, { type: 'integer' }),
    version(1, { type: 'integer', minimum: 1 }),
    version(2, { type: 'integer', minimum: 0 }),
  ];

  test.each<[CompatibilityMode, readonly string[]]>([
    ['none', []],
    ['backward', []],
    ['backward-transitive', []],
    ['forward', ['1-2', '2-3']],
    ['forward-transitive', ['1-2', '1-3', '2-3']],
    ['full', ['1-2', '2-3']],
    ['full-transitive', ['1-2', '1-3', '2-3']],
  ])('%s compares the versions %j', (mode, pairs) => {
    const found = incompatibilities(history, mode);
    expect(found.map(({ olderVersion, newerVersion }) => `${olderVersion}-${newerVersion}`)).toEqual(pairs);
  });

  test('neighbours may be compatible where the ends are not', () => {
    const through = [version(1, { type: 'string', minLength: 1 }), version(2, false), version(3, { type: 'number' })];
    expect(incompatibilities(through, 'backward').map(({ newerVersion }) => newerVersion)).toEqual([2]);
    expect(incompatibilities(through, 'backward-transitive').map(({ newerVersion }) => newerVersion)).toEqual([2, 3]);
  });

  test('refuses a mode that there is not', () => {
    expect(() => incompatibilities([], 'sideways' as CompatibilityMode)).toThrow(
      /mode: expected one of none, backward/,
    );
  });
});

test('every rule is in the guide', () => {
  const guide = readFileSync(new URL('../../docs/guides/schemas.md', import.meta.url), 'utf8');
  const missing = Object.values(RULES)
    .flat()
    .filter((rule) => !guide.includes(`\`${rule}\``));
  expect(missing).toEqual([]);
});
