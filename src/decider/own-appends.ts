import type { AppendOutcome } from '../channel/event-log.ts';
import type { EncodedEvent, RecordedEvent } from '../event/event.ts';

/** Events of one stream in a request, and where they stand in it. */
export interface OwnEvents {
  readonly events: readonly EncodedEvent[];
  readonly indexes: readonly number[];
}

/**
 * A request of this process on its way to the log that was not made on a kept state: a plain publish.
 *
 * States     under way; over: `outcome` says what came of it, undefined for one that failed. Whoever goes on from it is told in the step in which it
 *            is over.
 */
export class OwnAppend {
  readonly byStream: ReadonlyMap<string, OwnEvents>;
  readonly #followers: (() => void)[] = [];
  isOver = false;
  outcome: AppendOutcome | undefined;

  constructor(byStream: ReadonlyMap<string, OwnEvents>) {
    this.byStream = byStream;
  }

  /** Calls it when the request is over. */
  whenOver(follower: () => void): void {
    this.#followers.push(follower);
  }

  end(outcome: AppendOutcome | undefined): void {
    this.isOver = true;
    this.outcome = outcome;
    for (const follower of this.#followers) follower();
  }
}

/** The versions that a request's events of a stream have; undefined: it recorded none, or some of them were known. */
export function versionsOf(
  outcome: AppendOutcome | undefined,
  { indexes }: OwnEvents,
): { readonly first: number; readonly last: number } | undefined {
  if (outcome?.ok !== true) return undefined;
  const places = indexes.map((index) => outcome.events[index]);
  const first = places[0];
  const last = places.at(-1);
  if (first === undefined || last === undefined || places.some((place) => place?.duplicate !== false)) return undefined;
  return { first: first.version, last: last.version };
}

/** What a load of a stream has to know of the requests that were under way while it read. */
export class LoadWatch {
  readonly #stream: string;
  /** In the order of the calls. */
  readonly #appends: OwnAppend[];
  readonly #seen = new Set<OwnAppend>();

  constructor(stream: string, underWay: Iterable<OwnAppend>) {
    this.#stream = stream;
    this.#appends = [...underWay];
  }

  began(append: OwnAppend): void {
    this.#appends.push(append);
  }

  /** Events of the stream were read. */
  read(page: readonly RecordedEvent[]): void {
    for (const append of this.#appends) {
      const first = append.byStream.get(this.#stream)?.events[0];
      if (first === undefined || this.#seen.has(append)) continue;
      if (page.some(({ id, source }) => id === first.id && source === first.source)) this.#seen.add(append);
    }
  }

  /** Those whose events were not among what was read, in the order of the calls. */
  unseen(): readonly OwnAppend[] {
    return this.#appends.filter((append) => !this.#seen.has(append));
  }
}

/** The plain publishes under way to streams that are decided on, and the loads of such streams. */
export class OwnAppends {
  readonly #underWay = new Map<string, Set<OwnAppend>>();
  readonly #watches = new Map<string, Set<LoadWatch>>();

  begin(byStream: ReadonlyMap<string, OwnEvents>): OwnAppend {
    const append = new OwnAppend(byStream);
    for (const stream of byStream.keys()) {
      addTo(this.#underWay, stream, append);
      for (const watch of this.#watches.get(stream) ?? []) watch.began(append);
    }
    return append;
  }

  end(append: OwnAppend, outcome: AppendOutcome | undefined): void {
    for (const stream of append.byStream.keys()) removeFrom(this.#underWay, stream, append);
    append.end(outcome);
  }

  /** From before a load reads until `stop`. */
  watch(stream: string): LoadWatch {
    const watch = new LoadWatch(stream, this.#underWay.get(stream) ?? []);
    addTo(this.#watches, stream, watch);
    return watch;
  }

  stop(stream: string, watch: LoadWatch): void {
    removeFrom(this.#watches, stream, watch);
  }
}

function addTo<Item>(sets: Map<string, Set<Item>>, name: string, item: Item): void {
  const set = sets.get(name);
  if (set === undefined) sets.set(name, new Set([item]));
  else set.add(item);
}

function removeFrom<Item>(sets: Map<string, Set<Item>>, name: string, item: Item): void {
  const set = sets.get(name);
  if (set?.delete(item) === true && set.size === 0) sets.delete(name);
}
