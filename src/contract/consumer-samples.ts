import assert from 'node:assert/strict';
import type { Checkpoint, ConsumerRecord } from '../consumer/checkpoint-store.ts';
import type { Delivery } from '../consumer/delivery-store.ts';
import type { IndexValue, RowWrite } from '../consumer/row-store.ts';
import type { Unit, UnitOutcome } from '../consumer/unit-of-work.ts';
import type { JsonValue } from '../event/json.ts';
import { position, START } from '../event/position.ts';
import type { Store } from '../store.ts';
import { BENCH_START_MS } from './bench-clock.ts';

export function sampleConsumer(consumer: string, overrides: Partial<ConsumerRecord> = {}): ConsumerRecord {
  const checkpoint: Checkpoint = { low: START, done: [] };
  return {
    consumer,
    form: {
      kind: 'consumer',
      mode: 'ordered',
      types: undefined,
      indexes: [],
      version: undefined,
      tables: undefined,
      keyedBy: 'ordering-key',
      keeps: undefined,
      looksFor: undefined,
      began: undefined,
      missed: undefined,
      replayed: undefined,
      build: undefined,
      built: undefined,
      indexing: false,
    },
    checkpoint,
    paused: undefined,
    createdMs: BENCH_START_MS,
    updatedMs: BENCH_START_MS,
    ...overrides,
  };
}

/** A first failure, to be attempted again a second later. */
export function sampleDelivery(at: number, overrides: Partial<Delivery> = {}): Delivery {
  return {
    consumer: 'c',
    position: position(at),
    key: 'k',
    state: 'retrying',
    attempts: 1,
    firstFailedMs: BENCH_START_MS,
    lastFailedMs: BENCH_START_MS,
    dueMs: BENCH_START_MS + 1_000,
    priority: 0,
    error: undefined,
    edited: undefined,
    taken: undefined,
    ...overrides,
  };
}

export function sampleRow(
  key: string,
  value: JsonValue | undefined,
  indexes: Readonly<Record<string, IndexValue>> = {},
  namespace = 'n',
): RowWrite {
  return { namespace, key, value, indexes };
}

/** A unit of consumer `c` that changes nothing but what a case says. */
export function sampleUnit(changes: Partial<Unit> = {}): Unit {
  return {
    consumer: 'c',
    checkpoint: undefined,
    appends: [],
    rows: [],
    deliveries: { put: [], remove: [] },
    ...changes,
  };
}

/** Commits a unit that nothing stands against; makes its consumer known first. */
export async function commit(store: Store, changes: Partial<Unit>): Promise<UnitOutcome & { readonly ok: true }> {
  const unit = sampleUnit(changes);
  if ((await store.checkpoints.load(unit.consumer)) === undefined)
    await store.checkpoints.put(sampleConsumer(unit.consumer));
  const outcome = await store.unitOfWork.commit(unit);
  assert.ok(outcome.ok, `the unit was to be accepted, found ${JSON.stringify(outcome)}`);
  return outcome;
}

export async function putRows(store: Store, ...rows: readonly RowWrite[]): Promise<void> {
  await commit(store, { rows });
}

/** Puts deliveries, each under the consumer that it names. */
export async function putDeliveries(store: Store, ...deliveries: readonly Delivery[]): Promise<void> {
  for (const [consumer, put] of Map.groupBy(deliveries, (delivery) => delivery.consumer)) {
    await commit(store, { consumer, deliveries: { put, remove: [] } });
  }
}
