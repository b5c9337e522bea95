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
  /** Of messages of which clients have taken a part: beyond that those that wait longest are ended (G10). */
  readonly maximumBytes: number;
  /** A comment goes to a client that waits for events for so long, so that proxies keep the connection and dead ones are found. */
  readonly heartbeatMs: number;
  /** Aborted when the server shuts down: every stream ends. */
  readonly closing: AbortSignal;
}

/** Gives messages until the signal is aborted, or it is returned. */
export type Follow = (signal: AbortSignal) => AsyncIterator<Uint8Array, void>;

/** The last one asks nginx not to collect events before it passes them on. */
const HEADERS = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };

/** How soon a client comes back after its connection broke. */
const RETRY_MS = 1_000;
/** Large messages are passed on in pieces. */
const PIECE_BYTES = 64 * 1_024;
const encoder = new TextEncoder();

/**
 * Server-sent events, for as long as clients listen.
 *
 * Guarantee A message is made only when the connection takes it: a slow client costs no more than a fast one. Of events the `id` is the
 *           position: a client that comes back with `Last-Event-ID` misses nothing and gets nothing twice.
 *           Where clients are too slow for all that they were told, those that wait longest are ended, and come back.
 * Errors    SystemFull when there are too many.
 */
export class LiveStreams {
  readonly #options: LiveStreamsOptions;
  readonly #open = new Set<LiveStream>();
  /** Those that have a large message which the connection has not taken yet, those that wait longest first. */
  readonly #slow = new Map<LiveStream, Uint8Array>();

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
    const stream: LiveStream = new LiveStream(this.#options, follow, {
      left: (rest) => this.#keep(stream, rest),
      ended: () => {
        this.#open.delete(stream);
        this.#slow.delete(stream);
      },
    });
    this.#open.add(stream);
    if (closing.aborted) stream.leave();
    // Nothing is made before the connection asks for it.
    return text(new ReadableStream(stream, { highWaterMark: 0 }), HEADERS);
  }

  #keep(stream: LiveStream, rest: Uint8Array | undefined): void {
    this.#slow.delete(stream);
    if (rest !== undefined) this.#slow.set(stream, rest);
    for (const [slowest] of this.#slow) {
      // Many may be told the same.
      const bytes = [...new Set(this.#slow.values())].reduce((sum, { length }) => sum + length, 0);
      if (bytes <= this.#options.maximumBytes || slowest === stream) return;
      slowest.giveUp();
    }
  }
}

/** Who is told. */
interface StreamEvents {
  /** So much of a message is left; undefined: nothing. */
  left(message: Uint8Array | undefined): void;
  ended(): void;
}

/** States: open → over, by the client, by the server (`leave`), or because the log could not be read. */
class LiveStream implements UnderlyingSource<Uint8Array> {
  readonly #options: LiveStreamsOptions;
  readonly #leaving = new AbortController();
  readonly #messages: AsyncIterator<Uint8Array, void>;
  readonly #events: StreamEvents;
  /** What of a message is still to be passed on. */
  #rest: { readonly message: Uint8Array; readonly from: number; readonly isLast: boolean } | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #waiting = false;
  #over = false;
  #stopHeartbeat = () => {};

  constructor(options: LiveStreamsOptions, follow: Follow, events: StreamEvents) {
    this.#options = options;
    this.#messages = follow(this.#leaving.signal);
    this.#events = events;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
    this.#beat(controller);
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (this.#rest === undefined) {
      this.#waiting = true;
      const { message: given, isLast } = await this.#next();
      this.#waiting = false;
      if (this.#over) return;
      this.#rest = given && { message: given, from: 0, isLast };
      if (given === undefined) this.#close(controller);
    }
    this.#pass(controller);
  }

  /** A piece of its own: whoever keeps that does not keep the message. */
  #pass(controller: ReadableStreamDefaultController<Uint8Array>): void {
    if (this.#rest === undefined) return;
    const { message: whole, from, isLast } = this.#rest;
    const to = from + PIECE_BYTES;
    controller.enqueue(whole.slice(from, to));
    this.#rest = to < whole.length ? { message: whole, from: to, isLast } : undefined;
    if (whole.length > PIECE_BYTES) this.#events.left(this.#rest && whole);
    if (isLast && this.#rest === undefined) this.#close(controller);
  }

  #close(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.cancel();
    controller.close();
  }

  /** The client is gone, or nothing more comes. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#rest = undefined;
    this.#stopHeartbeat();
    this.leave();
    void this.#messages.return?.();
    this.#events.ended();
  }

  /** The connection is given up in the middle of a message: the client comes back, and begins anew. */
  giveUp(): void {
    const controller = this.#controller;
    this.cancel();
    controller?.error(new SystemFull('what slow clients of live streams have not taken', RETRY_MS));
  }

  /** Lets the stream end after what it is handing out now. */
  leave(): void {
    this.#leaving.abort();
  }

  async #next(): Promise<{ readonly message: Uint8Array | undefined; readonly isLast: boolean }> {
    try {
      const { done, value } = await this.#messages.next();
      return done === true ? { message: undefined, isLast: true } : { message: value, isLast: false };
    } catch (error) {
      // The client comes back with the last position it saw; a broken connection would tell it no more than an ended one.
      this.#options.environment.logger.error({ err: error }, 'a live stream failed and was ended');
      // What clients can do something about they are told. Without an id: they have not seen the event.
      const problem = problemOf(error);
      const data = problem && encoder.encode(`event: problem\ndata: ${JSON.stringify(problem)}\n\n`);
      return { message: data, isLast: true };
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
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const event of events) yield message(event.position, JSON.stringify(event));
}

/** `data`: JSON; `name`: what a listener of it is registered for. */
export function message(id: number, data: string, name?: string): Uint8Array {
  return encoder.encode(`id: ${id}\n${name === undefined ? '' : `event: ${name}\n`}data: ${data}\n\n`);
}
