import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import type { ClockTrust } from '../schema/clock-trust.ts';
import type { Environment } from '../system/environment.ts';
import { NO_TIME } from '../time/watermark.ts';
import type { ConsumerForm } from './checkpoint-store.ts';
import type { ConsumerStores } from './consumer-stores.ts';
import type { Delivery } from './delivery-store.ts';
import { DueKeys } from './due-keys.ts';
import type { DueKeysOptions } from './due-keys.ts';
import { EventTime } from './event-time.ts';
import type { WorkTime } from './key-queues.ts';
import { QuietTime } from './quiet-time.ts';
import type { QuietNeed } from './quiet-time.ts';
import type { Reaction, ReactionTime, WhatBegan } from './reaction.ts';
import type { StateCache } from './state-cache.ts';
import type { TimeStatus } from './status.ts';
import { SOME_TIME } from './time-wishes.ts';
import type { NeededTime, TimeMember, TimeWishes } from './time-wishes.ts';

export interface TimeCourseOptions extends Pick<DueKeysOptions, 'ended' | 'hasRoom' | 'isHeld' | 'isMine' | 'submit'> {
  readonly reaction: Reaction;
  readonly stores: Pick<ConsumerStores, 'log' | 'rows'>;
  readonly environment: Environment;
  /** What was known of time where the loop begins. */
  readonly mark: JsonValue | undefined;
  /** When the consumer was created. */
  readonly createdMs: number;
  /** As of ConsumerForm. */
  readonly looksFor: NonNullable<ConsumerForm['looksFor']>;
  readonly states: () => StateCache | undefined;
  readonly isLive: () => boolean;
  /** Something that was set aside is to be attempted again, by itself. */
  readonly isRetrying: () => boolean;
  readonly wishes: TimeWishes;
  /** How far the clocks of sources are trusted. */
  readonly clocks: ClockTrust;
  /** States cannot be read at present. */
  readonly outage: (error: unknown) => void;
}

/**
 * Time, for a consumer that goes by it: how far it has come (EventTime), what it brings on (DueKeys), and how it goes on when nothing comes
 * (QuietTime).
 */
export class TimeCourse implements WhatBegan {
  readonly lastBegan: Position;
  readonly due: DueKeys;
  readonly #options: TimeCourseOptions;
  readonly #time: ReactionTime;
  readonly #events: EventTime;
  readonly #quiet: QuietTime;
  readonly #upstreams: readonly string[];
  readonly #member: TimeMember;
  #toldMs = NO_TIME;
  #stopped = false;

  constructor(time: ReactionTime, options: TimeCourseOptions) {
    const { reaction, stores, environment, mark, looksFor, states, isLive, isRetrying, clocks, outage, ...due } =
      options;
    if (reaction.state === undefined) throw new Error(`${reaction.name} goes by event time and keeps no state`);
    this.#options = options;
    const places = Object.values(looksFor).map((begun) => begun?.after ?? START);
    this.lastBegan = Math.max(START, ...places) as Position;
    this.#time = time;
    this.#events = new EventTime(reaction.name, time, { mark, clocks, places });
    this.due = new DueKeys({
      ...due,
      state: reaction.state,
      rows: stores.rows,
      time,
      watermarkMs: () => this.#events.watermarkMs,
      // What cannot be read now is read again when it is handled.
      prefetch: async (keys) => states()?.load(keys).catch(outage),
      seed: Math.trunc(environment.random.next() * 2 ** 32),
    });
    this.#quiet = new QuietTime({
      consumer: reaction.name,
      environment,
      log: stores.log,
      rule: time.watermark,
      needs: () => this.#quietNeeds(),
      notBeforeMs: () => this.#quietMs,
      isLive,
    });
    this.#upstreams = time.upstreams?.map(({ consumer }) => consumer) ?? [];
    this.#member = {
      upstreams: this.#upstreams,
      tells: () => this.#goesOn && !isRetrying(),
      needs: () => this.#needs(),
      look: () => this.look(),
    };
  }

  /** Whether time goes on by the clock. */
  get #goesOn(): boolean {
    return this.#time.watermark.idleMs < Number.POSITIVE_INFINITY;
  }

  /** When nothing has come for so long that time goes on by the clock, if nothing does until then. */
  get #quietMs(): number {
    return this.#upstreams.length > 0 ? NO_TIME : this.#events.recordedMs + this.#time.watermark.idleMs;
  }

  /** What those whose results it reads have to tell, for itself and for those who read its own. */
  #needs(): readonly NeededTime[] {
    const { isLive, wishes, reaction } = this.#options;
    // While there are events to come it is they that it waits for.
    if (!isLive()) return [];
    const own = this.#goesOn ? this.#nextMs : undefined;
    const wanted = [...(own === undefined ? [] : [own]), ...wishes.of(reaction.name).map(({ eventMs }) => eventMs)];
    return wanted.flatMap((ms) => this.#events.neededFor(ms) ?? []);
  }

  #quietNeeds(): readonly QuietNeed[] {
    // What holds it back besides those whose results it reads may be silent.
    if (this.#upstreams.length > 0)
      return this.#needs().flatMap(({ of, silentMs }) => (of.size === 0 ? [{ atMs: silentMs }] : []));
    const { wishes, reaction } = this.#options;
    const { idleMs, disorderMs } = this.#time.watermark;
    // What does not bring time on brings nothing on.
    const atMs = (ms: number) =>
      Math.max(this.#quietMs, Math.max(ms, this.#events.watermarkMs + 1) + disorderMs + idleMs);
    const own = this.#nextMs;
    const ofOthers = wishes
      .of(reaction.name)
      .map(({ by, eventMs }) => ({ atMs: atMs(eventMs), id: `${by} ${eventMs}` }));
    return own === undefined ? ofOthers : [{ atMs: atMs(own) }, ...ofOthers];
  }

  /** When something is due next of what waits for time here; undefined: nothing does. */
  get #nextMs(): number | undefined {
    const { awaitsTime, nextMs } = this.due;
    if (awaitsTime) return SOME_TIME;
    return nextMs !== undefined && nextMs > this.#events.watermarkMs ? nextMs : undefined;
  }

  get watermarkMs(): number {
    return this.#events.watermarkMs;
  }

  /** When time began; NO_TIME: nothing is known yet. */
  get sinceMs(): number {
    const { sinceMs } = this.#events;
    // A consumer that waits for its first event is there before that: what is absent is absent since then (CE1). Of older events time began earlier.
    return sinceMs === NO_TIME ? NO_TIME : Math.min(sinceMs, this.#options.createdMs);
  }

  beganAfter(id: string): Position {
    return this.#options.looksFor[id]?.after ?? START;
  }

  passedMs(id: string): number {
    const begun = this.#options.looksFor[id] ?? undefined;
    return begun === undefined ? NO_TIME : this.#events.passedMs(begun);
  }

  beganMs(id: string, place: number): number | undefined {
    const begun = this.#options.looksFor[id] ?? undefined;
    if (begun === undefined) return undefined;
    return place > begun.after ? this.#events.beganMs(begun) : NO_TIME;
  }

  get status(): TimeStatus {
    const { watermarkMs } = this.#events;
    return {
      watermarkMs: watermarkMs === NO_TIME ? undefined : watermarkMs,
      timers: this.due.size,
      held: this.due.events,
    };
  }

  /** Time alone brings something on. */
  get timed(): boolean {
    return this.#quiet.timed;
  }

  /** Nothing more is to be taken before the low mark moves. */
  get full(): boolean {
    return this.#events.full;
  }

  /** What has to be known of the events up to `low`, which never falls. */
  markAt(low: Position): JsonValue {
    return this.#events.markAt(low);
  }

  /** To be called when events are taken. */
  start(): void {
    // What was due when the loop before ended is due still.
    this.due.advance();
    const { reaction, wishes } = this.#options;
    wishes.join(reaction.name, this.#member);
    this.#quiet.start();
    wishes.changed(this.#upstreams);
  }

  stop(): void {
    const { reaction, wishes } = this.#options;
    this.#stopped = true;
    wishes.leave(reaction.name, this.#member);
    this.due.stop();
    this.#quiet.stop();
  }

  /** Something was committed: there may be something else now that waits for time. */
  look(): void {
    this.#quiet.look();
    this.#options.wishes.changed(this.#upstreams);
  }

  /** Whether an event says nothing but that time has passed. */
  isPassage(event: RecordedEvent): boolean {
    return this.#events.isPassage(event);
  }

  /** Whether an event says nothing but how far the results of another one are there. */
  isTold(event: RecordedEvent): boolean {
    return this.#events.isTold(event);
  }

  /** The results of another one are there. */
  tell(event: RecordedEvent): void {
    if (this.#events.tell(event)) this.due.advance();
    this.#expect(event);
    this.look();
  }

  /** How far everything is there that it has to say, now that `markAt` was asked; undefined: nothing new is to be told. */
  toldUpToMs(): number | undefined {
    // What is attempted again has yet to be told. What is parked is late when an operator has mended it.
    // Who has stopped knows no longer what that is.
    if (this.#time.tells !== true || this.#stopped || this.#options.isRetrying()) return undefined;
    const dueMs = this.due.earliestMs;
    const upToMs = Math.min(this.#events.markedMs, dueMs === undefined ? Number.POSITIVE_INFINITY : dueMs - 1);
    if (upToMs <= this.#toldMs) return undefined;
    this.#toldMs = upToMs;
    return upToMs;
  }

  /** Time has passed without events. */
  pass(event: RecordedEvent): void {
    if (this.#events.pass(event)) this.due.advance();
    this.#expect(event);
  }

  /** An event tells of time, and is taken at it; `unknown`: why it cannot be told when it happened. */
  observe(event: RecordedEvent, take: (time: WorkTime | undefined, unknown: unknown) => void): void {
    const events = this.#events;
    let eventMs: number;
    try {
      eventMs = events.timeOf(event);
    } catch (error) {
      take(undefined, error);
      return;
    }
    const { watermarkMs } = events;
    const moved = events.observe(event, eventMs);
    take({ eventMs, watermarkMs, afterMs: events.watermarkMs, sinceMs: this.sinceMs }, undefined);
    if (moved) this.due.advance();
    this.#expect(event);
    this.look();
  }

  /** When an event happened of which that was not known when it came. Errors: as of EventTime, at the present. */
  timeOf(event: RecordedEvent): number {
    return this.#events.timeOf(event, this.#options.environment.clock.now());
  }

  /**
   * Whether a delivery stands for what time alone brought on for its key. Of one that does not say so (stores of before): then its event is the
   * last one of the key's state.
   */
  async standsFor({ key, position, taken }: Delivery): Promise<boolean> {
    if (taken?.due === true) return true;
    const states = this.#options.states();
    await states?.load([key]);
    const state = states?.get(key);
    return state !== undefined && this.#time.lastOf(state).position === position;
  }

  #expect(event: RecordedEvent): void {
    const { watermarkMs, sinceMs: beganMs } = this.#events;
    if (watermarkMs === NO_TIME || !this.due.awaitsTime) return;
    // Of keys that were not expected from the beginning.
    const later = this.#time.looksFor.map((id) => this.beganMs(id, event.position)).find((ms) => ms !== undefined);
    if (later === NO_TIME) return;
    const sinceMs = later ?? beganMs;
    this.due.expectSince(event, { eventMs: sinceMs, watermarkMs, afterMs: watermarkMs, expectedSinceMs: sinceMs });
  }
}
