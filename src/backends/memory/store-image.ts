import { InvalidInput } from '../../errors.ts';
import type { LogWatchers } from '../../channel/log-watchers.ts';
import { writeImage } from '../../image/checked-image.ts';
import {
  assertNothingHeld,
  assertUndivided,
  CONTENT_KINDS,
  IMAGE_FORMAT,
  linkOfRecord,
  linkRecord,
  refusePending,
} from '../../image/store-image.ts';
import type { ContentKind, ImageCounts, ImageRecord, RecordOf, StoreImage } from '../../image/store-image.ts';
import type { Delivery } from '../../consumer/delivery-store.ts';
import type { JsonValue } from '../../event/json.ts';
import { START } from '../../event/position.ts';
import { recordedEvent } from '../../event/recorded-event.ts';
import type { MemoryContent } from './content.ts';
import { createContent } from './content.ts';
import type { LogContent, LogEntry } from './log-content.ts';
import { addEntry, passRemoved, streamContent } from './log-content.ts';
import { namespaceContent, prepareRow, writeRow } from './row-store.ts';
import type { Session } from './session.ts';
import { compareText } from './text-order.ts';

/** Records in a page; all of them are in memory anyway. */
const PAGE = 500;

/** The content as records, and records as a new content that takes the place of an empty one in one step. */
export class MemoryStoreImage implements StoreImage {
  readonly #content: MemoryContent;
  readonly #watchers: LogWatchers;
  readonly #session: Session;

  constructor(content: MemoryContent, watchers: LogWatchers, session: Session) {
    this.#content = content;
    this.#watchers = watchers;
    this.#session = session;
  }

  async *read(): AsyncGenerator<readonly ImageRecord[], void, undefined> {
    this.#session.assertOpen();
    const records = [...recordsOf(this.#content)];
    for (let from = 0; from < records.length; from += PAGE) {
      yield records.slice(from, from + PAGE);
      this.#session.assertOpen();
    }
  }

  async fill(records: AsyncIterable<readonly unknown[]>): Promise<ImageCounts> {
    this.#session.assertOpen();
    assertNothingHeld('memory', heldBy(this.#content));
    const filled = createContent();
    const counts = await writeImage(records, new Filler(filled));
    this.#session.assertOpen();
    // What was written meanwhile stays.
    assertNothingHeld('memory', heldBy(this.#content));
    putInto(this.#content, filled);
    if (filled.log.entries.length > 0) this.#watchers.reached(filled.log.entries.length);
    return counts;
  }
}

function* recordsOf(content: MemoryContent): Generator<ImageRecord, void, undefined> {
  const counts = Object.fromEntries(Object.keys(CONTENT_KINDS).map((kind) => [kind, 0])) as Record<ContentKind, number>;
  const last = content.log.entries.at(-1);
  yield {
    kind: 'head',
    format: IMAGE_FORMAT,
    position: last?.position ?? START,
    recordedMs: last?.recordedMs ?? 0,
  };
  for (const record of [...logRecords(content), ...stateRecords(content)]) {
    counts[record.kind] += 1;
    yield record;
  }
  yield { kind: 'end', counts };
}

type Content = Extract<ImageRecord, { readonly kind: ContentKind }>;

function* logRecords({ log, schemas }: MemoryContent): Generator<Content, void, undefined> {
  const ofSchemas = [...schemas.values()].sort(
    (left, right) => compareText(left.type, right.type) || left.version - right.version,
  );
  for (const schema of structuredClone(ofSchemas)) yield { kind: 'schema', ...schema };
  for (const stream of [...log.streams.keys()].sort(compareText)) {
    const { entries, deleted } = streamContent(log, stream);
    yield { kind: 'stream', stream, version: entries.length, deleted };
  }
  for (const { kept } of log.entries) {
    const stored = kept.event?.stored;
    if (stored !== undefined) yield { kind: 'event', ...stored, data: stored.encoding === 'none' ? null : stored.data };
  }
  const removed: RecordOf<'removed'>[] = [];
  for (const [source, ofSource] of log.identities)
    for (const [id, entry] of ofSource) {
      const { position: place, stream, version, recordedMs, kept } = entry;
      if (kept.event === undefined)
        removed.push({
          kind: 'removed',
          position: place,
          stream,
          version,
          source,
          id,
          recordedMs,
          digest: kept.digest,
        });
    }
  yield* removed.sort((left, right) => left.position - right.position);
  yield* commandRecords(log);
  for (const link of log.links) yield linkRecord(link);
}

function* commandRecords(log: LogContent): Generator<Content, void, undefined> {
  for (const [, command] of [...log.commands].sort(([left], [right]) => compareText(left, right)))
    yield { kind: 'command', ...structuredClone(command) };
}

function* stateRecords({ consumers, deliveries, rows }: MemoryContent): Generator<Content, void, undefined> {
  const records = [...consumers.values()].sort((left, right) => compareText(left.consumer, right.consumer));
  for (const record of structuredClone(records)) yield { kind: 'consumer', ...record, lanes: undefined };
  for (const name of [...deliveries.keys()].sort(compareText)) {
    const ofConsumer = [...(deliveries.get(name)?.values() ?? [])].sort(
      (left, right) => left.position - right.position,
    );
    for (const delivery of structuredClone(ofConsumer)) yield { kind: 'delivery', ...delivery };
  }
  const namespaces = [...rows].filter(([, { rows: held }]) => held.size > 0);
  namespaces.sort(([left], [right]) => compareText(left, right));
  for (const [namespace, { indexes }] of namespaces)
    yield { kind: 'namespace', namespace, indexes: [...indexes].sort(compareText) };
  for (const [namespace, { rows: held }] of namespaces)
    for (const [key, row] of [...held].sort(([left], [right]) => compareText(left, right)))
      yield {
        kind: 'row',
        namespace,
        key,
        value: JSON.parse(row.json) as JsonValue,
        indexes: Object.fromEntries(row.indexes),
      };
}

function heldBy({ log, schemas, consumers, deliveries, rows }: MemoryContent): readonly ContentKind[] {
  const held: readonly (readonly [ContentKind, boolean])[] = [
    ['schema', schemas.size > 0],
    ['stream', log.streams.size > 0],
    ['event', log.entries.length > 0],
    ['command', log.commands.size > 0],
    ['link', log.links.length > 0],
    ['consumer', consumers.size > 0],
    ['delivery', [...deliveries.values()].some((ofConsumer) => ofConsumer.size > 0)],
    ['row', [...rows.values()].some(({ rows: ofNamespace }) => ofNamespace.size > 0)],
  ];
  return held.flatMap(([kind, holds]) => (holds ? [kind] : []));
}

/** Makes a content from records: the entries of the log first by position, and in the end into their streams. */
class Filler {
  readonly #content: MemoryContent;
  readonly #streams = new Map<string, RecordOf<'stream'>>();
  readonly #entries: ((LogEntry & { readonly source: string; readonly id: string }) | undefined)[] = [];
  #head = 0;

  constructor(content: MemoryContent) {
    this.#content = content;
  }

  head([head]: readonly RecordOf<'head'>[]): void {
    this.#head = head?.position ?? 0;
  }

  schema(records: readonly RecordOf<'schema'>[]): void {
    for (const { kind: _kind, ...schema } of structuredClone(records))
      this.#content.schemas.set(JSON.stringify([schema.type, schema.version]), schema);
  }

  stream(records: readonly RecordOf<'stream'>[]): void {
    for (const record of records) this.#streams.set(record.stream, record);
  }

  event(records: readonly RecordOf<'event'>[]): void {
    for (const { kind: _kind, ...given } of records) {
      const attributes = given.attributes === undefined ? undefined : Object.freeze({ ...given.attributes });
      const event = recordedEvent(Object.freeze({ ...given, attributes }));
      const { stream, version, position: place, recordedMs, source, id } = given;
      this.#place({ stream, version, position: place, recordedMs, source, id, kept: { event } });
    }
  }

  removed(records: readonly RecordOf<'removed'>[]): void {
    for (const { stream, version, position: place, recordedMs, source, id, digest } of records)
      this.#place({ stream, version, position: place, recordedMs, source, id, kept: { digest } });
  }

  command(records: readonly RecordOf<'command'>[]): void {
    for (const { kind: _kind, ...command } of structuredClone(records))
      this.#content.log.commands.set(command.id, command);
  }

  link(records: readonly RecordOf<'link'>[]): void {
    for (const record of records) this.#content.log.links.push(linkOfRecord(record));
  }

  consumer(records: readonly RecordOf<'consumer'>[]): void {
    for (const record of structuredClone(records)) {
      assertUndivided(record);
      const { kind: _kind, lanes: _lanes, ...consumer } = record;
      this.#content.consumers.set(consumer.consumer, consumer);
    }
  }

  delivery(records: readonly RecordOf<'delivery'>[]): void {
    for (const { kind: _kind, ...delivery } of structuredClone(records)) {
      const { consumer } = delivery;
      const ofConsumer = this.#content.deliveries.get(consumer) ?? new Map<Delivery['position'], Delivery>();
      this.#content.deliveries.set(consumer, ofConsumer.set(delivery.position, delivery));
    }
  }

  namespace(records: readonly RecordOf<'namespace'>[]): void {
    for (const { namespace, indexes } of records) {
      const known = namespaceContent(this.#content.rows, namespace);
      for (const index of indexes) known.indexes.add(index);
    }
  }

  row(records: readonly RecordOf<'row'>[]): void {
    for (const record of records) writeRow(this.#content.rows, prepareRow(record));
  }

  pending(records: readonly RecordOf<'pending'>[]): void {
    refusePending(records);
  }

  end(): void {
    const { log } = this.#content;
    for (const { stream, deleted } of this.#streams.values()) streamContent(log, stream).deleted = deleted;
    for (let place = 1; place <= this.#head; place += 1) {
      const found = this.#entries[place];
      if (found === undefined)
        throw outOfPlace(`position ${place}`, 'an event, or the identity of a removed one', undefined);
      const { source, id, ...entry } = found;
      const version = streamContent(log, entry.stream).entries.length + 1;
      if (entry.version !== version)
        throw outOfPlace(`position ${place}`, `version ${version} of stream ${entry.stream}`, entry.version);
      addEntry(log, entry, { source, id, correlationid: entry.kept.event?.correlationid });
    }
    for (const { stream, version } of this.#streams.values())
      if (streamContent(log, stream).entries.length !== version)
        throw outOfPlace(`stream ${stream}`, `${version} versions`, streamContent(log, stream).entries.length);
    passRemoved(log);
  }

  #place(entry: LogEntry & { readonly source: string; readonly id: string }): void {
    if (this.#entries[entry.position] !== undefined)
      throw outOfPlace(`position ${entry.position}`, 'one event, present or removed', 'two');
    this.#entries[entry.position] = entry;
  }
}

function outOfPlace(path: string, expected: string, found: unknown): InvalidInput {
  return new InvalidInput({ path: `the image, ${path}`, expected, found });
}

/** One step: nobody sees a part. */
function putInto(content: MemoryContent, filled: MemoryContent): void {
  for (const entry of filled.log.entries) content.log.entries.push(entry);
  content.log.firstKept = filled.log.firstKept;
  content.log.links.push(...filled.log.links);
  copy(filled.log.streams, content.log.streams);
  copy(filled.log.correlations, content.log.correlations);
  copy(filled.log.identities, content.log.identities);
  copy(filled.log.commands, content.log.commands);
  copy(filled.schemas, content.schemas);
  copy(filled.consumers, content.consumers);
  copy(filled.deliveries, content.deliveries);
  copy(filled.rows, content.rows);
}

function copy<Key, Value>(from: ReadonlyMap<Key, Value>, to: Map<Key, Value>): void {
  for (const [key, value] of from) to.set(key, value);
}
