import type { EventLog } from '../channel/event-log.ts';
import { HistoryIncomplete, StreamDeleted } from '../errors.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import { sumOfBytes } from '../event/event-size.ts';
import { roughJsonBytes } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import type { Span } from '../time/as-of.ts';
import type { OwnStreams } from './define-decider.ts';
import { evolved, initialState } from './fold.ts';
import type { Snapshot, Snapshots } from './snapshots.ts';

/** A stream as a decider sees it. */
export interface StreamOf {
  readonly decider: string;
  readonly own: OwnStreams;
  readonly stream: string;
}

export interface PastState {
  readonly state: JsonValue;
  /** The last event that it is made of; undefined: of none. */
  readonly last: RecordedEvent | undefined;
  readonly events: number;
}

const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;
/** What an entry takes beside its state, roughly. */
const ENTRY_BYTES = 300;

/**
 * The state of a stream with all that was decided on it here, also what is not recorded yet.
 *
 * States     settled (`underWay` is 0): what the log held at `version`; ahead: decisions are on their way to the log; broken: one of them was
 *            not recorded, or others wrote to the stream: whoever decided on it is refused by the log, and nobody begins anew with it.
 */
export interface KeptState {
  version: number;
  state: JsonValue;
  underWay: number;
  /** The last fact that was decided here; undefined: none was. */
  last: Pick<EncodedEvent, 'source' | 'id'> | undefined;
  isBroken: boolean;
  /** Of the last snapshot; 0: there is none. And when it was taken, or what came after began. */
  snapshotVersion: number;
  snapshotMs: number;
  bytes: number;
  /** When it was last moved to the end, in uses of all. */
  usedAt: number;
}

/**
 * States of streams that were asked for lately, so that a stream which is decided on again and again is not read and folded again.
 *
 * Invariants 1. Only the log says whether a state was the present one: every decision claims the version that it was made on.
 *            2. Decisions of this process on one stream follow each other in memory without waiting for the log, which takes them in that
 *               order. Each of them claims the fact that it goes on from, too: when that was refused, another writer's may have its version.
 *            3. Entries hold at most `maxBytes`, as estimated; those asked for longest ago go first (G10).
 */
export class StreamStates {
  readonly #log: EventLog;
  readonly #snapshots: Snapshots;
  readonly #maxBytes: number;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, KeptState>();
  readonly #loading = new Map<string, Promise<KeptState>>();
  #bytes = 0;
  #uses = 0;

  constructor(
    log: EventLog,
    snapshots: Snapshots,
    options: { readonly maxBytes: number; readonly nowMs: () => number },
  ) {
    const { maxBytes, nowMs } = options;
    this.#nowMs = nowMs;
    this.#log = log;
    this.#snapshots = snapshots;
    this.#maxBytes = maxBytes;
  }

  /** What is in memory, whoever else may have written meanwhile. */
  kept(of: StreamOf): KeptState | undefined {
    const key = keyOf(of);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // Roughly the order of use: moving an entry costs more than finding it, and one that was moved lately is far from its end.
    this.#uses += 1;
    if (this.#uses - entry.usedAt > this.#entries.size >>> 1) {
      entry.usedAt = this.#uses;
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /**
   * From the log, once for all who ask meanwhile. `isSure`: also that a stream without events never had any; otherwise the claim of whoever
   * decides on it tells.
   *
   * Errors    HistoryIncomplete, StreamDeleted.
   */
  load(of: StreamOf, isSure: boolean): Promise<KeptState> {
    const key = keyOf(of);
    let loading = isSure ? undefined : this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#load(of, key, isSure).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** The state that the log holds now: nothing that is still on its way. Errors: as of `load`. */
  async present(of: StreamOf): Promise<{ readonly version: number; readonly state: JsonValue }> {
    const { version, deleted } = await this.#log.streamState(of.stream);
    if (deleted) throw new StreamDeleted(of.stream);
    const entry = this.#entries.get(keyOf(of));
    // Not the entry itself: it goes on with the next decision.
    if (entry?.version === version && entry.underWay === 0) return { version, state: entry.state };
    return this.#fromLog(of, await this.#snapshot(of), true);
  }

  /** The state after those of the stream's events that a span has. Errors: HistoryIncomplete, StreamDeleted. */
  async within(of: StreamOf, span: Span): Promise<PastState> {
    let state = initialState(of.own.fold);
    let last: RecordedEvent | undefined;
    let events = 0;
    for await (const page of this.#pages(of.stream, 0, true)) {
      const end = page.findIndex((event) => span.isPast(event));
      const wanted = (end === -1 ? page : page.slice(0, end)).filter((event) => span.has(event));
      state = evolved(of.own.fold, state, wanted);
      last = wanted.at(-1) ?? last;
      events += wanted.length;
      if (end !== -1) break;
    }
    return { state, last, events };
  }

  /** A decision was made on an entry: it is that much further, as soon as it is recorded. */
  advance(
    of: StreamOf,
    entry: KeptState,
    next: { readonly version: number; readonly state: JsonValue; readonly last: EncodedEvent | undefined },
  ): void {
    entry.last = next.last ?? entry.last;
    entry.version = next.version;
    entry.state = next.state;
    const bytes = bytesOf(of, next.state);
    const isKept = this.#entries.get(keyOf(of)) === entry;
    if (isKept) this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    if (isKept) this.#makeRoom();
  }

  /** What was decided on an entry was not recorded, or others were first. */
  forget(of: StreamOf, entry: KeptState): void {
    entry.isBroken = true;
    if (this.#entries.get(keyOf(of)) === entry) this.#remove(keyOf(of), entry);
  }

  /** Others wrote to it, and what is in memory is behind. */
  forgetStream(of: StreamOf): void {
    const entry = this.#entries.get(keyOf(of));
    if (entry !== undefined) this.forget(of, entry);
  }

  /** What a stream has come to by a decision that was recorded. */
  keep(of: StreamOf, { version, state }: { readonly version: number; readonly state: JsonValue }): void {
    const before = this.#entries.get(keyOf(of));
    if (before !== undefined) this.forget(of, before);
    this.#put(keyOf(of), this.#entryOf(of, { version, state }, before));
  }

  async #load(of: StreamOf, key: string, isSure: boolean): Promise<KeptState> {
    const snapshot = of.own.snapshot === undefined ? undefined : await this.#snapshot(of);
    const { version, state, first } = await this.#fromLog(of, snapshot, isSure);
    const entry = this.#entryOf(
      of,
      { version, state },
      { snapshotVersion: snapshot?.version ?? 0, snapshotMs: snapshot?.atMs ?? first?.recordedMs ?? this.#nowMs() },
    );
    this.#put(key, entry);
    return entry;
  }

  /** One of a stream that has lost its end since does not count. */
  async #snapshot({ decider, own, stream }: StreamOf): Promise<Snapshot | undefined> {
    if (own.snapshot === undefined) return undefined;
    const found = await this.#snapshots.find(decider, own.version, stream);
    if (found === undefined) return undefined;
    const { version } = await this.#log.streamState(stream);
    return version < found.version ? undefined : found;
  }

  async #fromLog(
    of: StreamOf,
    snapshot: Snapshot | undefined,
    isSure: boolean,
  ): Promise<{ readonly version: number; readonly state: JsonValue; readonly first: RecordedEvent | undefined }> {
    let first: RecordedEvent | undefined;
    let version = snapshot?.version ?? 0;
    let state = snapshot?.state ?? initialState(of.own.fold);
    for await (const page of this.#pages(of.stream, version, isSure)) {
      first ??= page[0];
      state = evolved(of.own.fold, state, page);
      version = page.at(-1)?.version ?? version;
    }
    return { version, state, first };
  }

  /** The events after a version. Errors: HistoryIncomplete. */
  async *#pages(
    stream: string,
    after: number,
    isSure: boolean,
  ): AsyncGenerator<readonly RecordedEvent[], void, undefined> {
    for (let version = after; ;) {
      const page = await this.#log.readStream(stream, { fromVersion: version + 1, limit: PAGE, maxBytes: PAGE_BYTES });
      const [first] = page;
      if (first === undefined) {
        if (version > after || !isSure || !(await this.#mayGoOn(stream, after))) return;
        continue;
      }
      if (first.version !== version + 1) throw new HistoryIncomplete(stream, first.version);
      yield page;
      version += page.length;
      if (page.length < PAGE && sumOfBytes(page) < PAGE_BYTES) return;
    }
  }

  /** Nothing was found after it: because that was its end, and not because all of that was removed. Answers whether there is more by now. */
  async #mayGoOn(stream: string, version: number): Promise<boolean> {
    const state = await this.#log.streamState(stream);
    if (state.deleted) throw new StreamDeleted(stream);
    if (state.version > version && state.firstVersion > version + 1)
      throw new HistoryIncomplete(stream, state.firstVersion);
    return state.version > version;
  }

  #entryOf(
    of: StreamOf,
    { version, state }: { readonly version: number; readonly state: JsonValue },
    snapshot: Pick<KeptState, 'snapshotMs' | 'snapshotVersion'> | undefined,
  ): KeptState {
    return {
      version,
      state,
      underWay: 0,
      last: undefined,
      isBroken: false,
      snapshotVersion: snapshot?.snapshotVersion ?? 0,
      snapshotMs: snapshot?.snapshotMs ?? this.#nowMs(),
      bytes: bytesOf(of, state),
      usedAt: this.#uses,
    };
  }

  #put(key: string, entry: KeptState): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#remove(key, before);
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    this.#makeRoom();
  }

  #makeRoom(): void {
    for (const [name, oldest] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#remove(name, oldest);
    }
  }

  #remove(key: string, entry: KeptState): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

/** Two deciders of one name, of which a program has one, make other states. */
const numbers = new WeakMap<OwnStreams, number>();
let deciders = 0;

function keyOf({ own, stream }: StreamOf): string {
  let number = numbers.get(own);
  if (number === undefined) numbers.set(own, (number = deciders += 1));
  return `${number} ${stream}`;
}

function bytesOf({ stream }: StreamOf, state: JsonValue): number {
  return ENTRY_BYTES + stream.length + roughJsonBytes(state);
}
