import { isThenable } from '../system/values.ts';
import { ClaimLost, ThereuponError } from '../errors.ts';
import { computingFrom, reactingTo } from '../event/causality.ts';
import type { Position } from '../event/position.ts';
import { backoffMs } from '../system/backoff.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { whyUnreadable } from '../event/upcast-event.ts';
import { waitFor } from '../system/clock.ts';
import { Attempt } from './attempt.ts';
import type { AttemptSetting } from './attempt.ts';
import { Deadlines } from './deadlines.ts';
import type { Watched } from './deadlines.ts';
import { NO_TIME } from '../time/watermark.ts';
import type { Delivery, FailedPart } from './delivery-store.ts';
import { isDue } from './key-queues.ts';
import type { Work, WorkTime } from './key-queues.ts';
import { LoopGuard } from './loop-guard.ts';
import type { HandlingTime, WhatBegan } from './reaction.ts';
import type { StateCache } from './state-cache.ts';
import type { TimeCourse } from './time-course.ts';

export interface AttemptsOptions {
  readonly setting: AttemptSetting;
  readonly states: StateCache | undefined;
  /** Events whose effects the store did not take, and why. Their next attempt fails with that reason, without being made. */
  readonly refusals: ReadonlyMap<Position, Error>;
  /** How far event time has come, and since when; undefined: the reaction does not go by it. */
  readonly time: (Pick<TimeCourse, 'sinceMs' | 'timeOf' | 'watermarkMs'> & WhatBegan) | undefined;
  /** Settles the event when its time is over. Answers whether it was. */
  expire(work: Work): boolean;
  /** Takes all that the attempt wants, or throws and takes nothing. */
  succeed(work: Work, attempt: Attempt): void;
  /** Answers the delivery that stands for the event now. */
  fail(work: Work, attempts: number, error: unknown, part?: FailedPart): Delivery;
  /** Nothing is left that a delivery could stand for. */
  lapsed(delivery: Delivery): void;
  /** Work that took time is over. */
  over(work: Work): void;
  /** States cannot be read at present, and why; undefined: they can again. */
  outage(error: unknown): void;
}

/** Of work that is not over when it has begun. */
const UNDER_WAY = 'under way';

/** After a state could not be read. */
const READ_AGAIN = { minDelayMs: 100, maxDelayMs: 5_000, factor: 2, jitter: 0.5 };

/**
 * Hands events to the handler and waits for what comes of it.
 *
 * Invariants
 * 1. An attempt ends in exactly one of: succeeded, failed, abandoned. After it was abandoned nothing it does counts.
 * 2. A synchronous handler without state to load is done when `run` returns.
 * 3. Of work that takes time `over` is told once, unless everything was abandoned before.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #deadlines: Deadlines | undefined;
  /** Begins anew with each session: what is handled again counts as if for the first time. */
  readonly #loops: LoopGuard | undefined;
  readonly #underWay = new Map<Attempt, Watched | undefined>();
  readonly #timeOfEvent: HandlingTime['timeOf'];
  /** Events that wait for the store to give their state. */
  #pausing = 0;
  #stopped = false;
  #someEnded: (() => void) | undefined;

  constructor(options: AttemptsOptions) {
    this.#options = options;
    const { reaction, environment } = options.setting;
    this.#deadlines =
      reaction.timeoutMs === undefined ? undefined : new Deadlines(environment.clock, reaction.timeoutMs);
    this.#loops = reaction.loops === undefined ? undefined : new LoopGuard(reaction.name, reaction.loops);
    this.#timeOfEvent = (event) => options.time?.timeOf(event) ?? event.recordedMs;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** Some wait for a store that is to be asked again. */
  get pausing(): boolean {
    return this.#pausing > 0;
  }

  /** Handles work whose turn it is. True: it takes time. */
  run(work: Work): boolean {
    const failed = this.#handle(work);
    if (failed === UNDER_WAY) return true;
    work.ended?.(failed);
    return false;
  }

  /** Begins nothing more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when no attempt is under way any more. */
  ended(): Promise<void> {
    if (this.#underWay.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#someEnded = () => {
        if (this.#underWay.size === 0) resolve();
      };
    });
  }

  /** Attempts under way lose their claim: they are not counted as failed, and their successors settle their events. */
  abandon(): void {
    this.#stopped = true;
    this.#deadlines?.clear();
    for (const attempt of this.#underWay.keys()) attempt.close(new ClaimLost(attempt.consumer, attempt.event.position));
    this.#underWay.clear();
    this.#someEnded?.();
  }

  /** Answers the delivery that stands for the event when the attempt failed. */
  #handle(given: Work): Delivery | typeof UNDER_WAY | undefined {
    const { setting, states } = this.#options;
    if (this.#stopped || this.#options.expire(given)) return undefined;
    if (states !== undefined && !states.has(given.key)) {
      void this.#loadAndHandle(given, states);
      return UNDER_WAY;
    }
    const { handle } = setting.reaction;
    if (handle === undefined) return undefined;
    const work = isDue(given) ? this.#withLast(given) : given;
    // What was due has become nothing meanwhile.
    if (work === undefined) {
      if (given.delivery !== undefined) this.#options.lapsed(given.delivery);
      return undefined;
    }
    const number = (work.delivery?.attempts ?? 0) + 1;
    const refusal = this.#options.refusals.get(work.event.position) ?? whyUnreadable(work.event);
    if (refusal !== undefined) return this.#options.fail(work, number, refusal);
    const attempt = new Attempt(
      setting,
      work.event,
      work.key,
      number,
      states?.get(work.key),
      this.#timeOf(work),
      work.delivery?.edited,
    );
    let running: PromiseLike<unknown> | undefined;
    try {
      if (number === 1 && !isDue(work)) this.#loops?.check(work.event);
      const react = setting.reaction.isPure === true ? computingFrom : reactingTo;
      const answer: unknown = react(work.event, handle, attempt);
      if (isThenable(answer)) running = answer;
    } catch (error) {
      attempt.close();
      return this.#options.fail(work, number, error, attempt.failedPart(error));
    }
    running ??= attempt.unfinished();
    if (running !== undefined) {
      attempt.tookTime = true;
      this.#await(work, attempt, running);
      return UNDER_WAY;
    }
    try {
      this.#options.succeed(work, attempt);
      return undefined;
    } catch (error) {
      // What it wants to keep cannot be kept: nothing of it was taken.
      return this.#options.fail(work, number, error);
    }
  }

  /** Work that is due, with the last event of its key: what comes of it follows from that. */
  #withLast(work: Work): Work | undefined {
    const state = this.#options.states?.get(work.key);
    const last = state === undefined ? undefined : this.#options.setting.reaction.time?.lastOf(state);
    return last === undefined ? undefined : { ...work, event: recordedEvent(last) };
  }

  #timeOf(work: Work): HandlingTime | undefined {
    const { time } = this.#options;
    if (time === undefined) return undefined;
    const { watermarkMs: presentMs } = time;
    const timeOf = this.#timeOfEvent;
    if (isDue(work))
      return {
        taken: undefined,
        presentMs,
        sinceMs: time.sinceMs,
        began: time,
        timeOf,
        due: work.time,
        expectedSinceMs: undefined,
      };
    const taken = (work.time as WorkTime | undefined) ?? timeOfDelivery(work.delivery);
    const sinceMs = taken?.sinceMs ?? time.sinceMs;
    return { taken, presentMs, sinceMs, began: time, timeOf, due: undefined, expectedSinceMs: taken?.expectedSinceMs };
  }

  async #loadAndHandle(work: Work, states: StateCache): Promise<void> {
    const failed = (await this.#load(work, states)) ?? this.#handle(work);
    if (failed !== UNDER_WAY) this.#over(work, failed);
  }

  /** Answers the delivery that stands for the event when its state cannot be made. */
  async #load(work: Work, states: StateCache): Promise<Delivery | undefined> {
    for (let failures = 0; !this.#stopped; failures += 1) {
      try {
        await states.load([work.key]);
        if (failures > 0) this.#options.outage(undefined);
        break;
      } catch (error) {
        if (this.#stopped) break;
        if (!(error instanceof ThereuponError && error.fault === 'environment'))
          return this.#options.fail(work, (work.delivery?.attempts ?? 0) + 1, error);
        // That the store cannot be reached is no failure of the event.
        this.#options.outage(error);
        await this.#pause(failures + 1);
      }
    }
    return undefined;
  }

  async #pause(failures: number): Promise<void> {
    const { clock, random } = this.#options.setting.environment;
    this.#pausing += 1;
    await waitFor(clock, backoffMs(READ_AGAIN, failures, random));
    this.#pausing -= 1;
  }

  #await(work: Work, attempt: Attempt, running: PromiseLike<unknown>): void {
    const watched = this.#deadlines?.watch(() => this.#failed(work, attempt, attempt.timedOut()));
    this.#underWay.set(attempt, watched);
    void this.#follow(work, attempt, running);
  }

  async #follow(work: Work, attempt: Attempt, running: PromiseLike<unknown>): Promise<void> {
    try {
      await running;
    } catch (error) {
      // What a promise of a handler's own making throws at once is not to end the attempt in the call that began it.
      await Promise.resolve();
      this.#failed(work, attempt, error);
      return;
    }
    this.#finished(work, attempt);
  }

  #finished(work: Work, attempt: Attempt): void {
    // One that lost its claim or its time has nothing to say any more; its successor settles the event.
    if (!this.#underWay.has(attempt)) return;
    // What it published is to be done, too, also what it published meanwhile.
    const more = attempt.unfinished();
    if (more !== undefined) {
      void this.#follow(work, attempt, more);
      return;
    }
    try {
      this.#options.succeed(work, attempt);
    } catch (error) {
      this.#failed(work, attempt, error);
      return;
    }
    this.#ended(work, attempt, undefined);
  }

  #failed(work: Work, attempt: Attempt, error: unknown): void {
    if (!this.#underWay.has(attempt)) return;
    attempt.close(asError(error));
    this.#ended(work, attempt, this.#options.fail(work, attempt.number, error, attempt.failedPart(error)));
  }

  #ended(work: Work, attempt: Attempt, failed: Delivery | undefined): void {
    const watched = this.#underWay.get(attempt);
    if (watched !== undefined) this.#deadlines?.over(watched);
    this.#underWay.delete(attempt);
    this.#over(work, failed);
    this.#someEnded?.();
  }

  #over(work: Work, failed: Delivery | undefined): void {
    work.ended?.(failed);
    this.#options.over(work);
  }
}

/** What was thrown may defend itself even against this question. */
function asError(thrown: unknown): Error | undefined {
  try {
    return thrown instanceof Error ? thrown : undefined;
  } catch {
    return undefined;
  }
}

/** As it was when its event was taken. */
function timeOfDelivery(delivery: Delivery | undefined): WorkTime | undefined {
  const { taken } = delivery ?? {};
  if (taken === undefined) return undefined;
  return { eventMs: undefined, watermarkMs: taken.watermarkMs ?? NO_TIME, afterMs: taken.afterMs ?? NO_TIME };
}
