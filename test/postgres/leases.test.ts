import { hostname } from 'node:os';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { rebalanced } from '../../src/consumer/lanes.ts';
import { sampleConsumer, sampleRow, sampleUnit } from '../../src/contract/consumer-samples.ts';
import { position, START } from '../../src/event/position.ts';
import { runningNodes } from '../../src/index.ts';
import type { Store } from '../../src/store.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { ownServer } from './own-server.ts';

const { server, newSchema } = ownServer('leases');

const openAt = (schema: string): Promise<Store> =>
  postgres(`${server.url}?schema=${schema}&lease=1s`).open(createEnvironment({ logger: silentLogger }));

async function asOperator(sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

const unwatched = { changed() {}, expelled() {}, joined() {} };

function clusterOf(store: Store): NonNullable<Store['cluster']> {
  if (store.cluster === undefined) throw new Error('the store has no cluster');
  return store.cluster;
}

describe('nodes and their lanes on PostgreSQL', () => {
  test('many who write to a new namespace at once, with indexes that differ, all do, and every row is found by each', async () => {
    const schema = newSchema();
    const stores = await Promise.all([openAt(schema), openAt(schema), openAt(schema)]);
    const [first] = stores;
    if (first === undefined) throw new Error('no store');
    for (const [index, store] of stores.entries()) {
      await store.checkpoints.put(sampleConsumer(`c${index}`, { checkpoint: { low: START, done: [] } }));
    }
    await Promise.all(
      stores.map(async (store, index) => {
        const consumer = `c${index}`;
        const [group] = await clusterOf(store).changeLanes(consumer, (before) => rebalanced(before, 1, 64, () => true));
        for (let n = 0; n < 8; n += 1) {
          const row = { ...sampleRow(`${index}/${n}`, n), indexes: { [`i${(index + n) % 4}`]: n } };
          const checkpoints = [{ lane: 0, checkpoint: { low: position(n + 1), done: [] } }];
          const lease = { token: group?.token ?? 0, number: n + 1, checkpoints };
          expect((await store.unitOfWork.commit({ ...sampleUnit({ rows: [row] }), consumer, lease })).ok).toBe(true);
        }
      }),
    );
    for (let index = 0; index < 4; index += 1) {
      const query = { orderBy: { index: `i${index}`, direction: 'asc' as const }, limit: 100 };
      expect((await first.rows.query('n', query)).length).toBe(24);
    }
    for (const store of stores) await store.close();
  });

  test('a node that dies is known for dead to the next that joins; one that only lost its connection joins again', async () => {
    const schema = newSchema();
    const first = await openAt(schema);
    const second = await openAt(schema);
    const told: string[] = [];
    const joined = Promise.withResolvers<number>();
    const node = await clusterOf(first).join(
      { consumers: ['c'], receiving: [] },
      {
        changed() {},
        expelled: () => told.push('expelled'),
        joined: (again) => joined.resolve(again),
      },
    );
    // It renews its lease: past the end of the first one it is there.
    const untilOf = async () => String((await asOperator(`SELECT until FROM ${schema}.nodes`))[0]?.['until']);
    const renewals = new Set([await untilOf()]);
    while (renewals.size < 5) {
      renewals.add(await untilOf());
      await waitFor(systemClock, 20);
    }
    expect((await clusterOf(second).view()).nodes.map(({ id }) => id)).toEqual([node]);
    await asOperator(`DELETE FROM ${schema}.nodes`);
    expect(await joined.promise).toBeGreaterThan(node);
    expect(told).toEqual(['expelled']);
    await asOperator(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'thereupon-presence' AND pid <> pg_backend_pid()`,
    );
    await first.close();
    const other = await clusterOf(second).join({ consumers: ['c'], receiving: [] }, unwatched);
    expect((await clusterOf(second).view()).nodes.map(({ id }) => id)).toEqual([other]);
    await second.close();
  });

  test('who joins while its connection is cut joins over the next one', async () => {
    const schema = newSchema();
    const store = await openAt(schema);
    const operator = new Client({ connectionString: server.url, options: `-c search_path=${schema}` });
    await operator.connect();
    await operator.query('BEGIN; LOCK TABLE nodes IN ACCESS EXCLUSIVE MODE');
    const joining = clusterOf(store).join({ consumers: ['c'], receiving: [] }, unwatched);
    const waiting = `SELECT pid FROM pg_stat_activity WHERE application_name = 'thereupon-presence' AND wait_event_type = 'Lock'`;
    while ((await operator.query(waiting)).rows.length === 0) await waitFor(systemClock, 5);
    await operator.query(`SELECT pg_terminate_backend(pid) FROM (${waiting}) AS joining`);
    await operator.query('COMMIT');
    await operator.end();
    const node = await joining;
    expect((await clusterOf(store).view()).nodes.map(({ id }) => id)).toEqual([node]);
    await store.close();
  });

  test('who looks for the nodes of a store finds those that are there, and where they answer, whenever they said so', async () => {
    const schema = newSchema();
    const url = `${server.url}?schema=${schema}&lease=1s`;
    expect(await runningNodes(url)).toEqual([]);
    const [first, second, onlooker] = await Promise.all([openAt(schema), openAt(schema), openAt(schema)]);
    await onlooker.announce('http://127.0.0.1:1');
    const joined = Promise.withResolvers<number>();
    await clusterOf(first).join({ consumers: ['ä', 'c'], receiving: [] }, { ...unwatched, joined: joined.resolve });
    const [silent] = (await runningNodes(url)) ?? [];
    const expected = { pid: process.pid, host: hostname(), isHere: true, consumers: ['ä', 'c'] };
    expect(silent).toEqual({ ...expected, url: undefined });
    await first.announce('http://127.0.0.1:4601');
    await second.announce('http://127.0.0.1:4602');
    await clusterOf(second).join({ consumers: [], receiving: [] }, unwatched);
    const both = [
      { ...expected, url: 'http://127.0.0.1:4601' },
      { ...expected, consumers: [], url: 'http://127.0.0.1:4602' },
    ];
    expect(await runningNodes(url)).toEqual(both);
    // A node that was expelled, and one whose host only has the same name.
    await asOperator(`DELETE FROM ${schema}.nodes WHERE url LIKE '%4601'`);
    await joined.promise;
    await asOperator(`UPDATE ${schema}.nodes SET network = host || ' of another kernel' WHERE url LIKE '%4602'`);
    expect(await runningNodes(url)).toEqual([{ ...both[1], isHere: false }, both[0]]);
    // A server that was closed is no longer where somebody else may listen now.
    await first.announce(undefined);
    expect(await runningNodes(url)).toEqual([
      { ...both[1], isHere: false },
      { ...both[0], url: undefined },
    ]);
    await first.close();
    await onlooker.close();
    expect(await runningNodes(url)).toEqual([{ ...both[1], isHere: false }]);
    await second.close();
  });
});
