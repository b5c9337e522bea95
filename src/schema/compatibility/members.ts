import { isNode, madeUp } from './document.ts';
import type { Located } from './document.ts';
import { evaluate, matches } from './evaluate.ts';
import type { Proving, Question } from './gap.ts';
import type { PropertyGroup } from './keywords.ts';
import { conjunction, hasObjectsOnly } from './shape.ts';
import type { Shape } from './shape.ts';
import type { SizeKeyword } from './scalars.ts';

const NEVER = madeUp(false);

type Knowing = Pick<Proving, 'undeclared' | 'isEmpty' | 'shapeOf'>;

/** All that a shape says of the property of this name; nothing: it may be anything. */
export function memberOf(shape: Shape, prover: Knowing, name: string): readonly Located[] {
  if (shape.names.some((schema) => evaluate(name, schema) === false)) return [NEVER];
  const isDeclared = shape.groups.some((group) => isNamed(group, name));
  if (!isDeclared && isClosedByDeclaration(shape, prover)) return [NEVER];
  return shape.groups.flatMap((group) => {
    const own = group.properties.get(name);
    const found = [...group.patterns].map(([pattern, schema]) => [matches(pattern, name), schema] as const);
    const parts = found.filter(([match]) => match === true).map(([, schema]) => schema);
    if (own !== undefined) return [own, ...parts];
    const isOther = found.every(([match]) => match === false);
    return isOther && group.additional !== undefined ? [group.additional] : parts;
  });
}

function isNamed(group: PropertyGroup, name: string): boolean {
  return group.properties.has(name) || [...group.patterns.keys()].some((pattern) => matches(pattern, name) !== false);
}

export function declaredNames(shape: Shape): readonly string[] {
  return [...new Set(shape.groups.flatMap((group) => [...group.properties.keys()]))];
}

/**
 * Whether objects hold nothing but what is declared, because the schema says nothing of other properties and what writes leaves those out.
 *
 * What alternatives declare counts too, so the question has an answer only when they are decided.
 */
export function isClosedByDeclaration(shape: Shape, prover: Knowing): boolean {
  if (prover.undeclared === 'possible' || shape.groups.length === 0) return false;
  if (shape.alternatives.length > 0 || shape.groups.some((group) => group.additional !== undefined)) return false;
  if (shape.dependents.some(([name]) => !hasObjectsOnly(shape) || !shape.required.has(name))) return false;
  return shape.sources.every((source) => declaresAll(source));
}

/** References that cannot be followed may declare anything. */
function declaresAll({ document, pointer, node, resource }: Located): boolean {
  if (!isNode(node)) return true;
  if (node.$dynamicRef !== undefined || node.$recursiveRef !== undefined) return false;
  if (node.unevaluatedProperties !== undefined && node.unevaluatedProperties !== false) return false;
  return (
    typeof node.$ref !== 'string' || document.resolve({ document, pointer, node, resource }, node.$ref) !== undefined
  );
}

/** The only names that there can be; undefined: there may be others. */
export function closedNames(shape: Shape, prover: Knowing): readonly string[] | undefined {
  if (shape.names.length > 0) {
    const values = prover.shapeOf(conjunction(shape.names)).values;
    if (values !== undefined) return values.filter((value) => typeof value === 'string');
  }
  if (isClosedByDeclaration(shape, prover) && shape.groups.every(({ patterns }) => patterns.size === 0))
    return declaredNames(shape);
  const closed = shape.groups.find(
    ({ patterns, additional }) =>
      patterns.size === 0 && additional !== undefined && prover.isEmpty(conjunction([additional])),
  );
  return closed && [...closed.properties.keys()];
}

/** All that a shape says of the item at a place; of the ones behind all named places with `Infinity`. */
export function itemOf(shape: Shape, index: number): readonly Located[] {
  return shape.rows.flatMap(({ prefix, rest }) => prefix[index] ?? rest ?? []);
}

export function namedPlaces(shape: Shape): number {
  return Math.max(0, ...shape.rows.map(({ prefix }) => prefix.length));
}

/** A bound of lengths, with what follows for it from other keywords; undefined: none. */
export function sizeOf({ shape, prover }: Question, keyword: SizeKeyword): number | undefined {
  const own = shape.sizes[keyword];
  switch (keyword) {
    case 'minLength':
    case 'maxLength':
      return own;
    case 'minItems':
      return Math.max(own ?? 0, ...shape.containing.map(({ min }) => min));
    case 'maxItems':
      return least(own, mostItems(shape, prover));
    case 'minProperties':
      return Math.max(own ?? 0, shape.required.size);
    case 'maxProperties':
      return least(own, closedNames(shape, prover)?.length);
  }
}

/** How many items there may be before one that cannot be; undefined: any number. */
function mostItems(shape: Shape, prover: Knowing): number | undefined {
  const named = namedPlaces(shape);
  for (let index = 0; index < named; index += 1) {
    if (prover.isEmpty(conjunction(itemOf(shape, index)))) return index;
  }
  return prover.isEmpty(conjunction(itemOf(shape, Number.POSITIVE_INFINITY))) ? named : undefined;
}

function least(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}
