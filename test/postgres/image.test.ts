import assert from 'node:assert/strict';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import type { PostgresOptions } from '../../src/backends/postgres/postgres.ts';
import { sampleConsumer, sampleUnit } from '../../src/contract/consumer-samples.ts';
import { given, holdingEverything, imageOf } from '../../src/contract/image-samples.ts';
import { StoreUnavailable, WrongState } from '../../src/errors.ts';
import { position } from '../../src/event/position.ts';
import { defineEvent, defineProjection, open } from '../../src/index.ts';
import type { ImageRecord, Store } from '../../src/index.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { newFile, newMemory } from '../image/moving-medium.ts';
import { append, sampleEvent, sampleEvents } from '../sqlite/sqlite-bench.ts';
import { ownServer } from './own-server.ts';

const { server, newSchema } = ownServer('image');

const urlOf = (schema: string) => `${server.url}?schema=${schema}`;
const openAt = (schema: string, options?: PostgresOptions): Promise<Store> =>
  postgres(urlOf(schema), options).open(createEnvironment());

async function asOperator(sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Runs a body on stores, and closes them. */
async function on(stores: readonly Promise<Store>[], body: (...opened: Store[]) => Promise<void>): Promise<void> {
  const opened = await Promise.all(stores);
  try {
    await body(...opened);
  } finally {
    for (const store of opened) await store.close();
  }
}

const ofConsumers = (image: readonly ImageRecord[]) => image.filter((one) => one.kind === 'consumer');
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Lanes 0 to 15 are done up to 3, and 5; the others up to 9. */
async function divide(store: Store, consumer: string): Promise<void> {
  await store.checkpoints.put(sampleConsumer(consumer, { checkpoint: { low: position(9), done: [] } }));
  await store.cluster?.changeLanes(consumer, ([whole]) => {
    assert.ok(whole !== undefined);
    const behind = { low: position(3), done: [[position(5), position(5)]] as const };
    return [
      { ...whole, lanes: range(0, 15), checkpoint: behind, token: whole.token + 1 },
      { ...whole, lanes: range(16, 40), holder: 7, token: whole.token + 5 },
      { ...whole, lanes: range(41, 63), token: whole.token + 2 },
    ];
  });
}

describe('lanes of a consumer that have got to different places', () => {
  test('keep their places in PostgreSQL, without holders, and under tokens that no holder has (G5, G6)', async () => {
    const [one, two] = [newSchema(), newSchema()];
    await on([openAt(one), openAt(two)], async (from, to) => {
      await append(from, ...sampleEvents('e', 20));
      await divide(from, 'c');
      const image = await imageOf(from);
      expect(ofConsumers(image)).toMatchObject([
        {
          checkpoint: { low: 3, done: [] },
          lanes: [
            { lanes: range(0, 15), checkpoint: { low: 3, done: [[5, 5]] } },
            { lanes: range(16, 63), checkpoint: { low: 9, done: [] } },
          ],
        },
      ]);
      await to.image.fill(given(image));
      expect(await imageOf(to)).toEqual(image);
      const held = await asOperator(`SELECT count(*)::int AS groups, count(holder)::int AS held FROM ${two}.lanes`);
      expect(held).toEqual([{ groups: 2, held: 0 }]);
      // As a holder in the first store would commit.
      const late = { token: 1, number: 1, checkpoints: [{ lane: 0, checkpoint: { low: position(20), done: [] } }] };
      expect(await to.unitOfWork.commit(sampleUnit({ lease: late }))).toMatchObject({ ok: false, index: -1 });
    });
  });

  test.each([
    ['a file', newFile],
    ['memory', newMemory],
  ])('are refused by %s, with what to do; and taken when they have come to one place', async (_name, newMedium) => {
    const medium = newMedium();
    await on([openAt(newSchema()), medium.factory.open(createEnvironment())], async (from, to) => {
      await append(from, ...sampleEvents('e', 20));
      await divide(from, 'c');
      const filling = imageOf(from).then((image) => to.image.fill(given(image)));
      await expect(filling).rejects.toThrow(WrongState);
      await expect(filling).rejects.toThrow(/consumer c .*positions 3 to 9.*catch up.*stop it in order.*export again/);
      expect(await imageOf(to)).toHaveLength(2);
      const checkpoint = { low: position(20), done: [] };
      await from.unitOfWork.commit(sampleUnit({ checkpoint }));
      await to.image.fill(given(await imageOf(from)));
      expect(await to.checkpoints.load('c')).toMatchObject({ checkpoint });
    });
    await medium.dispose?.();
  });

  test('come to one place when a program of several nodes catches up and is stopped in order', async () => {
    const Counted = defineEvent({
      type: 'things.counted',
      stream: (data) => `thing-${data.thing}`,
      schema: z.object({ thing: z.string() }),
    });
    const counts = defineProjection({
      name: 'counts',
      key: (event) => event.data.thing,
      initial: () => 0,
      on: [[Counted, (row) => row + 1]],
    });
    const schema = newSchema();
    const start = () =>
      open({ store: urlOf(schema), environment: { logger: silentLogger }, events: [Counted], projections: [counts] });
    const nodes = [await start(), await start(), await start()];
    for (let n = 0; n < 300; n += 1) await nodes[n % 3]?.publish(Counted, { thing: `t${n % 40}` }, { id: `e${n}` });
    for (const node of nodes) await node.settled();
    for (const node of nodes) await node.close();
    const medium = newFile();
    await on([openAt(schema), medium.factory.open(createEnvironment())], async (from, to) => {
      await to.image.fill(given(await imageOf(from)));
      const rows = await to.rows.query('view:counts', { limit: 100 });
      expect(rows.reduce((sum, { value }) => sum + Number(value), 0)).toBe(300);
    });
    await medium.dispose?.();
  });
});

describe('facts that wait in the outbox', () => {
  test('wait on in PostgreSQL and come into the log there; elsewhere they are refused with what to do (G1)', async () => {
    const schema = newSchema();
    const medium = newFile();
    await on(
      [openAt(schema), openAt(newSchema()), medium.factory.open(createEnvironment())],
      async (from, to, file) => {
        const client = new Client({ connectionString: server.url });
        await client.connect();
        for (const id of ['a', 'b\u0000'])
          await from.outbox?.put({ query: (sql, params) => client.query(sql, params) }, [sampleEvent(id)]);
        await client.end();
        const image = await imageOf(from);
        expect(image.filter(({ kind }) => kind === 'pending')).toMatchObject([
          { events: [{ id: 'a' }] },
          { events: [{ id: 'b\u0000' }] },
        ]);
        await expect(file.image.fill(given(image))).rejects.toThrow(/outbox.*until they are in the log/);
        await to.image.fill(given(image));
        expect(await imageOf(to)).toEqual(image);
        await to.outbox?.relay(() => sampleEvent('refused'));
        expect((await to.log.read({ limit: 10 })).map(({ id }) => id)).toEqual(['a', 'b\u0000']);
      },
    );
    await medium.dispose?.();
  });
});

describe('a schema that is being filled', () => {
  test('is written to by nobody else, who then goes on behind it (G3, G5)', async () => {
    const schema = newSchema();
    const image = await withEverything();
    await on([openAt(schema), openAt(schema)], async (filled, other) => {
      let appending: ReturnType<typeof append> | undefined;
      const slow = async function* () {
        yield image.slice(0, 50);
        appending = append(other, sampleEvent('behind', { stream: 'new-1' }));
        await lockWaitedFor();
        yield image.slice(50);
      };
      await filled.image.fill(slow());
      expect(await appending).toMatchObject({ ok: true, events: [{ position: 209 }] });
    });
  });

  test('is filled once, when two come at the same time', async () => {
    const schema = newSchema();
    const image = await withEverything();
    await on([openAt(schema), openAt(schema)], async (one, two) => {
      const outcomes = await Promise.allSettled([one, two].map((store) => store.image.fill(given(image))));
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const refusal = outcomes.find((outcome) => outcome.status === 'rejected');
      expect(refusal?.reason).toBeInstanceOf(WrongState);
      expect(await imageOf(one)).toEqual(image);
    });
  });

  test('is empty when its connection is lost in the middle, and whoever gives records may take longer than a lease (G3)', async () => {
    const schema = newSchema();
    const image = await withEverything();
    await on([openAt(schema, { lease: '1s' })], async (store) => {
      const cut = async function* () {
        yield image.slice(0, 100);
        await asOperator(
          `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'thereupon' AND query LIKE '%identities%'`,
        );
        yield image.slice(100);
      };
      await expect(store.image.fill(cut())).rejects.toThrow(StoreUnavailable);
      expect(await imageOf(store)).toHaveLength(2);
      const slow = async function* () {
        yield image.slice(0, 100);
        await waitFor(systemClock, 1_500);
        yield image.slice(100);
      };
      await store.image.fill(slow());
      expect(await imageOf(store)).toEqual(image);
    });
  });
});

test('reading may take longer than a lease, and holds up no writer (G1)', async () => {
  await on([openAt(newSchema(), { lease: '1s' })], async (store) => {
    await holdingEverything(store);
    const before = await imageOf(store);
    const read: ImageRecord[] = [];
    for await (const page of store.image.read()) {
      if (read.length === 0) {
        await waitFor(systemClock, 1_500);
        await append(store, sampleEvent('late'));
        expect(await store.checkpoints.remove('c')).toBe(true);
      }
      read.push(...page);
    }
    expect(JSON.parse(JSON.stringify(read))).toEqual(before);
    expect(before[0]).toMatchObject({ position: 208, recordedMs: expect.any(Number) as number });
  });
});

async function withEverything(): Promise<readonly ImageRecord[]> {
  const store = await newMemory().factory.open(createEnvironment());
  await holdingEverything(store);
  return imageOf(store);
}

/** Resolves when somebody waits for a lock on the server. */
async function lockWaitedFor(): Promise<void> {
  for (;;) {
    const [row] = await asOperator(`SELECT count(*)::int AS waiting FROM pg_locks WHERE NOT granted`);
    if (Number(row?.['waiting']) > 0) return;
  }
}
