import type { CancelTimer, Clock } from '../system/clock.ts';

/** What is to be over before its time is. */
export interface Watched {
  readonly dueMs: number;
  readonly expire: () => void;
}

/** Ends things that take longer than a fixed time. One timer for all of them, because they come due in the order they began. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #watched = new Set<Watched>();
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#limitMs = limitMs;
  }

  /** Calls `expire` after the limit, unless it is over before. */
  watch(expire: () => void): Watched {
    const watched = { dueMs: this.#elapsedMs() + this.#limitMs, expire };
    this.#watched.add(watched);
    if (this.#cancel === undefined) this.#arm();
    return watched;
  }

  over(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size === 0) this.clear();
  }

  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#watched.clear();
  }

  #elapsedMs(): number {
    return this.#clock.elapsed?.() ?? this.#clock.now();
  }

  #arm(): void {
    const [next] = this.#watched;
    if (next === undefined) return;
    const cancel = this.#clock.setTimer(next.dueMs - this.#elapsedMs(), () => {
      // By what expires here others may be over, and others begin.
      for (const watched of this.#due()) if (this.#watched.delete(watched)) watched.expire();
      // Where all were over in between, those that began since have a timer already.
      if (this.#cancel !== cancel) return;
      this.#cancel = undefined;
      this.#arm();
    });
    this.#cancel = cancel;
  }

  #due(): readonly Watched[] {
    const nowMs = this.#elapsedMs();
    const due: Watched[] = [];
    for (const watched of this.#watched) {
      if (watched.dueMs > nowMs) break;
      due.push(watched);
    }
    return due;
  }
}
