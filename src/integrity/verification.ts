import type { StoredEvent } from '../event/event.ts';
import type { Position } from '../event/position.ts';

/** Where a chain has got to. */
export interface ChainHead {
  /** Of its newest link. */
  readonly number: number;
  /** Of the newest event that is attested; START when none is. */
  readonly position: Position;
  /** Of its newest link, 64 lower-case hexadecimal digits. */
  readonly hash: string;
  readonly recordedMs: number;
}

/**
 * What is wrong with a log that does not agree with its chain:
 *
 * - `altered`: an event is not what was recorded;
 * - `missing`: an event that was recorded is gone, and nothing removed it in order;
 * - `inserted`: an event is there that was not recorded;
 * - `chain-altered`: the chain itself was changed;
 * - `chain-removed`: the log kept a chain before, and it is gone, or another one has begun in its place;
 * - `head-differs`: it is not the chain whose head was signed, or not all of it is there any more.
 */
export type FindingKind = 'altered' | 'missing' | 'inserted' | 'chain-altered' | 'chain-removed' | 'head-differs';

/** The first thing that is wrong. */
export interface Finding {
  readonly kind: FindingKind;
  /** The place in the log. */
  readonly position: Position;
  /** The event that stands there now, as far as it can be read. */
  readonly event: FoundEvent | undefined;
  /** What is wrong, as a sentence. */
  readonly message: string;
}

export interface FoundEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly stream: string;
  readonly version: number;
}

export interface Verification {
  readonly ok: boolean;
  /** Events that are what was recorded, up to the finding. */
  readonly events: number;
  /** Events that were removed in order: by retention, or with their stream. */
  readonly removed: number;
  /** Events up to here were there when the chain began: what they were before, it does not know. START: it knows all. */
  readonly began: Position;
  /** What was verified goes up to here. Undefined: there is no chain any more. */
  readonly head: ChainHead | undefined;
  /** Undefined: none. */
  readonly finding: Finding | undefined;
}

export interface VerifyProgress {
  readonly events: number;
  /** Of the event at hand. */
  readonly position: Position;
  /** Of the last one to be verified. */
  readonly upTo: Position;
}

/** `message`: what is wrong with the event, or, without one, with the place. */
export function findingOf(
  kind: FindingKind,
  place: Position,
  event: StoredEvent | undefined,
  message: string,
): Finding {
  if (event === undefined) return { kind, position: place, event, message };
  const { id, source, type, stream, version } = event;
  return {
    kind,
    position: place,
    event: { id, source, type, stream, version },
    message: `event ${id} of ${source} (${type}, version ${version} of stream ${stream}) at position ${place} ${message}`,
  };
}
