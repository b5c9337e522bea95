import { InvalidInput } from '../errors.ts';
import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { durationMs } from '../system/duration.ts';
import type { Duration } from '../system/duration.ts';
import type { EventLog, TrimRequest } from './event-log.ts';

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

/** One turn of all rules. */
export interface RetentionTurn {
  readonly nowMs: number;
  /** Events of a category are about to be removed. Answers whether they may be. */
  readonly beforeRemoval: (request: Omit<TrimRequest, 'limit'>) => Promise<boolean>;
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
 * Removes what rules name and nobody needs, oldest first: whole stretches of the log where they can go, the rest in small steps.
 *
 * Guarantee Identities outlive their events: a removed event published again is still a duplicate (G2).
 */
export async function applyRetention(
  log: EventLog,
  rules: readonly RetentionRule[],
  bounds: RetentionBounds,
  { nowMs, beforeRemoval }: RetentionTurn,
): Promise<readonly RetentionOutcome[]> {
  const requests = rules.map((rule) => requestOf(rule, bounds, nowMs));
  for (const [index, request] of requests.entries()) {
    const isDue = (await log.trim({ ...request, limit: 0 })).more;
    // Nothing of it may be removed, and all that it names is protected.
    if (isDue && !(await beforeRemoval(request))) requests[index] = { ...request, notAbove: START };
  }
  const whole = (await log.trimWhole?.(requests)) ?? [];
  const outcomes: RetentionOutcome[] = [];
  for (const [index, request] of requests.entries()) {
    const { removed, ...rest } = await trimInSteps(log, request);
    outcomes.push({ category: request.category, removed: removed + (whole[index] ?? 0), ...rest });
  }
  return outcomes;
}

async function trimInSteps(
  log: EventLog,
  request: Omit<TrimRequest, 'limit'>,
): Promise<Omit<RetentionOutcome, 'category'>> {
  for (let removed = 0; ;) {
    const outcome = await log.trim({ ...request, limit: STEP });
    removed += outcome.removed;
    if (!outcome.more) return { removed, protected: outcome.protected };
  }
}

function requestOf(
  { category, maxAge, maxCount }: RetentionRule,
  bounds: RetentionBounds,
  nowMs: number,
): Omit<TrimRequest, 'limit'> {
  return {
    category,
    ...(maxAge === undefined ? {} : { recordedBeforeMs: nowMs - durationMs(maxAge, 'maxAge') }),
    ...(maxCount === undefined ? {} : { keepNewest: maxCount }),
    ...bounds,
  };
}
