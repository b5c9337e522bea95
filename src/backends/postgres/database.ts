import { DatabaseError, Pool, types as parsers } from 'pg';
import type { PoolClient, QueryArrayConfig, QueryResult } from 'pg';
import { StoreDefect, StoreUnavailable, StoreUnusable, ThereuponError } from '../../errors.ts';
import { waitFor } from '../../system/clock.ts';
import type { SqlCell } from '../../consumer/table-store.ts';
import type { Environment } from '../../system/environment.ts';
import { keepAlive } from '../../system/keep-alive.ts';
import type { TextRow } from './item-query.ts';
import { readItems, UnreadableRow } from './item-query.ts';

/** What PostgreSQL takes. Arrays become arrays of the type that the statement casts them to; a buffer is in the server's own form. */
export type SqlValue = string | number | boolean | null | Buffer | readonly (string | number | boolean | null)[];

/** Where statements run: any connection, or the one of a transaction. Rows are arrays, 64-bit integers numbers. */
export interface Queries {
  query<Row extends readonly unknown[]>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
  /** As `query`, of a text that comes again and again: the server keeps its plan. */
  prepared<Row extends readonly unknown[]>(text: string, values: readonly SqlValue[]): Promise<Row[]>;
  /** As `prepared`, of many rows: each is made into an item as it comes. */
  items<Item>(text: string, values: readonly SqlValue[], itemOf: (row: TextRow) => Item): Promise<Item[]>;
  /** Answers how many rows were changed. */
  change(text: string, values?: readonly SqlValue[]): Promise<number>;
  /** Several statements without values. */
  script(text: string): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  readonly schema: string;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** How long an answer to a write may take before its connection is given up. */
  readonly answerTimeoutMs: number;
  /** A transaction in which this process is silent for so long is ended by the server, so that it holds up nobody. */
  readonly leaseMs: number;
}

/** A statement that the server keeps prepared. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** A connection of the pool, until it is released; with what broke it, it is not used again. */
interface Connection {
  readonly client: PoolClient;
  readonly release: (broken: Error | undefined) => void;
}

/** How often a server that was lost in a commit is asked what became of it, and how long to wait in between; no longer than an answer may take. */
const ASK_AGAIN_MS = [10, 50, 200, 500, 1_000, 2_000, 2_000];

/** Reads may take longer than writes; longer than this a connection is taken for lost. What looks at everything says so. */
const READ_ANSWER_MS = 60_000;
const IDLE_CONNECTION_MS = 30_000;
/** Whatever the role has by default. */
export const SETTINGS = String.raw`-c default_transaction_isolation=read\ committed -c array_nulls=on`;
const INT8 = 20;
const INT8_ARRAY = 1_016;
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8) return Number;
    if (oid === INT8_ARRAY) return (text: string) => text.slice(1, -1).split(',').map(Number);
    return parsers.getTypeParser(oid, format ?? 'text') as (text: string) => unknown;
  },
};

/** Of values that a program reads with SQL of its own; all others are text. */
const READ_BY_PG: ReadonlySet<number> = new Set([16, 17, 21, 23, 700, 701]);
const cellTypes = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8) return wholeNumber;
    return READ_BY_PG.has(oid) ? types.getTypeParser(oid, format) : (text: string) => text;
  },
};

function wholeNumber(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text);
}

/** The one door to PostgreSQL: a pool of connections whose search path is the schema of the store. */
export class Database implements Queries {
  readonly #pool: Pool;
  /** A connection more, for a transaction in the middle of another one: it must not wait for those who may be waiting for that one. */
  readonly #beside: Pool;
  readonly #environment: Environment;
  readonly #answerTimeoutMs: number;
  readonly #readings = new Set<() => void>();
  readonly store: string;

  constructor(options: DatabaseOptions, store: string, environment: Environment) {
    const { logger } = environment;
    this.store = store;
    this.#environment = environment;
    this.#answerTimeoutMs = options.answerTimeoutMs;
    const settings = {
      connectionString: options.url,
      options: `${SETTINGS} -c search_path=${options.schema} -c idle_in_transaction_session_timeout=${options.leaseMs}`,
      query_timeout: READ_ANSWER_MS,
      keepAlive: true,
      idleTimeoutMillis: IDLE_CONNECTION_MS,
      connectionTimeoutMillis: options.connectTimeoutMs,
      application_name: 'thereupon',
      // A statement is sent without waiting for the answer to the one before; so are those of a `Line`.
      pipeline: true,
      types,
    };
    // To make a connection costs the server more than to keep one.
    this.#pool = new Pool({ ...settings, max: options.maxConnections, min: 1 });
    this.#beside = new Pool({ ...settings, max: 1 });
    for (const pool of [this.#pool, this.#beside]) {
      // From its first moment on, in use or not: a connection may be lost in the very message that says it is made.
      pool.on('connect', (client) => {
        client.on('error', (error) => logger.debug({ err: error, store }, 'a connection was lost'));
      });
      pool.on('error', (error) => {
        logger.warn({ err: error, store }, 'a connection to the store was lost; another one is made when it is needed');
      });
    }
  }

  /** Makes another connection, for whoever needs one next. Where it cannot be made, they say so. */
  connectAhead(): void {
    this.#pool.connect().then(
      (client) => client.release(),
      (error: unknown) => this.#environment.logger.debug({ err: error, store: this.store }, 'no connection was made'),
    );
  }

  async query<Row extends readonly unknown[]>(text: string, values: readonly SqlValue[] = []): Promise<Row[]> {
    try {
      const { rows } = await this.#pool.query<unknown[]>({ text, values: [...values], rowMode: 'array' });
      return rows as unknown as Row[];
    } catch (error) {
      throw storeError(this.store, error);
    }
  }

  async prepared<Row extends readonly unknown[]>(text: string, values: readonly SqlValue[]): Promise<Row[]> {
    try {
      const { rows } = await this.#pool.query<unknown[]>(preparedQuery(text, values));
      return rows as unknown as Row[];
    } catch (error) {
      throw storeError(this.store, error);
    }
  }

  async items<Item>(text: string, values: readonly SqlValue[], itemOf: (row: TextRow) => Item): Promise<Item[]> {
    try {
      return await readItems(this.#pool, preparedQuery(text, values), itemOf);
    } catch (error) {
      throw storeError(this.store, error);
    }
  }

  /** Rows as objects, of a statement that changes nothing. Numbers that JavaScript cannot hold, dates and JSON come as they are written. */
  async select(text: string, values: readonly SqlValue[]): Promise<Record<string, SqlCell>[]> {
    const { client, release } = await this.#connect();
    let failure: Error | undefined;
    try {
      await client.query('BEGIN READ ONLY');
      return (await client.query({ text, values: [...values], types: cellTypes })).rows as Record<string, SqlCell>[];
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      const ended = await rolledBack(client);
      release(ended ? undefined : (failure ?? new Error('the connection was lost')));
    }
  }

  async change(text: string, values: readonly SqlValue[] = []): Promise<number> {
    try {
      const { rowCount } = await this.#pool.query({ text, values: [...values], rowMode: 'array' });
      return rowCount ?? 0;
    } catch (error) {
      throw storeError(this.store, error);
    }
  }

  async script(text: string): Promise<void> {
    try {
      await this.#pool.query(text);
    } catch (error) {
      throw storeError(this.store, error);
    }
  }

  /** A connection for statements that write, to be released. */
  async line(): Promise<Line> {
    return new Line(await this.#connect(), this.store, this.#answerTimeoutMs);
  }

  /**
   * Runs the work in one transaction (READ COMMITTED), begun with `begin`, which may hold several statements; the work is given the first row
   * of the last one.
   *
   * `answerTimeoutMs`: for each statement. Default: that of reads.
   *
   * Guarantee Where that row names the transaction (`xact`, as of `pg_current_xact_id`) and the connection is lost while it commits, the server
   *           is asked what became of it: an error means that nothing was written, as long as the server answers again in time.
   */
  async transaction<Result>(
    begin: string,
    work: (queries: Queries, begun: Readonly<Record<string, unknown>>) => Promise<Result>,
    answerTimeoutMs = READ_ANSWER_MS,
  ): Promise<Result> {
    return this.#transaction(await this.#connect(), begin, work, answerTimeoutMs);
  }

  /** The same in the middle of another transaction: on a connection that nothing else uses. */
  async transactionBeside<Result>(
    begin: string,
    work: (queries: Queries) => Promise<Result>,
    answerTimeoutMs: number,
  ): Promise<Result> {
    return this.#transaction(await this.#connect(this.#beside), begin, work, answerTimeoutMs);
  }

  async #transaction<Result>(
    { client, release }: Connection,
    begin: string,
    work: (queries: Queries, begun: Readonly<Record<string, unknown>>) => Promise<Result>,
    answerTimeoutMs: number,
  ): Promise<Result> {
    let failure: Error | undefined;
    let begun: Readonly<Record<string, unknown>> = {};
    let done: { readonly result: Result } | undefined;
    let released = false;
    try {
      const timed = (text: string) => ({ text, query_timeout: answerTimeoutMs });
      begun = firstRow(await client.query(timed(begin)));
      done = { result: await work(new Transaction(client, answerTimeoutMs), begun) };
      await client.query(timed('COMMIT'));
      return done.result;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      const problem = storeError(this.store, error);
      const { xact } = begun;
      if (done === undefined || problem.fault !== 'environment' || typeof xact !== 'string') throw problem;
      // In its place there may be one that answers.
      release(failure);
      released = true;
      if (await this.#wasCommitted(xact, problem)) return done.result;
      throw problem;
    } finally {
      if (!released) {
        // A connection that cannot be rolled back is not used again.
        const broken = failure !== undefined && (sqlStateOf(failure) === undefined || !(await rolledBack(client)));
        release(broken ? failure : undefined);
      }
    }
  }

  /**
   * Reads in one transaction, begun with `begin`, whose connection is kept for as long as somebody takes what comes, at most until `close`.
   *
   * `answerTimeoutMs`: for each statement.
   */
  async *reading<Item>(
    begin: string,
    work: (queries: Queries) => AsyncIterable<Item>,
    answerTimeoutMs: number,
  ): AsyncGenerator<Item, void, undefined> {
    const { client, release } = await this.#connect();
    const giveUp = () => release(new Error('the store was closed'));
    this.#readings.add(giveUp);
    try {
      await client.query(begin);
      yield* work(new Transaction(client, answerTimeoutMs));
    } catch (error) {
      throw storeError(this.store, error);
    } finally {
      const ended = await rolledBack(client);
      if (this.#readings.delete(giveUp)) release(ended ? undefined : new Error('the connection was lost'));
    }
  }

  async #connect(pool = this.#pool): Promise<Connection> {
    try {
      const client = await pool.connect();
      return { client, release: (broken) => client.release(broken) };
    } catch (error) {
      throw storeError(this.store, error);
    }
  }

  /** What became of a transaction whose connection was lost in its commit. Errors `problem` when the server does not say. */
  async #wasCommitted(xact: string, problem: ThereuponError): Promise<boolean> {
    // Without a connection nothing else may do.
    const release = keepAlive();
    const untilMs = performance.now() + this.#answerTimeoutMs;
    try {
      for (const delayMs of ASK_AGAIN_MS) {
        if (performance.now() > untilMs) break;
        const status = await this.#statusOf(xact);
        if (status === 'committed') return true;
        if (status === 'aborted') return false;
        await waitFor(this.#environment.clock, delayMs);
      }
    } finally {
      release();
    }
    throw problem;
  }

  /** Undefined: the server does not say, or not yet. */
  async #statusOf(xact: string): Promise<string | undefined> {
    try {
      const text = 'SELECT pg_xact_status($1::text::xid8)';
      const question = { text, values: [xact], rowMode: 'array' as const, query_timeout: this.#answerTimeoutMs };
      const { rows } = await this.#pool.query<[string | null]>(question);
      return rows[0]?.[0] ?? undefined;
    } catch (error) {
      this.#environment.logger.debug(
        { err: error, store: this.store },
        'the server does not say yet what it committed',
      );
      return undefined;
    }
  }

  async close(): Promise<void> {
    // Whoever reads may never ask for more.
    for (const giveUp of this.#readings) giveUp();
    this.#readings.clear();
    await Promise.all([this.#pool.end(), this.#beside.end()]);
  }
}

function firstRow(answer: QueryResult | QueryResult[]): Readonly<Record<string, unknown>> {
  const last = Array.isArray(answer) ? answer.at(-1) : answer;
  return (last?.rows[0] ?? {}) as Readonly<Record<string, unknown>>;
}

async function rolledBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    // The connection is gone, and the server ends its transaction by itself.
    return false;
  }
}

/** What became of a statement. `lost`: the connection was, and with it the answer; it may have been carried out. */
export type LineAnswer = { readonly row: readonly unknown[] } | { readonly lost: ThereuponError };

/** A connection on which statements are sent one behind the other, each in a transaction of its own, carried out in their order. */
export class Line {
  readonly #connection: Connection;
  readonly #store: string;
  readonly #answerTimeoutMs: number;
  #broken: Error | undefined;

  constructor(connection: Connection, store: string, answerTimeoutMs: number) {
    this.#connection = connection;
    this.#store = store;
    this.#answerTimeoutMs = answerTimeoutMs;
  }

  /** Answers the first row. Errors    Of the statement: then it changed nothing. */
  async call({ name, text }: Statement, values: readonly SqlValue[]): Promise<LineAnswer> {
    const config = { name, text, values: [...values], rowMode: 'array', query_timeout: this.#answerTimeoutMs } as const;
    try {
      const { rows } = await this.#connection.client.query<unknown[]>(config);
      return { row: rows[0] ?? [] };
    } catch (error) {
      const problem = storeError(this.#store, error);
      if (problem.fault !== 'environment') throw problem;
      this.#broken = error instanceof Error ? error : problem;
      return { lost: problem };
    }
  }

  /** When all of its statements are answered. */
  release(): void {
    this.#connection.release(this.#broken);
  }
}

/** The statements of one transaction. Errors are put into this package's words by `Database.transaction`. */
class Transaction implements Queries {
  readonly #client: PoolClient;
  readonly #timeout: { readonly query_timeout: number };

  constructor(client: PoolClient, answerTimeoutMs: number) {
    this.#client = client;
    this.#timeout = { query_timeout: answerTimeoutMs };
  }

  async query<Row extends readonly unknown[]>(text: string, values: readonly SqlValue[] = []): Promise<Row[]> {
    const { rows } = await this.#client.query<unknown[]>({
      ...this.#timeout,
      text,
      values: [...values],
      rowMode: 'array',
    });
    return rows as unknown as Row[];
  }

  async prepared<Row extends readonly unknown[]>(text: string, values: readonly SqlValue[]): Promise<Row[]> {
    const { rows } = await this.#client.query<unknown[]>({ ...this.#timeout, ...preparedQuery(text, values) });
    return rows as unknown as Row[];
  }

  items<Item>(text: string, values: readonly SqlValue[], itemOf: (row: TextRow) => Item): Promise<Item[]> {
    return readItems(this.#client, { ...this.#timeout, ...preparedQuery(text, values) }, itemOf);
  }

  async change(text: string, values: readonly SqlValue[] = []): Promise<number> {
    const { rowCount } = await this.#client.query({ ...this.#timeout, text, values: [...values], rowMode: 'array' });
    return rowCount ?? 0;
  }

  async script(text: string): Promise<void> {
    await this.#client.query({ ...this.#timeout, text });
  }
}

/** By text. As many as there are texts in this package that are prepared. */
const statementNames = new Map<string, string>();

function preparedQuery(text: string, values: readonly SqlValue[]): QueryArrayConfig<SqlValue[]> {
  const name = statementNames.get(text) ?? `thereupon_${statementNames.size + 1}`;
  statementNames.set(text, name);
  return { name, text, values: [...values], rowMode: 'array' };
}

/**
 * Classes of SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html) that speak of the server, not of the statement:
 * connection, out of resources, operator intervention, system error; transactions that the server gave up for others, or cannot have at
 * present (of a standby: it may only be read); statements it does not know any more, objects that are in use.
 */
const MEDIUM_CLASSES: ReadonlySet<string> = new Set(['08', '25', '26', '40', '53', '55', '57', '58']);
const CORRUPT_CLASS = 'XX';
/** program_limit_exceeded: of what a store writes, an entry of an index that does not fit into a third of a page. */
const TOO_LARGE = '54000';
/** The role, the password or the database are wrong: waiting does not mend it. */
const UNUSABLE_CLASSES: ReadonlySet<string> = new Set(['28', '3D', '42']);

/** What the server said; undefined: the driver did. */
export function sqlStateOf(error: unknown): string | undefined {
  // Codes of the operating system may look like one: EPIPE.
  return error instanceof DatabaseError ? error.code : undefined;
}

/** What to do, by SQLSTATE. */
const SERVER_HINTS: Readonly<Record<string, string>> = {
  '28P01': 'see the user and the password in the address',
  '28000': 'see the user in the address, and which the server takes from here (pg_hba.conf)',
  '3D000': 'make it (CREATE DATABASE …), or name another one in the address',
  '42501':
    'a program needs a role that owns the schema and everything in it, a command that only reads one with SELECT on its tables',
};
/** What to do, by the code of an error of the network or of TLS. */
const DRIVER_HINTS: readonly (readonly [codes: RegExp, hint: string])[] = [
  [/^(?:ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/, 'does a PostgreSQL server run there?'],
  [/^(?:ENOTFOUND|EAI_AGAIN)$/, 'is the name of the host right?'],
  [/ALTNAME_INVALID/, 'name the server in the address as its certificate does'],
  [
    /CERT|^UNABLE_TO_VERIFY/,
    'name the certificate of who signed that of the server (sslrootcert=…), or look at none (sslmode=no-verify)',
  ],
];

function driverReason(error: unknown): string {
  // Of a name with several addresses none answered.
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  const { message } = first instanceof Error ? first : new Error(String(first));
  if (message.includes('does not support SSL'))
    return `${message}; ask for it with sslmode=disable, or give the server a certificate`;
  const code = String((first as { code?: unknown } | undefined)?.code);
  const hint = DRIVER_HINTS.find(([codes]) => codes.test(code))?.[1];
  return hint === undefined ? message : `${message}; ${hint}`;
}

function serverReason(message: string, sqlState: string): string {
  const hint = SERVER_HINTS[sqlState];
  return hint === undefined ? `${message} (${sqlState})` : `${message} (${sqlState}); ${hint}`;
}

/** An error of the driver or the server in the words of this package. */
export function storeError(store: string, error: unknown): ThereuponError {
  if (error instanceof ThereuponError) return error;
  const { message } = error instanceof Error ? error : new Error(String(error));
  const sqlState = sqlStateOf(error);
  if (message.includes('client password must be a string'))
    return new StoreUnusable(store, 'the server asks for a password, and the address has none', { cause: error });
  if (error instanceof UnreadableRow) return new StoreDefect(store, message, { cause: error });
  // The driver's own errors have no SQLSTATE: the connection could not be made, or was lost.
  if (sqlState === undefined) return new StoreUnavailable(store, driverReason(error), { cause: error });
  const kind = sqlState.slice(0, 2);
  if (MEDIUM_CLASSES.has(kind)) return new StoreUnavailable(store, `${message} (${sqlState})`, { cause: error });
  if (UNUSABLE_CLASSES.has(kind) || kind === CORRUPT_CLASS)
    return new StoreUnusable(store, serverReason(message, sqlState), { cause: error });
  const what =
    sqlState === TOO_LARGE ? 'a key, an index value or a name is longer than PostgreSQL can index (2,600 bytes): ' : '';
  return new StoreDefect(store, `${what}${message} (${sqlState})`, { cause: error });
}
