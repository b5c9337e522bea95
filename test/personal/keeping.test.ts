import { defineConsumer, defineEvent, defineProjection, open, readImage, fillStore } from 'thereupon';
import type { ImageRecord } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';
import { interceptedFactory } from '../../src/testing/intercepted-store.ts';
import { Registered } from './program.ts';

const data = (customer: string) => ({
  customer,
  email: `${customer}@x.org`,
  address: { street: 'St James Square 12', city: 'London' },
  phones: [{ number: '0044' }],
});

/** A store with two facts, of which something was changed behind its back. */
async function altered(change: (record: ImageRecord) => ImageRecord) {
  const from = memory();
  const system = await open({ store: from, events: [Registered] });
  for (const customer of ['customer-1', 'customer-2'])
    await system.publish(Registered, data(customer), { id: customer });
  await system.close();
  const to = memory();
  await fillStore(
    to,
    (async function* () {
      for await (const page of readImage(from, { withKeys: true })) yield page.map(change);
    })(),
  );
  return to;
}

const exchanged = (record: ImageRecord, change: (text: string) => string): ImageRecord =>
  record.kind === 'event' && record.id === 'customer-1' ? { ...record, data: change(record.data ?? '') } : record;

describe('a sealed value that is not what was sealed at its place', () => {
  it.each([
    [
      'altered',
      'data.email',
      (text: string) =>
        text.replace(
          /("email":\{"\$sealed":"[\w.-]{40})(.)/,
          (_all, before: string, one: string) => before + (one === 'A' ? 'B' : 'A'),
        ),
    ],
    [
      'brought there from another field',
      'data.email',
      (text: string) => {
        const { street } = (JSON.parse(text) as { address: { street: unknown } }).address;
        return JSON.stringify({ ...(JSON.parse(text) as object), email: street });
      },
    ],
  ])('%s is an error that names the event and the place, and parks the event', async (_how, place, change) => {
    const store = await altered((record) => exchanged(record, change));
    const seen: string[] = [];
    const reader = defineConsumer({
      name: 'reader',
      on: Registered,
      retry: { attempts: 1 },
      handle: ({ event }) => void seen.push(event.data.email),
    });
    await using test = await testSystem({ store, consumers: [reader] });
    const [event] = (await test.system.events.readStream('customer-1')).events;
    const wrong = new RegExp(`customer-1 of shop.customer.registered: the sealed value at ${place} is not`);
    expect(() => event?.data).toThrow(wrong);
    await test.system.settled();
    expect(seen).toEqual(['customer-2@x.org']);
    const { items } = await test.deadLetters.list();
    expect(items.map(({ error }) => error?.code)).toEqual(['sealed-data-invalid']);
  });
});

describe('keys', () => {
  it('are deleted all or none: a store that fails in the middle keeps them, and a second call deletes them', async () => {
    let isFailing = false;
    const store = interceptedFactory(memory(), async (call) => {
      if (isFailing && call.port === 'rows' && call.method === 'put') throw new Error('the disk is away');
      return call.proceed();
    });
    await using test = await testSystem({ store, events: [Registered] });
    await test.system.publish(Registered, data('customer-1'));
    isFailing = true;
    await expect(test.system.forget('customer-1')).rejects.toThrow('the disk is away');
    isFailing = false;
    const read = async () => (await test.system.events.readStream('customer-1')).events.map((event) => event.data);
    expect(await read()).toEqual([data('customer-1')]);
    expect(await test.system.forget('customer-1')).toEqual({ keys: 1 });
    expect(await read()).toMatchObject([{ email: '[erased]' }]);
  });

  it('of one person are made once, whoever publishes at the same time', async () => {
    await using test = await testSystem({ events: [Registered] });
    await Promise.all(Array.from({ length: 50 }, () => test.system.publish(Registered, data('customer-1'))));
    expect(await test.system.forget('customer-1')).toEqual({ keys: 1 });
  });

  it('that are not known to a node lead to one of its own, and all are forgotten together', async () => {
    const store = memory();
    const first = await open({ store, events: [Registered] });
    await first.publish(Registered, data('customer-1'));
    await first.close();
    const image: ImageRecord[][] = [];
    for await (const page of readImage(store, { withKeys: true }))
      image.push(
        page.flatMap((record): ImageRecord[] => {
          if (record.kind === 'row')
            return [record, { ...record, key: record.key.replace(/^./, (one) => (one === 'z' ? 'y' : 'z')) }];
          return record.kind === 'end' ? [{ ...record, counts: { ...record.counts, row: 2 } }] : [record];
        }),
      );
    const two = memory();
    await fillStore(
      two,
      (async function* () {
        yield* image.map((page) =>
          page.toSorted((left, right) =>
            left.kind === 'row' && right.kind === 'row' ? (left.key < right.key ? -1 : 1) : 0,
          ),
        );
      })(),
    );
    const system = await open({ store: two, events: [Registered] });
    expect(await system.forget('customer-1')).toEqual({ keys: 2 });
    await system.close();
  });
});

describe('a program', () => {
  const Looked = defineEvent({
    type: 'shop.customer.looked',
    stream: (looked) => looked.customer,
    schema: z.object({ customer: z.string() }),
  });

  it('that forgets somebody while events of them are handled keeps nothing of before', async () => {
    const rows = defineProjection({
      name: 'rows',
      key: (event) => event.data.customer,
      initial: () => ({ email: '', looks: 0 }),
      on: [
        [Registered, (row, event) => ({ ...row, email: event.data.email })],
        [Looked, (row) => ({ ...row, looks: row.looks + 1 })],
      ],
      personal: { subject: (_row, key) => key, fields: ['email'] },
    });
    const system = await open({ store: memory(), projections: [rows] });
    await system.publish(Registered, data('customer-1'));
    await system.settled();
    const looks = Array.from({ length: 200 }, () => system.publish(Looked, { customer: 'customer-1' }));
    const forgotten = system.forget('customer-1');
    await Promise.all([...looks, forgotten]);
    await system.settled();
    expect(await system.views.get(rows, 'customer-1')).toEqual({ email: '[erased]', looks: 200 });
    await system.close();
  });

  it('sets an event aside whose key would be made of a personal field, under no such key', async () => {
    const byEmail = defineProjection({
      name: 'by-email',
      key: (event) => event.data.email,
      initial: () => ({ times: 0 }),
      on: [[Registered, (row) => ({ times: row.times + 1 })]],
      retry: { attempts: 1 },
      personal: 'none',
    });
    await using test = await testSystem({ projections: [byEmail] });
    await test.when(Registered, data('customer-1'));
    const { items } = await test.deadLetters.list();
    expect(items.map(({ key }) => key)).toEqual(['customer-1']);
    expect(items[0]?.error?.message).toContain('its function reads a personal field');
    expect(await test.views.get(byEmail, 'customer-1@x.org')).toBeUndefined();
  });

  it('is refused where an index of its rows would be made of a personal field, by name', async () => {
    const leaky = defineProjection({
      name: 'leaky',
      key: (event) => event.data.customer,
      initial: () => ({ email: '' }),
      on: [[Registered, (_row, event) => ({ email: event.data.email })]],
      indexes: { email: (row) => row.email },
      retry: { attempts: 1 },
      personal: { subject: (_row, key) => key, fields: ['email'] },
    });
    await using test = await testSystem({ projections: [leaky] });
    await test.when(Registered, data('customer-1'));
    const { items } = await test.deadLetters.list();
    expect(items[0]?.error?.message).toContain('projection leaky: index email reads a personal field');
    expect(await test.views.get(leaky, 'customer-1')).toBeUndefined();
  });
});
