import type { EventLog } from '../channel/event-log.ts';
import { SYSTEM_EVENTS, systemEvent } from '../event/system-events.ts';
import type { AttemptSetting } from './attempt.ts';
import type { Outage } from './consumer-loop.ts';
import { storedError } from './stored-error.ts';

/**
 * What of the store is out of order for a consumer: the consumer stalls until all of it works again.
 *
 * Guarantee A stall is in the log of the process when it begins, and an event of the consumer's system stream when it is over (G11).
 */
export class Outages {
  readonly #setting: AttemptSetting;
  readonly #log: EventLog;
  readonly #reasons = new Map<Outage, string>();
  #sinceMs = 0;

  constructor(setting: AttemptSetting, log: EventLog) {
    this.#setting = setting;
    this.#log = log;
  }

  /** Why the consumer stalls; undefined when it does not. */
  get reason(): string | undefined {
    const [reason] = this.#reasons.values();
    return reason;
  }

  /** `error` undefined: it works again. */
  changed(of: Outage, error: unknown): void {
    const before = this.reason;
    if (error === undefined) {
      if (!this.#reasons.delete(of)) return;
    } else {
      this.#reasons.set(of, storedError(error).message);
    }
    if (before === undefined) this.#began(of);
    else if (this.#reasons.size === 0) this.#ended(before);
  }

  /** The consumer stops: what is out of order is not its concern any more. */
  clear(): void {
    this.#reasons.clear();
  }

  #began(of: Outage): void {
    const { environment, reaction, logger } = this.#setting;
    this.#sinceMs = environment.clock.now();
    const what = of === 'commits' ? 'does not take its commits' : 'cannot be read';
    logger.error({ consumer: reaction.name, reason: this.reason }, `the consumer stalls: the store ${what}`);
  }

  #ended(reason: string): void {
    const { environment, reaction, logger } = this.#setting;
    const forMs = environment.clock.now() - this.#sinceMs;
    logger.info({ consumer: reaction.name, forMs }, 'the consumer goes on: the store works again');
    const event = systemEvent(environment, {
      type: SYSTEM_EVENTS.consumerStalled,
      about: reaction.name,
      data: { consumer: reaction.name, reason, sinceMs: this.#sinceMs, forMs },
      cause: undefined,
    });
    this.#log
      .append({ events: [event], onDuplicate: 'keep-first' })
      .catch((error: unknown) =>
        logger.error({ consumer: reaction.name, err: error }, 'the stall that is over could not be reported'),
      );
  }
}
