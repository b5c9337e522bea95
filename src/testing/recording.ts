import type { EventLog } from '../channel/event-log.ts';
import { Closed } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';

const PAGE = 1_000;

/**
 * What a log has come to hold since it was first followed, in its order, over all processes of a test.
 *
 * Guarantee Nothing is missing while it is not reading: neither what a process that died was not told any more, nor what a backend
 *           tells the head of only.
 */
export class Recording {
  readonly #events: RecordedEvent[] = [];
  /** All up to here is in the list; undefined: no log was followed yet. */
  #last: Position | undefined;
  /** As far as the log is known to reach. */
  #head: Position = START;
  #isReading = false;
  #failure: { readonly error: unknown } | undefined;

  /** Errors: what the log answered when it was asked for what it had not told. */
  get events(): readonly RecordedEvent[] {
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#events;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  /** From now on; the log of a later process: from where that of the one before it was left. */
  async follow(log: EventLog): Promise<void> {
    log.watch((head, events) => {
      this.#head = head;
      if (this.#isReading) return;
      if (events === undefined) void this.#read(log);
      else this.#add(events);
    });
    await this.#read(log);
  }

  /** Up to the head, wherever it is by then. */
  async #read(log: EventLog): Promise<void> {
    this.#isReading = true;
    try {
      this.#head = Math.max(this.#head, await log.head()) as Position;
      this.#last ??= this.#head;
      while (this.#last < this.#head) {
        const page = await log.read({ after: this.#last, limit: PAGE });
        // What is left up to the head was removed.
        if (page.length === 0) this.#last = this.#head;
        else this.#add(page);
      }
    } catch (error) {
      // Of a process that died: who follows the log of the next one goes on from here.
      if (!(error instanceof Closed)) this.#failure = { error };
    } finally {
      this.#isReading = false;
    }
  }

  #add(events: readonly RecordedEvent[]): void {
    this.#events.push(...events);
    this.#last = events.at(-1)?.position ?? this.#last;
  }
}
