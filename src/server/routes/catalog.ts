import { asyncApiOf, NotFound } from '../../index.ts';
import { one, text, wholeNumber } from '../query.ts';
import { answer } from '../reply.ts';
import { route } from '../route.ts';

const getCatalog = route({
  method: 'GET',
  path: '/catalog',
  operation: 'getCatalog',
  tag: 'catalog',
  summary: 'What is produced and consumed by whom, in which versions',
  answers: { 200: { description: 'Event types and reactions.', content: { 'application/json': 'Catalog' } } },
  async handle({ system }) {
    return answer(await system.catalog());
  },
});

const getSchema = route({
  method: 'GET',
  path: '/catalog/{type}/{version}/schema',
  operation: 'getEventSchema',
  tag: 'catalog',
  summary: 'The JSON Schema of an event type’s data',
  answers: { 200: { description: 'JSON Schema 2020-12.', content: { 'application/schema+json': 'JsonSchema' } } },
  async handle({ system, parameter }) {
    const type = parameter('type');
    const version = wholeNumber(1).parse(parameter('version'));
    const found = (await system.catalog()).events.find((event) => event.type === type && event.version === version);
    if (found?.jsonSchema === undefined) throw new NotFound('JSON Schema of event', `${type} ${parameter('version')}`);
    return answer(found.jsonSchema, { headers: { 'content-type': 'application/schema+json' } });
  },
});

const getOpenApi = route({
  method: 'GET',
  path: '/openapi.json',
  operation: 'getOpenApi',
  tag: 'catalog',
  summary: 'This interface, as OpenAPI 3.1',
  answers: { 200: { description: 'Exactly the routes that are served.', content: { 'application/json': 'OpenApi' } } },
  handle: ({ serving }) => answer(serving.document()),
});

const getAsyncApi = route({
  method: 'GET',
  path: '/asyncapi.json',
  operation: 'getAsyncApi',
  tag: 'catalog',
  summary: 'The events of this system, as AsyncAPI 3.0',
  description: 'The channel, its messages by type and version, and what reacts to them.',
  query: {
    title: one(text, 'What the document is called. Default: Thereupon.'),
    version: one(text, 'The version that the document says. Default: that of this interface.'),
  },
  requestHeaders: { 'X-Forwarded-Proto': '`https`: the server stands behind a proxy that speaks it.' },
  answers: { 200: { description: 'All event types that are known.', content: { 'application/json': 'AsyncApi' } } },
  async handle({ system, serving, query, header }) {
    const host = header('host');
    const protocol = header('x-forwarded-proto') === 'https' ? 'https' : 'http';
    const document = asyncApiOf(await system.catalog(), {
      title: query.title ?? 'Thereupon',
      version: query.version ?? serving.version,
      secured: serving.secured,
      ...(host === undefined ? {} : { server: { host, protocol } }),
    });
    return answer(document);
  },
});

export const catalogRoutes = [getCatalog, getSchema, getOpenApi, getAsyncApi];
