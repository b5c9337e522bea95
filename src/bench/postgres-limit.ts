import { Client, DatabaseError } from 'pg';
import { InvalidInput } from '../index.ts';
import { rawEvent } from './shop-event.ts';

const SCHEMA = 'thereupon_bench_raw';
const TABLE = `${SCHEMA}.events`;
const PAGE = 1_000;
/** As many connections as a store has, for callers at once. */
const CONNECTIONS = 10;
const ONE = `INSERT INTO ${TABLE} (stream, id, data) VALUES ($1, gen_random_uuid(), $2)`;
const MANY = `INSERT INTO ${TABLE} (stream, id, data) SELECT s, gen_random_uuid(), d FROM unnest($1::text[], $2::text[]) AS e (s, d)`;
const READ = `SELECT position, stream, data FROM ${TABLE} WHERE position > $1 ORDER BY position LIMIT ${PAGE}`;
const COUNT = `INSERT INTO ${TABLE}_counts (customer, count) SELECT * FROM unnest($1::text[], $2::bigint[])
ON CONFLICT (customer) DO UPDATE SET count = ${TABLE}_counts.count + excluded.count`;

export interface RawTable {
  append(batch: number, seconds?: number): Promise<number>;
  appendByMany(callers: number, seconds?: number): Promise<number>;
  page(events: number): Promise<number>;
  project(events: number): Promise<number>;
  /** The server writes down now what it would write down some time: answers whether it may be told to. */
  checkpoint(): Promise<boolean>;
  /** Answers the address of a schema that is empty, and is removed in the end. */
  freshSchema(name: string): Promise<string>;
  close(): Promise<void>;
}

/** A table of positions, streams, ids and data, with its two indexes, in the database of the store. */
export async function openRawTable(store: string): Promise<RawTable> {
  const address = new URL(store);
  for (const own of ['schema', 'lease']) address.searchParams.delete(own);
  const connect = async () => {
    const client = new Client({ connectionString: address.href });
    await client.connect();
    return client;
  };
  const client = await connect();
  const schemas = new Set<string>();
  const drop = async () => {
    for (const schema of [SCHEMA, ...schemas]) await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  };
  await assertMayCreate(client);
  await drop();
  await client.query(
    `CREATE SCHEMA ${SCHEMA};
CREATE TABLE ${TABLE} (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream text, id uuid UNIQUE, data text);
CREATE TABLE ${TABLE}_counts (customer text PRIMARY KEY, count bigint)`,
  );

  const insertOne = (on: Client, n: number) =>
    on.query({ name: 'one', text: ONE, values: [`order-${n}`, rawEvent(n).toString()] });
  const insertMany = (from: number, batch: number) => {
    const numbers = Array.from({ length: batch }, (_, index) => from + index);
    const values = [numbers.map((n) => `order-${n}`), numbers.map((n) => rawEvent(n).toString())];
    return client.query({ name: 'many', text: MANY, values });
  };
  let filled = 0;
  const fill = async (events: number) => {
    if (filled === events) return;
    await client.query(`TRUNCATE ${TABLE}, ${TABLE}_counts`);
    for (let n = 0; n < events; n += PAGE) await insertMany(n, PAGE);
    filled = events;
  };

  /** Pages in order; answers events a second. */
  const pages = async (each: (customers: readonly string[]) => Promise<void>) => {
    const begin = performance.now();
    let events = 0;
    for (let after = '0'; ;) {
      const page = await client.query<[string, string, string]>({
        name: 'read',
        text: READ,
        values: [after],
        rowMode: 'array',
      });
      const customers = page.rows.map(([, , data]) => (JSON.parse(data) as { customer: string }).customer);
      await each(customers);
      events += customers.length;
      const last = page.rows.at(-1);
      if (last === undefined) return (events / (performance.now() - begin)) * 1_000;
      after = last[0];
    }
  };

  return {
    async append(batch, seconds = 1) {
      let events = 0;
      filled = 0;
      const begin = performance.now();
      while (performance.now() < begin + seconds * 1_000) {
        if (batch === 1) await insertOne(client, events);
        else await insertMany(events, batch);
        events += batch;
      }
      return (events / (performance.now() - begin)) * 1_000;
    },
    async appendByMany(callers, seconds = 1) {
      const clients = await Promise.all(Array.from({ length: Math.min(callers, CONNECTIONS) }, connect));
      let events = 0;
      filled = 0;
      const begin = performance.now();
      const call = async (on: Client) => {
        while (performance.now() < begin + seconds * 1_000) await insertOne(on, (events += 1));
      };
      await Promise.all(clients.map(call));
      const rate = (events / (performance.now() - begin)) * 1_000;
      await Promise.all(clients.map((each) => each.end()));
      return rate;
    },
    async page(events) {
      await fill(events);
      return pages(async () => {});
    },
    async project(events) {
      await fill(events);
      return pages(async (customers) => {
        const counts = [...Map.groupBy(customers, (customer) => customer)].map(
          ([name, all]) => [name, all.length] as const,
        );
        await client.query('BEGIN');
        const values = [counts.map(([name]) => name), counts.map(([, count]) => count)];
        await client.query({ name: 'count', text: COUNT, values });
        await client.query('COMMIT');
      });
    },
    async checkpoint() {
      try {
        await client.query('CHECKPOINT');
        return true;
      } catch (error) {
        // Not every role may.
        if (error instanceof DatabaseError && error.code === '42501') return false;
        throw error;
      }
    },
    async freshSchema(name) {
      const schema = `thereupon_bench_${name.replaceAll(/[^a-z0-9]/g, '_')}`;
      schemas.add(schema);
      await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      const fresh = new URL(store);
      fresh.searchParams.set('schema', schema);
      return fresh.href;
    },
    async close() {
      await drop();
      await client.end();
    },
  };
}

/** Every workload has a schema of its own, which is made for it. */
async function assertMayCreate(client: Client): Promise<void> {
  const sql = `SELECT current_user::text AS role, current_database()::text AS name, has_database_privilege(current_database(), 'CREATE') AS may`;
  const { rows } = await client.query<{ role: string; name: string; may: boolean }>(sql);
  const [{ role, name, may } = { role: '', name: '', may: false }] = rows;
  if (may) return;
  throw new InvalidInput({
    path: 'store',
    expected: `a role that may make schemas in the database (GRANT CREATE ON DATABASE "${name}" TO "${role}")`,
    found: role,
  });
}
