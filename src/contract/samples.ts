import assert from 'node:assert/strict';
import type { Appended, AppendOutcome, AppendRequest } from '../channel/event-log.ts';
import type { EncodedEvent, RecordedEvent, StoredEvent } from '../event/event.ts';
import type { Store } from '../store.ts';
import type { ContractBench, ContractCase } from './contract-case.ts';

/** A complete event of stream `order-1`; what a case is about stands in `overrides`. */
export function sampleEvent(id: string, overrides: Partial<EncodedEvent> = {}): EncodedEvent {
  return {
    id,
    source: '/contract',
    type: 'contract.thing.happened',
    schemaVersion: 1,
    stream: 'order-1',
    subject: undefined,
    time: '2026-01-01T00:00:00Z',
    correlationid: id,
    causationid: undefined,
    encoding: 'json',
    data: '{"n":1}',
    attributes: undefined,
    ...overrides,
  };
}

/** `count` events of one stream with ids `prefix1`, `prefix2` ... */
export function sampleEvents(
  prefix: string,
  count: number,
  overrides: Partial<EncodedEvent> = {},
): readonly EncodedEvent[] {
  return Array.from({ length: count }, (_, index) => sampleEvent(`${prefix}${index + 1}`, overrides));
}

/** Appends events that nothing stands against. */
export async function record(store: Store, ...events: readonly EncodedEvent[]): Promise<readonly Appended[]> {
  return accepted(await store.log.append({ events, onDuplicate: 'verify' }));
}

/** Appends one event that nothing stands against. */
export async function recordOne(store: Store, event: EncodedEvent): Promise<Appended> {
  return only(await record(store, event));
}

/** One event under claims. */
export function claimed(event: EncodedEvent, expected: AppendRequest['expected'] = []): AppendRequest {
  return { events: [event], expected, onDuplicate: 'verify' };
}

export function accepted(outcome: AppendOutcome): readonly Appended[] {
  assert.ok(outcome.ok, `the append was to be accepted, found ${JSON.stringify(outcome)}`);
  return outcome.events;
}

export function refused(outcome: AppendOutcome): AppendOutcome & { readonly ok: false } {
  assert.ok(!outcome.ok, `the append was to be refused, found ${JSON.stringify(outcome)}`);
  return outcome;
}

/** The single item of a list. */
export function only<Item>(items: readonly Item[]): Item {
  const [first] = items;
  assert.ok(first !== undefined && items.length === 1, `expected exactly one item, found ${items.length}`);
  return first;
}

export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items.at(index);
  assert.ok(item !== undefined, `expected an item at ${index}, found ${items.length} items`);
  return item;
}

export function idsOf(events: readonly RecordedEvent[]): readonly string[] {
  return events.map((event) => event.id);
}

/** Every readable event of the log, as stored, in log order. */
export async function wholeLog(store: Store): Promise<readonly StoredEvent[]> {
  const events = await store.log.read({ limit: 10_000 });
  return events.map((event) => event.stored);
}

/** An event without its place: what its producer gave. */
export function withoutPlace(stored: StoredEvent): EncodedEvent {
  const { position: _position, version: _version, recordedMs: _recordedMs, ...event } = stored;
  return event;
}

export type CaseBody = (store: Store, bench: ContractBench) => Promise<void>;

/** Cases that begin with an empty store. */
export function casesOn(
  bench: ContractBench,
  bodies: Readonly<Record<string, CaseBody>>,
  requires?: ContractCase['requires'],
): readonly ContractCase[] {
  return Object.entries(bodies).map(([name, body]) => ({
    name,
    ...(requires === undefined ? {} : { requires }),
    run: async () => body(await bench.open(), bench),
  }));
}

/** Cases about what closing and opening again keeps; none where a backend cannot be reopened. */
export function casesOverReopen(
  bench: ContractBench,
  bodies: Readonly<
    Record<string, (store: Store, reopen: (store: Store) => Promise<Store>, bench: ContractBench) => Promise<void>>
  >,
): readonly ContractCase[] {
  if (bench.reopen === undefined) return [];
  return Object.entries(bodies).map(([name, body]) => ({
    name,
    run: async () => body(await bench.open(), async (store) => (await bench.reopen?.(store)) ?? store, bench),
  }));
}
