/** How far in event time somebody wants the results of another one to be. */
export interface TimeWish {
  readonly by: string;
  readonly eventMs: number;
}

/** What has to be for somebody's time to come so far whose time is that of others. */
export interface NeededTime {
  /** Those whose results he reads and which are not there yet. */
  readonly of: ReadonlySet<string>;
  /** How far these have to be. */
  readonly eventMs: number;
  /** When the other sources that hold him back are silent, by the clock; NO_TIME: none does. */
  readonly silentMs: number;
}

/** Any time at all. */
export const SOME_TIME = -Number.MAX_VALUE;

/** Somebody who goes by event time. */
export interface TimeMember {
  /** Whose results it reads. */
  readonly upstreams: readonly string[];
  /** Whether its time goes on by the clock, and it tells now how far its results are there. */
  readonly tells: () => boolean;
  /** What it needs, for its own sake and for those who read its results. */
  readonly needs: () => readonly NeededTime[];
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
    // In vain it would do so again and again.
    if (readers === undefined || this.#members.get(name)?.tells() !== true) return [];
    return [...readers].flatMap(([by, { needs }]) =>
      needs()
        .filter(({ of }) => of.has(name))
        .map(({ eventMs }) => ({ by, eventMs })),
    );
  }

  /** Somebody who reads the results of these may wish for something else. */
  changed(upstreams: readonly string[]): void {
    for (const name of upstreams) this.#members.get(name)?.look();
  }

  /** Somebody tells again how far his results are there. */
  told(): void {
    for (const { look } of this.#members.values()) look();
  }
}
