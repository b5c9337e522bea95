import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import shop from '../../examples/shop/thereupon.config.ts';
import {
  asyncApiOf,
  defineEvent,
  eventsOfAsyncApi,
  eventSource,
  EventDataInvalid,
  jsonSchema,
  open,
} from '../../src/index.ts';
import type { Catalog, EventDefinition, ImportedEvent, JsonSchemaDocument, JsonValue } from '../../src/index.ts';
import { runProgram } from '../../src/cli/program.ts';
import { memoryTerminal } from '../cli/memory-terminal.ts';
import { scratchFolder } from '../cli/spawn-cli.ts';
import { testSharedFiles } from '../cloudevents/shared-data.ts';
import { jsonSchemaDocument } from './arbitrary-document.ts';
import { sourceFolder, typeCheck } from './type-check.ts';

const FACTS = { title: 'Shop', version: '1.0.0' };

function documentOf(messages: Record<string, JsonValue>, components: JsonValue = {}) {
  return { asyncapi: '3.0.0', info: FACTS, channels: { main: { address: 'main', messages } }, components };
}

function typesOf(events: readonly ImportedEvent[]) {
  return events.map(({ type, version }) => `${type} ${version}`);
}

/** The definitions of some source, as a program would have them. */
async function definitionsIn(source: string): Promise<readonly EventDefinition[]> {
  using folder = sourceFolder({ 'events.ts': source });
  const { events } = (await import(path.join(folder.path, 'events.ts'))) as {
    readonly events: readonly EventDefinition[];
  };
  return events;
}

/** A type of each document with data that fits its schema, and data that does not. */
const DATA: Readonly<Record<string, readonly [type: string, fits: JsonValue, not: JsonValue]>> = {
  'application-headers-asyncapi.yml': ['lightMeasured', { lumens: 3, sentAt: '2026-11-27T12:00:00Z' }, { lumens: -1 }],
  'correlation-id-asyncapi.yml': ['dimLight', { percentage: 100 }, { percentage: 101 }],
  'default-example.yaml': ['UserSignedUp', { displayName: 'Ada', email: 'ada@example.org' }, { email: 'ada' }],
  'mercure-asyncapi.yml': ['book', { '@id': '/books/1', name: 'A book' }, { isbn: 1 }],
  'oneof-asyncapi.yml': ['testMessages', { key: 'a', key2: 1 }, { key: 'a', key2: 'b' }],
  'rpc-client-asyncapi.yml': ['requestSum', { numbers: [4, 3] }, { numbers: ['4'] }],
  'rpc-server-asyncapi.yml': ['sendSumResult', { result: 7 }, { result: '7' }],
  'simple-asyncapi.yml': ['UserSignedUp', { displayName: 'Ada', email: 'ada@example.org' }, { displayName: 1 }],
  'streetlights-kafka-asyncapi.yml': [
    'turnOnOff',
    { command: 'on', sentAt: '2026-11-27T12:00:00Z' },
    { sentAt: 'now' },
  ],
  'tutorial.yml': ['LightMeasured', { id: 0, lumens: 0 }, { id: 1.5 }],
};

describe('the shared AsyncAPI documents', () => {
  const sources: Record<string, string> = {};
  testSharedFiles('asyncapi-examples', '', (text, name) => {
    if (name === 'SOURCE.md') return;
    const events = eventsOfAsyncApi(parse(text));
    const source = eventSource(events, `Events of ${name}.`);
    sources[`${name.replaceAll('.', '-')}.ts`] = source;

    it(`${name} gives event types with schemas, which record what fits and refuse what does not`, async () => {
      expect(events.length).toBeGreaterThan(0);
      for (const { type, jsonSchema: schema, remarks } of events) {
        expect({ type, schema, remarks }).toEqual({ type, schema: expect.any(Object), remarks: [] });
        expect(Object.keys(schema as object).length).toBeGreaterThan(0);
      }
      const definitions = await definitionsIn(source);
      expect(definitions.map(({ type }) => type)).toEqual(events.map(({ type }) => type));
      const [type, fits, not] = DATA[name] ?? [events[0]?.type ?? '', {}, undefined];
      const definition = definitions.find((each) => each.type === type);
      if (definition === undefined) throw new Error(`${name} has no ${type}, but ${typesOf(events).join(', ')}`);
      await using system = await open({ store: 'memory:', events: definitions });
      await system.publish(definition, fits);
      if (not !== undefined) await expect(system.publish(definition, not)).rejects.toThrow(EventDataInvalid);
    });
  });

  it('give TypeScript that compiles', () => {
    expect(typeCheck(sources)).toBe('');
  });
});

describe('an AsyncAPI document', () => {
  it('that was exported gives the same types, versions and schemas back', async () => {
    const PlacedBefore = defineEvent({ type: 'shop.order.placed', version: 7, schema: jsonSchema({ type: 'string' }) });
    const system = await open({
      ...shop,
      events: [...(shop.events ?? []), PlacedBefore],
      store: 'memory:',
      consume: false,
    });
    onTestFinished(() => system.close());
    const catalog = await system.catalog();
    const events = eventsOfAsyncApi(asyncApiOf(catalog, FACTS));
    expect(typesOf(events)).toEqual(typesOf(catalog.events as never));
    for (const { type, version, summary, jsonSchema: schema } of events) {
      const original = catalog.events.find((event) => event.type === type && event.version === version);
      const { $schema: _dialect, ...expected } = (original?.jsonSchema ?? {}) as Record<string, unknown>;
      expect({ summary, schema }).toEqual({ summary: original?.summary, schema: expected });
    }
  });

  it('that was exported from any catalog gives every type back, and source that compiles', () => {
    const schemas = fc.array(jsonSchemaDocument, { minLength: 5, maxLength: 15 });
    const values = fc.array(fc.jsonValue({ maxDepth: 3 }), { minLength: 20, maxLength: 40 });
    fc.assert(
      fc.property(schemas, values, (given, data) => {
        const catalog: Catalog = {
          events: given.map((schema, index) => ({
            type: `any.${index}.told`,
            version: 1 + (index % 3),
            summary: index % 2 === 0 ? "it's\n*/ told" : undefined,
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
        const events = eventsOfAsyncApi(JSON.parse(JSON.stringify(asyncApiOf(catalog, FACTS))));
        expect(typesOf(events)).toEqual(typesOf(catalog.events as never));
        for (const [index, event] of events.entries()) {
          const before = jsonSchema(given[index] as JsonSchemaDocument)['~standard'];
          const after = jsonSchema(event.jsonSchema as JsonSchemaDocument)['~standard'];
          for (const value of data)
            if (!('issues' in before.validate(value))) expect(after.validate(value)).toEqual({ value });
        }
        expect(typeCheck({ 'events.ts': eventSource(events, 'Any events.') })).toBe('');
      }),
      { numRuns: 8 },
    );
  });

  it('calls types by their CloudEvents header, their name or their key, and tells those of one name apart', () => {
    const paid = { headers: { properties: { 'ce-type': { const: 'shop.order.paid' } } } };
    const shipped = { name: 'OrderShipped', payload: { type: 'string' } };
    const events = eventsOfAsyncApi({
      ...documentOf({}, { messageTraits: { paid } }),
      channels: {
        main: {
          messages: {
            one: shipped,
            two: { name: 'OrderPaid', traits: [{ $ref: '#/components/messageTraits/paid' }] },
            'key with spaces': { name: 'no type at all' },
            'thereupon.x': {},
          },
        },
        again: { messages: { other: shipped } },
        other: { messages: { one: { ...shipped, payload: { type: 'number' } } } },
      },
    });
    expect(events.map(({ type, channels }) => [type, ...channels])).toEqual([
      ['OrderShipped', 'main', 'again'],
      ['shop.order.paid', 'main'],
      ['key-with-spaces', 'main'],
      ['imported.thereupon.x', 'main'],
      ['other.OrderShipped', 'other'],
    ]);
  });

  it('has its schemas put into the words of 2020-12, each with what it refers to', () => {
    const components = {
      schemas: {
        order: {
          type: 'object',
          'x-internal': true,
          properties: {
            'x-kept': { type: 'string' },
            pair: { type: 'array', items: [{ $ref: '#/components/schemas/a~1b' }, true], additionalItems: false },
            parent: { $ref: '#/components/schemas/order', description: 'counts for nothing' },
          },
          dependencies: { pair: ['parent'], parent: { required: ['pair'] } },
        },
        'a/b': { definitions: { deep: { const: 1 } }, anyOf: [{ $ref: '#/components/schemas/a~1b/definitions/deep' }] },
      },
    };
    const [event] = eventsOfAsyncApi(
      documentOf({ m: { payload: { $ref: '#/components/schemas/order' } } }, components),
    );
    expect(event?.jsonSchema).toEqual({
      type: 'object',
      properties: {
        'x-kept': { type: 'string' },
        pair: { type: 'array', prefixItems: [{ $ref: '#/$defs/a~1b' }, true], items: false },
        parent: { $ref: '#' },
      },
      dependentRequired: { pair: ['parent'] },
      dependentSchemas: { parent: { required: ['pair'] } },
      $defs: { 'a/b': { anyOf: [{ $ref: '#/$defs/deep' }] }, deep: { const: 1 } },
    });
  });

  it('has its patterns read as those of draft-07 often are written', () => {
    const payload = {
      type: 'string',
      pattern: String.raw`^[\w\-.]+\@(\d+)\/\_$`,
      patternProperties: { [String.raw`^x\-`]: { pattern: String.raw`^\p{Lu}\\$` } },
    };
    const [event] = eventsOfAsyncApi(documentOf({ m: { payload } }));
    const schema = jsonSchema(event?.jsonSchema as JsonSchemaDocument)['~standard'];
    expect(schema.validate('a-b.c@17/_')).toEqual({ value: 'a-b.c@17/_' });
    expect(schema.validate('a-b.c@x/_')).toHaveProperty('issues');
    expect(event?.jsonSchema).toMatchObject({
      patternProperties: { [String.raw`^x\u{2d}`]: { pattern: String.raw`^\p{Lu}\\$` } },
    });
  });

  it('says what it does not take over', () => {
    const events = eventsOfAsyncApi(
      documentOf({
        avro: { payload: { schemaFormat: 'application/vnd.apache.avro;version=1.9.0', schema: { type: 'record' } } },
        none: {},
        away: { payload: { $ref: 'other.yaml#/B' } },
        lost: { payload: { properties: { a: { $ref: 'other.yaml#/A' } } } },
        exact: {
          payload: {
            schemaFormat: 'application/schema+json;version=draft-2020-12',
            schema: { prefixItems: [{ const: 1 }] },
          },
        },
      }),
    );
    expect(events.map(({ jsonSchema: schema, remarks }) => [schema, ...remarks])).toEqual([
      [
        true,
        'its payload is described in application/vnd.apache.avro;version=1.9.0, which is not read: any data is taken',
      ],
      [true, 'the message has no payload in the document: any data is taken'],
      [true, 'its payload is in other.yaml#/B, which is not read: any data is taken'],
      [{ properties: { a: {} } }, '"other.yaml#/A" is not in the document: what it describes may be anything'],
      [{ prefixItems: [{ const: 1 }] }],
    ]);
  });

  it.each<[unknown, RegExp]>([
    ['text', /^document: expected an AsyncAPI document/],
    [{ openapi: '3.1.0' }, /expected an AsyncAPI document/],
    [{ asyncapi: '2.6.0' }, /^document\.asyncapi: expected a version 3\.x\.y .*found "2\.6\.0"/],
    [{ asyncapi: '3.0.0', channels: [] }, /^document\.channels: expected an object/],
    [documentOf({ m: 1 }), /^document\.channels\.main\.messages\.m: expected an object, found 1/],
    [
      documentOf({ m: { $ref: '#/components/messages/none' } }),
      /messages\.m\.\$ref: expected a reference to something in this document/,
    ],
    [documentOf({ m: { $ref: 'other.yaml' } }), /bundler/],
  ])('is refused where it is none or not whole: %j', (document, reason) => {
    expect(() => eventsOfAsyncApi(document)).toThrow(reason);
  });
});

describe('thereupon catalog import', () => {
  it('makes of the document in the guide what stands there', async () => {
    const guide = await readFile(new URL('../../docs/guides/asyncapi.md', import.meta.url), 'utf8');
    const [, yaml = ''] = /```yaml\n(.*?)```/s.exec(guide) ?? [];
    using folder = scratchFolder();
    await writeFile(folder.file('lights.yaml'), yaml);
    const { code, stdout } = await run(['lights.yaml'], folder.path);
    expect(code).toBe(0);
    expect(guide).toContain(`\`\`\`ts\n${stdout}\`\`\``);
  });

  async function run(args: readonly string[], cwd: string, input = '') {
    const terminal = memoryTerminal({ cwd, input });
    const code = await runProgram(['catalog', 'import', ...args], terminal);
    return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
  }
  const YAML = `asyncapi: 3.0.0
info: { title: Lights, version: 1.0.0 }
channels:
  lights:
    messages:
      lightMeasured: { payload: { type: object, properties: { lumens: { type: integer } } } }
      lightLost: {}
`;

  it('writes source to standard output, or to a file that it does not replace unasked', async () => {
    using folder = scratchFolder();
    const printed = await run(['-'], folder.path, YAML);
    expect(printed).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('lightLost: the message has no payload') as string,
    });
    expect(printed.stdout).toContain(
      '/** Events of Lights, version 1.0.0, from an AsyncAPI document, by `thereupon catalog import`. */',
    );
    expect(printed.stdout).toContain('export const events = [LightMeasured, LightLost];');
    expect(await run(['-', '--out', 'events.ts'], folder.path, YAML)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/wrote events\.ts\n.*2 event types from -\n$/s) as string,
    });
    expect(await run(['-', '--out', 'events.ts'], folder.path, YAML)).toMatchObject({
      code: 1,
      stderr: 'error: events.ts is there already; --force replaces it\n',
    });
    expect(await run(['-', '--out', 'events.ts', '--force'], folder.path, YAML)).toMatchObject({ code: 0 });
  });

  it.each([
    ['a: [', /- is neither YAML nor JSON: .*line 1/s],
    ['{"asyncapi":"2.0.0"}', /^error: -: document\.asyncapi: expected a version 3/],
    ['asyncapi: 3.0.0', /has no messages/],
    [
      YAML.replace('type: integer', 'type: whole'),
      /the payload of lightMeasured cannot be used: JSON Schema: it is no valid schema/,
    ],
  ])('says what is wrong with %j', async (input, reason) => {
    using folder = scratchFolder();
    const { code, stdout, stderr } = await run(['-'], folder.path, input);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(reason);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('says that a file is not there', async () => {
    using folder = scratchFolder();
    expect(await run(['none.yaml'], folder.path)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: none\.yaml cannot be read: .*ENOENT/) as string,
    });
  });
});
