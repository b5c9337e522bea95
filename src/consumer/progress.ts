import type { Position } from '../event/position.ts';
import type { Checkpoint } from './checkpoint-store.ts';

/** An event that a consumer has taken and not settled yet. */
export interface Pending {
  readonly position: Position;
  /** Where the consumer stood before it took this event. */
  readonly previous: Position;
  readonly bytes: number;
  done: boolean;
}

/**
 * Which of the events that a consumer took are done: a low mark and the ones above it.
 *
 * Invariants
 * 1. Everything at or below `low` that the consumer's selection matches is settled.
 * 2. `snapshot()` names exactly the settled events: restarting from it repeats nothing and skips nothing.
 * 3. Events are taken in position order; they may be settled in any order.
 */
export class Progress {
  #pending: Pending[] = [];
  #first = 0;
  #cursor: Position;
  #bytes = 0;
  /** Ranges of the checkpoint that the consumer started from: events in them are settled already. */
  #known: readonly (readonly [from: Position, to: Position])[];

  constructor(checkpoint: Checkpoint) {
    this.#cursor = checkpoint.low;
    this.#known = checkpoint.done;
  }

  /** Everything up to here was taken or passed over. */
  get cursor(): Position {
    return this.#cursor;
  }

  /** Everything up to here is settled. */
  get low(): Position {
    return this.#pending[this.#first]?.previous ?? this.#cursor;
  }

  /** How many taken events are not settled, counting settled ones that wait behind an unsettled one. */
  get span(): number {
    return this.#pending.length - this.#first;
  }

  /** What the events take in memory that are taken and not settled. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Everything up to `position` that was not taken does not concern this consumer. */
  passTo(position: Position): void {
    if (position > this.#cursor) this.#cursor = position;
  }

  /** True when the event was settled before the consumer was restarted: take it and settle it, without handling it. */
  isKnown(position: Position): boolean {
    while (this.#known.length > 0) {
      const range = this.#known[0];
      if (range === undefined || position < range[0]) return false;
      if (position <= range[1]) return true;
      this.#known = this.#known.slice(1);
    }
    return false;
  }

  take(position: Position, bytes: number): Pending {
    const pending = { position, previous: this.#cursor, bytes, done: false };
    this.#bytes += bytes;
    this.#pending.push(pending);
    this.#cursor = position;
    return pending;
  }

  settle(pending: Pending): void {
    pending.done = true;
    this.#bytes -= pending.bytes;
    while (this.#first < this.#pending.length && this.#pending[this.#first]?.done === true) this.#first += 1;
    if (this.#first === this.#pending.length) {
      this.#pending.length = 0;
      this.#first = 0;
    } else if (this.#first > 1_024 && this.#first * 2 > this.#pending.length) {
      this.#pending = this.#pending.slice(this.#first);
      this.#first = 0;
    }
  }

  snapshot(): Checkpoint {
    const { low } = this;
    const done: (readonly [Position, Position])[] = [];
    let from: Position | undefined;
    let to: Position | undefined;
    for (let index = this.#first; index < this.#pending.length; index += 1) {
      const pending = this.#pending[index];
      if (pending?.done === true) {
        from ??= pending.position;
        to = pending.position;
      } else if (from !== undefined && to !== undefined) {
        done.push([from, to]);
        from = undefined;
      }
    }
    if (from !== undefined && to !== undefined) done.push([from, to]);
    // Ranges of the earlier checkpoint that were not reached again yet still hold.
    for (const range of this.#known) if (range[1] > low) done.push(range);
    return { low, done: merge(done) };
  }
}

function merge(ranges: readonly (readonly [Position, Position])[]): readonly (readonly [Position, Position])[] {
  if (ranges.length < 2) return ranges;
  const sorted = [...ranges].sort((left, right) => left[0] - right[0]);
  const merged: [Position, Position][] = [];
  for (const [from, to] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1]) {
      if (to > last[1]) last[1] = to;
    } else {
      merged.push([from, to]);
    }
  }
  return merged;
}
