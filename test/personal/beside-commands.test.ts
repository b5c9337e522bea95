import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { defineCommand, defineDecider, defineEvent, fact, ofQuery, ofStream, open } from '../../src/index.ts';

const Moved = defineEvent({
  type: 'shop.customer.moved',
  stream: (data) => data.customer,
  schema: z.object({ customer: z.string(), street: z.string() }),
  personal: { subject: (data) => data.customer, fields: ['street'] },
});
const Noted = defineEvent({
  type: 'shop.customer.noted',
  stream: (data) => data.customer,
  schema: z.object({ customer: z.string(), n: z.int() }),
});
const move = defineCommand({
  name: 'move',
  stream: (data) => data.customer,
  schema: z.object({ customer: z.string(), street: z.string() }),
  personal: { subject: (data) => data.customer },
});
const note = defineCommand({
  name: 'note',
  stream: (data) => data.customer,
  schema: z.object({ customer: z.string(), n: z.int() }),
  personal: { subject: (data) => data.customer },
});
const customer = defineDecider({
  name: 'customer',
  category: 'customer',
  initial: () => ({ street: '', n: 0 }),
  evolve: [
    [Moved, (state, { data }) => ({ ...state, street: data.street })],
    [Noted, (state, { data }) => ({ ...state, n: data.n })],
  ],
  decide: [
    [move, (_state, { data }) => fact(Moved, data)],
    [note, (_state, { data }) => fact(Noted, data)],
  ],
  snapshot: { every: 1 },
  personal: { subject: (_state, stream) => stream, fields: ['street'] },
});

it('what a command under way was decided on is in no snapshot that is written after the person was forgotten', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const opened = () => open({ store: sqlite(join(folder, 'store.db')), events: [Moved, Noted], deciders: [customer] });
  const people = Array.from({ length: 150 }, (_, person) => `customer-${person}`);
  const first = await opened();
  for (const [person, name] of people.entries()) {
    await first.execute(move, { customer: name, street: `SECRET ${person}` });
    const forgetting = (async () => {
      for (let moment = person % 12; moment > 0; moment -= 1) await (moment % 3 === 0 ? nextTurn() : undefined);
      await first.forget(name);
    })();
    for (let n = 0; n < 1 + (person % 4); n += 1) await first.execute(note, { customer: name, n });
    await forgetting;
  }
  const seen = async (system: typeof first) => {
    const states = await Promise.all(people.map((name) => system.deciders.state(customer, name)));
    return states.flatMap(({ state }) => (state.street.includes('SECRET') ? [state.street] : []));
  };
  expect(await seen(first)).toEqual([]);
  await first.close();
  const again = await opened();
  expect(await seen(again)).toEqual([]);
  expect(await again.deciders.countSnapshots(customer)).toBeGreaterThan(0);
  await again.close();
}, 60_000);

it('what commands across streams and over queries repeat of somebody who is forgotten meanwhile is erased', async () => {
  const held = { entered: Promise.withResolvers<void>(), go: Promise.withResolvers<void>(), isOn: false };
  const Repeated = defineEvent({
    type: 'shop.customer.repeated',
    stream: (data) => data.customer,
    tags: (data) => [`of:${data.customer}`],
    schema: z.object({ customer: z.string(), street: z.string() }).refine(async () => {
      if (!held.isOn) return true;
      held.entered.resolve();
      await held.go.promise;
      return true;
    }),
    personal: { subject: (data) => data.customer, fields: ['street'] },
  });
  const asking = {
    schema: z.object({ customer: z.string() }),
    personal: { subject: ({ customer: who }: { customer: string }) => who },
  };
  const repeat = defineCommand({ name: 'repeat', stream: (data) => data.customer, ...asking });
  const across = defineCommand({ name: 'repeat-across', ...asking });
  const query = defineCommand({ name: 'repeat-query', ...asking });
  const initial = () => ({ street: '' });
  const evolve = [
    [Repeated, (_state: { street: string }, { data }: { data: { street: string } }) => ({ street: data.street })],
  ] as const;
  const own = defineDecider({
    name: 'customer',
    initial,
    evolve,
    decide: [[repeat, ({ street }, { data }) => fact(Repeated, { ...data, street })]],
  });
  const deciders = [
    own,
    defineDecider({
      name: 'across',
      across: { who: ofStream(own, (data: { customer: string }) => data.customer) },
      decide: [[across, ({ who: { street } }, { data }) => fact(Repeated, { ...data, street })]],
    }),
    defineDecider({
      name: 'over-query',
      across: { who: ofQuery({ initial, evolve, tags: (data: { customer: string }) => [`of:${data.customer}`] }) },
      decide: [[query, ({ who: { street } }, { data }) => fact(Repeated, { ...data, street })]],
    }),
  ];
  const system = await open({ store: 'memory:', events: [Repeated], deciders });
  for (const [person, command] of [repeat, across, query].entries()) {
    const who = `customer-${person}`;
    await system.publish(Repeated, { customer: who, street: 'SECRET' });
    Object.assign(held, { entered: Promise.withResolvers<void>(), go: Promise.withResolvers<void>(), isOn: true });
    const executing = system.execute(command, { customer: who });
    await held.entered.promise;
    await system.forget(who);
    held.isOn = false;
    held.go.resolve();
    expect((await executing).accepted).toBe(true);
    const { events } = await system.events.readStream(who);
    expect(events.map(({ data }) => (data as { street: string }).street)).toEqual(['[erased]', '[erased]']);
  }
  await system.close();
});
