import type { ConsumerContent } from './checkpoint-store.ts';
import type { DeliveryContent } from './delivery-store.ts';
import type { LogContent } from './log-content.ts';
import { createLogContent } from './log-content.ts';
import type { RowContent } from './row-store.ts';
import type { SchemaContent } from './schema-store.ts';

/** Everything that a memory store holds, open or not. */
export interface MemoryContent {
  readonly log: LogContent;
  readonly schemas: SchemaContent;
  readonly consumers: ConsumerContent;
  readonly deliveries: DeliveryContent;
  readonly rows: RowContent;
}

export function createContent(): MemoryContent {
  return { log: createLogContent(), schemas: new Map(), consumers: new Map(), deliveries: new Map(), rows: new Map() };
}
