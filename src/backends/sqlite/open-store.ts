import { realpathSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { StoreUnusable } from '../../errors.ts';
import type { Store, StoreHolder, StoreReport } from '../../store.ts';
import type { Environment } from '../../system/environment.ts';
import { SqliteCheckpointStore } from './checkpoint-store.ts';
import { storeError } from './database.ts';
import { SqliteDeliveryStore } from './delivery-store.ts';
import { SqliteEventLog } from './event-log.ts';
import { SqliteErasure } from './erasure.ts';
import { EventWriter } from './event-writer.ts';
import type { WaitingLimits } from './group-commit.ts';
import { GroupCommit, NoWrites, writeOnce } from './group-commit.ts';
import { writeHolder } from './holder-lock.ts';
import { SqliteInlineRows } from './inline-rows.ts';
import { InternedNames } from './interned-names.ts';
import { CommandTable } from './command-table.ts';
import { ChainWriter, SqliteLogChain } from './log-chain.ts';
import { LogReader } from './log-reader.ts';
import { HeadPoll } from './head-poll.ts';
import { LogWatchers } from '../../channel/log-watchers.ts';
import type { OpenFile } from './open-file.ts';
import { openFile } from './open-file.ts';
import { reportOf } from './report.ts';
import { Retention } from './retention.ts';
import { SqliteRowStore } from './row-store.ts';
import { SqliteSchemaStore } from './schema-store.ts';
import { Session } from './session.ts';
import type { IndexPace } from './stream-index.ts';
import { INDEX_PACE, StreamIndex } from './stream-index.ts';
import { StreamCache } from './stream-cache.ts';
import { StreamReader } from './stream-reader.ts';
import { SqliteStoreImage } from './store-image.ts';
import { SqliteTableStore } from './table-store.ts';
import { SqliteUnitOfWork } from './unit-of-work.ts';
import { WalKeeper } from './wal-keeper.ts';

export interface OpenOptions {
  readonly readOnly: boolean;
  readonly cacheBytes: number;
  readonly limits: WaitingLimits;
  readonly pace?: IndexPace;
}

const BACKEND = 'sqlite';
const MOVED =
  'the file was removed, renamed or replaced while it was open; nothing more is written to it. Put it back, or close the program';
/** About 10,000 events of 300 bytes with their parsed data. */
const STREAM_CACHE_BYTES = 16 * 1_024 * 1_024;

/** Opens the file and joins the parts of a store on it. */
export async function openStore(given: string, options: OpenOptions, environment: Environment): Promise<Store> {
  // Under whichever name: two names of one file must not have two locks.
  const path = realPathOf(given);
  const file = openFile(path, options);
  try {
    return new SqliteStore(path, file, options, environment);
  } catch (error) {
    file.database.close();
    file.lock?.release();
    throw error;
  }
}

/**
 * One open store.
 *
 * States     open; closing (what was accepted is being written); closed.
 * Invariants 1. After a rollback every part that remembers something of the database forgets it.
 *            2. Listeners hear of a flush before its writers do, and both after it is durable.
 */
class SqliteStore implements Store {
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
  readonly log: SqliteEventLog;
  readonly chain: SqliteLogChain;
  readonly schemas: SqliteSchemaStore;
  readonly checkpoints: SqliteCheckpointStore;
  readonly deliveries: SqliteDeliveryStore;
  readonly rows: SqliteRowStore;
  readonly tables: SqliteTableStore;
  readonly unitOfWork: SqliteUnitOfWork;
  readonly inlineRows: SqliteInlineRows;
  readonly image: SqliteStoreImage;
  readonly cluster = undefined;
  readonly outbox = undefined;
  readonly erasure: SqliteErasure | undefined;
  readonly #file: OpenFile;
  readonly #options: OpenOptions;
  readonly #environment: Environment;
  readonly #session: Session;
  readonly #names: InternedNames;
  readonly #index: StreamIndex;
  readonly #writer: EventWriter;
  readonly #chain: ChainWriter;
  readonly #retention: Retention;
  readonly #writes: Pick<GroupCommit, 'submit' | 'waiting' | 'hold' | 'close'>;
  readonly #watchers: LogWatchers;
  readonly #poll: HeadPoll | undefined;
  readonly #wal: WalKeeper;
  readonly #streamCache: StreamCache | undefined;
  readonly #holder: StoreHolder;
  readonly #identity: string;
  #checkedMs = 0;
  #closing: Promise<void> | undefined;

  constructor(path: string, file: OpenFile, options: OpenOptions, environment: Environment) {
    const { database } = file;
    const { clock, logger } = environment;
    this.location = path;
    this.readOnly = options.readOnly;
    this.#file = file;
    this.#identity = identityOf(path);
    this.#options = options;
    this.#environment = environment;
    this.#holder = { pid: process.pid, host: hostname(), sinceMs: clock.now(), url: undefined };
    this.#session = new Session(database, path, options.readOnly);
    this.#names = new InternedNames(database);
    this.#index = new StreamIndex({
      database,
      names: this.#names,
      follows: options.readOnly,
      pace: options.pace ?? INDEX_PACE,
    });
    this.#watchers = new LogWatchers(logger);
    this.#wal = new WalKeeper(database, path, logger);
    this.erasure = options.readOnly ? undefined : new SqliteErasure(database, path, logger, this.#wal);
    const reader = new LogReader(database, this.#names);
    this.#chain = new ChainWriter(database);
    this.#writer = new EventWriter(database, this.#index, this.#names, reader, this.#chain);
    this.inlineRows = new SqliteInlineRows({
      database,
      writes: () => this.#writes,
      writer: this.#writer,
      reader,
      rows: () => this.rows,
      checkpoints: () => this.checkpoints,
      nowMs: () => clock.now(),
    });
    this.#writes = this.#createWrites();
    const session = this.#session;
    const writes = this.#writes;
    this.#poll = options.readOnly
      ? new HeadPoll(clock, this.#watchers, () => session.read(() => reader.head()[0]))
      : undefined;
    // Beside a writer in another process a head has to be looked up each time, and what is cached might be from before a removal.
    this.#streamCache = options.readOnly ? undefined : new StreamCache(STREAM_CACHE_BYTES);
    const streams = new StreamReader({
      database,
      index: this.#index,
      names: this.#names,
      store: path,
      cache: this.#streamCache,
    });
    this.#retention = new Retention({
      database,
      index: this.#index,
      names: this.#names,
      reader,
      streams,
      chain: this.#chain,
    });
    this.chain = new SqliteLogChain({ database, session, writes, writer: this.#chain, reader });
    this.log = new SqliteEventLog({
      session,
      writes,
      writer: this.#writer,
      reader,
      commands: new CommandTable(database),
      index: this.#index,
      streams,
      retention: this.#retention,
      watchers: this.#watchers,
      poll: this.#poll,
    });
    this.schemas = new SqliteSchemaStore(database, writes, session);
    this.deliveries = new SqliteDeliveryStore(database, session);
    this.tables = new SqliteTableStore(database, writes, session);
    this.rows = new SqliteRowStore(database, writes, session, this.tables);
    this.checkpoints = new SqliteCheckpointStore(database, writes, this.rows, session, this.tables);
    const { checkpoints, rows, deliveries, tables } = this;
    const writer = this.#writer;
    this.unitOfWork = new SqliteUnitOfWork({ clock, writes, writer, checkpoints, rows, deliveries, tables });
    this.image = new SqliteStoreImage({
      store: path,
      readOnly: options.readOnly,
      cacheBytes: options.cacheBytes,
      markEvery: (options.pace ?? INDEX_PACE).markEvery,
      session,
      writes,
      assertInPlace: () => this.#assertInPlace(),
      filled: (head) => {
        this.#forget();
        if (head > 0) this.#watchers.reached(head);
      },
    });
    if (!options.readOnly) this.#takePlace();
  }

  pressure(): { readonly waiting: number; readonly limit: number } {
    return { waiting: this.#writes.waiting, limit: this.#options.limits.requests };
  }

  async announce(url: string | undefined): Promise<void> {
    await writeOnce(this.#writes, 0, () => writeHolder(this.#file.database, { ...this.#holder, url }));
  }

  async report(thorough: boolean): Promise<StoreReport> {
    this.#session.assertOpen();
    const report = reportOf(this.#file.database, { location: this.location, readOnly: this.readOnly, thorough });
    if (identityOf(this.location) === this.#identity) return report;
    return { ...report, problems: [...report.problems, MOVED] };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #createWrites(): GroupCommit | NoWrites {
    const { database } = this.#file;
    if (this.#options.readOnly) return new NoWrites(this.location, this.#session);
    return new GroupCommit({
      database,
      store: this.location,
      limits: this.#options.limits,
      steps: {
        begin: () => this.#begin(this.#environment.clock.now()),
        finish: () => {
          this.#writer.finish();
          this.#index.fold(this.#writer.count);
          return this.inlineRows.finish();
        },
        committed: () => this.#tell(),
        settled: (bytes) => this.#wal.flushed(bytes),
        rolledBack: () => this.#forget(),
      },
    });
  }

  #begin(nowMs: number): void {
    // Once in a millisecond, for 2 µs.
    if (nowMs !== this.#checkedMs) this.#assertInPlace();
    this.#checkedMs = nowMs;
    this.#writer.begin(nowMs, this.#watchers.any || this.inlineRows.any);
  }

  /** A file that was removed or replaced goes on taking writes, and loses them when it is closed (G1). */
  #assertInPlace(): void {
    if (identityOf(this.location) === this.#identity) return;
    throw new StoreUnusable(this.location, MOVED);
  }

  #tell(): void {
    const events = this.#writer.commit();
    this.inlineRows.committed();
    this.#watchers.appended(events);
  }

  #forget(): void {
    const { checkpoints, rows, inlineRows } = this;
    const parts = [this.#names, this.#index, this.#writer, this.#chain, this.#retention, checkpoints, rows, inlineRows];
    for (const part of parts) part.forget();
    this.#streamCache?.forget();
    this.#wal.relieve();
  }

  /** Says who writes here, and reads what is needed to write: what cannot be read is found now, not at the first event. */
  #takePlace(): void {
    const { database } = this.#file;
    try {
      database.transaction(() => writeHolder(database, this.#holder));
      this.#index.head('');
      this.#writer.begin(0, false);
    } catch (error) {
      throw storeError(this.location, error);
    }
  }

  async #close(): Promise<void> {
    this.image.close();
    this.#writes.close();
    this.#session.close();
    this.#poll?.close();
    this.#watchers.close();
    await this.#wal.close();
    this.#file.database.close();
    this.#file.lock?.release();
  }
}

/** The path without symbolic links; where there is no file yet, that of its folder. */
function realPathOf(path: string): string {
  for (const [known, rest] of [
    [path, ''],
    [dirname(path), basename(path)],
  ] as const) {
    try {
      return join(realpathSync(known), rest);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') break;
    }
  }
  // What is wrong with it is found and said when it is opened.
  return path;
}

/** Which file a path leads to; empty when none. */
function identityOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? '' : `${found.dev} ${found.ino}`;
}
