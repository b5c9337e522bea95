import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { laneOf, leaseOf, rebalanced } from '../../src/consumer/lanes.ts';
import type { Lease } from '../../src/consumer/lanes.ts';
import type { Unit } from '../../src/consumer/unit-of-work.ts';
import { sampleConsumer, sampleDelivery, sampleRow, sampleUnit } from '../../src/contract/consumer-samples.ts';
import { position, START } from '../../src/event/position.ts';
import type { Store } from '../../src/store.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { silentLogger } from '../../src/system/logger.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

let server: PostgresServer;
let schemas = 0;

beforeAll(async () => {
  server = await startPostgres();
}, 120_000);

afterAll(() => server.stop());

const newSchema = () => `leases_${(schemas += 1)}`;
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

async function take(store: Store, node: number, quota = 64, consumer = 'c'): Promise<Lease> {
  const groups = await clusterOf(store).changeLanes(consumer, (before) =>
    rebalanced(before, node, quota, (id) => id !== 0),
  );
  const lease = leaseOf(groups, node);
  if (lease === undefined) throw new Error('it got no lanes');
  return lease;
}

function clusterOf(store: Store): NonNullable<Store['cluster']> {
  if (store.cluster === undefined) throw new Error('the store has no cluster');
  return store.cluster;
}

/** How many units each holder has made. */
const commits = new Map<Lease, number>();

/** What a holder commits when it has come to a position on all its lanes. */
function upTo(low: number, lease: Lease, more: Partial<Unit> = {}): Unit {
  const { token, groups } = lease;
  const number = (commits.get(lease) ?? 0) + 1;
  commits.set(lease, number);
  const checkpoint = { low: position(low), done: [] };
  const checkpoints = groups.map(({ lanes }) => ({ lane: lanes[0] ?? 0, checkpoint }));
  return { ...sampleUnit({ checkpoint, ...more }), lease: { token, number, checkpoints } };
}

const lowOf = async (store: Store) => (await store.checkpoints.load('c'))?.checkpoint.low;

describe('lanes under a lease', () => {
  test('a holder whose lanes were taken commits nothing, however late it wakes (G6)', async () => {
    const store = await openAt(newSchema());
    await store.checkpoints.put(sampleConsumer('c', { checkpoint: { low: START, done: [] } }));
    const early = await take(store, 1);
    expect((await store.unitOfWork.commit(upTo(3, early))).ok).toBe(true);
    const late = await take(store, 2, 64).catch(() => undefined);
    expect(late).toBeUndefined();
    await clusterOf(store).changeLanes('c', (before) => rebalanced(before, 2, 64, (id) => id !== 1));
    expect(await store.unitOfWork.commit(upTo(9, early))).toEqual({ ok: false, index: -1, refusal: undefined });
    expect(await lowOf(store)).toBe(3);
    await store.close();
  });

  test('a commit that reaches the store late, after its successor, changes nothing; the last one may come again (G6)', async () => {
    const store = await openAt(newSchema());
    await store.checkpoints.put(sampleConsumer('c', { checkpoint: { low: START, done: [] } }));
    const lease = await take(store, 1);
    const rows = { rows: [sampleRow('k', 1)] };
    const units = [upTo(3, lease), upTo(5, lease), upTo(6, lease, rows), upTo(8, lease, rows)];
    for (const unit of units) expect((await store.unitOfWork.commit(unit)).ok).toBe(true);
    for (const unit of units.slice(0, -1)) expect((await store.unitOfWork.commit(unit)).ok).toBe(false);
    expect((await store.unitOfWork.commit(units.at(-1) ?? sampleUnit())).ok).toBe(true);
    expect(await lowOf(store)).toBe(8);
    await store.close();
  });

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
        const lease = await take(store, 1, 64, `c${index}`);
        for (let n = 0; n < 8; n += 1) {
          const row = { ...sampleRow(`${index}/${n}`, n), indexes: { [`i${(index + n) % 4}`]: n } };
          const unit = { ...upTo(n + 1, lease, { rows: [row] }), consumer: `c${index}` };
          expect((await store.unitOfWork.commit(unit)).ok).toBe(true);
        }
      }),
    );
    for (let index = 0; index < 4; index += 1) {
      const query = { orderBy: { index: `i${index}`, direction: 'asc' as const }, limit: 100 };
      expect((await first.rows.query('n', query)).length).toBe(24);
    }
    for (const store of stores) await store.close();
  });

  test('each lane keeps its own checkpoint when lanes are parted and joined; the record says what all have in common', async () => {
    const store = await openAt(newSchema());
    await store.checkpoints.put(sampleConsumer('c', { checkpoint: { low: START, done: [] } }));
    const left = await take(store, 1, 40);
    const right = await take(store, 2, 24);
    await store.unitOfWork.commit(upTo(5, left));
    await store.unitOfWork.commit(upTo(8, right));
    expect(await lowOf(store)).toBe(5);
    const groups = await clusterOf(store).changeLanes('c', (before) => rebalanced(before, 3, 64, (id) => id === 3));
    const lows = groups.map(({ lanes, checkpoint }) => [lanes.length, checkpoint.low]);
    expect(lows).toEqual(
      expect.arrayContaining([
        [40, 5],
        [24, 8],
      ]),
    );
    await store.close();
  });

  test('whatever else changes the record or the deliveries of a consumer takes its lanes', async () => {
    const store = await openAt(newSchema());
    const put = () => store.checkpoints.put(sampleConsumer('c', { checkpoint: { low: START, done: [] } }));
    await put();
    const changes: Record<string, () => Promise<unknown>> = {
      put,
      change: () => store.checkpoints.change('c', { form: sampleConsumer('c').form }, 1),
      rewind: () => store.checkpoints.change('c', { checkpoint: { low: START, done: [] } }, 1),
      deliveries: () => store.unitOfWork.commit(sampleUnit({ deliveries: { put: [sampleDelivery(1)], remove: [] } })),
      'at another node': async () => {
        const mine = await take(store, 2, 1);
        await store.unitOfWork.commit({
          ...sampleUnit({ deliveries: { put: [], remove: [position(1)] } }),
          lease: { token: mine.token, number: 0, checkpoints: [] },
        });
        // Its own it keeps.
        expect((await store.unitOfWork.commit(upTo(1, mine))).ok).toBe(true);
      },
    };
    for (const [what, change] of Object.entries(changes)) {
      const lease = await take(store, 1, what === 'at another node' ? 60 : 64);
      expect((await store.unitOfWork.commit(upTo(1, lease))).ok, what).toBe(true);
      await change();
      expect((await store.unitOfWork.commit(upTo(2, lease))).ok, what).toBe(false);
    }
    await store.close();
  });

  test('of a consumer that is paused nobody gets lanes, and one that was forgotten and made again is another', async () => {
    const store = await openAt(newSchema());
    await store.checkpoints.put(sampleConsumer('c'));
    const lease = await take(store, 1);
    await store.checkpoints.change('c', { paused: { sinceMs: 1, reason: 'r' } }, 1);
    await expect(take(store, 1)).rejects.toThrow(/no lanes/);
    expect((await clusterOf(store).view()).lanes.has('c')).toBe(false);
    await store.checkpoints.remove('c');
    for (let again = 0; again < 5; again += 1) {
      await store.checkpoints.create(sampleConsumer('c'));
      expect((await take(store, 1)).token).toBeGreaterThan(lease.token);
      expect((await store.unitOfWork.commit(upTo(2, lease))).ok).toBe(false);
      await store.checkpoints.remove('c');
    }
    await store.close();
  });

  test('a delivery that goes to a key of another holder takes that lane, and no other', async () => {
    const store = await openAt(newSchema());
    await store.checkpoints.put(sampleConsumer('c', { checkpoint: { low: START, done: [] } }));
    const mine = await take(store, 1, 32);
    const other = await take(store, 2, 32);
    const lanes = new Set(other.groups.flatMap((group) => group.lanes));
    const keys = Array.from({ length: 500 }, (_, n) => `k${n}`);
    const own = keys.find((key) => !lanes.has(laneOf(key))) ?? '';
    const theirs = keys.find((key) => lanes.has(laneOf(key))) ?? '';
    const moved = (key: string) => ({ deliveries: { put: [sampleDelivery(1, { key })], remove: [] } });
    await store.unitOfWork.commit(upTo(1, mine, moved(own)));
    expect((await store.unitOfWork.commit(upTo(1, other))).ok).toBe(true);
    await store.unitOfWork.commit(upTo(2, mine, moved(theirs)));
    expect((await store.unitOfWork.commit(upTo(2, other))).ok).toBe(false);
    expect((await store.unitOfWork.commit(upTo(3, mine))).ok).toBe(true);
    await store.close();
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
});
