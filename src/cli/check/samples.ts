import type { StoredEvent } from '../../index.ts';
import { pathOf } from '../access/api.ts';
import type { Api } from '../access/api.ts';
import { ApiProblem } from '../failure.ts';
import type { EventJson } from '../output/event-line.ts';

/** Attributes that a stored event has in fields of their own. */
const OWN = new Set(
  'specversion id source type subject time recordedtime correlationid causationid stream version position data data_base64 dataschema'.split(
    ' ',
  ),
);
/** So many places between the oldest and the newest are looked at. */
const PLACES = 8;
/** So much of the history of a stream, from its first event on. */
const HISTORY = 200;
const AT_ONCE = 8;

/** The server gives no more at a time. */
const PAGE = 1_000;

interface Page {
  readonly events: readonly EventJson[];
  /** Where it goes on. */
  readonly next?: number;
}

/**
 * Some events of each type and version, as they are stored: the oldest, the newest, and some from places in between. The places are spread
 * evenly and not by chance, so that a build that is run again is told the same.
 *
 * Shape     At most `most` of each type and version.
 */
export async function samplesOf(
  api: Api,
  known: readonly { readonly type: string; readonly version: number }[],
  most: number,
): Promise<readonly StoredEvent[]> {
  const samples: StoredEvent[] = [];
  for (const [type, versions] of Map.groupBy(known, (schema) => schema.type)) {
    const found = await looked(api, type, most);
    for (const { version } of versions) {
      const isSeen = [...found.values()].some((event) => event.schemaVersion === version);
      // What is rare between others is asked for by name.
      if (!isSeen) for (const event of await ofVersion(api, type, version, most)) found.set(event.position, event);
    }
    for (const alike of Map.groupBy(found.values(), ({ schemaVersion }) => schemaVersion).values())
      samples.push(
        ...spread(
          alike.toSorted((left, right) => left.position - right.position),
          most,
        ),
      );
  }
  return samples;
}

/**
 * The histories of some of the streams that events are in, from the first event on, with these events: what a state or a row comes to says
 * something of those only.
 *
 * Shape     For each category at most `most` streams.
 */
export async function withHistories(
  api: Api,
  events: readonly StoredEvent[],
  most: number,
): Promise<readonly StoredEvent[]> {
  const all = new Map<number, StoredEvent>(events.map((event) => [event.position, event]));
  const streams = [...Map.groupBy(new Set(events.map(({ stream }) => stream)), categoryOf).values()].flatMap((alike) =>
    spread(alike, most),
  );
  for (let from = 0; from < streams.length; from += AT_ONCE) {
    const pages = await Promise.all(streams.slice(from, from + AT_ONCE).map((stream) => history(api, stream)));
    for (const event of pages.flat()) all.set(event.position, event);
  }
  return [...all.values()];
}

function categoryOf(stream: string): string {
  return stream.split('-', 1)[0] ?? stream;
}

async function history(api: Api, stream: string): Promise<readonly StoredEvent[]> {
  try {
    const { events } = await api.get<Page>(pathOf('streams', stream), { limit: HISTORY, 'schema-version': 'stored' });
    return events.map(storedEvent);
  } catch (error) {
    // Deleted since.
    if (error instanceof ApiProblem && (error.status === 404 || error.status === 410)) return [];
    throw error;
  }
}

async function looked(api: Api, type: string, most: number): Promise<Map<number, StoredEvent>> {
  const found = new Map<number, StoredEvent>();
  const ends = await Promise.all(
    ['forward', 'backward'].map((direction) => page(api, { type, direction, limit: most })),
  );
  const [oldest, newest] = ends.map((events) => events[0]?.position ?? 0);
  for (const event of ends.flat()) found.set(event.position, event);
  const first = oldest ?? 0;
  const span = (newest ?? 0) - first;
  if (span <= most) return found;
  for (let place = 1; place <= PLACES; place += 1) {
    const after = first + Math.floor((span * place) / (PLACES + 1));
    for (const event of await page(api, { type, after, limit: Math.ceil(most / 2) })) found.set(event.position, event);
  }
  return found;
}

function ofVersion(api: Api, type: string, version: number, most: number): Promise<readonly StoredEvent[]> {
  const where = JSON.stringify({ dataschema: [schemaUri(type, version)] });
  return page(api, { type, where, limit: most });
}

/** As many events as are asked for, over several pages if need be. */
async function page(
  api: Api,
  { limit, ...query }: Readonly<Record<string, string | number>> & { readonly limit: number },
): Promise<readonly StoredEvent[]> {
  const found: StoredEvent[] = [];
  const begin = query['direction'] === 'backward' ? 'before' : 'after';
  for (let at: number | undefined; found.length < limit;) {
    const asked = Math.min(limit - found.length, PAGE);
    const from = at === undefined ? {} : { [begin]: at };
    const answer = await api.get<Page>('/events', { ...query, ...from, limit: asked, 'schema-version': 'stored' });
    found.push(...answer.events.map(storedEvent));
    at = answer.next;
    if (at === undefined) break;
  }
  return found;
}

/** The first, the last, and what lies evenly between them. */
function spread<Item extends object | string>(items: readonly Item[], most: number): readonly Item[] {
  if (items.length <= most) return items;
  if (most === 1) return items.slice(-1);
  const step = (items.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, index) => items[Math.round(index * step)]).filter(
    (item) => item !== undefined,
  );
}

function schemaUri(type: string, version: number): string {
  return `urn:thereupon:schema:${encodeURIComponent(type)}:${version}`;
}

/** What a server says of an event, as its store has it. */
function storedEvent(event: EventJson): StoredEvent {
  const { id, source, type, subject, time, recordedtime, correlationid, causationid, stream, version, data } = event;
  const binary = event.data_base64;
  const encoding = data === undefined ? (binary === undefined ? 'none' : 'base64') : 'json';
  const attributes = Object.fromEntries(Object.entries(event).filter(([name]) => !OWN.has(name)));
  return {
    id,
    source,
    type,
    schemaVersion: versionIn(event),
    stream,
    subject,
    time,
    correlationid,
    causationid,
    encoding,
    data: data === undefined ? (binary ?? null) : JSON.stringify(data),
    attributes: attributes as StoredEvent['attributes'],
    position: event.position as StoredEvent['position'],
    version,
    recordedMs: Date.parse(recordedtime),
  };
}

/** 0: no schema was known, or the event names one of its own. */
function versionIn({ type, dataschema }: EventJson): number {
  const before = schemaUri(type, 0).slice(0, -1);
  if (typeof dataschema !== 'string' || !dataschema.startsWith(before)) return 0;
  return Number(dataschema.slice(before.length));
}
