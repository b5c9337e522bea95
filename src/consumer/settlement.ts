import { personalTexts } from '../event/redaction.ts';
import { personalTextsOf } from './personal-state.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';
import { roughJsonBytes } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import { SYSTEM_EVENTS, isSystemEventType, systemEvent } from '../event/system-events.ts';
import type { SystemEventType } from '../event/system-events.ts';
import { backoffMs } from '../system/backoff.ts';
import { instantAfter } from '../system/duration.ts';
import type { Attempt, AttemptSetting } from './attempt.ts';
import type { Committer } from './committer.ts';
import type { Delivery, FailedPart, TakenAt } from './delivery-store.ts';
import type { DueKeys } from './due-keys.ts';
import type { Figures } from './figures.ts';
import { isDue } from './key-queues.ts';
import type { Work } from './key-queues.ts';
import { leftOutRow } from './left-out.ts';
import type { Progress } from './progress.ts';
import type { RowWrite } from './row-store.ts';
import type { StateCache } from './state-cache.ts';
import { HELD_INDEX } from './reaction.ts';
import { partReported, reportOn } from './report-on.ts';
import { storedError } from './stored-error.ts';
import { LoopStopped } from '../errors.ts';

export interface SettlementParts {
  readonly setting: AttemptSetting;
  readonly committer: Committer;
  readonly progress: Progress;
  readonly states: StateCache | undefined;
  readonly figures: Figures;
  /** Where time alone may bring something on for a key. */
  readonly due: DueKeys | undefined;
}

/**
 * Turns the end of an attempt into what is committed of it.
 *
 * Invariants
 * 1. Each method adds the effects and settles the event in one synchronous step (the committer relies on it).
 * 2. A failed attempt leaves nothing but its delivery and a report.
 */
export class Settlement {
  readonly #parts: SettlementParts;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  done(work: Work, attempt: Attempt): void {
    const { committer, figures } = this.#parts;
    attempt.close();
    // First of all, because it may throw: nothing may be added of an event that is not settled.
    const row = this.#rowOf(work, attempt);
    const rowBytes = row === undefined ? 0 : roughJsonBytes(row.value);
    // One that only waited behind others is like any new event: keys with much behind them would else be worked off a commit at a time.
    if (work.delivery !== undefined && work.delivery.state !== 'waiting') committer.beginAlone();
    this.#append(attempt, work.event.position);
    let urgent = attempt.appends.length + attempt.statements.length > 0 || work.delivery !== undefined;
    committer.execute(attempt.statements);
    if (work.delivery !== undefined) committer.removeDelivery(work.delivery.position);
    if (row !== undefined) {
      this.#parts.states?.set(row.key, row.value, rowBytes);
      committer.write(row, rowBytes);
      this.#parts.due?.changed(row.key, row.value);
      this.#parts.due?.holds(row.key, numberIn(row, HELD_INDEX) ?? 0);
      // Nobody waits for what an operator keeps of a key.
      urgent ||= this.#parts.due === undefined;
    }
    const taken = this.#parts.setting.leftOut?.handled(work.event);
    if (taken !== undefined) committer.writeApart(taken);
    // What time alone brought on is no event.
    if (work.pending !== undefined || (work.delivery !== undefined && !isDue(work))) figures.handled += 1;
    if (attempt.late) figures.late += 1;
    this.#settle(work, urgent, attempt.tookTime);
  }

  /** In the order in which they were published. */
  #append({ appends }: Attempt, position: Position): void {
    const { committer } = this.#parts;
    let derived: EncodedEvent[] = [];
    for (const append of appends) {
      if (append.derived) {
        derived.push(append.event);
        continue;
      }
      committer.append(derived, position);
      derived = [];
      committer.appendVerified(append.event, position);
    }
    committer.append(derived, position);
  }

  /** Answers the delivery that now stands for the event. `delayMs` replaces the backoff. */
  failed(work: Work, attempts: number, thrown: unknown, delayMs?: number, part?: FailedPart): Delivery {
    const { setting, committer, figures } = this.#parts;
    const { environment, reaction, logger } = setting;
    const nowMs = environment.clock.now();
    const firstFailedMs = work.delivery?.firstFailedMs ?? nowMs;
    const error = {
      ...storedError(thrown, [
        ...personalTexts(work.event),
        ...personalTextsOf(reaction.state, this.#parts.states?.get(work.key)),
      ]),
      ...(part === undefined ? {} : { part }),
    };
    const waitMs = delayMs ?? backoffMs(reaction.retry, attempts, environment.random);
    const exhausted = attempts >= reaction.retry.attempts || nowMs + waitMs - firstFailedMs > reaction.retry.maxAgeMs;
    const parked = exhausted || this.#isTerminal(thrown);
    const delivery: Delivery = {
      ...this.#aside(work),
      state: parked ? 'parked' : 'retrying',
      attempts,
      firstFailedMs,
      lastFailedMs: nowMs,
      dueMs: parked ? undefined : instantAfter(nowMs, waitMs),
      error,
    };
    figures.failed += 1;
    figures.lastError = { error, atMs: nowMs, eventId: work.event.id };
    if (parked) figures.parked += 1;
    else figures.retried += 1;
    committer.putDelivery(delivery);
    this.#reportFailure(work, delivery, thrown);
    // As it is stored: what was thrown may defend itself against being looked at.
    const fields = {
      consumer: reaction.name,
      eventId: work.event.id,
      position: work.event.position,
      attempts,
      err: error,
    };
    const behind = reaction.mode === 'ordered' ? '; later events of its key wait behind it' : '';
    if (parked) logger.error(fields, `the event was parked${behind}`);
    else logger.warn({ ...fields, retryInMs: waitMs }, 'the attempt failed and will be repeated');
    this.#settle(work, true);
    return delivery;
  }

  /** Queues the event behind an earlier delivery of its key, or until it is due. */
  setAside(work: Work, when: { dueMs: number | undefined; priority: number }): Delivery {
    const { committer, figures } = this.#parts;
    if (when.dueMs === undefined) figures.heldBack += 1;
    const delivery: Delivery = { ...this.#aside(work), state: 'waiting', dueMs: when.dueMs, priority: when.priority };
    committer.putDelivery(delivery);
    this.#settle(work, true);
    return delivery;
  }

  /** The event turned out to belong to another key: it waits for its turn there. */
  moved(delivery: Delivery, key: string): void {
    const { committer } = this.#parts;
    committer.putDelivery({ ...delivery, key, state: 'waiting', dueMs: undefined });
    committer.settled(true, delivery.position);
  }

  expired(work: Work): void {
    const { figures, committer } = this.#parts;
    figures.expired += 1;
    const report = this.#report(SYSTEM_EVENTS.deliveryExpired, work.event, {
      key: work.key,
      expirytime: work.event.expirytime ?? null,
    });
    committer.append(report, work.event.position);
    this.#leaveOut(work, this.#parts.setting.leftOut?.rowOf(work.event));
  }

  /** It was set aside by a definition that took events of its type; the present one does not. */
  unwanted(work: Work): void {
    const { committer, setting } = this.#parts;
    const reason = `the consumer no longer takes ${work.event.type}`;
    const fields = { consumer: setting.reaction.name, eventId: work.event.id, position: work.event.position };
    setting.logger.warn(fields, `a delivery was dropped: ${reason}`);
    const report = this.#report(SYSTEM_EVENTS.deliveryDiscarded, work.event, { key: work.key, reason });
    committer.append(report, work.event.position);
    // It may come to take them again.
    this.#leaveOut(work, leftOutRow(setting.reaction.name, work.event));
  }

  /** Ends work whose event is not handled. */
  #leaveOut(work: Work, row: RowWrite | undefined): void {
    const { committer, setting } = this.#parts;
    if (row !== undefined) {
      setting.leftOut?.writes(row);
      committer.writeApart(row);
    }
    if (work.delivery !== undefined) committer.removeDelivery(work.delivery.position);
    this.#settle(work, true);
  }

  /** The definition is another one now, or the key has no state any more: nothing is due. */
  lapsed({ position }: Delivery): void {
    this.#parts.committer.removeDelivery(position);
    this.#parts.committer.settled(true, position);
  }

  /** The event of a delivery is no longer in the log. */
  gone(delivery: Delivery): void {
    const { committer, setting } = this.#parts;
    setting.logger.warn(
      { consumer: delivery.consumer, position: delivery.position },
      'a delivery was dropped: its event is no longer in the log',
    );
    committer.append(
      [
        systemEvent(setting.environment, {
          type: SYSTEM_EVENTS.deliveryDiscarded,
          about: delivery.consumer,
          data: {
            consumer: delivery.consumer,
            position: delivery.position,
            key: delivery.key,
            reason: 'the event is no longer in the log',
          },
          cause: undefined,
        }),
      ],
      delivery.position,
    );
    committer.removeDelivery(delivery.position);
    committer.settled(true, delivery.position);
  }

  #settle(work: Work, urgent: boolean, outside = true): void {
    const { committer, progress } = this.#parts;
    if (work.pending !== undefined) progress.settle(work.pending);
    committer.settled(urgent, work.event.position, outside);
  }

  #aside(work: Work): Delivery {
    return (
      work.delivery ?? {
        consumer: this.#parts.setting.reaction.name,
        position: work.event.position,
        key: work.key,
        state: 'waiting',
        attempts: 0,
        firstFailedMs: undefined,
        lastFailedMs: undefined,
        dueMs: undefined,
        priority: this.#priorityOf(work.event),
        error: undefined,
        edited: undefined,
        taken: takenAt(work),
      }
    );
  }

  /** The user's own function may be what failed. */
  #priorityOf(event: RecordedEvent): number {
    try {
      const priority: unknown = this.#parts.setting.reaction.priorityOf?.(event) ?? 0;
      return typeof priority === 'number' && Number.isFinite(priority) ? priority : 0;
    } catch {
      return 0;
    }
  }

  #rowOf(work: Work, attempt: Attempt): RowWrite | undefined {
    const { state } = this.#parts.setting.reaction;
    if (attempt.stateChange === undefined || state === undefined) return undefined;
    const { value } = attempt.stateChange;
    return {
      namespace: state.namespace,
      key: work.key,
      value,
      indexes: value === undefined ? {} : state.indexes(value),
    };
  }

  #isTerminal(thrown: unknown): boolean {
    try {
      return this.#parts.setting.reaction.retry.terminal(thrown);
    } catch (error) {
      // The user's own judgement failed; the attempt limit still bounds the retries.
      this.#parts.setting.logger.error(
        { consumer: this.#parts.setting.reaction.name, err: error },
        'retry.terminal threw',
      );
      return false;
    }
  }

  #reportFailure(work: Work, delivery: Delivery, thrown: unknown): void {
    // A consumer of the system's reports that fails must not feed itself with reports of it. What time brings on is no report, whatever told of it.
    if (isSystemEventType(work.event.type) && !isDue(work)) return;
    const { committer } = this.#parts;
    const data = {
      key: work.key,
      attempts: delivery.attempts,
      dueMs: delivery.dueMs ?? null,
      error: {
        name: delivery.error?.name ?? null,
        message: delivery.error?.message ?? null,
        code: delivery.error?.code ?? null,
      },
      ...partReported(delivery.error?.part),
    };
    const reports = this.#report(SYSTEM_EVENTS.attemptFailed, work.event, data);
    if (delivery.state === 'parked') reports.push(...this.#report(SYSTEM_EVENTS.deliveryParked, work.event, data));
    if (isLoopStopped(thrown)) {
      reports.push(
        ...this.#report(SYSTEM_EVENTS.loopStopped, work.event, {
          ...data,
          reaction: thrown.reaction,
          limit: thrown.limit,
          reason: thrown.message,
        }),
      );
    }
    committer.append(reports, work.event.position);
  }

  #report(type: SystemEventType, event: RecordedEvent, data: Readonly<Record<string, JsonValue>>): EncodedEvent[] {
    return [reportOn(this.#parts.setting, type, event, data)];
  }
}

/** So that it is judged, when its turn comes again, as it would have been now. */
function takenAt(work: Work): TakenAt | undefined {
  if (isDue(work)) {
    const { upToMs } = work.time;
    return upToMs === undefined ? undefined : { watermarkMs: upToMs, afterMs: upToMs, due: true };
  }
  const { time } = work;
  if (time === undefined || !('watermarkMs' in time) || time.expectedSinceMs !== undefined) return undefined;
  const { watermarkMs, afterMs } = time;
  return { watermarkMs: finiteOrNull(watermarkMs), afterMs: finiteOrNull(afterMs) };
}

function finiteOrNull(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}

/** As the index has it. */
function numberIn({ indexes }: RowWrite, index: string): number | undefined {
  const value = indexes[index];
  return typeof value === 'number' ? value : undefined;
}

/** What was thrown may defend itself even against this question. */
function isLoopStopped(thrown: unknown): thrown is LoopStopped {
  try {
    return thrown instanceof LoopStopped;
  } catch {
    return false;
  }
}
