import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CancelTimer, Clock } from '../system/clock.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';

/** 2026-01-01T00:00:00Z: any instant will do, as long as it is the same in every run. */
export const DEFAULT_START_MS = 1_767_225_600_000;

/** Turns of the event loop between two timers, where the owner of the clock does not know better when all is quiet. */
const TURNS_BETWEEN = 8;

/**
 * Time that stands still until it is moved; then timers fire in the order in which they come due.
 *
 * Guarantee Timers of one instant fire in the order in which they were set. Between two instants promises settle.
 */
export interface VirtualClock extends Clock {
  /** Timers that wait. */
  readonly waiting: number;
  /** When the next timer fires; undefined when none waits. */
  readonly nextMs: number | undefined;
  /** Moves on by a duration, through every timer on the way. */
  advance(by: Duration): Promise<void>;
  /** Moves on to an instant, through every timer on the way. An instant that is over changes nothing. */
  advanceTo(instantMs: number): Promise<void>;
  /** The same time for one process: when it ends, its timers are gone and it sets no new ones. */
  session(): ClockSession;
}

/** The clock as one incarnation of a process sees it. */
export interface ClockSession {
  readonly clock: Clock;
  /** As when the process dies. */
  end(): void;
}

export interface VirtualClockOptions {
  /** Milliseconds since 1970. Default 2026-01-01T00:00:00Z. */
  readonly startMs?: number;
  /** Resolves when everything that a fired timer led to has come to rest. Default: some turns of the event loop. */
  readonly rest?: () => Promise<void>;
  /** Told of each new instant before its timers fire: for clocks that follow this one. */
  readonly moved?: (nowMs: number) => void;
}

interface Timer {
  readonly dueMs: number;
  readonly fire: () => void;
}

export function createVirtualClock(options: VirtualClockOptions = {}): VirtualClock {
  const { rest = someTurns, moved = () => {} } = options;
  /** By due time; of one instant in the order set. */
  const timers: Timer[] = [];
  let nowMs = options.startMs ?? DEFAULT_START_MS;

  const setTimer = (delayMs: number, fire: () => void): CancelTimer => {
    const timer = { dueMs: nowMs + Math.max(0, Math.ceil(delayMs)), fire };
    timers.splice(placeOf(timers, timer.dueMs), 0, timer);
    return () => {
      const index = timers.indexOf(timer);
      if (index !== -1) timers.splice(index, 1);
    };
  };

  const move = (instantMs: number) => {
    nowMs = instantMs;
    moved(nowMs);
  };

  const advanceTo = async (instantMs: number) => {
    await rest();
    for (let next = timers[0]; next !== undefined && next.dueMs <= instantMs; next = timers[0]) {
      if (next.dueMs > nowMs) move(next.dueMs);
      // All of one instant before any rest: what they lead to happens in the same instant.
      for (let due: Timer | undefined = next; due !== undefined && due.dueMs <= nowMs; due = timers[0]) {
        timers.shift();
        due.fire();
      }
      await rest();
    }
    if (instantMs > nowMs) move(instantMs);
  };

  return {
    now: () => nowMs,
    setTimer,
    get waiting() {
      return timers.length;
    },
    get nextMs() {
      return timers[0]?.dueMs;
    },
    advance: (by) => advanceTo(nowMs + durationMs(by, 'advance')),
    advanceTo,
    session: () => sessionOf({ now: () => nowMs, setTimer }),
  };
}

function sessionOf(clock: Clock): ClockSession {
  const waiting = new Set<CancelTimer>();
  let over = false;
  return {
    clock: {
      now: () => clock.now(),
      setTimer(delayMs, fire) {
        if (over) return () => {};
        const cancel = clock.setTimer(delayMs, () => {
          waiting.delete(cancel);
          fire();
        });
        waiting.add(cancel);
        return () => {
          waiting.delete(cancel);
          cancel();
        };
      },
    },
    end() {
      over = true;
      for (const cancel of waiting) cancel();
      waiting.clear();
    },
  };
}

/** The index behind every timer that is due at or before the instant. */
function placeOf(timers: readonly Timer[], dueMs: number): number {
  let low = 0;
  let high = timers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const timer = timers[middle];
    if (timer !== undefined && timer.dueMs <= dueMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < TURNS_BETWEEN; turn += 1) await nextTurn();
}
