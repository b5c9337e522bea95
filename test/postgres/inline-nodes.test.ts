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
    events: [Counted],
    projections: [sums],
    ...more,
  });
}

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
