import type { JsonValue } from '../../event/json.ts';
import { childOf, childrenOf, isNode } from './document.ts';
import type { Located, SchemaNode } from './document.ts';

/** Kinds of JSON values; a number is whole or not, so that `integer` is one kind and `number` two. */
export type Kind = 'null' | 'boolean' | 'integer' | 'fraction' | 'string' | 'array' | 'object';

export const KINDS: readonly Kind[] = ['null', 'boolean', 'integer', 'fraction', 'string', 'array', 'object'];

export interface PropertyGroup {
  readonly properties: ReadonlyMap<string, Located>;
  readonly patterns: ReadonlyMap<string, Located>;
  readonly additional: Located | undefined;
}

export interface ItemGroup {
  readonly prefix: readonly Located[];
  readonly rest: Located | undefined;
}

export interface Containing {
  readonly schema: Located;
  readonly min: number;
  readonly max: number;
}

/** A limit, and whether it is left out itself. */
export interface Limit {
  readonly value: number;
  readonly exclusive: boolean;
}

export const MARKS = ['pattern', 'format', 'contentEncoding', 'contentMediaType'] as const;

/** The lists of values that a schema itself allows. */
export function valuesOf(node: SchemaNode): (readonly JsonValue[])[] {
  const lists: (readonly JsonValue[])[] = [];
  if (Array.isArray(node.enum)) lists.push(node.enum as readonly JsonValue[]);
  if (node.const !== undefined) lists.push([node.const]);
  return lists;
}

export function kindsOf(type: JsonValue | undefined): ReadonlySet<Kind> | undefined {
  if (type === undefined) return undefined;
  const names = Array.isArray(type) ? (type as readonly JsonValue[]) : [type];
  return new Set(
    names.flatMap((name): Kind[] =>
      name === 'number' ? ['integer', 'fraction'] : KINDS.filter((kind) => kind === name && kind !== 'fraction'),
    ),
  );
}

/** Draft 4 says with a boolean that the minimum itself is left out, later ones give the number. */
export function limitsOf(node: SchemaNode): { readonly lower: Limit | undefined; readonly upper: Limit | undefined } {
  const limit = (plain: JsonValue | undefined, exclusive: JsonValue | undefined, sign: 1 | -1): Limit | undefined => {
    const own = typeof plain === 'number' ? { value: plain, exclusive: exclusive === true } : undefined;
    if (typeof exclusive !== 'number') return own;
    const other = { value: exclusive, exclusive: true };
    return tighter(other, own, sign) ? other : own;
  };
  return {
    lower: limit(node.minimum, node.exclusiveMinimum, 1),
    upper: limit(node.maximum, node.exclusiveMaximum, -1),
  };
}

/** Sign 1: of lower limits; -1: of upper ones. */
export function tighter(limit: Limit, other: Limit | undefined, sign: 1 | -1): boolean {
  if (other === undefined || limit.value * sign > other.value * sign) return true;
  return limit.value === other.value && limit.exclusive && !other.exclusive;
}

export function propertyGroup(located: Located): PropertyGroup | undefined {
  const { node } = located;
  if (!isNode(node)) return undefined;
  const { properties, patternProperties, additionalProperties } = node;
  if (properties === undefined && patternProperties === undefined && additionalProperties === undefined)
    return undefined;
  return {
    properties: new Map(childrenOf(located, 'properties')),
    patterns: new Map(childrenOf(located, 'patternProperties')),
    additional: additionalProperties === undefined ? undefined : childOf(located, 'additionalProperties'),
  };
}

export function namesIn(list: JsonValue | undefined): string[] {
  if (!Array.isArray(list)) return [];
  return (list as readonly JsonValue[]).filter((name) => typeof name === 'string');
}

export function itemGroup(located: Located): ItemGroup | undefined {
  const { node } = located;
  if (!isNode(node)) return undefined;
  if (Array.isArray(node.items)) {
    return {
      prefix: childrenOf(located, 'items').map(([, item]) => item),
      rest: node.additionalItems === undefined ? undefined : childOf(located, 'additionalItems'),
    };
  }
  const early = located.document.earlyDraft;
  if (node.items === undefined && (early || node.prefixItems === undefined)) return undefined;
  return {
    prefix: early ? [] : childrenOf(located, 'prefixItems').map(([, item]) => item),
    rest: node.items === undefined ? undefined : childOf(located, 'items'),
  };
}

export function containingOf(located: Located, node: SchemaNode): Containing | undefined {
  if (node.contains === undefined) return undefined;
  return {
    schema: childOf(located, 'contains'),
    min: typeof node.minContains === 'number' ? node.minContains : 1,
    max: typeof node.maxContains === 'number' ? node.maxContains : Number.POSITIVE_INFINITY,
  };
}

export function kindOf(value: JsonValue): Kind {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'fraction';
  return typeof value as 'boolean' | 'string' | 'object';
}

export function notOf({ document, pointer, node, resource }: Located): Located | undefined {
  return isNode(node) && node.not !== undefined ? childOf({ document, pointer, node, resource }, 'not') : undefined;
}

/** Whether no number is within both limits. */
export function areCrossed(lower: Limit | undefined, upper: Limit | undefined): boolean {
  if (lower === undefined || upper === undefined) return false;
  return lower.value > upper.value || (lower.value === upper.value && (lower.exclusive || upper.exclusive));
}
