import { InvalidInput, NotFound, compilePattern } from '../../index.ts';
import type { Position, ReadEventsOptions, SubscribeOptions } from '../../index.ts';
import { instant, json, choice, many, one, text, wholeNumber } from '../query.ts';
import type { QueryOf } from '../query.ts';
import { answer, empty } from '../reply.ts';
import { assertOfOneType, followedIn, inVersion, SCHEMA_VERSION } from '../schema-version.ts';
import type { Reply } from '../reply.ts';
import { eventFrames } from '../live-streams.ts';
import { route } from '../route.ts';
import { wantsStream } from '../wants-stream.ts';
import type { RouteRequest } from '../route.ts';

const QUERY = {
  after: one(wholeNumber(0), 'Events after this position.'),
  before: one(wholeNumber(0), 'Events before this position, the newest first.'),
  direction: one(
    choice('forward', 'backward'),
    '`backward`: the newest first. Default: `forward`, or `backward` with `before`.',
  ),
  type: many(text, 'Only events of this type; may be repeated.'),
  stream: one(text, 'Only events of this stream.'),
  source: many(text, 'Only events of this source; may be repeated.'),
  category: many(
    text,
    'Only events of streams of this category; may be repeated. The system’s own events are in `thereupon` and come only when asked for.',
  ),
  correlationid: one(text, 'Only events of this business conversation.'),
  tag: many(text, 'Only events that have this tag; repeated, all of them.'),
  from: one(instant, 'Recorded at or after.'),
  to: one(instant, 'Recorded before.'),
  where: one(json, 'An event pattern, as JSON: `{"data":{"total":[{"numeric":[">=",100]}]}}`.'),
  limit: one(wholeNumber(1, 1_000), 'Events on a page. Default 100.'),
  ...SCHEMA_VERSION,
} as const;

type Query = QueryOf<typeof QUERY>;
type Request = RouteRequest<Query, undefined>;

const PAGES_ONLY = ['tag', 'before', 'direction', 'from', 'to', 'limit'] as const;

const readEvents = route({
  method: 'GET',
  path: '/events',
  operation: 'readEvents',
  tag: 'events',
  summary: 'Read events page by page, or follow them live',
  description:
    'A page may be empty and still have a `next`: the search goes on there. With `Accept: text/event-stream` the answer follows the log live, from now on or from `after` (`0`: from the beginning); each message is an event, its `id` the position. A client that comes back sends the last one as `Last-Event-ID`, and misses nothing.',
  query: QUERY,
  requestHeaders: { 'Last-Event-ID': 'Live: the position of the last event that was seen; goes before `after`.' },
  answers: {
    200: {
      description: 'Events in the order of the log.',
      content: { 'application/json': 'EventPage', 'text/event-stream': { type: 'string' } },
      headers: { Link: 'The next page, `rel="next"`.' },
    },
  },
  handle: (request) => (wantsStream(request.header('accept')) ? follow(request) : page(request)),
});

const getEvent = route({
  method: 'GET',
  path: '/events/{source}/{id}',
  operation: 'getEvent',
  tag: 'events',
  summary: 'Read one event by its identity',
  description: 'Both parts percent-encoded, also their slashes.',
  query: SCHEMA_VERSION,
  answers: { 200: { description: 'The event.', content: { 'application/cloudevents+json': 'Event' } } },
  async handle({ system, query, parameter }) {
    const found = await system.events.find(parameter('source'), parameter('id'));
    const [event] = found === undefined ? [] : inVersion(query, [found]);
    if (event === undefined) throw new NotFound('event', `${parameter('source')} ${parameter('id')}`);
    return answer(event, { headers: { 'content-type': 'application/cloudevents+json' } });
  },
});

export const readRoutes = [readEvents, getEvent];

async function page({ system, query, search }: Request): Promise<Reply> {
  assertOfOneType(query);
  const backward = query.direction === 'backward' || (query.direction === undefined && query.before !== undefined);
  const start = placeOf(query, backward);
  const { events: found, next } = await system.events.read({
    ...selectionOf(query),
    direction: backward ? 'backward' : 'forward',
    ...(start === undefined ? {} : { after: start as Position }),
    ...(query.correlationid === undefined ? {} : { correlationid: query.correlationid }),
    ...(query.tag === undefined ? {} : { tags: query.tag }),
    ...(query.stream === undefined ? {} : { stream: query.stream }),
    ...(query.from === undefined ? {} : { recordedFromMs: query.from }),
    ...(query.to === undefined ? {} : { recordedUntilMs: query.to }),
    ...(query.limit === undefined ? {} : { limit: query.limit }),
  });
  const events = inVersion(query, found);
  if (next === undefined) return answer({ events });
  const following = new URLSearchParams(search);
  following.set(backward ? 'before' : 'after', String(next));
  return answer({ events, next }, { headers: { link: `</events?${following.toString()}>; rel="next"` } });
}

function placeOf({ after, before }: Query, backward: boolean): number | undefined {
  if (backward && after !== undefined)
    throw new InvalidInput({ path: 'after', expected: 'before in its place, when reading backward', found: after });
  if (!backward && before !== undefined)
    throw new InvalidInput({ path: 'before', expected: 'after in its place, when reading forward', found: before });
  return backward ? before : after;
}

function selectionOf(query: Query): Pick<ReadEventsOptions, 'types' | 'sources' | 'categories' | 'where'> {
  return { types: query.type, sources: query.source, categories: query.category, where: query.where };
}

async function follow(request: Request): Promise<Reply> {
  const { serving, system, query, headOnly } = request;
  assertOfOneType(query);
  for (const name of PAGES_ONLY) {
    if (query[name] !== undefined)
      throw new InvalidInput({
        path: name,
        expected: 'no such parameter: a live stream has no pages',
        found: query[name],
      });
  }
  // Now is when the request came, not when the first byte of the answer could be written.
  const after = lastSeen(request.header('last-event-id')) ?? query.after ?? (await system.events.head());
  const head = await system.events.head();
  if (after > head)
    throw new InvalidInput({
      path: request.header('last-event-id') === undefined ? 'after' : 'Last-Event-ID',
      expected: `a position up to the head, ${head}; is this another store than before?`,
      found: after,
    });
  const options: SubscribeOptions = { ...selectionOf(query), ...wholeSelection(query), after };
  // A pattern that is wrong is refused here; once the stream has begun, it could only break.
  if (options.where !== undefined) compilePattern(options.where);
  if (headOnly) return empty(200, { 'content-type': 'text/event-stream' });
  return serving.live.reply((signal) =>
    eventFrames(followedIn(query, system.events.subscribe({ ...options, signal }))),
  );
}

/** What pages find by an index, the live selection says as a pattern. */
function wholeSelection({
  where,
  stream,
  correlationid,
  category,
}: Query): Pick<SubscribeOptions, 'where' | 'categories'> {
  if (stream === undefined && correlationid === undefined) return {};
  const pattern: unknown = where ?? {};
  if (!isObject(pattern)) throw new InvalidInput({ path: 'where', expected: 'a JSON object', found: pattern });
  for (const [name, value] of Object.entries({ stream, correlationid })) {
    if (value !== undefined && Object.hasOwn(pattern, name))
      throw new InvalidInput({ path: name, expected: 'either this parameter or its name in where', found: 'both' });
  }
  return {
    where: {
      ...pattern,
      ...(stream === undefined ? {} : { stream: [stream] }),
      ...(correlationid === undefined ? {} : { correlationid: [correlationid] }),
    },
    categories: category ?? (stream === undefined ? undefined : [stream.split('-', 1)[0] ?? '']),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function lastSeen(header: string | undefined): number | undefined {
  if (header === undefined || header === '') return undefined;
  const position = wholeNumber(0).parse(header);
  if (position === undefined)
    throw new InvalidInput({ path: 'Last-Event-ID', expected: 'the position of an event', found: header });
  return position;
}
