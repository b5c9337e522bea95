import { LoopStopped } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';

/** How long a chain of reactions may be, and how fast one conversation. */
export interface LoopLimits {
  /** Reactions in a row that may lead to an event which is reacted to. */
  readonly maxDepth: number;
  /** Runs for one conversation within `perMs` of recorded time. */
  readonly maxRuns: number;
  readonly perMs: number;
  /** Runs count that so many reactions in a row or more have led to. 0: all of them, also where the chain was cut outside. */
  readonly fromDepth: number;
}

/**
 * For consumers, which may be anything: no piece of work is that long, and no conversation that is 16 reactions deep goes on so fast but a
 * loop whose every turn leads to several others.
 */
export const CONSUMER_LIMITS: LoopLimits = { maxDepth: 1_000, maxRuns: 10_000, perMs: 60_000, fromDepth: 16 };

/** Conversations remembered; the one that was quiet longest is forgotten first. */
const MAX_CONVERSATIONS = 10_000;

/**
 * Tells a loop from a long piece of work (G12).
 *
 * A loop shows in one of two ways: as a chain of causes that grows without end, or, where it leads through the outside world and the
 * chain is cut there, as one conversation that runs far faster than any business does.
 *
 * Guarantee Counts by recorded time, so that catching up on a long history, or handling it again, is no loop. Memory is bounded.
 */
export class LoopGuard {
  readonly #reaction: string;
  readonly #limits: LoopLimits;
  readonly #conversations = new Map<string, { sinceMs: number; runs: number }>();

  constructor(reaction: string, limits: LoopLimits) {
    this.#reaction = reaction;
    this.#limits = limits;
  }

  /** Errors: LoopStopped, which no retry mends. */
  check(event: RecordedEvent): void {
    const { maxDepth, maxRuns, perMs, fromDepth } = this.#limits;
    if (event.causationdepth >= maxDepth) {
      throw new LoopStopped(
        this.#reaction,
        'depth',
        `${event.causationdepth} reactions in a row led to event ${event.id}; at most ${maxDepth} are allowed (maxDepth)`,
      );
    }
    if (event.causationdepth < fromDepth || maxRuns === Number.POSITIVE_INFINITY) return;
    const runs = this.#count(event);
    if (runs > maxRuns) {
      throw new LoopStopped(
        this.#reaction,
        'rate',
        `conversation ${event.correlationid} led to more than ${maxRuns} runs in ${perMs} ms (maxRate)`,
      );
    }
  }

  #count(event: RecordedEvent): number {
    const { correlationid, recordedMs } = event;
    const known = this.#conversations.get(correlationid);
    // Keys side by side are a little out of order; further back it is history.
    const sameWindow = known !== undefined && Math.abs(recordedMs - known.sinceMs) < this.#limits.perMs;
    const conversation = sameWindow ? known : { sinceMs: recordedMs, runs: 0 };
    conversation.runs += 1;
    // Set anew, so that the order of the map is that of the last use.
    this.#conversations.delete(correlationid);
    this.#conversations.set(correlationid, conversation);
    if (this.#conversations.size > MAX_CONVERSATIONS) {
      const [quietest] = this.#conversations.keys();
      if (quietest !== undefined) this.#conversations.delete(quietest);
    }
    return conversation.runs;
  }
}
