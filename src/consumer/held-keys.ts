import type { CancelTimer, Clock } from '../system/clock.ts';

interface HeldKey {
  /** Rises with everything that may give more to do: tells whether something came meanwhile. */
  changes: number;
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
 * 1. A key is held from its first delivery on, until the store was seen to hold none and none was added meanwhile.
 * 2. While a key is held, every new event of it is set aside too; so its order is kept.
 * 3. At most one piece of work goes through the deliveries of a key.
 */
export class HeldKeys {
  readonly #clock: Clock;
  readonly #due: (key: string) => void;
  readonly #keys = new Map<string, HeldKey>();
  #cancel: CancelTimer | undefined;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, due: (key: string) => void) {
    this.#clock = clock;
    this.#due = due;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Some key waits for its time. */
  get timed(): boolean {
    return this.#cancel !== undefined;
  }

  /** Some key is worked off, or is to be. */
  get scheduled(): boolean {
    for (const { active, dueMs } of this.#keys.values()) if (active || dueMs !== undefined) return true;
    return false;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Holds a key, if it is not held; something came that there may be more to do about. */
  hold(key: string): void {
    const held = this.#keys.get(key);
    if (held === undefined) this.#keys.set(key, { changes: 1, dueMs: undefined, active: false });
    else held.changes += 1;
  }

  changes(key: string): number {
    return this.#keys.get(key)?.changes ?? 0;
  }

  /** The store was seen to hold no delivery of the key any more: it is let go. */
  empty(key: string): void {
    this.#keys.delete(key);
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

  /** The work is over, for now or, when the key was let go, altogether. */
  deactivate(key: string): void {
    const held = this.#keys.get(key);
    if (held === undefined) return;
    held.active = false;
    if (held.dueMs !== undefined) this.#arm(held.dueMs);
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#timerMs = Number.POSITIVE_INFINITY;
    this.#keys.clear();
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
