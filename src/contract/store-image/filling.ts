import assert from 'node:assert/strict';
import { position } from '../../event/position.ts';
import { BENCH_START_MS } from '../bench-clock.ts';
import { commit, sampleDelivery, sampleRow } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { assertSameImage, given, holdingEverything, imageOf } from '../image-samples.ts';
import { casesOn, claimed, idsOf, record, recordOne, refused, sampleEvent, sampleEvents } from '../samples.ts';

type Bodies = Parameters<typeof casesOn>[1];

export const fillingCases: ContractSuite = (bench) => casesOn(bench, filling);

const filling: Bodies = {
  'what was filled in is read again, record by record (G13)': async (store, bench) => {
    await holdingEverything(store);
    const image = await imageOf(store);
    const other = await bench.open();
    const end = image.at(-1);
    assert.deepEqual(await other.image.fill(given(image)), end?.kind === 'end' ? end.counts : undefined);
    assertSameImage(await imageOf(other), image);
    assert.deepEqual((await other.report(true)).problems, []);
  },

  'a filled store goes on where the other was: positions, versions, times (G2, G4, G5)': async (store, bench) => {
    await holdingEverything(store);
    const other = await bench.open();
    await other.image.fill(given(await imageOf(store)));
    bench.clock.set(BENCH_START_MS - 1_000);
    for (const each of [store, other]) {
      const place = await recordOne(each, sampleEvent('next'));
      assert.deepEqual([place.position, place.version, place.recordedMs], [209, 201, BENCH_START_MS]);
      assert.equal((await recordOne(each, sampleEvent('f6', { stream: 'kept-1' }))).version, 6);
      // Present, removed, and of another content.
      const repeated = await record(
        each,
        sampleEvent('e200', { subject: 'order-1' }),
        sampleEvent('e1', { subject: 'order-1' }),
      );
      assert.deepEqual(
        repeated.map((one) => [one.position, one.version, one.duplicate]),
        [
          [200, 200, true],
          [1, 1, true],
        ],
      );
      for (const id of ['e200', 'e1'])
        assert.equal(
          refused(await each.log.append(claimed(sampleEvent(id, { data: '{}' })))).reason,
          'content-conflict',
        );
      for (const stream of ['gone-1', 'never-1'])
        assert.equal(refused(await each.log.append(claimed(sampleEvent('x', { stream })))).reason, 'stream-deleted');
    }
    assertSameImage(await imageOf(other), await imageOf(store));
  },

  'streams are read as before, forward, backward and from every version (ES25)': async (store, bench) => {
    await holdingEverything(store);
    const other = await bench.open();
    await other.image.fill(given(await imageOf(store)));
    for (const stream of ['order-1', 'kept-1', 'cart-\uffee', 'gone-1', 'never-1']) {
      assert.deepEqual(await other.log.streamState(stream), await store.log.streamState(stream), stream);
      for (const direction of ['forward', 'backward'] as const)
        for (const fromVersion of [1, 3, 4, 64, 128, 149, 150, 151, 192, 200])
          for (const limit of [1, 70, 1_000]) {
            const options = { direction, fromVersion, limit };
            const [found, expected] = [
              await other.log.readStream(stream, options),
              await store.log.readStream(stream, options),
            ];
            assert.deepEqual(idsOf(found), idsOf(expected), JSON.stringify([stream, options]));
          }
    }
    // Another trim finds what was left by the first one.
    for (const each of [store, other]) {
      const request = { category: 'kept', keepNewest: 0, notAbove: position(208), keep: [], limit: 10 };
      assert.deepEqual(await each.log.trim(request), { removed: 2, more: false, protected: 0 });
    }
    assertSameImage(await imageOf(other), await imageOf(store));
  },

  'consumers, deliveries and rows are changed as before (G6)': async (store, bench) => {
    await holdingEverything(store);
    const other = await bench.open();
    await other.image.fill(given(await imageOf(store)));
    for (const each of [store, other]) {
      await commit(each, {
        checkpoint: { low: position(9), done: [] },
        rows: [sampleRow('k', 2, { i: 2 }), sampleRow('z', 3), sampleRow('', undefined)],
        deliveries: { put: [sampleDelivery(1)], remove: [position(206)] },
      });
      const ordered = await each.rows.query('n', { orderBy: { index: 'i', direction: 'asc' }, limit: 10 });
      assert.deepEqual(
        ordered.map(({ key }) => key),
        ['z', 'k'],
      );
      assert.deepEqual(
        (await each.deliveries.list({ limit: 10 })).map((one) => one.position),
        [-205, 1, 207],
      );
      assert.equal(await each.checkpoints.remove('c'), true);
    }
    assertSameImage(await imageOf(other), await imageOf(store));
  },

  'who follows the log is told how far it is': async (store, bench) => {
    await record(store, ...sampleEvents('e', 3));
    const other = await bench.open();
    const told = new Promise<number>((resolve) => other.log.watch((head) => resolve(head)));
    await other.image.fill(given(await imageOf(store)));
    assert.equal(await told, 3);
    assert.equal((await recordOne(other, sampleEvent('e4'))).position, 4);
  },

  'many streams, each with a few events here and there': async (store, bench) => {
    const events = Array.from({ length: 3_000 }, (_, index) =>
      sampleEvent(`e${index}`, { stream: `s-${(index * 7_919) % 1_000}` }),
    );
    await record(store, ...events);
    const other = await bench.open();
    await other.image.fill(given(await imageOf(store)));
    assertSameImage(await imageOf(other), await imageOf(store));
    assert.deepEqual(await other.log.listStreams({ limit: 5_000 }), await store.log.listStreams({ limit: 5_000 }));
  },
};
