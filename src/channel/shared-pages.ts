import type { RecordedEvent } from '../event/event.ts';
import { sumOfBytes } from '../event/event-size.ts';
import { whyUnreadable } from '../event/upcast-event.ts';
import type { FeedPage, FeedReader } from './feed.ts';
import { FilterIndex } from './filter/filter-index.ts';

/** Pages that are kept for others, at most, and what they hold in memory. */
const MAX_PAGES = 16;
const MAX_BYTES = 16 * 1_024 * 1_024;
/** Pages that are remembered by name, to see whether somebody asks for the same. */
const MAX_SEEN = 64;

interface SharedPage {
  readonly page: Promise<FeedPage>;
  bytes: number;
  /** The events of each reader that was known when a second one asked. */
  matched: ReadonlyMap<FeedReader, readonly RecordedEvent[]> | undefined;
}

/**
 * Pages of the log that several readers ask for, who catch up side by side: read once, and matched once.
 *
 * Guarantee Nothing is kept for a reader that is alone, and never more than MAX_PAGES and MAX_BYTES. A page that failed is not kept, nor one
 *           that ended at the head of the log, which is another one as soon as the head is.
 */
export class SharedPages {
  /** By what was asked for, the one asked for last at the end. */
  readonly #pages = new Map<string, SharedPage>();
  readonly #seen = new Set<string>();
  readonly #index = new FilterIndex<FeedReader>();
  readonly #known = new Set<FeedReader>();
  #bytes = 0;
  /** Reads until it is forgotten that there are several readers. */
  #company = 0;

  /** `read` is asked where nobody asked for the same lately. */
  async get(name: string, reader: FeedReader, read: () => Promise<FeedPage>): Promise<FeedPage> {
    const shared = this.#pages.get(name);
    if (shared === undefined) return this.#first(name, reader, read);
    this.#company = MAX_SEEN;
    this.#know(reader);
    this.#pages.delete(name);
    this.#pages.set(name, shared);
    const page = await shared.page;
    shared.matched ??= this.#match(page.events);
    const mine = shared.matched.get(reader);
    return mine === undefined ? page : { ...page, mine };
  }

  /** The reader has caught up, or reads no longer. */
  leave(reader: FeedReader): void {
    if (this.#known.delete(reader)) this.#index.remove(reader);
    if (this.#known.size === 0) this.clear();
  }

  clear(): void {
    this.#pages.clear();
    this.#seen.clear();
    this.#bytes = 0;
    this.#company = 0;
  }

  #first(name: string, reader: FeedReader, read: () => Promise<FeedPage>): Promise<FeedPage> {
    if (this.#seen.has(name)) this.#company = MAX_SEEN;
    else if (this.#company > 0) this.#company -= 1;
    this.#seen.delete(name);
    this.#seen.add(name);
    if (this.#seen.size > MAX_SEEN) {
      const [oldest] = this.#seen;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    const page = read();
    if (this.#company > 0) {
      this.#know(reader);
      this.#keep(name, { page, bytes: 0, matched: undefined });
    }
    return page;
  }

  #know(reader: FeedReader): void {
    const { pattern } = reader.selection;
    if (pattern === undefined || this.#known.has(reader)) return;
    this.#known.add(reader);
    this.#index.add(reader, pattern);
  }

  #match(events: readonly RecordedEvent[]): ReadonlyMap<FeedReader, readonly RecordedEvent[]> {
    const matched = new Map<FeedReader, RecordedEvent[]>([...this.#known].map((reader) => [reader, []]));
    const found: FeedReader[] = [];
    for (const event of events) {
      found.length = 0;
      const isReadable = whyUnreadable(event) === undefined;
      for (const reader of isReadable ? this.#index.match((name) => event.attribute(name), found) : this.#known)
        if (reader.selection.matches(event)) matched.get(reader)?.push(event);
    }
    return matched;
  }

  #keep(name: string, shared: SharedPage): void {
    this.#pages.set(name, shared);
    void this.#weigh(name, shared);
    this.#trim();
  }

  async #weigh(name: string, shared: SharedPage): Promise<void> {
    // Who reads it hears of a failure.
    const { events, upTo } = await shared.page.catch(() => ({ events: [], upTo: undefined }));
    if (this.#pages.get(name) !== shared) return;
    if (events.at(-1)?.position === upTo && upTo !== undefined) {
      shared.bytes = sumOfBytes(events);
      this.#bytes += shared.bytes;
      this.#trim();
    } else this.#drop(name);
  }

  #trim(): void {
    while (this.#pages.size > MAX_PAGES || (this.#bytes > MAX_BYTES && this.#pages.size > 1)) {
      const [oldest] = this.#pages.keys();
      if (oldest === undefined) return;
      this.#drop(oldest);
    }
  }

  #drop(name: string): void {
    this.#bytes -= this.#pages.get(name)?.bytes ?? 0;
    this.#pages.delete(name);
  }
}
