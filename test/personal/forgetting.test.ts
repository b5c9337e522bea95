import { defineConsumer, defineDecider, defineCommand, defineEvent, defineProjection, fact, open } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const Registered = defineEvent({
  type: 'shop.customer.registered',
  stream: (data) => `customer-${data.customer}`,
  schema: z.object({
    customer: z.string(),
    email: z.email(),
    age: z.number().optional(),
    address: z.object({ street: z.string(), city: z.string() }).optional(),
    contacts: z.array(z.object({ kind: z.string(), phone: z.string() })).default([]),
  }),
  personal: {
    subject: (data) => `customer-${data.customer}`,
    fields: ['email', 'age', 'address.street', 'contacts.*.phone'],
    erased: { email: 'gone@example.org' },
  },
});

const ada = {
  customer: '9',
  email: 'ada@lovelace.org',
  age: 36,
  address: { street: 'St James Square 12', city: 'London' },
  contacts: [{ kind: 'home', phone: '0044-1234567' }],
};

describe('fields marked personal', () => {
  it('are read as they were published, and stored sealed', async () => {
    await using test = await testSystem({ events: [Registered] });
    await test.system.publish(Registered, ada);
    const { events } = await test.system.events.readStream('customer-9');
    expect(events[0]?.data).toEqual(ada);
    const text = events[0]?.stored.data ?? '';
    for (const value of ['ada@', 'St James', '0044']) expect(text).not.toContain(value);
    expect(text).toContain('London');
    expect(events[0]?.toJSON()).toMatchObject({ data: ada });
  });

  it('read as erased when their subject is forgotten; other subjects stay readable, and later facts have a key of their own', async () => {
    await using test = await testSystem({ events: [Registered] });
    await test.system.publish(Registered, ada);
    await test.system.publish(Registered, { ...ada, customer: '10' });
    expect(await test.system.forget('customer-9')).toEqual({ keys: 1 });
    await test.system.publish(Registered, { ...ada, email: 'later@lovelace.org' });
    const of = async (stream: string) => (await test.system.events.readStream(stream)).events.map(({ data }) => data);
    expect(await of('customer-9')).toEqual([
      {
        customer: '9',
        email: 'gone@example.org',
        age: null,
        address: { street: '[erased]', city: 'London' },
        contacts: [{ kind: 'home', phone: '[erased]' }],
      },
      { ...ada, email: 'later@lovelace.org' },
    ]);
    expect(await of('customer-10')).toEqual([{ ...ada, customer: '10' }]);
    expect(test.recorded().length).toBe(3);
  });

  it('of a fact that is told again are the same fact, although they are sealed anew (G2)', async () => {
    await using test = await testSystem({ events: [Registered] });
    const first = await test.system.publish(Registered, ada, { id: '1' });
    expect(await test.system.publish(Registered, ada, { id: '1' })).toEqual({ ...first, duplicate: true });
    const other = { ...ada, address: { street: 'x', city: 'Paris' } };
    await expect(test.system.publish(Registered, other, { id: '1' })).rejects.toMatchObject({ differs: ['data'] });
  });

  it('are refused where a name in the log would be made of them', async () => {
    const Leaky = defineEvent({
      type: 'shop.customer.leaked',
      stream: (data) => `customer-${data.email}`,
      schema: z.object({ id: z.string(), email: z.string() }),
      personal: { subject: (data) => data.id, fields: ['email'] },
    });
    await using test = await testSystem({ events: [Leaky] });
    await expect(test.system.publish(Leaky, { id: '1', email: 'a@b.org' })).rejects.toThrow(
      'event shop.customer.leaked: its stream function reads a personal field',
    );
  });

  it('are seen by whoever decides on them, also right after they were decided', async () => {
    const Change = defineCommand({
      name: 'change',
      stream: (data) => `customer-${data.customer}`,
      schema: z.object({ customer: z.string(), email: z.string() }),
      personal: { subject: (data) => `customer-${data.customer}` },
    });
    const seen: string[] = [];
    const customer = defineDecider({
      name: 'customer',
      initial: () => ({ email: 'none' }),
      evolve: [[Registered, (_state, event) => ({ email: event.data.email })]],
      decide: [
        [
          Change,
          (state, { data }) => {
            seen.push(state.email);
            return fact(Registered, { customer: data.customer, email: data.email });
          },
        ],
      ],
    });
    await using test = await testSystem({ deciders: [customer] });
    for (const email of ['a@x.org', 'b@x.org', 'c@x.org']) await test.system.execute(Change, { customer: '1', email });
    await test.system.forget('customer-1');
    await test.system.execute(Change, { customer: '1', email: 'd@x.org' });
    expect(seen).toEqual(['none', 'a@x.org', 'b@x.org', 'gone@example.org']);
  });
});

const customers = defineProjection({
  name: 'customers',
  key: (event) => event.data.customer,
  initial: () => ({ email: '', times: 0 }),
  on: [[Registered, (row, event) => ({ email: event.data.email, times: row.times + 1 })]],
  indexes: { times: (row) => row.times },
  personal: { subject: (_row, key) => `customer-${key}`, fields: ['email'] },
});

describe('what is kept of personal fields', () => {
  it('is refused where it is not said what of that is personal, by name', async () => {
    const silent = defineProjection({
      name: 'silent',
      key: (event) => event.data.customer,
      initial: () => ({ email: '' }),
      on: [[Registered, (_row, event) => ({ email: event.data.email })]],
    });
    await expect(open({ store: 'memory:', projections: [silent] })).rejects.toThrow(
      'projection silent: keeps what it makes of shop.customer.registered',
    );
  });

  it('reads as erased in rows, and goes on from that', async () => {
    await using test = await testSystem({ projections: [customers] });
    await test.when(Registered, ada);
    expect(await test.views.get(customers, '9')).toEqual({ email: 'ada@lovelace.org', times: 1 });
    await test.system.forget('customer-9');
    expect(await test.views.get(customers, '9')).toEqual({ email: '[erased]', times: 1 });
    await test.when(Registered, { ...ada, email: 'new@lovelace.org' });
    expect(await test.views.get(customers, '9')).toEqual({ email: 'new@lovelace.org', times: 2 });
    const page = await test.views.query(customers, { where: [{ index: 'times', op: '=', value: 2 }] });
    expect(page.items.map(({ row }) => row)).toEqual([{ email: 'new@lovelace.org', times: 2 }]);
  });

  it('is in no error text of a dead letter', async () => {
    const failing = defineConsumer({
      name: 'failing',
      on: Registered,
      retry: { attempts: 1 },
      handle: ({ event }) => {
        throw new Error(`cannot mail ${event.data.email} aged ${event.data.age}`);
      },
    });
    await using test = await testSystem({ consumers: [failing] });
    await test.when(Registered, ada);
    const { items } = await test.deadLetters.list();
    expect(items[0]?.error?.message).toBe('cannot mail [personal] aged [personal]');
    expect(JSON.stringify(items[0]?.error)).not.toContain('ada@');
    const parked = test.recorded().find(({ type }) => type === 'thereupon.delivery.parked');
    expect(JSON.stringify(parked?.data ?? {})).not.toContain('ada@');
  });
});
