import { Worker } from 'node:worker_threads';
import type { Logger } from '../../system/logger.ts';
import type { CheckpointReport } from './checkpointer.ts';
import { checkpointer } from './checkpointer.ts';
import type { Database } from './database.ts';

const PAGE_BYTES = 4_096;
/** How long the log may become, in pages. */
export interface WalLimits {
  /** Above this the thread starts to move pages: the more a page is rewritten before that, the less is written twice. */
  readonly startFrames: number;
  /** So little is left when the writing thread moves the rest itself (1 ms), after which the log begins anew. */
  readonly restFrames: number;
  /** Above this the writing thread waits for the other one and catches up, whatever it takes: the log is bounded (G10). */
  readonly maxFrames: number;
}

/** 8 MiB, 256 KiB, 64 MiB. */
const WAL_LIMITS: WalLimits = { startFrames: 2_048, restFrames: 64, maxFrames: 16_384 };
/** A disk on which one pass takes longer is not waited for. */
const MAX_WAIT_MS = 5_000;
/** After so many bytes of events the length of the log is asked for (2 µs). */
const LOOK_BYTES = 256 * 1_024;
/** A flush writes at least the pages at the right edges of table and indexes. */
const FLUSH_BYTES = 4 * PAGE_BYTES;

/**
 * Keeps the write-ahead log short without holding up writers.
 *
 * SQLite reuses the log from its beginning only when every page of it is in the main file; with somebody always writing that never
 * happens by itself. So a thread moves most of it, again until little is left, and the writing thread moves that rest between
 * two flushes.
 *
 * States     idle; moving (the thread was asked and has not answered).
 * Invariants 1. The thread is started when it is first needed, and keeps no process alive.
 *            2. The log grows beyond `maxFrames` only while a reader in another process holds on to an old state, or on a disk that
 *               does not take pages any more.
 */
export class WalKeeper {
  readonly #database: Database;
  readonly #path: string;
  readonly #logger: Logger;
  readonly #limits: WalLimits;
  /** 1 while the thread works: both threads see it at once, messages come only when the event loop turns. */
  readonly #working = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  #worker: Worker | undefined;
  #moving = false;
  #unlooked = 0;
  /** Where a log that could not be begun anew stood: it is tried again when it has grown by `startFrames`. */
  #stuckAt = 0;
  #leftBefore = Number.POSITIVE_INFINITY;
  /** That it does not work was said, and has not changed since. */
  #isWarned = false;

  constructor(database: Database, path: string, logger: Logger, limits = WAL_LIMITS) {
    this.#database = database;
    this.#path = path;
    this.#logger = logger;
    this.#limits = limits;
  }

  /** A flush was committed. */
  flushed(bytes: number): void {
    this.#unlooked += bytes + FLUSH_BYTES;
    if (this.#unlooked < LOOK_BYTES) return;
    this.#unlooked = 0;
    const frames = this.#checkpoint('NOOP').logFrames;
    if (frames < this.#stuckAt) this.#stuckAt = 0;
    const grown = frames - this.#stuckAt;
    if (grown > this.#limits.maxFrames) this.#catchUp();
    else if (grown > this.#limits.startFrames && !this.#moving) this.#move();
  }

  /** A flush failed. If the disk is full, a log that is begun anew makes room for the next one. */
  relieve(): void {
    this.#moveRest();
  }

  /** Resolves when the thread moves nothing, and will not before the caller gives the event loop back; on a disk that takes no pages any more, after some time. */
  async still(): Promise<void> {
    const untilMs = performance.now() + MAX_WAIT_MS;
    while (Atomics.load(this.#working, 0) === 1 && performance.now() < untilMs)
      await Atomics.waitAsync(this.#working, 0, 1, MAX_WAIT_MS).value;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    worker.removeAllListeners('message');
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.ref();
    worker.postMessage('close', []);
    await ended;
  }

  #catchUp(): void {
    if (this.#moving) Atomics.wait(this.#working, 0, 1, MAX_WAIT_MS);
    this.#moveRest();
  }

  #move(): void {
    this.#worker ??= this.#startWorker();
    this.#moving = true;
    Atomics.store(this.#working, 0, 1);
    this.#worker.postMessage('checkpoint', []);
  }

  #startWorker(): Worker {
    const worker = new Worker(`(${String(checkpointer)})()`, {
      eval: true,
      workerData: { path: this.#path, working: this.#working },
      name: 'thereupon-checkpointer',
    });
    worker.on('message', (report: CheckpointReport) => this.#moved(report));
    // After the listener, which counts as a reason to stay alive.
    worker.unref();
    worker.on('error', (error) => {
      this.#logger.error(
        { err: error, store: this.#path },
        'the checkpointing thread failed; another one is started when it is needed',
      );
      this.#worker = undefined;
      this.#moving = false;
      Atomics.store(this.#working, 0, 0);
      Atomics.notify(this.#working, 0);
    });
    return worker;
  }

  #moved({ movedFrames, error }: CheckpointReport): void {
    this.#moving = false;
    if (error !== undefined) {
      this.#warn(error);
      return;
    }
    this.#isWarned = false;
    const left = this.#checkpoint('NOOP').logFrames - movedFrames;
    // Each round leaves what was written during it; where that no longer shrinks, waiting gains nothing.
    const shrinks = left < this.#leftBefore / 2;
    this.#leftBefore = left;
    if (left > this.#limits.restFrames && shrinks) this.#move();
    else this.#moveRest();
  }

  #moveRest(): void {
    const { logFrames, movedFrames } = this.#checkpoint('PASSIVE');
    this.#stuckAt = movedFrames < logFrames ? logFrames : 0;
    this.#leftBefore = Number.POSITIVE_INFINITY;
  }

  /** What was committed stands, whatever becomes of its checkpoint. */
  #checkpoint(mode: 'NOOP' | 'PASSIVE'): Pick<CheckpointReport, 'logFrames' | 'movedFrames'> {
    try {
      const row = this.#database.query<[number, number, number]>(`PRAGMA wal_checkpoint(${mode})`).get();
      if (mode === 'PASSIVE') this.#isWarned = false;
      return { logFrames: row?.[1] ?? 0, movedFrames: row?.[2] ?? 0 };
    } catch (error) {
      this.#warn(error);
      return { logFrames: 0, movedFrames: 0 };
    }
  }

  #warn(error: unknown): void {
    const isNews = !this.#isWarned;
    this.#isWarned = true;
    this.#logger[isNews ? 'warn' : 'debug'](
      { err: error, store: this.#path },
      'the write-ahead log could not be moved to the main file; it is tried again',
    );
  }
}
