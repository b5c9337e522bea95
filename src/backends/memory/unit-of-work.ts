import type { AppendOutcome } from '../../channel/event-log.ts';
import type { Checkpoint } from '../../consumer/checkpoint-store.ts';
import type { Delivery } from '../../consumer/delivery-store.ts';
import type { Unit, UnitOfWork, UnitOutcome } from '../../consumer/unit-of-work.ts';
import type { Position } from '../../event/position.ts';
import type { Clock } from '../../system/clock.ts';
import type { LogWatchers } from '../../channel/log-watchers.ts';
import { AppendPlan } from './append-plan.ts';
import type { MemoryContent } from './content.ts';
import type { MemoryInlineRows } from './inline-rows.ts';
import { prepareRow, writeRow } from './row-store.ts';
import type { Session } from './session.ts';

export interface UnitParts {
  readonly content: MemoryContent;
  readonly clock: Clock;
  readonly watchers: LogWatchers;
  readonly session: Session;
  readonly inlineRows: Pick<MemoryInlineRows, 'appended'>;
}

/** Plans every append, and only when none is refused writes anything. */
export class MemoryUnitOfWork implements UnitOfWork {
  readonly #content: MemoryContent;
  readonly #clock: Clock;
  readonly #watchers: LogWatchers;
  readonly #session: Session;
  readonly #inlineRows: Pick<MemoryInlineRows, 'appended'>;

  constructor({ content, clock, watchers, session, inlineRows }: UnitParts) {
    this.#content = content;
    this.#clock = clock;
    this.#watchers = watchers;
    this.#session = session;
    this.#inlineRows = inlineRows;
  }

  async commit(unit: Unit): Promise<UnitOutcome> {
    this.#session.assertOpen();
    if (!this.#isAsExpected(unit)) return { ok: false, index: -1, refusal: undefined };
    const plan = new AppendPlan(this.#content.log, this.#clock.now());
    const appends: (AppendOutcome & { ok: true })[] = [];
    for (const [index, request] of unit.appends.entries()) {
      const outcome = plan.add(request);
      if (!outcome.ok) return { ok: false, index, refusal: outcome };
      appends.push(outcome);
    }
    // Copied before the first write: an object that cannot be copied throws while nothing is written yet.
    const rows = unit.rows.map(prepareRow);
    const { checkpoint, deliveries } = structuredClone({ checkpoint: unit.checkpoint, deliveries: unit.deliveries });
    const events = plan.write();
    this.#replaceCheckpoint(unit.consumer, checkpoint);
    for (const row of rows) writeRow(this.#content.rows, row);
    this.#writeDeliveries(unit.consumer, deliveries);
    this.#inlineRows.appended(events);
    this.#watchers.appended(events);
    return { ok: true, appends };
  }

  #isAsExpected({ consumer, deliveries }: Unit): boolean {
    const known = this.#content.deliveries.get(consumer);
    return (
      this.#content.consumers.has(consumer) &&
      (deliveries.parked ?? []).every((position) => known?.get(position)?.state === 'parked')
    );
  }

  #replaceCheckpoint(consumer: string, checkpoint: Checkpoint | undefined): void {
    const record = this.#content.consumers.get(consumer);
    if (record === undefined || checkpoint === undefined) return;
    this.#content.consumers.set(consumer, { ...record, checkpoint, updatedMs: this.#clock.now() });
  }

  #writeDeliveries(consumer: string, { put, remove }: Unit['deliveries']): void {
    if (put.length + remove.length === 0) return;
    const deliveries = this.#content.deliveries.get(consumer) ?? new Map<Position, Delivery>();
    for (const position of remove) deliveries.delete(position);
    for (const delivery of put) deliveries.set(delivery.position, delivery);
    this.#content.deliveries.set(consumer, deliveries);
  }
}
