import type { AppendOutcome, AppendRequest } from '../channel/event-log.ts';
import type { Position } from '../event/position.ts';
import type { Checkpoint } from './checkpoint-store.ts';
import type { Delivery } from './delivery-store.ts';
import type { RowWrite } from './row-store.ts';

/** Everything that handling some events changes: recorded together or not at all (G6). */
export interface Unit {
  readonly consumer: string;
  /** Replaces the checkpoint of the consumer, where given. */
  readonly checkpoint: Checkpoint | undefined;
  readonly appends: readonly AppendRequest[];
  readonly rows: readonly RowWrite[];
  readonly deliveries: {
    readonly put: readonly Delivery[];
    readonly remove: readonly Position[];
  };
}

export type UnitOutcome =
  | { readonly ok: true; readonly appends: readonly (AppendOutcome & { ok: true })[] }
  /** An append of the unit was refused; nothing of the unit was written. */
  | { readonly ok: false; readonly index: number; readonly refusal: AppendOutcome & { ok: false } }
  /** The store no longer knows the consumer (it was removed); nothing was written. */
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
