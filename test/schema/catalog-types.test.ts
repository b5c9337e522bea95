import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import retail from '../../examples/retail/thereupon.config.ts';
import sensors from '../../examples/sensors/thereupon.config.ts';
import { shopFacts } from '../../examples/shop/generator.ts';
import shop from '../../examples/shop/thereupon.config.ts';
import { catalogSchemas, catalogTypes, defineEvent, jsonSchema, open } from '../../src/index.ts';
import type { Catalog, JsonValue, SystemOptions } from '../../src/index.ts';
import { jsonSchemaDocument } from './arbitrary-document.ts';
import { typeCheck } from './type-check.ts';

async function catalogOf(config: Partial<SystemOptions>): Promise<Catalog> {
  const system = await open({ ...config, store: 'memory:', consume: false });
  onTestFinished(() => system.close());
  return system.catalog();
}

function catalog(
  schemas: readonly (JsonValue | undefined)[],
  type = (index: number) => `random.schema-${index}.made`,
): Catalog {
  return {
    events: schemas.map((schema, index) => ({
      type: type(index),
      version: 1,
      summary: undefined,
      vendor: 'any',
      upcastsFrom: undefined,
      onInvalid: 'reject',
      jsonSchema: schema,
      defined: true,
      publishedBy: [],
      consumedBy: [],
    })),
    reactions: [],
  };
}

/** Says of two types that each takes the values of the other. */
const SAME = `/** What zod has as optional may be undefined, too; JSON knows no such value. */
type Said<Data> = Data extends object ? { [Name in keyof Data]: Said<Exclude<Data[Name], undefined>> } : Data;
type Same<Left, Right> = [Left, Right] extends [Right, Left] ? true : false;\n`;

describe('the TypeScript types of a catalog', () => {
  it.each([
    ['shop', shop],
    ['retail', retail],
    ['sensors', sensors],
  ] as [string, SystemOptions][])('are those that zod has of the example %s', async (name, config) => {
    const types = catalogTypes(await catalogOf(config));
    const checks = `import type { EventDefinition, InputOf } from 'thereupon';
import type * as events from '../../examples/${name}/events.ts';
import type { EventData } from './types.ts';
${SAME}
type Defined = Extract<(typeof events)[keyof typeof events], EventDefinition>;
type Checks = { [Definition in Defined as Definition['type']]: Same<Said<InputOf<Definition>>, EventData[Definition['type']]> };
export const checks: Record<keyof EventData & Defined['type'], true> = null as unknown as Checks;
`;
    expect(typeCheck({ 'types.ts': types, 'checks.ts': checks })).toBe('');
    const wrong = checks.replace(
      "Same<Said<InputOf<Definition>>, EventData[Definition['type']]>",
      "Same<Said<InputOf<Definition>> & { no: 1 }, EventData[Definition['type']]>",
    );
    expect(typeCheck({ 'types.ts': types, 'checks.ts': wrong })).toContain('error TS2322');
  });

  it('take the facts that the example shop is fed with, and no others', async () => {
    const types = catalogTypes(await catalogOf(shop));
    const told = shopFacts(1_800_000_000_000, 'types');
    const facts = Array.from({ length: 40 }, () => told.next().value);
    const lines = facts.map(({ kind, data }, index) => {
      const type = kind === 'order' ? 'shop.order.placed' : 'shop.payment.received';
      return `export const fact${index}: EventData['${type}'] = ${JSON.stringify(data)};`;
    });
    const uses = `import type { EventData, RecordedFact } from './types.ts';
${lines.join('\n')}
export function cents(fact: RecordedFact): number {
  return fact.type === 'shop.order.placed' ? fact.data.totalCents : 0;
}
`;
    expect(typeCheck({ 'types.ts': types, 'uses.ts': uses })).toBe('');
    expect(
      typeCheck({
        'types.ts': types,
        'uses.ts': uses.replace('totalCents:', 'totalCent:').replace('"totalCents"', '"total"'),
      }),
    ).toContain('error TS');
  });

  it('compile, whatever schemas say and types are called', () => {
    fc.assert(
      fc.property(fc.array(jsonSchemaDocument, { minLength: 20, maxLength: 40, size: 'max' }), (schemas) => {
        expect(typeCheck({ 'types.ts': catalogTypes(catalog(schemas)) })).toBe('');
      }),
      { numRuns: 8 },
    );
    const odd = [
      'a',
      'a.b',
      'a-b',
      'aB',
      'a/*',
      '17',
      '😀',
      "it's",
      'ﬁt.ǆ',
      'event-data',
      '𲙄',
      'ŉ',
      '__proto__',
      '\\',
      '日本',
    ];
    const types = catalogTypes(
      catalog(
        odd.map(() => ({ type: 'string', description: '*/ }' })),
        (index) => odd[index] ?? '',
      ),
    );
    expect(typeCheck({ 'types.ts': types })).toBe('');
  });

  it('compile where references go round in circles', () => {
    const schemas: JsonValue[] = [
      { $ref: '#' },
      {
        allOf: [{ $ref: '#/$defs/a' }],
        $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }, { type: 'null' }] }, b: { $ref: '#/$defs/a' } },
      },
      {
        type: 'object',
        properties: { left: { $ref: '#' }, right: { $ref: '#' } },
        additionalProperties: { $ref: '#' },
      },
      { type: 'array', items: { $ref: '#' } },
      { $id: 'https://tree.test/', $dynamicAnchor: 'node', properties: { kids: { items: { $dynamicRef: '#node' } } } },
      {
        allOf: [
          { prefixItems: [{ type: 'array', items: { $ref: '#' } }, { $ref: '#' }] },
          { minProperties: 1, required: ['a'] },
        ],
      },
      { anyOf: [{ prefixItems: [{ items: { $ref: '#' } }], items: false }, { type: 'string' }] },
      { prefixItems: [false], items: { items: { $ref: '#' } } },
    ];
    const types = catalogTypes(catalog(schemas));
    expect(typeCheck({ 'types.ts': types })).toBe('');
    expect(types).toMatch(/RandomSchema4MadeV1 = \{\s+kids\?: RandomSchema4MadeV1\[\];/);
  });

  it('say what a schema says', async () => {
    const Told = defineEvent({
      type: 'story.told',
      summary: 'A story was told',
      version: 2,
      schema: jsonSchema({
        type: 'object',
        required: ['title', 'pair'],
        properties: {
          title: { type: 'string', description: 'As it was\nannounced' },
          by: { $ref: '#/$defs/person' },
          pair: { type: 'array', prefixItems: [{ type: 'integer' }, { enum: ['a', "b'"] }], minItems: 1, items: false },
          'odd name': { type: ['string', 'null'] },
          extra: { type: 'object', additionalProperties: { type: 'number' } },
        },
        $defs: { person: { type: 'object', properties: { knows: { items: { $ref: '#/$defs/person' } } } } },
      }),
    });
    const types = catalogTypes(await catalogOf({ events: [Told] }));
    expect(types).toContain(`/**
 * A story was told
 *
 * \`story.told\`, version 2.
 */
export type StoryToldV2 = {
  /**
   * As it was
   * announced
   */
  title: string;
  by?: StoryToldV2Person;
  pair: [number, ('a' | 'b\\'')?];
  'odd name'?: string | null;
  extra?: {
    [name: string]: number;
  };
};

export type StoryToldV2Person = {
  knows?: StoryToldV2Person[];
};
`);
  });
});

describe('the JSON Schema of a catalog', () => {
  const compiled = (given: Catalog) =>
    new Ajv2020({ strict: false, validateFormats: false, logger: false }).compile(catalogSchemas(given));

  it('takes the events of the example shop whose data fit, by type and version', async () => {
    const validate = compiled(await catalogOf(shop));
    const event = {
      specversion: '1.0',
      id: '1',
      source: '/till',
      type: 'shop.payment.received',
      dataschema: 'urn:thereupon:schema:shop.payment.received:1',
      data: { orderId: '17', amountCents: 1_200, method: 'card' },
    };
    expect(validate(event)).toBe(true);
    expect(validate({ ...event, data: { ...event.data, method: 'shells' } })).toBe(false);
    expect(validate({ ...event, type: 'shop.unknown.happened', data: 1 })).toBe(true);
  });

  it('has each version under its own name, also where all have one $id', async () => {
    const version = (number: number, schema: Record<string, unknown>) =>
      defineEvent({ type: 'a.told', version: number, schema: jsonSchema({ $id: 'https://a.test/told', ...schema }) });
    const given = await catalogOf({
      events: [
        version(1, { properties: { of: { $ref: 'https://a.test/told#/$defs/one' } }, $defs: { one: { const: 1 } } }),
        version(2, { properties: { of: { $ref: '#/$defs/two' } }, $defs: { two: { const: 2 } } }),
        defineEvent({ type: 'a.told', version: 3, schema: z.custom() }),
      ],
    });
    expect(Object.keys(catalogSchemas(given)['$defs'] as object)).toEqual(['a.told.v1', 'a.told.v2', 'a.told.v3']);
    const ajv = new Ajv2020({ strict: false }).addSchema(catalogSchemas(given));
    expect(ajv.validate('urn:thereupon:schema:a.told:1', { of: 1 })).toBe(true);
    expect(ajv.validate('urn:thereupon:schema:a.told:1', { of: 2 })).toBe(false);
    expect(ajv.validate('urn:thereupon:schema:a.told:2', { of: 2 })).toBe(true);
  });

  it('compiles, whatever schemas say', () => {
    fc.assert(
      fc.property(fc.array(fc.option(jsonSchemaDocument, { nil: undefined }), { maxLength: 4 }), (schemas) => {
        compiled(catalog(schemas));
      }),
      { numRuns: 50 },
    );
  });
});
