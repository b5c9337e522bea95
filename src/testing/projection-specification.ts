import { AssertionError } from 'node:assert';
import { isDeepStrictEqual } from 'node:util';
import type { ProjectionDefinition } from '../projection/define-projection.ts';
import type { Fact } from './facts.ts';
import { asJson, difference, inBothRuns, specifiedSystem, tell } from './specified-run.ts';
import type { SpecificationOptions } from './specified-run.ts';
import type { TestSystem } from './test-system.ts';

/** By their keys. */
type Rows = Readonly<Record<string, unknown>>;

/** A projection, and what happened. See `given`. */
export class ProjectionSpecification<Row = unknown> {
  readonly #projection: ProjectionDefinition<Row>;
  readonly #facts: readonly Fact[];
  readonly #options: SpecificationOptions;

  constructor(projection: ProjectionDefinition<Row>, facts: readonly Fact[], options: SpecificationOptions) {
    this.#projection = projection;
    this.#facts = facts;
    this.#options = options;
  }

  /** This is the row of that key. Errors: AssertionError. */
  thenRow(key: string, row: Row): Promise<void> {
    return this.#expect((rows) => {
      const expected = asJson(row);
      if (!isDeepStrictEqual(rows[key], expected))
        throw difference(`expected row ${key} of ${this.#projection.name} to be`, expected, rows[key] ?? without(rows));
    });
  }

  /** There is no row of that key. Errors: AssertionError. */
  thenNoRow(key: string): Promise<void> {
    return this.#expect((rows) => {
      if (rows[key] !== undefined)
        throw difference(`expected row ${key} of ${this.#projection.name} to be`, 'none', rows[key]);
    });
  }

  /** These are all of its rows, by their keys. Errors: AssertionError. */
  thenRows(expected: Readonly<Record<string, Row>>): Promise<void> {
    return this.#expect((rows) => {
      const wanted = asJson(expected);
      if (!isDeepStrictEqual(rows, wanted))
        throw difference(`expected the rows of ${this.#projection.name} to be`, wanted, rows);
    });
  }

  #expect(check: (rows: Rows) => void): Promise<void> {
    return inBothRuns((isDoubled) => this.#run(isDoubled), check);
  }

  async #run(isDoubled: boolean): Promise<Rows> {
    await using test = await specifiedSystem({ projections: [this.#projection] }, this.#facts, this.#options);
    await tell(test, this.#facts, isDoubled);
    // What fails is attempted again before it is parked.
    await test.settled({ advance: true });
    await assertNoneParked(test, this.#projection.name);
    return await allRows(test, this.#projection);
  }
}

/** Errors: AssertionError for the first event that could not be handled. */
export async function assertNoneParked(test: TestSystem, projection: string): Promise<void> {
  const [letter] = await test.parked();
  if (letter === undefined) return;
  const { event, error } = letter;
  throw new AssertionError({
    message: `projection ${projection} failed with ${event?.type ?? 'an event'} of ${event?.stream ?? 'the log'}: ${error?.message ?? 'unknown'}`,
    actual: error,
    expected: undefined,
  });
}

async function allRows({ views }: TestSystem, projection: ProjectionDefinition): Promise<Rows> {
  const rows: [string, unknown][] = [];
  for (let after: string | undefined; ;) {
    const page = await views.query(projection, { limit: 1_000, ...(after === undefined ? {} : { after }) });
    rows.push(...page.items.map(({ key, row }): [string, unknown] => [key, row]));
    if (page.next === undefined) return Object.fromEntries(rows);
    after = page.next;
  }
}

function without(rows: Rows): string {
  const keys = Object.keys(rows);
  return keys.length === 0 ? 'no row at all' : `none; there are ${keys.join(', ')}`;
}
