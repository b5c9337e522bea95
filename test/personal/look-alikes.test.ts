import { expect, it } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';
import { defineCommand, defineDecider, defineEvent, defineProjection, fact, open } from '../../src/index.ts';

const Registered = defineEvent({
  type: 'shop.customer.registered',
  stream: (data) => data.customer,
  schema: z.object({ customer: z.string(), email: z.string() }),
  personal: { subject: (data) => data.customer, fields: ['email'] },
});
const Noted = defineEvent({
  type: 'shop.customer.noted',
  stream: (data) => data.customer,
  schema: z.object({ customer: z.string(), note: z.json() }),
});
const note = defineCommand({
  name: 'note',
  stream: (data) => data.customer,
  schema: z.object({ customer: z.string(), note: z.json() }),
  personal: 'none',
});
interface State {
  readonly email: string;
  readonly note: unknown;
}
const customer = defineDecider({
  name: 'customer',
  category: 'customer',
  initial: (): State => ({ email: '', note: null }),
  evolve: [
    [Registered, (state, { data }) => ({ ...state, email: data.email })],
    [Noted, (state, { data }) => ({ ...state, note: data.note })],
  ],
  decide: [[note, (_state, { data }) => fact(Noted, data)]],
  snapshot: { every: 1 },
  personal: { subject: (_state, stream) => stream, fields: ['email'] },
});
const customers = defineProjection({
  name: 'customers',
  key: (event) => event.data.customer,
  initial: (): State => ({ email: '', note: null }),
  on: [
    [Registered, (row, { data }) => ({ ...row, email: data.email })],
    [Noted, (row, { data }) => ({ ...row, note: data.note })],
  ],
  personal: { subject: (_row, key) => key, fields: ['email'] },
});

it('what looks like a sealed value where nothing personal is kept is data like all other, in rows, snapshots and states', async () => {
  const system = await open({
    store: memory(),
    events: [Registered, Noted],
    deciders: [customer],
    projections: [customers],
  });
  await system.publish(Registered, { customer: 'customer-1', email: 'a@b.org' });
  const { events } = await system.events.read({ types: [Registered.type], limit: 1 });
  const token = (JSON.parse(events[0]?.stored.data ?? '') as { email: { $sealed: string } }).email;
  expect(Object.keys(token)).toEqual(['$sealed']);
  const invented = { $sealed: token.$sealed.replace(/[A-Za-z]/u, (letter) => (letter === 'x' ? 'y' : 'x')) };
  for (const look of [token, invented, { $sealed: 'nonsense' }, { list: [token] }]) {
    await system.execute(note, { customer: 'customer-1', note: look });
    await system.settled();
    const wanted = { email: 'a@b.org', note: look };
    expect(await system.views.get(customers, 'customer-1')).toEqual(wanted);
    expect((await system.views.query(customers)).items).toEqual([{ key: 'customer-1', row: wanted }]);
    const fromSnapshot = (await system.deciders.state(customer, 'customer-1')).state;
    expect(fromSnapshot).toEqual(wanted);
    await system.deciders.dropSnapshots(customer);
    expect((await system.deciders.state(customer, 'customer-1')).state).toEqual(fromSnapshot);
  }
  expect((await system.consumers.status('customers')).state).toBe('running');
  await system.forget('customer-1');
  expect(await system.views.get(customers, 'customer-1')).toEqual({ email: '[erased]', note: { list: [token] } });
  await system.close();
});
