/**
 * Values under numeric ranges, found through a number inside.
 *
 * 1. Most ranges stand in `#sorted`, by their low end, under a tree of the greatest high end; a query costs
 *    O(log n) and O(log n) for each range found.
 * 2. Ranges added since stand in `#recent` and are tried one by one. When the trying has cost as much as sorting
 *    would, they are sorted in; so neither many additions nor many queries between them are quadratic.
 * 3. A deleted range keeps its place in `#sorted`, without a value, until the next sorting.
 */
export type Range = { readonly low: number; readonly high: number };

type Entry<T> = Range & { value: T | undefined };

export class RangeTable<T> {
  readonly #entries = new Map<string, Entry<T>>();
  #sorted: Entry<T>[] = [];
  #recent: Entry<T>[] = [];
  #tops: Float64Array = new Float64Array(2);
  #leaves = 1;
  #wasted = 0;

  get(range: Range): T | undefined {
    return this.#entries.get(keyOf(range))?.value;
  }

  set(range: Range, value: T): void {
    const existing = this.#entries.get(keyOf(range));
    if (existing !== undefined) {
      existing.value = value;
      return;
    }
    const entry = { low: range.low, high: range.high, value };
    this.#entries.set(keyOf(range), entry);
    this.#recent.push(entry);
  }

  delete(range: Range): void {
    const entry = this.#entries.get(keyOf(range));
    if (entry === undefined) return;
    entry.value = undefined;
    this.#entries.delete(keyOf(range));
    // Half of the table being dead outweighs sorting it anew.
    if (this.#sorted.length + this.#recent.length > 2 * this.#entries.size + SMALL) this.#sort();
  }

  /** Calls back with the value of each range around the number. */
  visitAround(number: number, visit: (value: T) => void): void {
    this.#wasted += this.#recent.length;
    if (this.#recent.length > SMALL && this.#wasted > this.#entries.size) this.#sort();
    for (const entry of this.#recent) {
      if (entry.value !== undefined && number >= entry.low && number <= entry.high) visit(entry.value);
    }
    const end = this.#countFrom(number);
    if (end > 0) this.#visitTops(1, 0, this.#leaves, { number, end, visit });
  }

  /** The number of sorted ranges that begin at or below the number. */
  #countFrom(number: number): number {
    let from = 0;
    let to = this.#sorted.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#sorted[middle]?.low ?? Number.POSITIVE_INFINITY) <= number) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #visitTops(node: number, first: number, width: number, query: Query<T>): void {
    if (first >= query.end || (this.#tops[node] ?? Number.NEGATIVE_INFINITY) < query.number) return;
    if (width === 1) {
      const value = this.#sorted[first]?.value;
      if (value !== undefined) query.visit(value);
      return;
    }
    const half = width / 2;
    this.#visitTops(2 * node, first, half, query);
    this.#visitTops(2 * node + 1, first + half, half, query);
  }

  #sort(): void {
    this.#sorted = [...this.#entries.values()].sort((left, right) => left.low - right.low || left.high - right.high);
    this.#recent = [];
    this.#wasted = 0;
    this.#leaves = 1;
    while (this.#leaves < this.#sorted.length) this.#leaves *= 2;
    this.#tops = new Float64Array(2 * this.#leaves).fill(Number.NEGATIVE_INFINITY);
    for (const [at, entry] of this.#sorted.entries()) this.#tops[this.#leaves + at] = entry.high;
    for (let node = this.#leaves - 1; node > 0; node -= 1) {
      this.#tops[node] = Math.max(this.#tops[2 * node] ?? 0, this.#tops[2 * node + 1] ?? 0);
    }
  }
}

type Query<T> = { readonly number: number; readonly end: number; readonly visit: (value: T) => void };

/** Below this many, trying each range is faster than any tree. */
const SMALL = 16;

function keyOf(range: Range): string {
  return `${range.low} ${range.high}`;
}
