import { RANGE_BYTES, readNumber } from '../channel/log-chain.ts';
import type { LogChain, Stretch } from '../channel/log-chain.ts';

const PAGE = 1_000;
const PAGE_BYTES = 4 * 1_024 * 1_024;

/** The positions whose events were removed in order, as the links of a chain say. */
export class RemovedPlaces {
  /** Rising, none touching the next. */
  #ranges: (readonly [first: number, last: number])[] = [];
  #leaving: readonly Stretch[] = [];
  #upTo = 0;
  /** Where the last question was answered: they come in rising order. */
  #at = 0;

  has(place: number): boolean {
    if ((this.#ranges[this.#at - 1]?.[1] ?? 0) >= place) this.#at = 0;
    while ((this.#ranges[this.#at]?.[1] ?? Infinity) < place) this.#at += 1;
    if ((this.#ranges[this.#at]?.[0] ?? Infinity) > place) return false;
    return !this.#leaving.some(([first, last]) => place >= first && place <= last);
  }

  /** What it knows now, whatever it takes in later. But for what goes, and may be there for a while. */
  asOfNow(leaving: readonly Stretch[]): RemovedPlaces {
    const same = new RemovedPlaces();
    same.#ranges = this.#ranges;
    same.#leaving = leaving;
    return same;
  }

  /** Takes in what has been removed since the last time. Answers whether there was anything. */
  async load(chain: Pick<LogChain, 'links'>): Promise<boolean> {
    const found: Stretch[] = [];
    for (;;) {
      const page = await chain.links({ kind: 'removed', after: this.#upTo, limit: PAGE, maxBytes: PAGE_BYTES });
      for (const { number, entries } of page) {
        found.push(...rangesOf(entries));
        this.#upTo = number;
      }
      if (page.length === 0) break;
    }
    if (found.length === 0) return false;
    this.#ranges = joined([...this.#ranges, ...found]);
    this.#at = 0;
    return true;
  }
}

function* rangesOf(entries: Uint8Array): Generator<Stretch> {
  const bytes = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength);
  for (let at = 0; at + RANGE_BYTES <= bytes.length; at += RANGE_BYTES)
    yield [readNumber(bytes, at), readNumber(bytes, at + RANGE_BYTES / 2)];
}

function joined(ranges: readonly Stretch[]): Stretch[] {
  const all: [number, number][] = [];
  for (const [first, last] of ranges.toSorted(([left], [right]) => left - right)) {
    const before = all.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else all.push([first, last]);
  }
  return all;
}
