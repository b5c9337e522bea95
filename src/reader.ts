import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog, ListStreamsOptions, StreamState } from './channel/event-log.ts';
import type { Feed } from './channel/feed.ts';
import { givenQuery } from './channel/condition.ts';
import type { Query } from './channel/condition.ts';
import { compileSelection } from './channel/selection.ts';
import type { CompiledSelection, Selection } from './channel/selection.ts';
import { subscription } from './channel/subscription.ts';
import { InvalidInput, LimitExceeded } from './errors.ts';
import type { RecordedEvent } from './event/event.ts';
import { roughBytes } from './event/event-size.ts';
import { START } from './event/position.ts';
import type { Position } from './event/position.ts';
import { assertStreamName } from './event/stream-name.ts';
import { assertTags } from './event/tags.ts';

/** Which events of the log, and which page of them. */
export interface ReadEventsOptions extends Selection {
  readonly after?: Position | number;
  readonly direction?: 'forward' | 'backward';
  readonly correlationid?: string;
  /** Events that have all of these tags. Not together with `stream` or `correlationid`. */
  readonly tags?: readonly string[];
  readonly stream?: string;
  /** Recorded at or after, and before; milliseconds since 1970. */
  readonly recordedFromMs?: number;
  readonly recordedUntilMs?: number;
  /** 1 to 1,000, default 100. */
  readonly limit?: number;
}

export interface EventPage {
  readonly events: readonly RecordedEvent[];
  /** Hand it in as `after` for the next page; undefined at the end. */
  readonly next: Position | undefined;
}

export interface SubscribeOptions extends Selection {
  /** Events after this position. Default: everything that comes from now on. */
  readonly after?: Position | number | 'beginning';
  readonly signal?: AbortSignal;
  /** Called once, when the history is read and what follows is live. */
  readonly caughtUp?: () => void;
}

const MAX_LIMIT = 1_000;
const SCAN_PAGE = 1_000;
/** A page of large events is shorter than was asked for (G10). */
const PAGE_BYTES = 16 * 1_024 * 1_024;
/** A page that looks for rare events gives up after so many and says where to go on, so that no request runs without bound. */
const MAX_SCANNED = 100_000;

/** Reads the log for a program or a person: pages, streams, live. */
export class Reader {
  readonly #log: EventLog;
  readonly #feed: Feed;

  constructor(log: EventLog, feed: Feed) {
    this.#log = log;
    this.#feed = feed;
  }

  /** Position of the last event. */
  head(): Promise<Position> {
    return this.#log.head();
  }

  /** An event by its identity, or undefined. */
  find(source: string, id: string): Promise<RecordedEvent | undefined> {
    return this.#log.find(source, id);
  }

  /**
   * A page of events in position order.
   *
   * Shape     A page may be shorter than asked for, even empty, and still have a `next`: then it goes on there. So it is with large events and
   *           with rare ones.
   */
  async read(options: ReadEventsOptions = {}): Promise<EventPage> {
    const limit = assertLimit(options.limit ?? 100);
    const forward = options.direction !== 'backward';
    const selection = compileSelection({
      ...options,
      categories:
        options.categories ?? (options.stream === undefined ? undefined : [options.stream.split('-', 1)[0] ?? '']),
    });
    assertTagged(options);
    const bounds = await this.#bounds(options);
    if (options.stream !== undefined)
      return this.#readOfStream(options.stream, { ...options, limit }, selection, bounds);
    let cursor = forward
      ? (Math.max(bounds.after, options.after ?? START) as Position)
      : ((options.after ?? bounds.until + 1) as Position);
    const found: RecordedEvent[] = [];
    let bytes = 0;
    for (let scanned = 0; scanned < MAX_SCANNED && bytes < PAGE_BYTES;) {
      const page = await this.#log.read({
        after: cursor,
        direction: forward ? 'forward' : 'backward',
        limit: SCAN_PAGE,
        maxBytes: PAGE_BYTES - bytes,
        ...(options.types === undefined ? {} : { types: options.types }),
        ...(options.tags === undefined ? {} : { tags: options.tags }),
        ...(options.correlationid === undefined ? {} : { correlationid: options.correlationid }),
      });
      if (page.length === 0) return { events: found, next: undefined };
      for (const event of page) {
        if (forward ? event.position > bounds.until : event.position <= bounds.after)
          return { events: found, next: undefined };
        cursor = event.position;
        if (selection.matches(event)) {
          found.push(event);
          bytes += roughBytes(event);
        }
        if (found.length === limit) return { events: found, next: cursor };
      }
      scanned += page.length;
      // Others have a turn between two pages.
      await nextTurn();
    }
    return { events: found, next: cursor };
  }

  /**
   * All events of a query, and the place up to which they are all: what a writer may claim that nothing came after (`unless`).
   *
   * Shape     In position order, oldest first. For queries with few events: they are in memory at once.
   * Errors    LimitExceeded above 100,000 events; InvalidInput, InvalidPattern (`query`)
   */
  async readQuery(query: Query): Promise<{ readonly events: readonly RecordedEvent[]; readonly head: Position }> {
    const { matches, ...indexed } = givenQuery(query, 'query');
    const events: RecordedEvent[] = [];
    let head = await this.#log.head();
    for (let after: Position = START; ;) {
      const page = await this.#log.read({ ...indexed, after, limit: SCAN_PAGE, maxBytes: PAGE_BYTES });
      events.push(...(matches === undefined ? page : page.filter(matches)));
      if (events.length > MAX_SCANNED) throw new LimitExceeded('events of a query', MAX_SCANNED, events.length);
      const last = page.at(-1);
      if (last === undefined) return { events, head };
      after = last.position;
      head = Math.max(head, after) as Position;
      await nextTurn();
    }
  }

  /** A page of one stream's events in position order: found through the stream, however long the log is. */
  async #readOfStream(
    stream: string,
    { after, direction, correlationid, limit }: ReadEventsOptions & { readonly limit: number },
    selection: CompiledSelection,
    bounds: { readonly after: Position; readonly until: Position },
  ): Promise<EventPage> {
    assertStreamName(stream);
    const forward = direction !== 'backward';
    const begin = forward
      ? Math.max(bounds.after, after ?? START)
      : Math.min(bounds.until + 1, after ?? bounds.until + 1);
    const { version } = await this.#log.streamState(stream);
    // The first version whose event lies behind the place where the page begins; versions and positions rise together.
    let fromVersion = await this.#firstVersion(
      stream,
      version,
      (event) => event.position > (forward ? begin : begin - 1),
    );
    if (!forward) fromVersion -= 1;
    const found: RecordedEvent[] = [];
    let bytes = 0;
    for (let scanned = 0; fromVersion >= 1 && fromVersion <= version;) {
      const page = await this.#log.readStream(stream, {
        fromVersion,
        direction: forward ? 'forward' : 'backward',
        limit: SCAN_PAGE,
        maxBytes: PAGE_BYTES,
      });
      const last = page.at(-1);
      if (last === undefined) break;
      for (const event of page) {
        if (forward ? event.position > bounds.until : event.position <= bounds.after)
          return { events: found, next: undefined };
        if (!selection.matches(event) || (correlationid !== undefined && event.correlationid !== correlationid))
          continue;
        found.push(event);
        bytes += roughBytes(event);
        if (found.length === limit) return { events: found, next: event.position };
      }
      scanned += page.length;
      if (scanned >= MAX_SCANNED || bytes >= PAGE_BYTES) return { events: found, next: last.position };
      fromVersion = last.version + (forward ? 1 : -1);
      await nextTurn();
    }
    return { events: found, next: undefined };
  }

  /** The lowest version whose event, or the next one that can be read, fulfils a condition that all later ones fulfil too. */
  async #firstVersion(stream: string, last: number, holds: (event: RecordedEvent) => boolean): Promise<number> {
    let low = 1;
    let high = last + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [event] = await this.#log.readStream(stream, { fromVersion: middle, limit: 1 });
      if (event === undefined || holds(event)) high = middle;
      else low = event.version + 1;
    }
    return low;
  }

  /** The history of one entity, in version order. Pages of large events are shorter than asked for; `state` tells whether more follows. */
  async readStream(
    stream: string,
    options: {
      readonly fromVersion?: number;
      readonly direction?: 'forward' | 'backward';
      readonly limit?: number;
    } = {},
  ): Promise<{ readonly events: readonly RecordedEvent[]; readonly state: StreamState }> {
    assertStreamName(stream);
    const { fromVersion } = options;
    if (fromVersion !== undefined && (!Number.isSafeInteger(fromVersion) || fromVersion < 1)) {
      throw new InvalidInput({ path: 'fromVersion', expected: 'a whole number from 1', found: fromVersion });
    }
    const limit = assertLimit(options.limit ?? MAX_LIMIT);
    const events = await this.#log.readStream(stream, { ...options, limit, maxBytes: PAGE_BYTES });
    return { events, state: await this.#log.streamState(stream) };
  }

  /** Every event of a stream, page by page. */
  async *history(stream: string): AsyncGenerator<RecordedEvent, void, undefined> {
    assertStreamName(stream);
    for (let fromVersion = 1; ;) {
      const page = await this.#log.readStream(stream, { fromVersion, limit: MAX_LIMIT, maxBytes: PAGE_BYTES });
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      fromVersion = last.version + 1;
    }
  }

  streamState(stream: string): Promise<StreamState> {
    assertStreamName(stream);
    return this.#log.streamState(stream);
  }

  listStreams(options: Partial<ListStreamsOptions> = {}): Promise<readonly StreamState[]> {
    return this.#log.listStreams({ ...options, limit: assertLimit(options.limit ?? 100) });
  }

  /** History, then what comes, until the signal is aborted or the loop is left. */
  async *subscribe(options: SubscribeOptions = {}): AsyncGenerator<RecordedEvent, void, undefined> {
    const { after = this.#feed.head, signal, caughtUp } = options;
    yield* subscription({
      feed: this.#feed,
      selection: compileSelection(options),
      after: after === 'beginning' ? START : (after as Position),
      signal,
      caughtUp,
    });
  }

  async #bounds(options: ReadEventsOptions): Promise<{ after: Position; until: Position }> {
    const { recordedFromMs, recordedUntilMs } = options;
    return {
      after: recordedFromMs === undefined ? START : await this.#log.positionBefore(recordedFromMs),
      until: recordedUntilMs === undefined ? await this.#log.head() : await this.#log.positionBefore(recordedUntilMs),
    };
  }
}

function assertTagged({ tags, stream, correlationid }: ReadEventsOptions): void {
  if (tags === undefined) return;
  assertTags(tags, 'tags');
  if (stream !== undefined || correlationid !== undefined)
    throw new InvalidInput({
      path: 'tags',
      expected: 'no stream and no correlationid beside tags',
      found: stream ?? correlationid,
    });
}

function assertLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new InvalidInput({ path: 'limit', expected: `1 to ${MAX_LIMIT}`, found: limit });
  return limit;
}
