import assert from 'node:assert/strict';
import type { ReadStreamOptions } from '../../channel/event-log.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { sumOfBytes } from '../../event/event-size.ts';
import { position, START } from '../../event/position.ts';
import type { Store } from '../../store.ts';
import type { ContractSuite } from '../contract-case.ts';
import { at, casesOn, idsOf, record, recordOne, sampleEvent, sampleEvents } from '../samples.ts';

type Bodies = Parameters<typeof casesOn>[1];

/** Reading the log, its streams and its edges (G5; ES13, ES14, ES25–ES27). */
export const readingCases: ContractSuite = (bench) =>
  casesOn(bench, { ...ofTheLog, ...ofStreams, ...ofTheEdges, ...ofNames });

const ofTheLog: Bodies = {
  'reads forward from the start, after a position and up to a limit (ES13, ES25)': async (store) => {
    const places = await record(store, ...sampleEvents('e', 8));
    const second = at(places, 1).position;
    assert.deepEqual(idsOf(await store.log.read({ limit: 100 })), ['e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7', 'e8']);
    assert.deepEqual(idsOf(await store.log.read({ after: START, limit: 2 })), ['e1', 'e2']);
    assert.deepEqual(idsOf(await store.log.read({ after: second, limit: 3 })), ['e3', 'e4', 'e5']);
    assert.deepEqual(idsOf(await store.log.read({ after: second, limit: 100, direction: 'forward' })), [
      'e3',
      'e4',
      'e5',
      'e6',
      'e7',
      'e8',
    ]);
  },

  'reads backward from the end, below a position and up to a limit (ES13)': async (store) => {
    const places = await record(store, ...sampleEvents('e', 8));
    const backward = { direction: 'backward', limit: 100 } as const;
    assert.deepEqual(idsOf(await store.log.read(backward)), ['e8', 'e7', 'e6', 'e5', 'e4', 'e3', 'e2', 'e1']);
    assert.deepEqual(idsOf(await store.log.read({ ...backward, limit: 2 })), ['e8', 'e7']);
    assert.deepEqual(idsOf(await store.log.read({ ...backward, after: at(places, 2).position })), ['e2', 'e1']);
    assert.deepEqual(idsOf(await store.log.read({ ...backward, after: at(places, 0).position })), []);
    assert.deepEqual(idsOf(await store.log.read({ ...backward, after: START })), []);
    assert.deepEqual(idsOf(await store.log.read({ ...backward, after: position(Number.MAX_SAFE_INTEGER), limit: 1 })), [
      'e8',
    ]);
  },

  'reads nothing from the head and beyond, and what is appended later (ES25, ES26)': async (store) => {
    assert.deepEqual(await store.log.read({ limit: 10 }), []);
    assert.deepEqual(await store.log.read({ limit: 10, direction: 'backward' }), []);
    await recordOne(store, sampleEvent('e1'));
    const head = await store.log.head();
    assert.deepEqual(await store.log.read({ after: head, limit: 10 }), []);
    assert.deepEqual(await store.log.read({ after: position(Number.MAX_SAFE_INTEGER), limit: 10 }), []);
    await recordOne(store, sampleEvent('e2'));
    assert.deepEqual(idsOf(await store.log.read({ after: head, limit: 10 })), ['e2']);
  },

  'a stream that is read again and again shows at once what was appended to it, refused, removed, and that it is deleted (G3, G5)':
    async (store) => {
      const versions = async (options: Partial<ReadStreamOptions> = {}) =>
        (await store.log.readStream('order-1', { limit: 10, ...options })).map(({ version }) => version);
      await record(store, ...sampleEvents('e', 2));
      assert.deepEqual(
        [await versions(), await versions()],
        [
          [1, 2],
          [1, 2],
        ],
      );
      await record(store, ...sampleEvents('f', 3));
      assert.deepEqual(
        [await versions({ fromVersion: 2, limit: 2 }), await versions()],
        [
          [2, 3],
          [1, 2, 3, 4, 5],
        ],
      );
      assert.deepEqual(await versions({ direction: 'backward', fromVersion: 4, limit: 2 }), [4, 3]);
      assert.deepEqual(await versions({ direction: 'backward' }), [5, 4, 3, 2, 1]);
      assert.deepEqual(await versions({ fromVersion: 6 }), []);
      await store.log.append({
        events: sampleEvents('g', 2),
        expected: [{ stream: 'order-1', version: 3 }],
        onDuplicate: 'verify',
      });
      assert.deepEqual(await versions(), [1, 2, 3, 4, 5]);
      await store.log.truncateStream('order-1', 3);
      assert.deepEqual(
        [await versions(), await versions({ direction: 'backward' })],
        [
          [3, 4, 5],
          [5, 4, 3],
        ],
      );
      await record(store, sampleEvent('h1'));
      assert.deepEqual(await versions(), [3, 4, 5, 6]);
      await store.log.deleteStream('order-1');
      assert.deepEqual(await versions(), []);
    },

  'what a reader does with its answer is not seen by the next one': async (store) => {
    await record(store, ...sampleEvents('e', 3));
    for (const read of [() => store.log.readStream('order-1', { limit: 10 }), () => store.log.read({ limit: 10 })]) {
      ((await read()) as RecordedEvent[]).length = 0;
      assert.deepEqual(idsOf(await read()), ['e1', 'e2', 'e3']);
    }
  },

  'a page that is bounded in bytes ends with the event that fills it, and the next one goes on there (G10)': async (
    store,
  ) => {
    // Attributes count too: whatever the exact measure, 40 kB are less than 100,000 bytes and three times that are not.
    const large = { data: JSON.stringify('x'.repeat(20_000)) };
    await record(store, ...sampleEvents('e', 150, large));
    const pages: string[][] = [];
    for (let after = START; ;) {
      const page = await store.log.read({ after, limit: 500, maxBytes: 100_000 });
      if (page.length === 0) break;
      pages.push([...idsOf(page)]);
      after = at(page, -1).position;
    }
    assert.deepEqual(pages.flat(), idsOf(await store.log.read({ limit: 500 })));
    assert.deepEqual(new Set(pages.map((page) => page.length)), new Set([3]));
    const backward = { direction: 'backward', limit: 500, maxBytes: 100_000 } as const;
    assert.deepEqual(idsOf(await store.log.read(backward)), ['e150', 'e149', 'e148']);
    assert.deepEqual(idsOf(await store.log.readStream('order-1', backward)), ['e150', 'e149', 'e148']);
    const long = await store.log.readStream('order-1', { limit: 500, maxBytes: 3_000_000, fromVersion: 10 });
    assert.deepEqual([at(long, 0).version, long.length, at(long, -1).version], [10, 75, 84]);
    assert.equal((await store.log.read({ limit: 2, maxBytes: 1 })).length, 1, 'never none where there is one');
    const rare = { types: ['contract.thing.happened'], correlationid: 'e7', limit: 9, maxBytes: 1 };
    assert.deepEqual(idsOf(await store.log.read(rare)), ['e7']);
  },

  'a bound in bytes holds whatever was read before: nothing, many small events, then large ones (G10)': async (
    store,
  ) => {
    const bounded = { limit: 500, maxBytes: 1_000_000 } as const;
    assert.deepEqual(await store.log.read(bounded), []);
    assert.deepEqual(await store.log.read(bounded), []);
    await record(store, ...sampleEvents('small', 300));
    assert.equal((await store.log.read(bounded)).length, 300);
    await record(store, ...sampleEvents('large', 200, { data: JSON.stringify('x'.repeat(50_000)) }));
    for (const types of [undefined, ['contract.thing.happened']]) {
      const more = types === undefined ? bounded : { ...bounded, types };
      const whole = await store.log.read(more);
      const [before, bytes] = [sumOfBytes(whole.slice(0, -1)), sumOfBytes(whole)];
      assert.ok(before < 1_000_000 && bytes >= 1_000_000, `${before} and then ${bytes} bytes`);
      const rest = await store.log.read({ ...more, after: at(whole, -1).position });
      assert.equal(rest[0]?.position, at(whole, -1).position + 1);
    }
  },

  'reading does not use anything up (ES27)': async (store) => {
    await record(store, ...sampleEvents('e', 3));
    const first = await store.log.read({ limit: 2 });
    assert.deepEqual(idsOf(await store.log.read({ limit: 2 })), idsOf(first));
  },

  'pages through the log, forward and backward, without gap or repetition (ES25, G5)': async (store) => {
    for (let batch = 0; batch < 5; batch += 1)
      await record(store, ...sampleEvents(`b${batch}-`, 5, { stream: `s-${batch % 2}` }));
    const whole = idsOf(await store.log.read({ limit: 100 }));
    for (const direction of ['forward', 'backward'] as const) {
      const seen: string[] = [];
      let page = await store.log.read({ direction, limit: 4 });
      while (page.length > 0) {
        seen.push(...idsOf(page));
        page = await store.log.read({ direction, limit: 4, after: at(page, -1).position });
      }
      assert.deepEqual(seen, direction === 'forward' ? whole : whole.toReversed());
    }
  },

  'reads 10,000 events in one page': async (store) => {
    for (let batch = 0; batch < 11; batch += 1) await record(store, ...sampleEvents(`b${batch}-`, 1_000));
    const page = await store.log.read({ limit: 10_000 });
    assert.deepEqual([page.length, page.at(-1)?.version], [10_000, 10_000]);
  },

  'gives the events of the wanted types in log order; the limit counts those (ES25)': async (store) => {
    const places = await record(
      store,
      ...Array.from({ length: 30 }, (_, index) =>
        sampleEvent(`e${index}`, { type: `t${index % 3}`, stream: `s-${index % 2}` }),
      ),
    );
    const wanted = (...types: string[]) =>
      places.map((_, index) => index).filter((index) => types.includes(`t${index % 3}`));
    const names = (indexes: readonly number[]) => indexes.map((index) => `e${index}`);
    assert.deepEqual(idsOf(await store.log.read({ types: ['t1'], limit: 100 })), names(wanted('t1')));
    assert.deepEqual(
      idsOf(await store.log.read({ types: ['t2', 't0', 't2'], limit: 5 })),
      names(wanted('t0', 't2').slice(0, 5)),
    );
    const after = at(places, 10).position;
    assert.deepEqual(
      idsOf(await store.log.read({ types: ['t1', 'no such type'], after, limit: 3 })),
      names(
        wanted('t1')
          .filter((index) => index > 10)
          .slice(0, 3),
      ),
    );
    assert.deepEqual(
      idsOf(await store.log.read({ types: ['t1'], after, direction: 'backward', limit: 3 })),
      names(
        wanted('t1')
          .filter((index) => index < 10)
          .reverse()
          .slice(0, 3),
      ),
    );
    assert.deepEqual(await store.log.read({ types: ['no such type'], limit: 3 }), []);
    assert.deepEqual(await store.log.read({ types: [], limit: 3 }), []);
  },

  'gives the events of one conversation, alone and together with types (ES32)': async (store) => {
    const places = await record(
      store,
      ...Array.from({ length: 12 }, (_, index) =>
        sampleEvent(`e${index}`, { correlationid: `c${index % 3}`, type: `t${index % 2}` }),
      ),
    );
    assert.deepEqual(idsOf(await store.log.read({ correlationid: 'c1', limit: 100 })), ['e1', 'e4', 'e7', 'e10']);
    assert.deepEqual(idsOf(await store.log.read({ correlationid: 'c1', limit: 2, after: at(places, 1).position })), [
      'e4',
      'e7',
    ]);
    assert.deepEqual(idsOf(await store.log.read({ correlationid: 'c1', limit: 2, direction: 'backward' })), [
      'e10',
      'e7',
    ]);
    assert.deepEqual(
      idsOf(
        await store.log.read({ correlationid: 'c1', limit: 2, direction: 'backward', after: at(places, 7).position }),
      ),
      ['e4', 'e1'],
    );
    assert.deepEqual(idsOf(await store.log.read({ correlationid: 'c1', types: ['t0'], limit: 100 })), ['e4', 'e10']);
    assert.deepEqual(await store.log.read({ correlationid: 'c', limit: 100 }), []);
  },
};

const ofStreams: Bodies = {
  'reads a stream forward from the start, from a version and up to a limit (ES13)': async (store) => {
    await interleaved(store);
    assert.deepEqual(idsOf(await store.log.readStream('a-1', { limit: 100 })), [
      'a1',
      'a2',
      'a3',
      'a4',
      'a5',
      'a6',
      'a7',
      'a8',
    ]);
    assert.deepEqual(idsOf(await store.log.readStream('a-1', { fromVersion: 2, limit: 100 })), [
      'a2',
      'a3',
      'a4',
      'a5',
      'a6',
      'a7',
      'a8',
    ]);
    assert.deepEqual(idsOf(await store.log.readStream('a-1', { fromVersion: 3, limit: 2 })), ['a3', 'a4']);
    assert.deepEqual(idsOf(await store.log.readStream('a-1', { fromVersion: 1, limit: 1 })), ['a1']);
  },

  'reads a stream backward from the end, from a version and up to a limit (ES13)': async (store) => {
    await interleaved(store);
    const backward = { direction: 'backward', limit: 100 } as const;
    assert.deepEqual(idsOf(await store.log.readStream('a-1', backward)), [
      'a8',
      'a7',
      'a6',
      'a5',
      'a4',
      'a3',
      'a2',
      'a1',
    ]);
    assert.deepEqual(idsOf(await store.log.readStream('a-1', { ...backward, fromVersion: 2 })), ['a2', 'a1']);
    assert.deepEqual(idsOf(await store.log.readStream('a-1', { ...backward, fromVersion: 7, limit: 2 })), ['a7', 'a6']);
    assert.deepEqual(idsOf(await store.log.readStream('a-1', { ...backward, fromVersion: 1_000, limit: 1 })), ['a8']);
  },

  'a missing stream and versions beyond the end read as empty (ES14: our answer is an empty list)': async (store) => {
    await interleaved(store);
    assert.deepEqual(await store.log.readStream('missing-1', { limit: 10 }), []);
    assert.deepEqual(await store.log.readStream('missing-1', { limit: 10, direction: 'backward' }), []);
    assert.deepEqual(await store.log.readStream('a-1', { fromVersion: 9, limit: 10 }), []);
    assert.deepEqual(await store.log.readStream('a-1', { fromVersion: Number.MAX_SAFE_INTEGER, limit: 10 }), []);
    assert.deepEqual(await store.log.readStream('a', { limit: 10 }), [], 'a category is not a stream');
  },

  'versions of a stream are gapless and rise with its positions (G5)': async (store) => {
    await interleaved(store);
    for (const stream of ['a-1', 'b-1']) {
      const events = await store.log.readStream(stream, { limit: 100 });
      assert.deepEqual(
        events.map((event) => event.version),
        [1, 2, 3, 4, 5, 6, 7, 8],
      );
      assert.deepEqual(
        events.map((event) => event.position),
        events.map((event) => event.position).sort((left, right) => left - right),
      );
    }
  },

  'tells the state of a stream': async (store) => {
    assert.deepEqual(await store.log.streamState('a-1'), {
      stream: 'a-1',
      version: 0,
      firstVersion: 1,
      deleted: false,
    });
    await interleaved(store);
    assert.deepEqual(await store.log.streamState('a-1'), {
      stream: 'a-1',
      version: 8,
      firstVersion: 1,
      deleted: false,
    });
  },
};

const ofTheEdges: Bodies = {
  'the head of an empty log is START, later the position of the last event (ES26)': async (store) => {
    assert.equal(await store.log.head(), START);
    const places = await record(store, ...sampleEvents('e', 3));
    assert.equal(await store.log.head(), at(places, -1).position);
  },

  'the position before an instant is followed by exactly the events recorded from then on (ES26)': async (
    store,
    { clock },
  ) => {
    assert.equal(await store.log.positionBefore(clock.now()), START);
    const startMs = clock.now();
    for (let index = 0; index < 6; index += 1) {
      await record(store, ...sampleEvents(`${index}-`, 2));
      clock.advance(index % 2 === 0 ? 0 : 10);
    }
    const whole = await store.log.read({ limit: 100 });
    for (const instant of [0, startMs - 1, startMs, startMs + 1, startMs + 10, startMs + 15, startMs + 20]) {
      const after = await store.log.positionBefore(instant);
      const expected = whole.filter((event) => event.recordedMs >= instant);
      assert.deepEqual(
        idsOf(await store.log.read({ after, limit: 100 })),
        idsOf(expected),
        `${instant - startMs} ms after the first`,
      );
    }
    const head = await store.log.head();
    assert.equal(await store.log.positionBefore(startMs + 21), head);
    assert.equal(await store.log.positionBefore(Number.MAX_SAFE_INTEGER), head);
  },

  'counts the readable events between two positions, up to a limit': async (store) => {
    assert.equal(await store.log.count(START, START, 10), 0);
    const places = await record(store, ...sampleEvents('e', 10));
    const head = at(places, -1).position;
    const third = at(places, 2).position;
    assert.equal(await store.log.count(START, head, 100), 10);
    assert.equal(await store.log.count(START, third, 100), 3);
    assert.equal(await store.log.count(third, head, 100), 7);
    assert.equal(await store.log.count(third, third, 100), 0);
    assert.equal(await store.log.count(head, third, 100), 0);
    assert.equal(await store.log.count(START, position(Number.MAX_SAFE_INTEGER), 100), 10);
    assert.equal(await store.log.count(START, head, 10), 10);
    assert.equal(await store.log.count(START, head, 4), 4);
  },

  'finds an event by source and id together': async (store) => {
    await record(store, sampleEvent('e1'), sampleEvent('e1', { source: '/other', data: '2' }));
    assert.equal((await store.log.find('/other', 'e1'))?.data, 2);
    assert.equal(await store.log.find('/contract', 'e2'), undefined);
    assert.equal(await store.log.find('/nobody', 'e1'), undefined);
  },
};

const ofNames: Bodies = {
  'lists streams in code point order, page by page': async (store) => {
    const names = ['\u{1f600}-1', 'b-2', '\uffee-1', 'a', 'B-1', 'b-10', 'a-1', 'é-1', 'z-1', 'e\u0301-1', 'b', 'ab-1'];
    const ordered = [
      'B-1',
      'a',
      'a-1',
      'ab-1',
      'b',
      'b-10',
      'b-2',
      'e\u0301-1',
      'z-1',
      'é-1',
      '\uffee-1',
      '\u{1f600}-1',
    ];
    await record(
      store,
      ...names.map((stream, index) => sampleEvent(`e${index}`, { stream })),
      sampleEvent('more', { stream: 'b' }),
    );
    assert.deepEqual(
      (await store.log.listStreams({ limit: 100 })).map((state) => state.stream),
      ordered,
    );
    const seen: string[] = [];
    for (let after: string | undefined; seen.length < ordered.length; after = at(seen, -1)) {
      const page = await store.log.listStreams({ limit: 5, ...(after === undefined ? {} : { after }) });
      seen.push(...page.map((state) => state.stream));
      assert.ok(page.length > 0, 'pages go on until the end');
    }
    assert.deepEqual(seen, ordered);
    assert.deepEqual(await store.log.listStreams({ limit: 5, after: at(ordered, -1) }), []);
    const listed = await store.log.listStreams({ after: 'ab-1', limit: 1 });
    assert.deepEqual(listed, [{ stream: 'b', version: 2, firstVersion: 1, deleted: false }]);
  },

  'lists the streams of a category: what stands before the first dash, whole': async (store) => {
    const names = ['order-1', 'order', 'orders-1', 'order-2-a', 'ord-er', 'Order-1', 'order_1-1', '-1', 'order%-1'];
    await record(store, ...names.map((stream, index) => sampleEvent(`e${index}`, { stream })));
    const list = async (category: string, after?: string) =>
      (await store.log.listStreams({ category, limit: 10, ...(after === undefined ? {} : { after }) })).map(
        (state) => state.stream,
      );
    assert.deepEqual(await list('order'), ['order', 'order-1', 'order-2-a']);
    assert.deepEqual(await list('order', 'order'), ['order-1', 'order-2-a']);
    assert.deepEqual(await list('order%'), ['order%-1']);
    assert.deepEqual(await list('order_1'), ['order_1-1']);
    assert.deepEqual(await list(''), ['-1']);
    assert.deepEqual(await list('order-1'), []);
    assert.deepEqual(await list('none'), []);
  },

  'does not list streams that were only asked for or refused': async (store) => {
    await store.log.streamState('a-1');
    await store.log.readStream('a-2', { limit: 1 });
    await store.log.append({
      events: [sampleEvent('e', { stream: 'a-3' })],
      expected: [{ stream: 'a-4', version: 'exists' }],
      onDuplicate: 'verify',
    });
    await store.log.deleteStream('a-5');
    assert.deepEqual(await store.log.listStreams({ limit: 10 }), []);
  },
};

/** Two streams of eight events, taking turns. */
async function interleaved(store: Store): Promise<void> {
  const turns = sampleEvents('', 8).flatMap(({ id }) => [
    sampleEvent(`a${id}`, { stream: 'a-1' }),
    sampleEvent(`b${id}`, { stream: 'b-1' }),
  ]);
  await record(store, ...turns);
}
