import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { CapabilityMissing, defineConsumer, defineEvent, EventDataInvalid, open } from '../../src/index.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { mulberry32 } from '../crash/mulberry.ts';
import { ownServer } from './own-server.ts';

const Placed = defineEvent({
  type: 'shop.order.placed',
  stream: (data) => `order-${data.order}`,
  schema: z.object({ order: z.string(), total: z.number() }),
});

const { server, newSchema } = ownServer('outbox');

const newStore = () => `${server.url}?schema=${newSchema()}`;

function program(store: string, seen: string[] = [], outboxes: readonly DatabaseSync[] = []) {
  return open({
    store,
    outboxes,
    environment: { logger: silentLogger },
    events: [Placed],
    consumers: [defineConsumer({ name: 'seen', on: Placed, handle: ({ event }) => void seen.push(event.data.order) })],
  });
}

type Program = Awaited<ReturnType<typeof program>>;

async function caller(): Promise<Client> {
  const client = new Client({ connectionString: server.url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

const order = (name: string, total = 1) => ({ event: Placed, data: { order: name, total }, options: { id: name } });

async function recorded(system: Program): Promise<string[]> {
  const { events } = await system.events.read({ types: ['shop.order.placed'], limit: 1_000 });
  return events.map((event) => event.id);
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await waitFor(systemClock, 10);
}

describe('publishing in a transaction of the caller', () => {
  test('is recorded and reacted to when it commits, whole, and never when it does not (G1, G3)', async () => {
    const seen: string[] = [];
    const system = await program(newStore(), seen);
    const client = await caller();
    await client.query('CREATE TABLE invoices (name text)');
    await client.query('BEGIN');
    await client.query(`INSERT INTO invoices VALUES ('a')`);
    expect(await system.publishWithin(client, [order('a1'), order('a2')])).toEqual([
      { id: 'a1', source: '/thereupon', quarantined: false },
      { id: 'a2', source: '/thereupon', quarantined: false },
    ]);
    // An open transaction holds up nobody, and nobody sees what is in it.
    await system.publish(Placed, { order: 'b', total: 1 }, { id: 'b' });
    await system.settled();
    expect(seen).toEqual(['b']);
    await client.query('COMMIT');
    await system.settled();
    expect(seen).toEqual(['b', 'a1', 'a2']);

    await client.query('BEGIN');
    await system.publishWithin(client, [order('never')]);
    await client.query('ROLLBACK');
    await client.query('BEGIN');
    await system.publishWithin(client, [order('after')]);
    await client.query('COMMIT');
    await system.settled();
    expect(seen).toEqual(['b', 'a1', 'a2', 'after']);
    expect(await recorded(system)).toEqual(['b', 'a1', 'a2', 'after']);
    await client.end();
    await system.close();
  });

  test('what a process committed and could not hand on any more is recorded by the next one (G1)', async () => {
    const store = newStore();
    const first = await program(store);
    const client = await caller();
    await client.query('BEGIN');
    await first.publishWithin(client, [order('late')]);
    await first.close();
    await client.query('COMMIT');
    await client.end();
    const second = await program(store);
    await until(async () => (await recorded(second)).length === 1);
    await second.close();
  });

  test('of many transactions at many nodes, some rolled back and some killed, exactly those that committed are recorded, once (G2, G5)', async () => {
    const store = newStore();
    const nodes = await Promise.all([program(store), program(store), program(store)]);
    const random = mulberry32(7);
    const committed: string[] = [];
    await Promise.all(
      Array.from({ length: 8 }, async (_, worker) => {
        for (let n = 0; n < 25; n += 1) {
          const client = await caller();
          const node = nodes[Math.floor(random() * nodes.length)];
          const names = Array.from({ length: 1 + Math.floor(random() * 3) }, (__, part) => `${worker}/${n}/${part}`);
          await client.query('BEGIN');
          await node?.publishWithin(
            client,
            names.map((name) => order(name)),
          );
          await waitFor(systemClock, random() * 20);
          const fate = random();
          if (fate < 0.6) {
            await client.query('COMMIT');
            committed.push(...names);
          } else if (fate < 0.8) await client.query('ROLLBACK');
          await client.end();
        }
      }),
    );
    const [system] = nodes;
    await until(async () => system !== undefined && (await recorded(system)).length >= committed.length);
    expect((await recorded(nodes[0])).sort()).toEqual(committed.sort());
    for (const node of nodes) await node.close();
  });

  test('what the log refuses then is not lost: it stands whole in a report (G2, G11)', async () => {
    const system = await program(newStore());
    await system.publish(Placed, { order: 'x', total: 1 }, { id: 'x' });
    const client = await caller();
    await system.publishWithin(client, [order('x', 2), order('y')]);
    const reports = async () => (await system.events.read({ types: ['thereupon.outbox.refused'], limit: 10 })).events;
    await until(async () => (await reports()).length === 1);
    const [report] = await reports();
    expect(report?.data).toMatchObject({
      reason: 'content-conflict',
      id: 'x',
      events: [
        { id: 'x', data: '{"order":"x","total":2}' },
        { id: 'y', data: '{"order":"y","total":1}' },
      ],
    });
    expect(await recorded(system)).toEqual(['x']);
    await client.end();
    await system.close();
  });

  test('one that the store cannot hold keeps nobody else waiting (G7, G11)', async () => {
    const store = newStore();
    const system = await program(store);
    const client = await caller();
    await client.query('BEGIN');
    await system.publishWithin(client, [order('first')]);
    // As a program could leave it that knows no such limit. Longer than an entry of an index may be, and not to be made shorter by compression.
    const random = mulberry32(3);
    const long = Array.from({ length: 2_000 }, () => String.fromCodePoint(0x4e00 + Math.floor(random() * 20_000))).join(
      '',
    );
    await system.publishWithin(client, [order('short')]);
    const schema = new URL(store).searchParams.get('schema');
    const { rowCount } = await client.query(
      `UPDATE ${schema}.pending SET events = replace(events, '"id":"short"', $1) WHERE events LIKE '%"id":"short"%'`,
      [`"id":"${long}"`],
    );
    expect(rowCount).toBe(1);
    await system.publishWithin(client, [order('last')]);
    await client.query('COMMIT');
    await until(async () => (await recorded(system)).length === 2);
    expect(await recorded(system)).toEqual(['first', 'last']);
    const { events } = await system.events.read({ types: ['thereupon.outbox.refused'], limit: 10 });
    expect(events.map(({ data }) => (data as { reason: string }).reason)).toEqual(['store-defect']);
    await client.end();
    await system.close();
  });

  test('a database of the node’s own can publish beside those of the server, each if and only if it commits (G1, G2)', async () => {
    const database = new DatabaseSync(':memory:');
    const store = newStore();
    const system = await program(store, [], [database]);
    const other = await program(store);
    const client = await caller();
    await client.query('BEGIN');
    await system.publishWithin(client, [order('server')]);
    for (const [name, end] of [
      ['local', 'COMMIT'],
      ['never', 'ROLLBACK'],
    ] as const) {
      database.exec('BEGIN');
      await system.publishWithin(database, [order(name)]);
      database.exec(end);
    }
    await system.settled();
    expect(await recorded(other)).toEqual(['local']);
    await client.query('COMMIT');
    await until(async () => (await recorded(other)).length === 2);
    expect(await recorded(other)).toEqual(['local', 'server']);
    await system.publish(Placed, { order: 'known', total: 1 }, { id: 'known' });
    await system.publishWithin(database, [order('known', 2)]);
    await system.close();
    const { events } = await other.events.read({ types: ['thereupon.outbox.refused'], limit: 10 });
    expect(events.map(({ data }) => (data as { reason: string }).reason)).toEqual(['content-conflict']);
    expect(database.prepare('SELECT number FROM thereupon_outbox').all()).toEqual([]);
    await client.end();
    await other.close();
    database.close();
  });

  test('checks data before it writes, and says where a store takes no part in transactions', async () => {
    const system = await program(newStore());
    const client = await caller();
    const wrong = { event: Placed, data: { order: 'z' } as never };
    await expect(system.publishWithin(client, [wrong])).rejects.toThrow(EventDataInvalid);
    expect(await system.publishWithin(client, [])).toEqual([]);
    await client.end();
    await expect(system.publishWithin(client, [order('z')])).rejects.toThrow();
    await system.close();
    const inMemory = await open({ store: 'memory:', events: [Placed] });
    await expect(inMemory.publishWithin(client, [order('z')])).rejects.toThrow(CapabilityMissing);
    await inMemory.close();
  });
});
