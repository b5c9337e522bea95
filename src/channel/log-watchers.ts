import type { AppendListener } from './event-log.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import { position } from '../event/position.ts';
import type { Logger } from '../system/logger.ts';

type Announcement = readonly [head: Position, events: readonly RecordedEvent[] | undefined];

/**
 * Tells the listeners of a log what was appended: what every backend has behind `watch`.
 *
 * Invariants 1. Listeners hear of writes in log order: what is appended by a listener is told after the write at hand.
 *            2. What a listener throws reaches neither the writer nor another listener.
 */
export class LogWatchers {
  readonly #logger: Logger;
  readonly #listeners = new Set<{ readonly tell: AppendListener }>();
  readonly #untold: Announcement[] = [];
  #telling = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get any(): boolean {
    return this.#listeners.size > 0;
  }

  watch(listener: AppendListener): () => void {
    // An object of its own, so that one function may watch twice.
    const watcher = { tell: listener };
    this.#listeners.add(watcher);
    return () => this.#listeners.delete(watcher);
  }

  /** These are durable and visible now. */
  appended(events: readonly RecordedEvent[]): void {
    const last = events.at(-1);
    if (last !== undefined) this.#announce([last.position, events]);
  }

  /** Something was appended elsewhere, up to here. */
  reached(head: number): void {
    this.#announce([position(head), undefined]);
  }

  /** Nobody is told any more. */
  close(): void {
    this.#listeners.clear();
  }

  #announce(announcement: Announcement): void {
    if (this.#listeners.size === 0) return;
    this.#untold.push(announcement);
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) this.#tell(...next);
    this.#telling = false;
  }

  #tell(head: Position, events: readonly RecordedEvent[] | undefined): void {
    // A copy: who begins to watch inside a listener hears of later writes, who stops is not told any more.
    for (const watcher of new Set(this.#listeners)) {
      if (!this.#listeners.has(watcher)) continue;
      try {
        watcher.tell(head, events);
      } catch (error) {
        this.#logger.error({ err: error, position: head }, 'a listener of the event log threw; the write stands');
      }
    }
  }
}
