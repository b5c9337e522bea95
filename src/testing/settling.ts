import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { Consumers } from '../consumer/consumers.ts';
import type { ConsumerStatus } from '../consumer/status.ts';
import { WrongState } from '../errors.ts';
import { systemClock } from '../system/clock.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** How far to go until a system counts as settled. */
export interface SettledOptions {
  /**
   * Lets time pass for what waits for it: retries, delays, time-outs. True: up to 30 days; a duration: at most that.
   * Default: no time passes.
   */
  readonly advance?: boolean | Duration;
}

/** So often in a row must a system be found at rest to be believed: a signal may be on its way through the event loop. */
const LOOKS = 3;
/** A handler that waits for the clock never comes to rest by turns alone. */
const TURNS_AT_MOST = 64;
/** Real time for a store that answers from elsewhere. One that a test holds back by the clock is not waited for longer. */
const STORE_PATIENCE_MS = 250;
/** Real time for handlers that wait for something of the real world, where nobody makes them wait for the clock. */
export const HANDLER_PATIENCE_MS = 250;
/** Real time in which nothing may happen, while handlers wait for things outside of the clock, such as a busy server. */
const PATIENCE_MS = 6_000;
const LONGEST_MS = durationMs('30d', 'advance');
/** A system that sets more timers than this is running away. */
const TIMERS_AT_MOST = 100_000;

/** What is to come to rest. */
export interface AtWork {
  readonly system: { readonly consumers: Consumers };
  /** Calls of the store that were made and not answered yet. */
  readonly storeCalls: number;
}

/**
 * Some turns of the event loop: until everything is at rest, or nothing but time will help. `patienceMs`: so long, of real time, nothing has to happen
 * before that is believed of handlers that are under way.
 */
export async function turnsToRest(process: AtWork | undefined, patienceMs = 0): Promise<void> {
  const consumers = process?.system.consumers;
  const untilMs = systemClock.now() + STORE_PATIENCE_MS;
  let activity = consumers?.activity;
  let handlersUntilMs = systemClock.now() + patienceMs;
  for (let turns = 0, looks = 0; looks < LOOKS && turns < TURNS_AT_MOST;) {
    if (turns === TURNS_AT_MOST - 1 && systemClock.now() < handlersUntilMs) {
      await wait(1);
      turns = 0;
    } else await nextTurn();
    consumers?.hurry();
    if (consumers?.activity !== activity) {
      activity = consumers?.activity;
      handlersUntilMs = systemClock.now() + patienceMs;
    }
    const waitsForStore = (process?.storeCalls ?? 0) > 0 && systemClock.now() < untilMs;
    if (waitsForStore) looks = 0;
    else {
      looks = consumers?.atRest === false ? 0 : looks + 1;
      turns += 1;
    }
  }
}

/** See `TestSystem.settled`. */
export async function settle(process: AtWork, clock: VirtualClock, { advance = false }: SettledOptions): Promise<void> {
  const { consumers } = process.system;
  if (advance === false) return untilAtRest(process, clock);
  const untilMs = clock.now() + (advance === true ? LONGEST_MS : durationMs(advance, 'advance'));
  for (let timers = 0; timers < TIMERS_AT_MOST; timers += 1) {
    // What is due now needs no time to pass.
    await clock.advanceTo(clock.now());
    const { nextMs } = clock;
    if (nextMs === undefined || nextMs > untilMs || (consumers.atRest && !consumers.waitsForTime))
      return untilAtRest(process, clock);
    await clock.advanceTo(nextMs);
  }
  throw new WrongState(`not settled after ${TIMERS_AT_MOST} timers: ${await blockedOnes(consumers)}`);
}

/** Errors: WrongState names who is still at work. */
async function untilAtRest(process: AtWork, clock: VirtualClock): Promise<void> {
  const { consumers } = process.system;
  let activity = consumers.activity;
  let sinceMs = systemClock.now();
  for (let looks = 0; looks < LOOKS;) {
    await nextTurn();
    consumers.hurry();
    const waitsForStore = process.storeCalls > 0 && systemClock.now() - sinceMs < STORE_PATIENCE_MS;
    looks = consumers.atRest && !waitsForStore ? looks + 1 : 0;
    if (clock.nextMs !== undefined && clock.nextMs <= clock.now()) {
      // What is due now needs no time to pass.
      await clock.advanceTo(clock.now());
      looks = 0;
    }
    if (consumers.activity !== activity) {
      activity = consumers.activity;
      sinceMs = systemClock.now();
    } else if (systemClock.now() - sinceMs > PATIENCE_MS) {
      throw new WrongState(
        `not settled: ${await blockedOnes(consumers)}; what waits for the clock goes on with settled({ advance: true }) or advance('1h')`,
      );
    }
  }
}

function isBlocked({ state, inFlight, buffered, retrying, waiting }: ConsumerStatus): boolean {
  return state !== 'paused' && inFlight + buffered + retrying + waiting > 0;
}

async function blockedOnes(consumers: Consumers): Promise<string> {
  const blocked = (await consumers.list()).filter(isBlocked);
  return blocked
    .map(
      ({ name, state, inFlight, buffered, retrying }) =>
        `${name} (${state}, ${inFlight} under way, ${buffered} buffered, ${retrying} retrying)`,
    )
    .join(', ');
}
