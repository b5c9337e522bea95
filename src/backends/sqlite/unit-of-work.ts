import { restOfCheckpoint } from '../../consumer/checkpoint-store.ts';
import type { AppendOutcome } from '../../channel/event-log.ts';
import { bytesOfStatement } from '../../consumer/table-store.ts';
import type { Unit, UnitOfWork, UnitOutcome } from '../../consumer/unit-of-work.ts';
import type { Clock } from '../../system/clock.ts';
import type { SqliteCheckpointStore } from './checkpoint-store.ts';
import type { DeliveryRow, SqliteDeliveryStore } from './delivery-store.ts';
import { deliveryRow } from './delivery-store.ts';
import { bytesOf } from './event-log.ts';
import type { EventWriter } from './event-writer.ts';
import type { GroupCommit, Write } from './group-commit.ts';
import type { PreparedRow, SqliteRowStore } from './row-store.ts';
import { prepareRow } from './row-store.ts';
import type { SqliteTableStore } from './table-store.ts';

export interface UnitParts {
  readonly clock: Clock;
  readonly writes: Pick<GroupCommit, 'submit'>;
  readonly writer: EventWriter;
  readonly checkpoints: SqliteCheckpointStore;
  readonly rows: SqliteRowStore;
  readonly deliveries: SqliteDeliveryStore;
  readonly tables: Pick<SqliteTableStore, 'execute'>;
}

/** Units go through the same flushes as appends; each is written whole or taken back whole. */
export class SqliteUnitOfWork implements UnitOfWork {
  readonly #parts: UnitParts;

  constructor(parts: UnitParts) {
    this.#parts = parts;
  }

  commit(unit: Unit): Promise<UnitOutcome> {
    return new Promise((resolve, reject) => {
      this.#parts.writes.submit(new UnitWrite(this.#parts, unit, resolve, reject));
    });
  }
}

const UNIT_BYTES = 300;
const DELIVERY_BYTES = 500;
const NOT_AS_EXPECTED: UnitOutcome = { ok: false, index: -1, refusal: undefined };

/** What a unit changes is copied when it is handed in: its writer may go on working with its state. */
class UnitWrite implements Write {
  readonly bytes: number;
  readonly #parts: UnitParts;
  readonly #unit: Unit;
  readonly #done: string | undefined;
  readonly #rows: readonly PreparedRow[];
  readonly #put: readonly DeliveryRow[];
  readonly #resolve: (outcome: UnitOutcome) => void;
  readonly fail: (error: unknown) => void;
  #outcome: UnitOutcome = NOT_AS_EXPECTED;

  constructor(parts: UnitParts, unit: Unit, resolve: (outcome: UnitOutcome) => void, reject: (error: unknown) => void) {
    this.#parts = parts;
    this.#unit = unit;
    this.#done = unit.checkpoint === undefined ? undefined : restOfCheckpoint(unit.checkpoint);
    this.#rows = unit.rows.map(prepareRow);
    this.#put = unit.deliveries.put.map(deliveryRow);
    this.#resolve = resolve;
    this.fail = reject;
    let bytes = UNIT_BYTES + DELIVERY_BYTES * this.#put.length;
    for (const request of unit.appends) bytes += bytesOf(request);
    for (const statement of unit.statements ?? []) bytes += bytesOfStatement(statement);
    for (const row of this.#rows) bytes += row.key.length + (row.json?.length ?? 0);
    this.bytes = bytes;
  }

  apply(): void {
    const { checkpoints } = this.#parts;
    const { consumer, deliveries } = this.#unit;
    const isAsExpected = checkpoints.isKnown(consumer) && this.#parts.deliveries.areParked(consumer, deliveries.parked);
    this.#outcome = isAsExpected ? this.#write() : NOT_AS_EXPECTED;
  }

  settle(): void {
    this.#resolve(this.#outcome);
  }

  #write(): UnitOutcome {
    const { clock, writer, checkpoints, rows, deliveries } = this.#parts;
    const { consumer, checkpoint, appends } = this.#unit;
    const start = writer.savepoint();
    const accepted: (AppendOutcome & { ok: true })[] = [];
    for (const [index, request] of appends.entries()) {
      const outcome = writer.append(request, start);
      if (!outcome.ok) {
        writer.takeBack(start);
        return { ok: false, index, refusal: outcome };
      }
      accepted.push(outcome);
    }
    if (checkpoint !== undefined) checkpoints.advance(consumer, checkpoint.low, this.#done ?? '[]', clock.now());
    for (const row of this.#rows) rows.write(row);
    deliveries.write(consumer, this.#unit.deliveries.remove, this.#put);
    // What it refuses is taken back with the whole transaction, whose other writes are made again.
    this.#parts.tables.execute(this.#unit.statements ?? []);
    return { ok: true, appends: accepted };
  }
}
