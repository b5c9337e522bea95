import { crc32 } from 'node:zlib';
import type { AnySystem, Publication } from 'thereupon';
import { Metered } from './program.ts';

/** So many numbers are told together. */
const BLOCK = 10;

/** What becomes of a number. */
type Fate = 'doubled' | 'in turn' | 'late' | 'never' | 'very late';

/** Of forty numbers. Who is late by one block mostly is waited for; who is late by six mostly is not. */
const FATES: readonly Fate[] = ['never', 'late', 'very late', 'doubled', 'doubled', 'doubled'];
const BLOCKS_LATE = { late: 1, 'very late': 6 } as const;

/**
 * A producer that numbers what it tells, through its deaths too: what it tells in which order follows from its name alone, and where it is it finds
 * in the log. What it told before it died it tells again, under the same ids.
 */
export class Meter {
  readonly #name: string;
  #block = 0;
  #tellings: readonly Publication<typeof Metered>[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** Goes on with the block of the highest number that is recorded. */
  async resume(system: AnySystem): Promise<void> {
    let highest = 1;
    for (let after = 0; ;) {
      const page = await system.events.read({ stream: `meter-${this.#name}`, after, limit: 1_000 });
      for (const { data } of page.events) highest = Math.max(highest, (data as { number: number }).number);
      if (page.next === undefined) break;
      after = page.next;
    }
    this.#block = Math.floor((highest - 1) / BLOCK);
  }

  next(): Publication<typeof Metered> {
    while (this.#tellings[0] === undefined) {
      this.#tellings = this.#tellingsOf(this.#block);
      this.#block += 1;
    }
    const [first, ...others] = this.#tellings;
    this.#tellings = others;
    return first;
  }

  #tellingsOf(block: number): readonly Publication<typeof Metered>[] {
    const numbers = this.#numbersOf(block);
    const inTime = numbers.filter((number) => !['late', 'never', 'very late'].includes(this.#fateOf(number)));
    const late = (['late', 'very late'] as const).flatMap((fate) =>
      this.#numbersOf(block - BLOCKS_LATE[fate]).filter((number) => this.#fateOf(number) === fate),
    );
    const doubled = numbers.filter((number) => this.#fateOf(number) === 'doubled');
    return [
      ...inTime.toSorted((left, right) => this.#turnOf(left) - this.#turnOf(right)).map((number) => this.#told(number)),
      ...late.map((number) => this.#told(number)),
      ...doubled.map((number) => this.#told(number, '-again')),
    ];
  }

  #numbersOf(block: number): readonly number[] {
    return block < 0 ? [] : Array.from({ length: BLOCK }, (_, place) => block * BLOCK + place + 1);
  }

  #fateOf(number: number): Fate {
    return FATES[crc32(`${this.#name} ${number}`) % 40] ?? 'in turn';
  }

  /** Every fifth is overtaken by some. */
  #turnOf(number: number): number {
    return crc32(`${number} of ${this.#name}`) % 5 === 0 ? number + 3.5 : number;
  }

  #told(number: number, again = ''): Publication<typeof Metered> {
    const id = `${this.#name}-${number}${again}`;
    const time = new Date(Date.UTC(2_026, 0, 1, 0, 0, number));
    return { event: Metered, data: { meter: this.#name, number }, options: { id, time, sequence: number } };
  }
}
