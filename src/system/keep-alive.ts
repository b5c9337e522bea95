/** Longer than anything that is waited for; `setInterval` fires at once above 2^31 - 1. */
const LONG_MS = 2_147_483_647;

/**
 * Keeps the process alive until the returned function is called: timers of the clock and paused sockets do not. For work that has begun
 * and must not end with the process because nothing else is left to do, such as closing in order.
 */
export function keepAlive(): () => void {
  const handle = setInterval(() => undefined, LONG_MS);
  return () => clearInterval(handle);
}
