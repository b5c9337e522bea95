import assert from 'node:assert/strict';
import { Closed, StoreReadOnly } from '../errors.ts';
import { position, START } from '../event/position.ts';
import type { Store } from '../store.ts';
import { putRows, sampleConsumer, sampleRow, sampleUnit } from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import {
  accepted,
  casesOn,
  casesOverReopen,
  claimed,
  idsOf,
  record,
  recordOne,
  sampleEvent,
  sampleEvents,
} from './samples.ts';

type Bodies = Parameters<typeof casesOn>[1];
type Call = (store: Store) => Promise<unknown>;

async function* nothing(): AsyncGenerator<readonly unknown[], void, undefined> {}

const WRITES: Readonly<Record<string, Call>> = {
  'log.append': ({ log }) => log.append(claimed(sampleEvent('late'))),
  'log.truncateStream': ({ log }) => log.truncateStream('order-1', 2),
  'log.deleteStream': ({ log }) => log.deleteStream('order-1'),
  'log.trim': ({ log }) => log.trim({ category: 'order', keepNewest: 0, notAbove: position(1), keep: [], limit: 1 }),
  'schemas.put': ({ schemas }) =>
    schemas.put([
      {
        type: 't',
        version: 1,
        summary: undefined,
        vendor: 'v',
        jsonSchema: undefined,
        onInvalid: 'reject',
        registeredMs: 0,
      },
    ]),
  'checkpoints.put': ({ checkpoints }) => checkpoints.put(sampleConsumer('c')),
  'checkpoints.remove': ({ checkpoints }) => checkpoints.remove('c'),
  'rows.clear': ({ rows }) => rows.clear('n'),
  'image.fill': ({ image }) => image.fill(nothing()),
  'unitOfWork.commit': ({ unitOfWork }) => unitOfWork.commit(sampleUnit({ rows: [sampleRow('k', 'late')] })),
};

const READS: Readonly<Record<string, Call>> = {
  'log.read': ({ log }) => log.read({ limit: 1 }),
  'log.readStream': ({ log }) => log.readStream('order-1', { limit: 1 }),
  'log.streamState': ({ log }) => log.streamState('order-1'),
  'log.listStreams': ({ log }) => log.listStreams({ limit: 1 }),
  'log.find': ({ log }) => log.find('/contract', 'e1'),
  'log.head': ({ log }) => log.head(),
  'log.positionBefore': ({ log }) => log.positionBefore(0),
  'log.count': ({ log }) => log.count(START, position(1), 1),
  'schemas.list': ({ schemas }) => schemas.list(),
  'checkpoints.load': ({ checkpoints }) => checkpoints.load('c'),
  'checkpoints.list': ({ checkpoints }) => checkpoints.list(),
  'deliveries.get': ({ deliveries }) => deliveries.get('c', position(1)),
  'deliveries.list': ({ deliveries }) => deliveries.list({ limit: 1 }),
  'deliveries.heldKeys': ({ deliveries }) => deliveries.heldKeys('c', undefined, 1),
  'deliveries.countOfKey': ({ deliveries }) => deliveries.countOfKey('c', 'k', 'waiting'),
  'deliveries.due': ({ deliveries }) => deliveries.due('c', 1, 1),
  'deliveries.nextDueMs': ({ deliveries }) => deliveries.nextDueMs('c', 0),
  'deliveries.counts': ({ deliveries }) => deliveries.counts(),
  'deliveries.positions': ({ deliveries }) => deliveries.positions(START, 1),
  'rows.get': ({ rows }) => rows.get('n', 'k'),
  'rows.getMany': ({ rows }) => rows.getMany('n', ['k']),
  'rows.query': ({ rows }) => rows.query('n', { limit: 1 }),
  'rows.count': ({ rows }) => rows.count('n'),
  'image.read': async ({ image }) => {
    for await (const _page of image.read());
  },
};

/** What every store must do as a whole (G1, G10, G13). */
export const storeSuite: ContractSuite = (bench) => [
  ...casesOn(bench, { ...describing, ...closing }),
  ...acceptedBeforeClosing(bench),
  ...casesOn(bench, reading, 'sharedReading'),
];

const describing: Bodies = {
  'says what it is and finds no problems in itself': async (store) => {
    await record(store, ...sampleEvents('e', 10));
    assert.ok(store.backend !== '' && store.location !== '');
    assert.equal(store.readOnly, false);
    for (const thorough of [false, true]) {
      const { backend, readOnly, bytes, schemaVersion, problems } = await store.report(thorough);
      assert.deepEqual({ backend, readOnly, problems }, { backend: store.backend, readOnly: false, problems: [] });
      assert.ok(bytes > 0 && schemaVersion >= 1);
    }
    await store.announce('http://127.0.0.1:4600');
  },

  'declares every capability as yes or no (G13)': async (store) => {
    const { durable, atomicUnits, sharedReading } = store.capabilities;
    assert.deepEqual([typeof durable, typeof atomicUnits, typeof sharedReading], ['boolean', 'boolean', 'boolean']);
  },

  'what waits is bounded, and nothing waits at rest (G10)': async (store) => {
    assert.equal(store.pressure().waiting, 0);
    const appending = Promise.all(
      Array.from({ length: 100 }, (_, index) => store.log.append(claimed(sampleEvent(`e${index}`)))),
    );
    assert.ok(store.pressure().waiting <= store.pressure().limit);
    await appending;
    assert.equal(store.pressure().waiting, 0);
  },

  'two stores share nothing': async (store, bench) => {
    const other = await bench.open();
    await recordOne(store, sampleEvent('e1'));
    await putRows(store, sampleRow('k', 1));
    assert.deepEqual(
      [await other.log.head(), await other.rows.get('n', 'k'), await other.checkpoints.list()],
      [START, undefined, []],
    );
  },
};

const closing: Bodies = {
  'refuses every call after close, and closing again does nothing': async (store) => {
    await recordOne(store, sampleEvent('e1'));
    await Promise.all([store.close(), store.close()]);
    await store.close();
    for (const [name, call] of Object.entries({ ...WRITES, ...READS }))
      await assert.rejects(() => call(store), Closed, name);
    assert.throws(() => store.log.watch(() => {}), Closed);
  },
};

const acceptedBeforeClosing: ContractSuite = (bench) =>
  casesOverReopen(bench, {
    'finishes on close what was accepted before (G1)': async (store, reopen) => {
      await store.checkpoints.put(sampleConsumer('c'));
      const appending = Promise.all(
        Array.from({ length: 50 }, (_, index) => store.log.append(claimed(sampleEvent(`e${index}`)))),
      );
      const committing = store.unitOfWork.commit(
        sampleUnit({ rows: [sampleRow('k', 1)], appends: [claimed(sampleEvent('last'))] }),
      );
      const again = await reopen(store);
      for (const outcome of await appending) accepted(outcome);
      assert.equal((await committing).ok, true);
      assert.equal((await again.log.streamState('order-1')).version, 51);
      assert.equal(await again.rows.get('n', 'k'), 1);
    },

    'a listener of a closed store is told nothing of the next one': async (store, reopen) => {
      let told = 0;
      store.log.watch(() => {
        told += 1;
      });
      const again = await reopen(store);
      await recordOne(again, sampleEvent('e1'));
      assert.equal(told, 0);
    },
  });

const reading: Bodies = {
  'a second opening for reading sees what is committed, also later, and changes nothing': async (store, bench) => {
    assert.ok(bench.openReadOnly !== undefined, 'a backend that declares sharedReading enrols with a readOnly factory');
    await record(store, ...sampleEvents('e', 2));
    await putRows(store, sampleRow('k', 1));
    const reader = await bench.openReadOnly(store);
    assert.equal(reader.readOnly, true);
    assert.deepEqual(idsOf(await reader.log.read({ limit: 10 })), ['e1', 'e2']);
    for (const [name, call] of Object.entries(READS)) await assert.doesNotReject(() => call(reader), name);
    for (const [name, call] of Object.entries(WRITES)) await assert.rejects(() => call(reader), StoreReadOnly, name);
    await recordOne(store, sampleEvent('e3'));
    await putRows(store, sampleRow('k', 2));
    assert.deepEqual(idsOf(await reader.log.read({ limit: 10 })), ['e1', 'e2', 'e3']);
    assert.deepEqual([await reader.rows.get('n', 'k'), (await reader.report(false)).readOnly], [2, true]);
    await reader.close();
    assert.equal((await recordOne(store, sampleEvent('e4'))).version, 4);
  },
};
