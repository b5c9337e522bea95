import assert from 'node:assert/strict';
import type { TrimRequest } from '../../channel/event-log.ts';
import { position, START } from '../../event/position.ts';
import type { Store } from '../../store.ts';
import type { ContractSuite } from '../contract-case.ts';
import {
  at,
  casesOn,
  idsOf,
  only,
  record,
  recordOne,
  refused,
  sampleEvent,
  sampleEvents,
  wholeLog,
} from '../samples.ts';

type Bodies = Parameters<typeof casesOn>[1];

const EVERYWHERE = position(Number.MAX_SAFE_INTEGER);
const RULE: TrimRequest = { category: 'order', notAbove: EVERYWHERE, keep: [], limit: 1_000 };

async function remaining(store: Store): Promise<readonly string[]> {
  return (await wholeLog(store)).map((event) => event.id);
}

/** How events leave the log, and what stays (ES9, ES16). */
export const retentionCases: ContractSuite = (bench) =>
  casesOn(bench, { ...truncating, ...deleting, ...trimming, ...staying });

const truncating: Bodies = {
  'a stream of 25 truncated before version 21 reads as 5 events (ES16)': async (store) => {
    await record(store, ...sampleEvents('e', 25));
    await recordOne(store, sampleEvent('other', { stream: 'order-2' }));
    assert.equal(await store.log.truncateStream('order-1', 21), 20);
    assert.deepEqual(idsOf(await store.log.readStream('order-1', { limit: 100 })), ['e21', 'e22', 'e23', 'e24', 'e25']);
    assert.deepEqual(idsOf(await store.log.readStream('order-1', { limit: 2, fromVersion: 3 })), ['e21', 'e22']);
    assert.deepEqual(idsOf(await store.log.readStream('order-1', { limit: 100, direction: 'backward' })), [
      'e25',
      'e24',
      'e23',
      'e22',
      'e21',
    ]);
    assert.deepEqual(await remaining(store), ['e21', 'e22', 'e23', 'e24', 'e25', 'other']);
    assert.deepEqual(await store.log.streamState('order-1'), {
      stream: 'order-1',
      version: 25,
      firstVersion: 21,
      deleted: false,
    });
    assert.equal(await store.log.truncateStream('order-1', 21), 0, 'nothing is left to remove');
  },

  'a stream truncated whole goes on with its versions and keeps its claims (ES16, G4)': async (store) => {
    await record(store, ...sampleEvents('e', 3));
    assert.equal(await store.log.truncateStream('order-1', 1_000), 3);
    assert.deepEqual(await store.log.streamState('order-1'), {
      stream: 'order-1',
      version: 3,
      firstVersion: 4,
      deleted: false,
    });
    assert.deepEqual(await store.log.listStreams({ limit: 10 }), [
      { stream: 'order-1', version: 3, firstVersion: 4, deleted: false },
    ]);
    const none = {
      events: [sampleEvent('e4')],
      expected: [{ stream: 'order-1', version: 'none' }],
      onDuplicate: 'verify',
    } as const;
    assert.equal(refused(await store.log.append(none)).reason, 'version-conflict');
    assert.equal((await recordOne(store, sampleEvent('e4'))).version, 4, 'truncation is for what was there');
    assert.deepEqual(idsOf(await store.log.readStream('order-1', { limit: 10 })), ['e4']);
  },

  'truncating before the first version or a missing stream removes nothing (ES16)': async (store) => {
    await record(store, ...sampleEvents('e', 3));
    assert.equal(await store.log.truncateStream('order-1', 1), 0);
    assert.equal(await store.log.truncateStream('order-1', 0), 0);
    assert.equal(await store.log.truncateStream('missing-1', 10), 0);
    assert.deepEqual(await remaining(store), ['e1', 'e2', 'e3']);
    assert.equal((await store.log.listStreams({ limit: 10 })).length, 1);
  },
};

const deleting: Bodies = {
  'a deleted stream refuses appends for ever, naming it, and reads as empty (ES9)': async (store) => {
    await record(store, ...sampleEvents('e', 3));
    assert.equal(await store.log.deleteStream('order-1'), 3);
    const outcome = await store.log.append({
      events: [sampleEvent('other', { stream: 'order-2' }), sampleEvent('e4')],
      onDuplicate: 'verify',
    });
    assert.deepEqual(outcome, { ok: false, reason: 'stream-deleted', stream: 'order-1' });
    assert.deepEqual(await store.log.readStream('order-1', { limit: 10 }), []);
    assert.deepEqual(await remaining(store), [], 'nothing of the refused request is written');
    assert.equal(await store.log.deleteStream('order-1'), 0);
  },

  'the state of a deleted stream says so and keeps its version (ES9)': async (store) => {
    await record(store, ...sampleEvents('e', 3));
    await store.log.deleteStream('order-1');
    const state = { stream: 'order-1', version: 3, firstVersion: 4, deleted: true };
    assert.deepEqual(await store.log.streamState('order-1'), state);
    assert.deepEqual(await store.log.listStreams({ limit: 10 }), [state]);
  },

  'a claim about a deleted stream is refused, other than any (ES9, G4)': async (store) => {
    await record(store, ...sampleEvents('e', 3));
    await store.log.deleteStream('order-1');
    for (const version of [0, 3, 'none', 'exists', 'any'] as const) {
      const events = [sampleEvent(`for ${version}`, { stream: 'order-2' })];
      const outcome = await store.log.append({
        events,
        expected: [{ stream: 'order-1', version }],
        onDuplicate: 'verify',
      });
      if (version === 'any') assert.ok(outcome.ok);
      else assert.deepEqual(outcome, { ok: false, reason: 'stream-deleted', stream: 'order-1' }, `claim ${version}`);
    }
  },

  'a stream can be deleted before it has events (ES9)': async (store) => {
    assert.equal(await store.log.deleteStream('order-1'), 0);
    assert.deepEqual(await store.log.streamState('order-1'), {
      stream: 'order-1',
      version: 0,
      firstVersion: 1,
      deleted: true,
    });
    assert.equal(
      refused(await store.log.append({ events: [sampleEvent('e1')], onDuplicate: 'verify' })).reason,
      'stream-deleted',
    );
  },

  'a known event of a deleted stream is a duplicate, not an append (ES9, G2)': async (store) => {
    const place = await recordOne(store, sampleEvent('e1'));
    await store.log.deleteStream('order-1');
    assert.deepEqual(await record(store, sampleEvent('e1')), [{ ...place, duplicate: true }]);
  },
};

const trimming: Bodies = {
  'removes the events of a category recorded before an instant': async (store, { clock }) => {
    await record(
      store,
      sampleEvent('old1'),
      sampleEvent('old2', { stream: 'order-2' }),
      sampleEvent('old3', { stream: 'orders-1' }),
      sampleEvent('old4', { stream: 'order' }),
    );
    const instant = clock.advance(10);
    await record(store, sampleEvent('new1'), sampleEvent('new2', { stream: 'order-2' }));
    // Only looks.
    assert.deepEqual(await store.log.trim({ ...RULE, recordedBeforeMs: instant, limit: 0 }), {
      removed: 0,
      more: true,
      protected: 0,
    });
    assert.deepEqual(await store.log.trim({ ...RULE, recordedBeforeMs: instant }), {
      removed: 3,
      more: false,
      protected: 0,
    });
    assert.deepEqual(await remaining(store), ['old3', 'new1', 'new2']);
    assert.deepEqual(await store.log.streamState('order-1'), {
      stream: 'order-1',
      version: 2,
      firstVersion: 2,
      deleted: false,
    });
    assert.deepEqual(await store.log.trim({ ...RULE, recordedBeforeMs: instant }), {
      removed: 0,
      more: false,
      protected: 0,
    });
  },

  'keeps the newest events of a category over all its streams': async (store) => {
    await record(
      store,
      ...sampleEvents('a', 3, { stream: 'order-1' }),
      ...sampleEvents('x', 2, { stream: 'other-1' }),
      ...sampleEvents('b', 3, { stream: 'order-2' }),
    );
    assert.deepEqual(await store.log.trim({ ...RULE, keepNewest: 4 }), { removed: 2, more: false, protected: 0 });
    assert.deepEqual(await remaining(store), ['a3', 'x1', 'x2', 'b1', 'b2', 'b3']);
    assert.deepEqual(await store.log.trim({ ...RULE, keepNewest: 100 }), { removed: 0, more: false, protected: 0 });
    assert.deepEqual(await store.log.trim({ ...RULE, keepNewest: 0 }), { removed: 4, more: false, protected: 0 });
    assert.deepEqual(await remaining(store), ['x1', 'x2']);
  },

  'removes what either bound names, and nothing without a bound': async (store, { clock }) => {
    await record(store, ...sampleEvents('old', 2));
    const recordedBeforeMs = clock.advance(10);
    await record(store, ...sampleEvents('new', 3));
    assert.deepEqual(await store.log.trim(RULE), { removed: 0, more: false, protected: 0 });
    assert.deepEqual(await store.log.trim({ ...RULE, recordedBeforeMs, keepNewest: 4 }), {
      removed: 2,
      more: false,
      protected: 0,
    });
    assert.deepEqual(await store.log.trim({ ...RULE, recordedBeforeMs, keepNewest: 2 }), {
      removed: 1,
      more: false,
      protected: 0,
    });
    assert.deepEqual(await remaining(store), ['new2', 'new3']);
  },

  'never removes an event above notAbove, and counts it as protected': async (store) => {
    const places = await record(store, ...sampleEvents('e', 5));
    const rule = { ...RULE, keepNewest: 1, notAbove: at(places, 1).position };
    assert.deepEqual(await store.log.trim(rule), { removed: 2, more: false, protected: 2 });
    assert.deepEqual(await remaining(store), ['e3', 'e4', 'e5']);
    assert.deepEqual(await store.log.trim({ ...rule, notAbove: START }), { removed: 0, more: false, protected: 2 });
  },

  'never removes an event of the keep list, and counts it as protected': async (store) => {
    const places = await record(store, ...sampleEvents('e', 6));
    const keep = [at(places, 1).position, at(places, 3).position, at(places, 5).position];
    assert.deepEqual(await store.log.trim({ ...RULE, keepNewest: 1, keep }), { removed: 3, more: false, protected: 2 });
    assert.deepEqual(await remaining(store), ['e2', 'e4', 'e6']);
    assert.deepEqual(await store.log.streamState('order-1'), {
      stream: 'order-1',
      version: 6,
      firstVersion: 2,
      deleted: false,
    });
    assert.deepEqual(
      (await store.log.readStream('order-1', { fromVersion: 3, limit: 10 })).map((event) => event.version),
      [4, 6],
    );
    assert.deepEqual(await store.log.trim({ ...RULE, keepNewest: 0, keep: [EVERYWHERE] }), {
      removed: 3,
      more: false,
      protected: 0,
    });
  },

  'removes the oldest first, at most limit in one call, and says whether there are more (G10)': async (store) => {
    const places = await record(store, ...sampleEvents('e', 10));
    const rule = { ...RULE, keepNewest: 2, keep: [at(places, 0).position], limit: 3 };
    assert.deepEqual(await store.log.trim(rule), { removed: 3, more: true, protected: 1 });
    assert.deepEqual(await remaining(store), ['e1', 'e5', 'e6', 'e7', 'e8', 'e9', 'e10']);
    assert.deepEqual(await store.log.trim(rule), { removed: 3, more: true, protected: 1 });
    assert.deepEqual(await store.log.trim(rule), { removed: 1, more: false, protected: 1 });
    assert.deepEqual(await store.log.trim(rule), { removed: 0, more: false, protected: 1 });
    assert.deepEqual(await remaining(store), ['e1', 'e9', 'e10']);
  },
};

const staying: Bodies = {
  'a log trimmed empty keeps its head, its versions and its recorded time (G5)': async (store, { clock }) => {
    const last = at(await record(store, ...sampleEvents('e', 3)), -1);
    await store.log.trim({ ...RULE, keepNewest: 0 });
    clock.advance(-60_000);
    assert.equal(await store.log.head(), last.position);
    assert.deepEqual(await store.log.read({ limit: 10 }), []);
    assert.deepEqual(await store.log.read({ limit: 10, direction: 'backward' }), []);
    assert.equal(await store.log.count(START, last.position, 10), 0);
    const next = await recordOne(store, sampleEvent('e4'));
    assert.deepEqual([next.version, next.recordedMs, next.duplicate], [4, last.recordedMs, false]);
    assert.ok(next.position > last.position, 'positions are not used again');
  },

  'counts, finds and reads pass over removed events': async (store, { clock }) => {
    const startMs = clock.now();
    const places = [];
    for (let index = 1; index <= 9; index += 1) {
      places.push(
        await recordOne(
          store,
          sampleEvent(`e${index}`, { stream: index % 3 === 0 ? 'keep-1' : 'order-1', correlationid: 'c', type: 't' }),
        ),
      );
      clock.advance(10);
    }
    await store.log.trim({ ...RULE, keepNewest: 0 });
    const expected = ['e3', 'e6', 'e9'];
    assert.deepEqual(idsOf(await store.log.read({ types: ['t'], limit: 10 })), expected);
    assert.deepEqual(idsOf(await store.log.read({ correlationid: 'c', limit: 10 })), expected);
    assert.deepEqual(idsOf(await store.log.read({ limit: 2, direction: 'backward' })), ['e9', 'e6']);
    assert.deepEqual(idsOf(await store.log.read({ limit: 1, after: at(places, 3).position })), ['e6']);
    assert.equal(await store.log.count(START, at(places, 5).position, 10), 2);
    assert.equal(await store.log.find('/contract', 'e4'), undefined);
    assert.equal(only(await store.log.readStream('keep-1', { fromVersion: 3, limit: 10 })).id, 'e9');
    for (const [instantMs, ids] of [
      [startMs + 15, expected],
      [startMs + 20, expected],
      [startMs + 21, ['e6', 'e9']],
      [startMs + 80, ['e9']],
    ] as const) {
      const after = await store.log.positionBefore(instantMs);
      assert.deepEqual(idsOf(await store.log.read({ after, limit: 10 })), ids);
    }
    assert.equal(await store.log.positionBefore(startMs + 81), at(places, 8).position);
  },

  'removing events tells no listener': async (store) => {
    await record(store, ...sampleEvents('e', 3));
    const heads: number[] = [];
    store.log.watch((head) => heads.push(head));
    await store.log.truncateStream('order-1', 2);
    await store.log.trim({ ...RULE, keepNewest: 1 });
    await store.log.deleteStream('order-1');
    const place = await recordOne(store, sampleEvent('x', { stream: 'order-2' }));
    assert.deepEqual(
      heads.filter((head) => head < place.position),
      [],
    );
  },
};
