import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { defineConsumer, defineEvent, defineProjection, open } from '../../src/index.ts';
import type { SystemOptions } from '../../src/index.ts';
import { createApp } from '../../src/server/index.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { ownServer } from './own-server.ts';

const Counted = defineEvent({
  type: 'things.counted',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string(), n: z.number() }),
});

const { server, newSchema } = ownServer('nodes');

/** As an operator, past the store. */
async function query(schema: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: server.url, options: `-c search_path=${schema}` });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** How many lanes of a consumer each node has, in order of size. */
async function shares(schema: string, consumer: string): Promise<number[]> {
  const rows = await query(
    schema,
    `SELECT holder, sum(cardinality(lanes))::int AS lanes FROM lanes JOIN nodes ON node = holder WHERE consumer = '${consumer}' GROUP BY holder`,
  );
  return rows.map(({ lanes }) => Number(lanes)).sort((left, right) => left - right);
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const untilMs = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > untilMs) throw new Error(`still not so after 20 s: ${what}`);
    await waitFor(systemClock, 25);
  }
}

/** What all nodes of a test handled, in the order in which they did. */
interface Handled {
  readonly node: string;
  readonly thing: string;
  readonly n: number;
}

function node(schema: string, name: string, handled: Handled[], more: Partial<SystemOptions> = {}) {
  return open({
    store: postgres(`${server.url}?schema=${schema}`, { maxConnections: 4 }),
    environment: { logger: silentLogger },
    events: [Counted],
    consumers: [
      defineConsumer({
        name: 'watchers',
        on: Counted,
        handle: async ({ event }) => {
          handled.push({ node: name, thing: event.data.thing, n: event.data.n });
          await new Promise((resolve) => setImmediate(resolve));
        },
      }),
    ],
    projections: [
      defineProjection({
        name: 'sums',
        key: (event) => event.data.thing,
        initial: () => ({ count: 0, sum: 0 }),
        on: [[Counted, (row, event) => ({ count: row.count + 1, sum: row.sum + event.data.n })]],
      }),
    ],
    ...more,
  });
}

const THINGS = 40;

async function publish(system: Awaited<ReturnType<typeof node>>, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n += 1)
    await system.publishAll(
      Array.from({ length: THINGS }, (_, thing) => ({ event: Counted, data: { thing: `t${thing}`, n } })),
    );
}

function inOrder(handled: readonly Handled[]): void {
  for (const [thing, ofThing] of Map.groupBy(handled, (entry) => entry.thing)) {
    const numbers = ofThing.map(({ n }) => n);
    // What is repeated after a loss is repeated in order too: a number is never followed by one that was never reached.
    let highest = 0;
    for (const n of numbers) {
      expect(n, `${thing}: ${numbers.join(' ')}`).toBeLessThanOrEqual(highest + 1);
      highest = Math.max(highest, n);
    }
  }
}

describe('several nodes on one PostgreSQL', () => {
  test('share the keys of a consumer evenly, each event handled once and in order per key, while nodes join and leave (G5, G6)', async () => {
    const schema = newSchema();
    const handled: Handled[] = [];
    // Longer than this machine may stand still: nobody loses what he has, so nothing is handled twice.
    const lasting = { maxConnections: 4, lease: '5m' } as const;
    const opened = (name: string) =>
      node(schema, name, handled, { store: postgres(`${server.url}?schema=${schema}`, lasting) });
    const first = await opened('first');
    expect(await shares(schema, 'watchers')).toEqual([64]);
    const publishing = publish(first, 1, 60);
    const second = await opened('second');
    const third = await opened('third');
    await until(async () => (await shares(schema, 'watchers')).join() === '21,21,22', 'three even shares');
    await publishing;
    await publish(second, 61, 90);
    await third.close();
    await until(async () => (await shares(schema, 'watchers')).join() === '32,32', 'two even shares');
    await publish(second, 91, 120);
    await Promise.all([first.settled(), second.settled()]);
    inOrder(handled);
    expect(handled.length).toBe(THINGS * 120);
    expect(new Set(handled.map((entry) => entry.node)).size).toBe(3);
    for (let thing = 0; thing < THINGS; thing += 1)
      expect(await second.views.get('sums', `t${thing}`)).toEqual({ count: 120, sum: (120 * 121) / 2 });
    await first.close();
    await second.close();
  }, 60_000);

  test('say how far a consumer is by what all of them have settled: a view is there at once after a fact, also in quiet (G5)', async () => {
    const schema = newSchema();
    const handled: Handled[] = [];
    const gate = Promise.withResolvers<void>();
    const held = defineConsumer({
      name: 'held',
      on: Counted,
      where: { data: { n: [{ numeric: ['>', 0] }] } },
      handle: ({ event }) => (event.data.thing === 't7' ? gate.promise : undefined),
    });
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => node(schema, name, handled, { consumers: [held] })));
    const [first] = nodes;
    if (first === undefined) throw new Error('no node');
    for (const consumer of ['held', 'sums'])
      await until(
        async () => (await shares(schema, consumer)).join() === '21,21,22',
        `three even shares of ${consumer}`,
      );
    // Nodes write down what they passed over only now and then: of keys that are quiet the store knows little.
    for (let n = 1; n <= 5; n += 1) {
      for (const thing of ['t1', 't2', 't3']) {
        const { position } = await first.publish(Counted, { thing, n });
        for (const system of nodes) {
          const answer = await createApp(system).request(`/views/sums/${thing}?after-position=${position}`);
          expect([answer.status, ((await answer.json()) as { row: { count: number } }).row.count]).toEqual([200, n]);
        }
      }
    }
    const { position } = await first.publish(Counted, { thing: 't7', n: 1 });
    await publish(first, 0, 0);
    const done = await first.publish(Counted, { thing: 't1', n: 6 });
    for (const system of nodes) {
      const standing = async () => {
        const { position: place, lag } = await system.consumers.status('held');
        return { place, events: lag.events };
      };
      await until(async () => (await standing()).events === 1, 'one event is left');
      expect(await standing()).toEqual({ place: position - 1, events: 1 });
    }
    gate.resolve();
    for (const system of nodes)
      await until(async () => (await system.consumers.status('held')).position >= done.position, 'all is done');
    for (const system of nodes) expect((await system.consumers.status('held')).lag.events).toBe(0);
    for (const system of nodes) await system.close();
  }, 60_000);

  test('a view of one row is there soon after many facts, though all but one node have nothing to do with it (G5)', async () => {
    const schema = newSchema();
    const totals: Partial<SystemOptions> = {
      consumers: [],
      projections: [
        defineProjection({
          name: 'totals',
          key: () => 'all',
          initial: () => ({ count: 0 }),
          on: [[Counted, (row) => ({ count: row.count + 1 })]],
        }),
      ],
    };
    const nodes = await Promise.all(['a', 'b'].map((name) => node(schema, name, [], totals)));
    const [first] = nodes;
    if (first === undefined) throw new Error('no node');
    await until(async () => (await shares(schema, 'totals')).join() === '32,32', 'two even shares');
    for (let count = 1_000; count <= 2_000; count += 1_000) {
      await publish(first, 1, 1_000 / THINGS);
      const position = await first.events.head();
      for (const system of nodes) {
        const sinceMs = performance.now();
        const answer = await createApp(system).request(`/views/totals/all?after-position=${position}`);
        expect(await answer.json()).toEqual({ key: 'all', row: { count } });
        expect(performance.now() - sinceMs).toBeLessThan(2_500);
        await until(async () => (await system.consumers.status('totals')).lag.events === 0, 'no lag');
      }
    }
    for (const system of nodes) await system.close();
  }, 60_000);

  test('what an operator did elsewhere is what a node shows, and a pause takes nothing back (G7)', async () => {
    const schema = newSchema();
    const [first, second] = await Promise.all(['a', 'b'].map((name) => node(schema, name, [])));
    if (first === undefined || second === undefined) throw new Error('no node');
    await publish(first, 1, 5);
    const head = await first.events.head();
    await until(async () => (await first.consumers.status('sums')).position === head, 'all is done');
    await first.consumers.pause('sums', 'maintenance');
    for (const system of [first, second]) {
      const { state, reason, position, lag } = await system.consumers.status('sums');
      expect({ state, reason, events: lag.events }).toEqual({ state: 'paused', reason: 'maintenance', events: 0 });
      expect(position).toBeGreaterThanOrEqual(head);
    }
    await second.consumers.replay('sums', 'beginning');
    for (const system of [first, second])
      expect(await system.consumers.status('sums')).toMatchObject({ state: 'paused', position: 0 });
    await first.close();
    await second.close();
  }, 60_000);

  test('a program that makes keys in another way does not share lanes with the older one: refused at first, then it takes over (G5, G6)', async () => {
    const schema = newSchema();
    const gate = Promise.withResolvers<void>();
    const handled: string[] = [];
    const by = (key: (event: { readonly data: { readonly thing: string; readonly n: number } }) => string) => ({
      projections: [],
      consumers: [
        defineConsumer({
          name: 'rekeyed',
          on: Counted,
          key,
          handle: async ({ event }) => {
            if (event.data.thing === 't7') await gate.promise;
            handled.push(`${event.data.thing} ${event.data.n}`);
          },
        }),
      ],
    });
    const byThing = by((event) => event.data.thing);
    const byNumber = by((event) => `n${event.data.n % 7}`);
    const [first, second] = await Promise.all(['a', 'b'].map((name) => node(schema, name, [], byThing)));
    if (first === undefined || second === undefined) throw new Error('no node');
    await until(async () => (await shares(schema, 'rekeyed')).join() === '32,32', 'two even shares');
    // One of the things is held up: the lanes are at different places.
    await publish(first, 1, 9);
    await until(async () => (await first.consumers.status('rekeyed')).lag.events === 9, 'all but one thing are done');
    await expect(node(schema, 'c', [], byNumber)).rejects.toMatchObject({
      code: 'invalid-definition',
      message: expect.stringContaining('stop all nodes of the older program in order') as string,
    });
    gate.resolve();
    await until(async () => (await first.consumers.status('rekeyed')).lag.events === 0, 'the older program goes on');
    // What was let go of for the newer one is theirs again, and comes to the same place.
    await until(async () => (await shares(schema, 'rekeyed')).join() === '32,32', 'two even shares again');
    await second.close();
    await first.close();
    const newer = await node(schema, 'd', [], byNumber);
    await publish(newer, 10, 12);
    await newer.settled();
    expect(new Set(handled).size).toBe(12 * THINGS);
    expect(handled.length).toBe(12 * THINGS);
    await newer.close();
  }, 60_000);

  test('a node is not settled while lanes that it is to have are held up at another (G6)', async () => {
    const schema = newSchema();
    const { promise: opened, resolve: letGo } = Promise.withResolvers<void>();
    const handled: Handled[] = [];
    const slow = (name: string) => ({
      consumers: [
        defineConsumer({
          name: 'watchers',
          on: Counted,
          handle: async ({ event }) => {
            await opened;
            handled.push({ node: name, thing: event.data.thing, n: event.data.n });
          },
        }),
      ],
    });
    const first = await node(schema, 'first', handled, slow('first'));
    await publish(first, 1, 1);
    const second = await node(schema, 'second', handled, slow('second'));
    const settled = second.settled().then(() => 'settled');
    expect(await Promise.race([settled, waitFor(systemClock, 1_000)])).toBeUndefined();
    await publish(first, 2, 2);
    letGo();
    await Promise.all([first.settled(), settled]);
    expect(await shares(schema, 'watchers')).toEqual([32, 32]);
    await second.settled();
    inOrder(handled);
    expect(handled.length).toBe(THINGS * 2);
    await first.close();
    await second.close();
  }, 60_000);

  test('a pause, a replay and a retry at one node hold for what the others handle (G7)', async () => {
    const schema = newSchema();
    const handled: Handled[] = [];
    let broken = true;
    const failing = {
      consumers: [
        defineConsumer({
          name: 'picky',
          on: Counted,
          retry: { attempts: 1 },
          handle: ({ event }) => {
            if (broken && event.data.n === 2) throw new Error('not two');
            handled.push({ node: '', thing: event.data.thing, n: event.data.n });
          },
        }),
      ],
    };
    const first = await node(schema, 'first', handled, failing);
    const second = await node(schema, 'second', handled, failing);
    await until(async () => (await shares(schema, 'picky')).join() === '32,32', 'two even shares');
    await publish(first, 1, 3);
    const settled = () => Promise.all([first.settled(), second.settled()]);
    await settled();
    expect((await first.deadLetters.list({ limit: 500 })).items.length).toBe(THINGS);
    broken = false;
    // Half of the letters belong to lanes of the other node.
    expect(await first.deadLetters.retryAll({ consumer: 'picky' })).toBe(THINGS);
    await until(async () => handled.length >= THINGS * 3, 'everything handled after the retry');
    await settled();
    inOrder(handled);
    expect(handled.length).toBe(THINGS * 3);

    await second.consumers.pause('sums');
    await publish(first, 4, 5);
    await until(async () => handled.length >= THINGS * 5, 'the other consumer goes on');
    expect(await first.views.get('sums', 't0')).toEqual({ count: 3, sum: 6 });
    expect((await first.consumers.status('sums')).state).toBe('paused');
    await first.consumers.resume('sums');
    await until(
      async () => JSON.stringify(await first.views.get('sums', 't0')) === '{"count":5,"sum":15}',
      'the projection goes on',
    );
    await second.consumers.replay('sums', 'beginning');
    await settled();
    await until(async () => (await shares(schema, 'sums')).join() === '32,32', 'two even shares again');
    await settled();
    for (let thing = 0; thing < THINGS; thing += 1)
      expect(await first.views.get('sums', `t${thing}`)).toEqual({ count: 5, sum: 15 });
    await first.close();
    await second.close();
  }, 60_000);

  test('of two operators who act on one dead letter at two nodes the second is told, and what the first did stands (G7)', async () => {
    const schema = newSchema();
    const failing = (consume: boolean): Partial<SystemOptions> => ({
      consume,
      consumers: [
        defineConsumer({
          name: 'picky',
          on: Counted,
          retry: { attempts: 1 },
          handle() {
            throw new Error('never');
          },
        }),
      ],
    });
    const first = await node(schema, 'first', [], failing(true));
    await publish(first, 1, 1);
    await first.settled();
    const second = await node(schema, 'second', [], failing(false));
    const { items } = await first.deadLetters.list({ limit: 500 });
    const outcomes = await Promise.all(
      items.map(async ({ id }) => {
        const both = await Promise.allSettled([first.deadLetters.discard(id), second.deadLetters.discard(id)]);
        return both.filter(({ status }) => status === 'fulfilled').length;
      }),
    );
    expect(outcomes).toEqual(items.map(() => 1));
    const discarded = await query(
      schema,
      `SELECT count(*)::int AS n FROM events WHERE type = 'thereupon.delivery.discarded'`,
    );
    expect(discarded).toEqual([{ n: THINGS }]);
    await first.close();
    await second.close();
  }, 60_000);

  test('what one receiver asks for at one of three nodes is everything, also what other nodes held before (G5)', async () => {
    const schema = newSchema();
    const jobs = { consumers: [defineConsumer({ name: 'jobs', on: Counted, mode: 'queue' })], projections: [] };
    const systems = await Promise.all(['a', 'b', 'c'].map((name) => node(schema, name, [], jobs)));
    const [first, second] = systems;
    if (first === undefined || second === undefined) throw new Error('three nodes');
    await until(async () => (await shares(schema, 'jobs')).join() === '21,21,22', 'three even shares');
    await publish(first, 1, 3);
    const seen = new Set<string>();
    const signal = AbortSignal.timeout(30_000);
    const take = async (system: typeof first) => {
      for (const claim of await system.consumers.receive('jobs', { max: 10, signal })) {
        expect(await claim.ack()).toBe(true);
        seen.add(claim.event.id);
      }
    };
    while (seen.size < THINGS * 3 && !signal.aborted) await take(first);
    expect(seen.size).toBe(THINGS * 3);
    expect(await shares(schema, 'jobs')).toEqual([64]);
    // Another receiver at another node has half of it, from then on.
    const waiting = take(second);
    await until(async () => (await shares(schema, 'jobs')).join() === '32,32', 'two even shares');
    await publish(first, 4, 4);
    while (seen.size < THINGS * 4 && !signal.aborted)
      await Promise.all(
        [first, second]
          .map(async (system) => take(system))
          .map((taking) => Promise.race([taking, waitFor(systemClock, 200)])),
      );
    expect(seen.size).toBe(THINGS * 4);
    for (const system of systems) await system.close();
    await waiting.catch(() => undefined);
  }, 60_000);

  test('a node with another form of a consumer takes it over, with indexes for all rows, and the older program writes none (G6)', async () => {
    const schema = newSchema();
    const sums = (indexes: Readonly<Record<string, (row: { sum: number }) => number>>): Partial<SystemOptions> => ({
      consumers: [],
      projections: [
        defineProjection({
          name: 'sums',
          key: (event) => event.data.thing,
          initial: () => ({ sum: 0 }),
          on: [[Counted, (row, event) => ({ sum: row.sum + event.data.n })]],
          indexes,
        }),
      ],
    });
    const older = await node(schema, 'older', [], sums({}));
    await publish(older, 1, 10);
    const publishing = publish(older, 11, 60);
    const newer = await Promise.all(['b', 'c'].map((name) => node(schema, name, [], sums({ sum: ({ sum }) => sum }))));
    await publishing;
    await until(async () => (await shares(schema, 'sums')).join() === '32,32', 'the newer nodes have it all');
    await publish(older, 61, 70);
    await Promise.all([older, ...newer].map((system) => system.settled()));
    const complete = { where: [{ index: 'sum', op: '=', value: (70 * 71) / 2 }], limit: 500 } as const;
    expect((await newer[0]?.views.query('sums', complete))?.items.length).toBe(THINGS);
    expect((await older.consumers.status('sums')).state).toBe('running');
    for (const system of [older, ...newer]) await system.close();
  }, 60_000);
});
