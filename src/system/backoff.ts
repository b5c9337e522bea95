import type { Random } from './random.ts';

/** How long to wait before the next attempt. */
export interface BackoffPolicy {
  /** The wait after the first failure. */
  readonly minDelayMs: number;
  /** No wait is longer. */
  readonly maxDelayMs: number;
  /** Each wait is this many times the one before. */
  readonly factor: number;
  /** 0: exact; 1: anywhere between nothing and the full wait. Spreads the retries of many keys. */
  readonly jitter: number;
}

/** The wait after the `failures`-th failure (counted from 1), in milliseconds. */
export function backoffMs(policy: BackoffPolicy, failures: number, random: Random): number {
  const full = Math.min(policy.maxDelayMs, policy.minDelayMs * policy.factor ** Math.min(failures - 1, 64));
  return Math.round(full * (1 - policy.jitter * random.next()));
}
