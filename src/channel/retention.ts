import { InvalidInput } from '../errors.ts';
import type { Position } from '../event/position.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import type { EventLog } from './event-log.ts';

/** How long events of a category are kept. Without a rule they are kept for ever. */
export interface RetentionRule {
  readonly category: string;
  /** Older events may go. */
  readonly maxAge?: Duration;
  /** Only this many, the newest, are kept. */
  readonly maxCount?: number;
}

/** What a rule has done. */
export interface RetentionOutcome {
  readonly category: string;
  readonly removed: number;
  /** Events that the rule names and that are still needed. */
  readonly protected: number;
}

/** What protects events from removal. */
export interface RetentionBounds {
  readonly notAbove: Position;
  readonly keep: readonly Position[];
}

/** Events removed in one write, so that publishers never wait long behind it. */
const STEP = 1_000;

/** Errors: InvalidInput names the rule that says nothing or something impossible. */
export function assertRetentionRules(rules: readonly RetentionRule[]): void {
  for (const [index, rule] of rules.entries()) {
    const path = `retention[${index}]`;
    if (rule.maxAge === undefined && rule.maxCount === undefined)
      throw new InvalidInput({ path, expected: 'maxAge or maxCount', found: rule });
    if (rule.maxAge !== undefined) durationMs(rule.maxAge, `${path}.maxAge`);
    if (rule.maxCount !== undefined && (!Number.isInteger(rule.maxCount) || rule.maxCount < 0)) {
      throw new InvalidInput({ path: `${path}.maxCount`, expected: 'a whole number from 0', found: rule.maxCount });
    }
  }
}

/**
 * Removes what a rule names and nobody needs, oldest first, in small steps.
 *
 * Guarantee Identities outlive their events: a removed event published again is still a duplicate (G2).
 */
export async function applyRetention(
  log: EventLog,
  rule: RetentionRule,
  bounds: RetentionBounds,
  nowMs: number,
): Promise<RetentionOutcome> {
  let removed = 0;
  for (;;) {
    const outcome = await log.trim({
      category: rule.category,
      ...(rule.maxAge === undefined ? {} : { recordedBeforeMs: nowMs - durationMs(rule.maxAge, 'maxAge') }),
      ...(rule.maxCount === undefined ? {} : { keepNewest: rule.maxCount }),
      ...bounds,
      limit: STEP,
    });
    removed += outcome.removed;
    if (!outcome.more) return { category: rule.category, removed, protected: outcome.protected };
  }
}
