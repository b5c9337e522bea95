/** Cancels a timer; calling it twice or after the timer fired does nothing. */
export type CancelTimer = () => void;

/**
 * The only source of "now" and of waiting. Everything outside `system/` takes it as an argument, so that years pass in
 * milliseconds in a test.
 *
 * Units     milliseconds since 1970-01-01T00:00:00Z.
 */
export interface Clock {
  now(): number;
  /** Milliseconds since any moment, which go on evenly when somebody sets the clock. Undefined: nobody does, and `now` will do. */
  readonly elapsed?: (() => number) | undefined;
  /** Calls `fire` once, not before `delayMs` from now have passed. A waiting timer does not keep the process alive. */
  setTimer(delayMs: number, fire: () => void): CancelTimer;
}

/** `setTimeout` fires at once above this (2^31 - 1), so longer waits are cut into pieces. */
const LONGEST_TIMEOUT_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  setTimer(delayMs, fire) {
    let handle: NodeJS.Timeout;
    let remainingMs = Math.max(0, Math.ceil(delayMs));
    const arm = () => {
      const pieceMs = Math.min(remainingMs, LONGEST_TIMEOUT_MS);
      remainingMs -= pieceMs;
      handle = setTimeout(() => (remainingMs > 0 ? arm() : fire()), pieceMs);
      handle.unref();
    };
    arm();
    return () => clearTimeout(handle);
  },
};

/** Resolves after `delayMs` on the clock; rejects with the signal's reason when that comes first. */
export function waitFor(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.setTimer(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

let lastMs = Number.NaN;
let lastText = '';

/** RFC 3339 in UTC with milliseconds. Many events share a millisecond, so the last one is remembered. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}
