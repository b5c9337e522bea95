import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { fillStore, open, readImage } from '../../src/index.ts';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { Registered } from './program.ts';

it('keys that came with a copy of their store are in no byte of its file either once people are forgotten there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [from, to] = [join(folder, 'from.db'), join(folder, 'to.db')];
  const people = Array.from({ length: 500 }, (_, who) => `customer-${who}`);
  const first = await open({ store: from, events: [Registered] });
  await first.publishAll(
    people.map((customer) => ({
      event: Registered,
      data: { customer, email: 'a@x.org', address: { street: 'b', city: 'c' }, phones: [] },
    })),
  );
  await first.close();
  await fillStore(to, readImage(sqlite(from, { readOnly: true }), { withKeys: true }));
  const secrets = new Map<string, string>();
  for await (const page of readImage(sqlite(to, { readOnly: true }), { withKeys: true }))
    for (const record of page) {
      if (record.kind !== 'row') continue;
      const { subject, secret } = record.value as { readonly subject: string; readonly secret: string };
      secrets.set(subject, secret);
    }
  expect(secrets.size).toBe(people.length);
  const second = await open({ store: to, events: [Registered] });
  for (const customer of people) await second.forget(customer);
  await second.close();
  const bytes = readdirSync(folder)
    .filter((name) => name.startsWith('to.db'))
    .map((name) => readFileSync(join(folder, name), 'latin1'));
  const found = [...secrets].filter(([, secret]) => bytes.some((file) => file.includes(secret)));
  expect(found.map(([subject]) => subject)).toEqual([]);
});
