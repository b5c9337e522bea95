import type { StoredError } from './delivery-store.ts';

/** What a consumer counts while it runs. Every settled event is in exactly one of handled, parked, expired and discarded. */
export interface Figures {
  handled: number;
  failed: number;
  retried: number;
  parked: number;
  expired: number;
  /** Set aside behind an earlier delivery of the same key. */
  heldBack: number;
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
    heldBack: 0,
    commits: 0,
    lastError: undefined,
    lastHandledMs: undefined,
  };
}
