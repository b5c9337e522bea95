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
import type { UnitOutcome } from '../../consumer/unit-of-work.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { encodedBytes } from '../../event/event-size.ts';
import type { Position } from '../../event/position.ts';
import { position } from '../../event/position.ts';
import { findCommands } from './command-table.ts';
import type { Database } from './database.ts';
import { LogReader } from './log-reader.ts';
import type { LogWatchers } from '../../channel/log-watchers.ts';
import { dropPartitions } from './partitions.ts';
import { markDeleted, trim, truncateStep } from './retention.ts';
import type { Session } from './session.ts';
import type { Writes } from './write-queue.ts';

/** Roughly what a removal holds in memory while it waits. */
const REMOVAL_BYTES = 1_024;

export interface LogParts {
  readonly session: Session;
  readonly database: Database;
  readonly writes: Writes;
  /** For what does not append. */
  readonly stateWrites: Writes;
  readonly watchers: LogWatchers;
  /** Somebody begins to watch. */
  watched(): void;
}

export class PostgresEventLog implements EventLog {
  readonly #parts: LogParts;
  readonly #reader: LogReader;

  constructor(parts: LogParts) {
    this.#parts = parts;
    this.#reader = new LogReader(parts.database);
  }

  append(request: AppendRequest): Promise<AppendOutcome> {
    return new Promise((resolve, reject) => {
      this.#parts.writes.together({
        bytes: bytesOf(request),
        requests: [detached(request)],
        unit: undefined,
        settle: (outcome) => resolve(ofRequest(outcome)),
        fail: reject,
      });
    });
  }

  async read(options: ReadOptions): Promise<readonly RecordedEvent[]> {
    this.#parts.session.assertOpen();
    return this.#reader.read(options);
  }

  async readStream(stream: string, options: ReadStreamOptions): Promise<readonly RecordedEvent[]> {
    this.#parts.session.assertOpen();
    return this.#reader.readStream(stream, options);
  }

  async streamState(stream: string): Promise<StreamState> {
    this.#parts.session.assertOpen();
    return this.#reader.streamState(stream);
  }

  async listStreams(options: ListStreamsOptions): Promise<readonly StreamState[]> {
    this.#parts.session.assertOpen();
    return this.#reader.listStreams(options);
  }

  async find(source: string, id: string): Promise<RecordedEvent | undefined> {
    this.#parts.session.assertOpen();
    return this.#reader.find(source, id);
  }

  async findById(id: string): Promise<readonly RecordedEvent[]> {
    this.#parts.session.assertOpen();
    return this.#reader.findById(id);
  }

  async findCommand(id: string): Promise<RecordedCommand | undefined> {
    this.#parts.session.assertOpen();
    return (await findCommands(this.#parts.database, [id]))[0];
  }

  async head(): Promise<Position> {
    this.#parts.session.assertOpen();
    const [head] = await this.#reader.head();
    return position(head);
  }

  async positionBefore(recordedMs: number): Promise<Position> {
    this.#parts.session.assertOpen();
    return position(await this.#reader.positionBefore(recordedMs));
  }

  async count(after: Position, upTo: Position, limit: number): Promise<number> {
    this.#parts.session.assertOpen();
    return this.#reader.count(after, upTo, limit);
  }

  watch(listener: AppendListener): () => void {
    this.#parts.session.assertOpen();
    const stop = this.#parts.watchers.watch(listener);
    this.#parts.watched();
    return stop;
  }

  /** In steps, so that a long stream holds up nobody; a step that fails leaves the rest for the next call. */
  async truncateStream(stream: string, beforeVersion: number): Promise<number> {
    let removed = 0;
    for (let more = true; more;) {
      const step = await this.#parts.writes.alone(REMOVAL_BYTES, (queries) =>
        truncateStep(queries, stream, beforeVersion),
      );
      removed += step.removed;
      more = step.more;
    }
    return removed;
  }

  async deleteStream(stream: string): Promise<number> {
    const version = await this.#parts.writes.alone(REMOVAL_BYTES, (queries) => markDeleted(queries, stream));
    return this.truncateStream(stream, version + 1);
  }

  trim(request: TrimRequest): Promise<TrimOutcome> {
    return this.#parts.stateWrites.alone(REMOVAL_BYTES, (queries) => trim(queries, request));
  }

  async trimWhole(requests: readonly Omit<TrimRequest, 'limit'>[]): Promise<readonly number[]> {
    // Refused where the store is open for reading.
    await this.#parts.stateWrites.alone(0, async () => undefined);
    return dropPartitions(this.#parts.database, requests);
  }
}

function ofRequest(outcome: UnitOutcome | undefined): AppendOutcome {
  if (outcome?.ok === true && outcome.appends[0] !== undefined) return outcome.appends[0];
  if (outcome?.ok === false && outcome.refusal !== undefined) return outcome.refusal;
  throw new Error('an append without an outcome');
}

/** The caller may go on using its objects while the request waits. */
export function detached({ events, expected, unless, command, onDuplicate }: AppendRequest): AppendRequest {
  return {
    events: events.map((event) => ({ ...event, attributes: event.attributes && { ...event.attributes } })),
    ...(expected && { expected: expected.map((claim) => ({ ...claim })) }),
    ...(unless && { unless: unless.map((claim) => ({ ...claim })) }),
    ...(command && { command: structuredClone(command) }),
    onDuplicate,
  };
}

/** Roughly what a request holds in memory. */
export function bytesOf(request: AppendRequest): number {
  let bytes = 0;
  for (const event of request.events) bytes += encodedBytes(event);
  return bytes;
}
