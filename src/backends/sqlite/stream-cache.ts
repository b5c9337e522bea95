import { LRUCache } from 'lru-cache';
import type { RecordedEvent } from '../../event/event.ts';
import type { StreamHead } from './stream-index.ts';

/** Parsed data takes about four times its text; the rest of an event about as much as this. */
const BYTES_PER_CHARACTER = 4;
const BYTES_PER_EVENT = 512;
/** A stream that takes more than this part of the whole would push too many others out. */
const LARGEST_PART = 1 / 8;

/**
 * The whole history of streams that were read lately: a stream that is decided on again and again is not fetched and parsed again.
 *
 * Invariants 1. What is answered is what the database holds. Events of a stream never change, and a stream that lost some is not kept;
 *               so an entry can only be behind, which its length tells. After a rollback nothing is kept (`forget`).
 *            2. Entries hold at most `maxBytes`, as estimated; those read longest ago go first (G10).
 */
export class StreamCache {
  readonly #histories: LRUCache<string, readonly RecordedEvent[]>;

  constructor(maxBytes: number) {
    this.#histories = new LRUCache({ maxSize: maxBytes, maxEntrySize: Math.floor(maxBytes * LARGEST_PART) });
  }

  /** The stream's events from version 1 on, in order: all of them, or all but the newest ones. */
  get({ stream, floor, deleted }: StreamHead): readonly RecordedEvent[] | undefined {
    if (floor === 1 && !deleted) return this.#histories.get(stream);
    this.#histories.delete(stream);
    return undefined;
  }

  /** Keeps all events of a stream, one or more. */
  put({ stream }: StreamHead, events: readonly RecordedEvent[]): void {
    this.#histories.set(stream, events, { size: events.reduce((sum, event) => sum + bytesOf(event), 0) });
  }

  forget(): void {
    this.#histories.clear();
  }
}

function bytesOf({ stored }: RecordedEvent): number {
  return BYTES_PER_EVENT + (stored.data?.length ?? 0) * BYTES_PER_CHARACTER;
}
