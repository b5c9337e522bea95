import { Client } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import type { PostgresOptions } from '../../src/backends/postgres/postgres.ts';
import type { BenchMedium } from '../../src/contract/bench.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

/** The server of these files is never killed: what a machine keeps that fails is looked at where one is. */
const UNFLUSHED = ['-c', 'fsync=off'];
/** Connections of each store of a test: few, so that what needs two at once would show. */
const MAX_CONNECTIONS = 3;

/** Starts a server for the tests of the present file. Answers how to get an empty schema on it. */
export function serverOfThisFile(
  options: Pick<PostgresOptions, 'lease' | 'eventsPerPartition'> = {},
): () => BenchMedium & { readonly address: { readonly url: string; readonly schema: string } } {
  let server: PostgresServer | undefined;
  let schemas = 0;
  beforeAll(async () => {
    server = await startPostgres(UNFLUSHED);
  }, 120_000);
  afterAll(() => server?.stop());
  return () => {
    if (server === undefined) throw new Error('the server of the tests is not there yet');
    const { url } = server;
    schemas += 1;
    const schema = `test_${process.pid}_${schemas}`;
    const store = `${url}?schema=${schema}`;
    return {
      address: { url, schema },
      factory: postgres(store, {
        ...options,
        maxConnections: MAX_CONNECTIONS,
      }),
      readOnly: postgres(store, { readOnly: true, maxConnections: MAX_CONNECTIONS }),
      dispose: () => drop(url, schema),
    };
  };
}

async function drop(url: string, schema: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  } finally {
    await client.end();
  }
}
