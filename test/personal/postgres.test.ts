import { Client } from 'pg';
import { defineProjection, open } from 'thereupon';
import { describe, expect, it } from 'vitest';
import type { BenchMedium } from '../../src/contract/bench.ts';
import { silentLogger } from '../../src/system/logger.ts';
import type { Logger } from '../../src/system/logger.ts';
import { interceptedFactory } from '../../src/testing/intercepted-store.ts';
import { serverOfThisFile } from '../postgres/medium.ts';
import { Registered } from './program.ts';
import { operatorsOn } from './operators-properties.ts';
import { forgettingOn } from './properties.ts';

const ada = {
  customer: 'customer-1',
  email: 'ada@x.org',
  address: { street: 'St James Square 12', city: 'London' },
  phones: [],
};

const emails = defineProjection({
  name: 'rows',
  key: (event) => event.data.customer,
  initial: () => ({ email: '', times: 0 }),
  on: [[Registered, (row, event) => ({ email: event.data.email, times: row.times + 1 })]],
  personal: { subject: (_row, key) => key, fields: ['email'] },
});

const nodeOn = ({ factory }: BenchMedium) => open({ store: factory, events: [Registered], projections: [emails] });

const newMedium = serverOfThisFile();

const addresses = new WeakMap<BenchMedium, ReturnType<typeof newMedium>['address']>();

function newSchema(): BenchMedium {
  const medium = newMedium();
  addresses.set(medium, medium.address);
  return medium;
}

forgettingOn('postgres', 8, newSchema, (medium) => async () => {
  const { url, schema } = addresses.get(medium) ?? { url: '', schema: '' };
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const tables = await client.query<{ name: string }>(
      'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1',
      [schema],
    );
    const dumped = [];
    for (const { name } of tables.rows) {
      const dump = await client.query<{ text: string }>(`SELECT t::text AS text FROM ${schema}.${name} AS t`);
      dumped.push({ name, bytes: Buffer.from(dump.rows.map(({ text }) => text).join('\n')) });
    }
    if (dumped.length === 0) throw new Error('no table was found to look into');
    return dumped;
  } finally {
    await client.end();
  }
});

operatorsOn('postgres', { runs: 4, version: 2 }, newSchema);

describe('forgetting somebody at one of several nodes', () => {
  it('lets the others drop what they can still read, and what they keep of it', async () => {
    const medium = newSchema();
    const [here, there] = [await nodeOn(medium), await nodeOn(medium)];
    try {
      await here.publish(Registered, ada);
      await Promise.all([here.settled(), there.settled()]);
      const read = async () => (await there.events.readStream('customer-1')).events.map(({ data }) => data);
      expect(await read()).toEqual([ada]);
      expect(await there.views.get(emails, 'customer-1')).toEqual({ email: 'ada@x.org', times: 1 });
      const told = there.events.subscribe({ types: ['thereupon.subject.forgotten'] }).next();
      expect(await here.forget('customer-1')).toEqual({ keys: 1 });
      expect((await told).value?.data).toEqual({ subject: 'customer-1', keys: 1 });
      expect(await read()).toMatchObject([{ email: '[erased]', address: { street: '[erased]', city: 'London' } }]);
      expect(await there.views.get(emails, 'customer-1')).toEqual({ email: '[erased]', times: 1 });
      await there.publish(Registered, { ...ada, email: 'new@x.org' });
      await Promise.all([here.settled(), there.settled()]);
      expect((await here.events.readStream('customer-1')).events.at(-1)?.data).toMatchObject({ email: 'new@x.org' });
    } finally {
      await here.close();
      await there.close();
      await medium.dispose?.();
    }
  });

  it('says of what another one still seals with a deleted key that nobody can read it', async () => {
    const medium = newSchema();
    const warned: unknown[] = [];
    const heard = Promise.withResolvers<void>();
    const logger: Logger = {
      ...silentLogger,
      warn(fields: unknown) {
        warned.push(fields);
        heard.resolve();
      },
    };
    const reached = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    let isHeld = false;
    // As if it stood still between the two.
    const store = interceptedFactory(medium.factory, async (call) => {
      if (isHeld && call.port === 'log' && call.method === 'append') {
        reached.resolve();
        await release.promise;
      }
      return call.proceed();
    });
    const here = await open({ store: medium.factory, events: [Registered], environment: { logger } });
    const there = await open({ store, events: [Registered] });
    try {
      await there.publish(Registered, ada);
      isHeld = true;
      const late = there.publish(Registered, ada);
      await reached.promise;
      await here.forget('customer-1');
      release.resolve();
      const { position } = await late;
      await heard.promise;
      expect(warned).toMatchObject([{ subject: 'customer-1', type: Registered.type, position }]);
    } finally {
      await here.close();
      await there.close();
      await medium.dispose?.();
    }
  });

  it('is not for inline projections, of which each node would have to have the keys of all', async () => {
    const medium = newSchema();
    const inline = defineProjection({
      name: 'inline',
      mode: 'inline',
      key: (event) => event.data.customer,
      initial: () => ({ email: '' }),
      on: [[Registered, (_row, event) => ({ email: event.data.email })]],
      personal: { subject: (_row, key) => key, fields: ['email'] },
    });
    await expect(open({ store: medium.factory, projections: [inline] })).rejects.toMatchObject({
      code: 'invalid-definition',
      message: expect.stringContaining(
        "mode 'inline' of events with personal fields is not to be had on postgres",
      ) as string,
    });
    await medium.dispose?.();
  });
});
