import type { CancelTimer, Clock } from '../system/clock.ts';

interface HeldKey {
  /** Deliveries of the key that are set aside. */
  count: number;
  /** How many were ever added while it is held: tells whether one came meanwhile. */
  added: number;
  /** When the first of them is to be attempted again; undefined while it is parked. */
  dueMs: number | undefined;
  /** Its deliveries are being worked off. */
  active: boolean;
}

const COALESCE_MS = 10;

/**
 * The keys of an ordered consumer that are set aside: the first delivery failed, the later ones queue behind it (G7).
 *
 * Invariants
 * 1. A key is held exactly while the store holds a delivery of it, or will after the next commit.
 * 2. While a key is held, every new event of it is set aside too; so its order is kept.
 * 3. At most one piece of work goes through the deliveries of a key.
 */
export class HeldKeys {
  readonly #clock: Clock;
  readonly #due: (key: string) => void;
  readonly #keys = new Map<string, HeldKey>();
  #cancel: CancelTimer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #total = 0;

  constructor(clock: Clock, due: (key: string) => void) {
    this.#clock = clock;
    this.#due = due;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Deliveries set aside over all keys. */
  get total(): number {
    return this.#total;
  }

  /** Holds a key, or counts more deliveries of one that is held. */
  add(key: string, count: number): void {
    const held = this.#keys.get(key);
    if (held === undefined) this.#keys.set(key, { count, added: count, dueMs: undefined, active: false });
    else {
      held.count += count;
      held.added += count;
    }
    this.#total += count;
  }

  added(key: string): number {
    return this.#keys.get(key)?.added ?? 0;
  }

  /** The store holds no delivery of the key any more. */
  empty(key: string): void {
    this.subtract(key, this.#keys.get(key)?.count ?? 0);
  }

  /** Deliveries of the key were settled. The key is let go when none is left. */
  subtract(key: string, count: number): void {
    const held = this.#keys.get(key);
    if (held === undefined) return;
    this.#total -= Math.min(count, held.count);
    held.count -= count;
    if (held.count <= 0 && !held.active) this.#keys.delete(key);
  }

  /** Sets when the first delivery of the key is to be attempted; undefined: it is parked. */
  schedule(key: string, dueMs: number | undefined): void {
    const held = this.#keys.get(key);
    if (held === undefined) return;
    held.dueMs = dueMs;
    if (dueMs !== undefined && !held.active) this.#arm(dueMs);
  }

  /** True when the caller now is the one who works the key off. */
  activate(key: string): boolean {
    const held = this.#keys.get(key);
    if (held === undefined || held.active) return false;
    held.active = true;
    held.dueMs = undefined;
    return true;
  }

  /** The work is over. True when the key is free again. */
  deactivate(key: string): boolean {
    const held = this.#keys.get(key);
    if (held === undefined) return true;
    held.active = false;
    if (held.count <= 0) {
      this.#keys.delete(key);
      return true;
    }
    if (held.dueMs !== undefined) this.#arm(held.dueMs);
    return false;
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#timerMs = Number.POSITIVE_INFINITY;
    this.#keys.clear();
    this.#total = 0;
  }

  #arm(dueMs: number): void {
    if (dueMs >= this.#timerMs) return;
    this.#cancel?.();
    this.#timerMs = dueMs;
    this.#cancel = this.#clock.setTimer(dueMs - this.#clock.now(), () => this.#fire());
  }

  #fire(): void {
    this.#cancel = undefined;
    this.#timerMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.now();
    let nextMs = Number.POSITIVE_INFINITY;
    const due: string[] = [];
    for (const [key, held] of this.#keys) {
      if (held.active || held.dueMs === undefined) continue;
      if (held.dueMs <= nowMs) due.push(key);
      else if (held.dueMs < nextMs) nextMs = held.dueMs;
    }
    // Keys that come due close together share a look at all of them.
    if (nextMs < Number.POSITIVE_INFINITY) this.#arm(Math.max(nextMs, nowMs + COALESCE_MS));
    for (const key of due) this.#due(key);
  }
}
