import * as fc from 'fast-check';
import { open } from 'thereupon';
import type { ReadEventsOptions, System } from 'thereupon';
import { memory } from 'thereupon/memory';
import { expect, it } from 'vitest';
import { Happened } from './things.ts';

/** Every page, put together. */
async function all(events: System['events'], options: ReadEventsOptions): Promise<readonly number[]> {
  const found: number[] = [];
  let { after } = options;
  for (;;) {
    const page = await events.read({ ...options, ...(after === undefined ? {} : { after }) });
    found.push(...page.events.map(({ position }) => position));
    if (page.next === undefined) return found;
    after = page.next;
  }
}

it('reads one stream as what is left of the whole log when the others are left out, also where events were removed (G5)', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        things: fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }),
        truncate: fc.integer({ min: 1, max: 20 }),
        limit: fc.integer({ min: 1, max: 7 }),
        direction: fc.constantFrom('forward' as const, 'backward' as const),
        after: fc.option(fc.integer({ min: 0, max: 70 }), { nil: undefined }),
      }),
      async ({ things, truncate, limit, direction, after }) => {
        await using system = await open({ store: memory(), events: [Happened] });
        for (const [n, thing] of things.entries()) await system.publish(Happened, { thing, n });
        await system.truncateStream('thing-a', Math.min(truncate, things.length + 1));
        const page = { limit, direction, ...(after === undefined ? {} : { after }) };
        const log = await system.events.read({ limit: 1_000, direction, ...(after === undefined ? {} : { after }) });
        const expected = log.events.filter(({ stream }) => stream === 'thing-a').map(({ position }) => position);
        expect(await all(system.events, { ...page, stream: 'thing-a' })).toEqual(expected);
      },
    ),
    { numRuns: 150 },
  );
});

it('lets others have their turn while it looks for rare events in a long log (G10)', async () => {
  await using system = await open({ store: memory(), events: [Happened] });
  for (let n = 0; n < 20; n += 1)
    await system.publishAll(
      Array.from({ length: 1_000 }, (_, index) => ({ event: Happened, data: { thing: 'a', n: index } })),
    );
  let turns = 0;
  const counting = setInterval(() => (turns += 1), 0);
  const { events, next } = await system.events.read({ where: { data: { n: [-1] } } });
  clearInterval(counting);
  expect([events.length, next]).toEqual([0, undefined]);
  expect(turns).toBeGreaterThan(3);
});
