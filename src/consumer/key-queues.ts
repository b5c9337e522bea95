import type { RecordedEvent } from '../event/event.ts';
import type { Delivery } from './delivery-store.ts';
import type { Pending } from './progress.ts';

/** How far event time had come when an event was taken: by those before it, which say whether it is late, and with it. */
export interface WorkTime {
  /** When the event happened; undefined: to be read again. */
  readonly eventMs: number | undefined;
  readonly watermarkMs: number;
  readonly afterMs: number;
  /** When time began, as far as that was known then; undefined: as it is known now. */
  readonly sinceMs?: number;
  /** The key is expected since then, and the event is that which told of time. */
  readonly expectedSinceMs?: number;
}

/** Of what time alone brought on, whose event is not known before its state is: how far time had come; undefined: it failed before. */
export interface DueTime {
  readonly upToMs: number | undefined;
}

/** Whether time alone brought work on. */
export function isDue(work: Work): work is Work & { readonly time: DueTime } {
  return work.time !== undefined && 'upToMs' in work.time;
}

/** One event to be handled for one key. */
export interface Work {
  readonly event: RecordedEvent;
  readonly key: string;
  /** Its place in the progress of the consumer; undefined for an event that was set aside before. */
  readonly pending: Pending | undefined;
  /** The stored delivery, where the event was set aside before. */
  readonly delivery: Delivery | undefined;
  /** For who goes by event time. */
  readonly time?: WorkTime | DueTime | undefined;
  /** Told when the work is over; `failed` is the delivery that stands for the event when it failed. */
  readonly ended: ((failed: Delivery | undefined) => void) | undefined;
}

/**
 * Runs work of many keys at once and of one key in order.
 *
 * Invariants
 * 1. Of one key at most one piece of work runs; the others wait in the order submitted.
 * 2. At most `concurrency` pieces of asynchronous work run. Synchronous work runs to its end when it is its turn.
 * 3. A key costs memory only while work of it runs or waits.
 */
export class KeyQueues {
  readonly #concurrency: number;
  /** True: it takes time, and `over` is to be called when it is done. */
  readonly #run: (work: Work) => boolean;
  readonly #idle: () => void;
  readonly #queues = new Map<string, Work[]>();
  /** Keys with waiting work that do not run because all slots are taken, first come first served. */
  #ready: string[] = [];
  #running = 0;
  #waiting = 0;

  constructor(options: { concurrency: number; run: (work: Work) => boolean; idle: () => void }) {
    this.#concurrency = options.concurrency;
    this.#run = options.run;
    this.#idle = options.idle;
  }

  get running(): number {
    return this.#running;
  }

  /** Submitted and not begun. */
  get waiting(): number {
    return this.#waiting;
  }

  get free(): number {
    return Math.max(0, this.#concurrency - this.#running);
  }

  submit(work: Work): void {
    const queue = this.#queues.get(work.key);
    if (queue !== undefined) {
      queue.push(work);
      this.#waiting += 1;
    } else if (this.#running >= this.#concurrency) {
      this.#queues.set(work.key, [work]);
      this.#ready.push(work.key);
      this.#waiting += 1;
    } else {
      this.#begin(work);
    }
  }

  /** Work that took time is done. */
  over({ key }: Work): void {
    this.#running -= 1;
    this.#goOn(key);
  }

  /** Takes the waiting work of a key away: the key was set aside. */
  take(key: string): readonly Work[] {
    const queue = this.#queues.get(key);
    if (queue === undefined) return [];
    this.#waiting -= queue.length;
    return queue.splice(0);
  }

  /** Drops everything that has not begun. */
  clear(): void {
    for (const queue of this.#queues.values()) queue.length = 0;
    this.#ready = [];
    this.#waiting = 0;
  }

  #begin(work: Work): void {
    if (!this.#run(work)) return;
    if (!this.#queues.has(work.key)) this.#queues.set(work.key, []);
    this.#running += 1;
  }

  /** After work of a key ended: the next key's turn. A key with much to do takes its place behind those that wait for the slot. */
  #goOn(key: string): void {
    const queue = this.#queues.get(key);
    if (queue !== undefined && queue.length > 0 && this.#ready.length > 0) this.#ready.push(key);
    else this.#workOff(key);
    while (this.#running < this.#concurrency) {
      const ready = this.#ready.shift();
      if (ready === undefined) break;
      this.#workOff(ready);
    }
    if (this.#waiting === 0) this.#idle();
  }

  #workOff(key: string): void {
    const queue = this.#queues.get(key);
    if (queue === undefined) return;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      this.#waiting -= 1;
      if (this.#run(next)) {
        this.#running += 1;
        return;
      }
    }
    this.#queues.delete(key);
  }
}
