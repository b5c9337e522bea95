import { NO_TIME } from './watermark.ts';
import { startsOf } from './windowing.ts';
import type { Span, Windowing } from './windowing.ts';

/** What is made of the values in a window: pure functions. */
export interface Aggregate<Value, Accumulator, Result> {
  initial(): Accumulator;
  add(accumulator: Accumulator, value: Value): Accumulator;
  /** Of two windows that become one, the earlier one first. Only sessions need it. */
  merge?(left: Accumulator, right: Accumulator): Accumulator;
  /** As if the value had never been added. Only corrected inputs need it. */
  remove?(accumulator: Accumulator, value: Value): Accumulator;
  result(accumulator: Accumulator, window: Telling): Result;
}

/** When a window fires beside its end, for which it always does. */
export type Early = { readonly everyMs: number } | { readonly events: number };

export interface WindowRules<Value, Accumulator, Result> {
  readonly windowing: Windowing;
  readonly aggregate: Aggregate<Value, Accumulator, Result>;
  /** For so long after its end a window takes late events; infinite: for ever. */
  readonly latenessMs: number;
  /** Before its end: every so much of event time, or every so many events. */
  readonly early: Early | undefined;
  /** After its end: every so many late events. */
  readonly lateEvents: number;
  /** Whether a firing is about all events so far, and replaces the one before, or about those since the one before. */
  readonly firings: 'all' | 'since';
}

/** That a window says something. */
export interface Telling extends Span {
  /** Counted from 0 in its window; a session that goes on longer is another one. */
  readonly index: number;
  readonly reason: 'early' | 'end' | 'late';
}

/** What a window has said. */
export interface Said<Result> extends Telling {
  readonly result: Result;
  /**
   * It was said in a history in which something else took its place later: after which event, and whether that has been handled again. If the
   * window has nothing else to say then, it is this that stands.
   */
  readonly until?: { readonly eventId: string; readonly isPast: boolean } | undefined;
}

export interface OpenWindow<Accumulator, Result> extends Span {
  readonly accumulator: Accumulator;
  readonly earliestMs: number;
  readonly latestMs: number;
  readonly events: number;
  /** Events that no firing has told of yet. */
  readonly untold: number;
  readonly firings: number;
  /** Whether the watermark has passed its end, and that was told. */
  readonly ended: boolean;
  /** When it fires early next; undefined: it does not by time. */
  readonly earlyMs: number | undefined;
  /** What was said and holds no longer once it fires again: of a session that was joined, of each part. */
  readonly standing: readonly Said<Result>[];
}

export interface Firing<Result> extends Said<Result> {
  readonly events: number;
  readonly earliestMs: number;
  readonly latestMs: number;
  /** What it takes the place of. */
  readonly replaces: readonly Said<Result>[];
}

/** The windows of a key, by their starts. */
export type WindowSet<Accumulator, Result> = readonly OpenWindow<Accumulator, Result>[];

export interface WindowStep<Accumulator, Result> {
  readonly windows: WindowSet<Accumulator, Result>;
  readonly firings: readonly Firing<Result>[];
}

/** In how many of its windows an event counts, and for how many it came too late. */
export interface AddStep<Accumulator, Result> extends WindowStep<Accumulator, Result> {
  readonly counted: number;
  readonly missed: readonly Span[];
}

type Rules<Value, Accumulator, Result> = WindowRules<Value, Accumulator, Result>;
type Open<Accumulator, Result> = OpenWindow<Accumulator, Result>;

/** What holds no longer, and nothing takes its place. */
export interface RemoveStep<Accumulator, Result> extends AddStep<Accumulator, Result> {
  readonly withdrawn: readonly Said<Result>[];
}

/** Adds a value to each window that it is in, unless that one takes no more. */
export function addToWindows<Value, Accumulator, Result>(
  rules: Rules<Value, Accumulator, Result>,
  windows: WindowSet<Accumulator, Result>,
  event: { readonly timeMs: number; readonly value: Value; readonly watermarkMs: number },
): AddStep<Accumulator, Result> {
  const { windowing, latenessMs } = rules;
  const { timeMs, watermarkMs } = event;
  if (windowing.kind === 'count') return addByCount(rules, windowing.size, windows, event);
  // Mostly nothing is missed and nothing fires: lists are made when there is something for them.
  let missed: Span[] | undefined;
  let firings: Firing<Result>[] | undefined;
  let counted = 0;
  /** The window as it is with the event. */
  const added = (whole: Open<Accumulator, Result>): Open<Accumulator, Result> => {
    const fired = fireAfterAdding(rules, addTo(rules, whole, event), watermarkMs);
    counted += 1;
    if (fired.firing !== undefined) (firings ??= []).push(fired.firing);
    return fired.window;
  };
  let open = windows;
  if (windowing.kind === 'session') {
    const span = joined(open, { startMs: timeMs, endMs: timeMs + windowing.gapMs });
    if (span.endMs + latenessMs <= watermarkMs) missed = [span];
    else {
      const parts = open.filter((window) => touches(window, span));
      const others = open.filter((window) => !parts.includes(window));
      open = [...others, added(wholeOf(rules, parts, span))].sort(byStart);
    }
  } else
    for (const startMs of startsOf(windowing, timeMs)) {
      const span = { startMs, endMs: startMs + windowing.sizeMs };
      if (span.endMs + latenessMs <= watermarkMs) {
        (missed ??= []).push(span);
        continue;
      }
      const place = open.findIndex((window) => byStart(window, span) >= 0);
      const known = open[place];
      if (known !== undefined && byStart(known, span) === 0) open = open.with(place, added(known));
      else open = open.toSpliced(place < 0 ? open.length : place, 0, added(newWindow(rules, span)));
    }
  return { windows: open, firings: firings ?? NONE, counted, missed: missed ?? NONE };
}

const NONE: readonly never[] = [];

/**
 * Takes back a value that was added at the same time: out of each window that it is in, unless that one takes no more. A session stays as long as
 * it is. One that nothing is left in takes back what it said.
 */
export function removeFromWindows<Value, Accumulator, Result>(
  rules: Rules<Value, Accumulator, Result>,
  windows: WindowSet<Accumulator, Result>,
  { timeMs, value, watermarkMs }: { readonly timeMs: number; readonly value: Value; readonly watermarkMs: number },
): RemoveStep<Accumulator, Result> {
  const { aggregate, windowing } = rules;
  if (aggregate.remove === undefined || windowing.kind === 'count')
    throw new Error('an aggregate that takes nothing back, or a window by count');
  const inside = windows.filter(({ startMs, endMs, events }) => startMs <= timeMs && timeMs < endMs && events > 0);
  const firings: Firing<Result>[] = [];
  const withdrawn: Said<Result>[] = [];
  let open = windows;
  for (const window of inside) {
    const without = { ...window, events: window.events - 1, untold: window.untold + 1 };
    let next: Open<Accumulator, Result>;
    if (without.events === 0) {
      withdrawn.push(...window.standing);
      next = { ...without, accumulator: aggregate.initial(), untold: 0, standing: [] };
    } else {
      const accumulator = aggregate.remove(window.accumulator, value);
      const fired = fireAfterAdding(rules, { ...without, accumulator }, watermarkMs);
      if (fired.firing !== undefined) firings.push(fired.firing);
      next = fired.window;
    }
    open = open.map((other) => (other === window ? next : other));
  }
  const missed: Span[] = [];
  if (windowing.kind === 'hopping') {
    for (const startMs of startsOf(windowing, timeMs))
      if (!inside.some((window) => window.startMs === startMs))
        missed.push({ startMs, endMs: startMs + windowing.sizeMs });
  } else if (inside.length === 0) missed.push({ startMs: timeMs, endMs: timeMs + windowing.gapMs });
  return { windows: open, firings, withdrawn, counted: inside.length, missed };
}

/** Lets windows fire, and forgets those that take no more, now that the watermark is there. */
export function advanceWindows<Value, Accumulator, Result>(
  rules: Rules<Value, Accumulator, Result>,
  windows: WindowSet<Accumulator, Result>,
  watermarkMs: number,
): WindowStep<Accumulator, Result> {
  const kept: Open<Accumulator, Result>[] = [];
  const firings: Firing<Result>[] = [];
  for (const window of windows) {
    let present = window;
    if (present.earlyMs !== undefined && present.earlyMs <= watermarkMs && !present.ended) {
      // Also where its end is passed in the same step: how far the watermark goes at once changes nothing.
      if (present.untold > 0 && present.earlyMs < present.endMs) {
        const fired = fire(rules, present, 'early');
        firings.push(fired.firing);
        present = fired.window;
      }
      present = { ...present, earlyMs: nextEarly(rules, present.startMs, watermarkMs) };
    }
    if (!present.ended && present.endMs <= watermarkMs && rules.windowing.kind !== 'count') {
      // Of one that everything was taken out of again there is nothing to say.
      if (present.events > 0) {
        const fired = fire(rules, present, 'end');
        firings.push(fired.firing);
        present = fired.window;
      }
      present = { ...present, ended: true, earlyMs: undefined };
    }
    if (!present.ended || present.endMs + rules.latenessMs > watermarkMs) kept.push(present);
    else if (present.untold > 0 && present.events > 0) firings.push(fire(rules, present, 'late').firing);
  }
  return { windows: kept, firings };
}

/** The watermark at which something is to be done next; infinite: none. */
export function dueOf<Accumulator, Result>(
  { windowing, latenessMs }: Pick<Rules<unknown, Accumulator, Result>, 'latenessMs' | 'windowing'>,
  windows: WindowSet<Accumulator, Result>,
): number {
  let dueMs = Number.POSITIVE_INFINITY;
  if (windowing.kind === 'count') return dueMs;
  for (const { ended, endMs, earlyMs } of windows)
    dueMs = Math.min(dueMs, ended ? endMs + latenessMs : Math.min(endMs, earlyMs ?? endMs));
  return dueMs;
}

function byStart(left: Span, right: Span): number {
  return left.startMs - right.startMs || left.endMs - right.endMs;
}

function touches(left: Span, right: Span): boolean {
  return left.startMs < right.endMs && right.startMs < left.endMs;
}

/** The session that an event makes with those that it touches. They touch none of the others: each is as far from the next as the gap. */
function joined(open: readonly Span[], span: Span): Span {
  let { startMs, endMs } = span;
  for (const window of open) {
    if (!touches(window, span)) continue;
    startMs = Math.min(startMs, window.startMs);
    endMs = Math.max(endMs, window.endMs);
  }
  return { startMs, endMs };
}

/** The window of this span, made of its parts; a new one where there are none. */
function wholeOf<Value, Accumulator, Result>(
  rules: Rules<Value, Accumulator, Result>,
  parts: WindowSet<Accumulator, Result>,
  { startMs, endMs }: Span,
): Open<Accumulator, Result> {
  const [first, ...others] = parts;
  if (first === undefined) return newWindow(rules, { startMs, endMs });
  let whole = first;
  for (const part of others) whole = merged(rules, whole, part);
  // One that goes on longer is not over, whatever its parts were.
  return whole.startMs === startMs && whole.endMs === endMs
    ? whole
    : { ...whole, startMs, endMs, firings: 0, ended: false, earlyMs: undefined };
}

function newWindow<Value, Accumulator, Result>(
  { aggregate }: Rules<Value, Accumulator, Result>,
  { startMs, endMs }: Span,
): Open<Accumulator, Result> {
  return {
    startMs,
    endMs,
    accumulator: aggregate.initial(),
    earliestMs: Number.POSITIVE_INFINITY,
    latestMs: NO_TIME,
    events: 0,
    untold: 0,
    firings: 0,
    ended: false,
    earlyMs: undefined,
    standing: [],
  };
}

function merged<Value, Accumulator, Result>(
  { aggregate }: Rules<Value, Accumulator, Result>,
  left: Open<Accumulator, Result>,
  right: Open<Accumulator, Result>,
): Open<Accumulator, Result> {
  if (aggregate.merge === undefined) throw new Error('an aggregate over sessions has no merge');
  return {
    startMs: Math.min(left.startMs, right.startMs),
    endMs: Math.max(left.endMs, right.endMs),
    accumulator: aggregate.merge(left.accumulator, right.accumulator),
    earliestMs: Math.min(left.earliestMs, right.earliestMs),
    latestMs: Math.max(left.latestMs, right.latestMs),
    events: left.events + right.events,
    untold: left.untold + right.untold,
    firings: 0,
    ended: false,
    earlyMs: undefined,
    standing: [...left.standing, ...right.standing],
  };
}

function addTo<Value, Accumulator, Result>(
  { aggregate }: Rules<Value, Accumulator, Result>,
  window: Open<Accumulator, Result>,
  { timeMs, value }: { readonly timeMs: number; readonly value: Value },
): Open<Accumulator, Result> {
  const { startMs, endMs, accumulator, earliestMs, latestMs, events, untold, firings, ended, earlyMs, standing } =
    window;
  // Written out, since this is made for each event.
  return {
    startMs,
    endMs,
    accumulator: aggregate.add(accumulator, value),
    earliestMs: Math.min(earliestMs, timeMs),
    latestMs: Math.max(latestMs, timeMs),
    events: events + 1,
    untold: untold + 1,
    firings,
    ended,
    earlyMs,
    standing,
  };
}

/** An event may be one of so many that are told of at once, before the end or after it. */
function fireAfterAdding<Value, Accumulator, Result>(
  rules: Rules<Value, Accumulator, Result>,
  window: Open<Accumulator, Result>,
  watermarkMs: number,
): { readonly window: Open<Accumulator, Result>; readonly firing: Firing<Result> | undefined } {
  const { early, lateEvents } = rules;
  if (window.endMs <= watermarkMs) {
    const present = { ...window, ended: true, earlyMs: undefined };
    // Of one that was not told at its end this is the first word.
    const waits = window.ended && present.untold < lateEvents;
    return waits ? { window: present, firing: undefined } : fire(rules, present, 'late');
  }
  if (early !== undefined && 'events' in early && window.untold >= early.events) return fire(rules, window, 'early');
  const earlyMs = window.earlyMs ?? nextEarly(rules, window.startMs, watermarkMs);
  return { window: earlyMs === window.earlyMs ? window : { ...window, earlyMs }, firing: undefined };
}

/** Early firings by time are so far apart, counted from the start of the window. */
function nextEarly(
  { early }: Pick<Rules<unknown, unknown, unknown>, 'early'>,
  startMs: number,
  watermarkMs: number,
): number | undefined {
  if (early === undefined || !('everyMs' in early)) return undefined;
  const passed = watermarkMs < startMs ? 0 : Math.floor((watermarkMs - startMs) / early.everyMs);
  return startMs + (passed + 1) * early.everyMs;
}

function fire<Value, Accumulator, Result>(
  { aggregate, firings }: Rules<Value, Accumulator, Result>,
  window: Open<Accumulator, Result>,
  reason: Firing<Result>['reason'],
): { readonly window: Open<Accumulator, Result>; readonly firing: Firing<Result> } {
  const { startMs, endMs, events, earliestMs, latestMs } = window;
  const result = aggregate.result(window.accumulator, { startMs, endMs, index: window.firings, reason });
  const said = { startMs, endMs, index: window.firings, result, reason };
  const isWhole = firings === 'all';
  return {
    firing: { ...said, events, earliestMs, latestMs, replaces: isWhole ? window.standing : [] },
    window: {
      ...window,
      accumulator: isWhole ? window.accumulator : aggregate.initial(),
      untold: 0,
      firings: window.firings + 1,
      standing: isWhole ? [said] : [],
    },
  };
}

/** Of a key there is one such window at a time. */
function addByCount<Value, Accumulator, Result>(
  rules: Rules<Value, Accumulator, Result>,
  size: number,
  windows: WindowSet<Accumulator, Result>,
  event: { readonly timeMs: number; readonly value: Value },
): AddStep<Accumulator, Result> {
  const { timeMs } = event;
  const [open] = windows;
  const before = open ?? wholeOf(rules, [], { startMs: timeMs, endMs: timeMs + 1 });
  const added = addTo(rules, before, event);
  const window = { ...added, startMs: added.earliestMs, endMs: added.latestMs + 1 };
  if (window.events < size) return { windows: [window], firings: [], counted: 1, missed: [] };
  return { windows: [], firings: [fire(rules, window, 'end').firing], counted: 1, missed: [] };
}
