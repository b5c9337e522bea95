import type { RecordedEvent } from '../event/event.ts';
import { roughBytes } from '../event/event-size.ts';
import type { Position } from '../event/position.ts';

/**
 * The newest events of the log in memory, so that consumers near the head do not each read the disk.
 *
 * Invariants
 * 1. Holds every event of the log with a position in (floor, head], in order, and no other.
 * 2. At most `maxEvents` events and about `maxBytes` of data; the oldest go first.
 */
export class Tail {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  /** Those that no longer count are let go at once: `undefined`. */
  #events: (RecordedEvent | undefined)[] = [];
  /** Index of the oldest event that still counts; the array is cut when half of it is stale. */
  #first = 0;
  #bytes = 0;
  #floor: Position;
  #head: Position;

  constructor(start: Position, limits: { maxEvents: number; maxBytes: number }) {
    this.#floor = start;
    this.#head = start;
    this.#maxEvents = limits.maxEvents;
    this.#maxBytes = limits.maxBytes;
  }

  get head(): Position {
    return this.#head;
  }

  append(events: readonly RecordedEvent[]): void {
    for (const event of events) {
      this.#events.push(event);
      this.#bytes += roughBytes(event);
      this.#head = event.position;
    }
    while (
      this.#events.length - this.#first > this.#maxEvents ||
      (this.#bytes > this.#maxBytes && this.#first < this.#events.length)
    ) {
      const oldest = this.#events[this.#first];
      if (oldest === undefined) break;
      this.#bytes -= roughBytes(oldest);
      this.#floor = oldest.position;
      this.#events[this.#first] = undefined;
      this.#first += 1;
    }
    if (this.#first > 1_024 && this.#first * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Forgets everything and goes on from `head`: after events were removed from the log, or when appends were not seen one by one. */
  reset(head: Position): void {
    this.#events = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#floor = head;
    this.#head = head;
  }

  /** The events after a position, or undefined when that place is no longer in memory. */
  read(after: Position, limit: number): readonly RecordedEvent[] | undefined {
    if (after < this.#floor) return undefined;
    if (after >= this.#head) return [];
    const from = this.#indexAfter(after);
    return this.#events.slice(from, from + limit).filter((event) => event !== undefined);
  }

  #indexAfter(after: Position): number {
    let low = this.#first;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = this.#events[middle];
      if (event !== undefined && event.position <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
