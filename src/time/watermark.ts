/** How event time of a log is known to have come so far. */
export interface WatermarkRule {
  /** By how much an event may be behind the latest one of its source. */
  readonly disorderMs: number;
  /** A source from which nothing was recorded for so long holds the others back no longer. */
  readonly idleMs: number;
  /** Sources that count from the first event of all on, silent ones too; others from their own. */
  readonly expected: readonly string[];
  /** Sources that say themselves how far they are: without them nothing is known, however long they are silent. */
  readonly told?: ReadonlySet<string>;
}

/** How far a source is. */
export interface SourceTime {
  /** The latest event time; NO_TIME: nothing came of it. */
  readonly latestMs: number;
  /** When its last event was recorded, or the first of all where nothing came of it. */
  readonly recordedMs: number;
}

/** What keeps a watermark from coming so far. */
export interface WatermarkNeeds {
  /** Sources that say themselves how far they are, and are not so far. */
  readonly told: readonly string[];
  /** How far these have to be. */
  readonly toldMs: number;
  /** When the others that hold it back are silent, if they say nothing until then; NO_TIME: none does. */
  readonly silentMs: number;
}

/** What a watermark is made of: enough to go on from. */
export interface WatermarkState {
  readonly watermarkMs: number;
  readonly sources: Readonly<Record<string, SourceTime>>;
}

/** Before any event. */
export const NO_TIME = Number.NEGATIVE_INFINITY;

const NONE: ReadonlySet<string> = new Set();

/**
 * The claim that nothing earlier is expected: of the sources that are not silent the least of their latest event times, less the disorder.
 *
 * Guarantee A function of the events in the order of the log, and of nothing else; never goes back.
 */
export class Watermark {
  readonly #rule: WatermarkRule;
  readonly #sources: Map<string, SourceTime>;
  #watermarkMs: number;
  /** The latest recorded time. */
  #nowMs = NO_TIME;
  /** The source that holds the others back. */
  #slowest: string | undefined;
  /** When the next of the others becomes silent, at the earliest. */
  #silentAtMs = NO_TIME;

  constructor(rule: WatermarkRule, state?: WatermarkState) {
    this.#rule = rule;
    this.#sources = new Map(Object.entries(state?.sources ?? {}));
    this.#watermarkMs = state?.watermarkMs ?? NO_TIME;
    for (const { recordedMs } of this.#sources.values()) this.#nowMs = Math.max(this.#nowMs, recordedMs);
    for (const [source, { latestMs }] of this.#sources)
      if (latestMs === NO_TIME && !rule.expected.includes(source)) this.#sources.delete(source);
    this.#expect();
    this.#look();
  }

  get ms(): number {
    return this.#watermarkMs;
  }

  /** The latest recorded time of an event of a source that is not silent; NO_TIME: there is none. */
  get recordedMs(): number {
    return this.#nowMs;
  }

  /** An event of the log, in its order. Answers whether the watermark moved on. */
  observe(source: string, timeMs: number, recordedMs: number): boolean {
    const isFirst = this.#nowMs === NO_TIME;
    this.#nowMs = Math.max(this.#nowMs, recordedMs);
    if (isFirst) this.#expect();
    const before = this.#sources.get(source);
    const latestMs = before === undefined ? timeMs : Math.max(before.latestMs, timeMs);
    this.#sources.set(source, { latestMs, recordedMs: this.#nowMs });
    const changesLeast = isFirst || before === undefined || source === this.#slowest || this.#nowMs >= this.#silentAtMs;
    return changesLeast && this.#look();
  }

  /** Something else was recorded then, and shows who was silent until then. Answers whether the watermark moved on. */
  recorded(recordedMs: number): boolean {
    this.#nowMs = Math.max(this.#nowMs, recordedMs);
    return this.#nowMs >= this.#silentAtMs && this.#look();
  }

  /** That time has come so far is known from elsewhere. Answers whether the watermark moved on. */
  reach(ms: number): boolean {
    if (ms <= this.#watermarkMs) return false;
    this.#watermarkMs = ms;
    return true;
  }

  /** What keeps it from coming to `ms`; undefined: nothing does. */
  needs(ms: number): WatermarkNeeds | undefined {
    if (this.#watermarkMs >= ms) return undefined;
    const { disorderMs, idleMs, told = NONE } = this.#rule;
    const toldMs = ms + disorderMs;
    let silentMs = NO_TIME;
    for (const [source, { latestMs, recordedMs }] of this.#sources)
      if (latestMs < toldMs && !told.has(source) && recordedMs + idleMs > this.#nowMs)
        silentMs = Math.max(silentMs, recordedMs + idleMs);
    const behind = [...told].filter((source) => (this.#sources.get(source)?.latestMs ?? NO_TIME) < toldMs);
    return { told: behind, toldMs, silentMs };
  }

  snapshot(): WatermarkState {
    return { watermarkMs: this.#watermarkMs, sources: Object.fromEntries(this.#sources) };
  }

  /** From now on those that are expected have to say something, or are silent. */
  #expect(): void {
    if (this.#nowMs === NO_TIME) return;
    for (const source of this.#rule.expected)
      if (!this.#sources.has(source)) this.#sources.set(source, { latestMs: NO_TIME, recordedMs: this.#nowMs });
  }

  /** Looks for the source that is least far. */
  #look(): boolean {
    const { disorderMs, idleMs, expected, told = NONE } = this.#rule;
    let least = Number.POSITIVE_INFINITY;
    this.#slowest = undefined;
    this.#silentAtMs = Number.POSITIVE_INFINITY;
    for (const [source, { latestMs, recordedMs }] of this.#sources) {
      const isTold = told.has(source);
      if (!isTold && recordedMs + idleMs <= this.#nowMs) {
        // What it said is behind the watermark or will be; when it speaks again it counts anew. So there are as many as speak.
        if (!expected.includes(source)) this.#sources.delete(source);
        continue;
      }
      if (!isTold) this.#silentAtMs = Math.min(this.#silentAtMs, recordedMs + idleMs);
      if (latestMs >= least) continue;
      least = latestMs;
      this.#slowest = source;
    }
    if (this.#slowest === undefined) return false;
    for (const source of told) if (!this.#sources.has(source)) return false;
    return this.reach(least - disorderMs);
  }
}
