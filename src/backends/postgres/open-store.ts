import { StoreUnusable } from '../../errors.ts';
import type { Store, StoreReport } from '../../store.ts';
import type { Environment } from '../../system/environment.ts';
import { PostgresCheckpointStore } from './checkpoint-store.ts';
import { Database } from './database.ts';
import { PostgresDeliveryStore } from './delivery-store.ts';
import { PostgresEventLog } from './event-log.ts';
import { Holder } from './holder.ts';
import { LogReader } from './log-reader.ts';
import { LogWatchers } from '../../channel/log-watchers.ts';
import { migrate, SCHEMA_VERSION, versionOf } from './migrate.ts';
import { reportOf } from './report.ts';
import { PostgresRowStore } from './row-store.ts';
import { PostgresSchemaStore } from './schema-store.ts';
import { Session } from './session.ts';
import { PostgresUnitOfWork } from './unit-of-work.ts';
import { Wakeups } from './wakeups.ts';
import type { WaitingLimits, Writes } from './write-queue.ts';
import { NoWrites, WriteQueue } from './write-queue.ts';

export interface OpenOptions {
  readonly url: string;
  readonly schema: string;
  readonly location: string;
  readonly readOnly: boolean;
  readonly limits: WaitingLimits;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
}

const BACKEND = 'postgres';

/** Brings the schema to the present form, takes the right to write, and joins the parts of a store on it. */
export async function openStore(options: OpenOptions, environment: Environment): Promise<Store> {
  const database = new Database(options, options.location, environment);
  let holder: Holder | undefined;
  try {
    if (options.readOnly) await assertReadable(database, options.schema);
    else {
      await migrate(database, options.schema);
      holder = await Holder.take(database, options, environment);
    }
    return new PostgresStore(database, holder, options, environment);
  } catch (error) {
    await holder?.release();
    await database.close();
    throw error;
  }
}

async function assertReadable(database: Database, schema: string): Promise<void> {
  const version = await versionOf(database, database.store, schema);
  if (version === SCHEMA_VERSION) return;
  throw new StoreUnusable(
    database.store,
    version === 0
      ? `the schema ${schema} is empty; open it for writing once`
      : `the schema ${schema} has the older version ${version}; open it for writing once, to bring it to version ${SCHEMA_VERSION}`,
  );
}

/**
 * One open store.
 *
 * States     open; closing (what was accepted is being written); closed.
 * Invariants 1. Listeners hear of an append before its writer does, and both after it is durable.
 */
class PostgresStore implements Store {
  readonly backend = BACKEND;
  readonly location: string;
  readonly readOnly: boolean;
  readonly capabilities = { durable: true, atomicUnits: true, sharedReading: true };
  readonly log: PostgresEventLog;
  readonly schemas: PostgresSchemaStore;
  readonly checkpoints: PostgresCheckpointStore;
  readonly deliveries: PostgresDeliveryStore;
  readonly rows: PostgresRowStore;
  readonly unitOfWork: PostgresUnitOfWork;
  readonly #database: Database;
  readonly #holder: Holder | undefined;
  readonly #options: OpenOptions;
  readonly #session: Session;
  readonly #writes: Writes;
  readonly #watchers: LogWatchers;
  readonly #wakeups: Wakeups;
  /** Beside a writer in another process: what listeners were told of. */
  #told = 0;
  #closing: Promise<void> | undefined;

  constructor(database: Database, holder: Holder | undefined, options: OpenOptions, environment: Environment) {
    const { clock, logger } = environment;
    this.location = options.location;
    this.readOnly = options.readOnly;
    this.#database = database;
    this.#holder = holder;
    this.#options = options;
    const session = new Session(options.location);
    this.#session = session;
    this.#watchers = new LogWatchers(logger);
    const writes: Writes =
      holder === undefined
        ? new NoWrites(options.location, session)
        : new WriteQueue({
            database,
            clock,
            limits: options.limits,
            appended: (events) => this.#watchers.appended(events),
            assertWriter: (writer) => holder.assertWriter(writer),
          });
    this.#writes = writes;
    this.#wakeups = new Wakeups({
      url: options.url,
      channel: `thereupon_${options.schema}`,
      environment,
      look: async () => this.#tell((await new LogReader(database).head())[0]),
      heard: (head) => this.#tell(head),
    });
    this.log = new PostgresEventLog({
      session,
      database,
      writes,
      watchers: this.#watchers,
      watched: () => this.#watched(),
    });
    this.schemas = new PostgresSchemaStore(database, writes, session);
    this.checkpoints = new PostgresCheckpointStore(database, writes, session);
    this.deliveries = new PostgresDeliveryStore(database, session);
    this.rows = new PostgresRowStore(database, writes, session);
    this.unitOfWork = new PostgresUnitOfWork(writes);
  }

  pressure(): { readonly waiting: number; readonly limit: number } {
    return { waiting: this.#writes.waiting, limit: this.#options.limits.requests };
  }

  async announce(url: string): Promise<void> {
    this.#session.assertOpen();
    await this.#holder?.announce(this.#database, url);
  }

  async report(thorough: boolean): Promise<StoreReport> {
    this.#session.assertOpen();
    const { location, readOnly } = this;
    return reportOf(this.#database, { location, readOnly, thorough, schema: this.#options.schema });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Where this process writes, it alone appends; beside a writer, notices tell. */
  #watched(): void {
    if (this.readOnly) this.#wakeups.start();
  }

  #tell(head: number): void {
    if (head <= this.#told) return;
    this.#told = head;
    this.#watchers.reached(head);
  }

  async #close(): Promise<void> {
    this.#session.close();
    await this.#writes.close();
    this.#watchers.close();
    await this.#wakeups.close();
    await this.#holder?.release();
    await this.#database.close();
  }
}
