import type { UnderlyingSource } from 'node:stream/web';
import { SystemFull } from '../index.ts';
import type { Environment, RecordedEvent } from '../index.ts';
import { problemOf } from './problem.ts';
import { text } from './reply.ts';
import type { Reply } from './reply.ts';

export interface LiveStreamsOptions {
  readonly environment: Environment;
  /** How many at the same time. */
  readonly maximum: number;
  /** A comment goes to a client that waits for events for so long, so that proxies keep the connection and dead ones are found. */
  readonly heartbeatMs: number;
  /** Aborted when the server shuts down: every stream ends. */
  readonly closing: AbortSignal;
}

/** Gives messages, each as `frame` makes it, until the signal is aborted. */
export type Follow = (signal: AbortSignal) => AsyncGenerator<string, void, undefined>;

/** The last one asks nginx not to collect events before it passes them on. */
const HEADERS = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };

/** How soon a client comes back after its connection broke. */
const RETRY_MS = 1_000;
const encoder = new TextEncoder();

/**
 * Server-sent events, for as long as clients listen.
 *
 * Guarantee A message is made only when the connection takes it: a slow client costs no more than a fast one. Of events the `id` is the
 *           position: a client that comes back with `Last-Event-ID` misses nothing and gets nothing twice.
 * Errors    SystemFull when there are too many.
 */
export class LiveStreams {
  readonly #options: LiveStreamsOptions;
  readonly #open = new Set<LiveStream>();

  constructor(options: LiveStreamsOptions) {
    this.#options = options;
    options.closing.addEventListener('abort', () => {
      for (const stream of this.#open) stream.leave();
    });
  }

  get open(): number {
    return this.#open.size;
  }

  /** The answer that is such a stream. */
  reply(follow: Follow): Reply {
    const { maximum, closing } = this.#options;
    if (this.#open.size >= maximum) throw new SystemFull(`the list of ${maximum} live streams`, 5_000);
    const stream: LiveStream = new LiveStream(this.#options, follow, () => this.#open.delete(stream));
    this.#open.add(stream);
    if (closing.aborted) stream.leave();
    // Nothing is made before the connection asks for it.
    return text(new ReadableStream(stream, { highWaterMark: 0 }), HEADERS);
  }
}

/** States: open → over, by the client, by the server (`leave`), or because the log could not be read. */
class LiveStream implements UnderlyingSource<Uint8Array> {
  readonly #options: LiveStreamsOptions;
  readonly #leaving = new AbortController();
  readonly #messages: AsyncGenerator<string, void, undefined>;
  readonly #ended: () => void;
  #waiting = false;
  #over = false;
  #stopHeartbeat = () => {};

  constructor(options: LiveStreamsOptions, follow: Follow, ended: () => void) {
    this.#options = options;
    this.#messages = follow(this.#leaving.signal);
    this.#ended = ended;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
    this.#beat(controller);
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#waiting = true;
    const { text: given, isLast } = await this.#next();
    this.#waiting = false;
    if (this.#over) return;
    if (given !== '') controller.enqueue(encoder.encode(given));
    if (!isLast) return;
    this.cancel();
    controller.close();
  }

  /** The client is gone, or nothing more comes. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopHeartbeat();
    this.leave();
    void this.#messages.return();
    this.#ended();
  }

  /** Lets the stream end after what it is handing out now. */
  leave(): void {
    this.#leaving.abort();
  }

  async #next(): Promise<{ readonly text: string; readonly isLast: boolean }> {
    try {
      const { value } = await this.#messages.next();
      return value === undefined ? { text: '', isLast: true } : { text: value, isLast: false };
    } catch (error) {
      // The client comes back with the last position it saw; a broken connection would tell it no more than an ended one.
      this.#options.environment.logger.error({ err: error }, 'a live stream failed and was ended');
      // What clients can do something about they are told. Without an id: they have not seen the event.
      const problem = problemOf(error);
      return {
        text: problem === undefined ? '' : `event: problem\ndata: ${JSON.stringify(problem)}\n\n`,
        isLast: true,
      };
    }
  }

  #beat(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { environment, heartbeatMs } = this.#options;
    this.#stopHeartbeat = environment.clock.setTimer(heartbeatMs, () => {
      if (this.#waiting) controller.enqueue(encoder.encode(':\n\n'));
      this.#beat(controller);
    });
  }
}

/** Events as messages. Without an `event:` line, so that a browser's `onmessage` gets every event; the type is in it. */
export async function* eventFrames(
  events: AsyncGenerator<RecordedEvent, void, undefined>,
): AsyncGenerator<string, void, undefined> {
  for await (const event of events) yield frame(event.position, event);
}

/** A message; `name`: what a listener of it is registered for. */
export function frame(id: number, data: unknown, name?: string): string {
  return `id: ${id}\n${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
}
