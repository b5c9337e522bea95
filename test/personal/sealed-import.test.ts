import { decodeJsonEvent, defineEvent, open } from 'thereupon';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { memory } from '../../src/backends/memory/memory.ts';

const Kept = defineEvent({
  type: 'crm.card.kept',
  stream: ({ person }) => `card-${person}`,
  schema: z.object({
    person: z.string(),
    name: z.string(),
    mails: z.array(z.string()),
    address: z.object({ street: z.string() }),
    phones: z.array(z.object({ number: z.string(), prefix: z.int() })),
    age: z.number(),
    note: z.string().nullable(),
  }),
  personal: {
    subject: ({ person }) => person,
    fields: ['name', 'mails', 'address', 'phones.*.number', 'phones.*.prefix', 'age', 'note'],
  },
});

test('a sealed event is taken as it is, whatever its personal fields are, where nobody can read them', async () => {
  const system = await open({ store: memory(), events: [Kept] });
  await system.publish(Kept, {
    person: 'ada',
    name: 'Ada',
    mails: ['a@x.org', 'b@x.org'],
    address: { street: 'Mill Lane' },
    phones: [{ number: '17', prefix: 49 }],
    age: 36,
    note: null,
  });
  const [event] = (await system.events.read()).events;
  const sealed = JSON.parse(event?.stored.data ?? '') as Record<string, unknown>;
  const told = decodeJsonEvent({ ...(JSON.parse(JSON.stringify(event)) as object), data: sealed });
  await using elsewhere = await open({ store: memory(), events: [Kept] });
  for (const into of [elsewhere, system, elsewhere]) await into.ingest([told]);
  const found = (await elsewhere.events.read()).events;
  expect(found.map(({ data }) => data)).toEqual([
    {
      person: 'ada',
      name: '[erased]',
      mails: null,
      address: null,
      phones: [{ number: '[erased]', prefix: null }],
      age: null,
      note: null,
    },
  ]);
  // Whoever has the keys can read it again.
  expect(JSON.parse(found[0]?.stored.data ?? '')).toEqual(sealed);
  expect((await system.events.read()).events).toHaveLength(1);
  await system.close();
});
