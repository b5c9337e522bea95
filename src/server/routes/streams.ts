import { NotFound, StreamDeleted } from '../../index.ts';
import type { StreamState } from '../../index.ts';
import { choice, one, text, wholeNumber } from '../query.ts';
import { answer, empty } from '../reply.ts';
import { route } from '../route.ts';

const listStreams = route({
  method: 'GET',
  path: '/streams',
  operation: 'listStreams',
  tag: 'streams',
  summary: 'List streams by name',
  query: {
    category: one(text, 'Only streams of this category: `order` for `order-17`.'),
    after: one(text, 'Names above this one.'),
    limit: one(wholeNumber(1, 1_000), 'Streams on a page. Default 100.'),
  },
  answers: { 200: { description: 'Streams in name order.', content: { 'application/json': 'StreamList' } } },
  async handle({ system, query }) {
    const limit = query.limit ?? 100;
    const found = await system.events.listStreams({
      limit,
      ...(query.category === undefined ? {} : { category: query.category }),
      ...(query.after === undefined ? {} : { after: query.after }),
    });
    return answer({ streams: found.map(stateOf), next: found.length === limit ? found.at(-1)?.stream : undefined });
  },
});

const readStream = route({
  method: 'GET',
  path: '/streams/{stream}',
  operation: 'readStream',
  tag: 'streams',
  summary: 'Read the history of one entity',
  description: 'The name percent-encoded, also its slashes.',
  query: {
    from: one(
      wholeNumber(1),
      'The first version wanted; backward the last one. Default: the beginning, backward the end.',
    ),
    direction: one(choice('forward', 'backward'), '`backward`: the newest first.'),
    limit: one(wholeNumber(1, 1_000), 'Events on a page. Default 100.'),
  },
  requestHeaders: { 'If-None-Match': 'The `ETag` of an earlier answer.' },
  answers: {
    200: {
      description: 'Events in version order.',
      content: { 'application/json': 'Stream' },
      headers: { ETag: 'The version of the stream, in quotes.' },
    },
    304: { description: 'Nothing has changed.' },
  },
  async handle({ system, query, parameter, header }) {
    const stream = parameter('stream');
    const backward = query.direction === 'backward';
    const { events, state } = await system.events.readStream(stream, {
      direction: backward ? 'backward' : 'forward',
      limit: query.limit ?? 100,
      ...(query.from === undefined ? {} : { fromVersion: query.from }),
    });
    if (state.deleted) throw new StreamDeleted(stream);
    if (state.version === 0) throw new NotFound('stream', stream);
    const etag = etagOf(state);
    if (isKnown(header('if-none-match'), etag)) return empty(304, { etag });
    const last = events.at(-1)?.version;
    const next = last === undefined ? undefined : last + (backward ? -1 : 1);
    const more = next !== undefined && (backward ? next >= state.firstVersion : next <= state.version);
    return answer({ ...stateOf(state), events, next: more ? next : undefined }, { headers: { etag } });
  },
});

export const streamRoutes = [listStreams, readStream];

function stateOf({ stream, version, firstVersion, deleted }: StreamState): StreamState {
  return { stream, version, firstVersion, deleted };
}

/** Weak comparison, as RFC 9110 has it for this header. */
function isKnown(given: string | undefined, etag: string): boolean {
  return given?.split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === etag) ?? false;
}

/** A stream whose beginning was removed is another representation of the same version. */
function etagOf({ version, firstVersion }: StreamState): string {
  return firstVersion === 1 ? `"${version}"` : `"${version}.${firstVersion}"`;
}
