/**
 * Chooses the condition on which an alternative hangs in the index: the one that the fewest events will fulfil for
 * nothing. It is a guess from the patterns alone, so it decides speed and never an answer.
 */
import { comparisonsOf, operatorKey, type Condition, type Operator, type Scalar } from './condition.ts';
import type { PathNode } from './path-tree.ts';

/** A condition with its field in the index. */
export type IndexedCondition = { readonly condition: Condition; readonly field: PathNode };

type FieldUse = {
  readonly values: Map<Scalar, number>;
  readonly operators: Map<string, number>;
  selectivity: number;
};

/** What the alternatives of one group compare, and how often. */
export class AccessStatistics {
  readonly #fields = new Map<PathNode, FieldUse>();
  #alternatives = 0;

  /** Takes an alternative into account, with those conditions that it may hang on. */
  count(conditions: readonly IndexedCondition[], maxComparisons: number): void {
    this.#alternatives += 1;
    for (const { condition, field } of conditions) {
      if (comparisonsOf(condition) > maxComparisons) continue;
      const use = this.#useOf(field);
      use.selectivity += selectivityOf(condition);
      for (const value of condition.values) addOne(use.values, value);
      for (const operator of condition.operators) addOne(use.operators, operatorKey(operator));
    }
  }

  /** The condition to hang on, among those with at most so many comparisons; undefined if there is none. */
  choose(conditions: readonly IndexedCondition[], maxComparisons: number): IndexedCondition | undefined {
    let best: IndexedCondition | undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (const indexed of conditions) {
      if (comparisonsOf(indexed.condition) > maxComparisons) continue;
      const score = this.#score(indexed);
      if (score <= bestScore) continue;
      best = indexed;
      bestScore = score;
    }
    return best;
  }

  /**
   * Rare comparisons are good; so are fields which many alternatives share, since every field in use costs each event
   * a look-up; copies in many slots cost memory.
   */
  #score({ condition, field }: IndexedCondition): number {
    const use = this.#useOf(field);
    let sharing = 0;
    for (const value of condition.values) sharing += use.values.get(value) ?? 0;
    for (const operator of condition.operators) sharing += use.operators.get(operatorKey(operator)) ?? 0;
    const all = Math.max(1, this.#alternatives);
    return (
      selectivityOf(condition) -
      0.3 * Math.min(1, sharing / all) +
      0.5 * (use.selectivity / all) -
      0.1 * Math.log10(comparisonsOf(condition))
    );
  }

  #useOf(field: PathNode): FieldUse {
    let use = this.#fields.get(field);
    if (use === undefined) {
      use = { values: new Map(), operators: new Map(), selectivity: 0 };
      this.#fields.set(field, use);
    }
    return use;
  }
}

function addOne<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** From 1, a value that only equal events have, to 0, which all have; the weakest comparison decides. */
function selectivityOf(condition: Condition): number {
  return condition.operators.reduce(
    (least, operator) => Math.min(least, SELECTIVITY[operator.kind]),
    condition.absent ? 0.05 : 1,
  );
}

const SELECTIVITY: Readonly<Record<Operator['kind'], number>> = {
  'folded-equal': 0.95,
  prefix: 0.85,
  suffix: 0.85,
  'folded-prefix': 0.85,
  'folded-suffix': 0.85,
  network: 0.85,
  wildcard: 0.6,
  range: 0.5,
  present: 0.1,
  'other-than': 0.05,
  'none-of': 0.05,
};
