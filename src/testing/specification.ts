import type { DeciderDefinition } from '../decider/define-decider.ts';
import type { EventDefinition } from '../event/define-event.ts';
import { InvalidInput } from '../errors.ts';
import type { ProjectionDefinition } from '../projection/define-projection.ts';
import type { TableProjectionDefinition } from '../projection/define-table-projection.ts';
import { DeciderSpecification } from './decider-specification.ts';
import type { Fact, Facts } from './facts.ts';
import { ProjectionSpecification } from './projection-specification.ts';
import type { SpecificationOptions } from './specified-run.ts';
import { TableSpecification } from './table-specification.ts';

/** Begins a specification: of what, and what happened before. */
export interface Specify {
  <State, const Definitions extends readonly EventDefinition[]>(
    decider: DeciderDefinition<State>,
    ...facts: Facts<Definitions>
  ): DeciderSpecification<State>;
  <Tables extends object, const Definitions extends readonly EventDefinition[]>(
    projection: TableProjectionDefinition<Tables>,
    ...facts: Facts<Definitions>
  ): TableSpecification<Tables>;
  <Row, const Definitions extends readonly EventDefinition[]>(
    projection: ProjectionDefinition<Row>,
    ...facts: Facts<Definitions>
  ): ProjectionSpecification<Row>;
}

/**
 * Says what a decider decides, or what rows a projection keeps, without a system in the hands of the test.
 *
 * Shape     `await given(Employee, [Hired, {...}]).when(Promote, {...}).then([Promoted, {...}])`, or `.thenRefused('not-higher')`,
 *           `.thenNothing()`, `.thenState({...})`; `await given(orgChart, [Hired, {...}]).thenRow('sales', {...})`, `.thenNoRow(key)`,
 *           `.thenRows({...})`; of one with tables of its own `.thenSelect((tables) => sql`…`, [{...}])`, on a store that has tables
 *           (`givenIn({ store: () => sqlite(path) })`). Facts may be of any stream; what a decider decides across is made of them.
 * Guarantee Runs in the engine of production, in memory, and twice: as it is written, and with every given fact told twice and the command
 *           executed twice under one id. The same has to come of both. Facts happen in their order, at 2026-01-01T00:00:00Z where they
 *           do not say otherwise.
 * Errors    AssertionError with both sides; what `decide` throws. A projection that throws is an AssertionError, too.
 */
export const given: Specify = givenIn({});

/** `given` at another time, or on other stores: `const given = givenIn({ now: '2024-02-29' })`. */
export function givenIn(options: SpecificationOptions): Specify {
  if (options.store !== undefined && typeof options.store !== 'function')
    throw new InvalidInput({
      path: 'givenIn.store',
      expected: 'a function that gives a new and empty store each time: () => sqlite(path)',
      found: options.store,
    });
  function specify<State>(decider: DeciderDefinition<State>, ...facts: readonly Fact[]): DeciderSpecification<State>;
  function specify<Tables extends object>(
    projection: TableProjectionDefinition<Tables>,
    ...facts: readonly Fact[]
  ): TableSpecification<Tables>;
  function specify<Row>(projection: ProjectionDefinition<Row>, ...facts: readonly Fact[]): ProjectionSpecification<Row>;
  function specify(
    of: DeciderDefinition | ProjectionDefinition,
    ...facts: readonly Fact[]
  ): DeciderSpecification | ProjectionSpecification | TableSpecification<object> {
    // Whoever writes JavaScript may hand in anything.
    const { kind, tables = {} } = of as Partial<
      ProjectionDefinition | (DeciderDefinition & { readonly tables: undefined })
    >;
    if (kind === 'decider') return new DeciderSpecification(of as DeciderDefinition, facts, options);
    if (kind === 'projection' && Object.keys(tables).length > 0)
      return new TableSpecification(of as TableProjectionDefinition<object>, facts, options);
    if (kind === 'projection') return new ProjectionSpecification(of as ProjectionDefinition, facts, options);
    throw new InvalidInput({ path: 'given', expected: 'a decider or a projection, and then facts', found: of });
  }
  return specify;
}
