/** Lets others wait until a loop of a consumer begins or ends, or the consumer is paused or stopped. */
export class LoopChanges {
  #next = Promise.withResolvers<void>();

  happened(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }

  /** Resolves at the next one, or when the signal ends the wait. */
  async next(signal: AbortSignal | undefined): Promise<void> {
    const aborted = Promise.withResolvers<void>();
    const abort = () => aborted.resolve();
    signal?.addEventListener('abort', abort);
    await Promise.race([this.#next.promise, aborted.promise]);
    signal?.removeEventListener('abort', abort);
  }
}
