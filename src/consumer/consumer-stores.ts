import type { EventLog } from '../channel/event-log.ts';
import type { CheckpointStore } from './checkpoint-store.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { RowStore } from './row-store.ts';
import type { UnitOfWork } from './unit-of-work.ts';
import type { InlineRows } from './inline-rows.ts';
import type { TableStore } from './table-store.ts';
import type { Cluster } from './cluster.ts';

/** The stores that a consumer works with. */
export interface ConsumerStores {
  readonly log: EventLog;
  readonly checkpoints: CheckpointStore;
  readonly deliveries: DeliveryStore;
  readonly rows: RowStore;
  readonly unitOfWork: UnitOfWork;
  /** Undefined: rows follow events afterwards only. */
  readonly inlineRows: InlineRows | undefined;
  readonly tables: TableStore | undefined;
  /** Where several nodes share the work; undefined: this process alone runs the consumers of the store. */
  readonly cluster: Cluster | undefined;
}
