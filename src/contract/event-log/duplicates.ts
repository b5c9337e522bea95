import assert from 'node:assert/strict';
import type { AppendRequest } from '../../channel/event-log.ts';
import type { EncodedEvent } from '../../event/event.ts';
import { position, START } from '../../event/position.ts';
import type { Store } from '../../store.ts';
import type { ContractSuite } from '../contract-case.ts';
import {
  accepted,
  at,
  casesOn,
  only,
  record,
  recordOne,
  refused,
  sampleEvent,
  sampleEvents,
  wholeLog,
} from '../samples.ts';

/** One fact, once (G2; ES8). The identity is (source, id), over all streams and for ever. */
export const duplicateCases: ContractSuite = (bench) =>
  casesOn(bench, { ...identity, ...content, ...insideOneRequest, ...afterRemoval });

type Bodies = Parameters<typeof casesOn>[1];

const identity: Bodies = {
  'a repeated append is answered with the place of the first and stores no second copy (G2, ES8)': async (
    store,
    { clock },
  ) => {
    const events = sampleEvents('e', 3);
    const first = await record(store, ...events);
    await recordOne(store, sampleEvent('between'));
    clock.advance(60_000);
    const second = await record(store, ...events);
    assert.deepEqual(
      second,
      first.map((place) => ({ ...place, duplicate: true })),
    );
    assert.equal((await wholeLog(store)).length, 4);
    assert.equal((await store.log.streamState('order-1')).version, 4);
  },

  'a request of known and new events records the new ones only (G2)': async (store) => {
    const known = await recordOne(store, sampleEvent('e1'));
    const places = await record(store, sampleEvent('e0'), sampleEvent('e1'), sampleEvent('e2'));
    assert.deepEqual(
      places.map(({ version, duplicate }) => [version, duplicate]),
      [
        [2, false],
        [1, true],
        [3, false],
      ],
    );
    assert.equal(at(places, 1).position, known.position);
    assert.deepEqual(
      (await wholeLog(store)).map((event) => event.id),
      ['e1', 'e0', 'e2'],
    );
  },

  'the same id from another source is another fact (G2)': async (store) => {
    const pairs = [
      ['/a', 'b/c'],
      ['/a/b', 'c'],
      ['/a', '/b/c'],
      ['/a/', 'b/c'],
      ['/A', 'b/c'],
      ['/a', 'B/c'],
      ['/a', 'b/c '],
      ['x', 'y","z'],
      ['x","y', 'z'],
    ] as const;
    const places = await record(store, ...pairs.map(([source, id]) => sampleEvent(id, { source })));
    assert.deepEqual(
      places.map((place) => place.duplicate),
      pairs.map(() => false),
    );
    for (const [source, id] of pairs) assert.deepEqual((await store.log.find(source, id))?.source, source);
  },

  'a known event lifts the claims about its stream: the write they were made for has happened (G2, G4)': async (
    store,
  ) => {
    const request: AppendRequest = {
      events: sampleEvents('e', 2),
      expected: [{ stream: 'order-1', version: 'none' }],
      onDuplicate: 'verify',
    };
    const first = accepted(await store.log.append(request));
    await recordOne(store, sampleEvent('other'));
    assert.deepEqual(
      accepted(await store.log.append(request)),
      first.map((place) => ({ ...place, duplicate: true })),
    );
    const wider = { ...request, events: [...request.events, sampleEvent('e3')] };
    assert.deepEqual(
      accepted(await store.log.append(wider)).map(({ version, duplicate }) => [version, duplicate]),
      [
        [1, true],
        [2, true],
        [4, false],
      ],
    );
  },

  'a known event lifts no claim about another stream (G2, G4)': async (store) => {
    await recordOne(store, sampleEvent('e1'));
    const events = [sampleEvent('e1'), sampleEvent('x', { stream: 'order-2' })];
    const outcome = await store.log.append({
      events,
      expected: [{ stream: 'order-2', version: 5 }],
      onDuplicate: 'verify',
    });
    assert.deepEqual(outcome, { ok: false, reason: 'version-conflict', stream: 'order-2', expected: 5, actual: 0 });
  },
};

/** Two events with one (source, id), and what is to be said of them. */
const DIFFERENCES: readonly (readonly [
  what: string,
  first: Partial<EncodedEvent>,
  second: Partial<EncodedEvent>,
  differs: readonly string[],
])[] = [
  ['type', {}, { type: 'contract.other.happened' }, ['type']],
  ['schema version', {}, { schemaVersion: 2 }, ['schemaVersion']],
  ['stream', {}, { stream: 'order-2' }, ['stream']],
  ['subject', { subject: 'a' }, { subject: 'b' }, ['subject']],
  ['no subject', { subject: 'a' }, {}, ['subject']],
  ['data', {}, { data: '{"n":2}' }, ['data']],
  ['null for a missing member', { data: '{}' }, { data: '{"n":null}' }, ['data']],
  ['text data', { encoding: 'text', data: 'a' }, { encoding: 'text', data: 'a ' }, ['data']],
  ['empty text for none', { encoding: 'none', data: null }, { encoding: 'text', data: '' }, ['encoding']],
  ['an attribute', { attributes: { tenant: 'a' } }, { attributes: { tenant: 'b' } }, ['tenant']],
  ['an attribute more', {}, { attributes: { sequence: '1' } }, ['sequence']],
  ['an attribute of another kind', { attributes: { flag: true } }, { attributes: { flag: 'true' } }, ['flag']],
  [
    'several',
    { subject: 'a' },
    { type: 'contract.other.happened', data: '[]', attributes: { expirytime: '2030-01-01T00:00:00Z' } },
    ['data', 'expirytime', 'subject', 'type'],
  ],
];

/** Two events with one (source, id) that state the same fact. */
const SAME: readonly (readonly [what: string, first: Partial<EncodedEvent>, second: Partial<EncodedEvent>])[] = [
  [
    'order of members and white space',
    { data: '{"a":1,"b":[1,{"c":null,"d":2}]}' },
    { data: '{ "b": [1, {"d": 2.0, "c": null}],\n"a": 1e0 }' },
  ],
  ['escapes', { data: '"\\u00e9\\/"' }, { data: '"é/"' }],
  ['time', {}, { time: '2026-06-01T12:00:00+02:00' }],
  ['correlation and causation', {}, { correlationid: 'another', causationid: 'cause' }],
  [
    'trace, depth and partition key',
    { attributes: { traceparent: 'a' } },
    { attributes: { tracestate: 'b', causationdepth: 3, partitionkey: 'p' } },
  ],
  ['order of attributes', { attributes: { one: 1, two: 2 } }, { attributes: { two: 2, one: 1 } }],
];

async function appendTwice(store: Store, first: EncodedEvent, second: EncodedEvent, between: () => Promise<unknown>) {
  const place = await recordOne(store, first);
  await between();
  return { place, outcome: await store.log.append({ events: [second], onDuplicate: 'verify' }) };
}

const nothing = () => Promise.resolve();

const content: Bodies = {
  'the same identity with other content is refused, naming what differs (G2)': async (store) => {
    for (const [what, first, second, differs] of DIFFERENCES) {
      const { place, outcome } = await appendTwice(store, sampleEvent(what, first), sampleEvent(what, second), nothing);
      const refusal = refused(outcome);
      assert.equal(refusal.reason, 'content-conflict', what);
      const { differs: found, ...rest } = refusal;
      assert.deepEqual([...found].sort(), differs, what);
      assert.deepEqual(rest, {
        ok: false,
        reason: 'content-conflict',
        source: '/contract',
        id: what,
        position: place.position,
      });
    }
    assert.equal((await wholeLog(store)).length, DIFFERENCES.length);
  },

  'what says the same in other words, or is set by the system at each call, is the same content (G2)': async (
    store,
  ) => {
    for (const [what, first, second] of SAME) {
      const { place, outcome } = await appendTwice(store, sampleEvent(what, first), sampleEvent(what, second), nothing);
      assert.deepEqual(only(accepted(outcome)), { ...place, duplicate: true }, what);
      assert.deepEqual(
        (await store.log.find('/contract', what))?.stored.data,
        sampleEvent(what, first).data,
        'the first fact stands',
      );
    }
  },

  'a content conflict refuses the whole request (G2, G3)': async (store) => {
    await recordOne(store, sampleEvent('e1'));
    const events = [sampleEvent('new1'), sampleEvent('e1', { data: '{"n":2}' }), sampleEvent('new2')];
    assert.equal(refused(await store.log.append({ events, onDuplicate: 'verify' })).reason, 'content-conflict');
    assert.deepEqual(
      (await wholeLog(store)).map((event) => event.id),
      ['e1'],
    );
  },

  'keep-first lets the first fact stand whatever the second one says (G2)': async (store) => {
    const first = await recordOne(store, sampleEvent('e1'));
    const other = sampleEvent('e1', { type: 'contract.other.happened', stream: 'order-2', data: '"other"' });
    const outcome = await store.log.append({ events: [other, sampleEvent('e2')], onDuplicate: 'keep-first' });
    assert.deepEqual(at(accepted(outcome), 0), { ...first, duplicate: true });
    assert.equal(at(accepted(outcome), 1).duplicate, false);
    assert.equal((await store.log.find('/contract', 'e1'))?.stored.data, '{"n":1}');
    assert.equal((await store.log.streamState('order-2')).version, 0);
  },

  'events are judged before claims (G2, G4)': async (store) => {
    await recordOne(store, sampleEvent('e1'));
    const events = [sampleEvent('e1', { data: '0' })];
    const expected = [{ stream: 'order-9', version: 9 }];
    assert.equal(
      refused(await store.log.append({ events, expected, onDuplicate: 'verify' })).reason,
      'content-conflict',
    );
  },
};

const insideOneRequest: Bodies = {
  'an event repeated inside one request is stored once (G2)': async (store) => {
    const places = await record(store, sampleEvent('e1'), sampleEvent('e2'), sampleEvent('e1'));
    assert.deepEqual(at(places, 2), { ...at(places, 0), duplicate: true });
    assert.deepEqual(
      (await wholeLog(store)).map((event) => [event.id, event.version]),
      [
        ['e1', 1],
        ['e2', 2],
      ],
    );
  },

  'an event repeated inside one request with other content refuses the request (G2, G3)': async (store) => {
    const events = [sampleEvent('e1'), sampleEvent('e1', { data: '2' })];
    const outcome = await store.log.append({ events, onDuplicate: 'verify' });
    assert.deepEqual(outcome, {
      ok: false,
      reason: 'content-conflict',
      source: '/contract',
      id: 'e1',
      position: START,
      differs: ['data'],
    });
    assert.deepEqual(await wholeLog(store), []);
    const kept = accepted(await store.log.append({ events, onDuplicate: 'keep-first' }));
    assert.deepEqual(
      kept.map((place) => place.duplicate),
      [false, true],
    );
    assert.equal(only(await wholeLog(store)).data, '{"n":1}');
  },

  'a repetition inside one request lifts no claim (G2, G4)': async (store) => {
    const events = [sampleEvent('e1'), sampleEvent('e1')];
    const outcome = await store.log.append({
      events,
      expected: [{ stream: 'order-1', version: 3 }],
      onDuplicate: 'verify',
    });
    assert.deepEqual(outcome, { ok: false, reason: 'version-conflict', stream: 'order-1', expected: 3, actual: 0 });
  },
};

/** The ways in which an event leaves the log. */
const REMOVALS: Readonly<Record<string, (store: Store, stream: string) => Promise<unknown>>> = {
  trimming: (store, stream) =>
    store.log.trim({
      category: stream,
      keepNewest: 0,
      notAbove: position(Number.MAX_SAFE_INTEGER),
      keep: [],
      limit: 100,
    }),
  truncating: (store, stream) => store.log.truncateStream(stream, 100),
  'deleting the stream': (store, stream) => store.log.deleteStream(stream),
};

const afterRemoval: Bodies = {
  'a removed event stays known: its repetition gets the first place (G2, ES9)': async (store) => {
    for (const [how, remove] of Object.entries(REMOVALS)) {
      for (const [what, first, second] of SAME) {
        const id = `${how}: ${what}`;
        const stream = id.replaceAll('-', ' ');
        const { place, outcome } = await appendTwice(
          store,
          sampleEvent(id, { ...first, stream }),
          sampleEvent(id, { ...second, stream }),
          () => remove(store, stream),
        );
        assert.equal(await store.log.find('/contract', id), undefined, id);
        assert.deepEqual(only(accepted(outcome)), { ...place, duplicate: true }, id);
      }
    }
    assert.deepEqual(await wholeLog(store), []);
  },

  'a removed event stays known: other content is refused as such (G2)': async (store) => {
    for (const [how, remove] of Object.entries(REMOVALS)) {
      for (const [what, first, second] of DIFFERENCES) {
        const id = `${how}: ${what}`;
        const stream = id.replaceAll('-', ' ');
        const given = { ...sampleEvent(id, { stream }), ...second };
        const { place, outcome } = await appendTwice(store, { ...sampleEvent(id, { stream }), ...first }, given, () =>
          remove(store, stream),
        );
        const expected = {
          ok: false,
          reason: 'content-conflict',
          source: '/contract',
          id,
          position: place.position,
          differs: ['content'],
        };
        assert.deepEqual(outcome, expected, id);
      }
    }
  },

  'a removed event lifts the claims about its stream and stands under keep-first (G2, G4)': async (store) => {
    const place = await recordOne(store, sampleEvent('e1'));
    await store.log.truncateStream('order-1', 2);
    const events = [sampleEvent('e1', { data: '2' })];
    const outcome = await store.log.append({
      events,
      expected: [{ stream: 'order-1', version: 'none' }],
      onDuplicate: 'keep-first',
    });
    assert.deepEqual(accepted(outcome), [{ ...place, duplicate: true }]);
  },
};
