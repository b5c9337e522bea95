import { categoryOf } from '../../event/stream-name.ts';
import { tagsOf } from '../../event/tags.ts';
import type { ImageWriter } from '../../image/checked-image.ts';
import { assertUndivided, linkOfRecord, refusePending } from '../../image/store-image.ts';
import type { RecordOf } from '../../image/store-image.ts';
import { CONSUMER_COLUMNS, consumerRow } from './checkpoint-store.ts';
import { CommandTable } from './command-table.ts';
import type { Database } from './database.ts';
import { deliveryRow } from './delivery-store.ts';
import type { SqliteDeliveryStore } from './delivery-store.ts';
import { attributesColumn, subjectColumn } from './event-rows.ts';
import { InternedNames } from './interned-names.ts';
import { ChainWriter } from './log-chain.ts';
import { prepareRow } from './row-store.ts';
import type { SqliteRowStore } from './row-store.ts';
import { PUT_SCHEMA, schemaRow } from './schema-store.ts';
import { StreamEnds } from './stream-ends.ts';

const INSERT_EVENT = 'INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
const INSERT_CONSUMER = `INSERT INTO consumers (${CONSUMER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;

interface FillerParts {
  readonly database: Database;
  readonly deliveries: SqliteDeliveryStore;
  readonly rows: SqliteRowStore;
  /** As of IndexPace. */
  readonly markEvery: number;
}

/** Writes the records of an image into the tables of an empty store, in the transaction that is open on the connection. */
export class ImageFiller implements ImageWriter {
  readonly #parts: FillerParts;
  readonly #database: Database;
  readonly #names: InternedNames;
  readonly #ends: StreamEnds;
  readonly #commands: CommandTable;
  readonly #chain: ChainWriter;
  #head = { position: 0, recordedMs: 0 };

  constructor(parts: FillerParts) {
    this.#parts = parts;
    this.#database = parts.database;
    this.#names = new InternedNames(parts.database);
    this.#ends = new StreamEnds(parts.database);
    this.#commands = new CommandTable(parts.database);
    this.#chain = new ChainWriter(parts.database);
  }

  /** Of the last position that was given. */
  get headPosition(): number {
    return this.#head.position;
  }

  head([head]: readonly RecordOf<'head'>[]): void {
    if (head !== undefined) this.#head = head;
  }

  schema(records: readonly RecordOf<'schema'>[]): void {
    const put = this.#database.change(PUT_SCHEMA);
    for (const record of records) put.run(...schemaRow(record));
  }

  stream(records: readonly RecordOf<'stream'>[]): void {
    for (const { stream, version, deleted } of records) this.#ends.add(stream, version, deleted);
  }

  event(records: readonly RecordOf<'event'>[]): void {
    const insert = this.#database.change(INSERT_EVENT);
    const mark = this.#database.change('INSERT INTO stream_marks VALUES (?, ?, ?)');
    const insertTag = this.#database.change('INSERT INTO event_tags VALUES (?, ?)');
    for (const event of records) {
      const { position, stream, version, id, source, encoding } = event;
      const category = categoryOf(stream);
      insert.run(
        position,
        stream,
        version,
        this.#ends.advance(stream, version, position),
        this.#names.kindIn(this.#names.ofCategory(category), category, event).kind,
        this.#names.source(source),
        id,
        subjectColumn(event),
        event.time,
        event.recordedMs,
        event.correlationid === id ? null : event.correlationid,
        event.causationid ?? null,
        attributesColumn(event.attributes),
        encoding === 'none' ? null : event.data,
      );
      for (const tag of tagsOf(event)) insertTag.run(tag, position);
      if (version % this.#parts.markEvery === 0) mark.run(stream, version, position);
    }
  }

  removed(records: readonly RecordOf<'removed'>[]): void {
    const retire = this.#database.change('INSERT INTO retired VALUES (?, ?, ?, ?, ?, ?, ?)');
    for (const { id, source, stream, version, position, recordedMs, digest } of records)
      retire.run(id, this.#names.source(source), stream, version, position, recordedMs, digest);
  }

  command(records: readonly RecordOf<'command'>[]): void {
    for (const record of records) this.#commands.add(record, record);
  }

  link(records: readonly RecordOf<'link'>[]): void {
    for (const record of records) this.#chain.put(linkOfRecord(record));
  }

  consumer(records: readonly RecordOf<'consumer'>[]): void {
    const insert = this.#database.change(INSERT_CONSUMER);
    for (const record of records) {
      assertUndivided(record);
      insert.run(...consumerRow(record));
    }
  }

  delivery(records: readonly RecordOf<'delivery'>[]): void {
    for (const record of records) this.#parts.deliveries.write(record.consumer, [], [deliveryRow(record)]);
  }

  namespace(records: readonly RecordOf<'namespace'>[]): void {
    for (const { namespace, indexes } of records) this.#parts.rows.declare(namespace, indexes);
  }

  row(records: readonly RecordOf<'row'>[]): void {
    for (const record of records) this.#parts.rows.write(prepareRow(record));
  }

  pending(records: readonly RecordOf<'pending'>[]): void {
    refusePending(records);
  }

  end(): void {
    const { position, recordedMs } = this.#head;
    this.#ends.finish();
    const sql = 'UPDATE log_state SET heads_upto = ?, removed_position = ?, removed_recorded_ms = ?';
    this.#database.change(sql).run(position, position, recordedMs);
  }
}
