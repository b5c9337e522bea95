/**
 * Decides one pattern on one event, exactly.
 *
 * 1. A list in an event stands for its elements: plain ones are all visible at once.
 * 2. Of the objects and lists in a list, one is chosen, and all conditions below hold in the chosen one.
 * 3. A field that is nowhere visible is absent: only `exists: false` accepts it. Null is a leaf and not absent.
 * 4. A name with dots in an event is the same place as nested fields; both may be there at once. Where two lists are
 *    at one place, one element is chosen from both together.
 * 5. Without names with dots every element is tried at most once. With them the tries multiply, so they are counted.
 */
import type { Alternative, CompiledPattern } from './compile.ts';
import { accepts, isScalar, type Condition } from './condition.ts';
import { readField, readRoot, type EventSource } from './event-source.ts';
import { MAX_JOINED_CHOICES, MAX_LIST_NESTING } from './pattern-limits.ts';
import { treeOf, type PatternNode } from './pattern-tree.ts';

/**
 * Whether the event fits the pattern.
 *
 * Guarantee Pure; linear in the event's size for each alternative.
 */
export function matches(pattern: CompiledPattern, event: EventSource): boolean {
  return pattern.alternatives.some((alternative) => matchesAlternative(alternative, event));
}

/** Whether all conditions of one alternative hold together. */
export function matchesAlternative(alternative: Alternative, event: EventSource): boolean {
  const tree = treeOf(alternative);
  if (typeof event !== 'function') return holdsInObject(tree, event);
  return tree.children.every(({ name, node }) => holds(node, readRoot(event, name)));
}

function holds(node: PatternNode, value: unknown): boolean {
  if (isScalar(value)) {
    return (
      node.conditions.every((condition) => accepts(condition, value)) &&
      node.children.every((child) => child.node.maybeAbsent)
    );
  }
  if (Array.isArray(value)) return holdsAmong(node, [value], NOTHING_CARRIED);
  if (typeof value !== 'object' || value === null) return node.maybeAbsent;
  return node.conditions.every(({ absent }) => absent) && holdsInObject(node, value);
}

function holdsInObject(node: PatternNode, object: object): boolean {
  for (const { name } of node.joined)
    if (Object.hasOwn(object, name)) return holdsAmong(node, [object], NOTHING_CARRIED);
  for (const { name, node: child } of node.children) if (!holds(child, readField(object, name))) return false;
  return true;
}

/** Values found under joined names, for the places below where they belong; choices: how many more may be tried. */
type Carried = {
  readonly values: ReadonlyMap<PatternNode, readonly unknown[]>;
  readonly allowance: { choices: number };
};

const NOTHING_CARRIED: Carried = { values: new Map(), allowance: { choices: Number.POSITIVE_INFINITY } };

/** How far the leaves seen so far go: the conditions they leave open, and whether there was any leaf. */
type Progress = { readonly open: readonly Condition[]; readonly seen: boolean };

/** Whether the branch holds for the objects visible at its place, the chosen one included. */
type Attempt = (progress: Progress, chosen?: object) => boolean;

function holdsAmong(node: PatternNode, values: readonly unknown[], carried: Carried): boolean {
  const lists: (readonly unknown[])[] = values.filter((value) => Array.isArray(value));
  const objects = values.filter((value) => isObject(value));
  const progress = [values, ...lists].reduce<Progress>(advance, { open: node.conditions, seen: false });
  const attempt: Attempt = ({ open, seen }, chosen) => {
    carried.allowance.choices -= 1;
    if (carried.allowance.choices < 0 || !open.every(({ absent }) => absent && !seen)) return false;
    return holdsBelow(node, chosen === undefined ? objects : [...objects, chosen], carried);
  };
  if (!lists.some((list) => list.some(isChoice))) return attempt(progress);
  return lists.some((list) => holdsForChoice(list, progress, attempt, 1));
}

/** Conditions are checked once for each leaf, not once for each choice: a long mixed list stays linear. */
function advance(progress: Progress, list: readonly unknown[]): Progress {
  const scalars = list.filter((element) => isScalar(element));
  if (scalars.length === 0) return progress;
  return {
    open: progress.open.filter((condition) => !scalars.some((scalar) => accepts(condition, scalar))),
    seen: true,
  };
}

function holdsForChoice(list: readonly unknown[], progress: Progress, attempt: Attempt, nesting: number): boolean {
  return list.some((element: unknown) => {
    if (!Array.isArray(element)) return isObject(element) && attempt(progress, element);
    if (nesting >= MAX_LIST_NESTING) return false;
    const inner = advance(progress, element);
    return element.some(isChoice) ? holdsForChoice(element, inner, attempt, nesting + 1) : attempt(inner);
  });
}

function isChoice(element: unknown): boolean {
  return typeof element === 'object' && element !== null;
}

function isObject(value: unknown): value is object {
  return isChoice(value) && !Array.isArray(value);
}

function holdsBelow(node: PatternNode, objects: readonly object[], carried: Carried): boolean {
  if (node.children.length === 0) return true;
  const carriedOn = carryJoined(node, objects, carried);
  return node.children.every(({ name, node: child }) => {
    const values = objects.map((object) => readField(object, name)).filter((value) => value !== undefined);
    return holdsAmong(child, [...values, ...(carriedOn.values.get(child) ?? [])], carriedOn);
  });
}

function carryJoined(node: PatternNode, objects: readonly object[], carried: Carried): Carried {
  let extended: Map<PatternNode, readonly unknown[]> | undefined;
  for (const { name, node: deeper } of node.joined) {
    for (const object of objects) {
      const value = readField(object, name);
      if (value === undefined) continue;
      extended ??= new Map(carried.values);
      extended.set(deeper, [...(extended.get(deeper) ?? []), value]);
    }
  }
  if (extended === undefined) return carried;
  const allowance = carried === NOTHING_CARRIED ? { choices: MAX_JOINED_CHOICES } : carried.allowance;
  return { values: extended, allowance };
}
