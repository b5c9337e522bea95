import type { Absent, Bound, CompositePattern, Step } from './composite-pattern.ts';

/** A match under way. */
export interface Run<Event> {
  /** The step that it waits at. */
  readonly step: number;
  /** Since when it waits there; of a step that counts, since the last of its events. */
  readonly sinceMs: number;
  /** When its first event happened; undefined: it has none. */
  readonly firstMs: number | undefined;
  readonly bound: Bound<Event>;
  /** Events that its step has, of one that counts. */
  readonly count: number;
  /** Which sides of its step are there, of one with sides. */
  readonly sides: readonly boolean[];
  /** Of `every`: what was bound before its steps, and since when; where it goes on to begin anew. Undefined: it has left them. */
  readonly origin: { readonly bound: Bound<Event>; readonly firstMs: number | undefined } | undefined;
  /** Of one that begins with several events of a kind, while it has no others: when they happened. */
  readonly times: readonly number[] | undefined;
}

/** The runs of a key, the oldest first, and whether the pattern is over, having matched once. */
export interface MatcherState<Event> {
  readonly runs: readonly Run<Event>[];
  readonly over: boolean;
}

export interface Match<Event> {
  readonly bound: Bound<Event>;
  /** Of its last event, or when the absence was known. */
  readonly timeMs: number;
}

export interface MatchStep<Event> {
  readonly state: MatcherState<Event>;
  readonly matches: readonly Match<Event>[];
}

const NOTHING = { bound: {}, firstMs: undefined };
const NO_SIDES: readonly boolean[] = [];

/** Before any event: what is absent from the beginning counts from `startMs`. */
export function newMatcher<Event>(pattern: CompositePattern<Event>, startMs: number): MatcherState<Event> {
  return { runs: [fresh(pattern, 0, startMs, NOTHING)], over: false };
}

/** When time alone brings something on next; infinite: never. */
export function dueOfMatcher<Event>(pattern: CompositePattern<Event>, { runs }: MatcherState<Event>): number {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const run of runs) dueMs = Math.min(dueMs, deadlineOf(pattern, run), expiryOf(pattern, run));
  return dueMs;
}

/** An event in its turn. */
export interface TurnEvent<Event> {
  readonly timeMs: number;
  readonly value: Event;
}

/**
 * The next event, in the order of event time.
 *
 * Guarantee A function of the state and the event. What time alone has brought on before the event is brought on first; an event at the very
 *           instant at which an absence would be known comes before it.
 */
export function matchEvent<Event>(
  pattern: CompositePattern<Event>,
  state: MatcherState<Event>,
  event: TurnEvent<Event>,
): MatchStep<Event> {
  const waited = passTime(pattern, state, event.timeMs);
  const turn = new Turn(pattern, event.timeMs);
  for (const run of waited.state.runs) turn.offer(run, event.value);
  return turn.end(waited);
}

/** Until when what the event leads to has time: the least of all matches that it is part of and that wait for more. Infinite: for ever, or it is part of none. */
export function timeAfterEvent<Event>(
  pattern: CompositePattern<Event>,
  state: MatcherState<Event>,
  event: TurnEvent<Event>,
): number {
  const { runs } = passTime(pattern, state, event.timeMs).state;
  const turn = new Turn(pattern, event.timeMs);
  for (const run of runs) turn.offer(run, event.value);
  return turn.leftMs;
}

/** Time has come so far, and nothing earlier will come. */
export function passTime<Event>(
  pattern: CompositePattern<Event>,
  state: MatcherState<Event>,
  toMs: number,
): MatchStep<Event> {
  let step: MatchStep<Event> = { state, matches: [] };
  // One instant after another: what an absence leads to may be due in between.
  for (;;) {
    const dueMs = dueOfMatcher(pattern, step.state);
    if (dueMs >= toMs) return step;
    const turn = new Turn(pattern, dueMs);
    for (const run of step.state.runs) turn.wait(run);
    step = turn.end(step);
  }
}

/** What becomes of the runs of a key at one instant. */
class Turn<Event> {
  readonly #pattern: CompositePattern<Event>;
  readonly #timeMs: number;
  readonly #runs: Run<Event>[] = [];
  /** Made when there is one: most turns lead to nothing. */
  #begun: Run<Event>[] | undefined;
  #matches: Match<Event>[] | undefined;
  /** A run took the event and waits for more. */
  #goesOn = false;
  #ended = false;
  #leftMs = Number.POSITIVE_INFINITY;

  constructor(pattern: CompositePattern<Event>, timeMs: number) {
    this.#pattern = pattern;
    this.#timeMs = timeMs;
  }

  get leftMs(): number {
    return this.#leftMs;
  }

  offer(run: Run<Event>, event: Event): void {
    const isStrict = this.#pattern.order === 'next';
    const isBeginning = this.#isBeginning(run);
    // Where steps follow at once, what belongs to a match under way begins no other.
    if (isStrict && isBeginning && this.#goesOn) {
      this.#runs.push(run);
      return;
    }
    const taken = this.#take(run, event);
    if (taken !== undefined && taken !== 'broken') {
      this.#moved(run, taken);
      return;
    }
    if (taken === undefined && (!isStrict || isBeginning)) {
      this.#runs.push(run);
      return;
    }
    const anew = this.#lose(run);
    // What breaks a strict order may be the beginning of the next one.
    if (isStrict && !isBeginning && anew !== undefined) this.offer(anew, event);
    else this.#begin(anew);
  }

  wait(run: Run<Event>): void {
    const expiryMs = expiryOf(this.#pattern, run);
    const deadlineMs = deadlineOf(this.#pattern, run);
    // What is known at the last instant is known in time.
    if (deadlineMs <= Math.min(this.#timeMs, expiryMs)) this.#absent(run);
    else if (expiryMs > this.#timeMs) this.#runs.push(run);
    else {
      const without = withoutFirst(run, this.#pattern);
      if (without === undefined) this.#begin(this.#lose(run));
      else this.#runs.push(without);
    }
  }

  end({ state, matches }: MatchStep<Event>): MatchStep<Event> {
    const { every } = this.#pattern;
    const over = state.over || (every === undefined && this.#matches !== undefined) || this.#ended;
    const runs = this.#begun === undefined ? this.#runs : [...this.#runs, ...this.#begun];
    // Without `every` it may begin anew until it has matched.
    if (!over && runs.length === 0) runs.push(fresh(this.#pattern, 0, this.#timeMs, NOTHING));
    return {
      state: { runs: over && every === undefined ? [] : runs, over },
      matches: this.#matches === undefined ? matches : [...matches, ...this.#matches],
    };
  }

  #isBeginning({ step, count, sides }: Run<Event>): boolean {
    return step === (this.#pattern.every?.[0] ?? 0) && count === 0 && !sides.includes(true);
  }

  /** The run with the event; `broken` by it; undefined: the event is nothing to it. */
  #take(run: Run<Event>, event: Event): Run<Event> | 'broken' | undefined {
    const { steps } = this.#pattern;
    const step = steps[run.step];
    if (step === undefined) return undefined;
    if (step.kind === 'absent') {
      if (!step.absent.absent(event, run.bound)) return undefined;
      // An absence that nothing comes before is waited for anew.
      return run.step === 0 ? { ...run, sinceMs: this.#timeMs } : 'broken';
    }
    if (step.kind !== 'count') return this.#takeSides(run, step, event);
    if (run.count >= step.min && run.step + 1 < steps.length) {
      const next = this.#take(this.#leave(run), event);
      if (next !== undefined) return next;
    }
    if (run.count >= step.max || !step.event.matches(event, run.bound)) return undefined;
    const isAlone = run.firstMs === undefined || run.times !== undefined;
    const isBounded = step.max > 1 && this.#pattern.withinMs < Number.POSITIVE_INFINITY;
    const times = isAlone && isBounded ? [...(run.times ?? []), this.#timeMs] : undefined;
    const how = { sinceMs: this.#timeMs, count: run.count + 1, sides: run.sides, times };
    return this.#bind(run, step.event.name, event, how);
  }

  #takeSides(
    run: Run<Event>,
    { kind, sides }: Step<Event> & { kind: 'all' | 'any' },
    event: Event,
  ): Run<Event> | 'broken' | undefined {
    let present = run;
    const before = run.bound;
    for (const [index, side] of sides.entries()) {
      if (present.sides[index] === true) continue;
      if ('absent' in side) {
        if (!side.absent(event, before)) continue;
        if (kind === 'all') return 'broken';
        present = { ...present, sides: present.sides.with(index, false), sinceMs: this.#timeMs };
      } else if (side.matches(event, before)) {
        const { sinceMs, count, sides: known } = present;
        const how = { sinceMs, count, sides: known.with(index, true), times: undefined };
        present = this.#bind(present, side.name, event, how);
        if (kind === 'any') return present;
      }
    }
    return present === run ? undefined : present;
  }

  #bind(
    run: Run<Event>,
    name: string,
    event: Event,
    { sinceMs, count, sides, times }: Pick<Run<Event>, 'count' | 'sides' | 'sinceMs' | 'times'>,
  ): Run<Event> {
    const { step, firstMs = this.#timeMs, bound, origin } = run;
    const events = bound[name] === undefined ? [event] : [...bound[name], event];
    return { step, sinceMs, firstMs, bound: { ...bound, [name]: events }, count, sides, origin, times };
  }

  /** A run that took something: it waits on, goes to the next step, or is a match. */
  #moved(before: Run<Event>, run: Run<Event>): void {
    const { steps } = this.#pattern;
    const step = steps[run.step];
    if (isEnough(step, run) && isLast(steps, run.step)) {
      this.#restart(before);
      (this.#matches ??= []).push({ bound: run.bound, timeMs: this.#timeMs });
      return;
    }
    const after = step !== undefined && isComplete(step, run) ? this.#leave(run) : run;
    // What only begins to be absent anew is no part of anything.
    if (run.bound !== before.bound)
      this.#leftMs = Math.min(this.#leftMs, deadlineOf(this.#pattern, after), expiryOf(this.#pattern, after));
    if (after.origin === undefined) this.#restart(before);
    this.#goesOn = true;
    this.#runs.push(after);
  }

  /** At the next step, as if it had just come there. */
  #leave(run: Run<Event>): Run<Event> {
    const { every } = this.#pattern;
    const { bound, firstMs } = run;
    const step = run.step + 1;
    const origin = step === every?.[0] ? { bound, firstMs } : run.step === every?.[1] ? undefined : run.origin;
    return waitingAt(this.#pattern, step, this.#timeMs, { bound, firstMs, origin });
  }

  #restart(run: Run<Event>): void {
    this.#begin(this.#anew(run));
  }

  #begin(anew: Run<Event> | undefined): void {
    if (anew !== undefined) (this.#begun ??= []).push(anew);
  }

  /** Where a run begins anew that is within `every`, or beyond it. */
  #anew({ origin }: Run<Event>): Run<Event> | undefined {
    const { every } = this.#pattern;
    if (every === undefined || origin === undefined || this.#begun !== undefined) return undefined;
    return fresh(this.#pattern, every[0], this.#timeMs, origin);
  }

  /** It will not become a match; but who was within `every` begins anew, and so does who has not matched yet. */
  #lose(run: Run<Event>): Run<Event> | undefined {
    const { every, withinMs } = this.#pattern;
    if (every === undefined) return fresh(this.#pattern, 0, this.#timeMs, NOTHING);
    const { origin } = run;
    const isOver = origin?.firstMs !== undefined && origin.firstMs + withinMs <= this.#timeMs;
    if (!isOver) return this.#anew(run);
    this.#ended = true;
    return undefined;
  }

  /** What was not to come did not. */
  #absent(run: Run<Event>): void {
    let waiting = run;
    let step = this.#pattern.steps[run.step];
    // As if it had left what it has enough of when the last of it came.
    for (; step?.kind === 'count'; step = this.#pattern.steps[waiting.step])
      waiting = { ...this.#leave(waiting), sinceMs: run.sinceMs };
    if (step === undefined) return;
    if (step.kind === 'absent') {
      this.#moved(run, { ...waiting, sides: [true] });
      return;
    }
    const sides = step.sides.map(
      (side, index) => run.sides[index] === true || ('absent' in side && deadlineOfSide(side, run) <= this.#timeMs),
    );
    this.#moved(run, { ...run, sides });
  }
}

/** Of a run that has nothing but several events of one kind, and took too long for the rest: what begins with the next of them. */
function withoutFirst<Event>(run: Run<Event>, { steps }: CompositePattern<Event>): Run<Event> | undefined {
  const { times = [], firstMs, bound } = run;
  const step = steps[run.step];
  const from = times.findIndex((timeMs) => timeMs !== firstMs);
  if (from < 0 || step?.kind !== 'count') return undefined;
  const { name } = step.event;
  return {
    ...run,
    firstMs: times[from],
    bound: { ...bound, [name]: (bound[name] ?? []).slice(from) },
    count: run.count - from,
    times: times.slice(from),
  };
}

/** A run that begins with a step. */
function fresh<Event>(
  pattern: CompositePattern<Event>,
  step: number,
  nowMs: number,
  { bound, firstMs }: { readonly bound: Bound<Event>; readonly firstMs: number | undefined },
): Run<Event> {
  const origin = pattern.every?.[0] === step ? { bound, firstMs } : undefined;
  return waitingAt(pattern, step, nowMs, { bound, firstMs, origin });
}

function waitingAt<Event>(
  { steps }: CompositePattern<Event>,
  step: number,
  sinceMs: number,
  { bound, firstMs, origin }: Pick<Run<Event>, 'bound' | 'firstMs' | 'origin'>,
): Run<Event> {
  const next = steps[step];
  const sides =
    next === undefined || next.kind === 'count'
      ? NO_SIDES
      : next.kind === 'absent'
        ? [false]
        : next.sides.map(() => false);
  // Written out, and with its members in one order everywhere: this is made for each event.
  return { step, sinceMs, firstMs, bound, count: 0, sides, origin, times: undefined };
}

/** The first step after this one that cannot be left out; that beyond the last: there is none. */
function nextNeeded<Event>(steps: readonly Step<Event>[], step: number): number {
  let later = step + 1;
  for (let next = steps[later]; next?.kind === 'count' && next.min === 0; next = steps[later]) later += 1;
  return later;
}

/** Nothing more has to come after this step. */
function isLast<Event>(steps: readonly Step<Event>[], step: number): boolean {
  return nextNeeded(steps, step) === steps.length;
}

/** Nothing more is taken at this step. */
function isComplete<Event>(step: Step<Event>, run: Run<Event>): boolean {
  return step.kind === 'count' ? run.count >= step.max : isEnough(step, run);
}

/** The pattern may go on from here. */
function isEnough<Event>(step: Step<Event> | undefined, { count, sides }: Run<Event>): boolean {
  if (step === undefined) return true;
  switch (step.kind) {
    case 'count':
      return count >= step.min;
    case 'absent':
      return sides[0] === true;
    case 'any':
      return sides.includes(true);
    case 'all':
      // What is absent until the others came is so now.
      return step.sides.every((side, index) => sides[index] === true || ('absent' in side && side.forMs === undefined));
  }
}

function deadlineOf<Event>({ steps }: CompositePattern<Event>, run: Run<Event>): number {
  const step = steps[run.step];
  if (step === undefined) return Number.POSITIVE_INFINITY;
  if (step.kind === 'count') {
    const next = run.count < step.min ? undefined : steps[nextNeeded(steps, run.step)];
    return next?.kind === 'absent' ? run.sinceMs + next.absent.forMs : Number.POSITIVE_INFINITY;
  }
  if (step.kind === 'absent') return run.sinceMs + step.absent.forMs;
  let dueMs = Number.POSITIVE_INFINITY;
  for (const [index, side] of step.sides.entries())
    if (run.sides[index] !== true && 'absent' in side) dueMs = Math.min(dueMs, deadlineOfSide(side, run));
  return dueMs;
}

function deadlineOfSide<Event>({ forMs }: Absent<Event>, { sinceMs }: Run<Event>): number {
  return forMs === undefined ? Number.POSITIVE_INFINITY : sinceMs + forMs;
}

/** The last instant at which its last event may come. */
function expiryOf<Event>({ withinMs }: CompositePattern<Event>, { firstMs }: Run<Event>): number {
  return firstMs === undefined ? Number.POSITIVE_INFINITY : firstMs + withinMs;
}
