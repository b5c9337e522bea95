import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineConsumer, defineEvent, defineProjection, open, StoreUnavailable } from '../../src/index.ts';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { Proxy } from '../cluster/proxy.ts';
import { ownServer } from './own-server.ts';

const Counted = defineEvent({
  type: 'things.counted',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string() }),
});
const counts = defineProjection({
  name: 'counts',
  key: (event) => event.data.thing,
  initial: () => 0,
  on: [[Counted, (row) => row + 1]],
});
const watcher = defineConsumer({ name: 'watcher', on: Counted, handle() {} });

const { server, newSchema } = ownServer('limits');

const program = (store: string) =>
  open({
    store,
    environment: { logger: silentLogger },
    events: [Counted],
    consumers: [watcher],
    projections: [counts],
  });

async function operate(...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

function addressOf(role: string, schema: string): string {
  const address = new URL(server.url);
  address.username = role;
  address.password = 'secret';
  address.searchParams.set('schema', schema);
  return address.href;
}

describe('a role', () => {
  test('that may do nothing but own the schema runs a program in it', async () => {
    const schema = newSchema();
    await operate(
      `CREATE ROLE owner_${schema} LOGIN PASSWORD 'secret'`,
      `CREATE SCHEMA ${schema} AUTHORIZATION owner_${schema}`,
    );
    await using system = await program(addressOf(`owner_${schema}`, schema));
    await system.publish(Counted, { thing: 'a' });
    await system.settled();
    expect(await system.views.get(counts, 'a')).toBe(1);
  });

  test('whose defaults are others changes nothing: several processes open at once, and all that is published is counted (G4, G6)', async () => {
    const schema = newSchema();
    const role = `odd_${schema}`;
    await operate(
      `CREATE ROLE ${role} LOGIN PASSWORD 'secret'`,
      `CREATE SCHEMA ${schema} AUTHORIZATION ${role}`,
      `ALTER ROLE ${role} SET default_transaction_isolation = 'serializable'`,
      `ALTER ROLE ${role} SET array_nulls = off`,
    );
    const systems = await Promise.all(Array.from({ length: 4 }, () => program(addressOf(role, schema))));
    const [first] = systems;
    await Promise.all(
      systems.flatMap((system) => Array.from({ length: 50 }, () => system.publish(Counted, { thing: 'a' }))),
    );
    while ((await first?.views.get(counts, 'a')) !== 200) await Promise.all(systems.map((system) => system.settled()));
    await Promise.all(systems.map((system) => system.close()));
  });
});

describe('a server', () => {
  test.skipIf(process.env['THEREUPON_TEST_POSTGRES'] !== undefined)(
    'that may only be read, as a standby, is one that cannot be reached: nothing is parked or refused, and all goes on afterwards (G7, G11)',
    async () => {
      await using system = await program(`${server.url}?schema=${newSchema()}`);
      const client = new Client({ connectionString: server.url });
      await client.connect();
      await client.query('BEGIN');
      await system.publishWithin(client, [{ event: Counted, data: { thing: 'a' } }]);
      await operate('ALTER SYSTEM SET default_transaction_read_only = on', 'SELECT pg_reload_conf()');
      const whileReadOnly = async () => {
        for (;;) await system.publish(Counted, { thing: 'b' });
      };
      await expect(whileReadOnly()).rejects.toBeInstanceOf(StoreUnavailable);
      await client.query('COMMIT');
      await operate(
        'SET default_transaction_read_only = off',
        'ALTER SYSTEM RESET default_transaction_read_only',
        'SELECT pg_reload_conf()',
      );
      await client.end();
      while ((await system.views.get(counts, 'a')) !== 1) await system.settled();
      const { events } = await system.events.read({ types: ['thereupon.outbox.refused'], limit: 10 });
      expect(events).toEqual([]);
      expect((await system.consumers.list()).map(({ parked }) => parked)).toEqual([0, 0, 0]);
    },
  );

  test('that falls silent keeps nobody waiting for the time-outs of those before (G10)', async () => {
    const proxy = await Proxy.before(server.url);
    try {
      const store = postgres(`${proxy.address}?schema=${newSchema()}`, { answerTimeoutMs: 500, connectTimeoutMs: 500 });
      await using system = await open({ store, environment: { logger: silentLogger }, events: [Counted] });
      await system.publish(Counted, { thing: 'a' });
      proxy.set('silent');
      const begin = performance.now();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 15_000 }, (_, n) => system.publish(Counted, { thing: `${n}` })),
      );
      const tookMs = performance.now() - begin;
      expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
      // Asked once, and once more on another connection; and what is made ready meanwhile.
      expect(tookMs).toBeLessThan(5_000);
      proxy.set('well');
      await expect(system.publish(Counted, { thing: 'again' })).resolves.toMatchObject({ duplicate: false });
    } finally {
      await proxy.close();
    }
  });
});
