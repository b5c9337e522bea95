import { Pool } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { defineEvent, InvalidInput, open } from '../../src/index.ts';
import { ownServer } from './own-server.ts';

const { server, newSchema } = ownServer('address');
const ADDRESS = 'postgres://app:secret@127.0.0.1:5432/shop';

function problemOf(make: () => unknown): InvalidInput {
  try {
    make();
  } catch (error) {
    if (error instanceof InvalidInput) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('the address and the options of a store in PostgreSQL', () => {
  test.each([
    [`${ADDRESS}?leese=5s`, /store: expected only the parameters schema, lease, .*found "leese"/],
    [`${ADDRESS}?Lease=5s`, /found "Lease"/],
    [`${ADDRESS}?maxConnections=3`, /found "maxConnections"/],
    [`${ADDRESS}?options=-c%20search_path%3Dpublic`, /found "options"/],
    [`${ADDRESS}?schema=pg_shop`, /schema of the store: expected a name of/],
    [`${ADDRESS}?schema=Shop`, /schema of the store: expected a name of/],
    [`${ADDRESS}?lease=1h`, /lease: expected 1s to 10m, found "1h"/],
    [`${ADDRESS}?schema=a&schema=b`, /store: expected each parameter once, found "schema twice"/],
    [`${ADDRESS}?sslmode=bogus`, /sslmode: expected one of disable, .*found "bogus"/],
    [
      `${ADDRESS}?sslrootcert=/nowhere/ca.pem`,
      /sslrootcert: expected a file that can be read, found "\/nowhere\/ca.pem"/,
    ],
    ['postgres://127.0.0.1/%E0%A4%A', /store: expected postgres:\/\/user:password@host/],
  ])('%s is refused, with what it may be', (address, message) => {
    expect(problemOf(() => postgres(address)).message).toMatch(message);
  });

  test.each([
    { connectTimeoutMs: 0 },
    { connectTimeoutMs: -1 },
    { answerTimeoutMs: Number.NaN },
    { answerTimeoutMs: 2 ** 31 },
    { maxWaiting: { requests: 0 } },
    { maxWaiting: null } as object,
    { maxWaiting: { bytes: 'x' as unknown as number } },
    { maxConnections: 1 },
    { eventsPerPartition: 0.5 },
    { maxConections: 5 } as object,
  ])('%j is refused by its name', (options) => {
    expect(problemOf(() => postgres(ADDRESS, options)).message).toContain(Object.keys(options)[0]);
  });

  test.each([[undefined], [17], [new URL(ADDRESS)]] as unknown as [string][])('%s is no address', (address) => {
    expect(problemOf(() => postgres(address)).message).toMatch(/store: expected postgres:/);
    expect(problemOf(() => postgres(ADDRESS, null as unknown as object)).message).toMatch(
      /options of the store: expected an object/,
    );
  });

  test('what is wrong with an address is said without its password', () => {
    for (const address of ['app:Zw@eig@127.0.0.1:99999', 'app:12345/eig@127.0.0.1:5432', 'app:Zw@c/eig@127.0.0.1'])
      expect(problemOf(() => postgres(`postgres://${address}/shop`)).message).not.toMatch(/Zw|12345|eig/);
  });

  test.each(['postgre://app:secret@127.0.0.1/shop', 'postgres:app:secret@127.0.0.1/shop'])(
    '%s is no address and no file, and its password is not said',
    async (address) => {
      const problem = await open({ store: address }).catch((error: unknown) => error);
      expect(problem).toBeInstanceOf(InvalidInput);
      expect((problem as Error).message).toMatch(/store: expected 'memory:', postgres:\/\//);
      expect((problem as Error).message).not.toContain('secret');
    },
  );

  test('a pool is no transaction: what would be recorded although it is rolled back is refused', async () => {
    const Placed = defineEvent({ type: 'shop.order.placed', stream: () => 'order-1', schema: z.object({}) });
    await using system = await open({ store: `${server.url}?schema=${newSchema()}`, events: [Placed] });
    const pool = new Pool({ connectionString: server.url });
    try {
      await expect(system.publishWithin(pool, [{ event: Placed, data: {} }])).rejects.toThrow(/found.*a pool/);
      await system.settled();
      expect(await system.events.head()).toBe(0);
      const client = await pool.connect();
      await client.query('BEGIN');
      await system.publishWithin(client, [{ event: Placed, data: {} }]);
      await client.query('COMMIT');
      client.release();
      await system.settled();
      expect(await system.events.head()).toBe(1);
    } finally {
      await pool.end();
    }
  });
});
