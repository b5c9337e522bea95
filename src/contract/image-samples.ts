import assert from 'node:assert/strict';
import { position } from '../event/position.ts';
import type { ImageRecord } from '../image/store-image.ts';
import type { Store } from '../store.ts';
import { BENCH_START_MS } from './bench-clock.ts';
import { commit, sampleConsumer, sampleDelivery, sampleRow } from './consumer-samples.ts';
import { record, sampleEvent, sampleEvents } from './samples.ts';

/** What an image says, as it stands in a file. */
export async function imageOf(store: Store): Promise<readonly ImageRecord[]> {
  const records: ImageRecord[] = [];
  for await (const page of store.image.read()) records.push(...page);
  return JSON.parse(JSON.stringify(records)) as ImageRecord[];
}

/** Rejects images that differ, with the first record that does: all of them at once would be more than anybody reads. */
export function assertSameImage(found: readonly ImageRecord[], expected: readonly ImageRecord[]): void {
  for (const [index, wanted] of expected.entries())
    assert.deepEqual({ number: index + 1, ...found[index] }, { number: index + 1, ...wanted });
  assert.equal(found.length, expected.length);
}

/** A page for each record: every backend has to put them together by itself. */
export async function* given(records: readonly unknown[]): AsyncGenerator<readonly unknown[], void, undefined> {
  for (const one of records) yield [one];
}

/** Something of everything that a store can hold. */
export async function holdingEverything(store: Store): Promise<void> {
  await store.schemas.put([
    { type: 't', version: 1, summary: undefined, vendor: 'v', jsonSchema: null, onInvalid: 'reject', registeredMs: 1 },
    {
      type: 't',
      version: 2,
      summary: 'ü\u0000',
      vendor: 'v',
      jsonSchema: undefined,
      onInvalid: 'warn',
      registeredMs: 2,
    },
  ]);
  await record(store, ...sampleEvents('e', 200, { stream: 'order-1', subject: 'order-1' }));
  await record(
    store,
    sampleEvent('a\u0000', {
      stream: 'cart-\u{1f600}',
      correlationid: 'e1',
      causationid: 'e1',
      encoding: 'text',
      data: '\u0000\u0001',
    }),
    sampleEvent('b', {
      stream: 'cart-\uffee',
      subject: 's',
      attributes: { tenant: 'ä', flag: true, n: 7, tags: 'x:1 ü' },
      encoding: 'base64',
      data: 'AAH/',
    }),
    sampleEvent('c', { source: '/other', stream: 'gone-1', encoding: 'none', data: null, schemaVersion: 0 }),
  );
  const command = { id: 'c\u0000', name: 'do', digest: 'd', outcome: { why: '\u0000' } };
  await store.log.append({ events: [], command, onDuplicate: 'verify' });
  await store.chain.begin();
  await store.log.truncateStream('order-1', 150);
  await store.log.deleteStream('gone-1');
  await store.log.deleteStream('never-1');
  await record(store, ...sampleEvents('f', 5, { stream: 'kept-1' }));
  // Of the third event something is left below the floor of its stream.
  await store.log.trim({ category: 'kept', keepNewest: 1, notAbove: position(208), keep: [position(206)], limit: 10 });
  await store.checkpoints.put(
    sampleConsumer('c', {
      checkpoint: { low: position(3), done: [[position(5), position(8)]] },
      updatedMs: BENCH_START_MS + 7,
    }),
  );
  await store.checkpoints.put(
    sampleConsumer('ü', {
      form: {
        kind: 'projection',
        mode: 'ordered',
        types: ['a', 'b'],
        indexes: ['i'],
        version: 2,
        keyedBy: 'some-digest',
        keeps: { rows: 'state:ü', waitsFor: 'numbers', own: true, left: true },
        looksFor: { 'a rule': null, ü: { after: position(3), atMs: 7 } },
        began: position(3),
        missed: [{ type: 'order.paid', after: position(0), upTo: position(4) }],
        replayed: true,
        build: {
          id: 'b1',
          of: 'c',
          trial: { upTo: position(9) },
          onFailure: 'fail',
          failure: { position: position(4), source: '/s', id: 'e4', type: 'a', key: 'k', error: 'TypeError: ü' },
        },
        built: 'b0',
        indexing: true,
      },
      paused: { sinceMs: BENCH_START_MS, reason: '' },
    }),
  );
  const error = {
    name: 'E',
    message: 'm',
    code: undefined,
    stack: 's',
    cause: { name: 'F', message: '', code: 'x', stack: undefined, cause: undefined },
  };
  await commit(store, {
    rows: [
      sampleRow('k', { a: [1.5, null, '\u0000\u0001'] }, { i: 'x\u0001', j: null }),
      sampleRow('', null, { i: true }),
      sampleRow('l', 1, {}, 'm'),
      sampleRow('gone', 1, { k: 1 }),
    ],
    deliveries: {
      put: [
        sampleDelivery(206, {
          state: 'parked',
          dueMs: undefined,
          error: { ...error, part: { id: 'event 3', what: 'an event', position: position(3) } },
          edited: { data: null, without: ['a'], instead: { b: { c: null } } },
          taken: { watermarkMs: 5, afterMs: null },
        }),
        sampleDelivery(-205, {
          state: 'parked',
          dueMs: undefined,
          taken: { watermarkMs: 5, afterMs: 5, due: true },
        }),
        sampleDelivery(207, {
          key: '\u0001',
          state: 'waiting',
          priority: -0.5,
          firstFailedMs: undefined,
          lastFailedMs: undefined,
          attempts: 0,
        }),
      ],
      remove: [],
    },
  });
  await commit(store, { rows: [sampleRow('gone', undefined)] });
}
