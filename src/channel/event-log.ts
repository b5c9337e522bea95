import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import type { CommandEntry, QueryClaim, RecordedCommand } from './append-conditions.ts';

/** A writer's claim about a stream: its exact version (0 = no events), or one of the three words. */
export type ExpectedVersion = number | 'none' | 'exists' | 'any';

export interface StreamClaim {
  readonly stream: string;
  readonly version: ExpectedVersion;
  /**
   * The last event of the stream is this one, and not another of the same version: for a writer that goes on from what it has handed in and
   * that is not recorded yet.
   */
  readonly last?: Pick<EncodedEvent, 'source' | 'id'>;
}

/**
 * One atomic write: all events or none, each to its own stream, in the given order.
 *
 * Shape     events: at least one, or none with a command. Versions follow each stream's last one without a gap.
 */
export interface AppendRequest {
  readonly events: readonly EncodedEvent[];
  /**
   * Checked in the same transaction, against the streams as they are before this request. A stream that the request does not
   * write to may be named too. Any claim but `any` about a deleted stream is refused as `stream-deleted`.
   */
  readonly expected?: readonly StreamClaim[];
  /** Checked in the same transaction, against the log as it is before this request. Lifted where the request holds a known event. */
  readonly unless?: readonly QueryClaim[];
  /** Remembered with the events, for ever. One whose id is known refuses the request before everything else. */
  readonly command?: CommandEntry;
  /**
   * What to do when an event's (source, id) is known: `verify` compares the content and refuses another one (G2);
   * `keep-first` lets the first fact stand whatever this one says (for ids that are derived from a cause).
   * When the request holds an event that the log knows from before, the claims about the stream which that event names are
   * not checked: the write they were made for has happened. A repetition inside the request is a duplicate of the first
   * one (same comparison), but lifts no claim.
   */
  readonly onDuplicate: 'verify' | 'keep-first';
}

/** The place of one event of a request. A duplicate has the place of the first one. */
export interface Appended {
  readonly stream: string;
  readonly version: number;
  readonly position: Position;
  readonly recordedMs: number;
  readonly duplicate: boolean;
}

/**
 * What became of a request. Refusals are outcomes, not exceptions: nothing of the request was written.
 *
 * Of several reasons to refuse the first one counts: a known command, the events in their order (a known one with other content, a new one
 * for a deleted stream; a known one for a deleted stream is a duplicate), then the claims in their order, then those about queries.
 * `differs` is never empty: names as of `contentDifference`, or `content` alone when the first one was trimmed. `position` is
 * START when the first one stands in the same refused request or unit.
 */
export type AppendOutcome =
  | { readonly ok: true; readonly events: readonly Appended[] }
  | {
      readonly ok: false;
      readonly reason: 'version-conflict';
      readonly stream: string;
      readonly expected: ExpectedVersion;
      readonly actual: number;
    }
  | {
      readonly ok: false;
      readonly reason: 'content-conflict';
      readonly source: string;
      readonly id: string;
      readonly position: Position;
      readonly differs: readonly string[];
    }
  | { readonly ok: false; readonly reason: 'stream-deleted'; readonly stream: string }
  /** `claim`: which one did not hold. `position`: of the first event that stands against it; START when it stands in the same unit. */
  | { readonly ok: false; readonly reason: 'query-conflict'; readonly claim: number; readonly position: Position }
  | { readonly ok: false; readonly reason: 'command-known'; readonly command: RecordedCommand };

export interface ReadOptions {
  /** Events above this position (forward) or below it (backward). Default: the respective end of the log. */
  readonly after?: Position;
  readonly direction?: 'forward' | 'backward';
  /** At most this many events, 1 to 10,000. */
  readonly limit: number;
  /** Only events of these types; none for an empty list. A backend may use an index; the result is the same. */
  readonly types?: readonly string[];
  /** Only events that have all of these tags. Not together with `correlationid`. */
  readonly tags?: readonly string[];
  readonly correlationid?: string;
  /** The answer ends with the event that makes it so large (`roughBytes`). A short answer is then not the end of the log; an empty one is. */
  readonly maxBytes?: number;
}

export interface ReadStreamOptions {
  /** First version wanted (forward, default 1) or last one (backward, default the newest). */
  readonly fromVersion?: number;
  readonly direction?: 'forward' | 'backward';
  readonly limit: number;
  /** As of a read of the log. */
  readonly maxBytes?: number;
}

/** A stream as it stands. */
export interface StreamState {
  readonly stream: string;
  /** The last version, 0 when nothing was ever appended; trimmed events count. */
  readonly version: number;
  /** The lowest version that can still be read; version + 1 when none. */
  readonly firstVersion: number;
  readonly deleted: boolean;
}

export interface ListStreamsOptions {
  readonly category?: string;
  /** Names above this one, in code point order. */
  readonly after?: string;
  readonly limit: number;
}

/** One rule of retention: which events of a category may go, those that either bound names; oldest first. No bound names none. */
export interface TrimRequest {
  readonly category: string;
  /** Remove events recorded before this instant (milliseconds since 1970). */
  readonly recordedBeforeMs?: number;
  /** Keep at most this many, the newest; protected ones count. */
  readonly keepNewest?: number;
  /** Never remove an event above this position. */
  readonly notAbove: Position;
  /** Positions that must stay (events that dead letters and waiting deliveries point to). Ascending. */
  readonly keep: readonly Position[];
  /** At most this many events in one call, so that a trim never holds up writers for long. 0: only tells whether there are `more`. */
  readonly limit: number;
}

export interface TrimOutcome {
  readonly removed: number;
  /** True when events that the rule names are still there because of `limit`. */
  readonly more: boolean;
  /** Events that the rule names but that `notAbove` or `keep` protect: all of them, whatever `limit` is. */
  readonly protected: number;
}

/** Told after a write became durable and visible, in log order. `events` is absent where the backend only knows that something came. */
export type AppendListener = (head: Position, events: readonly RecordedEvent[] | undefined) => void;

/**
 * The durable, ordered record of facts. The port behind the channel.
 *
 * Guarantee Atomic: an append request is recorded whole or not at all and readers see it whole (G3).
 *           Ordered: positions rise in commit order and become visible in that order; versions are gapless per stream (G5).
 *           Durable: an outcome is reported after the write was flushed to the medium (G1).
 *           Idempotent: a known (source, id) is never stored again, also after its event was trimmed (G2).
 *           Safe to call concurrently; concurrent requests may share one flush, each with its own outcome; those of one process
 *           take effect in the order of the calls.
 * Errors    StoreUnavailable when the medium fails: the request was not written. SystemFull when too much is waiting.
 *           Closed after close. StoreReadOnly for writes to a read-only store.
 */
export interface EventLog {
  append(request: AppendRequest): Promise<AppendOutcome>;
  /** Events in position order. */
  read(options: ReadOptions): Promise<readonly RecordedEvent[]>;
  /** Events of one stream in version order; empty when there is no such stream. */
  readStream(stream: string, options: ReadStreamOptions): Promise<readonly RecordedEvent[]>;
  streamState(stream: string): Promise<StreamState>;
  /** Streams in name order, deleted ones too, without those that never had an event. */
  listStreams(options: ListStreamsOptions): Promise<readonly StreamState[]>;
  /** By identity. Undefined when unknown or trimmed. */
  find(source: string, id: string): Promise<RecordedEvent | undefined>;
  /** Every event with this id, whatever its source, in the order of the log. */
  findById(id: string): Promise<readonly RecordedEvent[]>;
  /** A command that was recorded, by its id. */
  findCommand(id: string): Promise<RecordedCommand | undefined>;
  /** Position of the last event, START when there was none. Trimming does not lower it. */
  head(): Promise<Position>;
  /** The position after which come exactly the events recorded at or after the instant. The head when there are none. */
  positionBefore(recordedMs: number): Promise<Position>;
  /** How many readable events have a position in (after, upTo]. Exact up to `limit`, then `limit`. */
  count(after: Position, upTo: Position, limit: number): Promise<number>;
  /** Calls the listener for every later append until the returned function is called. One that throws is logged and disturbs nobody. */
  watch(listener: AppendListener): () => void;
  /** Removes the events of a stream that are now below `beforeVersion`; answers how many. Their ids stay known, its version stays. */
  truncateStream(stream: string, beforeVersion: number): Promise<number>;
  /**
   * Removes all events of a stream and refuses later appends to it, for ever, also when it never had an event. Its version and
   * the ids stay known. Answers how many events it removed.
   */
  deleteStream(stream: string): Promise<number>;
  trim(request: TrimRequest): Promise<TrimOutcome>;
  /**
   * Removes stretches of the log as a whole, oldest first, for as long as the requests name every event in the next one: for much less than
   * what they cost event by event. Answers how many events of each request went. Undefined: the log is in one piece.
   */
  trimWhole?(requests: readonly Omit<TrimRequest, 'limit'>[]): Promise<readonly number[]>;
}
