import type { CancelTimer, Clock } from '../system/clock.ts';

interface Watched {
  readonly dueMs: number;
  readonly expire: () => void;
  over: boolean;
}

/** Ends things that take longer than a fixed time. One timer for all of them, because they come due in the order they began. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #limitMs: number;
  #watched: Watched[] = [];
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Calls `expire` after the limit unless the returned function was called before. */
  watch(expire: () => void): () => void {
    const watched: Watched = { dueMs: this.#clock.now() + this.#limitMs, expire, over: false };
    this.#watched.push(watched);
    this.#arm();
    return () => {
      watched.over = true;
      if (this.#watched[0]?.over === true) this.#arm();
    };
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#watched = [];
  }

  #arm(): void {
    let first = 0;
    while (this.#watched[first]?.over === true) first += 1;
    if (first > 0) this.#watched = this.#watched.slice(first);
    const next = this.#watched[0];
    if (next === undefined) {
      this.#cancel?.();
      this.#cancel = undefined;
      return;
    }
    this.#cancel ??= this.#clock.setTimer(next.dueMs - this.#clock.now(), () => {
      this.#cancel = undefined;
      const nowMs = this.#clock.now();
      for (const watched of this.#watched) {
        if (watched.dueMs > nowMs) break;
        if (watched.over) continue;
        watched.over = true;
        watched.expire();
      }
      this.#arm();
    });
  }
}
