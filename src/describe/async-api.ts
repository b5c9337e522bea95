import type { Catalog, CatalogEvent } from '../catalog.ts';
import type { JsonValue } from '../event/json.ts';
import { schemaUri } from '../event/recorded-event.ts';
import type { JsonObject } from '../schema/schema-parts.ts';
import { toDraft07 } from './draft-07.ts';
import type { Placing } from './draft-07.ts';
import { messageKey, safeName } from './message-key.ts';
import { SchemaTree } from '../schema/schema-tree.ts';
import type { PlacedSchema } from '../schema/schema-tree.ts';

/** What a catalog does not know of the server that it is served by. */
export interface AsyncApiFacts {
  readonly title: string;
  /** Of the interface that is described. */
  readonly version: string;
  /** Where it answers; left out where nothing listens. */
  readonly server?: { readonly host: string; readonly protocol: 'http' | 'https' };
  /** Whether requests need a key. */
  readonly secured?: boolean;
}

const CHANNEL = '#/channels/events';
const DESCRIPTION =
  'Facts go in, are kept for ever, and are reacted to. Messages are CloudEvents 1.0. Their headers here are those of the binary mode; in the structured mode, and in server-sent events, the attributes stand without `ce-` beside `data`, which is the payload.';

/**
 * The catalog of a system as an AsyncAPI 3.0.0 document.
 *
 * Shape     One channel, since there is one address, `/events`, and a message for each event type and version: an operation says which of them
 *           it takes or gives, and who looks for an event finds it by its `name`. Reactions work inside; what they consume and
 *           publish is in `x-thereupon-reactions`.
 * Guarantee Names in it depend on nothing but type and version. Payloads say all that draft-07 can say; the whole schema of a
 *           message is served at `/catalog/{type}/{version}/schema`.
 * Source    AsyncAPI 3.0.0; CloudEvents 1.0.2, HTTP protocol binding
 */
export function asyncApiOf({ events, reactions }: Catalog, facts: AsyncApiFacts): JsonObject {
  const { title, version, server, secured } = facts;
  const keyOf = (event: CatalogEvent) => messageKey(event.type, event.version);
  return {
    asyncapi: '3.0.0',
    info: { title, version, description: DESCRIPTION },
    ...(server === undefined ? {} : { servers: { this: serverOf(server, secured === true) } }),
    defaultContentType: 'application/json',
    channels: {
      events: {
        address: '/events',
        title: 'The event log',
        messages: Object.fromEntries(
          events.map((event) => [keyOf(event), { $ref: `#/components/messages/${keyOf(event)}` }]),
        ),
      },
    },
    operations: operationsOf(events, keyOf),
    components: {
      messages: Object.fromEntries(events.map((event) => [keyOf(event), messageOf(event)])),
      schemas: Object.fromEntries(events.flatMap((event) => payloadSchemas(event.jsonSchema, keyOf(event)))),
      messageTraits: { cloudEvent: CLOUD_EVENT },
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'Needed where the server was started with API keys.' },
      },
    },
    'x-thereupon-reactions': reactions.map(({ name, kind, summary, consumes, publishes }) => ({
      name,
      kind,
      ...(summary === undefined ? {} : { summary }),
      ...(consumes === undefined ? {} : { consumes }),
      publishes,
    })),
  };
}

function serverOf({ host, protocol }: NonNullable<AsyncApiFacts['server']>, secured: boolean): JsonObject {
  return { host, protocol, ...(secured ? { security: [{ $ref: '#/components/securitySchemes/key' }] } : {}) };
}

function operationsOf(events: readonly CatalogEvent[], keyOf: (event: CatalogEvent) => string): JsonObject {
  const operation = (action: 'receive' | 'send', of: readonly CatalogEvent[]) => ({
    action,
    channel: { $ref: CHANNEL },
    messages: of.map((event) => ({ $ref: `${CHANNEL}/messages/${keyOf(event)}` })),
  });
  const text = { type: 'array', items: { type: 'string' } };
  return {
    publishEvents: {
      ...operation(
        'receive',
        events.filter(({ defined }) => defined),
      ),
      summary: 'Record that something happened',
      description:
        'One event in binary or structured mode, or several as a batch, all or none. A 2xx answer says that they are durable. An event whose `dataschema` does not name a version is taken for the current one of its type.',
      bindings: { http: { method: 'POST', bindingVersion: '0.3.0' } },
    },
    followEvents: {
      ...operation('send', events),
      summary: 'Follow what happens',
      description:
        'Server-sent events, with `Accept: text/event-stream`: each `data` is an event in the CloudEvents JSON format, its `id` the position. A client that comes back sends the last one as `Last-Event-ID`, and misses nothing.',
      bindings: {
        http: {
          method: 'GET',
          query: {
            type: 'object',
            properties: { type: text, category: text, source: text, after: { type: 'integer', minimum: 0 } },
          },
          bindingVersion: '0.3.0',
        },
      },
    },
  };
}

function messageOf(event: CatalogEvent): JsonObject {
  const { type, version, summary, onInvalid, defined, publishedBy, consumedBy } = event;
  return {
    name: type,
    title: version === 1 ? type : `${type}, version ${version}`,
    ...(summary === undefined ? {} : { summary }),
    traits: [{ $ref: '#/components/messageTraits/cloudEvent' }],
    headers: {
      type: 'object',
      properties: { 'ce-type': { const: type }, 'ce-dataschema': { const: schemaUri(type, version) } },
    },
    payload: { $ref: `#/components/schemas/${messageKey(type, version)}` },
    'x-thereupon': { type, version, onInvalid, defined, publishedBy, consumedBy },
  };
}

/** The schema of a payload and what it refers to, each under a name of its own. */
function payloadSchemas(schema: JsonValue | undefined, key: string): readonly (readonly [string, JsonValue])[] {
  const tree = new SchemaTree(schema ?? true);
  const names = new Map<JsonValue, string>([[tree.root.schema, key]]);
  const waiting: PlacedSchema[] = [tree.root];
  const placing: Placing = (target) => {
    let name = names.get(target.schema);
    if (name === undefined) {
      // Names of messages end in a version, so these are none.
      name = `${key}.${safeName(target.name)}.part${names.size}`;
      names.set(target.schema, name);
      waiting.push(target);
    }
    return `#/components/schemas/${name}`;
  };
  const placed: (readonly [string, JsonValue])[] = [];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
    placed.push([names.get(next.schema) ?? key, asObject(toDraft07(next, tree, placing))]);
  return placed;
}

/** AsyncAPI takes the schemas `true` and `false` inside of others only. */
function asObject(schema: JsonValue): JsonValue {
  if (typeof schema !== 'boolean') return schema;
  return schema ? {} : { not: {} };
}

const text = { type: 'string', minLength: 1 } as const;

/** What every event has, as headers in binary mode. */
const CLOUD_EVENT: JsonObject = {
  headers: {
    type: 'object',
    required: ['ce-specversion', 'ce-id', 'ce-source', 'ce-type'],
    properties: {
      'ce-specversion': { const: '1.0' },
      'ce-id': { ...text, description: 'Identifies the event together with its source, for ever.' },
      'ce-source': { ...text, format: 'uri-reference' },
      'ce-type': text,
      'ce-subject': { ...text, description: 'What the fact is about.' },
      'ce-time': { ...text, format: 'date-time', description: 'When it happened, as its producer says.' },
      'ce-dataschema': { ...text, format: 'uri', description: 'The type and version of the schema of the data.' },
      'ce-stream': { ...text, description: 'The stream that the producer asks for; that it is in, for consumers.' },
      'ce-correlationid': { ...text, description: 'The business conversation it belongs to.' },
      'ce-causationid': { ...text, description: 'The id of what directly caused it.' },
      'ce-partitionkey': { ...text, description: 'The ordering key, where it is not the stream.' },
      'ce-traceparent': text,
      'ce-tracestate': text,
    },
  },
  correlationId: { location: '$message.header#/ce-correlationid' },
};
