import { START, position } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import type { Checkpoint, MissedEvents } from './checkpoint-store.ts';

/** As long as the type is not taken. */
const END = position(Number.MAX_SAFE_INTEGER);

interface Span {
  readonly after: Position;
  readonly upTo: Position;
}

/** What of the log a consumer had got to when it stood there. */
function passed({ low, done }: Pick<Checkpoint, 'done' | 'low'>): readonly Span[] {
  const beyond = done.map(([from, upTo]) => ({ after: position(from - 1), upTo }));
  return low === START ? beyond : [{ after: START, upTo: low }, ...beyond];
}

function notPassed(spans: readonly Span[]): readonly Span[] {
  const left: Span[] = [];
  let after: Position = START;
  for (const span of spans) {
    if (after < span.after) left.push({ after, upTo: span.after });
    after = span.upTo;
  }
  return [...left, { after, upTo: END }];
}

function within(span: Span, spans: readonly Span[]): readonly Span[] {
  return spans.flatMap((other) => {
    const after = position(Math.max(span.after, other.after));
    const upTo = position(Math.min(span.upTo, other.upTo));
    return after < upTo ? [{ after, upTo }] : [];
  });
}

/**
 * Which events a consumer was not given because it did not take their type at that time, now that it takes others. Types: undefined: all.
 *
 * Shape     The spans of a type do not overlap; one without an end is of a type that is not taken now.
 */
export function missedAt(
  known: readonly MissedEvents[],
  checkpoint: Pick<Checkpoint, 'done' | 'low'>,
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
): readonly MissedEvents[] {
  const spans = passed(checkpoint);
  const isTaken = (types: readonly string[] | undefined, type: string) => types?.includes(type) ?? true;
  const named = new Set([...known.map(({ type }) => type), ...(before ?? []), ...(after ?? [])]);
  return [...named].flatMap((type): readonly MissedEvents[] => {
    const own = known.filter((missed) => missed.type === type);
    const [was, is] = [isTaken(before, type), isTaken(after, type)];
    if (was === is) return own;
    if (!is) return [...own, ...notPassed(spans).map((span) => ({ type, ...span }))];
    // What it is still to come to it is given now.
    const missed: readonly Span[] = own.some(({ upTo }) => upTo === END) ? own : [{ after: START, upTo: END }];
    return missed.flatMap((span) => within(span, spans)).map((span) => ({ type, ...span }));
  });
}

/** After a replay from there, which gives a consumer what it missed behind that, if it takes the type now. */
export function missedAfterReplay(known: readonly MissedEvents[], place: Position): readonly MissedEvents[] {
  const notTaken = new Set(known.filter(({ upTo }) => upTo === END).map(({ type }) => type));
  return known.flatMap((missed) => {
    if (notTaken.has(missed.type) || missed.upTo <= place) return [missed];
    return missed.after < place ? [{ ...missed, upTo: place }] : [];
  });
}

/** Whether an event is one of those. */
export function isMissed(
  missed: readonly MissedEvents[],
  { type, position: place }: { readonly type: string; readonly position: Position },
): boolean {
  return missed.some((span) => span.type === type && span.after < place && place <= span.upTo);
}
