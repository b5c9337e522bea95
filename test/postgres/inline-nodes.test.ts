import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { defineEvent, defineProjection, open } from '../../src/index.ts';
import type { System, SystemOptions } from '../../src/index.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { ownServer } from './own-server.ts';

const Counted = defineEvent({
  type: 'things.counted',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string(), n: z.number() }),
});

const { server, newSchema } = ownServer('inline');

interface Row {
  readonly count: number;
  readonly sum: number;
}

const sums = defineProjection({
  name: 'sums',
  mode: 'inline',
  key: (event) => event.data.thing,
  initial: (): Row => ({ count: 0, sum: 0 }),
  on: [[Counted, (row, event) => ({ count: row.count + 1, sum: row.sum + event.data.n })]],
});

/** One that looks where its events are. */
const lasts = defineProjection({
  name: 'lasts',
  mode: 'inline',
  key: (event) => event.data.thing,
  initial: () => ({ versions: '', after: 0 }),
  on: [
    [
      Counted,
      (row, event) => {
        if (event.position <= row.after) throw new Error(`${event.position} after ${row.after}`);
        return { versions: `${row.versions} ${event.version}`.slice(-40), after: event.position };
      },
    ],
  ],
});

function node(schema: string, more: Partial<SystemOptions> = {}) {
  return open({
    store: postgres(`${server.url}?schema=${schema}`, { maxConnections: 4, lease: '2s' }),
    environment: { logger: silentLogger },
    events: [Counted, Large],
    projections: [sums, names],
    ...more,
  });
}

const Large = defineEvent({
  type: 'things.named',
  stream: () => 'name-1',
  schema: z.object({ name: z.string() }),
});

const names = defineProjection({
  name: 'names',
  mode: 'inline',
  key: (event) => event.data.name,
  initial: () => 0,
  on: [[Large, (row) => row + 1]],
  retry: { attempts: 1 },
});

async function query<Found extends object>(schema: string, sql: string): Promise<Found[]> {
  const client = new Client({ connectionString: server.url, options: `-c search_path=${schema}` });
  await client.connect();
  try {
    return (await client.query<Found>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const untilMs = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > untilMs) throw new Error(`still not so after 20 s: ${what}`);
    await waitFor(systemClock, 10);
  }
}

const isInForce = async (system: System, name = 'sums') => (await system.consumers.status(name)).inline === 'in-force';

async function inForce(...systems: readonly System[]): Promise<void> {
  for (const system of systems) await until(() => isInForce(system), 'the view is inline');
}

async function foldOf(system: System): Promise<Record<string, Row>> {
  const rows: Record<string, Row> = {};
  for (let after = 0; ;) {
    const page = await system.events.read({ after, limit: 1_000, types: [Counted.type] });
    for (const { data } of page.events) {
      const { thing, n } = data as { thing: string; n: number };
      const { count, sum } = rows[thing] ?? { count: 0, sum: 0 };
      rows[thing] = { count: count + 1, sum: sum + n };
    }
    if (page.next === undefined) return rows;
    after = page.next;
  }
}

async function rowsOf(system: System): Promise<Record<string, unknown>> {
  const { items } = await system.views.query('sums', { limit: 1_000 });
  return Object.fromEntries(items.map(({ key, row }) => [key, row]));
}

/** Publishes one after another; after each the row is what it made of it, or what others made of that since. */
async function publishAndLook(system: System, writer: number, things: number, times: number): Promise<void> {
  for (let n = 1; n <= times; n += 1) {
    const thing = `t${(n * 7 + writer) % things}`;
    const before = (await system.views.get<Row>('sums', thing))?.count ?? 0;
    await system.publish(Counted, { thing, n });
    const row = await system.views.get<Row>('sums', thing);
    expect(row?.count).toBeGreaterThan(before);
  }
}

describe('inline projections of several nodes on one PostgreSQL', () => {
  test('both write, and whoever is told of an event finds its row, on either node (G6)', async () => {
    const schema = newSchema();
    await using one = await node(schema, { projections: [sums, lasts] });
    await using other = await node(schema, { projections: [sums, lasts] });
    await inForce(one, other);
    await until(async () => (await isInForce(one, 'lasts')) && isInForce(other, 'lasts'), 'both views are inline');
    await Promise.all(
      Array.from({ length: 16 }, (_, writer) => publishAndLook(writer % 2 === 0 ? one : other, writer, 5, 30)),
    );
    expect(await isInForce(one)).toBe(true);
    expect(await isInForce(other)).toBe(true);
    expect(await rowsOf(one)).toEqual(await foldOf(other));
    const { position } = await one.publish(Counted, { thing: 'last', n: 1 });
    expect(await other.views.get('sums', 'last')).toEqual({ count: 1, sum: 1 });
    for (const system of [one, other]) {
      const status = await system.consumers.status('sums');
      expect(status.position).toBeGreaterThanOrEqual(position);
      expect(status.lag.events).toBe(0);
      expect(status.figures.failed).toBe(0);
    }
    const { items } = await one.views.query('lasts', { limit: 10 });
    const { events } = await one.events.read({ limit: 1_000, types: [Counted.type] });
    for (const { key, row } of items)
      expect((row as { after: number }).after).toBe(
        events.findLast(({ data }) => (data as { thing: string }).thing === key)?.position,
      );
  });

  test('both write what they have worked out before, and of two that were at one row one does it again (G5, G6)', async () => {
    const schema = newSchema();
    await using one = await node(schema);
    await using other = await node(schema);
    await inForce(one, other);
    await Promise.all(
      Array.from({ length: 16 }, (_, writer) => publishAndLook(writer % 2 === 0 ? one : other, writer, 5, 40)),
    );
    expect(await isInForce(one)).toBe(true);
    expect(await isInForce(other)).toBe(true);
    expect(await rowsOf(one)).toEqual(await foldOf(other));
    // Whatever was done again was done once.
    const handled = [one, other].map(async (system) => (await system.consumers.status('sums')).figures.handled);
    expect((await Promise.all(handled)).reduce((sum, each) => sum + each, 0)).toBe(16 * 40);
  });

  test.each([
    { what: 'without indexes', indexes: {}, tamperEvidence: false },
    { what: 'with indexes', indexes: { sum: (row: Row) => row.sum }, tamperEvidence: false },
    { what: 'with a hash chain', indexes: {}, tamperEvidence: true },
  ])('what is published is recorded with its rows by one statement, $what', async ({ indexes, tamperEvidence }) => {
    const schema = newSchema();
    await query(schema, `ALTER DATABASE postgres SET track_functions = 'pl'`);
    const totals = defineProjection({
      name: 'totals',
      mode: 'inline',
      key: (event) => event.data.thing,
      initial: (): Row => ({ count: 0, sum: 0 }),
      on: [[Counted, (row, event) => ({ count: row.count + 1, sum: row.sum + event.data.n })]],
      indexes,
    });
    await using system = await node(schema, { projections: [totals], tamperEvidence });
    await until(() => isInForce(system, 'totals'), 'the view is inline');
    // The first one makes the namespace known.
    for (let n = 0; n <= 30; n += 1) await system.publish(Counted, { thing: `t${n % 4}`, n });
    const calls = `SELECT calls FROM pg_stat_user_functions WHERE schemaname = '${schema}' AND funcname = 'record_projected'`;
    let ticks = 0;
    // The server says how much it counted about once a second, when there is something to do.
    await until(async () => {
      await system.publish(Counted, { thing: 'tick', n: (ticks += 1) });
      const [row] = await query<{ calls: string }>(schema, calls);
      return Number(row?.calls ?? 0) >= 30 + ticks / 2;
    }, 'all of them were recorded so');
    expect(await system.views.get('totals', 't0')).toEqual({ count: 8, sum: 112 });
  });

  test('declared indexes go with the rows, and rows that go take their entries with them', async () => {
    const schema = newSchema();
    const left = defineProjection({
      name: 'left',
      mode: 'inline',
      key: (event) => event.data.thing,
      initial: () => ({ left: 0 }),
      on: [[Counted, (row, event) => (row.left + event.data.n > 20 ? undefined : { left: row.left + event.data.n })]],
      indexes: { left: (row) => row.left, isMany: (row) => row.left > 9, word: (row) => `"${row.left}\u0000` },
    });
    await using one = await node(schema, { projections: [left] });
    await using other = await node(schema, { projections: [left] });
    for (const system of [one, other]) await until(() => isInForce(system, 'left'), 'the view is inline');
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let n = 1; n <= 30; n += 1)
          await (writer % 2 === 0 ? one : other).publish(Counted, { thing: `t${(n * 5 + writer) % 6}`, n: n % 9 });
      }),
    );
    expect(await isInForce(one, 'left')).toBe(true);
    const { items } = await one.views.query('left', { limit: 100 });
    const lefts = items.map(({ row }) => (row as { left: number }).left).sort((low, high) => low - high);
    expect(lefts.length).toBeGreaterThan(0);
    const sorted = await other.views.query('left', { orderBy: 'left', limit: 100 });
    expect(sorted.items.map(({ row }) => (row as { left: number }).left)).toEqual(lefts);
    const many = await one.views.query('left', { where: [{ index: 'isMany', op: '=', value: true }] });
    expect(many.items).toHaveLength(lefts.filter((each) => each > 9).length);
    const entries = await query<{ entries: string }>(schema, 'SELECT count(*) AS entries FROM row_index_entries');
    expect(Number(entries[0]?.entries)).toBe(3 * items.length);
  });

  test('a key that the server has to be given in other words, and one that it cannot take, cost no event', async () => {
    const schema = newSchema();
    await using system = await node(schema);
    await inForce(system);
    for (const n of [1, 2]) await system.publish(Counted, { thing: 'a\u0000b', n });
    expect(await system.views.get('sums', 'a\u0000b')).toEqual({ count: 2, sum: 3 });
    expect(await isInForce(system)).toBe(true);
    let state = 1;
    const next = () => String.fromCharCode(0x4e00 + ((state = (state * 48_271) % 2_147_483_647) % 20_000));
    const large = Array.from({ length: 1_000 }, next).join('');
    await Promise.all(Array.from({ length: 6 }, (_, n) => system.publish(Large, { name: n === 3 ? large : `t${n}` })));
    expect(await system.views.count('names')).toBeLessThan(6);
  });

  test('a row that is changed beside the projection is not overwritten with what it was', async () => {
    const schema = newSchema();
    await using system = await node(schema);
    await inForce(system);
    await system.publish(Counted, { thing: 'a', n: 1 });
    await query(schema, `UPDATE rows SET value = '{"count":7,"sum":70}' WHERE key = 'a'`);
    await system.publish(Counted, { thing: 'a', n: 2 });
    expect(await system.views.get('sums', 'a')).toEqual({ count: 8, sum: 72 });
    expect(await isInForce(system)).toBe(true);
  });

  test('a program without it records its facts, ends it, and it begins again behind them', async () => {
    const schema = newSchema();
    await using system = await node(schema);
    await inForce(system);
    await system.publish(Counted, { thing: 'a', n: 1 });
    await using stranger = await node(schema, { projections: [] });
    const { position } = await stranger.publish(Counted, { thing: 'a', n: 2 });
    await until(async () => (await system.consumers.status('sums')).position >= position, 'it has caught up');
    await inForce(system);
    expect(await rowsOf(system)).toEqual({ a: { count: 2, sum: 3 } });
    await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        (n % 4 === 0 ? stranger : system).publish(Counted, { thing: `t${n % 3}`, n }),
      ),
    );
    await system.settled();
    await inForce(system);
    expect(await rowsOf(system)).toEqual(await foldOf(system));
  });

  test('a program that was stopped leaves it in force, and what is recorded meanwhile is caught up on', async () => {
    const schema = newSchema();
    {
      await using system = await node(schema);
      await inForce(system);
      await system.publish(Counted, { thing: 'a', n: 1 });
    }
    const marked = await query<{ inline: boolean }>(schema, `SELECT inline FROM lanes WHERE consumer = 'sums'`);
    expect(marked).toEqual([{ inline: true }]);
    {
      await using publisher = await node(schema, { consume: false });
      const { position, inline } = await publisher.consumers.status('sums');
      expect({ position, inline }).toEqual({ position: await publisher.events.head(), inline: 'in-force' });
      await publisher.publish(Counted, { thing: 'a', n: 2 });
      const after = await publisher.consumers.status('sums');
      expect(after).toMatchObject({ position, inline: 'catching-up', lag: { events: 1 } });
    }
    await using again = await node(schema);
    await again.settled();
    await inForce(again);
    expect(await rowsOf(again)).toEqual({ a: { count: 2, sum: 3 } });
  });

  test('a pause, a replay and a rebuild at one node are those of all', async () => {
    const schema = newSchema();
    await using one = await node(schema);
    await using other = await node(schema);
    await inForce(one, other);
    for (let n = 1; n <= 20; n += 1) await (n % 2 === 0 ? one : other).publish(Counted, { thing: `t${n % 3}`, n });
    await one.consumers.pause('sums');
    const paused = await rowsOf(one);
    await other.publish(Counted, { thing: 't1', n: 100 });
    await one.publish(Counted, { thing: 't2', n: 100 });
    expect(await rowsOf(other)).toEqual(paused);
    expect(await isInForce(one)).toBe(false);
    await until(async () => !(await isInForce(other)), 'the other node has heard of it');
    await other.consumers.resume('sums');
    await inForce(one, other);
    expect(await rowsOf(other)).toEqual(await foldOf(one));
    const publishing = Promise.all(
      Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? one : other).publish(Counted, { thing: `t${n % 3}`, n })),
    );
    await one.consumers.replay('sums', 'beginning');
    await publishing;
    await inForce(one, other);
    expect(await rowsOf(other)).toEqual(await foldOf(one));
    const more = Promise.all(
      Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? one : other).publish(Counted, { thing: `t${n % 3}`, n })),
    );
    const rebuild = await other.views.rebuild('sums');
    await more;
    expect((await rebuild.ended()).state).toBe('switched');
    await inForce(one, other);
    expect(await rowsOf(one)).toEqual(await foldOf(other));
  });

  test('with a hash chain the rows come with the events too (G14)', async () => {
    const schema = newSchema();
    await using system = await node(schema, { tamperEvidence: true });
    await inForce(system);
    await publishAndLook(system, 0, 3, 20);
    expect(await isInForce(system)).toBe(true);
    expect(await rowsOf(system)).toEqual(await foldOf(system));
    expect(
      Number((await query<{ links: string }>(schema, 'SELECT count(*) AS links FROM chain_links'))[0]?.links),
    ).toBeGreaterThan(20);
  });
});
