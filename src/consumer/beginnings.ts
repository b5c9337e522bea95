import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { NO_TIME } from '../time/watermark.ts';
import type { Watermark } from '../time/watermark.ts';
import type { Begun } from './checkpoint-store.ts';
import { isLane } from './told-time.ts';

/** What a consumer has to remember of when time began. */
export interface BegunMark {
  readonly sinceMs: number | null;
  /** Of the places after which something was begun that the consumer looks for, how far time was there, and what told of it next. Default: none. */
  readonly began?: readonly (readonly [place: Position, upToMs: number | null, nextMs: number | null])[];
}

/** That something tells of time, at a place of the log; without a source, how far it has come. */
interface Told {
  readonly position: Position;
  readonly source: string | undefined;
  readonly timeMs: number;
}

/** How far time was at a place, and when the first event behind it happened; infinite: others tell of time, and say nothing of that. */
interface KnownPlace {
  readonly upToMs: number;
  readonly nextMs: number;
}

/**
 * When time began, and where it was when something was begun later, at one place of the log.
 *
 * Guarantee Functions of what was observed.
 */
export class Beginnings {
  readonly #watermark: Pick<Watermark, 'ms'>;
  readonly #disorderMs: number;
  /** In order. */
  readonly #places: readonly Position[];
  readonly #known: Map<Position, KnownPlace>;
  /** The first place of which it is not known. */
  #next: Position | undefined;
  #sinceMs: number;
  /** How far time was before what is being observed. */
  #beforeMs = NO_TIME;
  #wasKnown = false;

  constructor(
    watermark: Pick<Watermark, 'ms'>,
    {
      disorderMs,
      places,
      mark,
    }: { readonly disorderMs: number; readonly places: readonly Position[]; readonly mark: BegunMark | undefined },
  ) {
    this.#watermark = watermark;
    this.#disorderMs = disorderMs;
    this.#places = [...new Set(places)].filter((place) => place !== START).sort((left, right) => left - right);
    const wanted = new Set(this.#places);
    const began = (mark?.began ?? []).filter(([place]) => wanted.has(place));
    this.#known = new Map(
      began.map(([place, upToMs, nextMs]) => [
        place,
        { upToMs: upToMs ?? NO_TIME, nextMs: nextMs ?? Number.POSITIVE_INFINITY },
      ]),
    );
    this.#next = this.#unknown();
    this.#sinceMs = mark?.sinceMs ?? NO_TIME;
  }

  /** As long as not all are known that are waited for, the least time that anything told of. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /**
   * Since when what was begun there has looked: since then by the clock, or, of events from before that, since the first of them; but not since before
   * time was at that place. NO_TIME: that is not known yet.
   */
  since({ after, atMs }: Begun): number {
    if (after === START) return this.#sinceMs === NO_TIME ? NO_TIME : Math.min(atMs, this.#sinceMs);
    const known = this.#known.get(after);
    return known === undefined ? NO_TIME : Math.max(known.upToMs, Math.min(atMs, known.nextMs));
  }

  /** The watermark there, or now, where nothing behind it told of time. */
  passed({ after }: Begun): number {
    return (this.#known.get(after)?.upToMs ?? this.#latestMs) - this.#disorderMs;
  }

  /** Of something that tells of time, before the watermark knows of it. */
  before(): void {
    // Mostly all is known.
    if (this.#wasKnown && this.#next === undefined) return;
    this.#beforeMs = this.#latestMs;
    this.#wasKnown = this.#watermark.ms !== NO_TIME;
  }

  /** And when it does. */
  after({ position, source, timeMs }: Told): void {
    if (this.#wasKnown && this.#next === undefined) return;
    const happenedMs = source === undefined || isLane(source) ? NO_TIME : timeMs;
    // What is missing is missing since something was there, not since what might still come late.
    if (!this.#wasKnown)
      for (const ms of [happenedMs, this.#latestMs])
        if (ms !== NO_TIME && (this.#sinceMs === NO_TIME || ms < this.#sinceMs)) this.#sinceMs = ms;
    const isOthers = source !== undefined && isLane(source);
    const nextMs = isOthers ? Number.POSITIVE_INFINITY : happenedMs === NO_TIME ? this.#latestMs : happenedMs;
    if (nextMs === NO_TIME) return;
    for (; this.#next !== undefined && this.#next < position; this.#next = this.#unknown())
      this.#known.set(this.#next, { upToMs: this.#beforeMs, nextMs });
  }

  mark(): BegunMark {
    const began = [...this.#known].map(
      ([place, { upToMs, nextMs }]) => [place, finite(upToMs), finite(nextMs)] as const,
    );
    return { sinceMs: finite(this.#sinceMs), ...(began.length === 0 ? {} : { began }) };
  }

  #unknown(): Position | undefined {
    return this.#places.find((place) => !this.#known.has(place));
  }

  /** NO_TIME: nothing is known. */
  get #latestMs(): number {
    return this.#watermark.ms + this.#disorderMs;
  }
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}
