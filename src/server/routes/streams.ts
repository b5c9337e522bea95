import { InvalidInput, NotFound, StreamDeleted } from '../../index.ts';
import type { AsOf, StreamState } from '../../index.ts';
import { choice, one, text, wholeNumber } from '../query.ts';
import { answer, empty } from '../reply.ts';
import type { Reply } from '../reply.ts';
import { inVersion, SCHEMA_VERSION } from '../schema-version.ts';
import type { ServedSystem } from '../served-system.ts';
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
    ...SCHEMA_VERSION,
    version: one(wholeNumber(0), 'In place of events: the state after this version. Where a decider makes one.'),
    position: one(wholeNumber(0), 'In place of events: the state after this place in the log.'),
    at: one(text, 'In place of events: the state at this instant (RFC 3339), or at the end of a date, in UTC.'),
    by: one(
      choice('event', 'recorded'),
      'What instants mean: what had happened by then (`event`, the default), or what was recorded.',
    ),
    diff: one(text, 'And what is otherwise at this later version, position or instant: of the same kind as the first.'),
  },
  requestHeaders: { 'If-None-Match': 'The `ETag` of an earlier answer.' },
  answers: {
    200: {
      description: 'Events in version order; or the state at a point, or the difference of two.',
      content: {
        'application/json': {
          anyOf: [{ $ref: 'Stream' }, { $ref: 'StreamStateAt' }, { $ref: 'StreamDifference' }],
        },
      },
      headers: { ETag: 'The version of the stream, in quotes.' },
    },
    304: { description: 'Nothing has changed.' },
  },
  async handle({ system, query, parameter, header }) {
    const stream = parameter('stream');
    const { version, position, at, by, diff } = query;
    const asOf = asOfGiven({ version, position, at, by });
    if (asOf !== undefined) return pastState(system, stream, asOf, diff);
    if (diff !== undefined || by !== undefined)
      throw new InvalidInput({
        path: diff === undefined ? 'by' : 'diff',
        expected: 'version, position or at beside it',
        found: diff ?? by,
      });
    const backward = query.direction === 'backward';
    const { events: found, state } = await system.events.readStream(stream, {
      direction: backward ? 'backward' : 'forward',
      limit: query.limit ?? 100,
      ...(query.from === undefined ? {} : { fromVersion: query.from }),
    });
    if (state.deleted) throw new StreamDeleted(stream);
    if (state.version === 0) throw new NotFound('stream', stream);
    const etag = etagOf(state);
    if (isKnown(header('if-none-match'), etag)) return empty(304, { etag });
    const events = inVersion(query, found);
    const last = events.at(-1)?.version;
    const next = last === undefined ? undefined : last + (backward ? -1 : 1);
    const more = next !== undefined && (backward ? next >= state.firstVersion : next <= state.version);
    return answer({ ...stateOf(state), events, next: more ? next : undefined }, { headers: { etag } });
  },
});

export const streamRoutes = [listStreams, readStream];

/** Undefined: events are asked for. */
function asOfGiven(given: {
  readonly [Name in keyof AsOf]: AsOf[Name] | undefined;
}): AsOf | undefined {
  const asOf = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as AsOf;
  return asOf.version === undefined && asOf.position === undefined && asOf.at === undefined ? undefined : asOf;
}

async function pastState(system: ServedSystem, stream: string, asOf: AsOf, diff: string | undefined): Promise<Reply> {
  if (diff === undefined) return answer(await system.deciders.state(undefined, stream, asOf));
  const to: AsOf = asOf.at === undefined ? laterPlace(asOf, diff) : { ...asOf, at: diff };
  return answer(await system.deciders.difference(undefined, stream, asOf, to));
}

function laterPlace({ version }: AsOf, diff: string): AsOf {
  const kind = version === undefined ? 'position' : 'version';
  const place = wholeNumber(0).parse(diff);
  if (place !== undefined) return { [kind]: place };
  throw new InvalidInput({ path: 'diff', expected: `a ${kind}, a whole number from 0, as beside it`, found: diff });
}

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
