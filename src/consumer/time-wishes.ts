/** How far in event time somebody wants to come, whose time is that of others. */
export interface TimeMember {
  /** Whose results it reads. */
  readonly upstreams: readonly string[];
  /** Whether its time goes on by the clock. */
  readonly goesOn: boolean;
  /** How far those whose results it reads have to come for it to go on; undefined: nothing waits. */
  readonly wishMs: () => number | undefined;
  /** There may be something new that is wished for. */
  look(): void;
}

/**
 * What reads the results of others has no time of its own: how far these are there they tell. So when a log is quiet, those let time pass that
 * read nobody's results, for themselves and for all who read theirs.
 */
export class TimeWishes {
  readonly #members = new Map<string, TimeMember>();
  /** By whose results they read. */
  readonly #readers = new Map<string, Set<TimeMember>>();

  join(name: string, member: TimeMember): void {
    const before = this.#members.get(name);
    if (before !== undefined) this.leave(name, before);
    this.#members.set(name, member);
    for (const upstream of member.upstreams)
      this.#readers.set(upstream, (this.#readers.get(upstream) ?? new Set()).add(member));
  }

  leave(name: string, member: TimeMember): void {
    if (this.#members.get(name) === member) this.#members.delete(name);
    for (const upstream of member.upstreams) this.#readers.get(upstream)?.delete(member);
  }

  /** What those wish for who read the results of a consumer; undefined: nothing. */
  of(name: string): number | undefined {
    let least: number | undefined;
    for (const { upstreams, wishMs } of this.#readers.get(name) ?? []) {
      // Where one of them does not go on by the clock, nothing comes of it that the others do.
      if (upstreams.some((upstream) => this.#members.get(upstream)?.goesOn === false)) continue;
      least = leastOf(least, wishMs());
    }
    return least;
  }

  changed(upstreams: readonly string[]): void {
    for (const upstream of upstreams) this.#members.get(upstream)?.look();
  }
}

/** The lesser of two times that may be undefined. */
export function leastOf(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return Math.min(left, right);
}
