import { COMMANDS_IN_ORDER } from '../../channel/command-row.ts';
import type { CommandRow } from '../../channel/command-row.ts';
import { sameCheckpoint } from '../../consumer/lanes.ts';
import type { LaneGroup } from '../../consumer/lanes.ts';
import { eventsOfText } from '../../event/encoded-events.ts';
import type { JsonValue } from '../../event/json.ts';
import { position, START } from '../../event/position.ts';
import { CONTENT_KINDS, IMAGE_FORMAT, linkRecord } from '../../image/store-image.ts';
import type { ContentKind, ImageRecord } from '../../image/store-image.ts';
import { consumerRecords } from './checkpoint-store.ts';
import { laneGroup, LOW } from './cluster.ts';
import type { LaneRow } from './cluster.ts';
import { recordedCommand } from './command-table.ts';
import type { Queries } from './database.ts';
import type { DeliveryRow } from './delivery-store.ts';
import { DELIVERY_COLUMNS, deliveryOf } from './delivery-store.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS, storedEvent } from './event-rows.ts';
import type { LinkRow } from './log-chain.ts';
import { linkOf, LINKS_IN_ORDER } from './log-chain.ts';
import { givenIndexes } from './row-index-value.ts';
import type { SchemaRow } from './schema-store.ts';
import { schemaRecord, SCHEMAS_IN_ORDER } from './schema-store.ts';
import { fromText } from './text.ts';

/** Rows asked for at once, of which an answer holds all: fewer where they were large lately. */
const MOST_ROWS = 256;
const PAGE_CHARACTERS = 512 * 1_024;

const EVENTS = `SELECT ${EVENT_COLUMNS} FROM events AS e ORDER BY e.position`;
const REMOVED = `SELECT position, stream, version, source, id, recorded_ms, digest FROM identities AS i
WHERE digest IS NOT NULL AND NOT EXISTS (SELECT FROM events AS e WHERE e.position = i.position) ORDER BY position`;
const GROUPS = `SELECT l.consumer, l.lanes, ${LOW}, l.done, l.holder, l.token FROM log_head AS h CROSS JOIN lanes AS l ORDER BY l.consumer, l.first_lane`;
const NAMESPACES = `SELECT n.namespace, n.name, array(SELECT i.name FROM row_indexes AS i WHERE i.namespace = n.namespace ORDER BY i.name)
FROM namespaces AS n WHERE n.name IS NOT NULL AND EXISTS (SELECT FROM rows AS r WHERE r.namespace = n.namespace) ORDER BY n.name`;

type Content = Extract<ImageRecord, { readonly kind: ContentKind }>;
type Pages = AsyncGenerator<readonly Content[], void, undefined>;

/** Reads everything in one transaction. */
export async function* imagePages(queries: Queries): AsyncGenerator<readonly ImageRecord[], void, undefined> {
  const counts = Object.fromEntries(Object.keys(CONTENT_KINDS).map((kind) => [kind, 0])) as Record<ContentKind, number>;
  const [head] = await queries.query<[number, number]>('SELECT position, recorded_ms FROM log_head');
  const [place, recordedMs] = head ?? [START, 0];
  yield [{ kind: 'head', format: IMAGE_FORMAT, position: position(place), recordedMs }];
  for await (const page of contentPages(queries)) {
    for (const { kind } of page) counts[kind] += 1;
    yield page;
  }
  yield [{ kind: 'end', counts }];
}

async function* contentPages(queries: Queries): Pages {
  yield* each(pagesOf<SchemaRow>(queries, SCHEMAS_IN_ORDER), (row) => ({ kind: 'schema', ...schemaRecord(row) }));
  yield* each(
    pagesOf<[string, number, boolean]>(queries, 'SELECT stream, version, deleted FROM streams ORDER BY stream'),
    ([stream, version, deleted]) => ({ kind: 'stream', stream: fromText(stream), version, deleted }),
  );
  yield* each(pagesOf<EventRow>(queries, EVENTS), (row) => ({ kind: 'event', ...storedEvent(row) }));
  yield* each(pagesOf<[number, string, number, string, string, number, string]>(queries, REMOVED), (row) => ({
    kind: 'removed',
    position: position(row[0]),
    stream: fromText(row[1]),
    version: row[2],
    source: fromText(row[3]),
    id: fromText(row[4]),
    recordedMs: row[5],
    digest: row[6],
  }));
  yield* each(pagesOf<CommandRow>(queries, COMMANDS_IN_ORDER), (row) => ({ kind: 'command', ...recordedCommand(row) }));
  yield* each(pagesOf<LinkRow>(queries, LINKS_IN_ORDER), (row) => linkRecord(linkOf(row)));
  yield await consumers(queries);
  const deliveries = `SELECT ${DELIVERY_COLUMNS} FROM deliveries ORDER BY consumer, position`;
  yield* each(pagesOf<DeliveryRow>(queries, deliveries), (row) => ({ kind: 'delivery', ...deliveryOf(row) }));
  yield* rows(queries);
  yield* each(pagesOf<[string]>(queries, 'SELECT events FROM pending ORDER BY number'), ([events]) => ({
    kind: 'pending',
    events: eventsOfText(events),
  }));
}

async function consumers(queries: Queries): Promise<readonly Content[]> {
  const found = await queries.query<[consumer: string, ...LaneRow]>(GROUPS);
  const groups = Map.groupBy(found, ([name]) => fromText(name));
  const records = await consumerRecords(queries, undefined);
  return records.map((record) => {
    const ofConsumer = (groups.get(record.consumer) ?? []).map(([, ...lane]) => laneGroup(lane));
    return { kind: 'consumer', ...record, lanes: divided(ofConsumer) };
  });
}

/** Groups that have got to different places, those that have not as one; undefined: there is only one such place. */
function divided(groups: readonly LaneGroup[]): readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[] | undefined {
  const places: { lanes: readonly number[]; checkpoint: LaneGroup['checkpoint'] }[] = [];
  for (const { lanes, checkpoint } of groups) {
    const same = places.find((one) => sameCheckpoint(one.checkpoint, checkpoint));
    if (same === undefined) places.push({ lanes, checkpoint });
    else same.lanes = [...same.lanes, ...lanes].sort((left, right) => left - right);
  }
  return places.length < 2 ? undefined : places;
}

async function* rows(queries: Queries): Pages {
  const namespaces = await queries.query<[number, string, string[]]>(NAMESPACES);
  yield namespaces.map(([, name, indexes]) => ({
    kind: 'namespace',
    namespace: fromText(name),
    indexes: indexes.map(fromText),
  }));
  for (const [number, name] of namespaces) {
    const namespace = fromText(name);
    const sql = `SELECT key, value, indexes FROM rows WHERE namespace = ${number} ORDER BY key`;
    yield* each(pagesOf<[string, string, string | null]>(queries, sql), ([key, value, indexes]) => ({
      kind: 'row',
      namespace,
      key: fromText(key),
      value: JSON.parse(value) as JsonValue,
      indexes: givenIndexes(indexes),
    }));
  }
}

/** The rows of a statement, page by page: the server keeps the place. */
async function* pagesOf<Row extends readonly unknown[]>(
  queries: Queries,
  sql: string,
): AsyncGenerator<Row[], void, undefined> {
  await queries.change(`DECLARE image NO SCROLL CURSOR FOR ${sql}`);
  for (let wanted = MOST_ROWS; ;) {
    const found = await queries.query<Row>(`FETCH ${wanted} FROM image`);
    if (found.length > 0) yield found;
    if (found.length < wanted) break;
    const perRow = found.reduce((sum, row) => sum + charactersOf(row), 0) / found.length;
    wanted = Math.max(1, Math.min(MOST_ROWS, Math.floor(PAGE_CHARACTERS / Math.max(1, perRow))));
  }
  await queries.change('CLOSE image');
}

async function* each<Row>(pages: AsyncIterable<readonly Row[]>, recordOf: (row: Row) => Content): Pages {
  for await (const page of pages) yield page.map(recordOf);
}

function charactersOf(row: readonly unknown[]): number {
  let characters = 0;
  for (const value of row) if (typeof value === 'string') characters += value.length;
  return characters;
}
