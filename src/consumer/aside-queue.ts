import type { EventLog } from '../channel/event-log.ts';
import { InvalidInput } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import type { CancelTimer } from '../system/clock.ts';
import { instantAfter } from '../system/duration.ts';
import type { Environment } from '../system/environment.ts';
import { eventOf } from './aside.ts';
import type { Aside } from './aside.ts';
import type { Committer } from './committer.ts';
import type { DueDeliveries } from './cluster.ts';
import type { Delivery, DeliveryStore } from './delivery-store.ts';
import type { Work } from './key-queues.ts';
import type { Reaction } from './reaction.ts';
import type { Settlement } from './settlement.ts';

export interface QueueAsideOptions {
  readonly reaction: Reaction;
  readonly environment: Environment;
  readonly deliveries: DeliveryStore;
  /** Those of the lanes that this node has. */
  readonly due: DueDeliveries;
  readonly log: EventLog;
  readonly committer: Committer;
  readonly settlement: Settlement;
  /** Deliveries in work at once. */
  readonly limit: number;
  submit(work: Work): void;
}

/** Deliveries looked at beyond the room there is, because some may be in work already. */
const MARGIN = 64;

/**
 * A queue's deliveries that are not due yet, are to be repeated, or stand in order of priority: each by itself.
 *
 * Invariants
 * 1. A delivery is in work at most once; it leaves `inWork` when the store knows its outcome. What was read before that is not believed.
 * 2. While a stored delivery is due and there is room, it is submitted, highest priority first.
 * 3. With room, a timer is set for the first delivery that is not due yet; without, the end of some work looks again. Nothing polls.
 */
export class QueueAside implements Aside {
  readonly #options: QueueAsideOptions;
  readonly #inWork = new Set<Position>();
  /** Claims that were written down: in the hands of receivers, who ask for as many as they like. */
  readonly #adopted = new Set<Position>();
  /** Deliveries that left work since the store was last asked what is due. */
  readonly #left = new Set<Position>();
  #stored = 0;
  #cancel: CancelTimer | undefined;
  #wakeMs = 0;
  #pumping: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(options: QueueAsideOptions) {
    this.#options = options;
  }

  /** What is stored costs no memory. */
  readonly full = undefined;

  get busy(): boolean {
    return this.#pumping !== undefined;
  }

  get timed(): boolean {
    return this.#cancel !== undefined;
  }

  async load(): Promise<void> {
    const counts = await this.#options.deliveries.counts();
    this.#stored = counts
      .filter(({ consumer, state }) => consumer === this.#options.reaction.name && state !== 'parked')
      .reduce((sum, { count }) => sum + count, 0);
    this.pump();
  }

  intercept(work: Work): boolean {
    const { reaction, environment, settlement } = this.#options;
    if (reaction.priorityOf === undefined && reaction.delayMsOf === undefined) return false;
    const nowMs = environment.clock.now();
    const delayMs = reaction.delayMsOf?.(work.event) ?? 0;
    // Recorded time never falls, not even when the clock is set back: without a delay an event is due in any case.
    const dueMs = instantAfter(Math.min(work.event.recordedMs, nowMs), delayMs);
    if (reaction.priorityOf === undefined && dueMs <= nowMs) return false;
    const priority: unknown = reaction.priorityOf?.(work.event) ?? 0;
    if (typeof priority !== 'number' || !Number.isFinite(priority))
      throw new InvalidInput({ path: 'priority', expected: 'a finite number', found: priority });
    this.#stored += 1;
    settlement.setAside(work, { dueMs, priority });
    this.#wake(dueMs);
    this.pump();
    return true;
  }

  failed(work: Work, delivery: Delivery): void {
    if (work.delivery === undefined && delivery.state !== 'parked') this.#stored += 1;
    if (work.delivery !== undefined && delivery.state === 'parked') this.#stored -= 1;
    if (delivery.dueMs !== undefined) this.#wake(delivery.dueMs);
    // The store may show it before it says that it is written: it was not in work as a delivery, and would be taken twice.
    this.#inWork.add(delivery.position);
    void this.#settled(delivery.position);
  }

  /** Work under way was written down as a delivery. */
  adopt(delivery: Delivery): void {
    this.#stored += 1;
    this.#adopted.add(delivery.position);
  }

  /** Work of a stored delivery succeeded. */
  done(delivery: Delivery): void {
    this.#stored -= 1;
    void this.#settled(delivery.position);
  }

  changed(_key: string, removed: number): void {
    // Parked ones are not counted: a removed one leaves, a retried one comes back.
    if (removed === 0) this.#stored += 1;
    this.pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Submits what is due, as far as there is room; then sleeps until something else comes due. */
  pump(): void {
    if (this.#stopped || this.#stored <= 0) return;
    if (this.#pumping !== undefined) {
      this.#again = true;
      return;
    }
    this.#pumping = this.#pump().finally(() => {
      this.#pumping = undefined;
      if (this.#again) {
        this.#again = false;
        this.pump();
      }
    });
  }

  get #room(): number {
    return this.#options.limit - this.#inWork.size;
  }

  async #pump(): Promise<void> {
    const { reaction, due: waiting, environment, committer } = this.#options;
    try {
      await committer.flush();
      if (this.#room <= 0) return;
      this.#left.clear();
      const nowMs = environment.clock.now();
      const due = await waiting.due(reaction.name, nowMs, this.#room + this.#inWork.size + this.#adopted.size + MARGIN);
      await this.#submit(this.#choose(due));
      const nextMs = await waiting.nextDueMs(reaction.name, nowMs);
      if (nextMs !== undefined) this.#wake(nextMs);
    } catch (error) {
      if (this.#stopped || committer.stopped) return;
      environment.logger.error(
        { consumer: reaction.name, err: error },
        'due deliveries could not be read; trying again',
      );
      this.#wake(environment.clock.now() + 1_000);
    }
  }

  /** Those that there is room for, in work from now on. What left work since it was read has another outcome by now. */
  #choose(due: readonly Delivery[]): readonly Delivery[] {
    if (this.#stopped) return [];
    const chosen = due
      .filter(
        ({ position }) => !this.#inWork.has(position) && !this.#adopted.has(position) && !this.#left.has(position),
      )
      .slice(0, Math.max(0, this.#room));
    for (const { position } of chosen) this.#inWork.add(position);
    return chosen;
  }

  async #submit(chosen: readonly Delivery[]): Promise<void> {
    const events = await this.#read(chosen);
    if (this.#stopped) return;
    for (const [index, delivery] of chosen.entries()) {
      const event = events[index];
      if (event === undefined) {
        this.#options.settlement.gone(delivery);
        this.done(delivery);
      } else {
        this.#options.submit({ event, key: delivery.key, pending: undefined, delivery, ended: undefined });
      }
    }
  }

  async #read(chosen: readonly Delivery[]): Promise<readonly (RecordedEvent | undefined)[]> {
    try {
      return await Promise.all(chosen.map((delivery) => eventOf(this.#options.log, delivery)));
    } catch (error) {
      for (const { position } of chosen) this.#inWork.delete(position);
      throw error;
    }
  }

  /** Pumps at that instant, or earlier where that was asked for before. */
  #wake(atMs: number): void {
    if (this.#stopped || (this.#cancel !== undefined && this.#wakeMs <= atMs)) return;
    this.#cancel?.();
    this.#wakeMs = atMs;
    this.#cancel = this.#options.environment.clock.setTimer(atMs - this.#options.environment.clock.now(), () => {
      this.#cancel = undefined;
      this.pump();
    });
  }

  async #settled(position: Position): Promise<void> {
    try {
      // Before the store knows the outcome it would be found due again.
      await this.#options.committer.flush();
    } catch {
      // The committer was stopped: the loop is over, and its successor reads the store anew.
      return;
    }
    this.#inWork.delete(position);
    this.#adopted.delete(position);
    this.#left.add(position);
    this.pump();
  }
}
