import type { RecordedEvent } from '../event/event.ts';
import { sumOfBytes } from '../event/event-size.ts';
import type { Position } from '../event/position.ts';
import { START } from '../event/position.ts';
import { SealedDataInvalid } from '../errors.ts';
import { whyNotUpcast } from '../event/upcast-event.ts';
import { SYSTEM_CATEGORY, categoryOf } from '../event/stream-name.ts';
import type { CancelTimer } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import type { EventLog } from './event-log.ts';
import { FilterIndex } from './filter/filter-index.ts';
import type { CompiledSelection } from './selection.ts';
import { SharedPages } from './shared-pages.ts';
import { Tail } from './tail.ts';

/** A reader at the head of the log. */
export interface FeedReader {
  readonly selection: CompiledSelection;
  /**
   * Takes an event that the selection matches. False: no room; the feed lets go of the reader, which has to catch up
   * from the position before this event and attach again.
   */
  offer(event: RecordedEvent): boolean;
  /** Everything up to `head` was offered. Called only when the reader got at least one event of the batch. */
  offered?(head: Position): void;
  /** The feed is closed: nothing more comes. */
  ended?(): void;
}

/** Some events in order, and the position up to which nothing else concerns the reader. */
export interface FeedPage {
  readonly events: readonly RecordedEvent[];
  readonly upTo: Position;
  /** Those of them that the reader's selection matches, where that is known. */
  readonly mine?: readonly RecordedEvent[];
}

/**
 * Two pages: a reader that was let go for a moment finds its place in memory. No more, because events that live longer than the young
 * generation of the heap cost more to keep (a quarter of what publishing takes, with 16,384) than to read again.
 */
const TAIL_EVENTS = 512;
const TAIL_BYTES = 8 * 1_024 * 1_024;
/** Events read at once when the backend only says that something came. */
const PAGE = 1_000;
/** A page of large events ends earlier. */
const PAGE_BYTES = 8 * 1_024 * 1_024;
/** After the log could not be read. */
const FOLLOW_AGAIN_MS = 1_000;

/**
 * Hands new events to everybody who follows the log, from one read and one match.
 *
 * States    open → closed.
 * Invariants
 * 1. Every attached reader was offered every matching event up to `head`, in order, exactly once since it attached.
 * 2. A reader attaches only when it has seen everything up to `head`; attaching and the check are one synchronous step.
 * 3. An event that no attached reader's selection matches costs one look into the shared index, whatever the number of readers.
 */
export class Feed {
  readonly #log: EventLog;
  readonly #environment: Environment;
  readonly #index = new FilterIndex<FeedReader>();
  /** Readers without a pattern: they get everything but the system's own events. */
  readonly #takesAll = new Set<FeedReader>();
  readonly #attached = new Set<FeedReader>();
  readonly #pages = new SharedPages();
  readonly #tail = new Tail(START, { maxEvents: TAIL_EVENTS, maxBytes: TAIL_BYTES });
  #unwatch: () => void = () => {};
  #waiting: RecordedEvent[] = [];
  #dispatching = false;
  #following = false;
  /** The backend said that something came, and it has not all been read yet. */
  #behind = false;
  /** How often the backend said that something came, without saying what. */
  #signals = 0;
  #cancelFollow: CancelTimer | undefined;
  /** Before the head is known nothing is dispatched: it would move the head, and then be passed over. */
  #opened = false;
  #closed = false;

  private constructor(log: EventLog, environment: Environment) {
    this.#log = log;
    this.#environment = environment;
  }

  static async open(log: EventLog, environment: Environment): Promise<Feed> {
    const feed = new Feed(log, environment);
    // Watch first: what is appended between the two calls is then seen twice rather than never.
    feed.#unwatch = log.watch((_head, events) => feed.#appended(events));
    try {
      feed.#tail.reset(await log.head());
    } catch (error) {
      feed.close();
      throw error;
    }
    feed.#opened = true;
    feed.#waiting = feed.#waiting.filter((event) => event.position > feed.#tail.head);
    feed.#scheduleDispatch();
    if (feed.#signals > 0) void feed.#follow();
    return feed;
  }

  /** The position up to which attached readers were served. */
  get head(): Position {
    return this.#tail.head;
  }

  /** Something was appended that is being read from the log. */
  get behind(): boolean {
    return this.#behind;
  }

  /** True: the reader now gets everything after `position`. False: it is behind and has to read up to `head` first. */
  attach(reader: FeedReader, position: Position): boolean {
    if (this.#closed || position < this.#tail.head) return false;
    this.#attached.add(reader);
    this.#pages.leave(reader);
    if (reader.selection.pattern === undefined) this.#takesAll.add(reader);
    else this.#index.add(reader, reader.selection.pattern);
    return true;
  }

  detach(reader: FeedReader): void {
    this.#pages.leave(reader);
    if (!this.#attached.delete(reader)) return;
    if (!this.#takesAll.delete(reader)) this.#index.remove(reader);
  }

  /**
   * The next events for a reader that is behind: from memory near the head, else from the log, where types may be looked up. `log`: answers
   * only what concerns the reader.
   */
  async read(
    reader: FeedReader,
    after: Position,
    limit: number,
    types: readonly string[] | undefined,
    log: Pick<EventLog, 'read'> = this.#log,
  ): Promise<FeedPage> {
    const cached = this.#tail.read(after, limit);
    if (cached !== undefined) {
      const { head } = this.#tail;
      return { events: cached, upTo: cached.length < limit ? head : (cached.at(-1)?.position ?? head) };
    }
    const page = () => this.#page(after, limit, types, log);
    return log === this.#log ? this.#pages.get(JSON.stringify([after, limit, types]), reader, page) : page();
  }

  async #page(
    after: Position,
    limit: number,
    types: readonly string[] | undefined,
    log: Pick<EventLog, 'read'>,
  ): Promise<FeedPage> {
    const { head } = this.#tail;
    const read = await log.read({
      after,
      limit,
      maxBytes: PAGE_BYTES,
      ...(types === undefined ? {} : { types }),
    });
    // What was appended and not dispatched yet comes through `offer`; a reader that had it from here would get it twice.
    const last = read.at(-1);
    if (last === undefined || last.position > head) {
      return { events: read.filter((event) => event.position <= head), upTo: head };
    }
    const ended = read.length < limit && sumOfBytes(read) < PAGE_BYTES;
    return { events: read, upTo: ended ? head : last.position };
  }

  /** Removed events must not be served from memory any more. */
  forget(): void {
    this.#pages.clear();
    this.#tail.reset(this.#tail.head);
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    this.#cancelFollow?.();
    for (const reader of this.#attached) {
      this.detach(reader);
      reader.ended?.();
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  #appended(events: readonly RecordedEvent[] | undefined): void {
    // While something has to be read from the log, what comes is read there too: here it could come before that.
    if (events === undefined || this.#behind) {
      this.#behind = true;
      this.#signals += 1;
      if (this.#opened) void this.#follow();
      return;
    }
    for (const event of events) this.#waiting.push(event);
    this.#scheduleDispatch();
  }

  #scheduleDispatch(): void {
    if (this.#dispatching || !this.#opened || this.#waiting.length === 0) return;
    this.#dispatching = true;
    queueMicrotask(() => {
      this.#dispatching = false;
      const events = this.#waiting;
      this.#waiting = [];
      if (!this.#closed) this.#dispatch(events);
    });
  }

  /** For backends that only signal: reads what is new. One loop at a time; a signal during it is served by its next turn. */
  async #follow(): Promise<void> {
    if (this.#following) return;
    this.#following = true;
    try {
      for (;;) {
        const seen = this.#signals;
        const events = await this.#log.read({ after: this.#tail.head, limit: PAGE, maxBytes: PAGE_BYTES });
        if (this.#closed) break;
        this.#dispatch(events);
        if (events.length === 0 && this.#signals === seen) {
          this.#behind = false;
          break;
        }
      }
    } catch (error) {
      if (this.#closed) return;
      this.#environment.logger.error({ err: error }, 'the log could not be followed; trying again');
      this.#cancelFollow?.();
      this.#cancelFollow = this.#environment.clock.setTimer(FOLLOW_AGAIN_MS, () => void this.#follow());
    } finally {
      this.#following = false;
    }
  }

  #dispatch(events: readonly RecordedEvent[]): void {
    const served = new Set<FeedReader>();
    for (const event of events) {
      // Backends may say that something came, and what came, of the same events.
      if (event.position <= this.#tail.head) continue;
      if (this.#attached.size > 0) this.#offer(event, served);
      // One by one, so that a reader which was let go in the middle finds the head where it stopped being served.
      this.#tail.append([event]);
    }
    for (const reader of served) if (this.#attached.has(reader)) reader.offered?.(this.#tail.head);
  }

  #offer(event: RecordedEvent, served: Set<FeedReader>): void {
    if (this.#takesAll.size > 0 && categoryOf(event.stream) !== SYSTEM_CATEGORY) {
      for (const reader of this.#takesAll) this.#hand(reader, event, served);
    }
    if (this.#attached.size === this.#takesAll.size) return;
    for (const reader of this.#asking(event)) {
      if (reader.selection.matches(event)) this.#hand(reader, event, served);
    }
  }

  /** The index looks at data; where that cannot be read, each selection says whether it may be meant. */
  #asking(event: RecordedEvent): Iterable<FeedReader> {
    if (whyNotUpcast(event) !== undefined) return this.#patterned();
    try {
      // What is sealed is opened only where somebody asks for data.
      return this.#index.match((name) => event.attribute(name));
    } catch (error) {
      if (error instanceof SealedDataInvalid) return this.#patterned();
      throw error;
    }
  }

  #patterned(): readonly FeedReader[] {
    return [...this.#attached].filter((reader) => !this.#takesAll.has(reader));
  }

  #hand(reader: FeedReader, event: RecordedEvent, served: Set<FeedReader>): void {
    if (!this.#attached.has(reader)) return;
    try {
      if (reader.offer(event)) served.add(reader);
      else this.detach(reader);
    } catch (error) {
      // A reader's failure is its own: it is let go, the others are served.
      this.#environment.logger.error(
        { err: error, position: event.position },
        'a reader of the log failed and was let go',
      );
      this.detach(reader);
    }
  }
}
