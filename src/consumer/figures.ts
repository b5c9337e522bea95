import type { StoredError } from './delivery-store.ts';

/** What a consumer counts while it runs. Attempts that failed are counted each; `retried` and `parked` say what became of them. */
export interface Figures {
  handled: number;
  failed: number;
  retried: number;
  parked: number;
  expired: number;
  /** Came too late to count, in event time. */
  late: number;
  /** Set aside behind an earlier delivery of the same key. */
  heldBack: number;
  /** Units of work that became durable: effects together with their checkpoint. */
  commits: number;
  lastError: { readonly error: StoredError; readonly atMs: number; readonly eventId: string } | undefined;
  lastHandledMs: number | undefined;
}

export function newFigures(): Figures {
  return {
    handled: 0,
    failed: 0,
    retried: 0,
    parked: 0,
    expired: 0,
    late: 0,
    heldBack: 0,
    commits: 0,
    lastError: undefined,
    lastHandledMs: undefined,
  };
}
