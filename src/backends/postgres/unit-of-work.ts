import { restOfCheckpoint } from '../../consumer/checkpoint-store.ts';
import type { Checkpoint } from '../../consumer/checkpoint-store.ts';
import { bytesOfStatement } from '../../consumer/table-store.ts';
import type { Unit, UnitOfWork, UnitOutcome } from '../../consumer/unit-of-work.ts';
import { deliveryRow } from './delivery-store.ts';
import { bytesOf, detached } from './event-log.ts';
import type { PreparedCheckpoint, PreparedUnit } from './flush.ts';
import { prepareRow } from './row-store.ts';
import type { Writes } from './write-queue.ts';

/** Of a unit, beside its appends and rows. */
const UNIT_BYTES = 1_024;

export class PostgresUnitOfWork implements UnitOfWork {
  readonly #writes: Writes;
  readonly #stateWrites: Writes;

  /** `stateWrites`: for holders' units that append nothing, and need not wait for the turn of those who do. */
  constructor(writes: Writes, stateWrites: Writes) {
    this.#writes = writes;
    this.#stateWrites = stateWrites;
  }

  async commit(unit: Unit): Promise<UnitOutcome> {
    const prepared = prepare(unit);
    const requests = unit.appends.map(detached);
    const isHolders = (unit.lease?.checkpoints.length ?? 0) > 0;
    const writes = requests.length === 0 && isHolders ? this.#stateWrites : this.#writes;
    return new Promise((resolve, reject) => {
      writes.together({
        bytes: bytesOfUnit(prepared, unit),
        requests,
        unit: prepared,
        settle(outcome) {
          if (outcome === undefined) reject(new Error('a unit without an outcome'));
          else resolve(outcome);
        },
        fail: reject,
      });
    });
  }
}

/** Copies what the caller may change while the unit waits. */
function prepare({ consumer, checkpoint, lease, rows, statements = [], deliveries }: Unit): PreparedUnit {
  return {
    consumer,
    checkpoint: checkpoint && prepareCheckpoint(checkpoint),
    lease: lease && {
      token: lease.token,
      number: lease.number,
      checkpoints: lease.checkpoints.map(({ lane, checkpoint: ofLane }) => ({ lane, ...prepareCheckpoint(ofLane) })),
    },
    rows: rows.map(prepareRow),
    statements,
    remove: [...deliveries.remove],
    put: deliveries.put.map(deliveryRow),
    parked: [...(deliveries.parked ?? [])],
  };
}

function prepareCheckpoint(checkpoint: Checkpoint): PreparedCheckpoint {
  return { low: checkpoint.low, done: restOfCheckpoint(checkpoint) };
}

function bytesOfUnit({ rows, statements }: PreparedUnit, { appends }: Unit): number {
  let bytes = UNIT_BYTES;
  for (const statement of statements) bytes += bytesOfStatement(statement);
  for (const request of appends) bytes += bytesOf(request);
  for (const { json } of rows) bytes += json?.length ?? 0;
  return bytes;
}
