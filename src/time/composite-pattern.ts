import { InvalidInput } from '../errors.ts';

/** The events that a match is made of so far, by the names of its steps, each in the order in which they came. */
export type Bound<Event> = Readonly<Record<string, readonly Event[]>>;

/** One event of a kind. */
export interface Wanted<Event> {
  /** Under this name it is bound. */
  readonly name: string;
  readonly matches: (event: Event, bound: Bound<Event>) => boolean;
}

/** No event of a kind: for so long, or, without a time, until the other side of `all` came. */
export interface Absent<Event> {
  readonly absent: Wanted<Event>['matches'];
  readonly forMs: number | undefined;
}

/**
 * What a pattern waits for at one place.
 *
 * Shape     `count`: from `min` to `max` events, as many as come before the next step matches; one event: from 1 to 1. `all`, `any`: in
 *           whatever order; one event may be several sides of `all`, and is the first side of `any` that it fits.
 */
export type Step<Event> =
  | { readonly kind: 'count'; readonly event: Wanted<Event>; readonly min: number; readonly max: number }
  | { readonly kind: 'absent'; readonly absent: Absent<Event> & { readonly forMs: number } }
  | { readonly kind: 'all' | 'any'; readonly sides: readonly (Wanted<Event> | Absent<Event>)[] };

export interface CompositePattern<Event> {
  readonly steps: readonly Step<Event>[];
  /** Steps that begin anew each time that they were gone through: the first and the last of them; undefined: the pattern matches once. */
  readonly every: readonly [first: number, last: number] | undefined;
  /** From its first event to its last, inclusive; infinite: no limit. */
  readonly withinMs: number;
  /** `some`: other events may come between two steps. `next`: none may. */
  readonly order: 'next' | 'some';
}

/** Errors: InvalidInput names what of a pattern cannot be meant. */
export function assertCompositePattern<Event>({ steps, every, withinMs, order }: CompositePattern<Event>): void {
  if (steps.length === 0) throw new InvalidInput({ path: 'pattern', expected: 'at least one step', found: steps });
  for (const [index, step] of steps.entries()) {
    const path = `pattern.steps[${index}]`;
    if (step.kind === 'count') {
      const { min, max } = step;
      const holds =
        Number.isSafeInteger(min) && min >= 0 && (Number.isSafeInteger(max) || max === Number.POSITIVE_INFINITY);
      if (!holds || max < Math.max(1, min))
        throw new InvalidInput({
          path,
          expected: 'a count from a whole number to one that is no less',
          found: `${min} to ${max}`,
        });
    } else if (step.kind === 'absent') assertTime(step.absent.forMs, `${path}.for`);
    else {
      if (step.sides.length < 2) throw new InvalidInput({ path, expected: 'at least two sides', found: step.sides });
      for (const side of step.sides)
        if ('absent' in side && side.forMs !== undefined) assertTime(side.forMs, `${path}.for`);
      if (step.sides.every((side) => 'absent' in side && side.forMs === undefined))
        throw new InvalidInput({
          path,
          expected: 'an event, or a time for which there is none',
          found: 'absences without an end',
        });
      if (step.kind === 'any' && step.sides.some((side) => 'absent' in side && side.forMs === undefined))
        throw new InvalidInput({
          path,
          expected: 'a time for which there is no such event',
          found: 'an absence without an end',
        });
    }
  }
  if (steps.every((step) => step.kind === 'count' && step.min === 0))
    throw new InvalidInput({ path: 'pattern', expected: 'a step that needs an event', found: 'steps that need none' });
  if (every !== undefined) {
    const [first, last] = every;
    if (
      !(Number.isSafeInteger(first) && Number.isSafeInteger(last) && 0 <= first && first <= last && last < steps.length)
    )
      throw new InvalidInput({ path: 'pattern.every', expected: `steps from 0 to ${steps.length - 1}`, found: every });
  }
  for (const [index, step] of steps.entries())
    if (index > 0 && step.kind === 'absent' && step.absent.forMs > withinMs)
      throw new InvalidInput({
        path: 'pattern.within',
        expected: `no less than the ${step.absent.forMs} ms of an absence in it, which would never be known`,
        found: withinMs,
      });
  if (!(withinMs > 0)) throw new InvalidInput({ path: 'pattern.within', expected: 'a time above 0', found: withinMs });
  if (order !== 'some' && order !== 'next')
    throw new InvalidInput({ path: 'pattern.order', expected: "'some' or 'next'", found: order });
}

function assertTime(ms: number, path: string): void {
  if (!(Number.isSafeInteger(ms) && ms >= 1))
    throw new InvalidInput({ path, expected: 'whole milliseconds, at least one', found: ms });
}
