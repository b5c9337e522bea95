import { describe, expect, test } from 'vitest';
import { sampleEvent } from '../../contract/samples.ts';
import { StoreHeld } from '../../errors.ts';
import { createEnvironment } from '../../system/environment.ts';
import { memory } from './memory.ts';
import { compareText } from './text-order.ts';

const environment = createEnvironment();

describe('a memory store', () => {
  test('is refused a second time while it is open, naming its holder, and is free after close', async () => {
    const factory = memory();
    const store = await factory.open(environment);
    await store.announce('http://127.0.0.1:4600');
    const refusal: unknown = await factory.open(environment).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(StoreHeld);
    expect(refusal).toMatchObject({
      store: 'memory',
      holder: expect.stringMatching(/^process \d+ on .+ \(http:\/\/127\.0\.0\.1:4600\)$/) as string,
    });
    await store.close();
    await expect(factory.open(environment)).resolves.toBeDefined();
  });

  test('a late close of the former store does not release the present one', async () => {
    const factory = memory();
    const former = await factory.open(environment);
    await former.close();
    await factory.open(environment);
    await former.close();
    await expect(factory.open(environment)).rejects.toThrow(StoreHeld);
  });

  test('appends, reads and trims 100,000 events in time that grows with their number', async () => {
    const store = await memory().open(environment);
    for (let batch = 0; batch < 1_000; batch += 1) {
      const events = Array.from({ length: 100 }, (_, index) =>
        sampleEvent(`${batch}/${index}`, { stream: `order-${index % 10}`, correlationid: `c${batch}` }),
      );
      await store.log.append({ events, onDuplicate: 'verify' });
    }
    let seen = 0;
    for (
      let page = await store.log.read({ limit: 500 });
      page.length > 0;
      page = await store.log.read({ after: page.at(-1)?.position ?? (await store.log.head()), limit: 500 })
    )
      seen += page.length;
    const notAbove = await store.log.head();
    expect(seen).toBe(100_000);
    for (let more = true; more;)
      ({ more } = await store.log.trim({ category: 'order', keepNewest: 1_000, notAbove, keep: [], limit: 5_000 }));
    expect(await store.log.count(0 as typeof notAbove, notAbove, 10_000)).toBe(1_000);
    await store.close();
  });
});

test('text is ordered by code point, where units would say otherwise', () => {
  const ordered = [
    '',
    'a',
    'a\u0000',
    'ab',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
    '\u{10000}a',
    '\u{1f600}',
    '\u{10ffff}',
  ];
  expect(ordered.toReversed().sort(compareText)).toEqual(ordered);
  expect(ordered.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))).toEqual(ordered);
});
