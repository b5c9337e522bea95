import { Client } from 'pg';
import type { QueryResult } from 'pg';
import { describe, expect, test } from 'vitest';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import type { PostgresOptions } from '../../src/backends/postgres/postgres.ts';
import { StoreUnavailable, StoreUnusable } from '../../src/errors.ts';
import type { Store } from '../../src/store.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { allIds, append, sampleEvents, streamEvent } from '../sqlite/sqlite-bench.ts';
import { ownServer } from './own-server.ts';

const { server, newSchema } = ownServer('store');

const openAt = (schema: string, options?: PostgresOptions): Promise<Store> =>
  postgres(`${server.url}?schema=${schema}`, options).open(createEnvironment());

/** As an operator, past the store. */
async function asOperator(sql: string, values: readonly unknown[] = []): Promise<QueryResult<Record<string, unknown>>> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return await client.query(sql, [...values]);
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

const TERMINATE = `SELECT count(pg_terminate_backend(pid))::int AS count FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()`;

describe('a store in PostgreSQL', () => {
  test('loses nothing and repeats nothing while its connections are cut again and again (G1, G2, G3)', async () => {
    const store = await openAt(newSchema());
    let cut = 0;
    const stopping = new AbortController();
    const cutting = (async () => {
      for (; !stopping.signal.aborted; await waitFor(systemClock, 20)) {
        const { rows } = await asOperator(TERMINATE, ['thereupon']);
        cut += Number(rows[0]?.['count']);
      }
    })();
    const callers = Array.from({ length: 8 }, async (_, caller) => {
      for (let n = 0; n < 40; n += 1) {
        const batch = [0, 1, 2].map((part) => streamEvent(`${caller}/${n}/${part}`, `s-${caller}`));
        // What failed may have been written: the same facts again are the same facts.
        for (let done = false; !done;) {
          try {
            const outcome = await store.log.append({ events: batch, onDuplicate: 'verify' });
            expect(outcome.ok).toBe(true);
            done = true;
          } catch (error) {
            expect(error).toBeInstanceOf(StoreUnavailable);
          }
        }
      }
    });
    await Promise.all(callers);
    stopping.abort();
    await cutting;
    expect(cut).toBeGreaterThan(5);
    const ids = await allIds(store).catch(() => allIds(store));
    expect(ids.length).toBe(8 * 40 * 3);
    expect(new Set(ids).size).toBe(ids.length);
    for (let index = 0; index < ids.length; index += 3) {
      const batch = ids[index]?.slice(0, -2);
      expect(ids.slice(index, index + 3)).toEqual([0, 1, 2].map((part) => `${batch}/${part}`));
    }
    expect((await store.report(true)).problems).toEqual([]);
    await store.close();
  });

  test('tells a reader in another process of what is appended, also after its connection was cut', async () => {
    const schema = newSchema();
    const writer = await openAt(schema);
    const reader = await openAt(schema, { readOnly: true });
    const heads: number[] = [];
    let woken: (() => void) | undefined;
    reader.log.watch((head) => {
      heads.push(head);
      woken?.();
    });
    const reached = async (head: number) => {
      while ((heads.at(-1) ?? 0) < head) await new Promise<void>((resolve) => (woken = resolve));
    };
    await append(writer, ...sampleEvents('a', 3));
    await reached(3);
    await asOperator(TERMINATE, ['thereupon-presence']);
    await append(writer, ...sampleEvents('b', 2));
    await reached(5);
    expect(await allIds(reader)).toEqual(['a1', 'a2', 'a3', 'b1', 'b2']);
    await reader.close();
    await writer.close();
  });

  test('where nobody else listens nobody is told, and whoever begins to listen hears at once of all that comes then (G1)', async () => {
    const schema = newSchema();
    const writer = await openAt(schema);
    writer.log.watch(() => {});
    const alone = async () => (await asOperator(`SELECT alone FROM ${schema}.log_head`)).rows[0]?.['alone'] !== null;
    await until(alone, 'the writer is known to be the only one that listens');
    // The first of all makes the first table of events, in a transaction in detail that always tells.
    await append(writer, streamEvent('first', 's'));
    const bystander = new Client({ connectionString: server.url });
    await bystander.connect();
    let told = 0;
    bystander.on('notification', () => (told += 1));
    await bystander.query(`LISTEN thereupon_${schema}`);
    await append(writer, ...sampleEvents('a', 3));
    await append(writer, streamEvent('single', 's'));
    // What was sent is there before the answer to this.
    await bystander.query('SELECT 1');
    expect(told).toBe(0);
    for (let round = 0; round < 2; round += 1) {
      const reader = await openAt(schema, { readOnly: round % 2 === 0 });
      // It begins to listen while somebody appends without a pause.
      const stopping = new AbortController();
      let appended = 0;
      const appending = (async () => {
        for (let n = 0; !stopping.signal.aborted; n += 1) {
          await append(writer, streamEvent(`${round}/${n}`, 's'));
          appended = n + 1;
        }
      })();
      const heads: number[] = [];
      reader.log.watch((head) => heads.push(head));
      await until(async () => appended > 100, 'a hundred appends');
      stopping.abort();
      await appending;
      const endedMs = Date.now();
      const last = await writer.log.head();
      await until(async () => (heads.at(-1) ?? 0) >= last, 'the reader heard of the last one');
      expect(Date.now() - endedMs).toBeLessThan(2_000);
      await reader.close();
      await until(alone, 'the writer is alone again');
    }
    await bystander.end();
    await writer.close();
  }, 60_000);

  test('does not touch a schema of another program, nor one of a newer version', async () => {
    const foreign = newSchema();
    await asOperator(`CREATE SCHEMA ${foreign}; CREATE TABLE ${foreign}.invoices (id int)`);
    await expect(openAt(foreign)).rejects.toThrow(StoreUnusable);
    await expect(openAt(foreign)).rejects.toThrow(/another program/);
    const newer = newSchema();
    await (await openAt(newer)).close();
    await asOperator(`INSERT INTO ${newer}.migrations (number, works_from) VALUES (99, 98)`);
    await expect(openAt(newer)).rejects.toThrow(/version 99.*98 and later.*update thereupon/);
    await expect(openAt(newSchema(), { readOnly: true })).rejects.toThrow(/there is no store in the schema/);
  });

  test('says so when the server does not answer', async () => {
    const nowhere = postgres('postgres://nobody@127.0.0.1:1/nothing', { connectTimeoutMs: 1_000 });
    await expect(nowhere.open(createEnvironment())).rejects.toBeInstanceOf(StoreUnavailable);
    expect(() => postgres('postgres://h/d?schema=Bad"Name')).toThrow(/schema of the store/);
  });

  test('many processes may migrate at once', async () => {
    const schema = newSchema();
    const stores = await Promise.all(Array.from({ length: 6 }, () => openAt(schema)));
    for (const store of stores) await store.close();
  });
});
