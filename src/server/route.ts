import type { z } from 'zod';
import type { Actor } from '../index.ts';
import type { BodyBudget } from './body.ts';
import type { AddressOf } from './caller.ts';
import type { LiveQueries } from './live-query.ts';
import type { LiveStreams } from './live-streams.ts';
import type { Metrics } from './metrics.ts';
import type { QueryOf, QueryShape } from './query.ts';
import type { Reply } from './reply.ts';
import type { ServedSystem } from './served-system.ts';

/** What every route works with. */
export interface Serving {
  readonly system: ServedSystem;
  readonly addressOf: AddressOf;
  readonly maxBodyBytes: number;
  readonly bodies: BodyBudget;
  readonly maxBatchEvents: number;
  /** How long `after-position` waits at most. */
  readonly maxWaitMs: number;
  readonly live: LiveStreams;
  readonly liveQueries: LiveQueries;
  readonly metrics: Metrics;
  /** Aborted when the server shuts down. */
  readonly closing: AbortSignal;
  /** Of the interface; raised when a client has to know. */
  readonly version: string;
  /** Whether requests need a key. */
  readonly secured: boolean;
  /** The OpenAPI document of all routes. */
  document(): unknown;
}

export interface RouteRequest<Query, Body> {
  readonly serving: Serving;
  readonly system: ServedSystem;
  readonly query: Query;
  readonly body: Body;
  /** As they came: with repeated ones, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The query as it came; only for routes with `openQuery`. */
  readonly search: URLSearchParams;
  /** Only the head of the answer is wanted. */
  readonly headOnly: boolean;
  readonly parameter: (name: string) => string;
  readonly header: (name: string) => string | undefined;
  /** Whose key the request carries; undefined: none is needed. */
  readonly actor: Actor | undefined;
  /** Where the request comes from; undefined: that is not kept. */
  readonly address: string | undefined;
  /** The body, within the limit. */
  readonly bytes: () => Promise<Uint8Array>;
}

export interface RouteAnswer {
  readonly description: string;
  /** A content type and the name of a schema (`schemas.ts`), or a JSON Schema itself. */
  readonly content?: Readonly<Record<string, string | Readonly<Record<string, unknown>>>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RouteOptions<Query extends QueryShape, Body> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Parameters in braces, as in OpenAPI. */
  readonly path: `/${string}`;
  /** Unique name of the operation. */
  readonly operation: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** Answers without a key. */
  readonly open?: boolean;
  readonly query?: Query;
  /** The route reads parameters itself that depend on what it is about; said in words. */
  readonly openQuery?: string;
  /** Request headers beyond those of HTTP itself, and what they do. */
  readonly requestHeaders?: Readonly<Record<string, string>>;
  /** A JSON body. One that may be left out is read as undefined. */
  readonly body?: z.ZodType<Body>;
  /** For a body that the route reads itself: content types as in an answer. */
  readonly requestContent?: RouteAnswer['content'];
  readonly answers: Readonly<Record<number, RouteAnswer>>;
  handle(request: RouteRequest<QueryOf<Query>, Body>): Promise<Reply> | Reply;
}

/** One operation of the interface: how it is served and how it is described, in one place. */
export type Route = RouteOptions<QueryShape, unknown>;

/** Gives the query and the body of a route their types. */
export function route<const Query extends QueryShape = QueryShape, Body = undefined>(
  options: RouteOptions<Query, Body>,
): Route {
  return options;
}
