import type { CheckpointStore, ConsumerRecord } from '../../consumer/checkpoint-store.ts';
import type { DeliveryContent } from './delivery-store.ts';
import type { Session } from './session.ts';
import { compareText } from './text-order.ts';

/** By name. Records are replaced, never changed. */
export type ConsumerContent = Map<string, ConsumerRecord>;

export class MemoryCheckpointStore implements CheckpointStore {
  readonly #content: ConsumerContent;
  readonly #deliveries: DeliveryContent;
  readonly #session: Session;

  constructor(content: ConsumerContent, deliveries: DeliveryContent, session: Session) {
    this.#content = content;
    this.#deliveries = deliveries;
    this.#session = session;
  }

  async load(consumer: string): Promise<ConsumerRecord | undefined> {
    this.#session.assertOpen();
    return structuredClone(this.#content.get(consumer));
  }

  async list(): Promise<readonly ConsumerRecord[]> {
    this.#session.assertOpen();
    return structuredClone([...this.#content.values()]).sort((left, right) =>
      compareText(left.consumer, right.consumer),
    );
  }

  async put(record: ConsumerRecord): Promise<void> {
    this.#session.assertOpen();
    this.#content.set(record.consumer, structuredClone(record));
  }

  async remove(consumer: string): Promise<boolean> {
    this.#session.assertOpen();
    this.#deliveries.delete(consumer);
    return this.#content.delete(consumer);
  }
}
