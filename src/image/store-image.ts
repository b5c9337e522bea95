import type { RecordedCommand } from '../channel/append-conditions.ts';
import type { ChainLink, LinkKind } from '../channel/log-chain.ts';
import type { ConsumerRecord } from '../consumer/checkpoint-store.ts';
import type { Delivery } from '../consumer/delivery-store.ts';
import type { LaneGroup } from '../consumer/lanes.ts';
import type { IndexValue } from '../consumer/row-store.ts';
import { WrongState } from '../errors.ts';
import type { EncodedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import type { SchemaRecord } from '../schema/schema-store.ts';

/** The form of the records below. Another one is another number. */
export const IMAGE_FORMAT = 1;

/** An event that was removed: what a duplicate of it is told and compared with. */
export interface RemovedEvent {
  readonly position: Position;
  readonly stream: string;
  readonly version: number;
  readonly source: string;
  readonly id: string;
  readonly recordedMs: number;
  /** As of `contentDigest`. */
  readonly digest: string;
}

/** A link of the hash chain, its bytes as base64. */
interface ImageLink extends Omit<ChainLink, 'kind' | 'entries' | 'hash'> {
  readonly attests: LinkKind;
  readonly entries: string;
  readonly hash: string;
}

/** Where lanes of a consumer have got to different places: each of these groups has its own checkpoint. Absent: all have that of the record. */
interface Divided {
  readonly lanes: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[] | undefined;
}

/**
 * One thing that a store holds. As JSON, which leaves out members that are undefined, it can be kept and brought elsewhere.
 *
 * Shape     An image begins with `head` and ends with `end`; in between the kinds come in the order of this type. Schemas by type and version,
 *           streams, consumers and namespaces by name, events and removed ones by position, links by number, deliveries by consumer and position, rows by namespace
 *           and key, all text by code point; what waits in the outbox in the order of the commits.
 */
export type ImageRecord =
  | { readonly kind: 'head'; readonly format: number; readonly position: Position; readonly recordedMs: number }
  | ({ readonly kind: 'schema' } & SchemaRecord)
  | { readonly kind: 'stream'; readonly stream: string; readonly version: number; readonly deleted: boolean }
  | ({ readonly kind: 'event' } & StoredEvent)
  | ({ readonly kind: 'removed' } & RemovedEvent)
  | ({ readonly kind: 'command' } & RecordedCommand)
  | ({ readonly kind: 'link' } & ImageLink)
  | ({ readonly kind: 'consumer' } & ConsumerRecord & Divided)
  | ({ readonly kind: 'delivery' } & Delivery)
  /** One that has rows, and the indexes that it knows, by name. */
  | { readonly kind: 'namespace'; readonly namespace: string; readonly indexes: readonly string[] }
  | {
      readonly kind: 'row';
      readonly namespace: string;
      readonly key: string;
      readonly value: JsonValue;
      readonly indexes: Readonly<Record<string, IndexValue>>;
    }
  /** Facts of one transaction of a caller, which are not in the log yet. */
  | { readonly kind: 'pending'; readonly events: readonly EncodedEvent[] }
  | { readonly kind: 'end'; readonly counts: ImageCounts };

export type ImageKind = ImageRecord['kind'];

export type RecordOf<Kind extends ImageKind> = Extract<ImageRecord, { readonly kind: Kind }>;

/** What an image holds, `head` and `end` left out. */
export type ContentKind = Exclude<ImageKind, 'head' | 'end'>;

/** How many records of each kind. */
export type ImageCounts = Readonly<Record<ContentKind, number>>;

/** In the order of an image; and how several of them are called. */
export const CONTENT_KINDS: Readonly<Record<ContentKind, string>> = {
  schema: 'schemas',
  stream: 'streams',
  event: 'events',
  removed: 'identities of removed events',
  command: 'commands',
  link: 'links of the hash chain',
  consumer: 'consumers',
  delivery: 'deliveries',
  namespace: 'namespaces',
  row: 'rows',
  pending: 'facts in the outbox',
};

/**
 * Everything that a store holds, out of one and into another: positions, versions, times and checkpoints stay what they are. What is about running
 * processes (holders, nodes, leases, tokens) is not part of it.
 *
 * Guarantee `read`: as of one instant, that of the first page, whatever is written meanwhile; holds up no writer; pages are bounded in number and
 *           bytes. What `fill` was given `read` gives again, record by record, whatever the backends.
 *           `fill`: all or nothing, durable on return; until then nobody sees any of it. In bounded memory, but for stores in memory.
 * Errors    `fill`: WrongState names what the store holds when it is not empty, and what of the image such a store cannot hold; InvalidInput names the
 *           record that is not as it must be; what the records themselves throw; StoreReadOnly; Closed.
 */
export interface StoreImage {
  read(): AsyncIterable<readonly ImageRecord[]>;
  /** Answers what came. */
  fill(records: AsyncIterable<readonly unknown[]>): Promise<ImageCounts>;
}

export function linkRecord({ number, kind, place, recordedMs, entries, hash }: ChainLink): RecordOf<'link'> {
  return {
    kind: 'link',
    number,
    attests: kind,
    place,
    recordedMs,
    entries: Buffer.from(entries).toString('base64'),
    hash: Buffer.from(hash).toString('base64'),
  };
}

export function linkOfRecord({ number, attests, place, recordedMs, entries, hash }: RecordOf<'link'>): ChainLink {
  const [ofEntries, ofHash] = [Buffer.from(entries, 'base64'), Buffer.from(hash, 'base64')];
  return { number, kind: attests, place, recordedMs, entries: ofEntries, hash: ofHash };
}

/** Errors: WrongState, when it holds anything. */
export function assertNothingHeld(store: string, held: readonly ContentKind[]): void {
  if (held.length === 0) return;
  const names = held.map((kind) => CONTENT_KINDS[kind]);
  throw new WrongState(
    `store ${store} is not empty, it holds ${names.join(', ')}; an image can only fill a store that holds nothing: name another one`,
  );
}

/** For stores that have one checkpoint for all lanes of a consumer. Errors: WrongState says what to do. */
export function assertUndivided({ consumer, lanes }: RecordOf<'consumer'>): void {
  if (lanes === undefined) return;
  const lows = lanes.map(({ checkpoint }) => checkpoint.low);
  throw new WrongState(
    `consumer ${consumer} has got to different places with different keys (positions ${Math.min(...lows)} to ${Math.max(...lows)}), which only PostgreSQL can keep; let its program catch up, stop it in order, and export again`,
  );
}

/** For stores without an outbox. Errors: WrongState says what to do. */
export function refusePending(records: readonly RecordOf<'pending'>[]): void {
  if (records.length === 0) return;
  throw new WrongState(
    'facts that were published in transactions of callers wait in the outbox, which only PostgreSQL has; let a process of the program run until they are in the log, and export again',
  );
}
