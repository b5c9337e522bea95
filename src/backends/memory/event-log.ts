import { isOfQuery } from '../../channel/append-conditions.ts';
import type { RecordedCommand } from '../../channel/append-conditions.ts';
import type {
  AppendListener,
  AppendOutcome,
  AppendRequest,
  EventLog,
  ListStreamsOptions,
  ReadOptions,
  ReadStreamOptions,
  StreamState,
  TrimOutcome,
  TrimRequest,
} from '../../channel/event-log.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { withinBytes } from '../../event/event-size.ts';
import type { Position } from '../../event/position.ts';
import { position, START } from '../../event/position.ts';
import { categoryOf } from '../../event/stream-name.ts';
import type { Clock } from '../../system/clock.ts';
import type { LogWatchers } from '../../channel/log-watchers.ts';
import { AppendPlan } from './append-plan.ts';
import type { MemoryInlineRows } from './inline-rows.ts';
import type { LogContent, LogEntry } from './log-content.ts';
import { removeEvents, streamContent, streamVersion } from './log-content.ts';
import type { Session } from './session.ts';
import { compareText } from './text-order.ts';
import { trimLog } from './trim.ts';

export interface EventLogParts {
  readonly content: LogContent;
  readonly clock: Clock;
  readonly watchers: LogWatchers;
  readonly session: Session;
  readonly inlineRows: Pick<MemoryInlineRows, 'appended'>;
}

/** The log as a list. Every call does its whole work before it returns its promise, so that calls take effect in their order. */
export class MemoryEventLog implements EventLog {
  readonly #content: LogContent;
  readonly #clock: Clock;
  readonly #watchers: LogWatchers;
  readonly #session: Session;
  readonly #inlineRows: Pick<MemoryInlineRows, 'appended'>;

  constructor({ content, clock, watchers, session, inlineRows }: EventLogParts) {
    this.#content = content;
    this.#clock = clock;
    this.#watchers = watchers;
    this.#session = session;
    this.#inlineRows = inlineRows;
  }

  async append(request: AppendRequest): Promise<AppendOutcome> {
    this.#session.assertOpen();
    const plan = new AppendPlan(this.#content, this.#clock.now());
    const outcome = plan.add(request);
    if (!outcome.ok) return outcome;
    const events = plan.write();
    this.#inlineRows.appended(events);
    this.#watchers.appended(events);
    return outcome;
  }

  async read(options: ReadOptions): Promise<readonly RecordedEvent[]> {
    this.#session.assertOpen();
    const { after, direction = 'forward', limit, correlationid, maxBytes = Number.POSITIVE_INFINITY } = options;
    const entries =
      correlationid === undefined ? this.#content.entries : (this.#content.correlations.get(correlationid) ?? []);
    const from = direction === 'forward' ? countUpTo(entries, after ?? START) : countBelow(entries, after) - 1;
    const lowest = correlationid === undefined ? this.#content.firstKept : 0;
    const found = take(entries, direction === 'forward' ? Math.max(from, lowest) : from, direction, limit, (event) =>
      isOfQuery(event.stored, options),
    );
    return withinBytes(found, maxBytes);
  }

  async readStream(stream: string, options: ReadStreamOptions): Promise<readonly RecordedEvent[]> {
    this.#session.assertOpen();
    const { direction = 'forward', limit, maxBytes = Number.POSITIVE_INFINITY } = options;
    const entries = this.#content.streams.get(stream)?.entries ?? [];
    const fromVersion = options.fromVersion ?? (direction === 'forward' ? 1 : entries.length);
    const from = direction === 'forward' ? Math.max(fromVersion, 1) : Math.min(fromVersion, entries.length);
    return withinBytes(
      take(entries, from - 1, direction, limit, () => true),
      maxBytes,
    );
  }

  async streamState(stream: string): Promise<StreamState> {
    this.#session.assertOpen();
    return this.#stateOf(stream);
  }

  async listStreams(options: ListStreamsOptions): Promise<readonly StreamState[]> {
    this.#session.assertOpen();
    const { category, after, limit } = options;
    const names: string[] = [];
    for (const [name, { entries }] of this.#content.streams) {
      if (entries.length === 0 || (category !== undefined && categoryOf(name) !== category)) continue;
      if (after === undefined || compareText(name, after) > 0) names.push(name);
    }
    return names
      .sort(compareText)
      .slice(0, limit)
      .map((name) => this.#stateOf(name));
  }

  async find(source: string, id: string): Promise<RecordedEvent | undefined> {
    this.#session.assertOpen();
    return this.#content.identities.get(source)?.get(id)?.kept.event;
  }

  async findById(id: string): Promise<readonly RecordedEvent[]> {
    this.#session.assertOpen();
    const found: RecordedEvent[] = [];
    for (const ofSource of this.#content.identities.values()) {
      const event = ofSource.get(id)?.kept.event;
      if (event !== undefined) found.push(event);
    }
    return found.sort((left, right) => left.position - right.position);
  }

  async findCommand(id: string): Promise<RecordedCommand | undefined> {
    this.#session.assertOpen();
    return structuredClone(this.#content.commands.get(id));
  }

  async head(): Promise<Position> {
    this.#session.assertOpen();
    return position(this.#content.entries.length);
  }

  async positionBefore(recordedMs: number): Promise<Position> {
    this.#session.assertOpen();
    return position(firstIndex(this.#content.entries, (entry) => entry.recordedMs >= recordedMs));
  }

  async count(after: Position, upTo: Position, limit: number): Promise<number> {
    this.#session.assertOpen();
    const { entries, firstKept } = this.#content;
    const end = countUpTo(entries, upTo);
    let found = 0;
    for (let index = Math.max(countUpTo(entries, after), firstKept); index < end && found < limit; index += 1) {
      if (entries[index]?.kept.event !== undefined) found += 1;
    }
    return found;
  }

  watch(listener: AppendListener): () => void {
    this.#session.assertOpen();
    return this.#watchers.watch(listener);
  }

  async truncateStream(stream: string, beforeVersion: number): Promise<number> {
    this.#session.assertOpen();
    const entries = this.#content.streams.get(stream)?.entries ?? [];
    return removeEvents(this.#content, entries.slice(0, Math.max(beforeVersion - 1, 0)));
  }

  async deleteStream(stream: string): Promise<number> {
    this.#session.assertOpen();
    const found = streamContent(this.#content, stream);
    found.deleted = true;
    return removeEvents(this.#content, found.entries);
  }

  async trim(request: TrimRequest): Promise<TrimOutcome> {
    this.#session.assertOpen();
    return trimLog(this.#content, request);
  }

  #stateOf(stream: string): StreamState {
    const found = this.#content.streams.get(stream);
    const version = streamVersion(this.#content, stream);
    const firstVersion = found?.entries.find((entry) => entry.kept.event !== undefined)?.version ?? version + 1;
    return { stream, version, firstVersion, deleted: found?.deleted ?? false };
  }
}

/** The first `limit` events from an index on that are still there and wanted. */
function take(
  entries: readonly LogEntry[],
  from: number,
  direction: 'forward' | 'backward',
  limit: number,
  wanted: (event: RecordedEvent) => boolean,
): readonly RecordedEvent[] {
  const found: RecordedEvent[] = [];
  const step = direction === 'forward' ? 1 : -1;
  for (let index = from; index >= 0 && index < entries.length && found.length < limit; index += step) {
    const event = entries[index]?.kept.event;
    if (event !== undefined && wanted(event)) found.push(event);
  }
  return found;
}

/** How many entries have a position up to this one. */
function countUpTo(entries: readonly LogEntry[], upTo: Position): number {
  return firstIndex(entries, (entry) => entry.position > upTo);
}

/** How many entries have a position below this one; all without one. */
function countBelow(entries: readonly LogEntry[], below: Position | undefined): number {
  return below === undefined ? entries.length : firstIndex(entries, (entry) => entry.position >= below);
}

/** The first index at which a condition holds that holds from there on; the length when nowhere. */
function firstIndex(entries: readonly LogEntry[], holds: (entry: LogEntry) => boolean): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = entries[middle];
    if (entry !== undefined && holds(entry)) high = middle;
    else low = middle + 1;
  }
  return low;
}
