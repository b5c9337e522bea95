import * as fc from 'fast-check';
import { defineEvent, defineProjection, open, readImage } from 'thereupon';
import type { StoreFactory } from 'thereupon';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { newFile } from '../image/moving-medium.ts';

const Registered = defineEvent({
  type: 'shop.customer.registered',
  stream: ({ customer }) => customer,
  schema: z.object({ customer: z.string(), shop: z.string(), email: z.string() }),
  personal: { subject: ({ customer }) => customer, fields: ['email'] },
});

/** Of each customer, and of each shop, whose rows are about its owner: also of people of whom nothing was recorded. */
function views(mode: 'async' | 'inline') {
  const initial = () => ({ emails: [''], times: 0 });
  const on = [
    [
      Registered,
      (row: { emails: string[]; times: number }, { data }: { data: { email: string } }) => ({
        emails: [...row.emails, data.email].slice(-3),
        times: row.times + 1,
      }),
    ],
  ] as const;
  const common = { mode, initial, on, indexes: { times: (row: { times: number }) => row.times } };
  return [
    defineProjection({
      ...common,
      name: `customers-${mode}`,
      key: ({ data }) => data.customer,
      personal: { subject: (_row, key) => key, fields: ['emails.*'] },
    }),
    defineProjection({
      ...common,
      name: `shops-${mode}`,
      key: ({ data }) => data.shop,
      personal: { subject: (_row, key) => `owner-of-${key}`, fields: ['emails.*'] },
    }),
  ] as const;
}

const [ownInline, shopsInline] = views('inline');
const [ownAsync, shopsAsync] = views('async');

const program = (store: StoreFactory) =>
  open({ store, projections: [ownInline, shopsInline, ownAsync, shopsAsync], events: [Registered] });

type System = Awaited<ReturnType<typeof program>>;

type Step =
  | { readonly does: 'register'; readonly who: number; readonly shop: number }
  | { readonly does: 'forget'; readonly whom: string }
  | { readonly does: 'restart' };

const who = fc.integer({ min: 1, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ does: fc.constant('register' as const), who, shop: who }) },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constant('forget' as const),
      whom: fc.constantFrom('customer-1', 'customer-2', 'owner-of-shop-1'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ does: 'restart' as const }) },
);

async function rowsOf(system: System, view: typeof ownInline): Promise<readonly unknown[]> {
  return (await system.views.query(view, { limit: 100 })).items;
}

async function isInForce(system: System): Promise<boolean> {
  const found = await Promise.all([ownInline, shopsInline].map(({ name }) => system.consumers.status(name)));
  return found.every(({ inline }) => inline === 'in-force');
}

const inMemory = (): BenchMedium => ({ factory: memory() });

/** Answers how often rows were changed where an event was recorded. */
async function run(store: StoreFactory, steps: readonly Step[]): Promise<number> {
  let system = await program(store);
  let inForce = 0;
  try {
    await system.settled();
    for (const [index, given] of steps.entries()) {
      if (given.does === 'restart') {
        await system.close();
        system = await program(store);
        await system.settled();
      } else if (given.does === 'forget') {
        await system.forget(given.whom);
        await system.settled();
      } else {
        const wasInForce = await isInForce(system);
        const customer = `customer-${given.who}`;
        await system.publish(Registered, { customer, shop: `shop-${given.shop}`, email: `secret${index}@x.org` });
        // Not waited for: they are there, or a loop has them.
        const row = await system.views.get(ownInline, customer);
        if (wasInForce && (await isInForce(system))) {
          inForce += 1;
          expect(row?.emails.at(-1)).toBe(`secret${index}@x.org`);
        }
        await system.settled();
        expect(await isInForce(system)).toBe(true);
      }
      expect(await rowsOf(system, ownInline)).toEqual(await rowsOf(system, ownAsync));
      expect(await rowsOf(system, shopsInline)).toEqual(await rowsOf(system, shopsAsync));
    }
    expect((await system.deadLetters.list()).items).toEqual([]);
  } finally {
    await system.close();
  }
  for await (const page of readImage(store)) expect(JSON.stringify(page)).not.toMatch(/secret\d/v);
  return inForce;
}

describe('inline projections of events with personal fields', () => {
  it.each([
    ['memory', 40, inMemory],
    ['sqlite', 12, newFile],
  ] as const)(
    'have the rows of async ones, sealed, where the events are recorded, on %s',
    async (_backend, runs, newMedium) => {
      let inForce = 0;
      const property = fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
        const medium = newMedium();
        try {
          inForce += await run(medium.factory, steps);
        } finally {
          await medium.dispose?.();
        }
      });
      await fc.assert(property, { numRuns: runs, endOnFailure: true });
      expect(inForce).toBeGreaterThan(runs);
    },
    240_000,
  );

  it('are given up where a key has to be read first, and taken again', async () => {
    const store = memory();
    const first = await program(store);
    await first.settled();
    for (const shop of ['shop-1', 'shop-2'])
      await first.publish(Registered, { customer: `customer-${shop}`, shop, email: 'a@x.org' });
    await first.settled();
    await first.close();
    const system = await program(store);
    await system.settled();
    expect(await isInForce(system)).toBe(true);
    const publish = () => system.publish(Registered, { customer: 'customer-9', shop: 'shop-2', email: 'b@x.org' });
    // Nobody has read the row of the shop since the start.
    await publish();
    expect(await isInForce(system)).toBe(false);
    await system.settled();
    expect(await system.views.get(shopsInline, 'shop-2')).toMatchObject({ emails: ['', 'a@x.org', 'b@x.org'] });
    expect(await isInForce(system)).toBe(true);
    await publish();
    expect(await isInForce(system)).toBe(true);
    expect(await system.views.get(shopsInline, 'shop-2')).toMatchObject({ times: 3 });
    await system.close();
  });

  it('are refused where they say nothing of what is personal in their rows', async () => {
    const silent = defineProjection({
      name: 'silent',
      mode: 'inline',
      key: (event) => event.data.customer,
      initial: () => ({ email: '' }),
      on: [[Registered, (_row, event) => ({ email: event.data.email })]],
    });
    await expect(open({ store: 'memory:', projections: [silent] })).rejects.toThrow(
      'projection silent: keeps what it makes of shop.customer.registered',
    );
  });

  it.each([
    ['index one reads a personal field', { key: 'customer', index: 'email' }],
    ['its function reads a personal field, and keys stay readable', { key: 'email', index: 'times' }],
  ] as const)('set an event aside where %s', async (message, of) => {
    const leaky = defineProjection({
      name: 'leaky',
      mode: 'inline',
      key: (event) => event.data[of.key],
      initial: () => ({ email: '', times: 0 }),
      on: [[Registered, (row, event) => ({ email: event.data.email, times: row.times + 1 })]],
      indexes: { one: (row) => row[of.index] },
      retry: { attempts: 1 },
      personal: { subject: (_row, key) => (of.key === 'email' ? 'somebody' : key), fields: ['email'] },
    });
    const system = await open({ store: memory(), projections: [leaky] });
    await system.settled();
    await system.publish(Registered, { customer: 'customer-1', shop: 'shop-1', email: 'a@x.org' });
    await system.settled();
    const { items } = await system.deadLetters.list();
    expect(items.map(({ error }) => error?.message)).toEqual([expect.stringContaining(message)]);
    expect((await system.views.query(leaky, { limit: 10 })).items).toEqual([]);
    await system.close();
  });
});
