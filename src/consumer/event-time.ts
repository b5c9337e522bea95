import { InvalidInput } from '../errors.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import { SYSTEM_EVENTS, systemStream } from '../event/system-events.ts';
import { timestampMs } from '../event/timestamp.ts';
import type { ClockTrust } from '../schema/clock-trust.ts';
import { isoTime } from '../system/clock.ts';
import { NO_TIME, Watermark } from '../time/watermark.ts';
import type { SourceTime, WatermarkState } from '../time/watermark.ts';
import { Beginnings } from './beginnings.ts';
import type { Begun } from './checkpoint-store.ts';
import type { BegunMark } from './beginnings.ts';
import type { ReactionTime } from './reaction.ts';
import type { NeededTime } from './time-wishes.ts';
import { isLane, sourcesOf, toldIn } from './told-time.ts';

/** What an event of the log says of how far time has come; without a source, that it has come so far, or only that it was recorded then. */
interface Observation {
  readonly position: Position;
  readonly source: string | undefined;
  readonly timeMs: number;
  readonly recordedMs: number;
}

export interface EventTimeOptions {
  /** As of `markAt`; undefined: it begins with the first event. */
  readonly mark: JsonValue | undefined;
  /** How far the clocks of sources are trusted. */
  readonly clocks: ClockTrust;
  /** Of events after which the consumer began to look for something. */
  readonly places: readonly Position[];
}

/** The source of all, where they have one time. */
const ALL = '';

/** Observations above the low mark, at most (G10). */
const MAX_OBSERVATIONS = 65_536;

/**
 * How far event time has come for a consumer, at its cursor, and where a restart would begin.
 *
 * Invariants
 * 1. The watermark is a function of the events up to a position, those of other nodes' lanes too: every node has the same one there.
 * 2. `markAt(low)` is the watermark as of `low`: a loop that begins there observes the same events again and comes to the same.
 */
export class EventTime {
  readonly #time: ReactionTime;
  readonly #clocks: ClockTrust;
  readonly #stream: string;
  /** Types whose events tell nothing of time: those who publish them do. */
  readonly #told: ReadonlySet<string>;
  /** Where these say how far they are. */
  readonly #tellers: ReadonlySet<string>;
  /** Whose lanes the sources are that say how far they are. */
  readonly #lanes: ReadonlyMap<string, string>;
  readonly #ahead: Watermark;
  readonly #behind: Watermark;
  #observations: Observation[] = [];
  #first = 0;
  #mark: JsonValue | undefined;
  #recordedMs: number;
  /** When time began, as far as is known at the cursor and at the low mark. */
  readonly #beginnings: Beginnings;
  readonly #beginningsBehind: Beginnings;

  constructor(consumer: string, time: ReactionTime, { mark, clocks, places }: EventTimeOptions) {
    this.#time = time;
    this.#clocks = clocks;
    this.#stream = systemStream(consumer);
    const known = mark as unknown as Mark | undefined;
    // By another clock it says nothing: the consumer went by when events were recorded.
    const kept = known?.clock === 'recorded' && time.bySource ? undefined : known;
    const { upstreams = [], watermark } = time;
    this.#told = new Set(upstreams.flatMap(({ types }) => types));
    this.#tellers = new Set(upstreams.map((upstream) => systemStream(upstream.consumer)));
    this.#lanes = new Map(
      upstreams.flatMap(({ consumer: upstream }) =>
        sourcesOf(upstream).map((lane): [string, string] => [lane, upstream]),
      ),
    );
    const rule = { ...watermark, told: new Set(this.#lanes.keys()) };
    const state = kept && this.#stateOf(kept);
    this.#ahead = new Watermark(rule, state);
    this.#behind = new Watermark(rule, state);
    this.#recordedMs = this.#ahead.recordedMs;
    this.#beginnings = new Beginnings(this.#ahead, { disorderMs: watermark.disorderMs, places, mark: kept });
    this.#beginningsBehind = new Beginnings(this.#behind, { disorderMs: watermark.disorderMs, places, mark: kept });
  }

  /** Nothing earlier is expected; NO_TIME before anything is known. */
  get watermarkMs(): number {
    return this.#ahead.ms;
  }

  /** What has to be for the watermark to come to `ms`; undefined: nothing, it is there. */
  neededFor(ms: number): NeededTime | undefined {
    const needs = this.#ahead.needs(ms);
    if (needs === undefined) return undefined;
    const of = new Set(needs.told.map((lane) => this.#lanes.get(lane) ?? lane));
    return { of, eventMs: needs.toldMs, silentMs: needs.silentMs };
  }

  /** When time began: of what told of it first the least of the times. NO_TIME: nothing is known yet. */
  get sinceMs(): number {
    return this.#beginnings.sinceMs;
  }

  /** Since when what was begun at one of the `places` can say that something is missing. NO_TIME: that is not known. */
  beganMs(begun: Begun): number {
    return this.#beginnings.since(begun);
  }

  /** The watermark at one of the `places`, as far as is known. NO_TIME: nothing is. */
  passedMs(begun: Begun): number {
    return this.#beginnings.passed(begun);
  }

  /** When the last event was recorded that told of time; NO_TIME: none has. */
  get recordedMs(): number {
    return this.#recordedMs;
  }

  /** Too much would have to be observed again: nothing more is to be taken before the low mark moves. */
  get full(): boolean {
    return this.#observations.length - this.#first >= MAX_OBSERVATIONS;
  }

  /** Whether the event says nothing but that time has passed for this consumer. */
  isPassage(event: RecordedEvent): boolean {
    return event.type === SYSTEM_EVENTS.timePassed && event.stream === this.#stream;
  }

  /** Time has passed without events: of who reads the results of others it shows only who is silent. Answers whether the watermark moved. */
  pass(event: RecordedEvent): boolean {
    const { time } = event.data as { readonly time: string };
    const { position, recordedMs } = event;
    const timeMs = this.#tellers.size > 0 ? NO_TIME : (timestampMs(time) ?? NO_TIME);
    return this.#observe({ position, source: undefined, timeMs, recordedMs });
  }

  /** Whether the event says nothing but how far the results of another one are there. */
  isTold({ type, stream }: RecordedEvent): boolean {
    return type === SYSTEM_EVENTS.timeTold && this.#tellers.has(stream);
  }

  /** The results of another one are there up to a time. Answers whether the watermark moved. */
  tell(event: RecordedEvent): boolean {
    const { position, recordedMs } = event;
    const { consumer, upToMs, lanes } = toldIn(event);
    let moved = false;
    for (const source of sourcesOf(consumer, lanes))
      moved = this.#observe({ position, source, timeMs: upToMs, recordedMs }) || moved;
    return moved;
  }

  /** An event of the log, in its order, and when it happened. Answers whether the watermark moved. */
  observe({ type, position, source, recordedMs }: RecordedEvent, timeMs: number): boolean {
    if (this.#told.has(type)) return false;
    return this.#observe({ position, source: this.#time.bySource ? source : ALL, timeMs, recordedMs });
  }

  /** What has to be known of the events up to `low`, which never falls. */
  markAt(low: Position): JsonValue {
    for (; this.#first < this.#observations.length; this.#first += 1) {
      const next = this.#observations[this.#first];
      if (next === undefined || next.position > low) break;
      this.#beginningsBehind.before();
      apply(this.#behind, next);
      this.#beginningsBehind.after(next);
      this.#mark = undefined;
    }
    if (this.#first * 2 > this.#observations.length) {
      this.#observations = this.#observations.slice(this.#first);
      this.#first = 0;
    }
    this.#mark ??= this.#markOf(this.#behind);
    return this.#mark;
  }

  /** The watermark as of the last `markAt`. */
  get markedMs(): number {
    return this.#behind.ms;
  }

  /**
   * When an event happened, as far as its source is trusted for that at `nowMs`.
   *
   * Errors    InvalidInput, and what the program's own function throws.
   */
  timeOf(event: RecordedEvent, nowMs = event.recordedMs): number {
    const timeMs = this.#time.timeOf(event);
    // Of the attribute it was asked when the event was published.
    const issue = this.#time.isRead === true ? this.#clocks.issueOfTime(event.source, timeMs, nowMs) : undefined;
    if (issue === undefined) return timeMs;
    throw new InvalidInput({ path: 'time.at(event)', expected: issue.expected, found: isoTime(timeMs) });
  }

  #observe(observation: Observation): boolean {
    this.#observations.push(observation);
    this.#recordedMs = Math.max(this.#recordedMs, observation.recordedMs);
    this.#beginnings.before();
    const moved = apply(this.#ahead, observation);
    this.#beginnings.after(observation);
    return moved;
  }

  #markOf(watermark: Watermark): JsonValue {
    const { watermarkMs, sources } = watermark.snapshot();
    return {
      watermarkMs: finite(watermarkMs),
      ...this.#beginningsBehind.mark(),
      ...(this.#time.bySource ? {} : { clock: 'recorded' }),
      ...(this.#told.size === 0 ? {} : { told: [...this.#told] }),
      sources: Object.fromEntries(
        Object.entries(sources).map(([source, { latestMs, recordedMs }]) => [source, [finite(latestMs), recordedMs]]),
      ),
    };
  }

  /**
   * What a mark says to the present definition. Whose results are read no longer, of him nothing more is heard; and what is told of only now
   * came from the sources of all until now, of which nobody knows whether they say anything else.
   */
  #stateOf({ watermarkMs, sources, told = [] }: Mark): WatermarkState {
    const isNew = [...this.#told].some((type) => !told.includes(type));
    const heard = Object.entries(sources).filter(([source]) => (isLane(source) ? this.#lanes.has(source) : !isNew));
    return {
      watermarkMs: watermarkMs ?? NO_TIME,
      sources: Object.fromEntries(
        heard.map(([source, [latestMs, recordedMs]]): [string, SourceTime] => [
          source,
          { latestMs: latestMs ?? NO_TIME, recordedMs },
        ]),
      ),
    };
  }
}

function apply(watermark: Watermark, { source, timeMs, recordedMs }: Observation): boolean {
  if (source !== undefined) return watermark.observe(source, timeMs, recordedMs);
  return timeMs === NO_TIME ? watermark.recorded(recordedMs) : watermark.reach(timeMs);
}

/** As JSON, which knows no infinity: the watermark, the first one, and of each source how far it is. */
interface Mark extends BegunMark {
  readonly watermarkMs: number | null;
  readonly sources: Readonly<Record<string, readonly [latestMs: number | null, recordedMs: number]>>;
  /** Default: when events happened. */
  readonly clock?: 'recorded';
  /** Types of results that others told of; default: none. */
  readonly told?: readonly string[];
}

function finite(ms: number): number | null {
  return ms === NO_TIME ? null : ms;
}
