import type { JsonValue } from '../event/json.ts';
import type { Recalled, ToldFact } from '../consumer/reaction.ts';
import type { Firing, Said, Telling, WindowSet } from '../time/window-set.ts';

/**
 * Which of the facts that were told before is the one that is told now; undefined: none. Of one life of a window each has another cause, or another
 * timing; where several have the same, it was told anew in between, and the last of them is what was said there.
 */
export function toldAgain(
  { told, retraction }: Recalled,
  { causeId, timing }: { readonly causeId: string; readonly timing: string | undefined },
): ToldFact | undefined {
  const there = told.findLast((fact) => fact.event.causationid === causeId && fact.timing === timing);
  // What was taken back because it was given up, or said no more, and nothing took its place, is said again.
  const isGone = there === told.at(-1) && retraction?.attribute('unsaid') === true;
  return there?.isSame === true && !isGone ? there : undefined;
}

/** The last of them, as what a window said; `from`: the window, and the number of the first. */
export function lastOf(
  { told }: Recalled,
  { startMs, endMs, index }: Pick<Telling, 'endMs' | 'index' | 'startMs'>,
): Said<JsonValue> | undefined {
  const last = told.at(-1);
  if (last === undefined) return undefined;
  const reason = (last.timing as Telling['reason'] | undefined) ?? 'end';
  return { startMs, endMs, index: index + last.number, result: last.event.data as JsonValue, reason };
}

/** By how much the numbers of what windows say are further than those that a step has given, where more was said before than now. */
export class Retold {
  /** Of a window, from a number on. */
  readonly #skipped = new Map<string, readonly { readonly from: number; readonly by: number }[]>();

  readonly #until = new Map<string, string>();

  /** What the window says from this on has higher numbers; `until`: the event after which something else took its place. */
  skip(telling: Telling, by: number, until: string | undefined): void {
    const before = this.#of(telling);
    this.#skipped.set(nameOf(telling), [...before, { from: telling.index, by }]);
    if (until !== undefined) this.#until.set(`${nameOf(telling)} ${telling.index}`, until);
  }

  /** With the numbers that it and what it takes the place of have. */
  of(firing: Firing<JsonValue>): Firing<JsonValue> {
    return { ...this.#said(firing), replaces: firing.replaces.map((said) => this.#said(said)) };
  }

  numbered(windows: WindowSet<JsonValue, JsonValue>): WindowSet<JsonValue, JsonValue> {
    return windows.map((window) => ({
      ...window,
      firings: this.#numberOf({ ...window, index: window.firings }),
      standing: window.standing.map((said) => this.#said(said)),
    }));
  }

  #said<S extends Said<JsonValue>>(said: S): S {
    const index = this.#numberOf(said);
    const eventId = this.#until.get(`${nameOf(said)} ${said.index}`);
    if (eventId !== undefined) return { ...said, index, until: { eventId, isPast: false } };
    return index === said.index ? said : { ...said, index };
  }

  #numberOf(telling: Pick<Telling, 'endMs' | 'index' | 'startMs'>): number {
    return this.#of(telling).reduce((sum, { from, by }) => (telling.index >= from ? sum + by : sum), telling.index);
  }

  #of(telling: Pick<Telling, 'endMs' | 'startMs'>): readonly { readonly from: number; readonly by: number }[] {
    return this.#skipped.get(nameOf(telling)) ?? [];
  }
}

function nameOf({ startMs, endMs }: Pick<Telling, 'endMs' | 'startMs'>): string {
  return `${startMs} ${endMs}`;
}
