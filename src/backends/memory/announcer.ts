import type { AppendListener } from '../../channel/event-log.ts';
import type { RecordedEvent } from '../../event/event.ts';
import type { Logger } from '../../system/logger.ts';

/**
 * Tells listeners what was appended.
 *
 * Invariants 1. Listeners hear of writes in log order: what is appended by a listener is told after the write at hand.
 *            2. What a listener throws reaches neither the writer nor another listener.
 */
export class Announcer {
  readonly #logger: Logger;
  readonly #listeners = new Set<{ readonly tell: AppendListener }>();
  readonly #untold: (readonly RecordedEvent[])[] = [];
  #telling = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  watch(listener: AppendListener): () => void {
    // An object of its own, so that one function may watch twice.
    const watcher = { tell: listener };
    this.#listeners.add(watcher);
    return () => this.#listeners.delete(watcher);
  }

  announce(events: readonly RecordedEvent[]): void {
    if (events.length === 0) return;
    this.#untold.push(events);
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) this.#tell(next);
    this.#telling = false;
  }

  /** Nobody is told any more. */
  close(): void {
    this.#listeners.clear();
  }

  #tell(events: readonly RecordedEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    // A copy: who begins to watch inside a listener hears of later writes, who stops is not told any more.
    const present = [...this.#listeners];
    for (const watcher of present) {
      if (!this.#listeners.has(watcher)) continue;
      try {
        watcher.tell(last.position, events);
      } catch (error) {
        this.#logger.error(
          { err: error, position: last.position },
          'a listener of the event log threw; the write stands',
        );
      }
    }
  }
}
