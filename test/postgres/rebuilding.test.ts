import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { defineEvent, defineProjection, open } from '../../src/index.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { ownServer } from './own-server.ts';

const Counted = defineEvent({
  type: 'things.counted',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string(), n: z.number() }),
});
const THINGS = 40;

const { server, newSchema } = ownServer('rebuilding');

/** As long as it is held, the rows of a view cannot be computed here: a build does not come to its end. */
interface Rate {
  readonly version?: number;
  readonly times: () => number;
}

function node(schema: string, { version = 1, times }: Rate) {
  return open({
    store: postgres(`${server.url}?schema=${schema}`, { maxConnections: 4, lease: '2s' }),
    environment: { logger: silentLogger },
    events: [Counted],
    projections: [
      defineProjection({
        name: 'sums',
        version,
        key: (event) => event.data.thing,
        initial: () => ({ sum: 0 }),
        on: [[Counted, (row, event) => ({ sum: row.sum + times() * event.data.n })]],
        indexes: { sum: (row) => row.sum },
      }),
    ],
  });
}

type Node = Awaited<ReturnType<typeof node>>;

async function publish(system: Node, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n += 1)
    await system.publishAll(
      Array.from({ length: THINGS }, (_, thing) => ({ event: Counted, data: { thing: `t${thing}`, n } })),
    );
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const untilMs = Date.now() + 20_000;
  while (!(await holds())) {
    if (Date.now() > untilMs) throw new Error(`still not so after 20 s: ${what}`);
    await waitFor(systemClock, 25);
  }
}

/** How many nodes hold lanes of a consumer. */
async function holders(schema: string, consumer: string): Promise<number> {
  const client = new Client({ connectionString: server.url, options: `-c search_path=${schema}` });
  await client.connect();
  try {
    const sql = 'SELECT count(DISTINCT holder)::int AS nodes FROM lanes WHERE consumer = $1';
    return (await client.query<{ nodes: number }>(sql, [consumer])).rows[0]?.nodes ?? 0;
  } finally {
    await client.end();
  }
}

/** Every row is that of a fold. */
async function areSums(system: Node, upTo: number, times = 1): Promise<void> {
  const sum = (times * upTo * (upTo + 1)) / 2;
  for (let thing = 0; thing < THINGS; thing += 1) expect(await system.views.get('sums', `t${thing}`)).toEqual({ sum });
  expect((await system.views.query('sums', { where: [{ index: 'sum', op: '=', value: sum }] })).items.length).toBe(
    THINGS,
  );
}

/** Keeps the thread of all nodes from being fast while something is looked at. */
function brake() {
  let isOn = true;
  return {
    times: (factor: number) => () => {
      if (isOn) for (const end = performance.now() + 3; performance.now() < end;);
      return factor;
    },
    letGo: () => (isOn = false),
  };
}

describe('a view that several nodes build anew', () => {
  test('is built by all of them, each its lanes, while they publish, and has the rows of a fold (G6)', async () => {
    const schema = newSchema();
    const { times, letGo } = brake();
    let isBuilding = false;
    const rate = { times: () => (isBuilding ? times(1)() : 1) };
    const nodes = [await node(schema, rate), await node(schema, rate), await node(schema, rate)] as const;
    const [first, second, third] = nodes;
    await publish(first, 1, 60);
    await Promise.all(nodes.map((each) => each.settled()));
    isBuilding = true;
    const rebuild = await second.views.rebuild('sums');
    await until(async () => (await holders(schema, 'sums@build')) === 3, 'all nodes take part in the build');
    await expect(third.views.rebuild('sums')).rejects.toMatchObject({ code: 'wrong-state' });
    letGo();
    await publish(first, 61, 90);
    expect((await rebuild.ended()).state).toBe('switched');
    await publish(third, 91, 100);
    await Promise.all(nodes.map((each) => each.settled()));
    for (const each of nodes) {
      await areSums(each, 100);
      expect((await each.views.rebuildStatus('sums'))?.state).toBe('switched');
    }
    expect(await holders(schema, 'sums@build')).toBe(0);
    await until(async () => (await holders(schema, 'sums')) === 3, 'all nodes take part in the view again');
    await Promise.all(nodes.map((each) => each.close()));
  }, 60_000);

  test('is kept up by nodes of the older program while those of the newer one build it, and is theirs after the switch', async () => {
    const schema = newSchema();
    const { times, letGo } = brake();
    const older = [await node(schema, { times: () => 1 }), await node(schema, { times: () => 1 })] as const;
    await publish(older[0], 1, 40);
    const newer = [await node(schema, { version: 2, times: times(2) })];
    await until(async () => (await holders(schema, 'sums@build')) === 1, 'the newer node builds');
    await publish(older[1], 41, 50);
    await until(async () => {
      const row = (await newer[0]?.views.get('sums', 't7')) as { sum: number } | undefined;
      return row?.sum === (50 * 51) / 2;
    }, 'the rows that serve are those of the older program, up to date');
    newer.push(await node(schema, { version: 2, times: times(2) }));
    await until(async () => (await holders(schema, 'sums@build')) === 2, 'both newer nodes build');
    letGo();
    await publish(older[0], 51, 60);
    await until(
      async () => (await newer[1]?.views.rebuildStatus('sums'))?.switched === true,
      'the rows of the newer program serve',
    );
    await publish(older[0], 61, 70);
    await Promise.all(newer.map((each) => each.settled()));
    for (const each of newer) await areSums(each, 70, 2);
    expect((await older[0].consumers.status('sums')).position).toBeGreaterThan(0);
    await expect(node(schema, { times: () => 1 })).rejects.toThrow(/the store has version 2 of it/);
    await Promise.all([...older, ...newer].map((each) => each.close()));
  }, 60_000);

  test('of a version that comes while another program builds the one before is built all the same', async () => {
    for (const delayMs of [0, 15, 30, 45, 60, 75, 90, 120]) {
      const schema = newSchema();
      const first = await node(schema, { times: () => 1 });
      await publish(first, 1, 30);
      await first.settled();
      await first.close();
      const later = async () => {
        await waitFor(systemClock, delayMs);
        return node(schema, { version: 3, times: () => 3 });
      };
      const [second, third] = await Promise.all([node(schema, { version: 2, times: () => 2 }), later()]);
      await until(
        async () => (await third.views.get<{ sum: number }>('sums', 't1'))?.sum === (3 * 30 * 31) / 2,
        `version 3 serves, ${delayMs} ms behind version 2`,
      );
      await second.close();
      await publish(third, 31, 32);
      await third.settled();
      await areSums(third, 32, 3);
      await third.close();
    }
  }, 60_000);

  test('is compared by one node for all of them, of one and the same place', async () => {
    const schema = newSchema();
    let factor = 1;
    const rate = { times: () => factor };
    const nodes = [await node(schema, rate), await node(schema, rate)] as const;
    await publish(nodes[0], 1, 30);
    await Promise.all(nodes.map((each) => each.settled()));
    const publishing = publish(nodes[1], 31, 60);
    const same = await (await nodes[0].views.rebuild('sums', { dryRun: true })).ended();
    expect(same.comparison?.differences).toMatchObject({ added: 0, removed: 0, changed: 0 });
    await publishing;
    await Promise.all(nodes.map((each) => each.settled()));
    factor = 2;
    const other = await (await nodes[1].views.rebuild('sums', { dryRun: true })).ended();
    expect(other.comparison?.differences).toMatchObject({ added: 0, removed: 0, changed: THINGS });
    await areSums(nodes[0], 60);
    factor = 1;
    await publish(nodes[0], 61, 70);
    await Promise.all(nodes.map((each) => each.settled()));
    await areSums(nodes[1], 70);
    await Promise.all(nodes.map((each) => each.close()));
  }, 60_000);
});
