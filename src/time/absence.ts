/** What is known of a key that is to be heard of again and again. */
export interface AbsenceState {
  /** When it was heard of last; or, of one that never was, since when it is expected. */
  readonly lastMs: number;
  /** Whether its silence was told. */
  readonly told: boolean;
}

export interface Silence {
  /** When it was known: an event at the last instant is none too late. */
  readonly timeMs: number;
  readonly lastMs: number;
}

export interface AbsenceStep {
  readonly state: AbsenceState;
  readonly silence: Silence | undefined;
}

/** A key from which nothing has come yet. */
export function expectedSince(startMs: number): AbsenceState {
  return { lastMs: startMs, told: false };
}

/** When its silence is told if nothing comes; infinite: it was. */
export function dueOfAbsence(forMs: number, { lastMs, told }: AbsenceState): number {
  return told ? Number.POSITIVE_INFINITY : lastMs + forMs;
}

/** Something came of the key. What its silence before it was due to is to be told before (`passAbsence`). An event from before the last changes nothing. */
export function hearOf({ lastMs, told }: AbsenceState, timeMs: number): AbsenceState {
  return timeMs < lastMs ? { lastMs, told } : { lastMs: timeMs, told: false };
}

/** Time has come so far, and nothing from before it will come. */
export function passAbsence(forMs: number, state: AbsenceState, toMs: number): AbsenceStep {
  const timeMs = dueOfAbsence(forMs, state);
  if (timeMs >= toMs) return { state, silence: undefined };
  return { state: { ...state, told: true }, silence: { timeMs, lastMs: state.lastMs } };
}
