import assert from 'node:assert/strict';
import type { QueryClaim } from '../../channel/append-conditions.ts';
import type { AppendRequest } from '../../channel/event-log.ts';
import type { EncodedEvent } from '../../event/event.ts';
import { position, START } from '../../event/position.ts';
import type { Store } from '../../store.ts';
import { sampleConsumer, sampleUnit } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { accepted, casesOn, casesOverReopen, idsOf, record, recordOne, refused, sampleEvent } from '../samples.ts';

function tagged(id: string, tags: string, overrides: Partial<EncodedEvent> = {}): EncodedEvent {
  return sampleEvent(id, { stream: `thing-${id}`, attributes: { tags }, ...overrides });
}

function unless(store: Store, event: EncodedEvent, ...claims: readonly QueryClaim[]) {
  return store.log.append({ events: [event], unless: claims, onDuplicate: 'verify' });
}

function claimedAt(id: string, version: number): AppendRequest {
  return { events: [sampleEvent(id)], expected: [{ stream: 'order-1', version }], onDuplicate: 'verify' };
}

async function idsBy(store: Store, options: Omit<Parameters<Store['log']['read']>[0], 'limit'>) {
  return idsOf(await store.log.read({ limit: 100, ...options }));
}

const OPEN = 'customer:ada';

/** Events found by what they concern, and claims about what was not recorded: dynamic consistency boundaries (G4; ES22–ES25). */
export const conditionCases: ContractSuite = (bench) => [
  ...casesOn(bench, {
    'gives exactly the events that have all the tags, in order, either way and page by page (ES22, ES25)': async (
      store,
    ) => {
      await record(
        store,
        tagged('a', 'x:1 y:1'),
        tagged('b', 'x:1'),
        sampleEvent('none'),
        tagged('c', 'y:1 x:1 z:é'),
        tagged('d', 'x:11'),
        tagged('e', 'x:1 y:1', { type: 'contract.other.happened' }),
      );
      assert.deepEqual(await idsBy(store, { tags: ['x:1'] }), ['a', 'b', 'c', 'e']);
      assert.deepEqual(await idsBy(store, { tags: ['x:1', 'y:1'] }), ['a', 'c', 'e']);
      assert.deepEqual(await idsBy(store, { tags: ['z:é', 'x:1', 'y:1'] }), ['c']);
      assert.deepEqual(await idsBy(store, { tags: ['x:1', 'y:2'] }), []);
      assert.deepEqual(await idsBy(store, { tags: ['y:1'], types: ['contract.other.happened'] }), ['e']);
      assert.deepEqual(await idsBy(store, { tags: ['y:1'], types: ['contract.never.happened'] }), []);
      assert.deepEqual(await idsBy(store, { tags: ['x:1'], direction: 'backward' }), ['e', 'c', 'b', 'a']);
      const [first] = await store.log.read({ tags: ['x:1'], limit: 1 });
      assert.deepEqual(await idsBy(store, { tags: ['x:1'], after: first?.position ?? START }), ['b', 'c', 'e']);
      assert.deepEqual(await idsBy(store, { tags: ['x:1'], maxBytes: 1 }), ['a']);
      assert.deepEqual(await idsBy(store, { tags: [] }), ['a', 'b', 'none', 'c', 'd', 'e']);
    },

    'refuses an append when an event of its query was recorded after the place it names (ES23, G4)': async (store) => {
      const seen = await recordOne(store, tagged('a', OPEN));
      const claim = { tags: [OPEN], after: seen.position };
      const between = await recordOne(store, tagged('b', OPEN));
      assert.deepEqual(await unless(store, tagged('c', OPEN), claim), {
        ok: false,
        reason: 'query-conflict',
        claim: 0,
        position: between.position,
      });
      assert.deepEqual(await idsBy(store, {}), ['a', 'b']);
      accepted(await unless(store, tagged('c', OPEN), { ...claim, after: between.position }));
      assert.deepEqual(await idsBy(store, { tags: [OPEN] }), ['a', 'b', 'c']);
    },

    'asks for types, tags and a condition together; what fails one of them does not stand against the claim (ES23)':
      async (store) => {
        await record(store, tagged('a', OPEN, { data: '{"n":1}' }), tagged('b', 'customer:eve', { data: '{"n":5}' }));
        const large = (event: { readonly data: unknown }) => (event.data as { n: number }).n > 3;
        const type = 'contract.thing.happened';
        for (const [index, claim] of [
          { tags: [OPEN], types: ['other'], after: START },
          { tags: [OPEN], matches: large, after: START },
          { tags: ['customer:bob'], after: START },
          { types: [], after: START },
        ].entries())
          accepted(await unless(store, sampleEvent(`free ${index}`), claim));
        for (const claim of [
          { tags: [OPEN], types: [type], after: START },
          { matches: large, after: START },
          { types: [type], matches: large, after: START },
          { after: START },
        ])
          assert.equal(refused(await unless(store, sampleEvent('stopped'), claim)).reason, 'query-conflict');
      },

    'names the claim that does not hold, and checks them after those about streams (G4)': async (store) => {
      const place = await recordOne(store, tagged('a', OPEN));
      const claims = [
        { tags: ['nobody'], after: START },
        { tags: [OPEN], after: START },
      ];
      assert.deepEqual(await unless(store, sampleEvent('b'), ...claims), {
        ok: false,
        reason: 'query-conflict',
        claim: 1,
        position: place.position,
      });
      const both = await store.log.append({
        events: [sampleEvent('b')],
        expected: [{ stream: 'order-1', version: 7 }],
        unless: claims,
        onDuplicate: 'verify',
      });
      assert.equal(refused(both).reason, 'version-conflict');
    },

    'the events of a request do not stand against its own claims, those ahead of it in its unit do (ES23)': async (
      store,
    ) => {
      await store.checkpoints.create(sampleConsumer('c'));
      accepted(await unless(store, tagged('a', OPEN), { tags: [OPEN], after: START }));
      const claim = { tags: ['new'], after: START };
      const outcome = await store.unitOfWork.commit({
        ...sampleUnit(),
        consumer: 'c',
        appends: [
          { events: [tagged('b', 'new')], unless: [claim], onDuplicate: 'verify' },
          { events: [tagged('d', 'new')], unless: [claim], onDuplicate: 'verify' },
        ],
      });
      assert.deepEqual(outcome, {
        ok: false,
        index: 1,
        refusal: { ok: false, reason: 'query-conflict', claim: 0, position: START },
      });
      assert.deepEqual(await idsBy(store, { tags: ['new'] }), []);
      assert.deepEqual(await idsBy(store, {}), ['a']);
    },

    'an append that is told again is a duplicate although its own event stands against its claim (G2, ES23)': async (
      store,
    ) => {
      const claim = { tags: [OPEN], after: START };
      const first = accepted(await unless(store, tagged('a', OPEN), claim));
      const again = accepted(await unless(store, tagged('a', OPEN), claim));
      assert.deepEqual(again, [{ ...first[0], duplicate: true }]);
    },

    'of many at once with claims that overlap exactly one is recorded; those that do not are all recorded (ES24)':
      async (store) => {
        const overlapping = Array.from({ length: 20 }, (_, index) =>
          unless(store, tagged(`o${index}`, `${OPEN} n:${index}`), { tags: [OPEN], after: START }),
        );
        const disjoint = Array.from({ length: 20 }, (_, index) =>
          unless(store, tagged(`d${index}`, `free:${index}`), { tags: [`free:${index}`], after: START }),
        );
        const won = (await Promise.all(overlapping)).filter(({ ok }) => ok);
        assert.equal(won.length, 1);
        const places = (await Promise.all(disjoint)).flatMap((outcome) => accepted(outcome));
        const positions = places.map((place) => place.position);
        assert.equal(new Set(positions).size, 20, 'places are distinct');
        assert.deepEqual(
          positions,
          positions.toSorted((left, right) => left - right),
        );
        assert.equal((await idsBy(store, { tags: [OPEN] })).length, 1);
      },

    'a claim about the last event of a stream tells it from another one of the same version (G4)': async (store) => {
      const first = await recordOne(store, sampleEvent('mine'));
      const going = (id: string, version: number, last: string, source = '/contract') =>
        store.log.append({
          events: [sampleEvent(id)],
          expected: [{ stream: 'order-1', version, last: { source, id: last } }],
          onDuplicate: 'verify',
        });
      for (const [last, source] of [['theirs'], ['mine', '/other']] as const)
        assert.deepEqual(await going('next', 1, last, source), {
          ok: false,
          reason: 'version-conflict',
          stream: 'order-1',
          expected: 1,
          actual: 1,
        });
      assert.equal(first.version, 1);
      accepted(await going('next', 1, 'mine'));
      assert.equal(refused(await going('late', 2, 'mine')).reason, 'version-conflict');
      assert.equal(refused(await going('late', 1, 'mine')).reason, 'version-conflict');
      // Handed in together: the second goes on from the first, the third from one that is refused.
      const outcomes = await Promise.all([
        going('third', 2, 'next'),
        going('fourth', 3, 'third'),
        store.log.append(claimedAt('lost', 7)),
        store.log.append({ events: [sampleEvent('theirs')], onDuplicate: 'verify' }),
        going('fifth', 5, 'lost'),
      ]);
      assert.deepEqual(
        outcomes.map(({ ok }) => ok),
        [true, true, false, true, false],
      );
      assert.deepEqual(await idsBy(store, {}), ['mine', 'next', 'third', 'fourth', 'theirs']);
    },

    'a claim beyond the end of the log holds (ES25)': async (store) => {
      await recordOne(store, tagged('a', OPEN));
      accepted(await unless(store, tagged('b', OPEN), { tags: [OPEN], after: position(1_000_000) }));
    },

    'finds the events of a tag among many others without reading these': async (store) => {
      for (let batch = 0; batch < 10; batch += 1)
        await record(
          store,
          ...Array.from({ length: 200 }, (_, index) =>
            tagged(`${batch}-${index}`, `n:${index} all`, { stream: `batch-${batch}` }),
          ),
        );
      const found = await idsBy(store, { tags: ['n:7', 'all'] });
      assert.deepEqual(
        found,
        Array.from({ length: 10 }, (_, batch) => `${batch}-7`),
      );
    },

    'removed events are found by no tag, and stand against no claim': async (store) => {
      await record(
        store,
        tagged('a', OPEN, { stream: 'gone-1' }),
        tagged('b', OPEN, { stream: 'gone-2' }),
        tagged('c', OPEN, { stream: 'kept-1' }),
      );
      await store.log.truncateStream('gone-1', 2);
      await store.log.trim({ category: 'gone', keepNewest: 0, notAbove: await store.log.head(), keep: [], limit: 10 });
      assert.deepEqual(await idsBy(store, { tags: [OPEN] }), ['c']);
      const stands = refused(await unless(store, tagged('d', OPEN), { tags: [OPEN], after: START }));
      assert.equal(
        stands.reason === 'query-conflict' && stands.position,
        (await store.log.read({ limit: 1 }))[0]?.position,
      );
    },
  }),
  ...casesOverReopen(bench, {
    'events are found by their tags after the store was opened again (ES22)': async (store, reopen) => {
      await record(store, tagged('a', OPEN), tagged('b', `${OPEN} order:1`));
      const again = await reopen(store);
      assert.deepEqual(await idsBy(again, { tags: [OPEN] }), ['a', 'b']);
      assert.equal(
        refused(await unless(again, tagged('c', OPEN), { tags: [OPEN], after: START })).reason,
        'query-conflict',
      );
    },
  }),
];
