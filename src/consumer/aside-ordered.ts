import type { EventLog } from '../channel/event-log.ts';
import type { Position } from '../event/position.ts';
import type { Environment } from '../system/environment.ts';
import { eventOf } from './aside.ts';
import type { Aside } from './aside.ts';
import type { Committer } from './committer.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import { HeldKeys } from './held-keys.ts';
import type { Lanes, Work } from './lanes.ts';
import type { Settlement } from './settlement.ts';

export interface OrderedAsideOptions {
  readonly consumer: string;
  readonly environment: Environment;
  readonly deliveries: DeliveryStore;
  readonly log: EventLog;
  readonly committer: Committer;
  readonly settlement: Settlement;
  readonly lanes: Lanes;
  /** Handles one delivery to its end; the delivery that stands for it when it failed. */
  run(work: Work): Promise<Delivery | undefined>;
}

const PAGE = 64;
const KEYS_PAGE = 1_000;

/**
 * Parking per key (G7): behind a failed event the later ones of its key wait, in order; other keys go on.
 *
 * Invariants
 * 1. The deliveries of a key are worked off in position order, one at a time, up to the first that fails again or is parked.
 * 2. A key is let go in the same synchronous step in which its last delivery is known to be settled and none was added.
 */
export class OrderedAside implements Aside {
  readonly #options: OrderedAsideOptions;
  readonly #held: HeldKeys;
  #stopped = false;

  constructor(options: OrderedAsideOptions) {
    this.#options = options;
    this.#held = new HeldKeys(options.environment.clock, (key) => void this.#workOff(key));
  }

  get total(): number {
    return this.#held.total;
  }

  get heldKeys(): number {
    return this.#held.size;
  }

  async load(): Promise<void> {
    const { deliveries, consumer, environment } = this.#options;
    let after: Position | undefined;
    for (;;) {
      const page = await deliveries.heldKeys(consumer, after, KEYS_PAGE);
      for (const { first, count } of page) {
        this.#held.add(first.key, count);
        this.#held.schedule(first.key, dueOf(first, environment.clock.now()));
      }
      const last = page.at(-1);
      if (last === undefined || page.length < KEYS_PAGE) return;
      after = last.first.position;
    }
  }

  intercept(work: Work): boolean {
    if (!this.#held.has(work.key)) return false;
    this.#held.add(work.key, 1);
    this.#options.settlement.setAside(work, { dueMs: undefined, priority: 0 });
    return true;
  }

  failed(work: Work, delivery: Delivery): void {
    if (work.delivery !== undefined) return;
    this.#held.add(work.key, 1);
    this.#held.schedule(work.key, delivery.dueMs);
    for (const follower of this.#options.lanes.take(work.key)) this.intercept(follower);
  }

  changed(key: string, removed: number): void {
    this.#held.subtract(key, removed);
    if (this.#held.has(key)) void this.#workOff(key);
  }

  stop(): void {
    this.#stopped = true;
    this.#held.clear();
  }

  async #workOff(key: string): Promise<void> {
    if (this.#stopped || !this.#held.activate(key)) return;
    try {
      while (await this.#page(key));
    } catch (error) {
      if (this.#stopped || this.#options.committer.stopped) return;
      this.#options.environment.logger.error({ consumer: this.#options.consumer, key, err: error }, 'deliveries that were set aside could not be read; trying again');
      this.#held.schedule(key, this.#options.environment.clock.now() + 1_000);
    } finally {
      this.#held.deactivate(key);
    }
  }

  /** Works off one page. True when there may be more to do now. */
  async #page(key: string): Promise<boolean> {
    const { deliveries, consumer, committer, environment } = this.#options;
    await committer.flush();
    const counted = this.#held.added(key);
    const page = await deliveries.list({ consumer, key, limit: PAGE });
    if (page.length === 0) {
      // An event that was set aside while this was read is there after the next flush.
      if (this.#held.added(key) !== counted) return true;
      this.#held.empty(key);
      return false;
    }
    for (const delivery of page) {
      if (this.#stopped) return false;
      const dueMs = dueOf(delivery, environment.clock.now());
      if (delivery.state === 'parked') return false;
      if (dueMs !== undefined && dueMs > environment.clock.now()) {
        this.#held.schedule(key, dueMs);
        return false;
      }
      const failed = await this.#handle(delivery);
      if (failed !== undefined) {
        this.#held.schedule(key, failed.dueMs);
        return false;
      }
    }
    return true;
  }

  async #handle(delivery: Delivery): Promise<Delivery | undefined> {
    const event = await eventOf(this.#options.log, delivery);
    if (event === undefined) {
      this.#options.settlement.gone(delivery);
    } else {
      const failed = await this.#options.run({ event, key: delivery.key, pending: undefined, delivery });
      if (failed !== undefined || this.#stopped) return failed;
    }
    this.#held.subtract(delivery.key, 1);
    return undefined;
  }
}

/** When the delivery may be attempted: undefined for a parked one, now for one that only waited behind others. */
function dueOf(delivery: Delivery, nowMs: number): number | undefined {
  return delivery.state === 'parked' ? undefined : (delivery.dueMs ?? nowMs);
}
