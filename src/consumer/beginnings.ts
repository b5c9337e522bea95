import { START } from '../event/position.ts';
import type { Position } from '../event/position.ts';
import { NO_TIME } from '../time/watermark.ts';
import type { Watermark } from '../time/watermark.ts';
import { isLane } from './told-time.ts';

/** What a consumer has to remember of when time began. */
export interface BegunMark {
  readonly sinceMs: number | null;
  /** Of the places after which something was begun that the consumer looks for, how far time was there. Default: none. */
  readonly began?: readonly (readonly [place: Position, ms: number | null])[];
}

/** That something tells of time, at a place of the log; without a source, how far it has come. */
interface Told {
  readonly position: Position;
  readonly source: string | undefined;
  readonly timeMs: number;
}

/**
 * When time began, and where it was when something was begun later, at one place of the log.
 *
 * Guarantee Functions of what was observed up to there.
 */
export class Beginnings {
  readonly #watermark: Pick<Watermark, 'ms'>;
  readonly #disorderMs: number;
  /** In order. */
  readonly #places: readonly Position[];
  /** NO_TIME: time began later. */
  readonly #known: Map<Position, number>;
  /** The first place of which it is not known. */
  #next: Position | undefined;
  #wasKnown = false;
  #sinceMs: number;

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
    this.#known = new Map(began.map(([place, ms]) => [place, ms ?? NO_TIME]));
    this.#next = this.#unknown();
    this.#sinceMs = mark?.sinceMs ?? NO_TIME;
  }

  /** As long as not all are known that are waited for, the least time that anything told of. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  sinceAfter(place: Position): number {
    const ms = this.#known.get(place);
    if (ms === undefined) return NO_TIME;
    return ms === NO_TIME ? this.#sinceMs : ms;
  }

  /** Of something that tells of time, before the watermark knows of it. */
  before({ position }: Told): void {
    if (this.#next !== undefined) this.reach((position - 1) as Position);
    this.#wasKnown = this.#watermark.ms !== NO_TIME;
  }

  /** And when it does. */
  after({ source, timeMs }: Told): void {
    if (this.#wasKnown) return;
    // What is missing is missing since something was there, not since what might still come late.
    const happenedMs = source === undefined || isLane(source) ? NO_TIME : timeMs;
    for (const ms of [happenedMs, this.#latestMs])
      if (ms !== NO_TIME && (this.#sinceMs === NO_TIME || ms < this.#sinceMs)) this.#sinceMs = ms;
  }

  /** All up to a place was observed. Answers whether something is known now that was not. */
  reach(place: Position): boolean {
    if (this.#next === undefined || this.#next > place) return false;
    // Some have told of time there, and others are waited for.
    if (this.#watermark.ms === NO_TIME && this.#sinceMs !== NO_TIME) return false;
    for (; this.#next !== undefined && this.#next <= place; this.#next = this.#unknown())
      this.#known.set(this.#next, this.#latestMs);
    return true;
  }

  #unknown(): Position | undefined {
    return this.#places.find((place) => !this.#known.has(place));
  }

  mark(): BegunMark {
    const began = [...this.#known].map(([place, ms]) => [place, whole(ms)] as const);
    return { sinceMs: whole(this.#sinceMs), ...(began.length === 0 ? {} : { began }) };
  }

  /** NO_TIME: nothing is known. */
  get #latestMs(): number {
    return this.#watermark.ms + this.#disorderMs;
  }
}

function whole(ms: number): number | null {
  return ms === NO_TIME ? null : ms;
}
