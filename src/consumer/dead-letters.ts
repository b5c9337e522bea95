import { assertKnown } from '../system/known-options.ts';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventLog } from '../channel/event-log.ts';
import { InvalidInput, NotFound, WrongState } from '../errors.ts';
import { causeOf } from '../event/create-event.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import { assertJson } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { OPENING } from '../event/opening.ts';
import type { Opening } from '../event/opening.ts';
import { position as asPosition } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_EVENTS, systemEvent } from '../event/system-events.ts';
import { shownUnread, whyUnreadable } from '../event/upcast-event.ts';
import type { Environment } from '../system/environment.ts';
import { eventAt, eventOf, withData } from './aside.ts';
import type { Delivery, DeliveryStore, StoredError } from './delivery-store.ts';
import { leftOutRow } from './left-out.ts';
import type { LeaseCommit } from './lanes.ts';
import { partReported } from './report-on.ts';
import type { RowWrite } from './row-store.ts';
import type { UnitOfWork } from './unit-of-work.ts';

/** A set-aside event with its reason. */
export interface DeadLetter {
  /** `consumer~position` */
  readonly id: string;
  readonly consumer: string;
  readonly key: string;
  readonly position: Position;
  readonly attempts: number;
  readonly firstFailedMs: number | undefined;
  readonly lastFailedMs: number | undefined;
  readonly error: StoredError | undefined;
  readonly edited: boolean;
  /** What failed, where several things come of an event or of time: a discard gives up that alone. */
  readonly part: string | undefined;
  /** Whether it may be tried again with other data. Where `part` is no event, `event` is the one that brought it on. */
  readonly editable: boolean;
  /** Later events of the key that wait behind it. */
  readonly waitingBehind: number;
  /** Undefined when the event is no longer in the log. */
  readonly event: RecordedEvent | undefined;
}

/** Which dead letters: all that fit everything given. */
export interface DeadLetterQuery {
  readonly consumer?: string;
  readonly key?: string;
  readonly type?: string;
  /** A code or name of the error. */
  readonly error?: string;
}

export interface DeadLetterPage {
  readonly items: readonly DeadLetter[];
  /** Hand it in as `after` for the next page; undefined on the last one. */
  readonly next: string | undefined;
}

/** How an event that was set aside is shown to operators, and how the data that they give in its place is taken. */
export interface Editing {
  shown(consumer: string, event: RecordedEvent): RecordedEvent;
  /** The data that the consumer is to find. Errors: EventDataInvalid when its handlers must not see such data. */
  admit(consumer: string, event: RecordedEvent, data: JsonValue): Promise<Admitted>;
}

/** Data in place of an event's, as it is stored, and the schema version that it is of; undefined: that of the event. */
export interface Admitted {
  readonly data: JsonValue;
  readonly version: number | undefined;
  /** Reads what is sealed in it. */
  readonly opening?: Opening | undefined;
}

export interface DeadLettersOptions {
  readonly environment: Environment;
  readonly log: EventLog;
  readonly deliveries: DeliveryStore;
  readonly unitOfWork: UnitOfWork;
  /** Tells the running consumer that stored deliveries of a key changed. */
  changed(consumer: string, key: string, removed: number): void;
  /** Brings what the running consumer knows into the store. */
  flush(consumer: string): Promise<void>;
  /** What of the consumer's lanes this node holds, without their checkpoints. */
  leaseOf(consumer: string): LeaseCommit | undefined;
  /** What operators see and say of events, where that is not simply their data. */
  readonly editing: Editing;
  /** Whether the consumer may take the event out again, as it was recorded, or takes another one out with it. */
  mayBeTakenBack(consumer: string, event: RecordedEvent): boolean;
  /** Whether an event would have waited at the same place with other data. */
  waitsAlike(consumer: string, event: RecordedEvent, edited: RecordedEvent): boolean;
  /** Nothing else steers the consumer or changes its dead letters meanwhile. */
  exclusive<T>(consumer: string, act: () => Promise<T>): Promise<T>;
}

const PAGE = 500;

/**
 * The operator's hand on dead letters: look, retry, discard, edit and retry; one, many or all (G7).
 *
 * Guarantee Each change is committed with its report. A retried letter is tried as if for the first time; followers keep their order.
 *           Of two operators who act on one letter at the same time, the second finds what the first has left.
 */
export class DeadLetters {
  readonly #options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** In (consumer, position) order. `limit` 1 to 500, default 100. */
  async list(
    query: DeadLetterQuery & { readonly after?: string; readonly limit?: number } = {},
  ): Promise<DeadLetterPage> {
    assertKnown('a list of dead letters', query, ['consumer', 'key', 'type', 'error', 'after', 'limit']);
    const limit = query.limit ?? 100;
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE)
      throw new InvalidInput({ path: 'limit', expected: `1 to ${PAGE}`, found: query.limit });
    const items: DeadLetter[] = [];
    let after = query.after === undefined ? undefined : parseId(query.after);
    for (;;) {
      const page = await this.#parked(query, after);
      for (const delivery of page) {
        const event = await this.#eventOf(delivery);
        if (fits(delivery, event, query)) items.push(await this.#describe(delivery, event));
        if (items.length === limit) return { items, next: letterId(delivery) };
      }
      // So that a look at many letters keeps nobody else waiting.
      await nextTurn();
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return { items, next: undefined };
      after = last;
    }
  }

  async get(id: string): Promise<DeadLetter> {
    const delivery = await this.#require(id);
    return this.#describe(delivery, await this.#eventOf(delivery));
  }

  /** Tries one again. */
  retry(id: string): Promise<void> {
    return this.#one(id, (delivery) => this.#retry([delivery]));
  }

  /**
   * Tries one again with other data in place of the event's. The event itself stays as it is.
   *
   * Errors    EventDataInvalid when the data does not fit the schema of the event's type either. WrongState for what cannot be edited: what is
   *           no event, and what may be taken back, because the data is taken out then that it was recorded with; of data with personal fields also
   *           when it is about another person than the event, and when that one was forgotten.
   */
  async retryEdited(id: string, data: JsonValue): Promise<void> {
    assertJson(data, 'data', 0);
    await this.#one(id, async (delivery) => {
      const { part } = delivery.error ?? {};
      const event = await eventAt(this.#options.log, part?.position ?? delivery.position);
      const reason = this.#whyNotEdited(delivery, event);
      if (reason !== undefined) throw new WrongState(`${reason}: it can be retried or discarded, but not edited`);
      if (event === undefined) throw new WrongState(`the event of dead letter ${id} is no longer in the log`);
      const { data: admitted, version, opening } = await this.#options.editing.admit(delivery.consumer, event, data);
      const other = withData(event, admitted, { version, opening });
      if (part !== undefined && !this.#options.waitsAlike(delivery.consumer, event, other))
        throw new WrongState(
          `with that data the event of dead letter ${id} would be of another key, or have happened at another time, than those among which it waited; discard it, and publish another event`,
        );
      const { edited } = delivery;
      const ofVersion = version === undefined ? {} : { dataVersion: version };
      const changed =
        part === undefined
          ? { data: admitted, ...ofVersion }
          : {
              instead: { ...edited?.instead, [part.id]: admitted },
              insteadVersions: {
                ...edited?.insteadVersions,
                ...(version === undefined ? {} : { [part.id]: version }),
              },
            };
      await this.#retry([{ ...delivery, edited: { ...edited, ...changed } }]);
    });
  }

  #whyNotEdited(delivery: Delivery, event: RecordedEvent | undefined): string | undefined {
    const { consumer, error, taken } = delivery;
    const { part } = error ?? {};
    if (part !== undefined) {
      if (part.position === undefined) return `what failed of dead letter ${letterId(delivery)} is ${part.what}`;
    } else if (taken?.due === true) return `what failed of dead letter ${letterId(delivery)} is what time brought on`;
    if (event === undefined || !this.#options.mayBeTakenBack(consumer, event)) return undefined;
    return `dead letter ${letterId(delivery)} is of ${event.type}, which ${consumer} takes out again, as it was recorded, when it is corrected`;
  }

  /** Gives one up; the events that wait behind it go on. */
  discard(id: string, reason = 'discarded by an operator'): Promise<void> {
    return this.#one(id, (delivery) => this.#discard([delivery], reason));
  }

  /** Tries all that fit again. Answers how many. */
  retryAll(query: DeadLetterQuery = {}): Promise<number> {
    return this.#each(query, (deliveries) => this.#retry(deliveries));
  }

  /** Gives all that fit up. Answers how many. */
  discardAll(query: DeadLetterQuery = {}, reason = 'discarded by an operator'): Promise<number> {
    return this.#each(query, (deliveries) => this.#discard(deliveries, reason));
  }

  async #one(id: string, act: (delivery: Delivery) => Promise<void>): Promise<void> {
    await this.#options.exclusive(parseId(id).consumer, async () => act(await this.#require(id)));
  }

  async #each(query: DeadLetterQuery, act: (deliveries: readonly Delivery[]) => Promise<void>): Promise<number> {
    let changed = 0;
    let after: { consumer: string; position: Position } | undefined;
    for (;;) {
      const page = await this.#parked(query, after);
      const chosen: Delivery[] = [];
      for (const delivery of page) if (fits(delivery, await this.#eventOf(delivery), query)) chosen.push(delivery);
      for (const [consumer, deliveries] of Map.groupBy(chosen, (delivery) => delivery.consumer)) {
        changed += await this.#options.exclusive(consumer, () => this.#whileParked(deliveries, act));
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return changed;
      after = last;
      await nextTurn();
    }
  }

  /** With those that are parked; again with fewer, when somebody at another node was faster with one of them. */
  async #whileParked(
    chosen: readonly Delivery[],
    act: (deliveries: readonly Delivery[]) => Promise<void>,
  ): Promise<number> {
    for (let before = chosen; ;) {
      const parked = await this.#stillParked(before);
      try {
        await act(parked);
        return parked.length;
      } catch (error) {
        const left = await this.#stillParked(parked);
        if (!(error instanceof WrongState) || left.length === parked.length) throw error;
        before = left;
      }
    }
  }

  async #stillParked(chosen: readonly Delivery[]): Promise<readonly Delivery[]> {
    const current = await Promise.all(
      chosen.map(({ consumer, position }) => this.#options.deliveries.get(consumer, position)),
    );
    return current.filter((delivery): delivery is Delivery => delivery?.state === 'parked');
  }

  async #retry(deliveries: readonly Delivery[]): Promise<void> {
    const nowMs = this.#options.environment.clock.now();
    const put = deliveries.map((delivery) => triedAgain(delivery, nowMs));
    await this.#commit(deliveries, { put, remove: [] }, (delivery) =>
      this.#report(delivery, SYSTEM_EVENTS.deliveryReleased, 'retry'),
    );
    for (const delivery of deliveries) this.#options.changed(delivery.consumer, delivery.key, 0);
  }

  async #discard(deliveries: readonly Delivery[], reason: string): Promise<void> {
    const nowMs = this.#options.environment.clock.now();
    // Of several things one is given up, and the others are tried again.
    const put = deliveries.flatMap((delivery): readonly Delivery[] => {
      const { part } = delivery.error ?? {};
      const without = part === undefined ? [] : [...(delivery.edited?.without ?? []), part.id];
      return part === undefined ? [] : [triedAgain({ ...delivery, edited: { ...delivery.edited, without } }, nowMs)];
    });
    const remove = deliveries.filter(({ error }) => error?.part === undefined).map(({ position }) => position);
    const rows: RowWrite[] = [];
    for (const delivery of deliveries) {
      // Its event is taken in, without that part, or was before what time brought on.
      if (delivery.error?.part !== undefined || delivery.taken?.due === true) continue;
      const event = await this.#failedEvent(delivery);
      // Also where nobody takes it back: a program that does may come to have this name.
      if (event !== undefined) rows.push(leftOutRow(delivery.consumer, event));
    }
    await this.#commit(deliveries, { put, remove, rows }, (delivery) =>
      this.#report(delivery, SYSTEM_EVENTS.deliveryDiscarded, reason),
    );
    for (const { consumer, key, error } of deliveries)
      this.#options.changed(consumer, key, error?.part === undefined ? 1 : 0);
  }

  async #commit(
    deliveries: readonly Delivery[],
    { rows = [], ...change }: { put: readonly Delivery[]; remove: readonly Position[]; rows?: readonly RowWrite[] },
    report: (delivery: Delivery) => Promise<EncodedEvent>,
  ): Promise<void> {
    const [first] = deliveries;
    if (first === undefined) return;
    const events = await Promise.all(deliveries.map(report));
    const outcome = await this.#options.unitOfWork.commit({
      consumer: first.consumer,
      checkpoint: undefined,
      lease: this.#options.leaseOf(first.consumer),
      appends: [{ events, onDuplicate: 'keep-first' }],
      rows,
      deliveries: { ...change, parked: deliveries.map(({ position }) => position) },
    });
    if (!outcome.ok)
      throw new WrongState(
        `dead letters of ${first.consumer} could not be changed: ${outcome.refusal?.reason ?? 'somebody else did something with them, or forgot the consumer, at the same time'}`,
      );
  }

  async #report(
    delivery: Delivery,
    type: typeof SYSTEM_EVENTS.deliveryReleased | typeof SYSTEM_EVENTS.deliveryDiscarded,
    reason: string,
  ): Promise<EncodedEvent> {
    const event = await this.#failedEvent(delivery);
    const { consumer, key, position, error } = delivery;
    return systemEvent(this.#options.environment, {
      type,
      about: consumer,
      data: { consumer, position, key, reason, ...partReported(error?.part) },
      cause: event === undefined ? undefined : causeOf(event),
    });
  }

  async #parked(
    query: DeadLetterQuery,
    after: { consumer: string; position: Position } | undefined,
  ): Promise<readonly Delivery[]> {
    if (after === undefined && query.consumer !== undefined) await this.#options.flush(query.consumer);
    return this.#options.deliveries.list({
      ...(query.consumer === undefined ? {} : { consumer: query.consumer }),
      ...(query.key === undefined ? {} : { key: query.key }),
      states: ['parked'],
      ...(after === undefined ? {} : { after: { consumer: after.consumer, position: after.position } }),
      limit: PAGE,
    });
  }

  async #require(id: string): Promise<Delivery> {
    const { consumer, position } = parseId(id);
    await this.#options.flush(consumer);
    const delivery = await this.#options.deliveries.get(consumer, position);
    if (delivery === undefined) throw new NotFound('dead letter', id);
    if (delivery.state !== 'parked') throw new WrongState(`delivery ${id} is ${delivery.state}, not a dead letter`);
    return delivery;
  }

  async #eventOf(delivery: Delivery): Promise<RecordedEvent | undefined> {
    const event = await this.#failedEvent(delivery);
    if (event === undefined) return undefined;
    // Whoever is to mend an upcaster looks at what it gets.
    return this.#options.editing.shown(
      delivery.consumer,
      whyUnreadable(event) === undefined ? event : shownUnread(event),
    );
  }

  /** The event that failed: of a delivery whose event let others go maybe one of those. */
  async #failedEvent(delivery: Delivery): Promise<RecordedEvent | undefined> {
    const { part } = delivery.error ?? {};
    if (part?.position === undefined) return eventOf(this.#options.log, delivery);
    const event = await eventAt(this.#options.log, part.position);
    const { instead, insteadVersions, [OPENING]: opening } = delivery.edited ?? {};
    const data = instead?.[part.id];
    if (event === undefined || data === undefined) return event;
    return withData(event, data, { version: insteadVersions?.[part.id], opening });
  }

  async #describe(delivery: Delivery, event: RecordedEvent | undefined): Promise<DeadLetter> {
    const { consumer, key, position, attempts, firstFailedMs, lastFailedMs, error } = delivery;
    return {
      id: letterId(delivery),
      consumer,
      key,
      position,
      attempts,
      firstFailedMs,
      lastFailedMs,
      error,
      edited: delivery.edited?.data !== undefined || delivery.edited?.instead !== undefined,
      part: error?.part?.what,
      editable: event !== undefined && this.#whyNotEdited(delivery, event) === undefined,
      waitingBehind: await this.#options.deliveries.countOfKey(consumer, key, 'waiting'),
      event,
    };
  }
}

/** As if for the first time. */
function triedAgain(delivery: Delivery, nowMs: number): Delivery {
  return { ...delivery, state: 'retrying', attempts: 0, firstFailedMs: undefined, dueMs: nowMs };
}

function fits({ error }: Delivery, event: RecordedEvent | undefined, query: DeadLetterQuery): boolean {
  if (query.type !== undefined && event?.type !== query.type) return false;
  return query.error === undefined || error?.code === query.error || error?.name === query.error;
}

export function letterId({ consumer, position }: Pick<Delivery, 'consumer' | 'position'>): string {
  return `${consumer}~${position}`;
}

function parseId(id: string): { consumer: string; position: Position } {
  if (typeof id !== 'string')
    throw new InvalidInput({ path: 'dead letter id', expected: 'consumer~position', found: id });
  const separator = id.lastIndexOf('~');
  const place = Number(id.slice(separator + 1));
  if (separator < 1 || !Number.isSafeInteger(place) || place === 0) {
    throw new InvalidInput({ path: 'dead letter id', expected: 'consumer~position', found: id });
  }
  return { consumer: id.slice(0, separator), position: asPosition(place) };
}
