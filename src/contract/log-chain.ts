import assert from 'node:assert/strict';
import { ENTRY_BYTES } from '../channel/log-chain.ts';
import type { LinkQuery } from '../channel/log-chain.ts';
import { position, START } from '../event/position.ts';
import type { Store } from '../store.ts';
import { attestedIn, linksOf, plainLink } from './attested.ts';
import { sampleConsumer, sampleUnit } from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import { given, imageOf } from './image-samples.ts';
import { accepted, casesOn, casesOverReopen, refused, sampleEvent, sampleEvents } from './samples.ts';

/** What every hash chain must do (G14). */
export const logChainSuite: ContractSuite = (bench) => [
  ...casesOn(bench, {
    'a log keeps no chain until one is begun': async (store) => {
      accepted(await store.log.append({ events: sampleEvents('e', 3), onDuplicate: 'verify' }));
      assert.equal(await store.chain.last(), undefined);
      assert.deepEqual(await linksOf(store), []);
    },

    'begins over an empty log, once': async (store) => {
      assert.equal(await store.chain.begin(), true);
      const [first] = await linksOf(store);
      assert.deepEqual([first?.number, first?.kind, first?.place], [1, 'began', START]);
      assert.equal(await store.chain.begin(), false);
      assert.deepEqual(await linksOf(store), [first]);
      const last = await store.chain.last();
      assert.deepEqual(last && plainLink(last), first);
    },

    'attests what is appended, whichever way, each event with everything it is (G14)': async (store) => {
      await store.chain.begin();
      await store.checkpoints.create(sampleConsumer('c'));
      const rich = sampleEvent('rich', {
        subject: 'über\u0000\u0001',
        causationid: 'e1',
        encoding: 'text',
        data: '\u0001漢字\n',
        attributes: { authtype: 'user', authid: 'anna', tags: 'a b', flag: true, weight: 3 },
      });
      const bare = sampleEvent('bare', { encoding: 'none', data: null, subject: undefined });
      accepted(await store.log.append({ events: sampleEvents('e', 3), onDuplicate: 'verify' }));
      accepted(await store.log.append({ events: [rich, bare], onDuplicate: 'verify' }));
      const command = { id: 'k', name: 'do', digest: 'd', outcome: undefined };
      accepted(await store.log.append({ events: [sampleEvent('f1')], command, onDuplicate: 'verify' }));
      const appends = [{ events: sampleEvents('u', 2), onDuplicate: 'keep-first' as const }];
      assert.equal((await store.unitOfWork.commit({ ...sampleUnit(), consumer: 'c', appends })).ok, true);
      await assertAttested(store, 8);
    },

    'attests what was there when it begins, as it was found': async (store, { clock }) => {
      for (let n = 0; n < 5; n += 1) {
        accepted(await store.log.append({ events: sampleEvents(`e${n}-`, 2), onDuplicate: 'verify' }));
        clock.advance(n);
      }
      await store.log.truncateStream('order-1', 4);
      await store.chain.begin();
      accepted(await store.log.append({ events: sampleEvents('f', 2), onDuplicate: 'verify' }));
      const [first] = await linksOf(store);
      assert.deepEqual([first?.kind, first?.place], ['began', 10]);
      await assertAttested(store, 9);
    },

    'attests nothing of what is refused, and nothing twice (G3)': async (store) => {
      await store.chain.begin();
      accepted(await store.log.append({ events: sampleEvents('e', 2), onDuplicate: 'verify' }));
      const wrong = { expected: [{ stream: 'order-1', version: 9 }] };
      const outcomes = await Promise.all([
        store.log.append({ events: [sampleEvent('f1')], onDuplicate: 'verify' }),
        store.log.append({ events: [sampleEvent('g1'), sampleEvent('g2')], ...wrong, onDuplicate: 'verify' }),
        store.log.append({ events: [sampleEvent('e1'), sampleEvent('f2')], onDuplicate: 'verify' }),
        store.log.append({ events: [sampleEvent('e2', { data: '{"other":1}' })], onDuplicate: 'verify' }),
        store.log.append({ events: [sampleEvent('e1')], onDuplicate: 'verify' }),
      ]);
      assert.deepEqual(
        outcomes.map(({ ok }) => ok),
        [true, false, true, false, true],
      );
      assert.equal(refused(outcomes[1]).reason, 'version-conflict');
      await assertAttested(store, 4);
    },

    'attests many writers at once, in the order of the log (G5)': async (store) => {
      await store.chain.begin();
      await Promise.all(
        Array.from({ length: 60 }, (_, n) =>
          store.log.append({
            events: sampleEvents(`w${n}-`, 1 + (n % 3)).map((event) => ({ ...event, stream: `order-${n % 7}` })),
            onDuplicate: 'verify',
          }),
        ),
      );
      await assertAttested(store, 120);
    },

    'attests what is removed, by whatever removes it': async (store) => {
      await store.chain.begin();
      accepted(await store.log.append({ events: sampleEvents('e', 6), onDuplicate: 'verify' }));
      const others = sampleEvents('f', 4).map((event) => ({ ...event, stream: 'bill-1' }));
      accepted(await store.log.append({ events: others, onDuplicate: 'verify' }));
      assert.equal(await store.log.truncateStream('order-1', 3), 2);
      const trim = { category: 'bill', keepNewest: 1, notAbove: position(10), keep: [position(8)], limit: 100 };
      assert.equal((await store.log.trim(trim)).removed, 2);
      await assertAttested(store, 6, 4);
      assert.equal(await store.log.deleteStream('order-1'), 4);
      assert.equal(await store.log.deleteStream('order-1'), 0);
      await assertAttested(store, 2, 8);
      assert.deepEqual(
        (await linksOf(store)).filter(({ kind }) => kind === 'removed'),
        (await store.chain.links({ after: 0, limit: 100, maxBytes: 1e6, kind: 'removed' })).map(plainLink),
      );
    },

    'answers links in pages, bounded in number and bytes (G10)': async (store) => {
      await store.chain.begin();
      for (let n = 0; n < 4; n += 1)
        accepted(await store.log.append({ events: sampleEvents(`e${n}-`, 3), onDuplicate: 'verify' }));
      const all = await linksOf(store);
      assert.equal(all.length, 5);
      const page = async (query: Omit<LinkQuery, 'kind'>) => (await store.chain.links(query)).map(plainLink);
      assert.deepEqual(await page({ after: 1, limit: 2, maxBytes: 1e6 }), all.slice(1, 3));
      // Ends with the link that makes it so large.
      assert.deepEqual(await page({ after: 1, limit: 9, maxBytes: 4 * ENTRY_BYTES }), all.slice(1, 3));
      assert.deepEqual(await page({ after: 5, limit: 9, maxBytes: 1 }), []);
    },

    'is the same chain in another store: an image holds it (G13)': async (store) => {
      await store.chain.begin();
      accepted(await store.log.append({ events: sampleEvents('e', 3), onDuplicate: 'verify' }));
      await store.log.truncateStream('order-1', 2);
      const image = await imageOf(store);
      const moved = await bench.open();
      await moved.image.fill(given(image));
      assert.deepEqual(await linksOf(moved), await linksOf(store));
      accepted(await moved.log.append({ events: [sampleEvent('f1')], onDuplicate: 'verify' }));
      await assertAttested(moved, 3, 1);
    },
  }),
  ...casesOverReopen(bench, {
    'goes on where it was when the store is opened again, whoever asked for it (G1, G14)': async (store, reopen) => {
      await store.chain.begin();
      accepted(await store.log.append({ events: sampleEvents('e', 3), onDuplicate: 'verify' }));
      const before = await linksOf(store);
      const again = await reopen(store);
      assert.deepEqual(await linksOf(again), before);
      accepted(await again.log.append({ events: sampleEvents('f', 2), onDuplicate: 'verify' }));
      assert.equal(await again.chain.begin(), false);
      await assertAttested(again, 5);
    },
  }),
];

/** The chain holds, and attests exactly the events that are there, and as many that were removed. */
async function assertAttested(store: Store, events: number, removed = 0): Promise<void> {
  const found = await attestedIn(store);
  assert.deepEqual([found.present.length, found.removed.length], [events, removed], 'present and removed');
}
