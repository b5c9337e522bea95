import type { Clock } from '../system/clock.ts';
import { systemClock } from '../system/clock.ts';

/** 2026-01-01T00:00:00Z: any instant will do, as long as it is the same in every run. */
export const BENCH_START_MS = 1_767_225_600_000;

/**
 * Time as a case wants it: `now` stands still until it is moved, also backwards.
 *
 * Timers run on real time, so that a backend that gathers writes for some milliseconds still finishes them.
 */
export interface BenchClock extends Clock {
  set(nowMs: number): void;
  /** Moves on by `byMs`, which may be negative, and answers the new instant. */
  advance(byMs: number): number;
}

export function createBenchClock(): BenchClock {
  let nowMs = BENCH_START_MS;
  return {
    now: () => nowMs,
    set(wantedMs) {
      nowMs = wantedMs;
    },
    advance(byMs) {
      nowMs += byMs;
      return nowMs;
    },
    setTimer: (delayMs, fire) => systemClock.setTimer(delayMs, fire),
  };
}
