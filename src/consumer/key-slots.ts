const SLOTS = 64;
/** At most so much of the table is taken, so that probes are short. */
const LOAD = 0.5;
const BYTES_A_KEY = 16;
const NONE = -1;

/**
 * A number for each key, and back.
 *
 * Keys are bytes in one array and not strings: a million of them would be a hundred megabytes of what the collector goes over, which lets the
 * heap grow to four times of that before it is cleaned.
 *
 * Invariants
 * 1. A key has one slot while it is known; slots from 0, those of removed keys first used again.
 * 2. `#table` has each known slot at the first place, from that of its hash on, that was free: between them is no free one.
 * 3. `#bytes` up to `#used` has all known keys: one byte a unit, or two where one does not fit. What removed ones leave is closed when it is full.
 */
export class KeySlots {
  readonly #seed: number;
  /** Slots, or NONE; its length is a power of two. */
  #table = new Int32Array(SLOTS / LOAD).fill(NONE);
  #bytes = new Uint8Array(SLOTS * BYTES_A_KEY);
  #used = 0;
  #alive = 0;
  #hashes = new Int32Array(SLOTS);
  /** Where the key begins; of a free slot, the next free one. */
  #starts = new Int32Array(SLOTS);
  /** In bytes, doubled; one more for keys of two bytes a unit. */
  #lengths = new Int32Array(SLOTS);
  #slots = 0;
  #free = NONE;
  #size = 0;

  /** `seed`: so that nobody can choose keys of one hash. */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** The slot of a key; undefined: it is not known. */
  find(key: string): number | undefined {
    return this.#find(key, this.#hashOf(key));
  }

  /** The key of a slot in use. */
  keyOf(slot: number): string {
    const [start, length] = [this.#starts[slot] ?? 0, this.#lengths[slot] ?? 0];
    const step = 1 + (length & 1);
    let key = '';
    for (let at = start; at < start + (length >> 1); at += step) key += String.fromCharCode(this.#unitAt(at, step));
    return key;
  }

  /** A slot for a key that is not known. */
  add(key: string): number {
    const slot = this.#newSlot();
    const isWide = hasWide(key);
    const length = isWide ? key.length * 2 : key.length;
    this.#makeRoom(length);
    this.#hashes[slot] = this.#hashOf(key);
    this.#starts[slot] = this.#used;
    this.#lengths[slot] = length * 2 + (isWide ? 1 : 0);
    this.#write(key, isWide);
    this.#alive += length;
    this.#size += 1;
    if (this.#size > this.#table.length * LOAD) this.#growTable();
    else this.#enter(slot);
    return slot;
  }

  /** Forgets the key of a slot. */
  remove(slot: number): void {
    this.#leave(slot);
    this.#alive -= (this.#lengths[slot] ?? 0) >> 1;
    this.#lengths[slot] = NONE;
    this.#starts[slot] = this.#free;
    this.#free = slot;
    this.#size -= 1;
  }

  #find(key: string, hash: number): number | undefined {
    const mask = this.#table.length - 1;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const slot = this.#table[place] ?? NONE;
      if (slot === NONE) return undefined;
      if (this.#hashes[slot] === hash && this.#has(slot, key)) return slot;
    }
  }

  #has(slot: number, key: string): boolean {
    const [start, length] = [this.#starts[slot] ?? 0, this.#lengths[slot] ?? 0];
    const step = 1 + (length & 1);
    if (length >> 1 !== key.length * step) return false;
    for (let index = 0; index < key.length; index += 1)
      if (this.#unitAt(start + index * step, step) !== key.charCodeAt(index)) return false;
    return true;
  }

  #unitAt(place: number, step: number): number {
    const low = this.#bytes[place] ?? 0;
    return step === 1 ? low : low | ((this.#bytes[place + 1] ?? 0) << 8);
  }

  #write(key: string, isWide: boolean): void {
    for (let index = 0; index < key.length; index += 1) {
      const unit = key.charCodeAt(index);
      this.#bytes[this.#used++] = unit;
      if (isWide) this.#bytes[this.#used++] = unit >> 8;
    }
  }

  #enter(slot: number): void {
    const mask = this.#table.length - 1;
    let place = (this.#hashes[slot] ?? 0) & mask;
    while (this.#table[place] !== NONE) place = (place + 1) & mask;
    this.#table[place] = slot;
  }

  /** What stands behind it moves up, where it may. */
  #leave(slot: number): void {
    const mask = this.#table.length - 1;
    let hole = (this.#hashes[slot] ?? 0) & mask;
    while (this.#table[hole] !== slot) hole = (hole + 1) & mask;
    for (let place = (hole + 1) & mask; this.#table[place] !== NONE; place = (place + 1) & mask) {
      const next = this.#table[place] ?? NONE;
      const wanted = (this.#hashes[next] ?? 0) & mask;
      if (((place - wanted) & mask) < ((place - hole) & mask)) continue;
      this.#table[hole] = next;
      hole = place;
    }
    this.#table[hole] = NONE;
  }

  #newSlot(): number {
    if (this.#free !== NONE) {
      const slot = this.#free;
      this.#free = this.#starts[slot] ?? NONE;
      return slot;
    }
    if (this.#slots === this.#starts.length) this.#growSlots();
    return this.#slots++;
  }

  /** For so many bytes more: what removed keys left is closed, in another array, half of which is free then. */
  #makeRoom(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const from = this.#bytes;
    this.#bytes = new Uint8Array((this.#alive + bytes) * 2);
    if (this.#alive === this.#used) {
      this.#bytes.set(from.subarray(0, this.#used));
      return;
    }
    this.#used = 0;
    for (let slot = 0; slot < this.#slots; slot += 1) {
      const length = this.#lengths[slot] ?? NONE;
      if (length === NONE) continue;
      const start = this.#starts[slot] ?? 0;
      this.#bytes.set(from.subarray(start, start + (length >> 1)), this.#used);
      this.#starts[slot] = this.#used;
      this.#used += length >> 1;
    }
  }

  #hashOf(key: string): number {
    let hash = this.#seed;
    for (let index = 0; index < key.length; index += 1) {
      hash = Math.imul(hash ^ key.charCodeAt(index), 0x5b_d1_e9_95);
      hash ^= hash >>> 15;
    }
    return hash;
  }

  #growSlots(): void {
    const length = this.#starts.length * 2;
    this.#hashes = longer(this.#hashes, length);
    this.#starts = longer(this.#starts, length);
    this.#lengths = longer(this.#lengths, length);
  }

  #growTable(): void {
    this.#table = new Int32Array(this.#table.length * 2).fill(NONE);
    for (let slot = 0; slot < this.#slots; slot += 1) if (this.#lengths[slot] !== NONE) this.#enter(slot);
  }
}

function longer(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length);
  grown.set(array);
  return grown;
}

function hasWide(key: string): boolean {
  for (let index = 0; index < key.length; index += 1) if (key.charCodeAt(index) > 0xff) return true;
  return false;
}
