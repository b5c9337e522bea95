import type { EventLog } from '../channel/event-log.ts';
import { ThereuponError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';

const PAGE = 1_000;
const PAGE_BYTES = 4 * 1_024 * 1_024;

/** An event that the log holds and cannot give: its row is no event any more. */
export interface Unreadable {
  /** The last event before it. */
  readonly after: Position;
  readonly cause: unknown;
}

/** The events of a log in order. */
export class LogWalk {
  readonly #log: Pick<EventLog, 'read'>;
  #page: readonly StoredEvent[] = [];
  #next = 0;
  /** Undefined: below every event, also those at places that no log gives. */
  #after: Position | undefined;
  #isOver = false;
  #unreadable: Unreadable | undefined;

  constructor(log: Pick<EventLog, 'read'>) {
    this.#log = log;
  }

  /** Set when the walk has come to an event that cannot be read; it does not go on. */
  get unreadable(): Unreadable | undefined {
    return this.#next < this.#page.length ? undefined : this.#unreadable;
  }

  /** The next event: the one at hand, after `reach`; undefined: there is none. */
  get next(): StoredEvent | undefined {
    return this.#page[this.#next];
  }

  step(): void {
    this.#next += 1;
  }

  /** Has an event at hand, where there is one more. */
  async reach(): Promise<void> {
    if (this.#next < this.#page.length || this.#isOver || this.#unreadable !== undefined) return;
    this.#page = await this.#read();
    this.#next = 0;
    this.#isOver = this.#page.length === 0 && this.#unreadable === undefined;
    this.#after = this.#page.at(-1)?.position ?? this.#after;
  }

  async #read(): Promise<readonly StoredEvent[]> {
    try {
      return await this.#readPage(PAGE);
    } catch (error) {
      if (error instanceof ThereuponError && error.fault !== 'defect') throw error;
      return this.#readSingly();
    }
  }

  /** What comes before the one that cannot be read. */
  async #readSingly(): Promise<readonly StoredEvent[]> {
    const found: StoredEvent[] = [];
    for (let after = this.#after; found.length < PAGE; after = found.at(-1)?.position ?? after) {
      try {
        const [event] = await this.#readPage(1, after);
        if (event === undefined) return found;
        found.push(event);
      } catch (cause) {
        this.#unreadable = { after: after ?? START, cause };
        return found;
      }
    }
    return found;
  }

  async #readPage(limit: number, after = this.#after): Promise<readonly StoredEvent[]> {
    const from = after === undefined ? {} : { after };
    const page = await this.#log.read({ ...from, limit, maxBytes: PAGE_BYTES });
    return page.map(({ stored }) => stored);
  }
}
