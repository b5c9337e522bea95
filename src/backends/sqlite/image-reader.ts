import { COMMANDS_IN_ORDER, recordedCommand } from '../../channel/command-row.ts';
import type { CommandRow } from '../../channel/command-row.ts';
import { position } from '../../event/position.ts';
import type { JsonValue } from '../../event/json.ts';
import { CONTENT_KINDS, IMAGE_FORMAT, linkRecord } from '../../image/store-image.ts';
import type { ContentKind, ImageRecord } from '../../image/store-image.ts';
import type { ConsumerRow } from './checkpoint-store.ts';
import { CONSUMER_COLUMNS, consumerRecord } from './checkpoint-store.ts';
import type { Database, SqlValue } from './database.ts';
import type { DeliveryRow } from './delivery-store.ts';
import { DELIVERY_COLUMNS, deliveryOf } from './delivery-store.ts';
import type { EventRow } from './event-rows.ts';
import { EVENT_COLUMNS, storedEvent } from './event-rows.ts';
import { InternedNames } from './interned-names.ts';
import type { LinkRow } from './log-chain.ts';
import { linkOf, LINKS_IN_ORDER } from './log-chain.ts';
import { KeptApart } from './kept-apart.ts';
import { LogReader } from './log-reader.ts';
import { parseIndexes } from './row-index-value.ts';
import type { SchemaRow } from './schema-store.ts';
import { schemaRecord, SCHEMAS_IN_ORDER } from './schema-store.ts';

/** A page ends with the record that makes it so large: 2 ms of work. */
const PAGE_RECORDS = 500;
const PAGE_CHARACTERS = 512 * 1_024;

type Content = Extract<ImageRecord, { readonly kind: ContentKind }>;

/** The heads of streams that are not written to their table yet are those of the newest events. */
const STREAMS = `SELECT stream, max(version), max(deleted) FROM (
  SELECT stream, version, 0 AS deleted FROM stream_heads
  UNION ALL
  SELECT stream, version, 0 FROM events WHERE position > (SELECT heads_upto FROM log_state)
  UNION ALL
  SELECT stream, 0, deleted FROM stream_floors
) GROUP BY stream ORDER BY stream`;
const EVENTS = `SELECT ${EVENT_COLUMNS} FROM events AS e ORDER BY e.position`;
const REMOVED = `SELECT r.position, r.stream, r.version, s.name, r.id, r.recorded_ms, r.digest
  FROM retired AS r JOIN sources AS s USING (source) ORDER BY r.position`;
const NAMESPACES = `SELECT namespace, name FROM namespaces AS n
  WHERE name IS NOT NULL AND EXISTS (SELECT 1 FROM rows AS r WHERE r.namespace = n.namespace) ORDER BY name`;

const CONSUMERS = `SELECT ${CONSUMER_COLUMNS} FROM consumers ORDER BY consumer`;
const DELIVERIES = `SELECT ${DELIVERY_COLUMNS} FROM deliveries ORDER BY consumer, position`;
const ROWS = 'SELECT key, value, indexes FROM rows WHERE namespace = ? ORDER BY key';

type StreamRow = [stream: string, version: number, deleted: number];
type RemovedRow = [
  position: number,
  stream: string,
  version: number,
  source: string,
  id: string,
  recordedMs: number,
  digest: string,
];
type KeyedRow = [key: string, value: string, indexes: string | null];

/** Reads everything in the transaction that is open on the connection. */
export class ImageReader {
  readonly #database: Database;
  readonly #names: InternedNames;
  readonly #apart: KeptApart;

  constructor(database: Database) {
    this.#database = database;
    this.#apart = new KeptApart(database);
    this.#names = new InternedNames(database);
  }

  *pages(): Generator<readonly ImageRecord[], void, undefined> {
    const counts = Object.fromEntries(Object.keys(CONTENT_KINDS).map((kind) => [kind, 0])) as Record<
      ContentKind,
      number
    >;
    const [head, recordedMs] = new LogReader(this.#database, this.#names).head();
    let page: ImageRecord[] = [{ kind: 'head', format: IMAGE_FORMAT, position: position(head), recordedMs }];
    let characters = 0;
    for (const [record, size] of this.#records()) {
      counts[record.kind] += 1;
      page.push(record);
      characters += size;
      if (page.length < PAGE_RECORDS && characters < PAGE_CHARACTERS) continue;
      yield page;
      page = [];
      characters = 0;
    }
    yield [...page, { kind: 'end', counts }];
  }

  *#records(): Generator<readonly [record: Content, characters: number], void, undefined> {
    yield* each(this.#rowsOf<SchemaRow>(SCHEMAS_IN_ORDER), (row) => ({ kind: 'schema', ...schemaRecord(row) }));
    yield* each(this.#rowsOf<StreamRow>(STREAMS), ([stream, version, deleted]) => ({
      kind: 'stream',
      stream,
      version,
      deleted: deleted !== 0,
    }));
    yield* each(this.#rowsOf<EventRow>(EVENTS), (row) => ({ kind: 'event', ...storedEvent(row, this.#names) }));
    yield* each(this.#rowsOf<RemovedRow>(REMOVED), (row) => ({
      kind: 'removed',
      position: position(row[0]),
      stream: row[1],
      version: row[2],
      source: row[3],
      id: row[4],
      recordedMs: row[5],
      digest: row[6],
    }));
    yield* each(this.#rowsOf<CommandRow>(COMMANDS_IN_ORDER), (row) => ({ kind: 'command', ...recordedCommand(row) }));
    yield* each(this.#rowsOf<LinkRow>(LINKS_IN_ORDER), (row) => linkRecord(linkOf(row)));
    yield* each(this.#rowsOf<ConsumerRow>(CONSUMERS), (row) => ({
      kind: 'consumer',
      ...consumerRecord(row),
      lanes: undefined,
    }));
    yield* each(this.#rowsOf<DeliveryRow>(DELIVERIES), (row) => ({ kind: 'delivery', ...deliveryOf(row) }));
    const namespaces = this.#database.query<[number, string]>(NAMESPACES).all();
    for (const [number, namespace] of namespaces)
      yield [{ kind: 'namespace', namespace, indexes: this.#indexesOf(number) }, namespace.length];
    for (const [number, namespace] of namespaces)
      yield* each(this.#rowsOf<KeyedRow>(ROWS, number), ([key, value, indexes]) => ({
        kind: 'row',
        namespace,
        key,
        value: JSON.parse(this.#apart.jsonOf(value)) as JsonValue,
        indexes: parseIndexes(indexes),
      }));
  }

  #indexesOf(namespace: number): readonly string[] {
    const sql = 'SELECT name FROM row_indexes WHERE namespace = ? ORDER BY name';
    return this.#database
      .query<[string]>(sql)
      .all(namespace)
      .map(([name]) => name);
  }

  #rowsOf<Row extends readonly SqlValue[]>(sql: string, ...parameters: readonly SqlValue[]): Iterable<Row> {
    return this.#database.query<Row>(sql).iterate(...parameters);
  }
}

/** The records of rows, each with how much text it holds. */
function* each<Row extends readonly SqlValue[]>(
  rows: Iterable<Row>,
  recordOf: (row: Row) => Content,
): Generator<readonly [record: Content, characters: number], void, undefined> {
  for (const row of rows) {
    let characters = 0;
    for (const value of row) if (typeof value === 'string' || value instanceof Uint8Array) characters += value.length;
    yield [recordOf(row), characters];
  }
}
