import type { RecordedEvent } from '../../event/event.ts';
import type { StreamHead } from './stream-index.ts';

/** Parsed data takes about four times its text; the rest of an event about as much as this. */
const BYTES_PER_CHARACTER = 4;
const BYTES_PER_EVENT = 512;
/** A stream that takes more than this part of the whole would push too many others out. */
const LARGEST_PART = 1 / 8;

interface Entry {
  readonly events: readonly RecordedEvent[];
  readonly bytes: number;
}

/**
 * The whole history of streams that were read lately: a stream that is decided on again and again is not fetched and parsed again.
 *
 * Invariants 1. What is answered is what the database holds. Events of a stream never change, and a stream that lost some is not kept;
 *               so an entry can only be behind, which its length tells. After a rollback nothing is kept (`forget`).
 *            2. Entries hold at most `maxBytes`, as estimated; those read longest ago go first (G10).
 */
export class StreamCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The stream's events from version 1 on, in order: all of them, or all but the newest ones. */
  get({ stream, floor, deleted }: StreamHead): readonly RecordedEvent[] | undefined {
    const entry = this.#entries.get(stream);
    if (entry === undefined) return undefined;
    if (floor > 1 || deleted) {
      this.#remove(stream, entry);
      return undefined;
    }
    this.#entries.delete(stream);
    this.#entries.set(stream, entry);
    return entry.events;
  }

  /** Keeps all events of a stream. */
  put({ stream }: StreamHead, events: readonly RecordedEvent[]): void {
    const before = this.#entries.get(stream);
    if (before !== undefined) this.#remove(stream, before);
    const bytes = events.reduce((sum, event) => sum + bytesOf(event), 0);
    if (bytes > this.#maxBytes * LARGEST_PART) return;
    this.#entries.set(stream, { events, bytes });
    this.#bytes += bytes;
    for (const [name, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(name, entry);
    }
  }

  forget(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #remove(stream: string, entry: Entry): void {
    this.#entries.delete(stream);
    this.#bytes -= entry.bytes;
  }
}

function bytesOf({ stored }: RecordedEvent): number {
  return BYTES_PER_EVENT + (stored.data?.length ?? 0) * BYTES_PER_CHARACTER;
}
