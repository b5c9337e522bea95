import assert from 'node:assert/strict';
import {
  defineCommand,
  defineConsumer,
  defineDecider,
  defineEvent,
  defineProjection,
  fact,
  open,
  readImage,
  refuse,
} from 'thereupon';
import type { AnySystem } from 'thereupon';
import { createApp } from 'thereupon/server';
import { z } from 'zod';
import type { BenchMedium } from '../../src/contract/bench.ts';

const shape = z.object({
  customer: z.string(),
  email: z.string().min(1),
  address: z.object({ street: z.string(), city: z.string() }),
  phones: z.array(z.object({ number: z.string() })),
});

const subject = ({ customer }: { readonly customer: string }) => customer;
const personal = { subject, fields: ['email', 'address.street', 'phones.*.number'] };

export const Registered = defineEvent({
  type: 'shop.customer.registered',
  stream: subject,
  schema: shape,
  onInvalid: 'quarantine',
  personal,
});

const Welcomed = defineEvent({
  type: 'shop.customer.welcomed',
  stream: ({ customer }: { customer: string; email: string }) => `welcome-${customer}`,
  schema: z.object({ customer: z.string(), email: z.string() }),
  personal: { subject, fields: ['email'] },
});

const Move = defineCommand({
  name: 'move',
  stream: subject,
  schema: z.object({ customer: z.string(), street: z.string() }),
  personal: { subject },
});

const Moved = defineEvent({
  type: 'shop.customer.moved',
  stream: subject,
  schema: z.object({ customer: z.string(), street: z.string() }),
  personal: { subject, fields: ['street'] },
});

const mover = defineDecider({
  name: 'mover',
  category: 'customer',
  initial: () => ({ streets: [''], moves: 0 }),
  evolve: [
    [Moved, ({ streets, moves }, { data }) => ({ streets: [...streets, data.street].slice(-2), moves: moves + 1 })],
  ],
  decide: [
    [
      Move,
      (_state, { data }) =>
        data.street.startsWith('no ')
          ? refuse('no-such-street', `there is no ${data.street}`, { details: { street: data.street } })
          : fact(Moved, data),
    ],
  ],
  snapshot: { every: 1 },
  personal: { subject: (_state, stream) => stream, fields: ['streets'], erased: { streets: [] } },
});

const customers = defineProjection({
  name: 'customers',
  key: subjectOf,
  initial: () => ({ email: '', phones: [''], times: 0 }),
  on: [
    [
      Registered,
      (row, { data }) => ({ email: data.email, phones: data.phones.map(({ number }) => number), times: row.times + 1 }),
    ],
  ],
  indexes: { times: (row) => row.times },
  personal: { subject: (_row, key) => key, fields: ['email', 'phones.*'] },
});

function subjectOf({ data }: { readonly data: { readonly customer: string } }): string {
  return data.customer;
}

const welcomer = defineConsumer({
  name: 'welcomer',
  on: Registered,
  publishes: [Welcomed],
  state: { initial: () => ({ last: '' }), personal: { subject: (_state, stream) => stream, fields: ['last'] } },
  async handle({ event, state, publish }) {
    state.set({ last: event.data.email });
    await publish(Welcomed, { customer: event.data.customer, email: event.data.email });
  },
});

const failing = defineConsumer({
  name: 'failing',
  on: [Registered, Moved],
  mode: 'queue',
  retry: { attempts: 1 },
  handle({ event }) {
    throw new Error(`cannot write to ${JSON.stringify(event.data)}`);
  },
});

export type Step =
  | { readonly does: 'register' | 'misfit' | 'move' | 'refused' | 'forget'; readonly who: number }
  | { readonly does: 'restart' };

/** Bytes of all that a store keeps, and where they came from. */
export type Dump = () => Promise<readonly { readonly name: string; readonly bytes: Buffer }[]>;

const program = (medium: BenchMedium) =>
  open({
    store: medium.factory,
    events: [Registered, Welcomed, Moved],
    deciders: [mover],
    projections: [customers],
    consumers: [welcomer, failing],
    tamperEvidence: true,
  });

/** Runs a program on personal data, and looks for what must not be there and for what must. */
export async function runForgetting(medium: BenchMedium, dump: Dump, steps: readonly Step[]): Promise<void> {
  let system = await program(medium);
  const told = new Map<number, { readonly email: string; readonly street: string }[]>();
  const forgotten: string[] = [];
  const alive = new Map<number, string[]>();
  let published = 0;
  try {
    for (const [index, step] of steps.entries()) {
      if (step.does === 'restart') {
        await system.close();
        system = await program(medium);
        continue;
      }
      const customer = `customer-${step.who}`;
      const secret = `secret${index}of${step.who}`;
      if (step.does === 'forget') {
        await system.settled();
        const { position, versions } = await standing(system);
        await system.forget(customer);
        const after = await standing(system);
        assert.deepEqual(after.versions, versions, 'versions of streams hold');
        assert.ok(after.position === position + 1, 'nothing but the fact of forgetting was recorded');
        forgotten.push(...(alive.get(step.who) ?? []));
        alive.delete(step.who);
        told.set(step.who, []);
        continue;
      }
      alive.set(step.who, [...(alive.get(step.who) ?? []), secret]);
      if (step.does === 'refused') {
        await expectRefused(system, { customer, street: `no ${secret}st` }, `command${index}`);
        continue;
      }
      published += 1;
      if (step.does === 'move') await system.execute(Move, { customer, street: `${secret}st` });
      else {
        const data = {
          customer,
          email: `${secret}@x.org`,
          address: { street: `${secret}st`, city: 'London' },
          phones: [{ number: `${secret}no` }],
        };
        if (step.does === 'register') {
          told.set(step.who, [...(told.get(step.who) ?? []), { email: data.email, street: data.address.street }]);
          await system.publish(Registered, data);
        } else {
          const misfit = { ...data, phones: secret, nickname: secret };
          assert.ok((await system.publish(Registered, misfit as never)).quarantined);
        }
      }
    }
    await system.settled();
    for (const isAgain of [false, true]) {
      if (isAgain) {
        await system.close();
        system = await program(medium);
        await system.settled();
      }
      await look(system, medium, dump, forgotten);
      await lookAtOthers(system, told, alive);
      const { events } = await system.events.read({ limit: 1_000 });
      const own = events.filter(({ type }) => type === Registered.type || type === Moved.type).length;
      const { items } = await system.deadLetters.list({ consumer: 'thereupon.quarantine' });
      assert.equal(own + items.length, published, 'every fact is there');
      const verified = await system.integrity.verify();
      assert.equal(verified.finding, undefined, 'the hash chain holds');
    }
  } finally {
    await system.close();
  }
}

async function expectRefused(
  system: AnySystem,
  data: { readonly customer: string; readonly street: string },
  id: string,
): Promise<void> {
  for (const duplicate of [false, true]) {
    const { accepted, ...outcome } = await system.execute(Move, data, { id });
    const { message, details } = outcome as { readonly message?: string; readonly details?: unknown };
    const expected = [false, duplicate, `there is no ${data.street}`, { street: data.street }];
    assert.deepEqual([accepted, outcome.duplicate, message, details], expected);
  }
}

async function standing(system: AnySystem): Promise<{ readonly position: number; readonly versions: unknown }> {
  const streams = await system.events.listStreams({ limit: 1_000 });
  return {
    position: await system.events.head(),
    versions: streams.filter(({ stream }) => stream.startsWith('customer-')),
  };
}

/** What was forgotten is nowhere; what was not is in nothing that is stored, either. */
async function look(system: AnySystem, medium: BenchMedium, dump: Dump, forgotten: readonly string[]): Promise<void> {
  const app = createApp(system, {});
  const shown: string[] = [];
  for (const path of ['/events?limit=1000', '/views/customers', '/dead-letters', '/consumers', '/streams']) {
    const answer = await app.request(path);
    assert.equal(answer.status, 200, path);
    shown.push(await answer.text());
  }
  const letters = await system.deadLetters.list();
  shown.push(JSON.stringify(letters));
  for (const secret of forgotten)
    for (const text of shown) assert.ok(!text.includes(secret), `${secret} is shown to nobody`);
  for (const { name, bytes } of await dump())
    assert.ok(!/secret\d+of/.test(bytes.toString('latin1')), `nothing personal is in ${name}`);
  if (medium.readOnly === undefined) return;
  for await (const page of readImage(medium.readOnly))
    assert.ok(!/secret\d+of/.test(JSON.stringify(page)), 'nothing personal is in an exact export');
}

async function lookAtOthers(
  system: AnySystem,
  told: ReadonlyMap<number, readonly { readonly email: string; readonly street: string }[]>,
  alive: ReadonlyMap<number, readonly string[]>,
): Promise<void> {
  for (const [who, facts] of told) {
    if (!alive.has(who)) continue;
    const { events } = await system.events.readStream(`customer-${who}`);
    const read = events.flatMap(({ type, data }) => (type === Registered.type ? [data as z.infer<typeof shape>] : []));
    const readable = read.slice(read.length - facts.length);
    assert.deepEqual(
      readable.map(({ email, address }) => ({ email, street: address.street })),
      facts,
      'other people, and what came later, stay readable',
    );
    const last = facts.at(-1);
    if (last !== undefined) assert.equal((await system.views.get(customers, `customer-${who}`))?.email, last.email);
  }
}
