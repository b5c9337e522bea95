import type { CompiledSelection } from '../channel/selection.ts';
import type { Cause } from '../event/create-event.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import type { PublishOptions } from '../schema/encode.ts';
import type { Logger } from '../system/logger.ts';
import type { LoopLimits } from './loop-guard.ts';
import type { IndexValue } from './row-store.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** Where a consumer begins that the store does not know yet. */
export type ConsumerStart = 'beginning' | 'end' | { readonly position: Position } | { readonly time: string | Date };

/** How events are told apart for ordering: one after another per key, or each by itself. */
export type DeliveryMode = 'ordered' | 'queue';

/** One event in the hands of a handler, and what it may ask for. Fulfilled by Attempt. */
export interface Handling {
  readonly event: RecordedEvent;
  /** Attempts at this event so far, this one included. */
  readonly number: number;
  readonly key: string;
  readonly idempotencyKey: string;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly cause: Cause;
  /** The state of the key, as the handling of the key's earlier events left it. */
  readonly state: JsonValue | undefined;
  setState(value: JsonValue | undefined): void;
  publish(definition: EventDefinition, data: unknown, options?: PublishOptions): Promise<{ readonly id: string }>;
  append(event: EncodedEvent): void;
}

/** State that belongs to a key: a row in a namespace, with the row's declared indexes. */
export interface KeyedState {
  readonly namespace: string;
  initial(): JsonValue | undefined;
  readonly indexNames: readonly string[];
  indexes(value: JsonValue): Readonly<Record<string, IndexValue>>;
}

/**
 * What the delivery engine runs. Consumers, projections and automations are all turned into this, and so have the same
 * guarantees, figures, dead letters, pause and replay.
 */
export interface Reaction {
  readonly name: string;
  readonly kind: 'consumer' | 'projection' | 'automation' | 'system';
  readonly summary: string | undefined;
  readonly selection: CompiledSelection;
  /** What the catalog shows: which types it reacts to (undefined: all) and which it publishes. */
  readonly consumes: readonly string[] | undefined;
  readonly publishes: readonly EventDefinition[];
  /** When its runs are taken for a loop; undefined: never, because it publishes nothing. */
  readonly loops: LoopLimits | undefined;
  readonly start: ConsumerStart;
  readonly mode: DeliveryMode;
  /** How many keys (queue: events) may be handled at the same time. */
  readonly concurrency: number;
  readonly retry: RetryPolicy;
  /** Of one attempt; undefined: none. */
  readonly timeoutMs: number | undefined;
  readonly state: KeyedState | undefined;
  readonly keyOf: (event: RecordedEvent) => string;
  /** As `keyedBy` says of the function that makes its keys: two programs with different ones must not share a consumer's lanes. */
  readonly keyedBy: string;
  /** Queue mode: higher first; undefined: log order. */
  readonly priorityOf: ((event: RecordedEvent) => number) | undefined;
  /** Queue mode: how long after it was recorded an event is to be handled, in milliseconds. */
  readonly delayMsOf: ((event: RecordedEvent) => number) | undefined;
  /** Undefined: events are received and acknowledged one by one through a queue. */
  readonly handle: ((handling: Handling) => void | Promise<void>) | undefined;
}

/** Consumer names are part of ids, streams and addresses. */
export const CONSUMER_NAME = /^[\p{L}\p{N}][\p{L}\p{N}._:-]{0,199}$/u;
