import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { START } from '../event/position.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { asStored } from '../event/upcast-event.ts';
import type { Delivery } from './delivery-store.ts';
import { placeOfKey } from './keys.ts';
import type { Work, WorkTime } from './key-queues.ts';
import { HELD_INDEX } from './reaction.ts';
import type { KeyedState, ReactionTime } from './reaction.ts';
import type { RowStore } from './row-store.ts';
import { Timers } from './timers.ts';

export interface DueKeysOptions {
  readonly state: Pick<KeyedState, 'form' | 'indexes' | 'namespace'>;
  readonly time: Pick<ReactionTime, 'dueMs' | 'expected'>;
  readonly rows: Pick<RowStore, 'getMany' | 'query'>;
  /** Whether this node handles the events of a key. */
  readonly isMine: (key: string) => boolean;
  /** Whether the key is set aside: time stands still for it. */
  readonly isHeld: (key: string) => boolean;
  readonly hasRoom: () => boolean;
  /** How far event time has come. */
  readonly watermarkMs: () => number;
  /** Makes the states of keys ready. */
  readonly prefetch: (keys: readonly string[]) => Promise<void>;
  readonly submit: (work: Work) => void;
  /** Something that was due is under way no longer. */
  readonly ended: () => void;
  /** As of KeySlots. */
  readonly seed: number;
}

/** Keys whose states are read together. */
const BATCH = 256;
/** After so many others get their turn, and what came of them is committed before more does: it takes memory until then. */
const TURN = 4_096;
/** Of states, which may be large. */
const PAGE = 256;

/**
 * Brings on what time alone brings on: keys are handled again when the watermark has come to where their state wants it.
 *
 * Invariants
 * 1. A key whose stored state is due is waiting for its time, being handled, or held; so nothing is missed, over restarts too, and nothing polls.
 * 2. In memory is an entry per key that waits for a time, not its state.
 */
export class DueKeys {
  readonly #options: DueKeysOptions;
  readonly #timers: Timers;
  /** How many events wait in the states of keys, of those in which some do. */
  readonly #holding = new Map<string, number>();
  /** Keys that are held, and when they were due. */
  readonly #held = new Map<string, number>();
  /** Keys that are being handled, and when they were due; of one that is due again before it is done, when it is next. */
  readonly #underWay = new Map<string, DueKey>();
  /** Expected keys of which nothing is known yet. */
  #expected: readonly string[] = [];
  #working = false;
  #stopped = false;

  constructor(options: DueKeysOptions) {
    this.#options = options;
    this.#timers = new Timers(options.seed);
  }

  /** Keys that wait for a time, held ones too. */
  get size(): number {
    return this.#timers.size + this.#held.size;
  }

  /** Events that wait in the states of keys for others. */
  get events(): number {
    let sum = 0;
    for (const events of this.#holding.values()) sum += events;
    return sum;
  }

  /** Something that is due is being brought on, or waits for room. */
  get busy(): boolean {
    return this.#working || this.#underWay.size > 0 || this.#isDue;
  }

  /** When the next one is due, in event time; undefined: none is. */
  get nextMs(): number | undefined {
    return this.#timers.nextMs();
  }

  /** When the first is due of those that wait for their time or are being handled; not of those that were set aside. Undefined: none is. */
  get earliestMs(): number | undefined {
    let least = this.#timers.nextMs() ?? Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#underWay.values()) least = Math.min(least, dueMs);
    return least === Number.POSITIVE_INFINITY ? undefined : least;
  }

  /** Reads what the store knows. Called once, before the first event is taken. */
  async load(): Promise<void> {
    const { rows, state, time, isMine } = this.#options;
    const mine = time.expected.filter((key) => isMine(key));
    const known = await rows.getMany(state.namespace, mine);
    // A row that means nothing to the present definition is none.
    this.#expected = mine.filter((_key, index) => {
      const row = known[index];
      return row === undefined || this.#restored(row) === undefined;
    });
    for (let after: { key: string; value: undefined } | undefined; ;) {
      const page = await rows.query(state.namespace, { limit: PAGE, ...(after === undefined ? {} : { after }) });
      for (const { key, value } of page) if (isMine(key)) this.#restore(key, value);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      after = { key: last.key, value: undefined };
    }
  }

  #restore(key: string, row: JsonValue): void {
    const { state, time } = this.#options;
    const value = this.#restored(row);
    if (value === undefined) return;
    this.#waits(key, time.dueMs(value));
    const held = state.indexes(value)[HELD_INDEX];
    if (typeof held === 'number') this.holds(key, held);
  }

  /** Undefined: it means nothing to the present definition, and the key begins anew. */
  #restored(row: JsonValue): JsonValue | undefined {
    const { form } = this.#options.state;
    return form === undefined ? row : form.restored(row);
  }

  #waits(key: string, dueMs: number): void {
    this.#timers.set(key, Number.isFinite(dueMs) ? dueMs : undefined);
  }

  /** Something is to be known of time, and is not yet. */
  get awaitsTime(): boolean {
    return this.#expected.length > 0;
  }

  /**
   * Time is known, by an event and maybe since before it: what is expected counts from then on. The event is the cause of what is said of a key
   * until there is one of its own, for each at a place of the key's own, since what fails is known by its place.
   */
  expectSince(event: RecordedEvent, time: WorkTime & { readonly expectedSinceMs: number }): void {
    const keys = this.#expected;
    this.#expected = [];
    for (const key of keys) {
      const cause = recordedEvent({ ...asStored(event).stored, position: placeOfKey(key) });
      this.#options.submit({ event: cause, key, pending: undefined, delivery: undefined, time, ended: undefined });
    }
  }

  /** The state of a key is another; undefined: it has none. */
  changed(key: string, state: JsonValue | undefined): void {
    const dueMs = state === undefined ? Number.POSITIVE_INFINITY : this.#options.time.dueMs(state);
    this.#held.delete(key);
    this.#waits(key, dueMs);
    if (dueMs <= this.#options.watermarkMs()) this.advance();
  }

  /** So many events wait in the state of a key. */
  holds(key: string, events: number): void {
    if (events > 0) this.#holding.set(key, events);
    else this.#holding.delete(key);
  }

  /** A key is held no longer. */
  released(key: string): void {
    const dueMs = this.#held.get(key);
    if (dueMs === undefined) return;
    this.#held.delete(key);
    this.#timers.set(key, dueMs);
    if (dueMs <= this.#options.watermarkMs()) this.advance();
  }

  /** The watermark moved, or there is room. */
  advance(): void {
    if (this.#working || this.#stopped || !this.#isDue || !this.#options.hasRoom()) return;
    this.#working = true;
    void this.#work();
  }

  stop(): void {
    this.#stopped = true;
  }

  get #isDue(): boolean {
    const nextMs = this.#timers.nextMs();
    return nextMs !== undefined && nextMs <= this.#options.watermarkMs();
  }

  async #work(): Promise<void> {
    const { prefetch, hasRoom } = this.#options;
    try {
      for (let inTurn = 0; !this.#stopped && this.#isDue && hasRoom();) {
        const keys = this.#take();
        await prefetch([...keys.keys()]);
        for (const due of keys.values()) this.#begin(due);
        inTurn += keys.size;
        if (inTurn < TURN) continue;
        inTurn = 0;
        await nextTurn();
      }
    } finally {
      this.#working = false;
    }
  }

  #take(): ReadonlyMap<string, DueKey> {
    const watermarkMs = this.#options.watermarkMs();
    const keys = new Map<string, DueKey>();
    while (keys.size < BATCH) {
      const dueMs = this.#timers.nextMs();
      const key = this.#timers.take(watermarkMs);
      if (key === undefined || dueMs === undefined) break;
      const due = { key, dueMs };
      this.#underWay.set(key, due);
      keys.set(key, due);
    }
    return keys;
  }

  #begin(due: DueKey): void {
    if (this.#stopped) return;
    const { key, dueMs } = due;
    if (this.#options.isHeld(key)) {
      this.#underWay.delete(key);
      this.#held.set(key, dueMs);
      return;
    }
    this.#options.submit(dueWork(key, undefined, this.#options.watermarkMs(), (failed) => this.#ended(due, failed)));
  }

  /** Where it failed a delivery stands for it, and the key is held until that is settled. */
  #ended(due: DueKey, failed: Delivery | undefined): void {
    const { key, dueMs } = due;
    if (this.#underWay.get(key) === due) this.#underWay.delete(key);
    this.#options.ended();
    if (failed !== undefined) this.#held.set(key, dueMs);
  }

  /** It cannot run, because its key was set aside meanwhile. */
  putBack(key: string): void {
    this.#underWay.delete(key);
    this.#held.set(key, Number.NEGATIVE_INFINITY);
  }
}

/** A key of which something is due. */
interface DueKey {
  readonly key: string;
  readonly dueMs: number;
}

/** What time alone has brought on for a key. Events that are taken later come at a later time. `delivery`: it failed before, at that time. */
export function dueWork(
  key: string,
  delivery: Delivery | undefined,
  presentMs: number | undefined,
  ended: NonNullable<Work['ended']>,
): Work {
  const { taken } = delivery ?? {};
  const upToMs = delivery === undefined ? presentMs : taken?.due === true ? (taken.afterMs ?? undefined) : undefined;
  return { event: UNKNOWN, key, pending: undefined, delivery, time: { upToMs }, ended };
}

/** Of work whose event is known when its state is. */
const UNKNOWN = recordedEvent({
  id: 'unknown',
  source: 'urn:thereupon:system',
  type: 'thereupon.time.passed',
  schemaVersion: 0,
  stream: 'thereupon',
  subject: undefined,
  time: '1970-01-01T00:00:00.000Z',
  correlationid: 'unknown',
  causationid: undefined,
  encoding: 'none',
  data: null,
  attributes: undefined,
  position: START,
  version: 0,
  recordedMs: 0,
});
