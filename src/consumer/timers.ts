import TinyQueue from 'tinyqueue';

interface Timer {
  readonly key: string;
  dueMs: number;
  /** Of its entry in the queue; an entry of another time is one of before. */
  queuedMs: number;
}

/**
 * For each key when time alone brings something on.
 *
 * Invariants
 * 1. A key costs one entry in the queue, however often it is put off: an entry that comes before its time is put back.
 */
export class Timers {
  readonly #timers = new Map<string, Timer>();
  readonly #queue = new TinyQueue<{ readonly timer: Timer; readonly atMs: number }>(
    [],
    (left, right) => left.atMs - right.atMs,
  );

  get size(): number {
    return this.#timers.size;
  }

  /** `dueMs` undefined: nothing is due any more. */
  set(key: string, dueMs: number | undefined): void {
    const known = this.#timers.get(key);
    if (dueMs === undefined) {
      if (known !== undefined) known.queuedMs = Number.NaN;
      this.#timers.delete(key);
      return;
    }
    if (known === undefined) {
      const timer = { key, dueMs, queuedMs: dueMs };
      this.#timers.set(key, timer);
      this.#queue.push({ timer, atMs: dueMs });
      return;
    }
    known.dueMs = dueMs;
    if (dueMs < known.queuedMs) {
      known.queuedMs = dueMs;
      this.#queue.push({ timer: known, atMs: dueMs });
    }
  }

  /** When the next one is due; undefined: none is. */
  nextMs(): number | undefined {
    for (;;) {
      const first = this.#queue.peek();
      if (first === undefined) return undefined;
      const { timer, atMs } = first;
      if (timer.queuedMs === atMs && timer.dueMs === atMs) return atMs;
      this.#queue.pop();
      if (timer.queuedMs !== atMs) continue;
      timer.queuedMs = timer.dueMs;
      this.#queue.push({ timer, atMs: timer.dueMs });
    }
  }

  /** The next key that is due at `nowMs` or before; it is forgotten. */
  take(nowMs: number): string | undefined {
    const dueMs = this.nextMs();
    if (dueMs === undefined || dueMs > nowMs) return undefined;
    const timer = this.#queue.pop()?.timer;
    if (timer === undefined) return undefined;
    // It may be in the queue twice, where it was put off and brought forward again.
    timer.queuedMs = Number.NaN;
    this.#timers.delete(timer.key);
    return timer.key;
  }
}
