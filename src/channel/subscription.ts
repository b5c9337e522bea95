import type { RecordedEvent } from '../event/event.ts';
import { roughBytes } from '../event/event-size.ts';
import type { Position } from '../event/position.ts';
import type { Feed, FeedReader } from './feed.ts';
import type { CompiledSelection } from './selection.ts';

export interface SubscriptionOptions {
  readonly feed: Feed;
  readonly selection: CompiledSelection;
  /** Events after this position. */
  readonly after: Position;
  readonly signal?: AbortSignal | undefined;
  /** Called once, when the history is read and what follows is live. */
  readonly caughtUp?: (() => void) | undefined;
}

/** Events that wait for a slow reader; above it the feed lets it go, and it reads from the log again. */
const MAX_WAITING = 1_024;
const MAX_WAITING_BYTES = 8 * 1_024 * 1_024;
const PAGE = 500;

/**
 * A live ordered read without a memory of its own: history, then what comes.
 *
 * Guarantee Every matching event after `after`, once, in order, however slow the reader is. Ends when the signal is aborted or the
 *           iteration is left.
 */
export async function* subscription(options: SubscriptionOptions): AsyncGenerator<RecordedEvent, void, undefined> {
  const reader = new QueuedReader(options.selection);
  const { feed, signal } = options;
  const wake = () => reader.wake();
  const aborted = () => signal?.aborted ?? false;
  signal?.addEventListener('abort', wake, { once: true });
  let cursor = options.after;
  let caughtUp = options.caughtUp;
  try {
    while (!aborted() && !feed.closed) {
      reader.attached = true;
      if (!feed.attach(reader, cursor)) {
        const { events, upTo, mine } = await feed.read(reader, cursor, PAGE, options.selection.types);
        for (const event of mine ?? events) {
          if (mine !== undefined || options.selection.matches(event)) yield event;
          if (aborted()) return;
          cursor = event.position;
        }
        if (upTo > cursor) cursor = upTo;
        continue;
      }
      caughtUp?.();
      caughtUp = undefined;
      for (;;) {
        for (let event = reader.take(); event !== undefined; event = reader.take()) {
          // A reader may begin at a position that the log has not reached yet.
          if (event.position <= cursor) continue;
          cursor = event.position;
          yield event;
          if (aborted()) return;
        }
        if (!reader.attached || feed.closed || aborted()) break;
        await reader.something();
      }
      if (feed.closed) return;
    }
  } finally {
    signal?.removeEventListener('abort', wake);
    feed.detach(reader);
  }
}

class QueuedReader implements FeedReader {
  readonly selection: CompiledSelection;
  attached = false;
  #waiting: RecordedEvent[] = [];
  #waitingBytes = 0;
  #wake: (() => void) | undefined;

  constructor(selection: CompiledSelection) {
    this.selection = selection;
  }

  offer(event: RecordedEvent): boolean {
    if (this.#waiting.length >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES) {
      this.attached = false;
      this.wake();
      return false;
    }
    this.#waiting.push(event);
    this.#waitingBytes += roughBytes(event);
    this.wake();
    return true;
  }

  ended(): void {
    this.wake();
  }

  take(): RecordedEvent | undefined {
    const event = this.#waiting.shift();
    if (event !== undefined) this.#waitingBytes -= roughBytes(event);
    return event;
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  something(): Promise<void> {
    if (this.#waiting.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
