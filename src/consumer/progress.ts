import type { Position } from '../event/position.ts';
import type { Checkpoint } from './checkpoint-store.ts';
import type { LaneGroup } from './lanes.ts';

/** An event that a consumer has taken and not settled yet. */
export interface Pending {
  readonly position: Position;
  /** Where the consumer stood before it took this event. */
  readonly previous: Position;
  readonly bytes: number;
  done: boolean;
}

type Range = readonly [from: Position, to: Position];

/**
 * Which of the events that a consumer took are done: a low mark and the ones above it.
 *
 * Invariants
 * 1. Everything at or below `low` that the consumer's selection matches, and whose key is in its lanes, is settled.
 * 2. `snapshot()` names exactly the settled events: restarting from it repeats nothing and skips nothing.
 * 3. Events are taken in position order; they may be settled in any order.
 * 4. Groups of lanes that started from different checkpoints have the same one when all of these are passed.
 */
export class Progress {
  #pending: Pending[] = [];
  #first = 0;
  #cursor: Position;
  #bytes = 0;
  /** For each group, ranges above the lowest checkpoint that the consumer started from: events in them are settled already. */
  readonly #known: (readonly Range[])[];
  /** The group of each lane; undefined: there is one group. */
  readonly #groupOf: ReadonlyMap<number, number> | undefined;

  /** `groups`: at least one. */
  constructor(groups: readonly Pick<LaneGroup, 'lanes' | 'checkpoint'>[]) {
    const low = Math.min(...groups.map(({ checkpoint }) => checkpoint.low)) as Position;
    this.#cursor = low;
    this.#known = groups.map(({ checkpoint }) =>
      checkpoint.low === low ? checkpoint.done : [[(low + 1) as Position, checkpoint.low], ...checkpoint.done],
    );
    if (groups.length > 1)
      this.#groupOf = new Map(groups.flatMap(({ lanes }, group) => lanes.map((lane) => [lane, group] as const)));
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
  isKnown(position: Position, lane: number): boolean {
    const group = this.#groupOf?.get(lane) ?? 0;
    for (let known = this.#known[group] ?? []; known.length > 0; this.#known[group] = known) {
      const range = known[0];
      if (range === undefined || position < range[0]) return false;
      if (position <= range[1]) return true;
      known = known.slice(1);
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

  /** The checkpoint of each group, in their order. */
  snapshot(): readonly Checkpoint[] {
    const { low } = this;
    const done = this.#done();
    // Ranges of the earlier checkpoint that were not reached again yet still hold.
    return this.#known.map((known) => ({
      low,
      done: merge([...done, ...known.flatMap((range) => above(low, range))]),
    }));
  }

  #done(): readonly Range[] {
    const done: Range[] = [];
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
    return done;
  }
}

function above(low: Position, [from, to]: Range): readonly Range[] {
  if (to <= low) return [];
  return [[from > low ? from : ((low + 1) as Position), to]];
}

function merge(ranges: readonly Range[]): readonly Range[] {
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
