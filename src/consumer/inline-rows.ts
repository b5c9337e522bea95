import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import type { ConsumerForm } from './checkpoint-store.ts';
import type { RowWrite } from './row-store.ts';

/** What a projection may ask of the store in the middle of a write. */
export interface InlineLook {
  /** A row as the write found it. */
  row(namespace: string, key: string): JsonValue | undefined;
  /** An event of the log, those of the write included. */
  find(source: string, id: string): RecordedEvent | undefined;
}

/**
 * What a store asks of a projection whose rows are changed where events are recorded. All of it is called in the middle of a write, and has to be
 * done when it returns.
 */
export interface InlineProjection {
  /** Whose checkpoint goes with the rows. */
  readonly consumer: string;
  /** Where its rows are. */
  readonly namespace: string;
  /** What the consumer is by the program that asks; undefined: whatever the store says. */
  readonly form?: ConsumerForm | undefined;
  /** The lane of an event, where nodes share the work. */
  laneOf(event: RecordedEvent): number;
  /** The keys of the rows of its namespace that `project` is going to look at, as far as that can be told before. */
  keysOf(events: readonly RecordedEvent[]): readonly string[];
  /**
   * What comes of events, in their order: the changed rows, each once.
   *
   * Errors    Whatever the program throws: then nothing of it counts.
   */
  project(events: readonly RecordedEvent[], look: InlineLook): readonly RowWrite[];
  /**
   * Everything up to `head` is durable, with what was projected last.
   *
   * `handled`: so many events of it were for the projection, where that was handed over. Heads come in any order then.
   */
  kept(head: Position, handled?: number): void;
  /** What was projected last is not written. */
  undone(): void;
  /** From here on the store itself remembers what was projected last. Answers how many of the events were for the projection. */
  handOver(): number;
  /** Rows were changed by somebody else: what is remembered of them may be wrong. */
  forget(): void;
  /** The store projects it no longer, since the last `kept`; and why. Of an `end`, only where that failed. */
  ended(reason: unknown): void;
}

/** What a store brings up itself when a projection begins: about 10 ms of work, in which writers wait. */
export const INLINE_EVENTS = 2_000;

/**
 * Changes the rows of projections in the very transaction that appends the events, whoever appends through this store.
 *
 * States    of a projection: not projected → projected (`begin`) → not projected (`end`, or by itself).
 * Guarantee While it is projected, every write that appends events also writes what comes of them, and the checkpoint of the consumer is at the
 *           head: all of it or none, before listeners and the writer are told. So rows, events and checkpoint are never seen apart.
 *           Rows are read once per flush and key and written once.
 *           Where several processes write, it is projected as long as all who append do so: one that does not know it ends it, on all nodes,
 *           by the very append. What names a form is projected only while the consumer has that form.
 *           It is projected only where in that transaction the checkpoint of its consumer is at the head before the write, the consumer is not
 *           paused, and nothing of it is set aside. A write that finds it otherwise, or for which it throws, leaves its rows and its
 *           checkpoint as they were, ends it, and is recorded all the same: a fact is a fact.
 *           `begin` and `end` take effect in the order of the calls with appends and units. Safe concurrently.
 * Errors    As EventLog.append.
 */
export interface InlineRows {
  /**
   * Brings it to the head, with what its checkpoint does not say to be done, and goes on from there, in one transaction. Answers whether it does:
   * not where more than INLINE_EVENTS events lie between, where it throws, or where the consumer is not known, is paused, or has something set
   * aside. Then nothing was changed.
   */
  begin(projection: InlineProjection): Promise<boolean>;
  /** When it has returned the checkpoint is the consumer's own again: no later write changes it or the rows. */
  end(consumer: string): Promise<void>;
}
