/** How far in event time somebody wants others to be, and from when by the clock it helps to be told. */
export interface TimeWish {
  readonly eventMs: number;
  /** NO_TIME: at any time. */
  readonly clockMs: number;
}

/** What somebody wishes for of those whose results he reads. */
export interface NeededTime extends TimeWish {
  /** Those of them that are not so far; none: that any of them tells anything new. */
  readonly of: readonly string[];
}

/** Any time at all. */
export const SOME_TIME = -Number.MAX_VALUE;

/** Somebody who goes by event time. */
export interface TimeMember {
  /** Whose results it reads. */
  readonly upstreams: readonly string[];
  /** Whether its time goes on by the clock. */
  readonly goesOn: boolean;
  /** Whether it tells now how far its results are there. */
  readonly tells: () => boolean;
  /** What has to be told to it for its own sake. */
  readonly ownWish: () => NeededTime | undefined;
  /** What has to be told to it for another one's to be fulfilled. */
  readonly wishFor: (wish: TimeWish) => NeededTime;
  /** There may be something new that is wished for. */
  readonly look: () => void;
}

/**
 * What reads the results of others has no time of its own: how far these are there they tell. So when a log is quiet, those let time pass that
 * read nobody's results, for themselves and for all who read theirs.
 *
 * Guarantee Time that passes is told to whom it is to help: not of one who tells nothing while it attempts something again, or whose time
 *           does not go on by the clock, and not to one who waits for others, no longer for him.
 */
export class TimeWishes {
  readonly #members = new Map<string, TimeMember>();
  /** By whose results they read. */
  readonly #readers = new Map<string, Map<string, TimeMember>>();

  join(name: string, member: TimeMember): void {
    const before = this.#members.get(name);
    if (before !== undefined) this.leave(name, before);
    this.#members.set(name, member);
    for (const upstream of member.upstreams)
      this.#readers.set(upstream, (this.#readers.get(upstream) ?? new Map<string, TimeMember>()).set(name, member));
    this.told();
  }

  leave(name: string, member: TimeMember): void {
    if (this.#members.get(name) !== member) return;
    this.#members.delete(name);
    for (const upstream of member.upstreams) this.#readers.get(upstream)?.delete(name);
  }

  /** What those wish for who read the results of a consumer. */
  of(name: string): readonly TimeWish[] {
    const readers = this.#readers.get(name);
    const member = this.#members.get(name);
    // In vain it would do so again and again.
    if (readers === undefined || member === undefined || !member.goesOn || !member.tells()) return [];
    return [...readers].flatMap(([reader, { goesOn, ownWish, wishFor }]) => {
      const own = goesOn ? ownWish() : undefined;
      const needed = [...(own === undefined ? [] : [own]), ...this.of(reader).map(wishFor)];
      return needed.filter(({ of }) => of.length === 0 || of.includes(name));
    });
  }

  /** Somebody who reads the results of these may wish for something else. */
  changed(upstreams: readonly string[]): void {
    for (const name of upstreams) {
      const member = this.#members.get(name);
      if (member === undefined) continue;
      if (member.upstreams.length === 0) member.look();
      else this.changed(member.upstreams);
    }
  }

  /** Somebody tells again how far his results are there. */
  told(): void {
    for (const { upstreams, look } of this.#members.values()) if (upstreams.length === 0) look();
  }
}
