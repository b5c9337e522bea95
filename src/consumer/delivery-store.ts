import type { JsonValue } from '../event/json.ts';
import type { OPENING, Opening } from '../event/opening.ts';
import type { Position } from '../event/position.ts';

/**
 * - `retrying`: failed, to be attempted again at `dueMs`;
 * - `parked`: a dead letter, waits for an operator;
 * - `waiting`: behind an earlier delivery of its key that is retrying or parked (ordered), or not yet due (queue).
 */
export type DeliveryState = 'retrying' | 'parked' | 'waiting';

/** What went wrong, safe to store and to show. */
export interface StoredError {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly stack: string | undefined;
  readonly cause: StoredError | undefined;
  /** Of an attempt that does several things: what of it failed. */
  readonly part?: FailedPart;
}

/** One of the things that come of an event, or of time. */
export interface FailedPart {
  /** The same on every attempt. */
  readonly id: string;
  /** In words. */
  readonly what: string;
  /** That of the event which is handed over; undefined: it is about several, or none. */
  readonly position?: Position;
}

/** What an operator wants otherwise. */
export interface Edited {
  /** Data that replaces that of the event. */
  readonly data?: JsonValue;
  /** The schema version that `data` is of, which may be older than the one that it is read in later. Default: that of the event. */
  readonly dataVersion?: number;
  /** Parts that are given up, by their ids. */
  readonly without?: readonly string[];
  /** Data that replaces that of events which are handed over, by the ids of these parts. */
  readonly instead?: Readonly<Record<string, JsonValue>>;
  /** The schema versions of those data, by the same ids. */
  readonly insteadVersions?: Readonly<Record<string, number>>;
  /** Reads what is sealed in these data. No part of what is stored. */
  readonly [OPENING]?: Opening | undefined;
}

/** An event that a consumer has set aside: a pointer, never a copy. Unless an operator edited its data. */
export interface Delivery {
  readonly consumer: string;
  readonly position: Position;
  readonly key: string;
  readonly state: DeliveryState;
  /** Attempts made so far. */
  readonly attempts: number;
  readonly firstFailedMs: number | undefined;
  readonly lastFailedMs: number | undefined;
  /** Not to be attempted before this instant; undefined: not by time alone. */
  readonly dueMs: number | undefined;
  /** Higher first. 0 unless the consumer says otherwise. */
  readonly priority: number;
  readonly error: StoredError | undefined;
  /** After edit-and-retry, or after a part was given up. */
  readonly edited: Edited | undefined;
  /** Of a consumer that goes by event time: how far that had come when the event was taken. Undefined: it does not, or this was not known. */
  readonly taken: TakenAt | undefined;
}

/** Event time before an event and with it; null: nothing was known. */
export interface TakenAt {
  readonly watermarkMs: number | null;
  readonly afterMs: number | null;
  /** Its event was handled before, and what failed is what time alone brought on, up to then. */
  readonly due?: true;
}

export interface ListDeliveriesOptions {
  readonly consumer?: string;
  readonly key?: string;
  readonly states?: readonly DeliveryState[];
  /** Those after this one in (consumer, position) order. */
  readonly after?: { readonly consumer: string; readonly position: Position };
  readonly limit: number;
}

export interface DeliveryCount {
  readonly consumer: string;
  readonly state: DeliveryState;
  readonly count: number;
}

/**
 * Remembers what consumers have set aside. Written through UnitOfWork, so that setting aside and checkpoint are one.
 *
 * Guarantee Reads see every committed unit. Safe concurrently.
 */
export interface DeliveryStore {
  get(consumer: string, position: Position): Promise<Delivery | undefined>;
  /** In (consumer, position) order. */
  list(options: ListDeliveriesOptions): Promise<readonly Delivery[]>;
  /** For each key of a consumer that has deliveries, its first one and how many there are, in key order; keys above `after`. */
  heldKeys(
    consumer: string,
    after: string | undefined,
    limit: number,
  ): Promise<readonly { readonly first: Delivery; readonly count: number }[]>;
  /** How many deliveries of a key are in a state. */
  countOfKey(consumer: string, key: string, state: DeliveryState): Promise<number>;
  /** Deliveries in state retrying or waiting that are due at or before `untilMs`, by (priority descending, dueMs, position). */
  due(consumer: string, untilMs: number, limit: number): Promise<readonly Delivery[]>;
  /** The earliest due time later than `afterMs` among a consumer's deliveries in state retrying or waiting. */
  nextDueMs(consumer: string, afterMs: number): Promise<number | undefined>;
  counts(): Promise<readonly DeliveryCount[]>;
  /** Every position that a delivery of any consumer points to, ascending, without repeats. */
  positions(after: Position, limit: number): Promise<readonly Position[]>;
}
