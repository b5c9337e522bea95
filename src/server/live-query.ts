import { LiveRows } from './live-rows.ts';
import type { AskedRows, RowDigests } from './live-rows.ts';
import type { Position, ProjectionDefinition } from '../index.ts';
import type { Serving } from './route.ts';
import { firstPlace, ViewWatch } from './view-watch.ts';

export interface LiveQueryOptions {
  readonly view: ProjectionDefinition;
  /** Queries of the view with the same identity give the same rows. */
  readonly identity: string;
  /** The rows that it gives now. */
  ask(): Promise<AskedRows>;
}

/**
 * The queries that clients watch, each read once for all of them.
 *
 * Guarantee However many watch, and however slow they are: of each query there is in memory one reading of its rows while it is told, and the
 *           message that tells of its last change; of what a client was told last, no more than keys and digests.
 */
export class LiveQueries {
  readonly #watched = new Map<string, WatchedQuery>();

  /**
   * What a query gives, and then how that changes: a message `result` with all rows, then messages `change` with the rows that are new or otherwise,
   * the keys of those that are gone, and the order of all keys.
   *
   * Guarantee The last message tells what the view gives with everything up to its `id`, or later; what is attempted again is told when it is
   *           handled, what is a dead letter when that was taken up. Of changes that follow each other quickly one message may tell.
   */
  follow(serving: Serving, options: LiveQueryOptions, signal: AbortSignal): AsyncIterator<Uint8Array, void> {
    const name = JSON.stringify([options.view.name, options.identity]);
    const known = this.#watched.get(name);
    const watched = known === undefined || known.isOver ? new WatchedQuery(serving, options) : known;
    this.#watched.set(name, watched);
    return new Follower(watched, signal, () => {
      if (watched.isOver && this.#watched.get(name) === watched) this.#watched.delete(name);
    });
  }
}

/** A message, and what is known to who got it. */
interface Step {
  readonly message: Uint8Array | undefined;
  readonly told: RowDigests;
}

/** What one client is told. No generator: between two messages it would keep the one before. */
class Follower implements AsyncIterator<Uint8Array, void> {
  readonly #watched: WatchedQuery;
  readonly #signal: AbortSignal;
  readonly #left: () => void;
  /** Undefined: nothing was told yet. */
  #told: RowDigests | undefined;
  #isOver = false;

  constructor(watched: WatchedQuery, signal: AbortSignal, left: () => void) {
    this.#watched = watched;
    this.#signal = signal;
    this.#left = left;
    watched.join();
  }

  async next(): Promise<IteratorResult<Uint8Array, void>> {
    try {
      for (;;) {
        const told = this.#told;
        const step = this.#isOver
          ? undefined
          : await (told === undefined ? this.#watched.opening(this.#signal) : this.#watched.after(told, this.#signal));
        if (step === undefined) return await this.return();
        this.#told = step.told;
        if (step.message !== undefined) return { done: false, value: step.message };
      }
    } catch (error) {
      await this.return();
      throw error;
    }
  }

  async return(): Promise<IteratorReturnResult<void>> {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#watched.leave();
      this.#left();
    }
    return { done: true, value: undefined };
  }
}

/**
 * One query that is looked at whenever something may have changed.
 *
 * States     watching → over, when nobody watches it any more or it could not be read.
 * Invariants 1. One reading at a time; who asks for one while another is under way shares the next.
 *            2. Before a reading begins, the view has reached the place under which it is told.
 */
class WatchedQuery {
  readonly #serving: Serving;
  readonly #options: LiveQueryOptions;
  readonly #watch: ViewWatch;
  #clients = 0;
  /** What the rows were when they were read last; undefined: they were not read yet. */
  #told: RowDigests | undefined;
  #lastChange: { readonly from: RowDigests; readonly to: RowDigests; readonly message: Uint8Array } | undefined;
  /** The message with all rows that a client was given last. */
  #given: { readonly told: RowDigests; readonly place: Position; readonly message: WeakRef<Uint8Array> } | undefined;
  /** Resolved when they are others, or cannot be read any more. */
  #changed = Promise.withResolvers<void>();
  #failure: { readonly reason: unknown } | undefined;
  #place = 0 as Position;
  #underWay: Promise<unknown> = Promise.resolve();
  #queued: Promise<Reading> | undefined;

  constructor(serving: Serving, options: LiveQueryOptions) {
    this.#serving = serving;
    this.#options = options;
    this.#watch = new ViewWatch(serving, options.view, {
      changed: (place) => this.#read(place),
      failed: (error) => {
        this.#failure = { reason: error };
        this.#changed.resolve();
      },
    });
  }

  get isOver(): boolean {
    return this.#watch.isOver;
  }

  join(): void {
    this.#clients += 1;
  }

  leave(): void {
    this.#clients -= 1;
    if (this.#clients === 0) this.#watch.end();
  }

  /** All rows. Undefined: the signal is aborted. */
  async opening(signal: AbortSignal): Promise<Step | undefined> {
    // Taken before the view is asked: what changes in between is looked at again.
    const head = await this.#watch.begin();
    const place = await firstPlace(this.#serving, this.#options.view, head, signal);
    if (signal.aborted) return undefined;
    // Known before the rows are read: else the last change could be missed.
    await this.#watch.settles(head, place);
    const { rows, place: reached, told } = await this.#read(place);
    // Of slow clients that are told the same, all share one message.
    const isSame = this.#given?.told === told && this.#given.place <= reached;
    const given = isSame ? this.#given?.message.deref() : undefined;
    const message = given ?? rows.result(reached);
    if (given === undefined) this.#given = { told, place: reached, message: new WeakRef(message) };
    return { message, told };
  }

  /** What is otherwise since; no message where nothing is after all. Undefined: the signal is aborted. */
  async after(told: RowDigests, signal: AbortSignal): Promise<Step | undefined> {
    while (told === this.#told) {
      if (this.#failure !== undefined) throw this.#failure.reason;
      await beforeAbort(this.#changed.promise, signal);
      if (signal.aborted) return undefined;
    }
    const last = this.#lastChange;
    if (last?.from === told) return { message: last.message, told: last.to };
    // It is behind by more than one change, of which nothing is kept.
    const { status } = await this.#serving.system.consumers.reached(this.#options.view.name, this.#place);
    const reading = await this.#read(Math.min(this.#place, status.position) as Position);
    return { message: reading.rows.changeSince(told, reading.place), told: reading.told };
  }

  /** One that begins after this call. `place`: everything up to there is in the rows now. */
  #read(place: Position): Promise<Reading> {
    // A view that was replayed is behind what it was; who reads together is told what holds for all.
    this.#place = this.#queued === undefined ? place : (Math.min(this.#place, place) as Position);
    this.#queued ??= this.#underWay.then(() => {
      this.#queued = undefined;
      const reading = this.#readNow();
      // What was read is not kept.
      this.#underWay = reading.then(
        () => undefined,
        () => undefined,
      );
      return reading;
    });
    return this.#queued;
  }

  async #readNow(): Promise<Reading> {
    const place = this.#place;
    const rows = new LiveRows(await this.#options.ask());
    const before = this.#told;
    const message = before && rows.changeSince(before, place);
    if (before !== undefined && message === undefined) return { rows, place, told: before };
    this.#told = rows.digests;
    this.#lastChange = before && message && { from: before, to: rows.digests, message };
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
    return { rows, place, told: rows.digests };
  }
}

interface Reading {
  readonly rows: LiveRows;
  /** Everything up to there is in them. */
  readonly place: Position;
  readonly told: RowDigests;
}

async function beforeAbort(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<void>();
  const abort = () => aborted.resolve();
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  await Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', abort));
}
