import { categoryOf } from '../../event/stream-name.ts';
import type { Database } from './database.ts';
import type { CategoryKinds, InternedNames } from './interned-names.ts';
import { SortedRuns } from './sorted-runs.ts';

/** Where a stream stands. One object per stream, changed in place by the writer. */
export interface StreamHead {
  readonly stream: string;
  readonly category: string;
  readonly kinds: CategoryKinds;
  /** 0: no event was ever appended. */
  version: number;
  /** Of the last event, 0 without one. */
  position: number;
  /** From this version on the stream is whole; 1 unless events were removed. */
  floor: number;
  deleted: boolean;
  /** The generation that it was last counted in. */
  generation: number;
}

/** How the index is paced. Any values give the same answers: files written with others are read as well. */
export interface IndexPace {
  /**
   * Every so many versions the position is stored, so that a walk to any version of a long stream is at most this long. Each mark
   * is one more page in a commit.
   */
  readonly markEvery: number;
  /**
   * A generation is written to the table when it has so many events: more of them share one row of a stream (20,000 streams: 0.5
   * rows an event), fewer have to be read again when a store is opened (two generations, 60 ms).
   */
  readonly generationEvents: number;
}

export const INDEX_PACE: IndexPace = { markEvery: 64, generationEvents: 32_768 };

/** Heads written along with a commit: 1.5 for each of its events, so that a generation is written before the next one is full. */
const FOLD_PER_EVENT = 1.5;
/** And at least so many: fewer commits then carry the extra page. */
const FOLD_AT_LEAST = 16;
const MAX_CACHED = 65_536;
const CATCH_UP_ROWS = 10_000;

/**
 * Knows where every stream ends. Appends do not touch its table: heads are gathered in memory and written behind, in name order and
 * a few with each commit, since one random page per event would be most of what a commit writes.
 *
 * States     A head is in `current` (changed since the last freeze), `folding` (being written), `cached` (the same as its row), or
 *            only in its row. `current` is frozen into `folding` when it has `generationEvents` events and the last one is written.
 * Invariants 1. A stream whose row is older than its last event has its head in `current` or `folding`.
 *            2. `heads_upto` moves only when a whole generation is written: what is above it is read again when the store is opened.
 *            3. After a rollback memory is ahead of the database: `forget`, and it is read again before the next answer.
 *            4. Heads of one stream are one object, in whichever maps it is.
 */
export class StreamIndex {
  readonly #database: Database;
  readonly #names: InternedNames;
  /** A reader beside a writer caches nothing that the writer may change. */
  readonly #follows: boolean;
  readonly #pace: IndexPace;
  #current = new Map<string, StreamHead>();
  #folding = new Map<string, StreamHead>();
  #cached = new Map<string, StreamHead>();
  #runs = new SortedRuns<StreamHead>();
  #toFold: readonly StreamHead[] = [];
  #folded = 0;
  /** Positions up to which the generations reach: `#frozenUpto` that of `#folding`, `#upto` that of `#current`. */
  #frozenUpto = 0;
  #upto = 0;
  #generation = 1;
  #eventsInCurrent = 0;
  #anyRemoved = false;
  /** The one that was asked for last. */
  #latest: StreamHead | undefined;
  #stale = true;

  constructor(options: { database: Database; names: InternedNames; follows: boolean; pace: IndexPace }) {
    this.#database = options.database;
    this.#names = options.names;
    this.#follows = options.follows;
    this.#pace = options.pace;
  }

  /** Whether the position of an event is to be stored as a mark. */
  isMark(version: number): boolean {
    return version % this.#pace.markEvery === 0;
  }

  /** Memory no longer counts: the database was rolled back, or changed beneath it. */
  forget(): void {
    this.#stale = true;
  }

  /** The head of a stream; version 0 for one that has no events. */
  head(stream: string): StreamHead {
    if (this.#stale) this.#load();
    // A write asks for it several times.
    if (this.#latest?.stream === stream) return this.#latest;
    const head = this.#head(stream);
    if (!this.#follows) this.#latest = head;
    return head;
  }

  #head(stream: string): StreamHead {
    const known = this.#current.get(stream) ?? this.#folding.get(stream) ?? this.#cached.get(stream);
    if (known === undefined) return this.#fetch(stream);
    return this.#follows ? this.#followed(known) : known;
  }

  /** Events of the stream are being removed: its row must not depend on them any more. Inside a transaction. */
  settle(head: StreamHead): void {
    this.#anyRemoved = true;
    if (head.version > 0) this.#write(head);
  }

  /** Heads that may be ahead of their rows. */
  *unwritten(): Iterable<StreamHead> {
    if (this.#stale) this.#load();
    yield* this.#current.values();
    for (const head of this.#folding.values()) if (!this.#current.has(head.stream)) yield head;
  }

  /** An event was written at the end of its stream. */
  advance(head: StreamHead, position: number): void {
    head.version += 1;
    head.position = position;
    this.#upto = position;
    this.#eventsInCurrent += 1;
    if (head.generation === this.#generation) return;
    head.generation = this.#generation;
    this.#current.set(head.stream, head);
    if (!this.#follows) this.#runs.add(head);
  }

  /** The last events of a request are taken back. */
  retreat(head: StreamHead, previous: number, upto: number): void {
    head.version -= 1;
    head.position = previous;
    this.#upto = upto;
    this.#eventsInCurrent -= 1;
  }

  /** Part of every transaction, when its events are written: writes some heads behind. */
  fold(events: number): void {
    if (this.#stale) this.#load();
    if (this.#toFold.length > 0) this.#foldSome(Math.max(FOLD_AT_LEAST, Math.ceil(events * FOLD_PER_EVENT)));
    else if (this.#eventsInCurrent >= this.#pace.generationEvents) this.#freeze();
  }

  /** For a reader: takes in what the writer has recorded since the last question. */
  catchUp(): void {
    if (this.#stale) this.#load();
    const [writtenUpto] = this.#state();
    if (writtenUpto > this.#frozenUpto) {
      for (const head of this.#current.values()) if (head.position <= writtenUpto) this.#current.delete(head.stream);
      this.#frozenUpto = writtenUpto;
      this.#upto = Math.max(this.#upto, writtenUpto);
    }
    this.#readAbove();
  }

  /** A head that a reader knows, as it is now: the writer may have removed events, also some that the reader never saw. */
  #followed(known: StreamHead): StreamHead {
    this.#readFloor(known);
    if (known.floor === 1 && !known.deleted) return known;
    const written = this.#readHead(known.stream);
    return written.version > known.version ? written : known;
  }

  #freeze(): void {
    this.#folding = this.#current;
    this.#frozenUpto = this.#upto;
    this.#toFold = this.#runs.take();
    this.#folded = 0;
    this.#current = new Map();
    this.#eventsInCurrent = 0;
    this.#generation += 1;
  }

  #foldSome(count: number): void {
    const end = Math.min(this.#toFold.length, this.#folded + count);
    for (; this.#folded < end; this.#folded += 1) {
      const head = this.#toFold[this.#folded];
      // Version 0: its only events were taken back.
      if (head !== undefined && head.version > 0) this.#write(head);
    }
    if (this.#folded < this.#toFold.length) return;
    this.#database.change('UPDATE log_state SET heads_upto = ?').run(this.#frozenUpto);
    this.#cached = this.#folding;
    this.#folding = new Map();
    this.#toFold = [];
  }

  #write(head: StreamHead): void {
    const sql =
      'INSERT INTO stream_heads VALUES (?, ?, ?) ON CONFLICT (stream) DO UPDATE SET version = excluded.version, position = excluded.position';
    this.#database.change(sql).run(head.stream, head.version, head.position);
  }

  #load(): void {
    this.#current = new Map();
    this.#folding = new Map();
    this.#cached = new Map();
    this.#runs = new SortedRuns();
    this.#toFold = [];
    this.#latest = undefined;
    this.#generation += 1;
    this.#eventsInCurrent = 0;
    const [writtenUpto, anyRemoved] = this.#state();
    this.#anyRemoved = anyRemoved !== 0;
    this.#frozenUpto = writtenUpto;
    this.#upto = writtenUpto;
    this.#readAbove();
    this.#stale = false;
  }

  #state(): [writtenUpto: number, anyRemoved: number] {
    const row = this.#database
      .query<[number, number]>('SELECT heads_upto, EXISTS (SELECT 1 FROM stream_floors) FROM log_state')
      .get();
    return row ?? [0, 0];
  }

  #readAbove(): void {
    const query = this.#database.query<[position: number, stream: string, version: number]>(
      `SELECT position, stream, version FROM events WHERE position > ? ORDER BY position LIMIT ${CATCH_UP_ROWS}`,
    );
    for (;;) {
      const rows = query.all(this.#upto);
      for (const [position, stream, version] of rows) {
        // Rows of streams that lost events are up to date, and what is left of the events may not be.
        const head =
          this.#current.get(stream) ??
          (this.#anyRemoved || this.#follows ? this.#readHead(stream) : this.#newHead(stream, 0, 0));
        this.#upto = position;
        if (version <= head.version) continue;
        head.version = version - 1;
        this.advance(head, position);
      }
      if (rows.length < CATCH_UP_ROWS) return;
    }
  }

  #fetch(stream: string): StreamHead {
    const head = this.#readHead(stream);
    if (this.#follows) return head;
    if (this.#cached.size >= MAX_CACHED) this.#cached = new Map();
    this.#cached.set(stream, head);
    return head;
  }

  #readHead(stream: string): StreamHead {
    const row = this.#database
      .query<[number, number]>('SELECT version, position FROM stream_heads WHERE stream = ?')
      .get(stream);
    return this.#newHead(stream, row?.[0] ?? 0, row?.[1] ?? 0);
  }

  #newHead(stream: string, version: number, position: number): StreamHead {
    const category = categoryOf(stream);
    const head = {
      stream,
      category,
      kinds: this.#names.ofCategory(category),
      version,
      position,
      floor: 1,
      deleted: false,
      generation: 0,
    };
    if (this.#anyRemoved || this.#follows) this.#readFloor(head);
    return head;
  }

  #readFloor(head: StreamHead): void {
    const row = this.#database
      .query<[number, number]>('SELECT floor, deleted FROM stream_floors WHERE stream = ?')
      .get(head.stream);
    if (row === undefined) return;
    head.floor = row[0];
    head.deleted = row[1] !== 0;
  }
}
