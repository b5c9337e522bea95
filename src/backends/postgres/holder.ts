import { hostname } from 'node:os';
import { Client } from 'pg';
import { StoreHeld } from '../../errors.ts';
import type { StoreHolder } from '../../store.ts';
import type { Environment } from '../../system/environment.ts';
import type { Database, Queries } from './database.ts';
import { storeError } from './database.ts';

/** "Thpo": beside the hash of the schema's name, the right to write to a store. */
const HOLDER_LOCK = 0x5468706f;

/**
 * The right of one process to write to a store: a lock of a session with the server, which ends with it. Whoever gets it raises the
 * writer's number in `log_head`, so that what an earlier holder still sends is refused.
 */
export class Holder {
  readonly #client: Client;
  readonly #store: string;
  readonly #writer: number;
  readonly #who: StoreHolder;

  private constructor(client: Client, store: string, writer: number, who: StoreHolder) {
    this.#client = client;
    this.#store = store;
    this.#writer = writer;
    this.#who = who;
  }

  /** Errors StoreHeld names the process that has the right. */
  static async take(
    database: Database,
    options: { readonly url: string; readonly schema: string; readonly connectTimeoutMs: number },
    { clock, logger }: Environment,
  ): Promise<Holder> {
    const { store } = database;
    const client = new Client({
      connectionString: options.url,
      connectionTimeoutMillis: options.connectTimeoutMs,
      application_name: 'thereupon-writer',
      keepAlive: true,
    });
    client.on('error', (error) =>
      logger.error(
        { err: error, store },
        'the connection that holds the store was lost; another process may become its writer',
      ),
    );
    try {
      await client.connect();
      const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1, hashtext($2)) AS got', [
        HOLDER_LOCK,
        options.schema,
      ]);
      if (rows[0]?.got !== true) throw await held(database);
      const who = { pid: process.pid, host: hostname(), sinceMs: clock.now(), url: undefined };
      const writer = await database.transaction('BEGIN', async (queries) => {
        const [row] = await queries.query<[number]>('UPDATE log_head SET writer = writer + 1 RETURNING writer');
        await writeHolder(queries, who);
        return row?.[0] ?? 0;
      });
      return new Holder(client, store, writer, who);
    } catch (error) {
      await client.end();
      throw storeError(store, error);
    }
  }

  /** Errors StoreHeld when another process took over since. */
  assertWriter(writer: unknown): void {
    if (writer !== this.#writer)
      throw new StoreHeld(this.#store, 'another process, which took over when the connection of this one was lost');
  }

  announce(queries: Queries, url: string): Promise<void> {
    return writeHolder(queries, { ...this.#who, url });
  }

  release(): Promise<void> {
    return this.#client.end();
  }
}

async function writeHolder(queries: Queries, { pid, host, sinceMs, url }: StoreHolder): Promise<void> {
  await queries.change(
    `INSERT INTO holder VALUES (1, $1, $2, $3, $4)
ON CONFLICT (one) DO UPDATE SET pid = excluded.pid, host = excluded.host, since_ms = excluded.since_ms, url = excluded.url`,
    [pid, host, sinceMs, url ?? null],
  );
}

async function held(database: Database): Promise<StoreHeld> {
  const [row] = await database.query<[number, string, string | null]>('SELECT pid, host, url FROM holder');
  if (row === undefined) return new StoreHeld(database.store, 'another process, which is just opening it');
  const [pid, host, url] = row;
  return new StoreHeld(database.store, `process ${pid} on ${host}${url === null ? '' : ` (${url})`}`, url ?? undefined);
}
