import type { EncodedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { SYSTEM_EVENTS, systemEvent } from '../event/system-events.ts';
import { systemClock } from '../system/clock.ts';
import type { CancelTimer } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import { deterministicId } from '../system/ids.ts';
import type { Outbox, Refusal } from './outbox.ts';

/** After the store could not be asked. */
const AGAIN_MS = 1_000;

/**
 * Brings what callers' transactions committed into the log, for as long as it is open.
 *
 * Invariants
 * 1. One relay at a time in this process; what is signalled meanwhile is served by its next turn.
 * 2. What the log refuses is not lost: the whole event stands in a report (G11).
 */
export class Relay {
  readonly #outbox: Pick<Outbox, 'relay' | 'watch'>;
  readonly #environment: Environment;
  readonly #unwatch: () => void;
  #running: Promise<void> | undefined;
  #again = false;
  #cancel: CancelTimer | undefined;
  #closed = false;

  constructor(outbox: Pick<Outbox, 'relay' | 'watch'>, environment: Environment) {
    this.#outbox = outbox;
    this.#environment = environment;
    this.#unwatch = outbox.watch(() => this.#start());
    // What an earlier process left.
    this.#start();
  }

  /** Resolves when what is committed now is in the log, or cannot be brought there now. */
  async caughtUp(): Promise<void> {
    this.#start();
    await this.#running;
  }

  /** Catches up first, for at most `graceMs` of real time; what it does not reach stays where it is for the next start. */
  async close(graceMs = 0): Promise<void> {
    if (graceMs > 0) {
      const cancel = systemClock.setTimer(graceMs, () => (this.#closed = true));
      await this.caughtUp();
      cancel();
    }
    this.#closed = true;
    this.#unwatch();
    this.#cancel?.();
    await this.#running;
  }

  #start(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) this.#start();
    });
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        while ((await this.#outbox.relay((events, refusal) => this.#report(events, refusal))) > 0 && !this.#closed);
      } catch (error) {
        if (this.#closed) return;
        this.#environment.logger.warn({ err: error }, 'committed events wait in the outbox; trying again');
        this.#cancel?.();
        this.#cancel = this.#environment.clock.setTimer(AGAIN_MS, () => this.#start());
      }
    }
  }

  #report(events: readonly EncodedEvent[], refusal: Refusal): EncodedEvent {
    const [first] = events;
    this.#environment.logger.error(
      { refusal, events: events.map(({ source, id, type }) => ({ source, id, type })) },
      'the log refused what a transaction had published; the events stand in the report',
    );
    const { ok: _, ...reason } = refusal;
    return systemEvent(this.#environment, {
      type: SYSTEM_EVENTS.outboxRefused,
      about: 'outbox',
      data: JSON.parse(JSON.stringify({ ...reason, events })) as JsonValue,
      cause: undefined,
      id: deterministicId([SYSTEM_EVENTS.outboxRefused, first?.source ?? '', first?.id ?? '', first?.time ?? '']),
    });
  }
}
