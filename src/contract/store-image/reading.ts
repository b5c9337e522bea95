import assert from 'node:assert/strict';
import { BENCH_START_MS } from '../bench-clock.ts';
import { StoreReadOnly } from '../../errors.ts';
import { CONTENT_KINDS } from '../../image/store-image.ts';
import type { ImageRecord } from '../../image/store-image.ts';
import { commit, sampleRow, sampleUnit } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { assertSameImage, given, holdingEverything, imageOf } from '../image-samples.ts';
import { casesOn, record, recordOne, sampleEvent, sampleEvents } from '../samples.ts';

type Bodies = Parameters<typeof casesOn>[1];

export const readingCases: ContractSuite = (bench) => [
  ...casesOn(bench, reading),
  ...casesOn(bench, beside, 'sharedReading'),
];

const reading: Bodies = {
  'an empty store has a head and an end': async (store) => {
    const counts = Object.fromEntries(Object.keys(CONTENT_KINDS).map((kind) => [kind, 0]));
    assert.deepEqual(await imageOf(store), [
      { kind: 'head', format: 1, position: 0, recordedMs: 0 },
      { kind: 'end', counts },
    ]);
  },

  'an image says everything, in its order (G13)': async (store) => {
    await holdingEverything(store);
    const image = await imageOf(store);
    assert.deepEqual(image.at(0), { kind: 'head', format: 1, position: 208, recordedMs: BENCH_START_MS });
    const counted = {
      schema: 2,
      stream: 6,
      event: 55,
      removed: 153,
      command: 1,
      link: (await store.chain.last())?.number,
      consumer: 2,
      delivery: 3,
      namespace: 2,
      row: 3,
      pending: 0,
    };
    assert.deepEqual(image.at(-1), { kind: 'end', counts: counted });
    const streams = image.flatMap((one) =>
      one.kind === 'stream' ? [`${one.stream} ${one.version} ${one.deleted}`] : [],
    );
    assert.deepEqual(streams, [
      'cart-\uffee 1 false',
      'cart-\u{1f600} 1 false',
      'gone-1 1 true',
      'kept-1 5 false',
      'never-1 0 true',
      'order-1 200 false',
    ]);
    assert.deepEqual(
      image.filter(({ kind }) => kind === 'namespace'),
      [
        { kind: 'namespace', namespace: 'm', indexes: [] },
        { kind: 'namespace', namespace: 'n', indexes: ['i', 'j', 'k'] },
      ],
    );
  },

  'an image is as of its first page, whatever is written while it is read (G3)': async (store) => {
    await record(store, ...sampleEvents('e', 5_000));
    await commit(store, { rows: [sampleRow('k', 1)] });
    const before = await imageOf(store);
    const pages = store.image.read()[Symbol.asyncIterator]();
    const read = [...((await pages.next()).value ?? [])];
    await recordOne(store, sampleEvent('late'));
    await store.log.truncateStream('order-1', 4_000);
    await commit(store, { rows: [sampleRow('k', 2), sampleRow('l', 2)] });
    for (let next = await pages.next(); next.done !== true; next = await pages.next()) read.push(...next.value);
    assertSameImage(JSON.parse(JSON.stringify(read)) as ImageRecord[], before);
  },

  'a page is bounded (G10)': async (store) => {
    await record(store, ...sampleEvents('e', 2_000));
    await record(store, ...sampleEvents('large', 20, { data: JSON.stringify('x'.repeat(1_000_000)) }));
    let largest = 0;
    let pages = 0;
    for await (const page of store.image.read()) {
      largest = Math.max(largest, page.length);
      pages += 1;
    }
    assert.ok(largest <= 1_000, `${largest} records in a page`);
    assert.ok(pages >= 4, `${pages} pages`);
  },
};

const beside: Bodies = {
  'a second opening reads the image beside a writer, and fills nothing': async (store, bench) => {
    assert.ok(bench.openReadOnly !== undefined, 'a backend that declares sharedReading enrols with a readOnly factory');
    await holdingEverything(store);
    const reader = await bench.openReadOnly(store);
    const image = await imageOf(reader);
    assertSameImage(image, await imageOf(store));
    await assert.rejects(() => reader.image.fill(given(image)), StoreReadOnly);
    assert.equal((await store.unitOfWork.commit(sampleUnit())).ok, true);
  },
};
