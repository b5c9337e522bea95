import type { Aside } from './aside.ts';
import type { Claims } from './claims.ts';
import type { Committer } from './committer.ts';
import type { Progress } from './progress.ts';
import type { Reaction } from './reaction.ts';
import type { TimeCourse } from './time-course.ts';

/** Events taken and not settled, at most (G10). Above it the feed lets the consumer go, and it reads from the log when it has room. */
const MAX_SPAN = 4_096;
/** While an event is looked for that cannot be committed, which is found by handling again what was taken with it. */
const MAX_CAREFUL = 16;
/** And what they take in memory: large events are fewer. */
const MAX_SPAN_BYTES = 32 * 1_024 * 1_024;
/** Settled events and their publications that wait for the store, at most, before the consumer takes no new events. */
const MAX_UNCOMMITTED = 16_384;
/** Where states of keys are most of what comes of events, which are then written the more seldom. */
const MAX_UNCOMMITTED_PATIENT = 131_072;
const MAX_UNCOMMITTED_BYTES = 48 * 1_024 * 1_024;

export interface RoomOptions {
  readonly reaction: Reaction;
  readonly progress: Progress;
  readonly committer: Committer;
  readonly aside: () => Aside;
  readonly time: () => TimeCourse | undefined;
  readonly claims: () => Claims | undefined;
}

/**
 * Whether a consumer may take another event.
 *
 * Guarantee Memory is bounded by MAX_SPAN events and MAX_SPAN_BYTES, the keys that are set aside, and MAX_UNCOMMITTED settled events with
 *           MAX_UNCOMMITTED_BYTES of what they change.
 */
export class Room {
  readonly #options: RoomOptions;
  readonly #maxUncommitted: number;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.#maxUncommitted = isPatient(options.reaction) ? MAX_UNCOMMITTED_PATIENT : MAX_UNCOMMITTED;
  }

  /** Makes some if need be. */
  has(): boolean {
    if (this.fits()) return true;
    // Claims that are held for long must not keep what comes after them from those who wait for it.
    const claims = this.#options.claims();
    if (claims?.hungry !== true) return false;
    claims.writeDown();
    return this.fits();
  }

  fits(): boolean {
    const { progress, committer, aside, time } = this.#options;
    const { span } = progress;
    const { careful, uncommitted } = committer;
    if (careful && (span >= MAX_CAREFUL || uncommitted >= MAX_CAREFUL)) return false;
    if (time()?.full === true) return false;
    return (
      span < MAX_SPAN &&
      progress.bytes < MAX_SPAN_BYTES &&
      aside().full === undefined &&
      uncommitted < this.#maxUncommitted &&
      committer.uncommittedBytes < MAX_UNCOMMITTED_BYTES
    );
  }
}

/** That many events are handled again after a crash costs little. */
export function isPatient({ isPure, time }: Reaction): boolean {
  return isPure === true || time !== undefined;
}
