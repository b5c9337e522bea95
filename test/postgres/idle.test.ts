import { readdirSync, readFileSync } from 'node:fs';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { defineConsumer, defineEvent, open } from '../../src/index.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

const Ticked = defineEvent({ type: 'idle.ticked', stream: () => 'tick', schema: z.object({}) });
const NODES = 3;
const CONSUMERS = 50;
const LOOK_MS = 12_000;

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres([
    '-c',
    'shared_preload_libraries=pg_stat_statements',
    '-c',
    'track_activity_query_size=4096',
  ]);
}, 120_000);

afterAll(() => server.stop());

describe('an idle system of 3 nodes and 50 consumers', () => {
  test('costs PostgreSQL under 20 statements a second and under 1 % of a core', async () => {
    const client = new Client({ connectionString: server.url });
    await client.connect();
    const query = async (sql: string) => (await client.query<Record<string, unknown>>(sql)).rows;
    await query('CREATE EXTENSION pg_stat_statements');
    const consumers = Array.from({ length: CONSUMERS }, (_, n) =>
      defineConsumer({ name: `consumer-${n}`, on: Ticked, handle() {} }),
    );
    const systems = [];
    for (let node = 0; node < NODES; node += 1)
      systems.push(
        await open({
          store: postgres(`${server.url}?schema=idle`),
          environment: { logger: silentLogger },
          events: [Ticked],
          consumers,
        }),
      );
    // Every consumer is shared by all nodes, and they have handled something.
    const shared = `SELECT count(*)::int AS count FROM (SELECT consumer FROM idle.lanes JOIN idle.nodes ON node = holder
GROUP BY consumer HAVING count(DISTINCT holder) = ${NODES}) AS evenly`;
    while (Number((await query(shared))[0]?.['count']) < CONSUMERS) await waitFor(systemClock, 50);
    for (let n = 0; n < 20; n += 1) await systems[n % NODES]?.publish(Ticked, {});
    await Promise.all(systems.map((system) => system.settled()));

    // Connections that the beginning needed, and idleness does not, are closed by now.
    const pooled = `SELECT count(*)::int AS count FROM pg_stat_activity WHERE application_name = 'thereupon'`;
    while (Number((await query(pooled))[0]?.['count']) > NODES) await waitFor(systemClock, 100);
    const backend = Number((await query('SELECT pg_backend_pid() AS pid'))[0]?.['pid']);
    await query('SELECT pg_stat_statements_reset()');
    const cpuBefore = cpuSeconds(backend);
    const begin = performance.now();
    await waitFor(systemClock, LOOK_MS);
    const seconds = (performance.now() - begin) / 1_000;
    const cpu = cpuSeconds(backend) - cpuBefore;
    const statements = await query(
      `SELECT sum(calls)::int AS calls FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_%'`,
    );
    const rate = Number(statements[0]?.['calls']) / seconds;
    process.stdout.write(
      `idle: ${rate.toFixed(1)} statements/s, ${((cpu / seconds) * 100).toFixed(2)} % of a core in PostgreSQL\n`,
    );
    expect(rate).toBeGreaterThan(0);
    expect(rate).toBeLessThan(20);
    expect(cpu / seconds).toBeLessThan(0.01);
    await Promise.all(systems.map((system) => system.close()));
    await client.end();
  }, 120_000);
});

/** What the processes of the server have had of the processor so far. Where that cannot be told, 0. */
function cpuSeconds(backend: number): number {
  if (process.platform !== 'linux') return 0;
  const postmaster = statOf(String(backend))?.[PARENT];
  let ticks = 0;
  for (const pid of readdirSync('/proc')) {
    const stat = /^\d+$/.test(pid) ? statOf(pid) : undefined;
    if (stat === undefined) continue;
    // Of those that have ended the parent knows.
    if (Number(pid) === postmaster) ticks += sumOf(stat.slice(USER, USER + 4));
    else if (stat[PARENT] === postmaster) ticks += sumOf(stat.slice(USER, USER + 2));
  }
  return ticks / TICKS_PER_SECOND;
}

const TICKS_PER_SECOND = 100;
/** Places in /proc/<pid>/stat, from the state on: ppid; utime, stime, cutime, cstime. */
const PARENT = 1;
const USER = 11;

function statOf(pid: string): readonly number[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ').map(Number);
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ESRCH')
      return undefined;
    throw error;
  }
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
