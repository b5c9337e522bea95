import assert from 'node:assert/strict';
import { InvalidInput, WrongState } from '../../errors.ts';
import type { ImageRecord, RecordOf } from '../../image/store-image.ts';
import type { Store } from '../../store.ts';
import { commit, sampleConsumer, sampleDelivery, sampleRow } from '../consumer-samples.ts';
import type { ContractSuite } from '../contract-case.ts';
import { assertSameImage, given, holdingEverything, imageOf } from '../image-samples.ts';
import { casesOn, recordOne, sampleEvent } from '../samples.ts';

type Bodies = Parameters<typeof casesOn>[1];

export const refusingCases: ContractSuite = (bench) => casesOn(bench, refusing);

const refusing: Bodies = {
  'a store that holds anything is not filled, and says what it holds': async (store, bench) => {
    await holdingEverything(store);
    const image = await imageOf(store);
    const holding: Readonly<Record<string, (other: Store) => Promise<unknown>>> = {
      events: (other) => recordOne(other, sampleEvent('e1')),
      streams: (other) => other.log.deleteStream('gone-2'),
      consumers: (other) => other.checkpoints.put(sampleConsumer('c')),
      rows: (other) => commit(other, { rows: [sampleRow('k', 1)] }),
      deliveries: (other) => commit(other, { deliveries: { put: [sampleDelivery(1)], remove: [] } }),
      schemas: (other) =>
        other.schemas.put([
          {
            type: 't',
            version: 1,
            summary: undefined,
            vendor: 'v',
            jsonSchema: undefined,
            onInvalid: 'reject',
            registeredMs: 0,
          },
        ]),
    };
    for (const [what, hold] of Object.entries(holding)) {
      const other = await bench.open();
      await hold(other);
      const before = await imageOf(other);
      await assert.rejects(
        () => other.image.fill(given(image)),
        (error) => {
          assert.ok(error instanceof WrongState);
          assert.match(error.message, new RegExp(`not empty, it holds .*${what}`, 'u'));
          return true;
        },
      );
      assertSameImage(await imageOf(other), before);
      await recordOne(other, sampleEvent('later'));
    }
  },

  'whatever ends it in the middle, nothing of it is there, and it can be done again (G3)': async (store, bench) => {
    await holdingEverything(store);
    const image = await imageOf(store);
    const other = await bench.open();
    for (const length of [0, 1, 20, 100, image.length - 1]) {
      await assert.rejects(() => other.image.fill(given(image.slice(0, length))), InvalidInput, `${length} records`);
      const failing = async function* () {
        yield* given(image.slice(0, length));
        throw new TypeError('the disk is gone');
      };
      await assert.rejects(() => other.image.fill(failing()), TypeError);
    }
    assert.equal((await imageOf(other)).length, 2);
    await other.image.fill(given(image));
    assertSameImage(await imageOf(other), image);
  },

  'nobody sees a part of it (G3)': async (store, bench) => {
    await holdingEverything(store);
    const image = await imageOf(store);
    const other = await bench.open();
    const watching = async function* () {
      for (const one of image) {
        yield [one];
        assert.deepEqual(
          [await other.log.head(), (await other.schemas.list()).length, (await other.log.read({ limit: 1 })).length],
          [0, 0, 0],
        );
      }
    };
    await other.image.fill(watching());
    assert.equal(await other.log.head(), 208);
  },

  'an image that was changed by hand is refused with the record that is not as it must be': async (store, bench) => {
    await holdingEverything(store);
    const image = await imageOf(store);
    const other = await bench.open();
    const end = image.at(-1) as RecordOf<'end'>;
    const changed = (kind: ImageRecord['kind'], change: object) => {
      const at = image.findIndex((one) => one.kind === kind);
      return image.with(at, { ...image[at], ...change } as ImageRecord);
    };
    const wrong: readonly (readonly [message: RegExp, records: readonly unknown[]])[] = [
      [/^record 1 of the image, format: expected 1.*found 2$/, changed('head', { format: 2 })],
      [/position: expected above 0, at most 208, found 0$/, changed('event', { position: 0 })],
      [/position: expected above \d+, at most 208, found 209$/, changed('removed', { position: 209 })],
      [/\(stream\)\.version: expected a whole number from 0, found "1"$/, changed('stream', { version: '1' })],
      [/\(event\)\.encoding: expected one of json, text, .*found "xml"$/, changed('event', { encoding: 'xml' })],
      [/\(consumer\)\.form\.mode: /, changed('consumer', { form: { kind: 'consumer', mode: 'both', indexes: [] } })],
      [/\(row\): .*found "more"$/, changed('row', { more: 1 })],
      [/counts\.event: expected 55, .*found 1$/, changed('end', { counts: { ...end.counts, event: 1 } })],
      [/^record 1 of the image, kind: expected head, found "schema"$/, image.slice(1)],
      [/expected nothing after the last record/, [...image, image[1]]],
      [/kind: expected not before row, found "stream"$/, [...image.slice(0, -1), changed('stream', {})[3]]],
      [
        /^record 3 of the image, kind: expected one of head, .*found "thing"$/,
        [...image.slice(0, 2), { kind: 'thing' }],
      ],
      [/kind: expected one of head/, [image[0], null]],
      [/kind: expected one of head/, ['text']],
    ];
    for (const [message, records] of wrong)
      await assert.rejects(
        () => other.image.fill(given(records)),
        (error) => {
          assert.ok(error instanceof InvalidInput, String(error));
          assert.match(error.message, message);
          return true;
        },
      );
    assert.equal((await imageOf(other)).length, 2);
  },
};
