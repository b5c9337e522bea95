import { fileURLToPath } from 'node:url';
import { defineCommand, defineConsumer, defineDecider, fact, open, readImage } from 'thereupon';
import type { AnySystem, StoreFactory } from 'thereupon';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';
import { interceptedFactory } from '../../src/testing/intercepted-store.ts';
import { newFile } from '../image/moving-medium.ts';
import { Child } from '../sqlite/process.ts';
import { Registered } from './finishing-program.ts';

const about = (customer: string) => ({ customer, email: `${customer}@x.org` });

async function reportsOf(system: AnySystem, type: string): Promise<readonly unknown[]> {
  const { events } = await system.events.read({ types: [type], limit: 1_000 });
  return events.map(({ data }) => data);
}

async function unreportedIn(store: StoreFactory): Promise<number> {
  let found = 0;
  for await (const page of readImage(store))
    for (const record of page)
      if (record.kind === 'row' && record.namespace === 'thereupon.subjects-unreported') found += 1;
  return found;
}

const forgotten = (system: AnySystem) => reportsOf(system, 'thereupon.subject.forgotten');

describe('who ends in the middle of forgetting somebody', () => {
  it('leaves it to the next opening to tell that they were forgotten, once', async () => {
    const store = memory();
    let isAway = false;
    const failing = interceptedFactory(store, async (call) => {
      if (isAway && call.port === 'log' && call.method === 'append') throw new Error('the log is away');
      return call.proceed();
    });
    const first = await open({ store: failing, events: [Registered] });
    await first.publish(Registered, about('customer-1'));
    isAway = true;
    await expect(first.forget('customer-1')).rejects.toThrow('the log is away');
    await first.close();
    for (let times = 0; times < 2; times += 1) {
      // Also by a program that knows nothing of personal fields.
      const system = await open({ store });
      expect(await forgotten(system)).toEqual([{ subject: 'customer-1', keys: 1 }]);
      await system.close();
    }
  });

  it.each([
    ['between the two', 'between', 4],
    ['at any moment', 'any', 16],
  ] as const)(
    'by a kill %s has forgotten and told when the store is open again, or neither',
    async (_when, how, rounds) => {
      const program = fileURLToPath(new URL('forgetting-child.ts', import.meta.url));
      const medium = newFile();
      const { factory } = medium;
      try {
        for (let round = 0; round < rounds; round += 1) {
          const child = new Child(factory.location, how, { program, seed: String(round) });
          if (how === 'any') {
            for (let told = 0; told < 3 + (round % 5); told += 1) await child.next();
            for (let turns = 0; turns < (round * 7) % 40; turns += 1) await new Promise(setImmediate);
            await child.kill();
          } else expect(await child.ended()).toMatchObject({ code: null, errors: '' });
          expect(await unreportedIn(factory)).toBeGreaterThanOrEqual(how === 'between' ? 1 : 0);
          const system = await open({ store: factory, events: [Registered], tamperEvidence: true });
          const told = (await forgotten(system)) as readonly { readonly subject: string; readonly keys: number }[];
          expect(told.filter(({ keys }) => keys !== 1)).toEqual([]);
          const subjects = told.map(({ subject }) => subject);
          const { events } = await system.events.read({ types: [Registered.type], limit: 1_000 });
          const read = events.map(({ data }) => data as { customer: string; email: string });
          expect(read.filter(({ email }) => email === '[erased]').map(({ customer }) => customer)).toEqual(subjects);
          expect(await reportsOf(system, 'thereupon.chain.began')).toHaveLength(1);
          expect((await system.integrity.verify()).finding).toBeUndefined();
          await system.close();
          expect(await unreportedIn(factory)).toBe(0);
        }
      } finally {
        await medium.dispose?.();
      }
    },
    120_000,
  );
});

describe('forgetting somebody', () => {
  it('is refused to a handler that would wait for itself, and done for one that keeps nothing', async () => {
    const keeping = defineConsumer({
      name: 'keeping',
      on: Registered,
      retry: { attempts: 1 },
      state: { initial: () => ({ last: '' }), personal: { subject: (_state, key) => key, fields: ['last'] } },
      async handle({ event, state }) {
        state.set({ last: event.data.email });
        await system.forget(event.data.customer);
      },
    });
    const done: unknown[] = [];
    const free = defineConsumer({
      name: 'free',
      on: Registered,
      async handle({ event }) {
        done.push(await system.forget(event.data.customer));
      },
    });
    const system: AnySystem & { publish: (...input: never[]) => Promise<unknown> } = await open({
      store: memory(),
      consumers: [keeping, free],
    });
    await system.publish(...([Registered, about('customer-1')] as never[]));
    await system.settled();
    const { items } = await system.deadLetters.list();
    expect(items.map(({ error }) => error?.message)).toEqual([
      'consumer keeping keeps what may be personal, and has to be held while somebody is forgotten: its handler would wait for itself; let a consumer without state do it',
    ]);
    expect(done).toEqual([{ keys: 1 }]);
    await system.close();
  });

  it('parts what was recorded: all before a place is erased, and nothing after it, whoever publishes meanwhile', async () => {
    for (let round = 0; round < 20; round += 1) {
      const medium = round % 2 === 0 ? newFile() : { factory: memory(), dispose: undefined };
      const system = await open({ store: medium.factory, events: [Registered] });
      const pending: Promise<unknown>[] = [];
      for (let turn = 0; turn < 120; turn += 1) {
        if (turn === 20 + round) pending.push(system.forget('customer-1'));
        pending.push(system.publish(Registered, { customer: 'customer-1', email: `${turn}@x.org` }));
        if (turn % 4 === round % 4) await new Promise(setImmediate);
      }
      await Promise.all(pending);
      const { events } = await system.events.readStream('customer-1', { limit: 1_000 });
      const wasErased = events.map(({ data }) => (data as { email: string }).email === '[erased]');
      const erased = wasErased.filter(Boolean).length;
      expect(wasErased).toEqual(wasErased.map((_, index) => index < erased));
      expect(erased).toBeGreaterThan(0);
      expect(erased).toBeLessThan(120);
      await system.close();
      await medium.dispose?.();
    }
  });

  it('lets who publishes meanwhile wait for a new key', async () => {
    const reached = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    let isHeld = false;
    const store = interceptedFactory(memory(), async (call) => {
      if (isHeld && call.port === 'rows' && call.method === 'put') {
        isHeld = false;
        reached.resolve();
        await release.promise;
      }
      return call.proceed();
    });
    const system = await open({ store, events: [Registered] });
    await system.publish(Registered, about('customer-1'));
    isHeld = true;
    const forgetting = system.forget('customer-1');
    await reached.promise;
    const publishing = system.publish(Registered, about('customer-1'));
    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
    release.resolve();
    await Promise.all([forgetting, publishing]);
    const { events } = await system.events.readStream('customer-1');
    expect(events.map(({ data }) => (data as { email: string }).email)).toEqual(['[erased]', 'customer-1@x.org']);
    await system.close();
  });

  it('keeps no snapshot with a new key of what was read with an old one', async () => {
    const Change = defineCommand({
      name: 'change',
      stream: ({ customer }) => customer,
      schema: z.object({ customer: z.string(), email: z.string() }),
      personal: { subject: ({ customer }) => customer },
    });
    const decider = defineDecider({
      name: 'customer',
      initial: () => ({ emails: [''] }),
      evolve: [[Registered, ({ emails }, { data }) => ({ emails: [...emails, data.email] })]],
      decide: [[Change, (_state, { data }) => fact(Registered, data)]],
      snapshot: { every: 1 },
      personal: { subject: (_state, stream) => stream, fields: ['emails'], erased: { emails: [] } },
    });
    for (let round = 0; round < 30; round += 1) {
      const medium = round % 2 === 0 ? newFile() : { factory: memory(), dispose: undefined };
      let system = await open({ store: medium.factory, deciders: [decider], events: [Registered] });
      const pending: Promise<unknown>[] = [];
      const forgetAt = 5 + (round % 7);
      for (let turn = 0; turn < 20; turn += 1) {
        if (turn === forgetAt) pending.push(system.forget('customer-1'));
        pending.push(system.execute(Change, { customer: 'customer-1', email: `e${turn}` }));
        if (turn % 3 === round % 3) await new Promise(setImmediate);
      }
      await Promise.all(pending);
      await system.close();
      system = await open({ store: medium.factory, deciders: [decider], events: [Registered] });
      const { events } = await system.events.readStream('customer-1', { limit: 100 });
      const readable = events
        .map(({ data }) => (data as { email: string }).email)
        .filter((email) => email !== '[erased]');
      const { state } = (await system.deciders.state(decider, 'customer-1')) as {
        readonly state: { readonly emails: string[] };
      };
      const known = state.emails.filter((email) => /^e\d/v.test(email));
      expect(readable).toEqual(expect.arrayContaining(known));
      await system.close();
      await medium.dispose?.();
    }
  });

  it('leaves the store free where what is removed cannot be kept from lingering', async () => {
    const store = memory();
    let fails = true;
    const failing: StoreFactory = {
      ...store,
      async open(environment) {
        const opened = await store.open(environment);
        const erasure = {
          begin() {
            if (fails) throw new Error('cannot be overwritten');
          },
          emptied: (act: () => Promise<void>) => act(),
        };
        return new Proxy(opened, {
          get: (target, name) => {
            if (name === 'erasure') return erasure;
            const member: unknown = Reflect.get(target, name);
            return typeof member === 'function' ? (member.bind(target) as unknown) : member;
          },
        });
      },
    };
    await expect(open({ store: failing, events: [Registered] })).rejects.toThrow('cannot be overwritten');
    fails = false;
    await (await open({ store: failing, events: [Registered] })).close();
  });
});

describe('who ends while a hash chain begins', () => {
  it('leaves it to the next opening to tell that it did, once', async () => {
    const store = memory();
    let isAway = true;
    const failing = interceptedFactory(store, async (call) => {
      if (isAway && call.port === 'log' && call.method === 'append') throw new Error('the log is away');
      return call.proceed();
    });
    await expect(open({ store: failing, tamperEvidence: true })).rejects.toThrow('the log is away');
    isAway = false;
    for (let times = 0; times < 3; times += 1) {
      const system = await open({ store: failing, tamperEvidence: true });
      expect(await reportsOf(system, 'thereupon.chain.began')).toEqual([{ position: 0 }]);
      await system.close();
    }
  });
});
