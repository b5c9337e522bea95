import { Client } from 'pg';
import { backoffMs } from '../../system/backoff.ts';
import { waitFor } from '../../system/clock.ts';
import type { CancelTimer } from '../../system/clock.ts';
import type { Environment } from '../../system/environment.ts';

/** What is appended while the connection is down, or whose notice is lost, is found so late. */
const SAFETY_POLL_MS = 5_000;
const RECONNECT = { minDelayMs: 100, maxDelayMs: 10_000, factor: 2, jitter: 0.5 };

/**
 * Hears of what other processes append, on a connection of its own.
 *
 * States     idle → listening ⇄ waiting to connect again → closed.
 * Invariants 1. After `start` every append is told of within the safety poll, whatever becomes of the connection.
 */
export class Wakeups {
  readonly #url: string;
  readonly #channel: string;
  readonly #environment: Environment;
  readonly #look: () => Promise<void>;
  readonly #heard: (head: number) => void;
  readonly #closing = new AbortController();
  #client: Client | undefined;
  #running: Promise<void> | undefined;
  #cancelPoll: CancelTimer | undefined;

  constructor(options: {
    url: string;
    channel: string;
    environment: Environment;
    /** Asks the store for its head, and tells of it. */
    look: () => Promise<void>;
    heard: (head: number) => void;
  }) {
    this.#url = options.url;
    this.#channel = options.channel;
    this.#environment = options.environment;
    this.#look = options.look;
    this.#heard = options.heard;
  }

  start(): void {
    if (this.#running !== undefined || this.#closing.signal.aborted) return;
    this.#running = this.#run();
    this.#poll();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the store was closed'));
    this.#cancelPoll?.();
    await this.#client?.end().catch(() => undefined);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted;) {
      try {
        const { ended } = await this.#listen();
        failures = 0;
        // Whatever came while nobody listened.
        await this.#look();
        await ended;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#environment.logger.warn({ err: error }, 'notices of the store cannot be heard; connecting again');
      }
      if (signal.aborted) return;
      await waitFor(
        this.#environment.clock,
        backoffMs(RECONNECT, Math.max(1, failures), this.#environment.random),
        signal,
      ).catch(() => undefined);
    }
  }

  /** Resolves when it listens; `ended`: when the connection does not any more. */
  async #listen(): Promise<{ readonly ended: Promise<void> }> {
    const client = new Client({
      connectionString: this.#url,
      application_name: 'thereupon-wakeups',
      keepAlive: true,
    });
    const ended = new Promise<void>((resolve) => {
      client.on('error', () => resolve());
      client.on('end', () => resolve());
    });
    client.on('notification', ({ payload }) => this.#heard(Number(payload)));
    this.#client = client;
    await client.connect();
    await client.query(`LISTEN ${this.#channel}`);
    return { ended };
  }

  #poll(): void {
    if (this.#closing.signal.aborted) return;
    this.#cancelPoll = this.#environment.clock.setTimer(SAFETY_POLL_MS, () => {
      this.#look()
        .catch((error: unknown) =>
          this.#environment.logger.warn({ err: error }, 'the store could not be asked for news'),
        )
        .finally(() => this.#poll());
    });
  }
}
