import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { open, readImage } from 'thereupon';
import { describe, expect, it } from 'vitest';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { newFile } from '../image/moving-medium.ts';
import { Registered } from './program.ts';
import { forgettingOn } from './properties.ts';

forgettingOn('sqlite', 25, newFile, (medium) => async () => filesOf(medium));

function filesOf({ factory }: BenchMedium): readonly { readonly name: string; readonly bytes: Buffer }[] {
  const folder = dirname(factory.location);
  return readdirSync(folder).map((name) => ({ name, bytes: readFileSync(join(folder, name)) }));
}

describe('the keys of people who are forgotten, on sqlite', () => {
  it('are in no byte of the file or its log; those of others are', async () => {
    const medium = newFile();
    const system = await open({ store: medium.factory, events: [Registered] });
    try {
      const publish = (who: number) =>
        system.publish(Registered, {
          customer: `customer-${who}`,
          email: 'a@x.org',
          address: { street: 'b', city: 'c' },
          phones: [],
        });
      for (let who = 0; who < 300; who += 1) await publish(who);
      const secrets = new Map<string, string>();
      for await (const page of readImage(medium.factory.forReading?.() ?? medium.factory, { withKeys: true }))
        for (const record of page) {
          if (record.kind !== 'row') continue;
          const { subject, secret } = record.value as { readonly subject: string; readonly secret: string };
          secrets.set(subject, secret);
        }
      expect(secrets.size).toBe(300);
      const forgotten = [...secrets.keys()].filter((_, index) => index % 3 === 0);
      for (const subject of forgotten) expect(await system.forget(subject)).toEqual({ keys: 1 });
      const bytes = filesOf(medium).map((file) => file.bytes.toString('latin1'));
      const found = [...secrets].filter(([, secret]) => bytes.some((file) => file.includes(secret)));
      expect(found.map(([subject]) => subject).filter((subject) => forgotten.includes(subject))).toEqual([]);
      expect(found.length).toBe(200);
    } finally {
      await system.close();
      await medium.dispose?.();
    }
  });
});
