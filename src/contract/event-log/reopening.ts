import assert from 'node:assert/strict';
import { position } from '../../event/position.ts';
import type { ContractSuite } from '../contract-case.ts';
import { casesOverReopen, idsOf, record, recordOne, refused, sampleEvent, sampleEvents, wholeLog } from '../samples.ts';

/** What a log knows after it was closed and opened again (G1, G2). */
export const reopeningCases: ContractSuite = (bench) =>
  casesOverReopen(bench, {
    'what was acknowledged is there after closing and opening again (G1)': async (store, reopen) => {
      const attributes = { tenant: 'ä', flag: true, count: 3 };
      await record(
        store,
        ...sampleEvents('e', 5, { attributes, subject: 's' }),
        sampleEvent('t', { encoding: 'text', data: '\u0000', stream: 'b' }),
      );
      const before = await wholeLog(store);
      const streams = await store.log.listStreams({ limit: 10 });
      const head = await store.log.head();
      const again = await reopen(store);
      assert.deepEqual(await wholeLog(again), before);
      assert.deepEqual(await again.log.listStreams({ limit: 10 }), streams);
      assert.equal(await again.log.head(), head);
      assert.equal((await again.log.find('/contract', 'e3'))?.version, 3);
    },

    'known identities, versions and deletions outlive closing (G2, G4, ES9)': async (store, reopen) => {
      const places = await record(store, ...sampleEvents('e', 3));
      await recordOne(store, sampleEvent('gone', { stream: 'order-2' }));
      await store.log.deleteStream('order-2');
      await store.log.trim({
        category: 'order',
        keepNewest: 1,
        notAbove: position(Number.MAX_SAFE_INTEGER),
        keep: [],
        limit: 100,
      });
      const again = await reopen(store);
      assert.deepEqual(
        await record(again, ...sampleEvents('e', 3)),
        places.map((place) => ({ ...place, duplicate: true })),
      );
      const other = refused(
        await again.log.append({ events: [sampleEvent('e1', { data: '0' })], onDuplicate: 'verify' }),
      );
      assert.deepEqual(
        [other.reason, other.reason === 'content-conflict' && other.differs],
        ['content-conflict', ['content']],
      );
      assert.equal(
        refused(await again.log.append({ events: [sampleEvent('x', { stream: 'order-2' })], onDuplicate: 'verify' }))
          .reason,
        'stream-deleted',
      );
      assert.equal((await recordOne(again, sampleEvent('e4'))).version, 4);
      assert.deepEqual(idsOf(await again.log.read({ limit: 10 })), ['e3', 'e4']);
    },

    'positions and recorded time go on above what they were, also when the log was emptied (G5)': async (
      store,
      reopen,
      { clock },
    ) => {
      const last = (await record(store, ...sampleEvents('e', 3))).at(-1);
      assert.ok(last !== undefined);
      await store.log.truncateStream('order-1', 100);
      clock.advance(-60_000);
      const again = await reopen(store);
      assert.equal(await again.log.head(), last.position);
      const next = await recordOne(again, sampleEvent('next'));
      assert.ok(next.position > last.position, 'positions are not used again');
      assert.deepEqual([next.version, next.recordedMs], [4, last.recordedMs]);
    },
  });
