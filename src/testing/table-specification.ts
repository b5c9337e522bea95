import { isDeepStrictEqual } from 'node:util';
import type { TableProjectionDefinition, TablesOf } from '../projection/define-table-projection.ts';
import type { Sql } from '../projection/sql.ts';
import type { Fact } from './facts.ts';
import { assertNoneParked } from './projection-specification.ts';
import { asJson, difference, inBothRuns, specifiedSystem, tell } from './specified-run.ts';
import type { SpecificationOptions } from './specified-run.ts';

/** A projection with tables of its own, and what happened. See `given`. */
export class TableSpecification<Tables = Readonly<Record<string, unknown>>> {
  readonly #projection: TableProjectionDefinition<Tables>;
  readonly #facts: readonly Fact[];
  readonly #options: SpecificationOptions;

  constructor(projection: TableProjectionDefinition<Tables>, facts: readonly Fact[], options: SpecificationOptions) {
    this.#projection = projection;
    this.#facts = facts;
    this.#options = options;
  }

  /** The query finds these rows in its tables, in this order, as of `views.select`. Errors: AssertionError; what the query is refused for. */
  thenSelect(
    query: (tables: TablesOf<Tables>) => Sql,
    expected: readonly Readonly<Record<string, unknown>>[],
  ): Promise<void> {
    const wanted = asJson(expected);
    return inBothRuns(
      (isDoubled) => this.#run(isDoubled, query),
      (rows) => {
        if (!isDeepStrictEqual(rows, wanted))
          throw difference(`expected the query to find in the tables of ${this.#projection.name}`, wanted, rows);
      },
    );
  }

  async #run(isDoubled: boolean, query: (tables: TablesOf<Tables>) => Sql): Promise<unknown> {
    await using test = await specifiedSystem({ projections: [this.#projection] }, this.#facts, this.#options);
    await tell(test, this.#facts, isDoubled);
    await test.settled({ advance: true });
    await assertNoneParked(test, this.#projection.name);
    // Plain objects, whatever the driver makes of rows.
    return asJson(await test.views.select(this.#projection, query));
  }
}
