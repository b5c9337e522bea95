import { LRUCache } from 'lru-cache';
import type { AppendOutcome, AppendRequest, EventLog } from '../channel/event-log.ts';
import { HistoryIncomplete, StreamDeleted } from '../errors.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import { sumOfBytes } from '../event/event-size.ts';
import { roughJsonBytes } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { eventMs } from '../time/as-of.ts';
import type { Reached, Span } from '../time/as-of.ts';
import { categoryOf } from '../event/stream-name.ts';
import type { UpcastingTypes } from '../event/upcast-event.ts';
import type { OwnStreams } from './define-decider.ts';
import { evolved, initialState } from './fold.ts';
import { Following } from './following.ts';
import type { KeptOf } from './following.ts';
import { OwnAppends } from './own-appends.ts';
import type { LoadWatch } from './own-appends.ts';
import type { Snapshot, Snapshots } from './snapshots.ts';

/** A stream as a decider sees it. */
export interface StreamOf {
  readonly decider: string;
  readonly own: OwnStreams;
  readonly stream: string;
}

/** What makes a state of which stream. */
export type StreamKey = Pick<StreamOf, 'own' | 'stream'>;

export interface PastState {
  readonly state: JsonValue;
  readonly version: number;
  /** The last event that it is made of; undefined: of none, or it is not there any more. */
  readonly last: RecordedEvent | undefined;
  readonly events: number;
}

interface MadeState {
  readonly version: number;
  readonly state: JsonValue;
  /** The first event that was read for it. */
  readonly first: RecordedEvent | undefined;
}

const PAGE = 1_000;
const PAGE_BYTES = 16 * 1_024 * 1_024;
/** What an entry takes beside its state, roughly. */
const ENTRY_BYTES = 300;

/**
 * The state of a stream with all that was decided on it and published to it here, also what is not recorded yet.
 *
 * States     settled (`underWay` is 0): what the log held at `version`; ahead: decisions or publishes are on their way to the log; broken: one of
 *            them was not recorded, or others wrote to the stream: whoever decided on it is refused by the log, and nobody begins anew with it.
 */
export interface KeptState {
  /** Of its decider and stream. */
  readonly key: string;
  version: number;
  state: JsonValue;
  underWay: number;
  /** Publishes in it of which it is not known whether they claimed what it claims (`Following`). */
  doubts: number;
  /** Resolves when there are no doubts any more: nobody decides on it before. Undefined: there are none. */
  sure: Promise<void> | undefined;
  beSure: (() => void) | undefined;
  /** Who waits for that. */
  waiting: number;
  /** The last fact that was decided or published here; undefined: none was. */
  last: Pick<EncodedEvent, 'source' | 'id'> | undefined;
  isBroken: boolean;
  /** What it counts for in memory: what its state takes, or somewhat more. */
  bytes: number;
  /** It was decided on ahead of the log, or somebody was sent back: a decision that comes to nothing would send back others. */
  isBusy: boolean;
  /** Of the last snapshot; 0: there is none. And when it was taken, or what came after began. */
  snapshotVersion: number;
  snapshotMs: number;
}

/**
 * States of streams that were asked for lately, so that a stream which is decided on again and again is not read and folded again.
 *
 * Invariants 1. Only the log says whether a state was the present one: every decision claims the version that it was made on.
 *            2. Decisions of this process on one stream follow each other in memory without waiting for the log, which takes them in that
 *               order. Each of them claims the fact that it goes on from, too: when that was refused, another writer's may have its version.
 *            3. Entries hold at most `maxBytes`, as estimated; those asked for longest ago go first (G10).
 */
interface Loading {
  readonly key: string;
  readonly isSure: boolean;
  readonly isBusy: boolean;
}

export class StreamStates {
  readonly #log: EventLog;
  readonly #snapshots: Snapshots;
  readonly #nowMs: () => number;
  readonly #entries: LRUCache<string, KeptState>;
  readonly #loading = new Map<string, Promise<KeptState>>();
  /** Who makes states of the streams of a category. */
  readonly #owners = new Map<string, Set<OwnStreams>>();
  readonly #appends = new OwnAppends();
  readonly #following: Following;
  /** Rises whenever what is in memory may not be read any more. */
  #generation = 0;

  constructor(
    log: EventLog,
    snapshots: Snapshots,
    options: { readonly maxBytes: number; readonly nowMs: () => number; readonly types: UpcastingTypes },
  ) {
    const { maxBytes, nowMs, types } = options;
    this.#nowMs = nowMs;
    this.#log = log;
    this.#snapshots = snapshots;
    this.#entries = new LRUCache({ maxSize: maxBytes });
    this.#following = new Following({ log, states: this, own: this.#appends, types });
  }

  /**
   * Appends what was not decided on a kept state: the states of its streams go on with it.
   *
   * Shape     isNew: its events have ids that were made for them.
   * Errors    As of the log.
   */
  append(request: AppendRequest, isNew: boolean): Promise<AppendOutcome> {
    return this.#owners.size === 0 ? this.#log.append(request) : this.#following.append(request, isNew);
  }

  /** The state to decide on: as it is kept, as soon as there are no doubts about it, or else from the log. Errors: as of `load`. */
  async certain(of: StreamOf, isSure: boolean): Promise<KeptState> {
    for (;;) {
      const entry = this.kept(of) ?? (await this.load(of, isSure));
      if (entry.sure === undefined) return entry;
      entry.waiting += 1;
      await entry.sure;
      entry.waiting -= 1;
    }
  }

  /** States of its streams will be asked for. */
  add(own: OwnStreams): void {
    const owners = this.#owners.get(own.category);
    if (owners === undefined) this.#owners.set(own.category, new Set([own]));
    else owners.add(own);
  }

  /** Whether states of the stream may be kept, or are being loaded. */
  isDecided(stream: string): boolean {
    return this.#owners.has(categoryOf(stream));
  }

  /** What is in memory of a stream. */
  keptOf(stream: string): readonly KeptOf[] {
    const found: KeptOf[] = [];
    for (const own of this.#owners.get(categoryOf(stream)) ?? []) {
      const entry = this.#entries.peek(keyOf({ own, stream }));
      if (entry !== undefined) found.push({ of: { own, stream }, entry });
    }
    return found;
  }

  /** What is in memory, whoever else may have written meanwhile. */
  kept(of: StreamOf): KeptState | undefined {
    return this.#entries.get(keyOf(of));
  }

  /**
   * From the log, once for all who ask meanwhile. `isSure`: also that a stream without events never had any; otherwise the claim of whoever
   * decides on it tells. `isBusy`: whoever decides on it is to expect others.
   *
   * Errors    HistoryIncomplete, StreamDeleted.
   */
  load(of: StreamOf, isSure: boolean, isBusy = isSure): Promise<KeptState> {
    const key = keyOf(of);
    let loading = isSure ? undefined : this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#load(of, { key, isSure, isBusy }).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** The state that the log holds now: nothing that is still on its way. Errors: as of `load`. */
  async present(of: StreamOf): Promise<{ readonly version: number; readonly state: JsonValue }> {
    const key = keyOf(of);
    const loading = this.#entries.has(key) ? undefined : this.load(of, true, false);
    const [{ version, deleted }] = await Promise.all([this.#log.streamState(of.stream), loading]);
    if (deleted) throw new StreamDeleted(of.stream);
    let entry = this.#entries.get(key);
    if (entry !== undefined && entry.version < version && entry.underWay === 0) {
      // Others wrote to it.
      this.forget(entry);
      entry = await this.load(of, true, false);
    }
    // Not the entry itself: it goes on with the next decision.
    if (entry !== undefined && entry.version >= version && entry.underWay === 0 && entry.sure === undefined)
      return { version: entry.version, state: entry.state };
    return this.#made(of, { isSure: true });
  }

  /**
   * The state after those of the stream's events that a span has. Where the first ones are gone, a state that was kept stands for them, if the span
   * has all that it is made of.
   *
   * Errors    HistoryIncomplete, StreamDeleted.
   */
  async within(of: StreamOf, span: Span): Promise<PastState> {
    const { firstVersion, version } = await this.#log.streamState(of.stream);
    const known = firstVersion === 1 ? [] : (await this.#known(of)).filter((each) => each.version <= version);
    const kept = known.find((snapshot) => span.hasAll(snapshot));
    let state = kept?.state ?? initialState(of.own.fold);
    let last: RecordedEvent | undefined;
    let events = kept?.version ?? 0;
    try {
      for await (const page of this.#pages(of.stream, events, true)) {
        const end = page.findIndex((event) => span.isPast(event));
        const wanted = (end === -1 ? page : page.slice(0, end)).filter((event) => span.has(event));
        state = evolved(of.own.fold, state, wanted);
        last = wanted.at(-1) ?? last;
        events += wanted.length;
        if (end !== -1) break;
      }
    } catch (error) {
      const first = known.at(-1);
      if (error instanceof HistoryIncomplete && first !== undefined)
        throw new HistoryIncomplete(of.stream, error.firstVersion, first.version);
      throw error;
    }
    return { state, version: last?.version ?? kept?.version ?? 0, last, events };
  }

  /** Of the events of a stream up to a version. Undefined: some are not there any more, and nothing is known of them. */
  async reach({ decider, own, stream }: StreamOf, version: number): Promise<Reached | undefined> {
    const kept = await this.#snapshots.kept(decider, own.version, stream);
    let reach = kept?.reach;
    let isWhole = true;
    for (let from = (kept?.version ?? 0) + 1; from <= version;) {
      const page = await this.#log.readStream(stream, { fromVersion: from, limit: PAGE, maxBytes: PAGE_BYTES });
      if (page[0] === undefined) return undefined;
      isWhole &&= page[0].version === from && (from === 1 || reach?.eventMs !== undefined);
      const events = page.filter((event) => event.version <= version);
      const last = events.at(-1);
      if (last === undefined) break;
      const eventsMs = events.reduce(
        (latest, event) => Math.max(latest, eventMs(event)),
        reach?.eventMs ?? Number.NEGATIVE_INFINITY,
      );
      const { position, recordedMs } = last;
      reach = { position, recordedMs, ...(isWhole ? { eventMs: eventsMs } : {}) };
      from = last.version + 1;
    }
    return reach;
  }

  /** A decision was made on an entry: it is that much further, as soon as it is recorded. */
  advance(
    entry: KeptState,
    next: { readonly version: number; readonly state: JsonValue; readonly last: EncodedEvent | undefined },
  ): void {
    this.#become(entry, { ...next, last: next.last ?? entry.last });
  }

  /** What was decided on an entry last was not recorded, nothing has gone on from it, and the entry is as it was before. */
  rewind(
    entry: KeptState,
    before: { readonly version: number; readonly state: JsonValue; readonly last: KeptState['last'] },
  ): void {
    this.#become(entry, before);
  }

  /** What was decided on an entry was not recorded, or others were first. */
  forget(entry: KeptState): void {
    entry.isBroken = true;
    if (this.#isKept(entry)) this.#entries.delete(entry.key);
  }

  /** Another one: what was read before may not be kept. */
  get generation(): number {
    return this.#generation;
  }

  /** What is in memory may not be read any more. What is being decided on it is decided again. */
  forgetAll(): void {
    this.#generation += 1;
    for (const entry of this.#entries.values()) entry.isBroken = true;
    this.#entries.clear();
  }

  /** Others wrote to it, and what is in memory is behind. */
  forgetStream(of: StreamOf): void {
    const entry = this.#entries.peek(keyOf(of));
    if (entry !== undefined) this.forget(entry);
  }

  /** What a stream has come to by a decision that was recorded, on what was read as of that generation. */
  keep(
    of: StreamOf,
    { version, state }: { readonly version: number; readonly state: JsonValue },
    generation: number,
  ): void {
    const key = keyOf(of);
    const before = this.#entries.peek(key);
    if (generation !== this.#generation) {
      if (before !== undefined && before.version < version) this.forget(before);
      return;
    }
    // It has gone on with them already, and maybe with others behind them.
    if (before !== undefined && before.version >= version) return;
    if (before !== undefined) this.forget(before);
    this.#put(this.#entryOf(key, { version, state }, before));
  }

  #become(
    entry: KeptState,
    { version, state, last }: { readonly version: number; readonly state: JsonValue; readonly last: KeptState['last'] },
  ): void {
    entry.last = last;
    entry.version = version;
    entry.state = state;
    if (this.#isKept(entry)) this.#recount(entry);
  }

  async #load(of: StreamOf, how: Loading): Promise<KeptState> {
    for (;;) {
      const loaded = await this.#loadOnce(of, how);
      if (loaded !== undefined) return loaded;
    }
  }

  /** Undefined: all was forgotten meanwhile. */
  async #loadOnce(of: StreamOf, { key, isSure, isBusy }: Loading): Promise<KeptState | undefined> {
    const watch = this.#appends.watch(of.stream);
    const generation = this.#generation;
    try {
      const { version, state, first, snapshot } = await this.#made(of, { isSure, watch });
      if (generation !== this.#generation) return undefined;
      const other = this.#entries.get(key);
      // Another load was quicker, and the state has gone on since.
      if (other !== undefined && other.version >= version) return other;
      const entry = this.#entryOf(
        key,
        { version, state },
        { snapshotVersion: snapshot?.version ?? 0, snapshotMs: snapshot?.atMs ?? first?.recordedMs ?? this.#nowMs() },
      );
      entry.isBusy = isBusy;
      this.#put(entry);
      this.#following.goOnAfterLoad(of, entry, watch.unseen());
      return entry;
    } finally {
      this.#appends.stop(of.stream, watch);
    }
  }

  /** The states of a stream that are written down, the last one first. */
  async #known({ decider, own, stream }: StreamOf): Promise<readonly Snapshot[]> {
    if (own.snapshot === undefined) return [];
    const found = [
      await this.#snapshots.find(decider, own.version, stream),
      await this.#snapshots.kept(decider, own.version, stream),
    ];
    return found.filter((each) => each !== undefined).sort((left, right) => right.version - left.version);
  }

  /** One of a stream that has lost its end since does not count. */
  async #snapshot({ decider, own, stream }: StreamOf): Promise<Snapshot | undefined> {
    if (own.snapshot === undefined) return undefined;
    const { version, firstVersion } = await this.#log.streamState(stream);
    const { every, afterMs } = own.snapshot;
    // Too short to have one, unless it has lost its beginning.
    if (firstVersion === 1 && version < every && afterMs === Number.POSITIVE_INFINITY) return undefined;
    let found = await this.#snapshots.find(decider, own.version, stream);
    if (firstVersion > 1) {
      const kept = await this.#snapshots.kept(decider, own.version, stream);
      if (kept !== undefined && (found === undefined || found.version <= kept.version)) found = kept;
    }
    // What the events make now is the truth. Of what is left of a stream the snapshot is all that tells the rest.
    if (found?.isErased === true && firstVersion === 1) return undefined;
    if (found === undefined || found.version <= version) return found;
    const now = await this.#log.streamState(stream);
    return now.version < found.version ? undefined : found;
  }

  /** Of a snapshot and the events after it; once more where events went while it was read, and a later one holds what they made. */
  async #made(
    of: StreamOf,
    how: { readonly isSure: boolean; readonly watch?: LoadWatch },
  ): Promise<MadeState & { readonly snapshot: Snapshot | undefined }> {
    for (let snapshot = await this.#snapshot(of); ;) {
      try {
        return { ...(await this.#fromLog(of, snapshot, how)), snapshot };
      } catch (error) {
        const later = error instanceof HistoryIncomplete ? await this.#snapshot(of) : undefined;
        if (later === undefined || later.version <= (snapshot?.version ?? 0)) throw error;
        snapshot = later;
      }
    }
  }

  async #fromLog(
    of: StreamOf,
    snapshot: Snapshot | undefined,
    { isSure, watch }: { readonly isSure: boolean; readonly watch?: LoadWatch },
  ): Promise<MadeState> {
    let first: RecordedEvent | undefined;
    let version = snapshot?.version ?? 0;
    let state = snapshot?.state ?? initialState(of.own.fold);
    for await (const page of this.#pages(of.stream, version, isSure)) {
      first ??= page[0];
      watch?.read(page);
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
    key: string,
    { version, state }: { readonly version: number; readonly state: JsonValue },
    snapshot: Pick<KeptState, 'snapshotMs' | 'snapshotVersion'> | undefined,
  ): KeptState {
    return {
      key,
      version,
      state,
      underWay: 0,
      doubts: 0,
      sure: undefined,
      beSure: undefined,
      waiting: 0,
      last: undefined,
      isBroken: false,
      bytes: 0,
      isBusy: false,
      snapshotVersion: snapshot?.snapshotVersion ?? 0,
      snapshotMs: snapshot?.snapshotMs ?? this.#nowMs(),
    };
  }

  #put(entry: KeptState): void {
    const { key } = entry;
    entry.bytes = bytesOf(entry);
    // Of an entry that is there it would not count what it has come to take.
    this.#entries.delete(key);
    this.#entries.set(key, entry, { size: entry.bytes });
  }

  /** It has come to take more, or less: it is counted anew when that is much, and with room to grow. */
  #recount(entry: KeptState): void {
    const bytes = bytesOf(entry);
    if (bytes <= entry.bytes && 2 * bytes >= entry.bytes) return;
    const room = bytes + (bytes >> 2);
    entry.bytes = room > this.#entries.maxSize ? bytes : room;
    this.#entries.delete(entry.key);
    this.#entries.set(entry.key, entry, { size: entry.bytes });
  }

  #isKept(entry: KeptState): boolean {
    return this.#entries.peek(entry.key) === entry;
  }
}

function bytesOf({ key, state }: KeptState): number {
  return ENTRY_BYTES + key.length + roughJsonBytes(state);
}

/** Two deciders of one name, of which a program has one, make other states. */
const numbers = new WeakMap<OwnStreams, number>();
let deciders = 0;

function keyOf({ own, stream }: StreamKey): string {
  let number = numbers.get(own);
  if (number === undefined) numbers.set(own, (number = deciders += 1));
  return `${number} ${stream}`;
}
