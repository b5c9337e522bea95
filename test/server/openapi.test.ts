import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { ROUTES } from '../../src/server/routes.ts';
import { act, openApp, order, post, read } from './shop.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: object;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<
    Record<
      string,
      { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema: object }>> }
    >
  >;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

async function document() {
  const { app, system } = await openApp();
  return { app, system, openapi: await read<Document>(app, '/openapi.json') };
}

function operations({ paths }: Document) {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

/** Compiles schemas of the document where its references lead into it. */
function compilerOf(openapi: Document) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'https://openapi.test/document', components: openapi.components });
  return (schema: object) =>
    ajv.compile(
      JSON.parse(
        JSON.stringify(schema).replaceAll('"#/components/', '"https://openapi.test/document#/components/'),
      ) as object,
    );
}

describe('the OpenAPI document', () => {
  it('describes exactly the routes that are served', async () => {
    const { app, openapi } = await document();
    const served = app.routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    const described = operations(openapi).map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(served.toSorted()).toEqual(described.toSorted());
    expect(new Set(served).size).toBe(served.length);
  });

  it('is OpenAPI 3.1 with one name for each operation', async () => {
    const { openapi } = await document();
    expect(openapi.openapi).toBe('3.1.0');
    const names = operations(openapi).map(({ operation }) => operation.operationId);
    expect(new Set(names).size).toBe(names.length);
  });

  it('declares every parameter of a path, and none twice', async () => {
    const { openapi } = await document();
    for (const { path, operation } of operations(openapi)) {
      const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name);
      expect(operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)).toEqual(
        inPath,
      );
      const all = operation.parameters.map((parameter) => `${parameter.in} ${parameter.name.toLowerCase()}`);
      expect(new Set(all).size).toBe(all.length);
    }
  });

  it('has schemas that are valid, and uses every one of them', async () => {
    const { openapi } = await document();
    const compile = compilerOf(openapi);
    for (const { operation } of operations(openapi)) {
      for (const { schema } of operation.parameters) compile(schema);
      for (const { schema } of Object.values(operation.requestBody?.content ?? {})) compile(schema);
      for (const { content } of Object.values(operation.responses))
        for (const { schema } of Object.values(content ?? {})) compile(schema);
    }
    const text = JSON.stringify(openapi);
    for (const name of Object.keys(openapi.components.schemas))
      expect(text).toContain(`"#/components/schemas/${name}"`);
  });

  it('declares the query parameters that routes read', async () => {
    const { openapi } = await document();
    for (const { method, path, query = {} } of ROUTES) {
      const declared = openapi.paths[path]?.[method.toLowerCase()]?.parameters.filter(
        (parameter) => parameter.in === 'query' && parameter.name !== 'filters',
      );
      expect(declared?.map(({ name }) => name)).toEqual(Object.keys(query));
    }
  });

  it('says what the answers look like', async () => {
    const { app, system, openapi } = await document();
    const compile = compilerOf(openapi);
    await post(app, [order({ id: 'e1' }), order({ customer: 'nobody' })]);
    await post(app, { ...order(), type: 'shop.stock.counted', data: {} });
    await system.settled();
    const asked: readonly (readonly [method: string, path: string, response: Response])[] = [
      ['post', '/events', await post(app, order())],
      ['post', '/events', await post(app, [order()])],
      ['get', '/events', await app.request('/events?limit=1&category=thereupon&category=order')],
      ['get', '/events/{source}/{id}', await app.request('/events/%2Ftill/e1')],
      ['get', '/streams', await app.request('/streams?limit=1')],
      ['get', '/streams/{stream}', await app.request('/streams/order-17?limit=1')],
      ['get', '/consumers', await app.request('/consumers')],
      ['get', '/consumers/{name}', await app.request('/consumers/billing')],
      ['post', '/consumers/{name}/pause', await act(app, '/consumers/billing/pause')],
      ['post', '/consumers/{name}/resume', await act(app, '/consumers/billing/resume')],
      ['post', '/consumers/{name}/replay', await act(app, '/consumers/sales/replay', { from: 'beginning' })],
      ['get', '/dead-letters', await app.request('/dead-letters')],
      ['get', '/dead-letters/{id}', await app.request('/dead-letters/billing~2')],
      ['post', '/dead-letters/{id}/retry', await act(app, '/dead-letters/billing~2/retry')],
      ['post', '/dead-letters/discard', await act(app, '/dead-letters/discard', { all: true })],
      ['get', '/views', await app.request('/views')],
      ['get', '/views/{name}', await app.request('/views/sales')],
      ['get', '/catalog', await app.request('/catalog')],
      ['get', '/catalog/{type}/{version}/schema', await app.request('/catalog/shop.order.placed/1/schema')],
      ['get', '/healthz', await app.request('/healthz')],
      ['get', '/readyz', await app.request('/readyz')],
    ];
    for (const [method, path, response] of asked) {
      const type = response.headers.get('content-type') ?? '';
      const schema = openapi.paths[path]?.[method]?.responses[response.status]?.content?.[type]?.schema;
      expect(schema, `${method} ${path} ${response.status} ${type}`).toBeDefined();
      const validate = compile(schema ?? {});
      expect(validate(await response.json()), `${method} ${path}: ${JSON.stringify(validate.errors)}`).toBe(true);
    }
  });

  it('says what a problem looks like', async () => {
    const { app, openapi } = await document();
    const validate = compilerOf(openapi)({ $ref: '#/components/schemas/Problem' });
    for (const path of ['/nothing', '/events?x=1', '/streams/none']) expect(validate(await read(app, path))).toBe(true);
  });
});
