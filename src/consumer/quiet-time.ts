import type { EventLog } from '../channel/event-log.ts';
import { SYSTEM_EVENTS, systemEvent } from '../event/system-events.ts';
import { backoffMs } from '../system/backoff.ts';
import { isoTime } from '../system/clock.ts';
import type { CancelTimer } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import { deterministicId } from '../system/ids.ts';
import type { WatermarkRule } from '../time/watermark.ts';

export interface QuietTimeOptions {
  readonly consumer: string;
  readonly environment: Environment;
  readonly log: Pick<EventLog, 'append'>;
  readonly rule: WatermarkRule;
  /** What waits for time. */
  readonly needs: () => readonly QuietNeed[];
  /** Before then none of them is due, whatever comes. */
  readonly notBeforeMs: () => number;
  /** Everything that was recorded has been taken. */
  readonly isLive: () => boolean;
}

/** Something that goes on when it is recorded that time has passed, at a clock time or later. */
export interface QuietNeed {
  readonly atMs: number;
  /** What another one needs: that it is recorded once is all that can be done for it. */
  readonly id?: string;
}

const RECORD_AGAIN = { minDelayMs: 500, maxDelayMs: 30_000, factor: 2, jitter: 0.5 };
/** Looked at again after so long at least: keys that come due close together share a fact. */
const LEAST_MS = 100;

/**
 * Lets event time go on by the clock when no event comes that would tell of it: a quiet log still closes its windows and notices silences.
 *
 * That time has passed is itself recorded as a fact, so that every node, and every replay, lets it pass at the same place in the log.
 */
export class QuietTime {
  readonly #options: QuietTimeOptions;
  #cancel: CancelTimer | undefined;
  /** When it looks again. */
  #atMs = Number.POSITIVE_INFINITY;
  #failures = 0;
  #stopped = false;
  #sinceMs = Number.POSITIVE_INFINITY;
  /** What others need and it was recorded for. */
  #done: ReadonlySet<string> = new Set();

  constructor(options: QuietTimeOptions) {
    this.#options = options;
  }

  /** Time alone brings something on. */
  get timed(): boolean {
    return this.#cancel !== undefined;
  }

  start(): void {
    // Producers that were kept out while nobody ran have as long as others to be heard of.
    this.#sinceMs = this.#options.environment.clock.now();
    this.look();
  }

  /** There may be something that waits for time. */
  look(): void {
    // It looks by itself before anything may be due: mostly so, while events come.
    if (this.#stopped || this.#atMs <= this.#options.notBeforeMs()) return;
    const dueMs = this.#dueMs();
    if (dueMs !== undefined && dueMs < this.#atMs) this.#arm(dueMs - this.#options.environment.clock.now());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** When time is to be told of if nothing comes until then; undefined: nothing waits for it. */
  #dueMs(): number | undefined {
    const { rule, needs } = this.#options;
    if (rule.idleMs === Number.POSITIVE_INFINITY) return undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const { atMs, id } of needs()) if (id === undefined || !this.#done.has(id)) least = Math.min(least, atMs);
    return least === Number.POSITIVE_INFINITY ? undefined : Math.max(least, this.#sinceMs + rule.idleMs);
  }

  #arm(delayMs: number): void {
    const { clock } = this.#options.environment;
    this.#cancel?.();
    const waitMs = Math.max(LEAST_MS, delayMs);
    this.#atMs = clock.now() + waitMs;
    this.#cancel = clock.setTimer(waitMs, () => {
      this.#cancel = undefined;
      this.#atMs = Number.POSITIVE_INFINITY;
      void this.#tell();
    });
  }

  async #tell(): Promise<void> {
    const { consumer, environment, log, rule, isLive, needs } = this.#options;
    const { clock, random, logger } = environment;
    const dueMs = this.#dueMs();
    if (this.#stopped || dueMs === undefined) return;
    const nowMs = clock.now();
    if (dueMs > nowMs || !isLive()) {
      this.#arm(dueMs - nowMs);
      return;
    }
    const time = isoTime(nowMs - rule.idleMs - rule.disorderMs);
    const done = needs().filter(({ atMs, id }) => id !== undefined && (atMs <= nowMs || this.#done.has(id)));
    try {
      const event = systemEvent(environment, {
        type: SYSTEM_EVENTS.timePassed,
        about: consumer,
        data: { consumer, time },
        cause: undefined,
        // Nodes that notice it at the same moment tell of it once.
        id: deterministicId(['time', consumer, time], nowMs),
      });
      await log.append({ events: [event], onDuplicate: 'keep-first' });
      this.#failures = 0;
      this.#sinceMs = nowMs;
      this.#done = new Set(done.map(({ id = '' }) => id));
    } catch (error) {
      if (this.#stopped) return;
      this.#failures += 1;
      logger.warn({ consumer, err: error }, 'that time has passed could not be recorded; trying again');
      this.#arm(backoffMs(RECORD_AGAIN, this.#failures, random));
    }
  }
}
