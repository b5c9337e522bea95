import type {
  Delivery,
  DeliveryCount,
  DeliveryState,
  DeliveryStore,
  ListDeliveriesOptions,
} from '../../consumer/delivery-store.ts';
import type { Position } from '../../event/position.ts';
import type { Session } from './session.ts';
import { compareText } from './text-order.ts';

/** By consumer, then position. Deliveries are replaced, never changed. */
export type DeliveryContent = Map<string, Map<Position, Delivery>>;

export class MemoryDeliveryStore implements DeliveryStore {
  readonly #content: DeliveryContent;
  readonly #session: Session;

  constructor(content: DeliveryContent, session: Session) {
    this.#content = content;
    this.#session = session;
  }

  async get(consumer: string, position: Position): Promise<Delivery | undefined> {
    this.#session.assertOpen();
    return structuredClone(this.#content.get(consumer)?.get(position));
  }

  async list(options: ListDeliveriesOptions): Promise<readonly Delivery[]> {
    this.#session.assertOpen();
    const { consumer, key, states, after, limit } = options;
    const found = this.#all().filter(
      (delivery) =>
        (consumer === undefined || delivery.consumer === consumer) &&
        (key === undefined || delivery.key === key) &&
        (states?.includes(delivery.state) ?? true) &&
        (after === undefined || byConsumerAndPosition(delivery, after) > 0),
    );
    return structuredClone(found.sort(byConsumerAndPosition).slice(0, limit));
  }

  async heldKeys(
    consumer: string,
    after: string | undefined,
    limit: number,
  ): Promise<readonly { readonly first: Delivery; readonly count: number }[]> {
    this.#session.assertOpen();
    const keys = new Map<string, { readonly first: Delivery; count: number }>();
    for (const delivery of this.#of(consumer).sort(byConsumerAndPosition)) {
      const held = keys.get(delivery.key);
      if (held === undefined) keys.set(delivery.key, { first: delivery, count: 1 });
      else held.count += 1;
    }
    const found = [...keys.values()].filter(({ first }) => after === undefined || compareText(first.key, after) > 0);
    found.sort((left, right) => compareText(left.first.key, right.first.key));
    return structuredClone(found.slice(0, limit));
  }

  async countOfKey(consumer: string, key: string, state: DeliveryState): Promise<number> {
    this.#session.assertOpen();
    return this.#of(consumer).filter((delivery) => delivery.key === key && delivery.state === state).length;
  }

  async due(consumer: string, untilMs: number, limit: number): Promise<readonly Delivery[]> {
    this.#session.assertOpen();
    const found = this.#timed(consumer).filter(({ dueMs }) => dueMs <= untilMs);
    found.sort(
      (left, right) =>
        right.delivery.priority - left.delivery.priority ||
        left.dueMs - right.dueMs ||
        left.delivery.position - right.delivery.position,
    );
    return structuredClone(found.slice(0, limit).map(({ delivery }) => delivery));
  }

  async nextDueMs(consumer: string, afterMs: number): Promise<number | undefined> {
    this.#session.assertOpen();
    let earliest: number | undefined;
    for (const { dueMs } of this.#timed(consumer)) if (dueMs > afterMs) earliest = Math.min(dueMs, earliest ?? dueMs);
    return earliest;
  }

  async counts(): Promise<readonly DeliveryCount[]> {
    this.#session.assertOpen();
    const groups = Map.groupBy(this.#all(), ({ consumer, state }) => JSON.stringify([consumer, state]));
    const counts: DeliveryCount[] = [];
    for (const [first, ...others] of groups.values()) {
      if (first !== undefined) counts.push({ consumer: first.consumer, state: first.state, count: 1 + others.length });
    }
    return counts.sort(
      (left, right) => compareText(left.consumer, right.consumer) || compareText(left.state, right.state),
    );
  }

  async positions(after: Position, limit: number): Promise<readonly Position[]> {
    this.#session.assertOpen();
    const found = new Set(this.#all().map((delivery) => delivery.position));
    return [...found]
      .filter((position) => position > after)
      .sort((left, right) => left - right)
      .slice(0, limit);
  }

  #all(): Delivery[] {
    return [...this.#content.keys()].flatMap((consumer) => this.#of(consumer));
  }

  #of(consumer: string): Delivery[] {
    return [...(this.#content.get(consumer)?.values() ?? [])];
  }

  /** Those that are attempted by time. */
  #timed(consumer: string): { readonly delivery: Delivery; readonly dueMs: number }[] {
    return this.#of(consumer).flatMap((delivery) => {
      const { state, dueMs } = delivery;
      return state === 'parked' || dueMs === undefined ? [] : [{ delivery, dueMs }];
    });
  }
}

type Place = Pick<Delivery, 'consumer' | 'position'>;

function byConsumerAndPosition(left: Place, right: Place): number {
  return compareText(left.consumer, right.consumer) || left.position - right.position;
}
