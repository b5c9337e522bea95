import { CandidateGroup, Search, type Entry, type IndexedFilter } from './candidate-group.ts';
import type { CompiledPattern } from './compile.ts';
import type { EventSource } from './event-source.ts';
import { PathTree } from './path-tree.ts';

/**
 * Many filters in one index: an event is compared with what its own values lead to, not with every filter.
 *
 * Shape     An id has one pattern; adding it again replaces the pattern. Ids are compared as keys of a Map.
 * Guarantee Finds exactly the ids whose pattern {@link matches} the event, each once, in no particular order. Adding
 *           and removing cost no more than the pattern's own size, amortised. Not to be called from within the
 *           function that an event is read by.
 */
export class FilterIndex<Id> {
  readonly #filters = new Map<Id, IndexedFilter<Id>>();
  readonly #paths = new PathTree();
  readonly #root = new CandidateGroup<Id>();
  readonly #search = new Search<Id>();

  /** The number of filters. */
  get size(): number {
    return this.#filters.size;
  }

  /** Adds a filter, or replaces that of the same id. */
  add(id: Id, pattern: CompiledPattern): void {
    this.remove(id);
    const entries: Entry<Id>[] = [];
    const filter: IndexedFilter<Id> = { id, entries, matchedIn: 0 };
    this.#filters.set(id, filter);
    for (const alternative of pattern.alternatives) {
      const conditions = alternative.conditions.map((condition) => ({
        condition,
        field: this.#paths.use(condition.path),
      }));
      const entry = { filter, alternative, conditions };
      entries.push(entry);
      this.#root.add({ entry, remaining: conditions, copies: 1 });
    }
  }

  /** Removes a filter; false if there was none of this id. */
  remove(id: Id): boolean {
    const filter = this.#filters.get(id);
    if (filter === undefined) return false;
    this.#filters.delete(id);
    for (const entry of filter.entries) {
      this.#root.remove(entry);
      for (const { field } of entry.conditions) this.#paths.release(field);
    }
    return true;
  }

  /**
   * The ids of all filters that match the event.
   *
   * Shape found: a list to append to, so that a hot loop can reuse one; a new one by default.
   */
  match(event: EventSource, found: Id[] = []): Id[] {
    const search = this.#search;
    search.found = found;
    search.reading.begin(event);
    this.#root.visit(search, true);
    search.reading.end();
    search.found = [];
    return found;
  }
}
