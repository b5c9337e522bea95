import { checkpointOf, isDone } from '../../consumer/checkpoint-store.ts';
import type { Checkpoint } from '../../consumer/checkpoint-store.ts';
import { INLINE_EVENTS } from '../../consumer/inline-rows.ts';
import type { InlineLook, InlineProjection, InlineRows } from '../../consumer/inline-rows.ts';
import { WrongState } from '../../errors.ts';
import type { RecordedEvent } from '../../event/event.ts';
import { position } from '../../event/position.ts';
import type { SqliteCheckpointStore } from './checkpoint-store.ts';
import type { Database } from './database.ts';
import { isMediumError } from './database.ts';
import type { EventWriter } from './event-writer.ts';
import type { GroupCommit, Write } from './group-commit.ts';
import type { LogReader } from './log-reader.ts';
import type { SqliteRowStore } from './row-store.ts';
import { prepareRow } from './row-store.ts';

export interface InlineParts {
  readonly database: Database;
  readonly writes: () => Pick<GroupCommit, 'submit'>;
  readonly writer: EventWriter;
  readonly reader: LogReader;
  readonly rows: () => SqliteRowStore;
  readonly checkpoints: () => SqliteCheckpointStore;
  readonly nowMs: () => number;
}

/** What a begin holds in memory while it waits, roughly. */
const BEGIN_BYTES = 4_096;
const PLACE = 'SELECT low, done FROM consumers WHERE consumer = ? AND paused_since_ms IS NULL';
const SET_ASIDE = 'SELECT 1 FROM deliveries WHERE consumer = ? LIMIT 1';

/**
 * Projects what a flush has appended, as the last step of its transaction: when everything that is refused has been taken back.
 *
 * Invariants 1. A projection that throws has written nothing: its rows are computed before any of them is written.
 *            2. One whose rows cannot be written is ended, and the flush is done again without it.
 *            3. Who asks to begin is projected from the flush on that brings it to the head; until that is durable it is not among the others.
 *            4. Who was ended is told when the flush is over, however it ended: what it is told never turns out not to be.
 */
export class SqliteInlineRows implements InlineRows {
  readonly #parts: InlineParts;
  readonly #look: InlineLook;
  readonly #projected = new Map<string, InlineProjection>();
  /** Those that this flush is to bring to the head. */
  #beginning: BeginWrite[] = [];
  /** Those whose rows this flush has written. */
  #written: InlineProjection[] = [];
  #ended: { readonly projection: InlineProjection; readonly reason: unknown }[] = [];

  constructor(parts: InlineParts) {
    this.#parts = parts;
    this.#look = {
      row: (namespace, key) => parts.rows().read(namespace, key),
      find: (source, id) => parts.reader.find({ source, id }),
    };
  }

  begin(projection: InlineProjection): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#parts.writes().submit(new BeginWrite(projection, (write) => this.#beginning.push(write), resolve, reject));
    });
  }

  end(consumer: string): Promise<void> {
    let ended: InlineProjection | undefined;
    return new Promise((resolve, reject) => {
      this.#parts.writes().submit({
        bytes: 0,
        apply: () => {
          ended ??= this.#projected.get(consumer);
          this.#projected.delete(consumer);
        },
        settle: resolve,
        fail(error) {
          // It is projected no longer, also where its flush failed.
          ended?.ended(error);
          reject(error);
        },
      });
    });
  }

  /** Some projection wants to know what is appended. */
  get any(): boolean {
    return this.#projected.size > 0;
  }

  /** Part of a flush: all else of it is written. False: it has to be done again. */
  finish(): boolean {
    if (this.#projected.size === 0 && this.#beginning.length === 0) return true;
    this.#lookForChanges();
    const events = this.#parts.writer.appended;
    if (events.length > 0)
      for (const projection of this.#projected.values()) {
        const failure = this.#appended(projection, events);
        if (failure === undefined) continue;
        this.#projected.delete(projection.consumer);
        this.#ended.push({ projection, reason: failure.reason });
        if (failure.isWritten) return false;
      }
    for (const write of this.#beginning) if (!this.#begins(write)) return false;
    return true;
  }

  /** The flush is durable. */
  committed(): void {
    const head = position(this.#parts.writer.head);
    for (const projection of this.#written.splice(0)) projection.kept(head);
    for (const { projection, isBegun } of this.#beginning.splice(0))
      if (isBegun) this.#projected.set(projection.consumer, projection);
    this.#tellEnded();
  }

  /** The database was rolled back. */
  forget(): void {
    for (const projection of this.#written.splice(0)) projection.undone();
    // What they have read may have been written by what was rolled back.
    for (const projection of this.#projected.values()) projection.forget();
    for (const { projection } of this.#beginning.splice(0)) projection.forget();
    this.#tellEnded();
  }

  #appended(projection: InlineProjection, events: readonly RecordedEvent[]): Failure | undefined {
    const { writer } = this.#parts;
    const place = this.#placeOf(projection.consumer);
    if (place?.low !== writer.head || this.#hasSetAside(projection.consumer)) return CHANGED_BESIDE;
    return this.#write(projection, events);
  }

  /** False: the flush has to be done again, in which it is not begun. */
  #begins(write: BeginWrite): boolean {
    const { projection } = write;
    const { reader, writer } = this.#parts;
    write.isBegun = false;
    if (write.isRefused) return true;
    const place = this.#placeOf(projection.consumer);
    if (place === undefined || place.low > writer.last || this.#hasSetAside(projection.consumer)) return true;
    const events = reader.read({ after: place.low, limit: INLINE_EVENTS + 1 });
    if (events.length > INLINE_EVENTS) return true;
    const missing = events.filter((event) => !isDone(place, event.position));
    const failure = this.#write(projection, missing);
    write.isBegun = failure === undefined;
    if (failure === undefined) return true;
    write.isRefused = true;
    return !failure.isWritten;
  }

  #write(projection: InlineProjection, events: readonly RecordedEvent[]): Failure | undefined {
    const { rows, checkpoints, writer, nowMs } = this.#parts;
    let isWritten = false;
    try {
      const writes = projection.project(events, this.#look).map(prepareRow);
      isWritten = true;
      for (const row of writes) rows().write(row);
      checkpoints().advance(projection.consumer, position(writer.last), '[]', nowMs());
    } catch (reason) {
      projection.undone();
      if (isMediumError(reason)) throw reason;
      return { reason, isWritten };
    }
    this.#written.push(projection);
    return undefined;
  }

  /** How far the consumer is, while it runs. */
  #placeOf(consumer: string): Checkpoint | undefined {
    const row = this.#parts.database.query<[low: number, done: string]>(PLACE).get(consumer);
    return row && checkpointOf(...row);
  }

  #hasSetAside(consumer: string): boolean {
    return this.#parts.database.query(SET_ASIDE).get(consumer) !== undefined;
  }

  #lookForChanges(): void {
    const { changedBeside } = this.#parts.rows();
    if (changedBeside.size === 0) return;
    for (const projection of this.#projected.values()) if (changedBeside.has(projection.namespace)) projection.forget();
    changedBeside.clear();
  }

  #tellEnded(): void {
    for (const { projection, reason } of this.#ended.splice(0)) projection.ended(reason);
  }
}

/** `isWritten`: some of its rows may be written. */
interface Failure {
  readonly reason: unknown;
  readonly isWritten: boolean;
}

const CHANGED_BESIDE: Failure = { reason: new WrongState('the consumer was changed beside it'), isWritten: false };

/** Asks for a place among those that are projected. */
class BeginWrite implements Write {
  readonly bytes = BEGIN_BYTES;
  readonly projection: InlineProjection;
  readonly fail: (error: unknown) => void;
  isBegun = false;
  /** Its rows could not be written: it is not tried again. */
  isRefused = false;
  readonly #applied: (write: BeginWrite) => void;
  readonly #resolve: (isBegun: boolean) => void;

  constructor(
    projection: InlineProjection,
    applied: (write: BeginWrite) => void,
    resolve: (isBegun: boolean) => void,
    reject: (error: unknown) => void,
  ) {
    this.projection = projection;
    this.#applied = applied;
    this.#resolve = resolve;
    this.fail = reject;
  }

  apply(): void {
    this.#applied(this);
  }

  settle(): void {
    this.#resolve(this.isBegun);
  }
}
