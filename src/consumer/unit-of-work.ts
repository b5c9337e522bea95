import type { AppendOutcome, AppendRequest } from '../channel/event-log.ts';
import type { Position } from '../event/position.ts';
import type { Checkpoint } from './checkpoint-store.ts';
import type { Delivery } from './delivery-store.ts';
import type { LeaseCommit } from './lanes.ts';
import type { RowWrite } from './row-store.ts';
import type { SqlStatement } from './table-store.ts';

/** Everything that handling some events changes: recorded together or not at all (G6). */
export interface Unit {
  readonly consumer: string;
  /** Replaces the checkpoint of the consumer, where given; `updatedMs` becomes the present. */
  readonly checkpoint: Checkpoint | undefined;
  /**
   * Where nodes share the consumer, from the holder of lanes: their checkpoints, in place of the one above. One without checkpoints, of
   * an operator at that node, takes all other lanes from their holders; none at all takes all.
   */
  readonly lease?: LeaseCommit | undefined;
  /** In order: each is checked against the log with those before it. */
  readonly appends: readonly AppendRequest[];
  /** In order: of two writes to one key the later stands. */
  readonly rows: readonly RowWrite[];
  /** In order, after all else of the unit. Errors of `commit`: StatementRefused, where the store does not carry out one of them. */
  readonly statements?: readonly SqlStatement[];
  /** Deliveries of this consumer. Removed first, then put; putting replaces. */
  readonly deliveries: {
    readonly put: readonly Delivery[];
    readonly remove: readonly Position[];
    /** What must be parked before; otherwise nothing of the unit is written. */
    readonly parked?: readonly Position[];
  };
}

export type UnitOutcome =
  | { readonly ok: true; readonly appends: readonly (AppendOutcome & { ok: true })[] }
  /** An append of the unit was refused; nothing of the unit was written. */
  | { readonly ok: false; readonly index: number; readonly refusal: AppendOutcome & { ok: false } }
  /**
   * The store does not know the consumer (it was removed), the lanes of the lease have another holder by now, or a delivery is not parked;
   * nothing was written. Comes before every refusal.
   */
  | { readonly ok: false; readonly index: -1; readonly refusal: undefined };

/**
 * One transaction across log and state.
 *
 * Guarantee Atomic and durable on return. Units of concurrent calls may share one flush, each with its own outcome;
 *           they take effect in the order of the calls. Listeners of the log are told of appended events as for `append`.
 * Errors    As EventLog.append.
 */
export interface UnitOfWork {
  commit(unit: Unit): Promise<UnitOutcome>;
}
