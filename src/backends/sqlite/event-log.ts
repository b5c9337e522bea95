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
import type { Position } from '../../event/position.ts';
import { position } from '../../event/position.ts';
import type { CommandTable } from './command-table.ts';
import type { EventWriter } from './event-writer.ts';
import type { GroupCommit, Write } from './group-commit.ts';
import { writeOnce } from './group-commit.ts';
import type { LogReader } from './log-reader.ts';
import type { HeadPoll } from './head-poll.ts';
import type { LogWatchers } from '../../channel/log-watchers.ts';
import type { Retention } from './retention.ts';
import type { Session } from './session.ts';
import type { StreamIndex } from './stream-index.ts';
import type { StreamReader } from './stream-reader.ts';

/** What a stored event takes beside its data, roughly. */
const EVENT_OVERHEAD_BYTES = 300;

export interface LogParts {
  readonly session: Session;
  readonly writes: Pick<GroupCommit, 'submit'>;
  readonly writer: EventWriter;
  readonly reader: LogReader;
  readonly commands: CommandTable;
  readonly index: StreamIndex;
  readonly streams: StreamReader;
  readonly retention: Retention;
  readonly watchers: LogWatchers;
  /** Where another process writes: nothing here tells of its appends. */
  readonly poll: HeadPoll | undefined;
}

export class SqliteEventLog implements EventLog {
  readonly #parts: LogParts;

  constructor(parts: LogParts) {
    this.#parts = parts;
  }

  append(request: AppendRequest): Promise<AppendOutcome> {
    return new Promise((resolve, reject) => {
      this.#parts.writes.submit(new AppendWrite(this.#parts.writer, request, resolve, reject));
    });
  }

  async read(options: ReadOptions): Promise<readonly RecordedEvent[]> {
    return this.#parts.session.read(() => this.#parts.reader.read(options));
  }

  async readStream(stream: string, options: ReadStreamOptions): Promise<readonly RecordedEvent[]> {
    return this.#readStreams((streams) => streams.read(stream, options));
  }

  async streamState(stream: string): Promise<StreamState> {
    return this.#readStreams((streams) => streams.state(stream));
  }

  async listStreams(options: ListStreamsOptions): Promise<readonly StreamState[]> {
    return this.#readStreams((streams) => streams.list(options));
  }

  async find(source: string, id: string): Promise<RecordedEvent | undefined> {
    return this.#parts.session.read(() => this.#parts.reader.find({ source, id }));
  }

  async findById(id: string): Promise<readonly RecordedEvent[]> {
    return this.#parts.session.read(() => this.#parts.reader.findById(id));
  }

  async findCommand(id: string): Promise<RecordedCommand | undefined> {
    return this.#parts.session.read(() => this.#parts.commands.find(id));
  }

  async head(): Promise<Position> {
    const { session, poll, reader, writer } = this.#parts;
    return position(session.read(() => (poll === undefined ? writer.head : reader.head()[0])));
  }

  async positionBefore(recordedMs: number): Promise<Position> {
    return position(this.#parts.session.read(() => this.#parts.reader.positionBefore(recordedMs)));
  }

  async count(after: Position, upTo: Position, limit: number): Promise<number> {
    return this.#parts.session.read(() => this.#parts.reader.count(after, upTo, limit));
  }

  watch(listener: AppendListener): () => void {
    const { session, watchers, poll } = this.#parts;
    session.assertOpen();
    const stop = watchers.watch(listener);
    poll?.start();
    return stop;
  }

  async truncateStream(stream: string, beforeVersion: number): Promise<number> {
    const { version } = await this.#removal(() => this.#parts.index.head(stream));
    return this.#truncate(stream, Math.min(beforeVersion, version + 1));
  }

  async deleteStream(stream: string): Promise<number> {
    const version = await this.#removal(() => this.#parts.retention.markDeleted(stream));
    return this.#truncate(stream, version + 1);
  }

  trim(request: TrimRequest): Promise<TrimOutcome> {
    return this.#removal(() => this.#parts.retention.trim(request));
  }

  /** In steps, so that a long stream holds up nobody; a step that fails leaves the rest for the next call. */
  async #truncate(stream: string, beforeVersion: number): Promise<number> {
    let removed = 0;
    for (let more = true; more;) {
      const step = await this.#removal(() => this.#parts.retention.truncateStream(stream, beforeVersion));
      removed += step.removed;
      more = step.more;
    }
    return removed;
  }

  #removal<Result>(change: () => Result): Promise<Result> {
    return writeOnce(this.#parts.writes, EVENT_OVERHEAD_BYTES, () => {
      const result = change();
      this.#parts.writer.identitiesRetired();
      return result;
    });
  }

  async #readStreams<Answer>(question: (streams: StreamReader) => Answer): Promise<Answer> {
    const { session, poll, index, streams } = this.#parts;
    return session.read(() => {
      if (poll !== undefined) index.catchUp();
      return question(streams);
    });
  }
}

/** One request on its way through a flush. */
class AppendWrite implements Write {
  readonly bytes: number;
  readonly #writer: EventWriter;
  readonly #request: AppendRequest;
  readonly #resolve: (outcome: AppendOutcome) => void;
  readonly fail: (error: unknown) => void;
  #start = 0;
  #outcome: AppendOutcome | undefined;

  constructor(
    writer: EventWriter,
    request: AppendRequest,
    resolve: (outcome: AppendOutcome) => void,
    reject: (error: unknown) => void,
  ) {
    this.bytes = bytesOf(request);
    this.#writer = writer;
    this.#request = request;
    this.#resolve = resolve;
    this.fail = reject;
  }

  apply(): void {
    this.#start = this.#writer.savepoint();
    const outcome = this.#writer.append(this.#request, this.#start);
    if (!outcome.ok) this.takeBack();
    this.#outcome = outcome;
  }

  takeBack(): void {
    this.#writer.takeBack(this.#start);
  }

  settle(): void {
    if (this.#outcome !== undefined) this.#resolve(this.#outcome);
  }
}

/** Roughly what a request holds in memory. */
export function bytesOf(request: AppendRequest): number {
  let bytes = 0;
  for (const event of request.events) bytes += EVENT_OVERHEAD_BYTES + (event.data?.length ?? 0);
  return bytes;
}
