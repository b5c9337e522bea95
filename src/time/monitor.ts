/** What of the readings of a key is looked at. */
export type Measure =
  | { readonly kind: 'value' }
  /** The mean of the last readings: so many, or of so long. */
  | { readonly kind: 'average'; readonly over: { readonly events: number } | { readonly ms: number } }
  /** By how much it rises in so long, from one reading to the next. */
  | { readonly kind: 'rate'; readonly perMs: number };

export interface MonitorRules {
  readonly measure: Measure;
  readonly fires: (measured: number) => boolean;
  /** It fires no more until this holds; undefined: it fires for every reading for which the condition does. */
  readonly rearms: ((measured: number) => boolean) | undefined;
  /** The condition has to hold for so long, */
  readonly forMs: number;
  /** and for so many readings one after another. */
  readonly times: number;
}

interface Reading {
  readonly timeMs: number;
  readonly value: number;
}

export interface MonitorState {
  readonly armed: boolean;
  /** Since when the condition holds; undefined: it does not. */
  readonly sinceMs: number | undefined;
  /** For how many readings it has held. */
  readonly times: number;
  /** What the measure needs of those before. */
  readonly recent: readonly Reading[];
  readonly measured: number | undefined;
}

export interface MonitorFiring {
  readonly timeMs: number;
  readonly sinceMs: number;
  readonly times: number;
  readonly measured: number;
}

export interface MonitorStep {
  readonly state: MonitorState;
  readonly firing: MonitorFiring | undefined;
}

export const NEW_MONITOR: MonitorState = {
  armed: true,
  sinceMs: undefined,
  times: 0,
  recent: [],
  measured: undefined,
};

/** When it fires if nothing else comes; infinite: it does not. */
export function dueOfMonitor({ forMs, times }: MonitorRules, state: MonitorState): number {
  if (!state.armed || state.sinceMs === undefined || state.times < times) return Number.POSITIVE_INFINITY;
  return state.sinceMs + forMs;
}

/**
 * The next reading of a key, in the order of event time. Answers one firing at most: what became due before the reading is to be fired before
 * it (`passMonitor`).
 */
export function readMonitor(rules: MonitorRules, state: MonitorState, { timeMs, value }: Reading): MonitorStep {
  const recent = kept(rules.measure, state.recent, { timeMs, value });
  const measured = measuredOf(rules.measure, recent);
  if (measured === undefined) return { state: { ...state, recent }, firing: undefined };
  const holds = rules.fires(measured);
  const next: MonitorState = {
    armed: state.armed || rules.rearms === undefined || rules.rearms(measured),
    sinceMs: holds ? (state.sinceMs ?? timeMs) : undefined,
    times: holds ? state.times + 1 : 0,
    recent,
    measured,
  };
  return dueOfMonitor(rules, next) <= timeMs ? fired(next, timeMs) : { state: next, firing: undefined };
}

/** Time has come so far, and no reading from before it will come. */
export function passMonitor(rules: MonitorRules, state: MonitorState, toMs: number): MonitorStep {
  const dueMs = dueOfMonitor(rules, state);
  return dueMs < toMs ? fired(state, dueMs) : { state, firing: undefined };
}

function fired(state: MonitorState, timeMs: number): MonitorStep {
  const { sinceMs = timeMs, times, measured = Number.NaN } = state;
  // Where it fires for every reading, the next one arms it; what it has held for goes on.
  return { state: { ...state, armed: false }, firing: { timeMs, sinceMs, times, measured } };
}

function kept(measure: Measure, recent: readonly Reading[], reading: Reading): readonly Reading[] {
  const all = [...recent, reading];
  if (measure.kind === 'value') return [reading];
  if (measure.kind === 'rate') return all.slice(-2);
  const { over } = measure;
  return 'events' in over ? all.slice(-over.events) : all.filter(({ timeMs }) => timeMs > reading.timeMs - over.ms);
}

function measuredOf(measure: Measure, recent: readonly Reading[]): number | undefined {
  const last = recent.at(-1);
  if (last === undefined || measure.kind === 'value') return last?.value;
  if (measure.kind === 'rate') {
    const before = recent.at(-2);
    // Two readings of one instant have no rate.
    if (before === undefined || before.timeMs >= last.timeMs) return undefined;
    return finite(((last.value - before.value) / (last.timeMs - before.timeMs)) * measure.perMs);
  }
  if ('events' in measure.over && recent.length < measure.over.events) return undefined;
  return finite(recent.reduce((sum, { value }) => sum + value, 0) / recent.length);
}

/** What is beyond all numbers is the last of them: JSON, as which it is kept, has no other. */
function finite(measured: number): number {
  return Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, measured));
}
