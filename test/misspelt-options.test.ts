import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent, defineProjection, open } from '../src/index.ts';
import { memory } from '../src/backends/memory/memory.ts';

const Counted = defineEvent({
  type: 'things.counted',
  stream: ({ thing }) => `thing-${thing}`,
  schema: z.object({ thing: z.string(), n: z.int() }),
});
const counts = defineProjection({
  name: 'counts',
  key: ({ data }) => data.thing,
  initial: () => 0,
  on: [[Counted, (row, { data }) => row + data.n]],
});
const one = { event: Counted, data: { thing: 'a', n: 1 } };

async function opened() {
  return open({ store: memory(), events: [Counted], projections: [counts] });
}

let system: Awaited<ReturnType<typeof opened>>;
beforeAll(async () => {
  system = await opened();
  await system.publishAll([one]);
  await system.settled();
});
afterAll(() => system.close());

/** What is meant to keep something from happening must not be passed over where it is misspelt. */
describe('an option that there is not is refused by name, and nothing was done', () => {
  it.each([
    ['views.rebuild', 'dryrun', () => system.views.rebuild(counts, { dryrun: true } as never)],
    ['views.rebuild', 'From', () => system.views.rebuild(counts, { From: { position: 1 } } as never)],
    ['publishAll', 'unles', () => system.publishAll([one], { unles: [] } as never)],
    ['publishAll', 'expectedVersion', () => system.publishAll([one], { expectedVersion: 0 } as never)],
    ['a publication', 'option', () => system.publishAll([{ ...one, option: { id: 'x' } } as never])],
    ['append', 'expectedversion', () => system.append('thing-a', [one], { expectedversion: 0 } as never)],
    ['views.query', 'wher', () => system.views.query(counts, { wher: [] } as never)],
    ['views.query', 'order_by', () => system.views.query(counts, { order_by: 'n' } as never)],
    ['deadLetters.list', 'cosumer', () => system.deadLetters.list({ cosumer: 'x' } as never)],
    ['applyRetention', 'forced', () => system.applyRetention({ forced: true, rules: [] } as never)],
  ])('%s: %s', async (_call, option, call) => {
    const head = await system.events.head();
    await expect(call()).rejects.toThrow(`there is no option ${option}`);
    expect(await system.events.head()).toBe(head);
  });

  it('publish: a claim about a stream is one of append', async () => {
    await expect(system.publish(Counted, one.data, { expectedVersion: 0 } as never)).rejects.toThrow(
      /expectedVersion.*what is claimed of a stream is an option of append/,
    );
    await expect(system.views.query(counts, { where: { n: 1 } } as never)).rejects.toMatchObject({
      code: 'invalid-input',
      path: 'where',
    });
  });
});
