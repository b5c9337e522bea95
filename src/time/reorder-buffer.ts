/** An event that waits for those that happened before it. */
export interface Held<Event> {
  readonly timeMs: number;
  /** In the order in which they came: of one instant the earlier one goes first. */
  readonly number: number;
  readonly event: Event;
}

export interface ReorderRules {
  /** So many wait at most. */
  readonly maxEvents: number;
  /** What becomes of the earliest when there are more: it goes on, and what comes before it later is late; or the one that came is not taken. */
  readonly overflow: 'refuse' | 'release';
}

export interface ReorderState<Event> {
  /** By time. */
  readonly held: readonly Held<Event>[];
  readonly next: number;
  /** What happened up to here has gone on; undefined: nothing has. */
  readonly releasedMs: number | undefined;
}

export interface ReorderStep<Event> {
  readonly state: ReorderState<Event>;
  /** In the order of event time. */
  readonly released: readonly Held<Event>[];
  /** Why the event that came is not among those that wait or went on. */
  readonly refused: 'full' | 'late' | undefined;
}

export function emptyReorder<Event>(): ReorderState<Event> {
  return { held: [], next: 1, releasedMs: undefined };
}

/** An event that came, at a watermark: what happened up to it goes on at once. */
export function reorder<Event>(
  rules: ReorderRules,
  state: ReorderState<Event>,
  { timeMs, event, watermarkMs }: { readonly timeMs: number; readonly event: Event; readonly watermarkMs: number },
): ReorderStep<Event> {
  // Of the same instant as the last that went on nothing is out of order.
  if (state.releasedMs !== undefined && timeMs < state.releasedMs) return { state, released: [], refused: 'late' };
  const passed = release(state, watermarkMs, Number.POSITIVE_INFINITY);
  const isFull = passed.state.held.length >= rules.maxEvents && timeMs > watermarkMs;
  if (rules.overflow === 'refuse' && isFull) return { ...passed, refused: 'full' };
  const held = { timeMs, number: state.next, event };
  const place = state.held.findLastIndex((other) => other.timeMs <= timeMs) + 1;
  const taken = { ...state, held: state.held.toSpliced(place, 0, held), next: state.next + 1 };
  return { ...release(taken, watermarkMs, rules.maxEvents), refused: undefined };
}

/** What happened up to the watermark goes on. */
export function releaseUpTo<Event>(state: ReorderState<Event>, watermarkMs: number): ReorderStep<Event> {
  return { ...release(state, watermarkMs, Number.POSITIVE_INFINITY), refused: undefined };
}

function release<Event>(
  state: ReorderState<Event>,
  watermarkMs: number,
  maxEvents: number,
): Pick<ReorderStep<Event>, 'released' | 'state'> {
  const { held } = state;
  const passed = held.findLastIndex(({ timeMs }) => timeMs <= watermarkMs) + 1;
  const count = Math.max(passed, held.length - maxEvents);
  if (count === 0) return { state, released: [] };
  const released = held.slice(0, count);
  const lastMs = released.at(-1)?.timeMs ?? Number.NEGATIVE_INFINITY;
  const releasedMs = Math.max(state.releasedMs ?? lastMs, lastMs);
  return { state: { ...state, held: held.slice(count), releasedMs }, released };
}
