import type { CancelTimer, Clock } from '../system/clock.ts';

/** What is to be over before its time is. */
export interface Watched {
  readonly dueMs: number;
  /** Undefined: it is over. */
  expire: (() => void) | undefined;
}

/** So many that are over are let go of at once. */
const LET_GO = 1_024;

/** Ends things that take longer than a fixed time. One timer for all of them, because they come due in the order they began. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #limitMs: number;
  #watched: Watched[] = [];
  /** Those before it are over. */
  #first = 0;
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Calls `expire` after the limit, unless it is over before. */
  watch(expire: () => void): Watched {
    const watched = { dueMs: this.#clock.now() + this.#limitMs, expire };
    this.#watched.push(watched);
    this.#arm();
    return watched;
  }

  over(watched: Watched): void {
    watched.expire = undefined;
    this.#passOver();
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#watched = [];
    this.#first = 0;
  }

  #passOver(): void {
    while (this.#first < this.#watched.length && this.#watched[this.#first]?.expire === undefined) this.#first += 1;
    if (this.#first === this.#watched.length) this.clear();
    else if (this.#first >= LET_GO) {
      this.#watched = this.#watched.slice(this.#first);
      this.#first = 0;
    }
  }

  #arm(): void {
    const next = this.#watched[this.#first];
    if (next === undefined || this.#cancel !== undefined) return;
    this.#cancel = this.#clock.setTimer(next.dueMs - this.#clock.now(), () => {
      this.#cancel = undefined;
      const nowMs = this.#clock.now();
      // By what expires here others may be over.
      for (const watched of this.#watched.slice(this.#first)) {
        if (watched.dueMs > nowMs) break;
        const { expire } = watched;
        watched.expire = undefined;
        expire?.();
      }
      this.#passOver();
      this.#arm();
    });
  }
}
