import { z } from 'zod';
import type { QueryParameter } from './query.ts';
import type { Route, RouteAnswer } from './route.ts';
import { schemas } from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

const TAGS: Readonly<Record<string, string>> = {
  events: 'What happened.',
  streams: 'The entities that it happened to.',
  consumers: 'What reacts, and how far it has come.',
  'dead letters': 'What could not be handled.',
  views: 'Read models.',
  subjects: 'The people that personal fields are about.',
  catalog: 'What there is to know and to ask.',
  operation: 'For those who keep it running.',
};
const PROBLEM = {
  description: 'A problem, with a stable `code` (RFC 9457).',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};

/** The OpenAPI 3.1 document of the routes: made from what serves them, so that neither knows more than the other. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const each of routes) paths[each.path] = { ...paths[each.path], [each.method.toLowerCase()]: operationOf(each) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Thereupon',
      version,
      summary: 'An event-driven automation system',
      description: 'Facts go in, are kept for ever, and are reacted to. Every error is a problem document.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: componentsOf(),
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'Needed where the server was started with API keys.' },
      },
    },
    security: [{ key: [] }, {}],
  };
}

function operationOf(route: Route): Json {
  const { operation, tag, summary, description, open, body, requestContent } = route;
  const answers = Object.entries(route.answers).map(([status, each]) => [status, answerOf(each)] as const);
  const content = body === undefined ? requestContent : { 'application/json': bodySchema(body) };
  return {
    operationId: operation,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(open === true ? { security: [{}] } : {}),
    parameters: parametersOf(route),
    ...(content === undefined
      ? {}
      : {
          requestBody: {
            required: body !== undefined && !body.safeParse(undefined).success,
            content: contentOf(content),
          },
        }),
    responses: { ...Object.fromEntries(answers), '4XX': PROBLEM, '5XX': PROBLEM },
  };
}

function parametersOf({ path, query, openQuery, requestHeaders }: Route): readonly Json[] {
  const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', minLength: 1 },
  }));
  const inQuery = Object.entries(query ?? {}).map(
    ([name, { description, schema, many }]: [string, QueryParameter]) => ({
      name,
      in: 'query',
      description,
      schema,
      ...(many ? { explode: true } : {}),
    }),
  );
  const open =
    openQuery === undefined
      ? []
      : [
          {
            name: 'filters',
            in: 'query',
            description: openQuery,
            style: 'form',
            explode: true,
            schema: { type: 'object', additionalProperties: { type: 'string' } },
          },
        ];
  const inHeader = Object.entries(requestHeaders ?? {}).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }));
  return [...inPath, ...inQuery, ...open, ...inHeader];
}

function answerOf({ description, content, headers }: RouteAnswer): Json {
  const described = Object.entries(headers ?? {}).map(
    ([name, says]) => [name, { description: says, schema: { type: 'string' } }] as const,
  );
  return {
    description,
    ...(headers === undefined ? {} : { headers: Object.fromEntries(described) }),
    ...(content === undefined ? {} : { content: contentOf(content) }),
  };
}

function contentOf(content: NonNullable<RouteAnswer['content']>): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [
      type,
      { schema: typeof schema === 'string' ? { $ref: `#/components/schemas/${schema}` } : withReferences(schema) },
    ]),
  );
}

/** Names of schemas become references to them. */
function withReferences(schema: Json): Json {
  return JSON.parse(
    JSON.stringify(schema, (member, value: unknown) =>
      member === '$ref' ? `#/components/schemas/${String(value)}` : value,
    ),
  ) as Json;
}

function bodySchema(body: z.ZodType): Json {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(body, { io: 'input' });
  return schema;
}

function componentsOf(): Json {
  const generated = z.toJSONSchema(schemas, { uri: (id) => `#/components/schemas/${id}` });
  return Object.fromEntries(
    Object.entries(generated.schemas).map(([id, { $schema: _dialect, $id: _place, ...schema }]) => [id, schema]),
  );
}
