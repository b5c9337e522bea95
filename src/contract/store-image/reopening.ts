import assert from 'node:assert/strict';
import type { ContractSuite } from '../contract-case.ts';
import { assertSameImage, given, holdingEverything, imageOf } from '../image-samples.ts';
import { casesOverReopen, record, sampleEvents } from '../samples.ts';

export const reopeningCases: ContractSuite = (bench) =>
  casesOverReopen(bench, {
    'what was filled in is there after closing and opening again (G1)': async (store, reopen) => {
      await holdingEverything(store);
      const image = await imageOf(store);
      const other = await bench.open();
      await other.image.fill(given(image));
      assertSameImage(await imageOf(await reopen(other)), image);
    },

    'a store that is closed while it is filled holds nothing': async (store, reopen) => {
      await holdingEverything(store);
      const image = await imageOf(store);
      const other = await bench.open();
      const waiting = Promise.withResolvers<void>();
      const endless = async function* () {
        yield image.slice(0, 100);
        waiting.resolve();
        await new Promise<never>(() => {});
      };
      other.image.fill(endless()).catch(() => {});
      await waiting.promise;
      const again = await reopen(other);
      assert.equal((await imageOf(again)).length, 2);
      await again.image.fill(given(image));
      assertSameImage(await imageOf(again), image);
    },

    'a store that is closed while it is read lets go': async (store, reopen) => {
      await record(store, ...sampleEvents('e', 3_000));
      const pages = store.image.read()[Symbol.asyncIterator]();
      await pages.next();
      const again = await reopen(store);
      assert.equal(await again.log.head(), 3_000);
      await assert.rejects(async () => {
        for (let next = await pages.next(); next.done !== true; next = await pages.next());
      });
    },
  });
