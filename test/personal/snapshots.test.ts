import { defineCommand, defineDecider, defineEvent, fact, ofStream, open } from 'thereupon';
import { interceptedFactory } from 'thereupon/testing';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';

const data = z.object({ person: z.string(), email: z.string(), age: z.number() });
const Told = defineEvent({
  type: 'crm.person.told',
  stream: ({ person }) => `person-${person}`,
  schema: data,
  personal: { subject: ({ person }) => person, fields: ['email', 'age'] },
});
const Tell = defineCommand({
  name: 'crm.tell',
  stream: ({ person }) => `person-${person}`,
  schema: data,
  personal: 'none',
});
const person = defineDecider({
  name: 'person',
  initial: () => ({ emails: [] as string[], ages: 0 }),
  evolve: [[Told, (state, { data: { email, age } }) => ({ emails: [...state.emails, email], ages: state.ages + age })]],
  decide: [[Tell, (_state, command) => fact(Told, command.data)]],
  snapshot: { every: 2 },
  personal: { subject: (_state, key) => key.slice('person-'.length), fields: ['emails', 'ages'] },
});

test('what was forgotten reads the same with snapshots and without, and commands go on', async () => {
  const store = memory();
  const options = { store, events: [Told], deciders: [person] };
  const tell = (email: string) => ({ person: 'ada', email, age: 40 });
  let system = await open(options);
  for (const email of ['a', 'b', 'c', 'd']) await system.execute(Tell, tell(email));
  await system.deciders.settled();
  expect(await system.deciders.countSnapshots(person)).toBe(1);
  await system.forget('ada');
  const forgotten = { emails: ['[erased]', '[erased]', '[erased]', '[erased]'], ages: 0 };
  expect((await system.deciders.state(person, 'person-ada')).state).toEqual(forgotten);
  await system.close();
  system = await open(options);
  expect((await system.deciders.state(person, 'person-ada')).state).toEqual(forgotten);
  expect(await system.execute(Tell, tell('new'))).toMatchObject({ accepted: true });
  const now = { emails: [...forgotten.emails, 'new'], ages: 40 };
  expect((await system.deciders.state(person, 'person-ada')).state).toEqual(now);
  await system.deciders.settled();
  await system.deciders.dropSnapshots();
  await system.close();
  system = await open(options);
  expect((await system.deciders.state(person, 'person-ada')).state).toEqual(now);
  await system.close();
});

test('a state that is kept when events go is sealed, also of a decider that others decide across, and is forgotten with the person', async () => {
  const Retell = defineCommand({ name: 'crm.retell', schema: data, personal: 'none' });
  const across = defineDecider({
    name: 'across',
    across: { of: ofStream(person, (told: { person: string }) => `person-${told.person}`) },
    decide: [[Retell, (_states, command) => fact(Told, command.data)]],
  });
  const written: string[] = [];
  const store = interceptedFactory(memory(), (call) => {
    if (call.port === 'rows' && call.method === 'put') written.push(JSON.stringify(call.input));
    return call.proceed();
  });
  for (const [round, deciders] of [[across], [person, across]].entries()) {
    written.length = 0;
    const system = await open({ store, events: [Told], deciders });
    for (const email of ['zanzibar-one', 'zanzibar-two'])
      await system.execute(Retell, { person: 'ada', email, age: 40 });
    await system.truncateStream('person-ada', 2 + 2 * round);
    expect(written.some((rows) => rows.includes('"kept:person"'))).toBe(true);
    expect(written.join('\n')).not.toContain('zanzibar');
    await system.close();
  }
  const system = await open({ store, events: [Told], deciders: [person] });
  expect((await system.deciders.state(person, 'person-ada')).state.emails.length).toBeGreaterThan(1);
  await system.forget('ada');
  expect(JSON.stringify((await system.deciders.state(person, 'person-ada')).state)).not.toContain('zanzibar');
  await system.close();
});
