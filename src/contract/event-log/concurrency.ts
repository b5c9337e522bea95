import assert from 'node:assert/strict';
import type { AppendOutcome } from '../../channel/event-log.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { START } from '../../event/position.ts';
import type { Store } from '../../store.ts';
import { waitFor } from '../../system/clock.ts';
import type { ContractSuite } from '../contract-case.ts';
import {
  accepted,
  at,
  casesOn,
  claimed,
  idsOf,
  record,
  recordOne,
  sampleEvent,
  sampleEvents,
  wholeLog,
} from '../samples.ts';

const WRITERS = 50;
const writers = Array.from({ length: WRITERS }, (_, index) => index);

/** Many callers at once: each gets the outcome that is its own (G2–G5). */
export const concurrencyCases: ContractSuite = (bench) =>
  casesOn(bench, {
    'of many appends that expect one version exactly one wins, and the others are told the version it made (G4)':
      async (store) => {
        for (let version = 0; version < 5; version += 1) {
          const outcomes = await Promise.all(
            writers.map((writer) =>
              store.log.append(claimed(sampleEvent(`v${version}-w${writer}`), [{ stream: 'order-1', version }])),
            ),
          );
          assert.equal(outcomes.filter((outcome) => outcome.ok).length, 1, `version ${version}`);
          for (const outcome of outcomes) {
            if (!outcome.ok)
              assert.deepEqual(outcome, {
                ok: false,
                reason: 'version-conflict',
                stream: 'order-1',
                expected: version,
                actual: version + 1,
              });
          }
        }
        assert.deepEqual(
          (await wholeLog(store)).map((event) => event.version),
          [1, 2, 3, 4, 5],
        );
      },

    'writers that try again until their claim holds all get in, and versions stay gapless (G4, G5)': async (store) => {
      await Promise.all(writers.slice(0, 20).map((writer) => appendUntilAccepted(store, `w${writer}`)));
      const events = await wholeLog(store);
      assert.deepEqual(
        events.map((event) => event.version),
        writers.slice(0, 20).map((index) => index + 1),
      );
      assert.equal(new Set(events.map((event) => event.id)).size, 20);
    },

    'an event appended by many at once is stored once, and all are told its place (G2)': async (store) => {
      for (let round = 0; round < 5; round += 1) {
        const outcomes = await Promise.all(
          writers.map(() => store.log.append({ events: [sampleEvent(`e${round}`)], onDuplicate: 'verify' })),
        );
        const places = outcomes.map((outcome) => at(accepted(outcome), 0));
        assert.equal(places.filter((place) => !place.duplicate).length, 1);
        for (const place of places)
          assert.deepEqual({ ...place, duplicate: false }, { ...at(places, 0), duplicate: false });
      }
      assert.deepEqual(idsOf(await store.log.read({ limit: 100 })), ['e0', 'e1', 'e2', 'e3', 'e4']);
    },

    'of many contents under one identity one is stored and the others are refused (G2)': async (store) => {
      const outcomes = await Promise.all(
        writers.map((writer) =>
          store.log.append({ events: [sampleEvent('e1', { data: String(writer) })], onDuplicate: 'verify' }),
        ),
      );
      const winners = outcomes.filter((outcome) => outcome.ok);
      assert.equal(winners.length, 1);
      const { position } = at(accepted(at(winners, 0)), 0);
      for (const outcome of outcomes) {
        if (!outcome.ok)
          assert.deepEqual(outcome, {
            ok: false,
            reason: 'content-conflict',
            source: '/contract',
            id: 'e1',
            position,
            differs: ['data'],
          });
      }
    },

    'batches of concurrent writers lie in the log one after the other, each whole (G3)': async (store) => {
      const batches = writers.map((writer) =>
        sampleEvents(`${writer}/`, 1 + (writer % 7), { stream: `s-${writer % 3}` }),
      );
      await Promise.all(batches.map((events) => store.log.append({ events, onDuplicate: 'verify' })));
      const ids = (await wholeLog(store)).map((event) => event.id);
      assert.equal(ids.length, batches.flat().length);
      for (const batch of batches) {
        const start = ids.indexOf(at(batch, 0).id);
        assert.deepEqual(
          ids.slice(start, start + batch.length),
          batch.map((event) => event.id),
        );
      }
      for (const stream of ['s-0', 's-1', 's-2']) {
        const events = await store.log.readStream(stream, { limit: 1_000 });
        assert.deepEqual(
          events.map((event) => event.version),
          events.map((_, index) => index + 1),
        );
      }
    },

    'one refused writer among many harms no other (G3, G4)': async (store) => {
      await recordOne(store, sampleEvent('first'));
      const outcomes = await Promise.all(
        writers.map((writer) =>
          store.log.append(
            claimed(sampleEvent(`w${writer}`, { stream: `s-${writer}` }), [
              { stream: 'order-1', version: writer % 3 === 0 ? 7 : 1 },
            ]),
          ),
        ),
      );
      assert.deepEqual(
        outcomes.map((outcome) => outcome.ok),
        writers.map((writer) => writer % 3 !== 0),
      );
      const stored = new Set((await wholeLog(store)).map((event) => event.id));
      for (const writer of writers) assert.equal(stored.has(`w${writer}`), writer % 3 !== 0);
    },

    'appends of one caller, not waited for, take effect in the order of the calls (G5)': async (store) => {
      const outcomes = await Promise.all(
        writers.map((writer) =>
          store.log.append(claimed(sampleEvent(`w${writer}`), [{ stream: 'order-1', version: writer }])),
        ),
      );
      assert.deepEqual(
        outcomes.map((outcome) => at(accepted(outcome), 0).version),
        writers.map((writer) => writer + 1),
      );
      assert.deepEqual(
        idsOf(await store.log.read({ limit: 100 })),
        writers.map((writer) => `w${writer}`),
      );
    },

    'a reader that follows the log meanwhile gets every event once, in order, batches whole (G3, G5)': async (
      store,
      { clock },
    ) => {
      const batches = writers.map((writer) => sampleEvents(`${writer}/`, 3, { stream: `s-${writer % 4}` }));
      let done = false;
      const appending = Promise.all(
        batches.map(async (events) => accepted(await store.log.append({ events, onDuplicate: 'verify' }))),
      ).then((outcomes) => {
        done = true;
        return outcomes;
      });
      const seen: RecordedEvent[] = [];
      let last = false;
      while (!last) {
        last = done;
        const page = await store.log.read({ after: seen.at(-1)?.position ?? START, limit: 1_000 });
        assert.equal(page.length % 3, 0, 'a batch is visible whole or not at all');
        seen.push(...page);
        // Gives way to writers: a loop of reads that never wait would let none of them finish.
        await waitFor(clock, 0);
      }
      await appending;
      assert.deepEqual(idsOf(seen), idsOf(await store.log.read({ limit: 1_000 })));
      assert.equal(seen.length, batches.flat().length);
    },

    'an acknowledged event can be read at once, by every way (G1)': async (store) => {
      await Promise.all(
        writers.map(async (writer) => {
          const [place] = await record(store, sampleEvent(`w${writer}`, { stream: `s-${writer}` }));
          assert.equal((await store.log.find('/contract', `w${writer}`))?.position, place?.position);
          assert.deepEqual(idsOf(await store.log.readStream(`s-${writer}`, { limit: 10 })), [`w${writer}`]);
          assert.ok((await store.log.head()) >= (place?.position ?? Infinity));
        }),
      );
    },
  });

async function appendUntilAccepted(store: Store, id: string): Promise<void> {
  let outcome: AppendOutcome;
  do {
    const { version } = await store.log.streamState('order-1');
    outcome = await store.log.append(claimed(sampleEvent(id), [{ stream: 'order-1', version }]));
  } while (!outcome.ok);
}
