import { hash, randomBytes } from 'node:crypto';
import type { StoredEvent } from '../event/event.ts';
import { DIGEST_BYTES, eventDigest } from '../event/event-digest.ts';
import type { Position } from '../event/position.ts';

/**
 * What a link attests: that the chain began here, events that were appended one after the other and at one time, or events that were removed in
 * order (retention, a stream that was cut or deleted).
 */
export type LinkKind = 'began' | 'appended' | 'removed';

/** Of an appended event: its digest, and its version in the stream. */
export const ENTRY_BYTES = DIGEST_BYTES + 8;
/** Of a stretch of removed events: its first and its last position. */
export const RANGE_BYTES = 16;

/**
 * One link of the hash chain over a log.
 *
 * Shape     number: 1, 2, 3 …; the first link began the chain.
 *           place: the position of the first event that was appended; where the chain began, and what was removed, the head of the log then.
 *           recordedMs: of the events that were appended; else that of the head of the log.
 *           entries: of what was appended `ENTRY_BYTES` each, at `place`, `place` + 1 …; of what was removed `RANGE_BYTES` for each stretch, rising;
 *           where the chain began some bytes of chance, so that no two chains are alike. Numbers in them have 64 bits, highest byte first.
 *           hash: as of `linkHash`, over the link before and this one.
 */
export interface ChainLink {
  readonly number: number;
  readonly kind: LinkKind;
  readonly place: Position;
  readonly recordedMs: number;
  readonly entries: Uint8Array;
  readonly hash: Uint8Array;
}

/** Positions that follow one another. */
export type Stretch = readonly [first: number, last: number];

/**
 * The hash chain over a log (G14). The port behind `thereupon verify`.
 *
 * Guarantee From `begin` on every append and every removal is attested by a link that is written in its transaction, by whichever process
 *           writes: what is committed is attested, in the order of the log. What was there before is attested as it was found.
 *           Only ever added to; it stays when events go.
 */
export interface LogChain {
  /** The newest link. Undefined: this log keeps no chain. */
  last(): Promise<ChainLink | undefined>;
  /** Links above a number, in order: at most `limit`, and an answer ends with the one that makes it larger than `maxBytes`. */
  links(options: LinkQuery): Promise<readonly ChainLink[]>;
  /**
   * Stretches of the log whose removal is attested, and whose events may be there for a while until they are gone; not absent from an answer
   * before they are. Undefined: events go with the link that says so.
   */
  leaving?(): Promise<readonly Stretch[]>;
  /** Begins the chain, in one transaction, which takes as long as reading the log does. Answers false where there is one. */
  begin(): Promise<boolean>;
}

export interface LinkQuery {
  readonly after: number;
  readonly limit: number;
  readonly maxBytes: number;
  /** Only these. */
  readonly kind?: LinkKind;
}

/** As links are stored and hashed. */
export const LINK_KINDS: readonly LinkKind[] = ['began', 'appended', 'removed'];

/** Before the first link. */
export const NO_HASH: Uint8Array = new Uint8Array(DIGEST_BYTES);
const HEADER_BYTES = DIGEST_BYTES + 1 + 3 * 8;

/**
 * The hash of a link.
 *
 * Shape     SHA-256 of the hash before, the kind as one byte, number, place, time and the entries. Stored: the form may never change.
 */
export function linkHash(before: Uint8Array, link: Omit<ChainLink, 'hash'>): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + link.entries.length);
  bytes.set(before, 0);
  bytes[DIGEST_BYTES] = LINK_KINDS.indexOf(link.kind);
  writeNumber(bytes, link.number, DIGEST_BYTES + 1);
  writeNumber(bytes, link.place, DIGEST_BYTES + 9);
  writeNumber(bytes, link.recordedMs, DIGEST_BYTES + 17);
  bytes.set(link.entries, HEADER_BYTES);
  return hash('sha256', bytes, 'buffer');
}

/** So many bytes of chance tell a chain from every other one. */
const CHANCE_BYTES = 16;

/** The first link of a chain over a log whose head is this one. */
export function firstLink(head: Position, recordedMs: number): ChainLink {
  const entries = randomBytes(CHANCE_BYTES);
  return sealed(NO_HASH, { number: 1, kind: 'began', place: head, recordedMs, entries });
}

/** The link that follows another one. */
export function linkAfter(before: ChainLink, link: Omit<ChainLink, 'number' | 'hash'>): ChainLink {
  return sealed(before.hash, { ...link, number: before.number + 1 });
}

function sealed(before: Uint8Array, link: Omit<ChainLink, 'hash'>): ChainLink {
  return { ...link, hash: linkHash(before, link) };
}

/** The entries of appended events: digests as of `eventDigest`, and the versions that go with them. */
export function appendedEntries(digests: readonly string[], versions: readonly number[]): Buffer {
  const entries = Buffer.allocUnsafe(digests.length * ENTRY_BYTES);
  for (const [index, digest] of digests.entries()) {
    entries.write(digest, index * ENTRY_BYTES, 'latin1');
    writeNumber(entries, versions[index] ?? 0, index * ENTRY_BYTES + DIGEST_BYTES);
  }
  return entries;
}

/** Positions, in whatever order, as the entries of what was removed. */
export function removedEntries(positions: readonly number[]): Buffer {
  const ranges: [first: number, last: number][] = [];
  for (const place of positions.toSorted((left, right) => left - right)) {
    const range = ranges.at(-1);
    if (range !== undefined && place <= range[1] + 1) range[1] = place;
    else ranges.push([place, place]);
  }
  return rangeEntries(ranges);
}

/** The entries of what was removed; `ranges`: stretches without a gap, rising. */
export function rangeEntries(ranges: readonly (readonly [first: number, last: number])[]): Buffer {
  const entries = Buffer.allocUnsafe(ranges.length * RANGE_BYTES);
  for (const [index, [first, last]] of ranges.entries()) {
    writeNumber(entries, first, index * RANGE_BYTES);
    writeNumber(entries, last, index * RANGE_BYTES + 8);
  }
  return entries;
}

const HIGH = 2 ** 32;

/** A whole number, below zero too, as 64 bits in two's complement. */
export function writeNumber(bytes: Buffer, value: number, at: number): void {
  const high = Math.floor(value / HIGH);
  bytes.writeInt32BE(high, at);
  bytes.writeUInt32BE(value - high * HIGH, at + 4);
}

export function readNumber(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * HIGH + bytes.readUInt32BE(at + 4);
}

/**
 * What links attest of a page of events that are there already, in order: one link those that follow one another and were recorded at one time.
 */
export function* runsOf(
  events: readonly StoredEvent[],
): Generator<Pick<ChainLink, 'place' | 'recordedMs' | 'entries'>> {
  for (let from = 0, end = 0; from < events.length; from = end) {
    const first = events[from] as StoredEvent;
    const digests: string[] = [];
    const versions: number[] = [];
    for (end = from; end < events.length; end += 1) {
      const event = events[end] as StoredEvent;
      if (event.position !== first.position + end - from || event.recordedMs !== first.recordedMs) break;
      digests.push(eventDigest(event));
      versions.push(event.version);
    }
    yield { place: first.position, recordedMs: first.recordedMs, entries: appendedEntries(digests, versions) };
  }
}
