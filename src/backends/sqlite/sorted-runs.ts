/** Items of one run are sorted together: little enough to go unnoticed (0.3 ms), enough to make few runs. */
const RUN_LENGTH = 1_024;

export interface Named {
  readonly stream: string;
}

/**
 * Sorts items by stream name while they arrive, so that no single call has to sort them all.
 *
 * Invariants 1. Every run is sorted, and longer than the one after it: the work of a call is at most one merge of all.
 */
export class SortedRuns<Item extends Named> {
  #runs: Item[][] = [];
  #arriving: Item[] = [];

  add(item: Item): void {
    this.#arriving.push(item);
    if (this.#arriving.length < RUN_LENGTH) return;
    this.#push(this.#arriving.sort(byStream));
    this.#arriving = [];
  }

  /** Everything that was added, in order of name. Empties the runs. */
  take(): readonly Item[] {
    let all = this.#arriving.sort(byStream);
    for (const run of this.#runs.reverse()) all = merge(run, all);
    this.#runs = [];
    this.#arriving = [];
    return all;
  }

  #push(run: Item[]): void {
    let last = run;
    for (
      let before = this.#runs.at(-1);
      before !== undefined && before.length <= last.length;
      before = this.#runs.at(-1)
    ) {
      this.#runs.pop();
      last = merge(before, last);
    }
    this.#runs.push(last);
  }
}

function byStream(left: Named, right: Named): number {
  if (left.stream === right.stream) return 0;
  return left.stream < right.stream ? -1 : 1;
}

function merge<Item extends Named>(left: readonly Item[], right: readonly Item[]): Item[] {
  const merged: Item[] = [];
  let taken = 0;
  for (const item of left) {
    for (let next = right[taken]; next !== undefined && byStream(next, item) < 0; next = right[taken]) {
      merged.push(next);
      taken += 1;
    }
    merged.push(item);
  }
  for (; taken < right.length; taken += 1) merged.push(right[taken] as Item);
  return merged;
}
