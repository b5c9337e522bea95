import type { StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { eventKept, keptEvent } from '../event/kept-event.ts';
import type { KeptEvent } from '../event/kept-event.ts';
import type { Bound } from '../time/composite-pattern.ts';
import type { MatcherState, Run } from '../time/matcher.ts';

type KeptBound = Readonly<Record<string, readonly KeptEvent[]>>;

type Revived = (stored: StoredEvent) => StoredEvent;

type KeptRun = readonly [
  step: number,
  sinceMs: number,
  firstMs: number | null,
  count: number,
  sides: readonly boolean[],
  bound: KeptBound,
  /** Null: it has left `every`, or was never there. */
  origin: readonly [bound: KeptBound, firstMs: number | null] | null,
  times?: readonly number[],
];

/** The matches under way of a key as JSON; a match that is over is one that never begins anew. */
export function matcherJson({ runs, over }: MatcherState<StoredEvent>): JsonValue {
  return [over, ...runs.map(keptRun)] as unknown as JsonValue;
}

/** `revived`: makes the events in it what they were, in the versions in which they are read now. */
export function matcherFrom(json: JsonValue, revived: Revived): MatcherState<StoredEvent> {
  const [over, ...runs] = json as unknown as readonly [boolean, ...KeptRun[]];
  return { over, runs: runs.map((run) => runKept(run, revived)) };
}

function keptRun({ step, sinceMs, firstMs, count, sides, bound, origin, times }: Run<StoredEvent>): KeptRun {
  const before = origin === undefined ? null : ([keptBound(origin.bound), origin.firstMs ?? null] as const);
  const kept = [step, sinceMs, firstMs ?? null, count, sides, keptBound(bound), before] as const;
  return times === undefined ? kept : [...kept, times];
}

function runKept(
  [step, sinceMs, firstMs, count, sides, bound, origin, times]: KeptRun,
  revived: Revived,
): Run<StoredEvent> {
  return {
    step,
    sinceMs,
    firstMs: firstMs ?? undefined,
    bound: boundKept(bound, revived),
    count,
    sides,
    origin: origin === null ? undefined : { bound: boundKept(origin[0], revived), firstMs: origin[1] ?? undefined },
    times,
  };
}

function keptBound(bound: Bound<StoredEvent>): KeptBound {
  return Object.fromEntries(Object.entries(bound).map(([name, events]) => [name, events.map(keptEvent)]));
}

function boundKept(bound: KeptBound, revived: Revived): Bound<StoredEvent> {
  const read = (kept: KeptEvent) => revived(eventKept(kept));
  return Object.fromEntries(Object.entries(bound).map(([name, events]) => [name, events.map(read)]));
}
