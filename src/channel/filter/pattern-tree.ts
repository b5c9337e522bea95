import type { Alternative } from './compile.ts';
import type { Condition } from './condition.ts';

/**
 * One place in the tree of paths which an alternative names.
 *
 * Shape conditions: those on this very field. joined: the fields two or more levels below, with the name that they have
 *       when an event joins the levels with dots. maybeAbsent: the whole branch accepts that nothing is there.
 */
export type PatternNode = {
  readonly conditions: readonly Condition[];
  readonly children: readonly { readonly name: string; readonly node: PatternNode }[];
  readonly joined: readonly { readonly name: string; readonly node: PatternNode }[];
  readonly maybeAbsent: boolean;
};

const trees = new WeakMap<Alternative, PatternNode>();

/** The tree of an alternative; built when first needed, because the index decides most candidates without it. */
export function treeOf(alternative: Alternative): PatternNode {
  let tree = trees.get(alternative);
  if (tree === undefined) {
    tree = buildNode(alternative.conditions, 0);
    trees.set(alternative, tree);
  }
  return tree;
}

function buildNode(conditions: readonly Condition[], depth: number): PatternNode {
  const below = Map.groupBy(
    conditions.filter(({ path }) => path.length > depth),
    ({ path }) => path[depth] ?? '',
  );
  const children = [...below].map(([name, inner]) => ({ name, node: buildNode(inner, depth + 1) }));
  return {
    conditions: conditions.filter(({ path }) => path.length === depth),
    children,
    joined: children.flatMap(({ name, node }) => [
      ...node.children.map((child) => ({ name: `${name}.${child.name}`, node: child.node })),
      ...node.joined.map((deeper) => ({ name: `${name}.${deeper.name}`, node: deeper.node })),
    ]),
    maybeAbsent: conditions.every(({ absent }) => absent),
  };
}
