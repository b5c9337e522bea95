import type { ImageWriter } from '../../image/checked-image.ts';
import { linkOfRecord } from '../../image/store-image.ts';
import type { RecordOf } from '../../image/store-image.ts';
import { textOfEvents } from '../../event/encoded-events.ts';
import { insertConsumer } from './checkpoint-store.ts';
import { insertCommands } from './command-table.ts';
import type { Queries } from './database.ts';
import { deliveryRow, putDeliveries } from './delivery-store.ts';
import { insertPlaced } from './event-rows.ts';
import { insertLinks } from './log-chain.ts';
import type { Partitions } from './partitions.ts';
import { rowText } from './row-index-value.ts';
import { prepareRow, writeRows } from './row-store.ts';
import { PUT_SCHEMAS, schemaColumns, schemaRow } from './schema-store.ts';
import { toText } from './text.ts';

const INSERT_STREAMS =
  'INSERT INTO streams (stream, version, deleted) SELECT * FROM unnest($1::text[], $2::bigint[], $3::boolean[])';
const INSERT_REMOVED = `INSERT INTO identities (id, source, position, stream, version, recorded_ms, digest)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[])`;
const INSERT_NAMESPACE = `WITH made AS (INSERT INTO namespaces (name) VALUES ($1) RETURNING namespace)
INSERT INTO row_indexes (namespace, name) SELECT made.namespace, i.name FROM made, unnest($2::text[]) AS i (name)`;
const INSERT_PENDING = `INSERT INTO pending (events) SELECT p.events FROM unnest($1::text[]) WITH ORDINALITY AS p (events, number) ORDER BY number`;
/** What the server then knows of the tables: it would find out by itself, but after the first questions. */
const ANALYZE = 'ANALYZE events, event_tags, identities, commands, streams, deliveries, rows, row_index_entries';

/** Writes the records of an image into the tables of an empty store, in one transaction that nobody else writes beside. */
export class ImageFiller implements ImageWriter {
  readonly #queries: Queries;
  readonly #partitions: Partitions;

  constructor(queries: Queries, partitions: Partitions) {
    this.#queries = queries;
    this.#partitions = partitions;
  }

  async head([head]: readonly RecordOf<'head'>[]): Promise<void> {
    const sql = 'UPDATE log_head SET position = $1, recorded_ms = $2';
    await this.#queries.change(sql, [head?.position ?? 0, head?.recordedMs ?? 0]);
  }

  async schema(records: readonly RecordOf<'schema'>[]): Promise<void> {
    await this.#queries.change(PUT_SCHEMAS, schemaColumns(records.map(schemaRow)));
  }

  async stream(records: readonly RecordOf<'stream'>[]): Promise<void> {
    await this.#queries.prepared(INSERT_STREAMS, [
      records.map(({ stream }) => toText(stream)),
      records.map(({ version }) => version),
      records.map(({ deleted }) => deleted),
    ]);
  }

  async event(records: readonly RecordOf<'event'>[]): Promise<void> {
    await this.#partitions.reserveIn(this.#queries, records[0]?.position ?? 0, records.at(-1)?.position ?? 0);
    await insertPlaced(this.#queries, records);
  }

  async removed(records: readonly RecordOf<'removed'>[]): Promise<void> {
    await this.#queries.prepared(INSERT_REMOVED, [
      records.map(({ id }) => toText(id)),
      records.map(({ source }) => toText(source)),
      records.map(({ position }) => position),
      records.map(({ stream }) => toText(stream)),
      records.map(({ version }) => version),
      records.map(({ recordedMs }) => recordedMs),
      records.map(({ digest }) => digest),
    ]);
  }

  command(records: readonly RecordOf<'command'>[]): Promise<void> {
    return insertCommands(this.#queries, records);
  }

  link(records: readonly RecordOf<'link'>[]): Promise<void> {
    return insertLinks(this.#queries, records.map(linkOfRecord));
  }

  async consumer(records: readonly RecordOf<'consumer'>[]): Promise<void> {
    for (const record of records) await insertConsumer(this.#queries, record, record.lanes);
  }

  delivery(records: readonly RecordOf<'delivery'>[]): Promise<void> {
    return putDeliveries(this.#queries, records.map(deliveryRow));
  }

  async namespace(records: readonly RecordOf<'namespace'>[]): Promise<void> {
    for (const { namespace, indexes } of records)
      await this.#queries.change(INSERT_NAMESPACE, [rowText(namespace), indexes.map(rowText)]);
  }

  row(records: readonly RecordOf<'row'>[]): Promise<void> {
    return writeRows(this.#queries, records.map(prepareRow));
  }

  async pending(records: readonly RecordOf<'pending'>[]): Promise<void> {
    await this.#queries.change(INSERT_PENDING, [records.map(({ events }) => textOfEvents(events))]);
  }

  async end(): Promise<void> {
    await this.#queries.change(ANALYZE);
    // Also to those who follow the log in other processes.
    await this.#queries.query(
      `SELECT pg_notify('thereupon_' || current_schema(), position::text) FROM log_head WHERE position > 0`,
    );
  }
}
