import { LoopStopped } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';

export interface LoopGuardOptions {
  readonly automation: string;
  readonly maxDepth: number;
  readonly maxRuns: number;
  readonly perMs: number;
}

/** Conversations remembered; the one that was quiet longest is forgotten first. */
const MAX_CONVERSATIONS = 10_000;

/**
 * Tells a loop from a long piece of work (G12).
 *
 * A loop shows in one of two ways: as a chain of causes that grows without end, or, where it leads through the outside world and the
 * chain is cut there, as one conversation that runs far faster than any business does.
 *
 * Guarantee Counts by recorded time, so that catching up on a long history is no loop. Memory is bounded.
 */
export class LoopGuard {
  readonly #options: LoopGuardOptions;
  readonly #conversations = new Map<string, { sinceMs: number; runs: number }>();

  constructor(options: LoopGuardOptions) {
    this.#options = options;
  }

  /** Errors: LoopStopped, which no retry mends. */
  check(event: RecordedEvent): void {
    const { automation, maxDepth, maxRuns, perMs } = this.#options;
    if (event.causationdepth >= maxDepth) {
      throw new LoopStopped(
        automation,
        'depth',
        `${event.causationdepth} reactions in a row led to event ${event.id}; at most ${maxDepth} are allowed (maxDepth)`,
      );
    }
    const runs = this.#count(event);
    if (runs > maxRuns) {
      throw new LoopStopped(
        automation,
        'rate',
        `conversation ${event.correlationid} led to more than ${maxRuns} runs in ${perMs} ms (maxRate)`,
      );
    }
  }

  #count(event: RecordedEvent): number {
    const { correlationid, recordedMs } = event;
    const known = this.#conversations.get(correlationid);
    const conversation =
      known === undefined || recordedMs - known.sinceMs >= this.#options.perMs
        ? { sinceMs: recordedMs, runs: 0 }
        : known;
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
