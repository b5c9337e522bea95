import { Closed, InvalidInput } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { CancelTimer } from '../system/clock.ts';
import { instantAfter } from '../system/duration.ts';
import { Attempt } from './attempt.ts';
import type { AttemptSetting } from './attempt.ts';
import type { Delivery } from './delivery-store.ts';
import type { Work } from './key-queues.ts';

/** One event in the hands of one of several competing consumers, for a time. */
export interface Claim {
  readonly event: RecordedEvent;
  /** Counted from 1. */
  readonly attempt: number;
  readonly idempotencyKey: string;
  /** Aborted when the lease is over or the queue closes. */
  readonly signal: AbortSignal;
  /** Done. True when durable; false when the claim was lost before: nothing was changed. */
  ack(): Promise<boolean>;
  /** Not done: to be handled again after the delay (default: the queue's backoff), or parked when attempts are used up. */
  nack(options?: NackOptions): Promise<boolean>;
  /** Keeps the claim for `leaseMs` from now. False when it was lost already. */
  extend(leaseMs: number): boolean;
}

export interface NackOptions {
  readonly delayMs?: number;
  readonly error?: unknown;
}

export interface ClaimsOptions {
  readonly consumer: string;
  readonly setting: AttemptSetting;
  committed(): Promise<void>;
  succeed(work: Work, attempt: Attempt): void;
  fail(work: Work, attempts: number, error: unknown, delayMs?: number): Delivery;
  /** Settles the event when its time is over. Answers whether it was. */
  expire(work: Work): boolean;
  /** A receiver finds nothing to take. */
  starved(): void;
  /** Writes a claimed event down as a delivery that is due when the lease is over. Answers the work as it then is. */
  writeDown(work: Work, dueMs: number): Work;
}

export interface ReceiveOptions {
  /** At most this many. Default 1. */
  readonly max?: number;
  /** How long the claims last, in milliseconds. Default 30,000. */
  readonly leaseMs?: number;
  /** Ends the wait for a first event. */
  readonly signal?: AbortSignal;
}

/** A live claim. */
interface Lease {
  work: Work;
  readonly endMs: number;
  readonly cancel: CancelTimer;
}

/** A claim's time ran out before it was settled. */
class LeaseExpired extends Error {
  override readonly name = 'LeaseExpired';
}

/**
 * Competing consumers: whoever asks gets the next event, and alone has it until it is settled or the lease is over.
 *
 * Invariants
 * 1. An event is in at most one live claim. Settling is done by the live claim alone; a lost one changes nothing (fencing).
 * 2. A lease that runs out counts as a failed attempt.
 * 3. Claims that keep receivers from later events are written down as deliveries (`writeDown`); they stay claimed as they are.
 */
export class Claims {
  readonly #options: ClaimsOptions;
  #available: Work[] = [];
  readonly #held = new Map<Attempt, Lease>();
  #waiters: (() => void)[] = [];
  #closed = false;
  /** Resolved when it gives nothing more, and nobody holds anything. */
  readonly #empty = Promise.withResolvers<void>();

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Live claims. */
  get held(): number {
    return this.#held.size;
  }

  /** Receivers wait, and there is nothing to give them. */
  get hungry(): boolean {
    return this.#waiters.length > 0 && this.#available.length === 0;
  }

  offer(work: Work): void {
    if (work.delivery === undefined) this.#available.push(work);
    else this.#available.splice(this.#placeOf(work.delivery), 0, work);
    this.#waiters.shift()?.();
  }

  /** What came back goes before what is new, because it has waited longer; among its like by priority, then as it came. */
  #placeOf({ priority }: Delivery): number {
    const place = this.#available.findIndex(({ delivery }) => delivery === undefined || delivery.priority < priority);
    return place === -1 ? this.#available.length : place;
  }

  /** Waits for at least one event; empty when the signal ended the wait. */
  async receive(options: ReceiveOptions = {}): Promise<readonly Claim[]> {
    const { max = 1, leaseMs = 30_000, signal } = options;
    if (!Number.isInteger(max) || max < 1)
      throw new InvalidInput({ path: 'max', expected: 'a whole number from 1', found: max });
    assertDuration('leaseMs', leaseMs);
    for (;;) {
      if (this.#closed) throw new Closed(`queue ${this.#options.consumer}`);
      if (signal?.aborted === true) {
        // The wake-up of an event that this receiver does not take belongs to the next one.
        if (this.#available.length > 0) this.#waiters.shift()?.();
        return [];
      }
      const works = this.#available.splice(0, max).filter((work) => !this.#options.expire(work));
      if (works.length > 0) return works.map((work) => this.#claim(work, leaseMs));
      if (this.#available.length === 0) this.#options.starved();
      if (this.#available.length === 0) await this.#wait(signal);
    }
  }

  /** Gives nothing more to receivers; those who hold something may still settle it. */
  stop(): void {
    this.#closed = true;
    this.#available = [];
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Resolves when nobody holds anything. */
  async ended(): Promise<void> {
    if (this.#held.size > 0) await this.#empty.promise;
  }

  close(): void {
    this.stop();
    for (const [attempt, lease] of this.#held) {
      lease.cancel();
      attempt.close(new Closed(`queue ${this.#options.consumer}`));
    }
    this.#held.clear();
    this.#empty.resolve();
  }

  writeDown(): void {
    for (const lease of this.#held.values()) {
      if (lease.work.pending !== undefined) lease.work = this.#options.writeDown(lease.work, lease.endMs);
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener('abort', wake);
        this.#waiters = this.#waiters.filter((waiter) => waiter !== wake);
        resolve();
      };
      this.#waiters.push(wake);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  #claim(work: Work, leaseMs: number): Claim {
    const attempt = new Attempt(
      this.#options.setting,
      work.event,
      work.key,
      (work.delivery?.attempts ?? 0) + 1,
      undefined,
      undefined,
    );
    this.#lease(work, attempt, leaseMs);
    return new HeldClaim(attempt, {
      ack: () => this.#settle(attempt, (leased) => this.#options.succeed(leased, attempt)),
      nack: (error, delayMs) =>
        this.#settle(attempt, (leased) => {
          attempt.close();
          this.#options.fail(leased, attempt.number, error, delayMs);
        }),
      extend: (longerMs) => {
        const leased = this.#release(attempt);
        if (leased !== undefined) this.#lease(leased, attempt, longerMs);
        return leased !== undefined;
      },
    });
  }

  #lease(work: Work, attempt: Attempt, leaseMs: number): void {
    const { clock } = this.#options.setting.environment;
    const cancel = clock.setTimer(leaseMs, () => {
      const leased = this.#release(attempt);
      if (leased === undefined) return;
      const error = new LeaseExpired(`the lease of ${leaseMs} ms ran out before the event was acknowledged`);
      attempt.close(error);
      this.#options.fail(leased, attempt.number, error, 0);
    });
    this.#held.set(attempt, { work, endMs: instantAfter(clock.now(), leaseMs), cancel });
  }

  /** The work of a claim that was live until now. */
  #release(attempt: Attempt): Work | undefined {
    const lease = this.#held.get(attempt);
    lease?.cancel();
    this.#held.delete(attempt);
    if (this.#closed && this.#held.size === 0) this.#empty.resolve();
    return lease?.work;
  }

  async #settle(attempt: Attempt, act: (work: Work) => void): Promise<boolean> {
    const leased = this.#release(attempt);
    if (leased === undefined) return false;
    act(leased);
    await this.#options.committed();
    return true;
  }
}

interface Settling {
  ack(): Promise<boolean>;
  nack(error: unknown, delayMs: number | undefined): Promise<boolean>;
  extend(leaseMs: number): boolean;
}

class HeldClaim implements Claim {
  readonly #attempt: Attempt;
  readonly #settling: Settling;

  constructor(attempt: Attempt, settling: Settling) {
    this.#attempt = attempt;
    this.#settling = settling;
  }

  get event(): RecordedEvent {
    return this.#attempt.event;
  }

  get attempt(): number {
    return this.#attempt.number;
  }

  get idempotencyKey(): string {
    return this.#attempt.idempotencyKey;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  ack(): Promise<boolean> {
    return this.#settling.ack();
  }

  async nack({ delayMs, error = new Error('not acknowledged') }: NackOptions = {}): Promise<boolean> {
    if (delayMs !== undefined) assertDuration('delayMs', delayMs);
    return this.#settling.nack(error, delayMs);
  }

  extend(leaseMs: number): boolean {
    assertDuration('leaseMs', leaseMs);
    return this.#settling.extend(leaseMs);
  }
}

function assertDuration(path: string, ms: number): void {
  if (!(Number.isFinite(ms) && ms >= 0)) throw new InvalidInput({ path, expected: 'milliseconds from 0', found: ms });
}
