import assert from 'node:assert/strict';
import { ENTRY_BYTES, linkHash, NO_HASH, RANGE_BYTES, readNumber } from '../channel/log-chain.ts';
import type { ChainLink } from '../channel/log-chain.ts';
import type { RecordedEvent } from '../event/event.ts';
import { DIGEST_BYTES, eventDigest } from '../event/event-digest.ts';
import { position } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import type { Store } from '../store.ts';

/** Every link of a store, by small pages. */
export async function linksOf({ chain }: Pick<Store, 'chain'>): Promise<readonly ChainLink[]> {
  const found: ChainLink[] = [];
  for (;;) {
    const page = await chain.links({ after: found.length, limit: 3, maxBytes: 1e6 });
    if (page.length === 0) return found.map(plainLink);
    found.push(...page);
  }
}

/** Bytes as bytes, whatever holds them. */
export function plainLink(link: ChainLink): ChainLink {
  return { ...link, entries: Uint8Array.from(link.entries), hash: Uint8Array.from(link.hash) };
}

/** What a chain says of a log. */
interface Attested {
  readonly present: readonly Position[];
  readonly removed: readonly Position[];
}

/** Reads a log and its chain, as what they must be: every event attested once, by links that follow one another, and gone only in order. */
export async function attestedIn(store: Pick<Store, 'log' | 'chain'>): Promise<Attested> {
  const events = new Map((await store.log.read({ limit: 10_000 })).map((event) => [event.position as number, event]));
  const attested = new Set<number>();
  const gone = new Set<number>();
  let before: Uint8Array = NO_HASH;
  for (const [index, link] of (await linksOf(store)).entries()) {
    assert.equal(link.number, index + 1);
    assert.equal(link.kind === 'began', index === 0);
    assert.deepEqual(Uint8Array.from(linkHash(before, link)), link.hash, `the hash of link ${link.number}`);
    before = link.hash;
    const entries = Buffer.from(link.entries);
    if (link.kind === 'removed') for (const place of rangesOf(entries)) gone.add(place);
    if (link.kind !== 'appended') continue;
    for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
      const place = link.place + at / ENTRY_BYTES;
      assert.equal(attested.has(place), false, `position ${place} is attested twice`);
      attested.add(place);
      const event = events.get(place);
      if (event !== undefined) assertEntry(event, link, entries.subarray(at, at + ENTRY_BYTES));
    }
  }
  const unattested = [...events.keys()].filter((place) => !attested.has(place));
  assert.deepEqual(unattested, [], 'events that no link attests');
  for (const place of attested) assert.equal(events.has(place), !gone.has(place), `position ${place} is there`);
  return { present: [...events.keys()].map(position), removed: [...gone].map(position) };
}

function* rangesOf(entries: Buffer): Generator<number> {
  for (let at = 0; at < entries.length; at += RANGE_BYTES)
    for (let place = readNumber(entries, at); place <= readNumber(entries, at + 8); place += 1) yield place;
}

function assertEntry(event: RecordedEvent, link: ChainLink, entry: Buffer): void {
  assert.equal(entry.toString('latin1', 0, DIGEST_BYTES), eventDigest(event.stored), `the digest of ${event.id}`);
  assert.equal(readNumber(entry, DIGEST_BYTES), event.version, `the version of ${event.id}`);
  assert.equal(link.recordedMs, event.recordedMs, `the time of ${event.id}`);
}
