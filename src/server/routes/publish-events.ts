import {
  BatchRefused,
  InvalidEvent,
  LimitExceeded,
  StreamVersionConflict,
  UnsupportedContent,
  decodeHttp,
} from '../../index.ts';
import type { HttpEvents, Published } from '../../index.ts';
import { attributed } from '../caller.ts';
import { claimedVersion } from '../expected-version.ts';
import { problemOf, problemReply } from '../problem.ts';
import { answer } from '../reply.ts';
import type { Reply } from '../reply.ts';
import { route } from '../route.ts';
import type { RouteRequest } from '../route.ts';

const NEW = 'Durable: recorded now. A single event answers as itself, a batch with `results` in its order.';

export const publishEvents = route({
  method: 'POST',
  path: '/events',
  operation: 'publishEvents',
  tag: 'events',
  summary: 'Publish CloudEvents: one in structured or binary mode, several in batch mode, all or none',
  description:
    'Answered only when the events are durable. Publishing an event again, with the same `source` and `id`, records nothing and answers with the first one’s place. The trace of a request is continued in its events.',
  requestContent: {
    'application/cloudevents+json': 'IncomingEvent',
    'application/cloudevents-batch+json': { type: 'array', items: { $ref: 'IncomingEvent' } },
    '*/*': {},
  },
  requestHeaders: {
    'ce-specversion': 'Binary mode: `1.0`; the other attributes as `ce-` headers too, the data as body.',
    'ce-id': 'Binary mode.',
    'ce-source': 'Binary mode.',
    'ce-type': 'Binary mode.',
    'Thereupon-Expected-Version':
      'The version that the one stream of these events must have: a number, `none`, `exists` or `any`; else 409 and nothing is recorded.',
    'If-Match':
      'As `Thereupon-Expected-Version`, with the `ETag` of the stream: `"5"`, or `*` for a stream that exists; else 412. Where both are given they have to agree.',
    'Thereupon-Reason':
      'Why, percent-encoded as `ce-` headers are: kept as `authreason` with events that give no reason themselves.',
    traceparent: 'W3C trace context, for events that carry none themselves.',
    tracestate: 'W3C trace context.',
  },
  answers: {
    200: {
      description: 'Nothing new: every event was recorded before.',
      content: { 'application/json': { anyOf: [{ $ref: 'Published' }, { $ref: 'PublishedBatch' }] } },
    },
    201: {
      description: NEW,
      content: { 'application/json': { anyOf: [{ $ref: 'Published' }, { $ref: 'PublishedBatch' }] } },
      headers: { Location: 'Of a single event.' },
    },
    202: {
      description: 'Durable, but quarantined: the data does not fit the schema.',
      content: { 'application/json': { anyOf: [{ $ref: 'Published' }, { $ref: 'PublishedBatch' }] } },
    },
    412: { description: 'The stream is not at the version that `If-Match` names; nothing was recorded.' },
  },
  handle,
});

async function handle(request: RouteRequest<unknown, unknown>): Promise<Reply> {
  const { serving, system, headers } = request;
  assertPlain(request);
  const expectedVersion = claimedVersion(request);
  const { mode, events } = decode({ headers, body: await request.bytes() });
  if (events.length > serving.maxBatchEvents)
    throw new LimitExceeded('events in a request', serving.maxBatchEvents, events.length);
  let results: readonly Published[];
  try {
    results = await system.ingest(attributed(events, request), headers, expectedVersion);
  } catch (error) {
    const conflict = request.header('if-match') !== undefined && error instanceof StreamVersionConflict;
    const document = conflict ? problemOf(error) : undefined;
    if (document === undefined) throw error;
    return problemReply({ ...document, status: 412 });
  }
  for (const each of results) serving.metrics.published(each);
  const status = statusOf(results);
  const [first] = results;
  if (mode === 'batch' || first === undefined) return answer({ results }, { status });
  const location = status === 201 ? locationOf(first) : undefined;
  return answer(first, { status, ...(location === undefined ? {} : { headers: { location } }) });
}

/** What would be silently left undone is refused. */
function assertPlain(request: RouteRequest<unknown, unknown>): void {
  const coding = request.header('content-encoding');
  if (coding !== undefined && coding !== 'identity')
    throw new UnsupportedContent('no Content-Encoding', coding.slice(0, 80));
}

/** An event of a batch that is no event is told by its index, as one that is refused later. */
function decode(message: Parameters<typeof decodeHttp>[0]): HttpEvents {
  try {
    return decodeHttp(message);
  } catch (error) {
    const index = error instanceof InvalidEvent ? /^\[(\d+)\]/.exec(error.attribute)?.[1] : undefined;
    if (!(error instanceof InvalidEvent) || index === undefined) throw error;
    throw new BatchRefused([{ index: Number(index), error }]);
  }
}

function statusOf(results: readonly Published[]): number {
  const fresh = results.filter(({ duplicate }) => !duplicate);
  if (fresh.some(({ quarantined }) => !quarantined)) return 201;
  return fresh.length > 0 ? 202 : 200;
}

/** Undefined where a URL cannot say it: `.` and `..` as a segment, however written, are steps in the path. */
export function locationOf({ source, id }: { readonly source: string; readonly id: string }): string | undefined {
  if ([source, id].some((part) => part === '.' || part === '..')) return undefined;
  return `/events/${encodeURIComponent(source)}/${encodeURIComponent(id)}`;
}
