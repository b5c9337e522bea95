import assert from 'node:assert/strict';
import type { ExpectedVersion } from '../../channel/event-log.ts';
import { START } from '../../event/position.ts';
import type { ContractSuite } from '../contract-case.ts';
import {
  accepted,
  casesOn,
  claimed,
  only,
  record,
  recordOne,
  refused,
  sampleEvent,
  sampleEvents,
  wholeLog,
} from '../samples.ts';

/**
 * Append and expected version (G3, G4; ES1–ES7, ES12).
 *
 * Not here: access rights, deadlines and limits of size (ES10) belong to the layers above the log; a log takes what it is given.
 */
export const appendCases: ContractSuite = (bench) =>
  casesOn(bench, {
    'records the first event of a stream as version 1 under no claim, any, none and 0 (ES1)': async (store) => {
      const claims: readonly (ExpectedVersion | undefined)[] = [undefined, 'any', 'none', 0];
      let last: number = START;
      for (const [index, version] of claims.entries()) {
        const stream = `order-${index}`;
        const expected = version === undefined ? [] : [{ stream, version }];
        const place = only(accepted(await store.log.append(claimed(sampleEvent(`e${index}`, { stream }), expected))));
        assert.deepEqual(
          { ...place, position: 0 },
          { stream, version: 1, position: 0, recordedMs: bench.clock.now(), duplicate: false },
        );
        assert.ok(place.position > last, 'positions rise and are above START');
        last = place.position;
      }
    },

    'refuses none on an existing stream, naming stream, expected and actual version (ES2, G4)': async (store) => {
      await record(store, ...sampleEvents('e', 2));
      const outcome = await store.log.append(claimed(sampleEvent('late'), [{ stream: 'order-1', version: 'none' }]));
      assert.deepEqual(outcome, {
        ok: false,
        reason: 'version-conflict',
        stream: 'order-1',
        expected: 'none',
        actual: 2,
      });
    },

    'refuses exists on a missing stream and accepts it on an existing one (ES3, G4)': async (store) => {
      const claim = claimed(sampleEvent('e2'), [{ stream: 'order-1', version: 'exists' }]);
      const refusal = await store.log.append(claim);
      assert.deepEqual(refusal, {
        ok: false,
        reason: 'version-conflict',
        stream: 'order-1',
        expected: 'exists',
        actual: 0,
      });
      await recordOne(store, sampleEvent('e1'));
      assert.equal(only(accepted(await store.log.append(claim))).version, 2);
    },

    'accepts an exact version only when it is the current one (ES4, G4)': async (store) => {
      const missing = await store.log.append(claimed(sampleEvent('e'), [{ stream: 'order-1', version: 1 }]));
      assert.deepEqual(missing, { ok: false, reason: 'version-conflict', stream: 'order-1', expected: 1, actual: 0 });
      await record(store, ...sampleEvents('e', 3));
      for (const version of [0, 1, 2, 4, 1_000_000, Number.MAX_SAFE_INTEGER]) {
        const outcome = await store.log.append(claimed(sampleEvent('late'), [{ stream: 'order-1', version }]));
        assert.deepEqual(outcome, {
          ok: false,
          reason: 'version-conflict',
          stream: 'order-1',
          expected: version,
          actual: 3,
        });
      }
      assert.equal(
        only(accepted(await store.log.append(claimed(sampleEvent('e4'), [{ stream: 'order-1', version: 3 }])))).version,
        4,
      );
    },

    'matches claims and versions as the table says (ES5, G4)': async (store) => {
      const table: readonly (readonly [claim: ExpectedVersion, holdsAt: readonly number[]])[] = [
        ['any', [0, 1, 3]],
        ['none', [0]],
        ['exists', [1, 3]],
        [0, [0]],
        [1, [1]],
        [3, [3]],
        [100, []],
      ];
      for (const [claim, holdsAt] of table) {
        for (const version of [0, 1, 3]) {
          const stream = `case-${claim}-${version}`;
          if (version > 0) await record(store, ...sampleEvents(`${stream}-`, version, { stream }));
          const outcome = await store.log.append(
            claimed(sampleEvent(`${stream}-last`, { stream }), [{ stream, version: claim }]),
          );
          assert.equal(outcome.ok, holdsAt.includes(version), `claim ${claim} at version ${version}`);
        }
      }
    },

    'writes nothing of a refused append (ES6, G3)': async (store) => {
      const first = await recordOne(store, sampleEvent('e1'));
      const before = await wholeLog(store);
      const events = [sampleEvent('x1', { stream: 'other-1' }), sampleEvent('x2')];
      refused(
        await store.log.append({ events, expected: [{ stream: 'order-1', version: 'none' }], onDuplicate: 'verify' }),
      );
      assert.deepEqual(await wholeLog(store), before);
      assert.equal(await store.log.head(), first.position);
      assert.equal(await store.log.find('/contract', 'x1'), undefined);
      assert.deepEqual(await store.log.streamState('other-1'), {
        stream: 'other-1',
        version: 0,
        firstVersion: 1,
        deleted: false,
      });
      assert.deepEqual(await store.log.readStream('other-1', { limit: 10 }), []);
      const again = only(await record(store, sampleEvent('x1', { stream: 'other-1' })));
      assert.deepEqual([again.version, again.duplicate], [1, false]);
    },

    'records a batch in its order, with consecutive versions in every stream (ES7, G3)': async (store) => {
      await recordOne(store, sampleEvent('old', { stream: 'a-1' }));
      const streams = ['a-1', 'b-1', 'a-1', 'c-1', 'b-1', 'a-1'];
      const places = await record(store, ...streams.map((stream, index) => sampleEvent(`e${index}`, { stream })));
      assert.deepEqual(
        places.map(({ stream, version }) => [stream, version]),
        [
          ['a-1', 2],
          ['b-1', 1],
          ['a-1', 3],
          ['c-1', 1],
          ['b-1', 2],
          ['a-1', 4],
        ],
      );
      const stored = await wholeLog(store);
      assert.deepEqual(
        stored.map((event) => event.id),
        ['old', 'e0', 'e1', 'e2', 'e3', 'e4', 'e5'],
      );
      assert.deepEqual(
        stored.slice(1).map((event) => event.position),
        places.map((place) => place.position),
      );
      for (const [index, event] of stored.entries()) {
        if (index > 0) assert.ok(event.position > (stored[index - 1]?.position ?? 0), 'positions rise');
      }
    },

    'records a batch of 1,000 events whole (ES7, G3)': async (store) => {
      const places = await record(store, ...sampleEvents('e', 1_000));
      assert.deepEqual(
        places.map((place) => place.version),
        Array.from({ length: 1_000 }, (_, index) => index + 1),
      );
      assert.equal((await wholeLog(store)).length, 1_000);
    },

    'an append to two streams is refused as a whole when one claim fails (ES12, G3)': async (store) => {
      await recordOne(store, sampleEvent('e1', { stream: 'b-1' }));
      const events = [sampleEvent('x1', { stream: 'a-1' }), sampleEvent('x2', { stream: 'b-1' })];
      const expected = [
        { stream: 'a-1', version: 'none' },
        { stream: 'b-1', version: 2 },
      ] as const;
      const outcome = await store.log.append({ events, expected, onDuplicate: 'verify' });
      assert.deepEqual(outcome, { ok: false, reason: 'version-conflict', stream: 'b-1', expected: 2, actual: 1 });
      assert.equal((await wholeLog(store)).length, 1);
      await recordOne(store, sampleEvent('e2', { stream: 'b-1' }));
      assert.deepEqual(
        accepted(await store.log.append({ events, expected, onDuplicate: 'verify' })).map((place) => place.version),
        [1, 3],
      );
    },

    'checks claims against the streams as they were before the request (G4)': async (store) => {
      const events = sampleEvents('e', 3);
      accepted(
        await store.log.append({ events, expected: [{ stream: 'order-1', version: 'none' }], onDuplicate: 'verify' }),
      );
      const more = sampleEvents('f', 2);
      const refusal = await store.log.append({
        events: more,
        expected: [{ stream: 'order-1', version: 4 }],
        onDuplicate: 'verify',
      });
      assert.deepEqual(refusal, { ok: false, reason: 'version-conflict', stream: 'order-1', expected: 4, actual: 3 });
      accepted(
        await store.log.append({ events: more, expected: [{ stream: 'order-1', version: 3 }], onDuplicate: 'verify' }),
      );
    },

    'checks claims about streams that the request does not write to (G4)': async (store) => {
      const claim = claimed(sampleEvent('e1'), [{ stream: 'customer-7', version: 'exists' }]);
      assert.equal(refused(await store.log.append(claim)).reason, 'version-conflict');
      await recordOne(store, sampleEvent('c1', { stream: 'customer-7' }));
      accepted(await store.log.append(claim));
    },

    'names the first claim that does not hold (G4)': async (store) => {
      await recordOne(store, sampleEvent('e1'));
      const outcome = await store.log.append(
        claimed(sampleEvent('e2'), [
          { stream: 'order-1', version: 1 },
          { stream: 'order-2', version: 7 },
          { stream: 'order-1', version: 9 },
        ]),
      );
      assert.deepEqual(outcome, { ok: false, reason: 'version-conflict', stream: 'order-2', expected: 7, actual: 0 });
    },

    'streams whose names begin alike are strangers (G4)': async (store) => {
      await record(store, ...sampleEvents('e', 2, { stream: 'order-1' }));
      const names = ['order-11', 'order-', 'order', 'Order-1', 'order-1 ', 'ORDER-1'];
      const places = await record(store, ...names.map((stream) => sampleEvent(`in ${stream}`, { stream })));
      assert.deepEqual(
        places.map((place) => place.version),
        names.map(() => 1),
      );
      assert.equal((await store.log.streamState('order-1')).version, 2);
    },

    'recorded time is the clock of the store and never falls when the clock is set back (G5)': async (
      store,
      { clock },
    ) => {
      const startMs = clock.now();
      const first = await recordOne(store, sampleEvent('e1'));
      clock.advance(-5_000);
      const second = await recordOne(store, sampleEvent('e2'));
      clock.set(startMs + 10);
      const third = await recordOne(store, sampleEvent('e3'));
      assert.deepEqual([first.recordedMs, second.recordedMs, third.recordedMs], [startMs, startMs, startMs + 10]);
      assert.deepEqual(
        (await wholeLog(store)).map((event) => event.recordedMs),
        [startMs, startMs, startMs + 10],
      );
    },
  });
