import type { EventLog } from '../channel/event-log.ts';
import { TerminalError } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Environment } from '../system/environment.ts';
import { eventOf } from './aside.ts';
import type { Aside } from './aside.ts';
import type { Committer } from './committer.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import { dueWork } from './due-keys.ts';
import { HeldKeys } from './held-keys.ts';
import { isDue } from './key-queues.ts';
import type { KeyQueues, Work } from './key-queues.ts';
import type { Settlement } from './settlement.ts';

export interface OrderedAsideOptions {
  readonly consumer: string;
  readonly environment: Environment;
  readonly deliveries: DeliveryStore;
  readonly log: EventLog;
  readonly committer: Committer;
  readonly settlement: Settlement;
  readonly queues: KeyQueues;
  /** Keys worked off at once; the handlers themselves share the slots of the queues. */
  readonly concurrency: number;
  keyOf(event: RecordedEvent): { readonly key: string; readonly error: unknown };
  /** Whether this node handles the events of a key. */
  isMine(key: string): boolean;
  /** What is to become of an attempt that could not be made. */
  fail(work: Work, attempts: number, error: unknown): Delivery;
  /** A key is let go: nothing of it is set aside any more. */
  released(key: string): void;
  /** Whether a delivery stands for what time alone brought on: its event was handled before, and need not be in the log any more. */
  isOfTime(delivery: Delivery): Promise<boolean>;
  /** Whether the event may be taken out again as it was recorded. */
  mayBeTakenBack(event: RecordedEvent): boolean;
  /** Work that time alone brought on cannot run, because its key is set aside. */
  putBack(key: string): void;
  /** There may be room for more deliveries. */
  settled(): void;
}

const PAGE = 64;
/** After the store could not be read. */
const READ_AGAIN_MS = 1_000;

/** What a look at the deliveries of a key has shown: more to do at once; nothing before something happens; nothing at all. */
type Found = 'more' | 'wait' | 'none';
const KEYS_PAGE = 1_000;
/** Keys set aside, at most (G10): each costs some memory. What waits behind them costs none. */
const MAX_HELD_KEYS = 100_000;

/**
 * Parking per key (G7): behind a failed event the later ones of its key wait, in order; other keys go on.
 *
 * Invariants
 * 1. The deliveries of a key are worked off in position order, one at a time, up to the first that fails again or is parked.
 * 2. A key is let go in the same synchronous step in which it is seen that nothing came since the store was found empty of it.
 * 3. Attempts at deliveries take turns with those at new events: together they keep to the consumer's concurrency.
 */
export class OrderedAside implements Aside {
  readonly #options: OrderedAsideOptions;
  readonly #held: HeldKeys;
  /** Keys that wait for their turn to be worked off. */
  readonly #due = new Set<string>();
  #working = 0;
  #stopped = false;

  constructor(options: OrderedAsideOptions) {
    this.#options = options;
    this.#held = new HeldKeys(options.environment.clock, (key) => this.#begin(key));
  }

  get busy(): boolean {
    return this.#working > 0;
  }

  get timed(): boolean {
    return this.#held.timed;
  }

  /** Something is to be attempted again, by itself; not only what is parked is set aside. */
  get retrying(): boolean {
    return this.#working > 0 || this.#due.size > 0 || this.#held.scheduled;
  }

  /** No key is set aside. */
  get holdsNone(): boolean {
    return this.#held.size === 0;
  }

  get full(): string | undefined {
    if (this.#held.size < MAX_HELD_KEYS) return undefined;
    return `${this.#held.size} keys are set aside; mend what they fail of and retry their dead letters, or discard them`;
  }

  async load(): Promise<void> {
    const { deliveries, consumer, environment } = this.#options;
    let after: string | undefined;
    for (;;) {
      const page = await deliveries.heldKeys(consumer, after, KEYS_PAGE);
      for (const { first } of page) {
        if (!this.#options.isMine(first.key)) continue;
        this.#held.hold(first.key);
        this.#held.schedule(first.key, dueOf(first, environment.clock.now()));
      }
      const last = page.at(-1);
      if (last === undefined || page.length < KEYS_PAGE) return;
      after = last.first.key;
    }
  }

  isHeld(key: string): boolean {
    return this.#held.has(key);
  }

  intercept(work: Work): boolean {
    if (!this.#held.has(work.key)) return false;
    this.#held.hold(work.key);
    this.#options.settlement.setAside(work, { dueMs: undefined, priority: 0 });
    return true;
  }

  failed(work: Work, delivery: Delivery): void {
    if (work.delivery !== undefined || this.#stopped) return;
    this.#held.hold(work.key);
    this.#held.schedule(work.key, delivery.dueMs);
    this.#setFollowersAside(work.key);
  }

  changed(key: string): void {
    this.#held.hold(key);
    this.#begin(key);
  }

  stop(): void {
    this.#stopped = true;
    this.#due.clear();
    this.#held.clear();
  }

  #begin(key: string): void {
    this.#due.add(key);
    this.#beginNext();
  }

  #beginNext(): void {
    for (const key of this.#due) {
      if (this.#working >= this.#options.concurrency) return;
      this.#due.delete(key);
      // One that is worked off already looks again by itself.
      if (!this.#stopped && this.#held.activate(key)) void this.#workOff(key);
    }
  }

  #setFollowersAside(key: string): void {
    for (const follower of this.#options.queues.take(key)) {
      if (isDue(follower)) this.#options.putBack(key);
      else if (follower.delivery === undefined) this.intercept(follower);
      // It is looked for again: another event of the key may have come to stand before it.
      else follower.ended?.(follower.delivery);
    }
  }

  async #workOff(key: string): Promise<void> {
    this.#working += 1;
    try {
      for (;;) {
        const seen = this.#held.changes(key);
        const found = await this.#page(key);
        if (this.#stopped) return;
        if (found === 'more' || this.#held.changes(key) !== seen) continue;
        if (found === 'none') {
          this.#held.empty(key);
          this.#options.released(key);
        }
        break;
      }
    } catch (error) {
      if (this.#stopped || this.#options.committer.stopped) return;
      const { environment, consumer } = this.#options;
      environment.logger.error(
        { consumer, key, err: error },
        'deliveries that were set aside could not be read; trying again',
      );
      this.#held.schedule(key, environment.clock.now() + READ_AGAIN_MS);
    } finally {
      this.#held.deactivate(key);
      this.#working -= 1;
      this.#beginNext();
      this.#options.settled();
    }
  }

  async #page(key: string): Promise<Found> {
    const { deliveries, consumer, committer, environment } = this.#options;
    await committer.flush();
    const page = await deliveries.list({ consumer, key, limit: PAGE });
    if (page.length === 0) return 'none';
    for (const delivery of page) {
      if (this.#stopped || delivery.state === 'parked') return 'wait';
      const dueMs = dueOf(delivery, environment.clock.now());
      if (dueMs !== undefined && dueMs > environment.clock.now()) {
        this.#held.schedule(key, dueMs);
        return 'wait';
      }
      const failed = await this.#handle(delivery);
      if (failed !== undefined) {
        this.#held.schedule(key, failed.dueMs);
        return 'wait';
      }
    }
    return 'more';
  }

  async #handle(delivery: Delivery): Promise<Delivery | undefined> {
    const isOfTime = await this.#options.isOfTime(delivery);
    const event = isOfTime ? undefined : await eventOf(this.#options.log, delivery);
    if (this.#stopped) return undefined;
    if (event === undefined && !isOfTime) {
      this.#options.settlement.gone(delivery);
    } else if (delivery.edited?.data !== undefined && (event === undefined || this.#options.mayBeTakenBack(event))) {
      return this.#refuseEdit(delivery, event);
    } else {
      const failed = await (event === undefined ? this.#attemptDue(delivery) : this.#attempt(event, delivery));
      if (failed !== undefined || this.#stopped) return failed;
    }
    this.#options.settled();
    return undefined;
  }

  /** `given`: what is to be handled; undefined: its event was handled as it is, and what failed then is what time brought on. */
  async #refuseEdit(delivery: Delivery, given: RecordedEvent | undefined): Promise<Delivery | undefined> {
    const { data: _, dataVersion: _version, ...edited } = delivery.edited ?? {};
    const plain = { ...delivery, edited };
    const event = await eventOf(this.#options.log, plain);
    if (event === undefined || this.#stopped) return undefined;
    const reason =
      given === undefined
        ? 'its event was handled before, and what time brought on after it failed'
        : 'it may be taken back, as it was recorded';
    const work = { event, key: delivery.key, pending: undefined, delivery: plain, ended: undefined };
    const error = new TerminalError(`${reason}: it can be retried or discarded, but not edited`);
    return this.#options.fail(work, delivery.attempts + 1, error);
  }

  #attemptDue(delivery: Delivery): Promise<Delivery | undefined> {
    return new Promise((resolve) => this.#options.queues.submit(dueWork(delivery.key, delivery, undefined, resolve)));
  }

  #attempt(event: RecordedEvent, delivery: Delivery): Promise<Delivery | undefined> | Delivery | undefined {
    const { key, error } = this.#options.keyOf(event);
    const work = { event, key: delivery.key, pending: undefined, delivery, ended: undefined };
    // The key could not be told when the event came, and still cannot: it must not be handled under a wrong one.
    if (error !== undefined) return this.#options.fail(work, delivery.attempts + 1, error);
    if (key !== delivery.key) return this.#move(delivery, key);
    return new Promise((resolve) => this.#options.queues.submit({ ...work, ended: resolve }));
  }

  /** The event belongs to another key: the operator edited it, or the key could not be told before. It gets its place there. */
  #move(delivery: Delivery, key: string): undefined {
    this.#options.settlement.moved(delivery, key);
    // Who holds the lane of that key is told by the store, when it takes the lane from it.
    if (!this.#options.isMine(key)) return;
    this.#held.hold(key);
    this.#setFollowersAside(key);
    this.#begin(key);
  }
}

/** When the delivery may be attempted: undefined for a parked one, now for one that only waited behind others. */
function dueOf(delivery: Delivery, nowMs: number): number | undefined {
  return delivery.state === 'parked' ? undefined : (delivery.dueMs ?? nowMs);
}
