import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import type { PostgresOptions } from '../../src/backends/postgres/postgres.ts';
import { defineConsumer, defineEvent, open } from '../../src/index.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { ownServer } from './own-server.ts';

const SIZE = 100;

const newFact = (category: string) =>
  defineEvent({
    type: `${category}.told`,
    stream: (data) => `${category}-${data.n % 7}`,
    schema: z.object({ n: z.number() }),
  });
const Short = newFact('short');
const Long = newFact('long');
const Kept = newFact('kept');

const { server, newSchema } = ownServer('partitions');

function openAt(schema: string, options: PostgresOptions = {}) {
  return open({
    store: postgres(`${server.url}?schema=${schema}`, { eventsPerPartition: SIZE, ...options }),
    environment: { logger: silentLogger },
    events: [Short, Long, Kept],
    consumers: [defineConsumer({ name: 'listener', on: [Short, Long, Kept], handle() {} })],
  });
}

type Log = Awaited<ReturnType<typeof openAt>>;

async function connect(schema: string): Promise<Client> {
  const client = new Client({ connectionString: server.url, options: `-c search_path=${schema}` });
  await client.connect();
  return client;
}

async function tables(schema: string): Promise<readonly string[]> {
  const client = await connect(schema);
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname ~ '^events_[0-9]+$' ORDER BY c.oid`,
    [schema],
  );
  await client.end();
  return rows.map(({ name }) => name);
}

/** Facts of two kinds in turn, which are known by their ids. */
async function tell(log: Log, from: number, to: number, events = [Short, Long]): Promise<void> {
  const publications = [];
  for (let n = from; n <= to; n += 1)
    for (const event of events) publications.push({ event, data: { n }, options: { id: `${event.type} ${n}` } });
  await log.publishAll(publications);
}

const RULES = [
  { category: 'short', maxCount: 0 },
  { category: 'long', maxCount: 60 },
];

describe('the log in tables', () => {
  test('tables that hold nothing but what rules name are dropped, what is removed stays a duplicate, and the rest is as it was (G2, G5)', async () => {
    const schema = newSchema();
    const log = await openAt(schema);
    await tell(log, 1, 300);
    await log.settled();
    expect(await tables(schema)).toContain('events_501');
    const outcomes = await log.applyRetention({ rules: RULES });
    const removed = (category: string) => outcomes.find((outcome) => outcome.category === category)?.removed ?? 0;
    expect([removed('short'), removed('long')]).toEqual([300, 240]);
    // 60 facts of one kind and the report of the removal are left: they lie in the last two tables.
    expect(await tables(schema)).toEqual(['events_401', 'events_501', 'events_601']);
    await log.close();

    const again = await openAt(schema);
    const first = { event: Long, data: { n: 1 }, id: 'long.told 1' };
    expect(await again.publish(first.event, first.data, { id: first.id })).toMatchObject({
      duplicate: true,
      position: 2,
    });
    await expect(again.publish(Long, { n: 2 }, { id: first.id })).rejects.toThrow(/long\.told 1/);
    await tell(again, 301, 400);
    const found = (await again.events.read({ types: [Long.type], limit: 1_000 })).events.map(({ id }) => id);
    expect(found).toEqual(Array.from({ length: 160 }, (_, index) => `long.told ${index + 241}`));
    expect((await again.report(true)).problems).toEqual([]);
    await again.close();
  });

  test('a fact that no rule names keeps its table and all after it', async () => {
    const schema = newSchema();
    const log = await openAt(schema);
    await tell(log, 1, 120);
    await tell(log, 0, 0, [Kept]);
    await tell(log, 121, 300);
    await log.settled();
    await log.applyRetention({ rules: RULES });
    expect((await tables(schema))[0]).toBe('events_201');
    const kept = await log.events.read({ types: [Kept.type] });
    expect(kept.events.map(({ id }) => id)).toEqual(['kept.told 0']);
    await log.close();
  });

  test('somebody who reads for long holds up no publisher while a table is dropped; a call that is cut short is finished by the next (G5)', async () => {
    const schema = newSchema();
    const log = await openAt(schema);
    await tell(log, 1, 200);
    await log.settled();
    const reader = await connect(schema);
    await reader.query('BEGIN');
    await reader.query('SELECT count(*) FROM events');
    const removing = log.applyRetention({ rules: RULES }).then(
      () => 'done',
      () => 'cut short',
    );
    const operator = await connect(schema);
    const detaching = `SELECT pid FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE events DETACH%' AND wait_event_type = 'Lock'`;
    while ((await operator.query(detaching)).rows.length === 0) await waitFor(systemClock, 10);
    const startedMs = performance.now();
    await tell(log, 201, 400);
    await log.settled();
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect((await operator.query(detaching)).rows.length).toBe(1);
    await operator.query(`SELECT pg_terminate_backend(pid) FROM (${detaching}) AS waiting`);
    expect(await removing).toBe('cut short');
    expect(await tables(schema)).toContain('events_1');
    await reader.query('COMMIT');
    await log.applyRetention({ rules: RULES });
    expect(await tables(schema)).not.toContain('events_1');
    expect((await operator.query('SELECT count(*)::int AS n FROM partitions WHERE dropping')).rows).toEqual([{ n: 0 }]);
    await reader.end();
    await operator.end();
    await log.close();
  });

  test('facts are found by their tags for as long as they are there: those of a table go when it does, and not before (G3)', async () => {
    const schema = newSchema();
    const log = await openAt(schema);
    // So that a report has its place in the last table: another one cannot be made for a while.
    await log.publishAll(
      Array.from({ length: 190 }, (_, n) => ({ event: Short, data: { n }, options: { tags: [`n:${n % 3}`] } })),
    );
    await log.settled();
    const operator = await connect(schema);
    const tags = async () => (await operator.query('SELECT count(*)::int AS n FROM event_tags')).rows[0] as unknown;
    const busy = await connect(schema);
    await busy.query('BEGIN; LOCK TABLE partitions IN SHARE MODE');
    const removing = log.applyRetention({ rules: RULES }).then(
      () => 'done',
      () => 'cut short',
    );
    const marking = `SELECT pid FROM pg_stat_activity WHERE query LIKE 'UPDATE partitions SET dropping%' AND wait_event_type = 'Lock'`;
    while ((await operator.query(marking)).rows.length === 0) await waitFor(systemClock, 10);
    await operator.query(`SELECT pg_terminate_backend(pid) FROM (${marking}) AS waiting`);
    expect(await removing).toBe('cut short');
    expect(await tags()).toEqual({ n: 190 });
    await busy.query('COMMIT');
    await log.applyRetention({ rules: RULES });
    expect(await tables(schema)).not.toContain('events_1');
    expect(await tags()).toEqual({ n: 0 });
    await busy.end();
    await operator.end();
    await log.close();
  });

  test('after everything was removed the log goes on where it was, and one batch may fill several tables (G5)', async () => {
    const schema = newSchema();
    const log = await openAt(schema);
    await tell(log, 1, 100);
    await log.settled();
    const all = [...RULES, { category: 'thereupon', maxCount: 0 }, { category: 'long', maxCount: 0 }];
    await log.applyRetention({ rules: all });
    const head = await log.events.head();
    await tell(log, 101, 500);
    expect(await log.events.head()).toBe(head + 800);
    const found = (await log.events.read({ after: head, limit: 1_000 })).events.map((event) => Number(event.position));
    expect(found).toEqual(Array.from({ length: 800 }, (_, index) => head + index + 1));
    await log.close();
  });

  test('the next table is there before the last one is full: who looks after the tables at its end holds up no publisher (G5)', async () => {
    const schema = newSchema();
    const logs = await Promise.all([openAt(schema, { lease: '1s' }), openAt(schema, { lease: '1s' })]);
    const [log] = logs;
    await tell(log, 1, 45);
    const untilMs = performance.now() + 20_000;
    while (!(await tables(schema)).includes('events_101')) {
      expect(performance.now(), 'when the next table is made, at the latest').toBeLessThan(untilMs);
      await waitFor(systemClock, 20);
    }
    expect(await tables(schema)).toEqual(['events_1', 'events_101']);
    const operator = await connect(schema);
    await operator.query('BEGIN');
    // As ANALYZE does for as long as it runs.
    await operator.query('LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE');
    const startedMs = performance.now();
    await tell(log, 46, 80);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    await operator.query('COMMIT');
    await operator.end();
    expect((await log.events.read({ limit: 1_000 })).events.length).toBe(160);
    expect((await log.report(true)).problems).toEqual([]);
    await Promise.all(logs.map((each) => each.close()));
  });

  test('a table that is needed in the middle of a flush is made although all connections are in use (G5, G10)', async () => {
    const schema = newSchema();
    const log = await openAt(schema, { maxConnections: 2 });
    await tell(log, 1, 10);
    await log.settled();
    const operator = await connect(schema);
    await operator.query('BEGIN; LOCK TABLE deliveries IN ACCESS EXCLUSIVE MODE');
    const listing = log.deadLetters.list();
    const blocked = `SELECT pid FROM pg_stat_activity WHERE query LIKE '%deliveries%' AND wait_event_type = 'Lock' AND application_name = 'thereupon'`;
    // In one transaction the server would show the same activity again and again.
    const looked = async () => {
      await operator.query('SELECT pg_stat_clear_snapshot()');
      return (await operator.query(blocked)).rows.length;
    };
    while ((await looked()) === 0) await waitFor(systemClock, 10);
    await tell(log, 11, 300);
    expect(await looked(), 'connections that still wait').toBe(1);
    await operator.query('COMMIT');
    await listing;
    await operator.end();
    await log.settled();
    expect((await log.report(true)).problems).toEqual([]);
    await log.close();
  });
});
