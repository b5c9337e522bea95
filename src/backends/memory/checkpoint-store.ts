import { covers, isOfBuild, isReplacing } from '../../consumer/checkpoint-store.ts';
import type {
  CheckpointStore,
  ConsumerRecord,
  RecordChange,
  Removal,
  Replacement,
} from '../../consumer/checkpoint-store.ts';
import { WrongState } from '../../errors.ts';
import type { Position } from '../../event/position.ts';
import type { DeliveryContent } from './delivery-store.ts';
import type { RowContent } from './row-store.ts';
import type { Session } from './session.ts';
import { compareText } from './text-order.ts';

/** By name. Records are replaced, never changed. */
export type ConsumerContent = Map<string, ConsumerRecord>;

export class MemoryCheckpointStore implements CheckpointStore {
  readonly #content: ConsumerContent;
  readonly #deliveries: DeliveryContent;
  readonly #rows: RowContent;
  readonly #session: Session;

  constructor(content: ConsumerContent, deliveries: DeliveryContent, rows: RowContent, session: Session) {
    this.#content = content;
    this.#deliveries = deliveries;
    this.#rows = rows;
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

  async create(record: ConsumerRecord): Promise<ConsumerRecord> {
    this.#session.assertOpen();
    if (!this.#content.has(record.consumer)) this.#content.set(record.consumer, structuredClone(record));
    return structuredClone(this.#content.get(record.consumer) ?? record);
  }

  async put(record: ConsumerRecord): Promise<void> {
    this.#session.assertOpen();
    this.#content.set(record.consumer, structuredClone(record));
  }

  async change(consumer: string, change: RecordChange, updatedMs: number): Promise<ConsumerRecord | undefined> {
    this.#session.assertOpen();
    const record = this.#content.get(consumer);
    const { forget, waitingDueMs, together: _always, ofBuild, ...members } = structuredClone(change);
    if (!isOfBuild(record, { ofBuild })) return undefined;
    const changed = { ...record, ...members, updatedMs };
    this.#content.set(consumer, changed);
    for (const rows of forget?.rows ?? []) this.#rows.delete(rows);
    this.#changeDeliveries(consumer, forget?.above, waitingDueMs);
    return structuredClone(changed);
  }

  #changeDeliveries(consumer: string, forgottenAbove: Position | undefined, waitingDueMs: number | undefined): void {
    const deliveries = this.#deliveries.get(consumer);
    for (const [position, delivery] of deliveries ?? []) {
      if (forgottenAbove !== undefined && position > forgottenAbove) deliveries?.delete(position);
      else if (waitingDueMs !== undefined && delivery.state === 'waiting' && delivery.dueMs === undefined)
        deliveries?.set(position, { ...delivery, dueMs: waitingDueMs });
    }
  }

  async replace(consumer: string, replacement: Replacement, updatedMs: number): Promise<ConsumerRecord | undefined> {
    this.#session.assertOpen();
    const { by, form, rows, ofBuild } = structuredClone(replacement);
    const [record, other] = [this.#content.get(consumer), this.#content.get(by)];
    if (record === undefined || !isReplacing(other, { ofBuild })) return undefined;
    const { checkpoint } = other;
    if (!covers(checkpoint, record.checkpoint)) throw new WrongState(`consumer ${by} is behind ${consumer}`);
    const replaced = { ...record, form, checkpoint, updatedMs };
    this.#content.set(consumer, replaced);
    this.#content.delete(by);
    const deliveries = [...(this.#deliveries.get(by) ?? [])];
    this.#deliveries.delete(by);
    this.#deliveries.set(consumer, new Map(deliveries.map(([at, delivery]) => [at, { ...delivery, consumer }])));
    for (const { from, to } of rows) {
      const renamed = this.#rows.get(from);
      this.#rows.delete(from);
      this.#rows.delete(to);
      if (renamed !== undefined) this.#rows.set(to, renamed);
    }
    return structuredClone(replaced);
  }

  async remove(consumer: string, { ofBuild, rows = [] }: Removal = {}): Promise<boolean> {
    this.#session.assertOpen();
    if (ofBuild !== undefined && !isOfBuild(this.#content.get(consumer), { ofBuild })) return false;
    for (const namespace of rows) this.#rows.delete(namespace);
    this.#deliveries.delete(consumer);
    return this.#content.delete(consumer);
  }
}
