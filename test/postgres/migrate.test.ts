import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Database } from '../../src/backends/postgres/database.ts';
import { migrate, MIGRATIONS } from '../../src/backends/postgres/migrate.ts';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { defineConsumer, defineEvent, defineProjection, open } from '../../src/index.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { silentLogger } from '../../src/system/logger.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

const Counted = defineEvent({
  type: 'things.counted',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string(), n: z.number() }),
});

const TABLES =
  'log_head events partitions identities streams pending schemas consumers lanes nodes deliveries namespaces rows row_indexes row_index_entries'.split(
    ' ',
  );
/** What a later version may add. */
const ADDS = [
  ...TABLES.map((name) => `ALTER TABLE ${name} ADD COLUMN later text DEFAULT 'what older programs do not know'`),
  'CREATE TABLE later (one integer PRIMARY KEY)',
  'CREATE INDEX events_later ON events (later)',
].join(';\n');

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
}, 120_000);

afterAll(() => server.stop());

function openAt(schema: string, failing: ReadonlySet<number>) {
  return open({
    store: postgres(`${server.url}?schema=${schema}`, { lease: '1s', eventsPerPartition: 200 }),
    environment: { logger: silentLogger },
    events: [Counted],
    consumers: [
      defineConsumer({
        name: 'picky',
        on: Counted,
        retry: { attempts: 1 },
        handle({ event }) {
          if (failing.has(event.data.n)) throw new Error('not this one');
        },
      }),
    ],
    projections: [
      defineProjection({
        name: 'sums',
        key: (event) => event.data.thing,
        initial: () => ({ sum: 0 }),
        on: [[Counted, (row, event) => ({ sum: row.sum + event.data.n })]],
        indexes: { sum: ({ sum }) => sum },
      }),
    ],
  });
}

function databaseOf(schema: string): Database {
  const environment = createEnvironment({ logger: silentLogger });
  const limits = { maxConnections: 2, connectTimeoutMs: 5_000, answerTimeoutMs: 10_000, leaseMs: 10_000 };
  return new Database({ url: server.url, schema, ...limits }, 'the store of the test', environment);
}

describe('a migration beside programs that work', () => {
  test('programs of the form before publish, react, park and start again while it runs and after it, and lose nothing (G1, G2, G5, G6)', async () => {
    const schema = 'side_by_side';
    const failing = new Set([5, 251]);
    const first = await openAt(schema, failing);
    const second = await openAt(schema, failing);
    const done = new AbortController();
    const published = { n: 0 };
    const publishing = (async () => {
      while (!done.signal.aborted) {
        published.n += 1;
        await first.publish(Counted, { thing: `t${published.n % 5}`, n: published.n });
      }
    })();
    const reached = async (n: number) => {
      while (published.n < n) await waitFor(systemClock, 10);
    };
    await reached(200);
    // Somebody's report keeps the tables for longer than the step waits for them.
    const reader = new Client({ connectionString: server.url, options: `-c search_path=${schema}` });
    await reader.connect();
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM events');
    const later = [...MIGRATIONS, { sql: ADDS, worksFrom: 1 }];
    const database = databaseOf(schema);
    const migrating = migrate(database, schema, later);
    await waitFor(systemClock, 2_500);
    await reader.query('COMMIT');
    await reader.end();
    await migrating;
    await reached(published.n + 100);
    await second.close();
    const third = await openAt(schema, failing);
    done.abort();
    await publishing;
    await Promise.all([first.settled(), third.settled()]);
    const events = await database.query<[number]>(`SELECT count(*) FROM events WHERE type = '${Counted.type}'`);
    const count = events[0]?.[0] ?? 0;
    // Each speaks for itself: what one lets go of while it settles the other may have yet to handle.
    const sum = async () => {
      const rows = await Promise.all(Array.from({ length: 5 }, (_, thing) => third.views.get('sums', `t${thing}`)));
      return rows.reduce((total: number, row) => total + (row as { sum: number }).sum, 0);
    };
    await expect.poll(sum, { timeout: 10_000 }).toBe((count * (count + 1)) / 2);
    const { items } = await third.deadLetters.list({ consumer: 'picky' });
    expect(items.map(({ event }) => event?.data)).toEqual([...failing].map((n) => ({ thing: `t${n % 5}`, n })));
    expect((await third.report(true)).problems).toEqual([]);
    await first.close();
    await third.close();

    // A step that programs of the form before cannot work with says so.
    await migrate(database, schema, [
      ...later,
      { sql: 'CREATE TABLE last (one integer)', worksFrom: later.length + 1 },
    ]);
    await expect(openAt(schema, failing)).rejects.toThrow(new RegExp(`version ${later.length + 1}.*update thereupon`));
    await database.close();
  }, 60_000);
});
