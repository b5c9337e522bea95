import { DiagnosticSeverity, Parser } from '@asyncapi/parser';
import type { AsyncAPIDocumentInterface } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import retail from '../../examples/retail/thereupon.config.ts';
import sensors from '../../examples/sensors/thereupon.config.ts';
import shop from '../../examples/shop/thereupon.config.ts';
import { asyncApiOf, jsonSchema, open } from '../../src/index.ts';
import type { Catalog, CatalogEvent, JsonSchemaDocument, SystemOptions } from '../../src/index.ts';
import { startServer } from '../../src/server/index.ts';
import { testSharedFiles } from '../cloudevents/shared-data.ts';
import { jsonSchemaDocument } from './arbitrary-document.ts';

const parser = new Parser();

/** What the parser of the AsyncAPI project says is wrong; and the document, if it is one. */
async function parsed(text: string) {
  const { document, diagnostics } = await parser.parse(text);
  const errors = diagnostics
    .filter(({ severity }) => DiagnosticSeverity[severity] === 'Error')
    .map(({ message, path }) => `${path.join('/')}: ${message}`);
  return { document, errors };
}

async function served(config: SystemOptions, headers: Record<string, string> = {}, query = '', apiKeys: string[] = []) {
  const system = await open({ ...config, store: 'memory:', consume: false });
  onTestFinished(() => system.close());
  const server = await startServer(system, { port: 0, closeGrace: 200, apiKeys });
  onTestFinished(() => server.close());
  const response = await fetch(`${server.url}/asyncapi.json${query}`, { headers });
  expect(response.status).toBe(200);
  return { url: server.url, text: await response.text() };
}

function messages(document: AsyncAPIDocumentInterface | undefined) {
  return (document?.channels().get('events')?.messages().all() ?? []).map((message) => message.name());
}

describe('the AsyncAPI document of a running server', () => {
  it.each([
    ['shop', shop],
    ['retail', retail],
    ['sensors', sensors],
  ] as [string, SystemOptions][])(
    'of the example %s is accepted by @asyncapi/parser and has every event type',
    async (_name, config) => {
      const { url, text } = await served(config);
      const { document, errors } = await parsed(text);
      expect(errors).toEqual([]);
      const types = new Set((config.events ?? []).map(({ type }) => type));
      expect(types.size).toBeGreaterThan(1);
      expect(messages(document)).toEqual(expect.arrayContaining([...types]));
      expect(
        document
          ?.servers()
          .all()
          .map((server) => `${server.protocol()}://${server.host()}`),
      ).toEqual([url]);
      expect(
        document
          ?.operations()
          .all()
          .map((operation) => `${operation.action()} ${operation.id()}`),
      ).toEqual(['receive publishEvents', 'send followEvents']);
    },
  );

  it('has the headers of CloudEvents and the payload of a type, and says who reacts to it', async () => {
    const { document } = await parsed((await served(shop)).text);
    const message = document?.allMessages().get('shop.payment.received.v1');
    expect(message?.summary()).toBe('The payment provider reported that an order was paid');
    expect(message?.correlationId()?.location()).toBe('$message.header#/ce-correlationid');
    const headers = message?.headers()?.properties() ?? {};
    expect(headers['ce-type']?.const()).toBe('shop.payment.received');
    expect(headers['ce-dataschema']?.const()).toBe('urn:thereupon:schema:shop.payment.received:1');
    expect(headers['ce-time']?.format()).toBe('date-time');
    expect(message?.payload()?.property('method')?.enum()).toEqual(['card', 'transfer', 'invoice']);
    expect(message?.extensions().get('x-thereupon')?.value()).toMatchObject({
      version: 1,
      consumedBy: expect.arrayContaining(['ship-order']),
    });
    expect(document?.extensions().get('x-thereupon-reactions')?.value()).toContainEqual(
      expect.objectContaining({ name: 'reserve-stock', publishes: ['shop.stock.reserved'] }),
    );
  });

  it('is called as is asked for, and believes a proxy that it speaks https', async () => {
    const { text } = await served(shop, { 'x-forwarded-proto': 'https' }, '?title=Shop&version=2.1.0');
    const { document } = await parsed(text);
    expect([document?.info().title(), document?.info().version()]).toEqual(['Shop', '2.1.0']);
    expect(document?.servers().all()[0]?.protocol()).toBe('https');
  });
});

it('the AsyncAPI document of a server with keys says that it takes them, and is not for others', async () => {
  const { url, text } = await served(shop, { authorization: 'Bearer key' }, '', ['key']);
  const { document, errors } = await parsed(text);
  expect(errors).toEqual([]);
  const [server] = document?.servers().all() ?? [];
  expect(server?.security().map((each) => each.all().map((needed) => needed.scheme().scheme()))).toEqual([['bearer']]);
  expect((await fetch(`${url}/asyncapi.json`)).status).toBe(401);
});

const event: fc.Arbitrary<CatalogEvent> = fc.record({
  type: fc.oneof(
    fc.constantFrom('a', 'a.v1', 'a.v1.v1', 'a_x2f_', 'a/', 'a#b', '$ref', '__proto__', 'größer', '😀', '{a}', 'x?y=1'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }).map((text) => text.toWellFormed()),
  ),
  version: fc.integer({ min: 1, max: 3 }),
  summary: fc.option(fc.string(), { nil: undefined }),
  onInvalid: fc.constantFrom('reject', 'quarantine', 'warn'),
  vendor: fc.constant('any'),
  upcastsFrom: fc.constant(undefined),
  jsonSchema: fc.option(jsonSchemaDocument, { nil: undefined }),
  defined: fc.boolean(),
  publishedBy: fc.array(fc.string(), { maxLength: 2 }),
  consumedBy: fc.array(fc.string(), { maxLength: 2 }),
});

const catalog: fc.Arbitrary<Catalog> = fc.record({
  events: fc.uniqueArray(event, { maxLength: 4, selector: ({ type, version }) => `${type} ${version}` }),
  reactions: fc.array(
    fc.record({
      name: fc.string(),
      kind: fc.constantFrom('automation' as const, 'projection' as const),
      summary: fc.option(fc.string(), { nil: undefined }),
      consumes: fc.option(fc.array(fc.string(), { maxLength: 2 }), { nil: undefined }),
      publishes: fc.array(fc.string(), { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
});

const OF_NOTHING: Catalog = { events: [], reactions: [] };
const KNOWN = {
  type: 'a',
  version: 1,
  summary: undefined,
  vendor: 'any',
  upcastsFrom: undefined,
  onInvalid: 'reject',
  defined: true,
  publishedBy: [],
  consumedBy: [],
} as const;
describe('the AsyncAPI document of any catalog', () => {
  it('is accepted by @asyncapi/parser, whatever types are called and schemas say', async () => {
    await fc.assert(
      fc.asyncProperty(catalog, async (given) => {
        const text = JSON.stringify(asyncApiOf(given, { title: 'Any', version: '1' }));
        const { document, errors } = await parsed(text);
        expect(errors).toEqual([]);
        expect(messages(document)).toEqual(given.events.map(({ type }) => type));
      }),
      { numRuns: 20 },
    );
  }, 180_000);

  it('takes all data that the schemas of the catalog take', () => {
    const values = fc.array(
      fc.jsonValue({ maxDepth: 3 }).filter((value) => !/toString|valueOf/.test(JSON.stringify(value))),
      { minLength: 20 },
    );
    fc.assert(
      fc.property(jsonSchemaDocument, values, (schema, given) => {
        const { components } = asyncApiOf(
          { ...OF_NOTHING, events: [{ ...KNOWN, jsonSchema: schema }] },
          { title: 'Any', version: '1' },
        );
        const exact = jsonSchema(schema as JsonSchemaDocument)['~standard'];
        const asDraft07 = new Ajv({ strict: false, validateFormats: false, ownProperties: true, logger: false })
          .addSchema({ components }, 'asyncapi')
          .compile({ $ref: 'asyncapi#/components/schemas/a.v1' });
        for (const value of given)
          if (!('issues' in exact.validate(value))) expect(asDraft07(value), JSON.stringify(value)).toBe(true);
      }),
    );
  });

  it('is refused by the same parser when it is broken', async () => {
    const whole = asyncApiOf(OF_NOTHING, {
      title: 'Broken',
      version: '1',
      server: { host: 'localhost', protocol: 'http' },
    });
    expect((await parsed(JSON.stringify(whole))).errors).toEqual([]);
    const noTitle = { ...whole, info: { version: '1' } };
    expect((await parsed(JSON.stringify(noTitle))).errors.join()).toContain('title');
    const nowhere = { ...whole, operations: { lost: { action: 'send', channel: { $ref: '#/channels/none' } } } };
    expect((await parsed(JSON.stringify(nowhere))).errors).not.toEqual([]);
    const noSchema = { ...whole, components: { schemas: { a: { type: 'text' } } } };
    expect((await parsed(JSON.stringify(noSchema))).errors).not.toEqual([]);
  });
});

describe('the shared AsyncAPI documents', () => {
  testSharedFiles('asyncapi-examples', '', (text, name) => {
    if (name === 'SOURCE.md') return;
    it(`${name} is accepted by the same parser`, async () => {
      const { document, errors } = await parsed(text);
      expect(errors).toEqual([]);
      expect(document?.allMessages().all().length).toBeGreaterThan(0);
    });
  });
});
