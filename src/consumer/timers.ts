import { KeySlots } from './key-slots.ts';

const SLOTS = 64;

/**
 * For each key when time alone brings something on.
 *
 * A heap of the slots of keys in typed arrays: for a million keys an object each would take twice the memory, and a queue of entries would
 * keep those that were put off.
 *
 * Invariants `#heap` holds the slots of all keys; none is due before the one above it. `#place` says where a slot is in it.
 */
export class Timers {
  readonly #slots: KeySlots;
  #due = new Float64Array(SLOTS);
  #heap = new Int32Array(SLOTS);
  #place = new Int32Array(SLOTS);

  /** `seed`: as of KeySlots. */
  constructor(seed: number) {
    this.#slots = new KeySlots(seed);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** `dueMs` undefined: nothing is due any more. */
  set(key: string, dueMs: number | undefined): void {
    const known = this.#slots.find(key);
    if (dueMs === undefined) {
      if (known !== undefined) this.#remove(known);
      return;
    }
    if (known === undefined) {
      this.#add(key, dueMs);
      return;
    }
    this.#due[known] = dueMs;
    this.#settle(this.#placeOf(known));
  }

  /** When the next one is due; undefined: none is. */
  nextMs(): number | undefined {
    return this.size === 0 ? undefined : this.#dueAt(0);
  }

  /** The next key that is due at `nowMs` or before; it is forgotten. */
  take(nowMs: number): string | undefined {
    if (this.size === 0 || this.#dueAt(0) > nowMs) return undefined;
    const slot = this.#slotAt(0);
    const key = this.#slots.keyOf(slot);
    this.#remove(slot);
    return key;
  }

  #add(key: string, dueMs: number): void {
    const place = this.size;
    const slot = this.#slots.add(key);
    if (slot >= this.#due.length) this.#grow();
    this.#due[slot] = dueMs;
    this.#put(slot, place);
    this.#settle(place);
  }

  #remove(slot: number): void {
    const place = this.#placeOf(slot);
    const last = this.size - 1;
    this.#slots.remove(slot);
    if (place === last) return;
    this.#put(this.#slotAt(last), place);
    this.#settle(place);
  }

  /** Up or down to where it belongs. */
  #settle(from: number): void {
    const slot = this.#slotAt(from);
    const dueMs = this.#due[slot] ?? 0;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (this.#dueAt(above) <= dueMs) break;
      this.#put(this.#slotAt(above), place);
      place = above;
    }
    for (let below = 2 * place + 1; below < this.size; below = 2 * place + 1) {
      if (below + 1 < this.size && this.#dueAt(below + 1) < this.#dueAt(below)) below += 1;
      if (this.#dueAt(below) >= dueMs) break;
      this.#put(this.#slotAt(below), place);
      place = below;
    }
    this.#put(slot, place);
  }

  #put(slot: number, place: number): void {
    this.#heap[place] = slot;
    this.#place[slot] = place;
  }

  #slotAt(place: number): number {
    return this.#heap[place] ?? 0;
  }

  #placeOf(slot: number): number {
    return this.#place[slot] ?? 0;
  }

  #dueAt(place: number): number {
    return this.#due[this.#slotAt(place)] ?? Number.POSITIVE_INFINITY;
  }

  #grow(): void {
    const length = this.#due.length * 2;
    const [due, heap, place] = [this.#due, this.#heap, this.#place];
    this.#due = new Float64Array(length);
    this.#heap = new Int32Array(length);
    this.#place = new Int32Array(length);
    this.#due.set(due);
    this.#heap.set(heap);
    this.#place.set(place);
  }
}
