import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog } from '../channel/event-log.ts';
import { ENTRY_BYTES, linkHash, NO_HASH, readNumber } from '../channel/log-chain.ts';
import type { ChainLink, LogChain } from '../channel/log-chain.ts';
import type { StoredEvent } from '../event/event.ts';
import { DIGEST_BYTES, eventDigest } from '../event/event-digest.ts';
import { position, START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { LogWalk } from './log-walk.ts';
import { RemovedPlaces } from './removed-places.ts';
import { removedChain } from './removed-chain.ts';
import { findingOf } from './verification.ts';
import type { ChainHead, Finding, FindingKind, Verification, VerifyProgress } from './verification.ts';

/** What is compared in one turn of the event loop: a thousand events and a half, 5 ms. */
const LINKS_AT_ONCE = 200;
const LINK_BYTES = 64 * 1_024;

export interface VerifyRun {
  readonly log: Pick<EventLog, 'read' | 'streamState'>;
  readonly chain: LogChain;
  /** Where the chain has been before, as somebody signed it. */
  readonly signed: Pick<ChainHead, 'number' | 'hash' | 'position'> | undefined;
  readonly onProgress: ((progress: VerifyProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Compares a log with its chain, link by link, up to the newest one. Beside writers; what is appended or removed meanwhile does not disturb.
 *
 * Guarantee The first thing that is wrong, in the order of the log.
 * Errors    What the log throws; the reason of `signal`.
 */
export async function verifyChain(run: VerifyRun, newest: ChainLink): Promise<Verification> {
  return new ChainWalk(run, newest).verify();
}

export function headOf(link: ChainLink): ChainHead {
  const { number, recordedMs } = link;
  return { number, recordedMs, position: lastOf(link), hash: Buffer.from(link.hash).toString('hex') };
}

/** The newest event that is attested when the link is. */
function lastOf({ kind, place, entries }: ChainLink): Position {
  return kind === 'appended' ? position(place + entries.length / ENTRY_BYTES - 1) : place;
}

/** A finding ends the walk, wherever it is made. */
class Found extends Error {
  readonly finding: Finding;

  constructor(finding: Finding) {
    super(finding.message);
    this.finding = finding;
  }
}

class ChainWalk {
  readonly #run: VerifyRun;
  readonly #newest: ChainLink;
  readonly #walk: LogWalk;
  readonly #removed = new RemovedPlaces();
  /** As of before the first event was read: what it names cannot be there. What is removed later was there when it was read, perhaps. */
  #removedBefore = new RemovedPlaces();
  #before: Pick<ChainLink, 'number' | 'hash'> = { number: 0, hash: NO_HASH };
  /** Events up to here were there when the chain began. */
  #began: Position = START;
  /** The last place that a link has spoken of. */
  #attested: Position = START;
  #events = 0;
  #removedEvents = 0;

  constructor(run: VerifyRun, newest: ChainLink) {
    this.#run = run;
    this.#newest = newest;
    this.#walk = new LogWalk(run.log);
  }

  async verify(): Promise<Verification> {
    let finding: Finding | undefined;
    try {
      await this.#verifyAll();
    } catch (error) {
      if (!(error instanceof Found)) throw error;
      finding = error.finding;
    }
    return {
      ok: finding === undefined,
      events: this.#events,
      removed: this.#removedEvents,
      began: this.#began,
      head: headOf(this.#newest),
      finding,
    };
  }

  async #verifyAll(): Promise<void> {
    const { chain, signal, onProgress, signed } = this.#run;
    const upTo = lastOf(this.#newest);
    // Beside a signed head: whether it is the chain that was signed comes before.
    if (signed === undefined) await this.#assertFirstChain();
    await this.#removed.load(chain);
    // After what was removed: what has left since then is not there when events are read.
    this.#removedBefore = this.#removed.asOfNow((await chain.leaving?.()) ?? []);
    while (this.#before.number < this.#newest.number) {
      const links = await chain.links({ after: this.#before.number, limit: LINKS_AT_ONCE, maxBytes: LINK_BYTES });
      if (links.length === 0) this.#isMissing(this.#before.number + 1);
      for (const link of links) {
        if (link.number > this.#newest.number) break;
        this.#assertFollows(link);
        if (link.kind === 'began') this.#began = link.place;
        if (link.kind === 'appended') await this.#verifyAppended(link);
      }
      // Reading a store of this process takes no turn of the event loop, and others want to live, too.
      await nextTurn();
      onProgress?.({ events: this.#events, position: this.#attested, upTo });
      signal?.throwIfAborted();
    }
    if (signed !== undefined && signed.number > this.#newest.number)
      this.#fail('head-differs', signed.position, undefined, [
        `the chain ends with link ${this.#newest.number}, at position ${this.#attested}, and the signed head is its link ${signed.number}, at position ${signed.position}:`,
        'the newest part of the log is gone, or this is another log',
      ]);
    if (signed !== undefined) await this.#assertFirstChain();
    await this.#assertNothingBehind();
  }

  async #assertFirstChain(): Promise<void> {
    const finding = await removedChain(this.#run);
    if (finding !== undefined) throw new Found(finding);
  }

  async #assertRestOfChain(): Promise<void> {
    while (this.#before.number < this.#newest.number) {
      const links = await this.#run.chain.links({
        after: this.#before.number,
        limit: LINKS_AT_ONCE,
        maxBytes: LINK_BYTES,
      });
      if (links.length === 0) this.#isMissing(this.#before.number + 1);
      for (const link of links) this.#assertFollows(link);
    }
  }

  /** The link is as it was written, and follows the one before it. */
  #assertFollows(link: ChainLink): void {
    const { number, place } = link;
    if (number !== this.#before.number + 1) this.#isMissing(this.#before.number + 1);
    const hash = linkHash(this.#before.hash, link);
    if (!hash.equals(link.hash) || (link.kind === 'began') !== (number === 1))
      this.#fail('chain-altered', place, undefined, [
        `link ${number} of the hash chain, ${whatItAttests(link)}, is not the one that was written`,
      ]);
    const { signed } = this.#run;
    if (signed?.number === number && signed.hash !== hash.toString('hex'))
      this.#fail('head-differs', signed.position, undefined, [
        `link ${number} of the hash chain has the hash ${hash.toString('hex')}, and the signed head says ${signed.hash}:`,
        'the chain was made anew, or this is another log',
      ]);
    this.#before = { number, hash };
  }

  #isMissing(number: number): never {
    return this.#fail('chain-altered', position(this.#attested + 1), undefined, [
      `link ${number} of the hash chain is missing`,
    ]);
  }

  async #verifyAppended(link: ChainLink): Promise<void> {
    const entries = Buffer.from(link.entries.buffer, link.entries.byteOffset, link.entries.byteLength);
    for (let at = 0, place = link.place as number; at < entries.length; at += ENTRY_BYTES, place += 1) {
      await this.#walk.reach();
      const { next } = this.#walk;
      if (next?.position === place) {
        if (this.#removedBefore.has(place)) await this.#isBack(next);
        if (!isAsAttested(next, entries, at, link.recordedMs)) await this.#differs(next, entries, at, link);
        this.#walk.step();
        this.#events += 1;
      } else await this.#notThere(place, next);
      this.#attested = position(place);
    }
  }

  async #isBack(event: StoredEvent): Promise<never> {
    await this.#assertRestOfChain();
    return this.#fail('inserted', event.position, event, [
      'was inserted: what was recorded here had been removed in order',
    ]);
  }

  /** Another event than expected comes next, or none. */
  async #notThere(place: number, next: StoredEvent | undefined): Promise<void> {
    if (next !== undefined && next.position < place)
      this.#fail('inserted', next.position, next, [`was inserted: nothing was recorded at this position`]);
    // It may have gone since what was removed was read.
    if (this.#removed.has(place) || ((await this.#removed.load(this.#run.chain)) && this.#removed.has(place))) {
      this.#removedEvents += 1;
      return;
    }
    // What was removed is known by its links: if one of them is not what it was, that is what is wrong.
    await this.#assertRestOfChain();
    const { unreadable } = this.#walk;
    this.#fail(
      unreadable === undefined ? 'missing' : 'altered',
      position(place),
      undefined,
      unreadable === undefined
        ? [`the event that was recorded at position ${place} is missing, and nothing removed it in order`]
        : [`the event at position ${place} cannot be read any more: ${(unreadable.cause as Error).message}`],
    );
  }

  async #differs(event: StoredEvent, entries: Buffer, at: number, link: ChainLink): Promise<never> {
    const attested = digestAt(entries, at);
    if (eventDigest(event) === attested) {
      const version = readNumber(entries, at + DIGEST_BYTES);
      const what =
        event.version === version
          ? `its recorded time was ${new Date(link.recordedMs).toISOString()}`
          : `its version was ${version}`;
      return this.#fail('altered', event.position, event, [`was altered: ${what}`]);
    }
    const [following] = await this.#run.log.read({ after: event.position, limit: 1 });
    if (following !== undefined && eventDigest(following.stored) === attested)
      return this.#fail('inserted', event.position, event, [
        'was inserted: what was recorded at this position stands behind it',
      ]);
    if (at + ENTRY_BYTES < entries.length && eventDigest(event) === digestAt(entries, at + ENTRY_BYTES))
      return this.#fail('missing', event.position, event, [
        'was recorded at the next position: the event that was recorded here is missing',
      ]);
    return this.#fail('altered', event.position, event, ['was altered: what it says is not what was recorded']);
  }

  /** An event behind the newest link has one by now, which was written with it. */
  async #assertNothingBehind(): Promise<void> {
    await this.#walk.reach();
    const { next, unreadable } = this.#walk;
    if (unreadable !== undefined)
      this.#fail('altered', unreadable.after, undefined, [
        `an event behind position ${unreadable.after} cannot be read: ${(unreadable.cause as Error).message}`,
      ]);
    if (next === undefined) return;
    for (let after = this.#newest.number; ;) {
      const links = await this.#run.chain.links({ after, limit: LINKS_AT_ONCE, maxBytes: LINK_BYTES });
      const appended = links.find(({ kind }) => kind === 'appended');
      if (appended !== undefined && next.position >= appended.place) return;
      if (appended !== undefined || links.length === 0)
        this.#fail('inserted', next.position, next, ['was inserted: nothing was recorded at this position']);
      after = links.at(-1)?.number ?? after;
    }
  }

  #fail(kind: FindingKind, place: Position, event: StoredEvent | undefined, words: readonly string[]): never {
    throw new Found(findingOf(kind, place, event, words.join(' ')));
  }
}

function isAsAttested(event: StoredEvent, entries: Buffer, at: number, recordedMs: number): boolean {
  return (
    event.recordedMs === recordedMs &&
    event.version === readNumber(entries, at + DIGEST_BYTES) &&
    eventDigest(event) === digestAt(entries, at)
  );
}

function digestAt(entries: Buffer, at: number): string {
  return entries.toString('latin1', at, at + DIGEST_BYTES);
}

function whatItAttests(link: ChainLink): string {
  switch (link.kind) {
    case 'began':
      return 'with which it began';
    case 'appended':
      return `which attests the positions ${link.place} to ${lastOf(link)}`;
    case 'removed':
      return 'which says what was removed';
  }
}
