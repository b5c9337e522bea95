/**
 * Alternatives that are candidates together: small groups are tried one by one, large ones are split by a field.
 *
 * 1. To reach a group, an event has fulfilled the conditions on the way. `remaining` are the others.
 * 2. A group splits when it outgrows its list: each alternative hangs on one of its conditions, its access, and an
 *    event visits only what its own values lead to. What has no access stays listed.
 * 3. A condition with several comparisons puts its alternative into several subgroups. Their product on the way down
 *    is bounded, or long lists of values would multiply.
 * 4. As a group grows or shrinks it is split anew, so that the accesses follow what the patterns have in common.
 * 5. Where a field is tangled (see EventReading) a visit is a guess, `certain` is false from there on, and the single
 *    matcher decides.
 */
import { AccessStatistics, type IndexedCondition } from './access-choice.ts';
import type { Alternative } from './compile.ts';
import { accepts, comparisonsOf } from './condition.ts';
import { EventReading } from './event-reading.ts';
import { FieldFan, type FanVisitor } from './field-fan.ts';
import { matchesAlternative } from './matches.ts';

/** One filter in an index; `matchedIn` is the event (its generation) that it was last found for. */
export type IndexedFilter<Id> = { readonly id: Id; readonly entries: Entry<Id>[]; matchedIn: number };

/** One alternative of a filter. */
export type Entry<Id> = {
  readonly filter: IndexedFilter<Id>;
  readonly alternative: Alternative;
  readonly conditions: readonly IndexedCondition[];
};

/** An entry at its place in the index; copies: in how many groups of this level it stands. */
type Placement<Id> = {
  readonly entry: Entry<Id>;
  readonly remaining: readonly IndexedCondition[];
  readonly copies: number;
};

/** The event being matched and the ids found so far; made once for an index, since every event goes through it. */
export class Search<Id> {
  readonly reading = new EventReading();
  found: Id[] = [];
  readonly whenCertain: FanVisitor<CandidateGroup<Id>>;
  readonly whenGuessed: FanVisitor<CandidateGroup<Id>>;

  constructor() {
    const sure = (group: CandidateGroup<Id>): void => group.visit(this, true);
    const guess = (group: CandidateGroup<Id>): void => group.visit(this, false);
    this.whenCertain = { sure, guess };
    this.whenGuessed = { sure: guess, guess };
  }
}

/** Up to here trying each one is faster than another level. */
const LIST_LENGTH = 4;

/** The most copies of one alternative on the way down, if more than one of its conditions makes copies. */
const MAX_COPIES = 64;

export class CandidateGroup<Id> {
  #listed: Placement<Id>[] = [];
  #split: Split<Id> | undefined;
  /** The size beyond which the group is split anew. */
  #limit = LIST_LENGTH;

  get size(): number {
    return this.#listed.length + (this.#split?.hung.size ?? 0);
  }

  add(placement: Placement<Id>): void {
    if (this.#split?.hang(placement, (group, below) => group.add(below)) !== true) this.#listed.push(placement);
    if (this.size > this.#limit) this.#splitAnew();
  }

  remove(entry: Entry<Id>): void {
    if (this.#split?.take(entry) !== true) {
      const at = this.#listed.findIndex((placement) => placement.entry === entry);
      if (at === -1) return;
      const last = this.#listed.pop();
      if (last !== undefined && at < this.#listed.length) this.#listed[at] = last;
    }
    if (this.#split !== undefined && this.size < this.#limit / 8) this.#splitAnew();
  }

  /** Adds to the search what the event matches here. */
  visit(search: Search<Id>, certain: boolean): void {
    const { generation } = search.reading;
    for (const { entry, remaining } of this.#listed) {
      const { filter } = entry;
      if (filter.matchedIn === generation) continue;
      const isMatch = certain
        ? holdRemaining(entry, remaining, search.reading)
        : matchesAlternative(entry.alternative, search.reading.source);
      if (!isMatch) continue;
      filter.matchedIn = generation;
      search.found.push(filter.id);
    }
    this.#split?.visit(search, certain);
  }

  #splitAnew(): void {
    const placements = [...this.#listed, ...(this.#split?.placements() ?? [])];
    this.#listed = placements;
    this.#split = undefined;
    this.#limit = Math.max(LIST_LENGTH, 2 * placements.length);
    if (placements.length <= LIST_LENGTH) return;
    const split = new Split<Id>(placements);
    // All are put in place before the groups below split: a group that split each time it grew would double the work on every level.
    const grown = new Set<CandidateGroup<Id>>();
    const put = (group: CandidateGroup<Id>, below: Placement<Id>): void => {
      group.#listed.push(below);
      grown.add(group);
    };
    this.#listed = placements.filter((placement) => !split.hang(placement, put));
    if (split.hung.size > 0) this.#split = split;
    for (const group of grown) if (group.size > group.#limit) group.#splitAnew();
  }
}

function holdRemaining<Id>(entry: Entry<Id>, remaining: readonly IndexedCondition[], reading: EventReading): boolean {
  for (const { condition, field } of remaining) {
    switch (reading.state(field)) {
      case 'leaf':
        if (!accepts(condition, reading.leaf(field))) return false;
        break;
      case 'list':
        if (!reading.leaves(field).some((leaf) => accepts(condition, leaf))) return false;
        break;
      case 'tangled':
        return matchesAlternative(entry.alternative, reading.source);
      case 'absent':
      case 'object':
        if (!condition.absent) return false;
        break;
      default:
        return false;
    }
  }
  return true;
}

/** The part of a group that hangs on fields. */
class Split<Id> {
  readonly hung = new Map<Entry<Id>, { readonly placement: Placement<Id>; readonly access: IndexedCondition }>();
  readonly #fan = new FieldFan<CandidateGroup<Id>>();
  readonly #statistics = new AccessStatistics();

  /** Looks at what will be hung, and hangs nothing yet. */
  constructor(placements: readonly Placement<Id>[]) {
    for (const { remaining, copies } of placements) this.#statistics.count(remaining, maxComparisons(copies));
  }

  placements(): Placement<Id>[] {
    return [...this.hung.values()].map(({ placement }) => placement);
  }

  /** Puts the placement into the groups of its access; false if it has none. */
  hang(placement: Placement<Id>, put: (group: CandidateGroup<Id>, below: Placement<Id>) => void): boolean {
    const { entry, remaining, copies } = placement;
    const access = this.#statistics.choose(remaining, maxComparisons(copies));
    if (access === undefined) return false;
    const below: Placement<Id> = {
      entry,
      remaining: remaining.filter((other) => other !== access),
      copies: copies * comparisonsOf(access.condition),
    };
    for (const slot of this.#fan.use(access)) {
      let group = slot.get();
      if (group === undefined) {
        group = new CandidateGroup();
        slot.set(group);
      }
      put(group, below);
    }
    this.hung.set(entry, { placement, access });
    return true;
  }

  /** Takes the entry out again; false if it does not hang here. */
  take(entry: Entry<Id>): boolean {
    const access = this.hung.get(entry)?.access;
    if (access === undefined) return false;
    this.hung.delete(entry);
    for (const slot of this.#fan.release(access)) {
      const group = slot.get();
      group?.remove(entry);
      if (group?.size === 0) slot.delete();
    }
    return true;
  }

  visit(search: Search<Id>, certain: boolean): void {
    this.#fan.visit(search.reading, certain ? search.whenCertain : search.whenGuessed);
  }
}

function maxComparisons(copies: number): number {
  return copies === 1 ? Number.POSITIVE_INFINITY : MAX_COPIES / copies;
}
