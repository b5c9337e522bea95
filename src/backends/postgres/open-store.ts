import { randomInt } from 'node:crypto';
import { StoreUnusable } from '../../errors.ts';
import type { PendingMigrations, Store, StoreNode, StoreReport } from '../../store.ts';
import type { RecordedEvent } from '../../event/event.ts';
import type { Environment } from '../../system/environment.ts';
import type { Logger } from '../../system/logger.ts';
import { loopbackNetwork } from '../../system/network.ts';
import { PostgresCheckpointStore } from './checkpoint-store.ts';
import { PostgresCluster } from './cluster.ts';
import { Database } from './database.ts';
import { PostgresDeliveryStore } from './delivery-store.ts';
import { PostgresEventLog } from './event-log.ts';
import { LogWatchers } from '../../channel/log-watchers.ts';
import { migrate, pendingMigrations, SCHEMA_VERSION, versionOf } from './migrate.ts';
import { PostgresOutbox } from './outbox.ts';
import { Partitions } from './partitions.ts';
import { PostgresInlineRows } from './inline-rows.ts';
import { Chaining, PostgresLogChain } from './log-chain.ts';
import { LOCKED, Presence } from './presence.ts';
import { missingParts, reportOf } from './report.ts';
import { PostgresRowStore } from './row-store.ts';
import { PostgresSchemaStore } from './schema-store.ts';
import { Session } from './session.ts';
import { PostgresStoreImage } from './store-image.ts';
import { fromText } from './text.ts';
import { PostgresTableStore } from './table-store.ts';
import { PostgresUnitOfWork } from './unit-of-work.ts';
import type { WaitingLimits, Writes } from './write-queue.ts';
import { BEGIN, NoWrites, WriteQueue } from './write-queue.ts';

export interface OpenOptions {
  readonly url: string;
  readonly schema: string;
  readonly location: string;
  readonly readOnly: boolean;
  readonly limits: WaitingLimits;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly leaseMs: number;
  readonly eventsPerPartition: number;
}

const BACKEND = 'postgres';
const RUNNING = `SELECT pid, host, url, coalesce(network = $1, false), consumers FROM nodes WHERE until > clock_timestamp() AND ${LOCKED} ORDER BY node`;
/** Whoever holds the head of the log for long is not waited for: who listens is counted again later. */
const COUNTING = "BEGIN; SET LOCAL lock_timeout = '2s'";
/** Numbers of processes that listen are below: integers of PostgreSQL. */
const MAX_LISTENER = 2_147_483_647;

/** Brings the schema to the present form, and joins the parts of a store on it. */
export async function openStore(options: OpenOptions, environment: Environment): Promise<Store> {
  const database = new Database(options, options.location, environment);
  const store = new PostgresStore(database, options, environment);
  try {
    if (options.readOnly) await assertReadable(database, options.schema);
    else await store.bringUp(complete(database, options.schema));
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Brings the schema to the present form. Errors: StoreUnusable where parts of it are gone since, by somebody else's hand. */
async function complete(database: Database, schema: string): Promise<void> {
  await migrate(database, schema);
  const missing = await missingParts(database);
  if (missing.length > 0)
    throw new StoreUnusable(database.store, `${missing.join('; ')}; restore a backup, and see thereupon doctor`);
}

/** Looks at what the schema lacks, and changes nothing. */
export async function lookAtMigrations(options: OpenOptions, environment: Environment): Promise<PendingMigrations> {
  const database = new Database(options, options.location, environment);
  try {
    return await pendingMigrations(database, options.schema);
  } finally {
    await database.close();
  }
}

/** The nodes that are there now. */
export async function lookAtNodes(options: OpenOptions, environment: Environment): Promise<readonly StoreNode[]> {
  const database = new Database(options, options.location, environment);
  try {
    if ((await versionOf(database, database.store, options.schema)) < SCHEMA_VERSION) return [];
    const rows = await database.query<[number, string, string | null, boolean, string[]]>(RUNNING, [loopbackNetwork()]);
    return rows.map(([pid, host, url, isHere, consumers]) => ({
      pid,
      host,
      url: url ?? undefined,
      isHere,
      consumers: consumers.map(fromText),
    }));
  } finally {
    await database.close();
  }
}

async function assertReadable(database: Database, schema: string): Promise<void> {
  const version = await versionOf(database, database.store, schema);
  if (version >= SCHEMA_VERSION) return;
  throw new StoreUnusable(
    database.store,
    version === 0
      ? `there is no store in the schema ${schema} yet; start its program, or publish something to it`
      : `the schema ${schema} has the older version ${version}; open it for writing once, to bring it to version ${SCHEMA_VERSION}`,
  );
}

/**
 * One open store.
 *
 * States     open; closing (what was accepted is being written); closed.
 * Invariants 1. Listeners hear of an append of this process before its writer does, and both after it is durable.
 *            2. Listeners are told what was appended only where they were told of everything before it; else that something was.
 */
class PostgresStore implements Store {
  readonly backend = BACKEND;
  readonly location: string;
  readonly readOnly: boolean;
  readonly capabilities = {
    durable: true,
    atomicUnits: true,
    sharedReading: true,
    inlineProjections: true,
    tables: true,
  };
  readonly inlineRows: PostgresInlineRows;
  readonly log: PostgresEventLog;
  readonly chain: PostgresLogChain;
  readonly schemas: PostgresSchemaStore;
  readonly checkpoints: PostgresCheckpointStore;
  readonly deliveries: PostgresDeliveryStore;
  readonly rows: PostgresRowStore;
  readonly tables: PostgresTableStore;
  readonly unitOfWork: PostgresUnitOfWork;
  readonly image: PostgresStoreImage;
  readonly #database: Database;
  readonly #options: OpenOptions;
  readonly #session: Session;
  readonly #writes: Writes;
  readonly #stateWrites: Writes;
  readonly #watchers: LogWatchers;
  readonly #presence: Presence;
  readonly cluster: PostgresCluster;
  readonly outbox: PostgresOutbox;
  readonly #outboxListeners = new Set<() => void>();
  /** What listeners were told of. */
  #told = 0;
  readonly #logger: Logger;
  #reserving: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(database: Database, options: OpenOptions, environment: Environment) {
    const { clock, ids, logger } = environment;
    this.location = options.location;
    this.readOnly = options.readOnly;
    this.#database = database;
    this.#options = options;
    this.#logger = logger;
    const session = new Session(options.location);
    this.#session = session;
    this.#watchers = new LogWatchers(logger);
    // By chance itself: that of the environment may be the same for two processes of a test.
    const ownNumber = randomInt(1, MAX_LISTENER);
    const partitions = new Partitions(database, options);
    const chaining = new Chaining();
    this.inlineRows = new PostgresInlineRows({
      database,
      writes: () => this.#writes,
      session,
      node: () => this.#presence.node,
      now: () => clock.now(),
    });
    const { inlineRows } = this;
    const newWrites = (begin: string): Writes =>
      options.readOnly
        ? new NoWrites(options.location, session)
        : new WriteQueue({
            ...options,
            begin,
            partitions,
            chaining,
            inlineRows,
            database,
            clock,
            listener: ownNumber,
            name: ids.next(),
            lost: () => void this.#presence.lookAgain(),
            appended: (events) => this.#appended(events),
          });
    const writes = newWrites(BEGIN.appending);
    this.#writes = writes;
    const stateWrites = newWrites(BEGIN.changingState);
    this.#stateWrites = stateWrites;
    this.#presence = new Presence({
      ...options,
      store: options.location,
      listener: ownNumber,
      countListeners: async () => {
        await database.transaction(
          COUNTING,
          (queries) => queries.query('SELECT count_listeners()'),
          options.answerTimeoutMs,
        );
      },
      environment,
      heard: (head) => void this.#heard(head),
      headIs: (head) => {
        // A notice that was not true would else keep all that come before it from being told.
        if (head < this.#told) this.#told = head;
        this.#reached(head);
        if (!options.readOnly) this.#reserveAhead(partitions, head);
      },
      changed: () => inlineRows.look(),
      pending: () => {
        for (const listener of this.#outboxListeners) listener();
      },
    });
    this.log = new PostgresEventLog({
      session,
      database,
      writes,
      stateWrites,
      watchers: this.#watchers,
      watched: () => this.#presence.start(),
    });
    this.chain = new PostgresLogChain({ database, writes, session, chaining });
    this.schemas = new PostgresSchemaStore(database, writes, session);
    this.deliveries = new PostgresDeliveryStore(database, session);
    this.rows = new PostgresRowStore(database, writes, session);
    this.tables = new PostgresTableStore(database, writes, session);
    this.checkpoints = new PostgresCheckpointStore(database, writes, this.rows, session);
    this.unitOfWork = new PostgresUnitOfWork(writes, stateWrites);
    this.image = new PostgresStoreImage({ ...options, store: options.location, database, partitions, session });
    this.outbox = new PostgresOutbox({
      schema: options.schema,
      database,
      writes,
      partitions,
      chaining,
      store: options.location,
      inlineRows,
      session,
      now: () => clock.now(),
      watch: (listener) => this.#watchOutbox(listener),
    });
    this.cluster = new PostgresCluster({
      database,
      writes: stateWrites,
      session,
      presence: this.#presence,
      deliveries: this.deliveries,
      leaseMs: options.leaseMs,
      now: () => clock.now(),
    });
  }

  /** Makes the connections that will be needed while the schema is brought to its present form. */
  async bringUp(migrated: Promise<void>): Promise<void> {
    this.#presence.start(migrated);
    this.#database.connectAhead();
    await migrated;
  }

  pressure(): { readonly waiting: number; readonly limit: number } {
    return { waiting: this.#writes.waiting + this.#stateWrites.waiting, limit: this.#options.limits.requests };
  }

  /** Nobody finds this store held: who looks for its nodes learns of it. */
  async announce(url: string | undefined): Promise<void> {
    this.#session.assertOpen();
    await this.#presence.answersAt(url);
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

  #watchOutbox(listener: () => void): () => void {
    this.#outboxListeners.add(listener);
    this.#presence.start();
    return () => this.#outboxListeners.delete(listener);
  }

  #appended(events: readonly RecordedEvent[]): void {
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) return;
    if (first.position === this.#told + 1) {
      this.#told = last.position;
      this.#watchers.appended(events);
    } else this.#reached(last.position);
  }

  /** The server tells of every append, also of those of this process, maybe before their transaction answers. */
  async #heard(head: number): Promise<void> {
    if (head > this.#told) await this.#writes.transacted();
    this.#reached(head);
  }

  #reached(head: number): void {
    if (head <= this.#told) return;
    this.#told = head;
    this.#watchers.reached(head);
  }

  #reserveAhead(partitions: Partitions, head: number): void {
    this.#reserving ??= partitions
      .reserveAhead(head)
      .catch((error: unknown) => {
        this.#logger.debug({ err: error, store: this.location }, 'the next table of events could not be made yet');
      })
      .finally(() => {
        this.#reserving = undefined;
      });
  }

  async #close(): Promise<void> {
    this.#session.close();
    this.image.close();
    await Promise.all([this.#writes.close(), this.#stateWrites.close()]);
    this.#watchers.close();
    await this.#presence.close();
    await this.inlineRows.close();
    await this.#reserving;
    await this.#database.close();
  }
}
