import { defineCommand, defineDecider, defineEvent, fact, open } from 'thereupon';
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
