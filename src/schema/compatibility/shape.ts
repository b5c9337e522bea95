import { sameJson } from '../../event/json.ts';
import type { JsonValue } from '../../event/json.ts';
import { isMultiple } from './decimal.ts';
import { childOf, childrenOf, identityOf, isNode } from './document.ts';
import type { Located, SchemaNode } from './document.ts';
import { evaluate } from './evaluate.ts';
import {
  KINDS,
  MARKS,
  containingOf,
  itemGroup,
  kindOf,
  kindsOf,
  limitsOf,
  namesIn,
  notOf,
  propertyGroup,
  tighter,
  valuesOf,
} from './keywords.ts';
import type { Containing, ItemGroup, Kind, Limit, PropertyGroup } from './keywords.ts';

/** What is valid under all of `parts` and under none of `nots`; alternatives in `decided` were taken already. */
export interface Conjunction {
  readonly parts: readonly Located[];
  readonly nots: readonly Located[];
  readonly decided: readonly string[];
}

/** A place where instances are of several sorts: what one of these schemas says, and for `oneOf` no other one does. */
export interface Alternatives {
  readonly id: string;
  readonly kind: 'anyOf' | 'oneOf' | 'if';
  readonly at: Located;
  readonly of: readonly Located[];
}

/** A conjunction, its keywords gathered. */
export interface Shape {
  /** All schemas that it was gathered from, references resolved. */
  readonly sources: readonly Located[];
  readonly kinds: ReadonlySet<Kind>;
  readonly nots: readonly Located[];
  readonly values: readonly JsonValue[] | undefined;
  readonly lower: Limit | undefined;
  readonly upper: Limit | undefined;
  readonly multiples: readonly number[];
  /** `minLength`, `maxItems` and so on. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Patterns, formats and encodings, which are not looked into: `pattern ^a`, `format date`. */
  readonly marks: ReadonlySet<string>;
  readonly unique: boolean;
  readonly groups: readonly PropertyGroup[];
  readonly required: ReadonlySet<string>;
  readonly names: readonly Located[];
  readonly needs: readonly (readonly [string, readonly string[]])[];
  readonly dependents: readonly (readonly [string, Located])[];
  readonly rows: readonly ItemGroup[];
  readonly containing: readonly Containing[];
  readonly alternatives: readonly Alternatives[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Gathering extends Mutable<Shape> {
  sources: Located[];
  multiples: number[];
  sizes: Record<string, number>;
  marks: Set<string>;
  groups: PropertyGroup[];
  required: Set<string>;
  names: Located[];
  needs: (readonly [string, readonly string[]])[];
  dependents: (readonly [string, Located])[];
  rows: ItemGroup[];
  containing: Containing[];
  alternatives: Alternatives[];
}

export function conjunction(parts: readonly Located[]): Conjunction {
  return { parts, nots: [], decided: [] };
}

export function and(whole: Conjunction, ...parts: readonly Located[]): Conjunction {
  return { ...whole, parts: [...whole.parts, ...parts] };
}

export function keyOf({ parts, nots, decided }: Conjunction): string {
  const sorted = (list: readonly Located[]): string => [...new Set(list.map(identityOf))].toSorted().join(' & ');
  return `${sorted(parts)} ! ${sorted(nots)} ? ${decided.toSorted().join(' ')}`;
}

/** Errors: none: what a schema says in a form that it must not have counts as not said. */
export function shapeOf(whole: Conjunction): Shape {
  const shape: Gathering = {
    sources: [],
    kinds: new Set(KINDS),
    nots: [],
    values: undefined,
    lower: undefined,
    upper: undefined,
    multiples: [],
    sizes: {},
    marks: new Set(),
    unique: false,
    groups: [],
    required: new Set(),
    names: [],
    needs: [],
    dependents: [],
    rows: [],
    containing: [],
    alternatives: [],
  };
  const progress = { seen: new Set<string>(), decided: new Set(whole.decided) };
  for (const part of whole.parts) gather(shape, part, progress);
  closeRequired(shape, progress);
  if (shape.multiples.some(Number.isInteger)) shape.kinds = without(shape.kinds, 'fraction');
  shape.nots = [...whole.nots, ...shape.sources.flatMap((source) => notOf(source) ?? [])];
  for (const kind of shape.nots.flatMap(kindsExcluded)) shape.kinds = without(shape.kinds, kind);
  settleValues(shape, whole);
  return shape;
}

interface Progress {
  readonly seen: Set<string>;
  readonly decided: ReadonlySet<string>;
}

function gather(shape: Gathering, located: Located, progress: Progress): void {
  const id = identityOf(located);
  if (progress.seen.has(id)) return;
  progress.seen.add(id);
  shape.sources.push(located);
  const { node } = located;
  if (node === false) shape.kinds = new Set();
  if (!isNode(node)) return;
  if (typeof node.$ref === 'string') {
    const target = located.document.resolve(located, node.$ref);
    if (target !== undefined) gather(shape, target, progress);
    if (located.document.earlyDraft) return;
  }
  gatherValues(shape, node);
  gatherNumbers(shape, node);
  gatherObject(shape, located, node);
  gatherArray(shape, located, node);
  for (const [, part] of childrenOf(located, 'allOf')) gather(shape, part, progress);
  gatherAlternatives(shape, located, progress);
}

function gatherValues(shape: Gathering, node: SchemaNode): void {
  const kinds = kindsOf(node.type);
  if (kinds !== undefined) shape.kinds = new Set([...shape.kinds].filter((kind) => kinds.has(kind)));
  for (const values of valuesOf(node)) {
    shape.values = shape.values?.filter((value) => values.some((other) => sameJson(value, other))) ?? values;
  }
  for (const keyword of MARKS) {
    if (typeof node[keyword] === 'string') shape.marks.add(`${keyword} ${node[keyword]}`);
  }
  for (const [keyword, choose] of SIZES) {
    const size = node[keyword];
    if (typeof size !== 'number') continue;
    const known = shape.sizes[keyword];
    shape.sizes[keyword] = known === undefined ? size : choose(known, size);
  }
}

const SIZES: readonly (readonly [string, (one: number, other: number) => number])[] = [
  ['minLength', Math.max],
  ['maxLength', Math.min],
  ['minItems', Math.max],
  ['maxItems', Math.min],
  ['minProperties', Math.max],
  ['maxProperties', Math.min],
];

function gatherNumbers(shape: Gathering, node: SchemaNode): void {
  const { lower, upper } = limitsOf(node);
  if (lower !== undefined && tighter(lower, shape.lower, 1)) shape.lower = lower;
  if (upper !== undefined && tighter(upper, shape.upper, -1)) shape.upper = upper;
  if (typeof node.multipleOf === 'number') shape.multiples.push(node.multipleOf);
}

function gatherObject(shape: Gathering, located: Located, node: SchemaNode): void {
  for (const name of namesIn(node.required)) shape.required.add(name);
  const group = propertyGroup(located);
  if (group !== undefined) shape.groups.push(group);
  if (node.propertyNames !== undefined) shape.names.push(childOf(located, 'propertyNames'));
  for (const keyword of ['dependencies', 'dependentRequired', 'dependentSchemas']) {
    for (const [name, dependent] of childrenOf(located, keyword)) {
      if (Array.isArray(dependent.node)) shape.needs.push([name, namesIn(dependent.node)]);
      else shape.dependents.push([name, dependent]);
    }
  }
}

function gatherArray(shape: Gathering, located: Located, node: SchemaNode): void {
  const row = itemGroup(located);
  if (row !== undefined) shape.rows.push(row);
  if (node.uniqueItems === true) shape.unique = true;
  const containing = containingOf(located, node);
  if (containing !== undefined) shape.containing.push(containing);
}

function gatherAlternatives(shape: Gathering, located: Located, progress: Progress): void {
  const { node } = located;
  if (!isNode(node)) return;
  for (const kind of ['anyOf', 'oneOf'] as const) {
    if (!Array.isArray(node[kind])) continue;
    const of = childrenOf(located, kind).map(([, alternative]) => alternative);
    const [only] = of;
    if (of.length === 1 && only !== undefined) gather(shape, only, progress);
    else addAlternatives(shape, { id: `${identityOf(located)}/${kind}`, kind, at: located, of }, progress);
  }
  if (node.if !== undefined && (node.then !== undefined || node.else !== undefined)) {
    const of = ['if', 'then', 'else'].map((keyword) => childOf(located, keyword));
    addAlternatives(shape, { id: `${identityOf(located)}/if`, kind: 'if', at: located, of }, progress);
  }
}

function addAlternatives(shape: Gathering, alternatives: Alternatives, { decided }: Progress): void {
  if (!decided.has(alternatives.id)) shape.alternatives.push(alternatives);
}

/** What a property brings with it, where the property has to be there. */
function closeRequired(shape: Gathering, progress: Progress): void {
  let before: number;
  do {
    before = shape.required.size;
    // What is no object has no properties, and so nothing that depends on them.
    const dependents = hasObjectsOnly(shape) ? [...shape.dependents] : [];
    for (const [name, dependent] of dependents) if (shape.required.has(name)) gather(shape, dependent, progress);
    for (const [name, needed] of shape.needs) {
      if (shape.required.has(name)) for (const other of needed) shape.required.add(other);
    }
  } while (shape.required.size > before);
}

export function hasObjectsOnly({ kinds }: Pick<Shape, 'kinds'>): boolean {
  return kinds.size === 1 && kinds.has('object');
}

/** Where the values are known one by one, everything else follows from them. */
function settleValues(shape: Gathering, whole: Conjunction): void {
  shape.values ??= fewValues(shape);
  if (shape.values === undefined) return;
  shape.values = shape.values.filter(
    (value) =>
      whole.parts.every((part) => evaluate(value, part) !== false) &&
      shape.nots.every((not) => evaluate(value, not) !== true),
  );
  shape.kinds = new Set(shape.values.map(kindOf));
  const numbers = shape.values.filter((value) => typeof value === 'number');
  if (numbers.length > 0) {
    shape.lower = { value: least(numbers), exclusive: false };
    shape.upper = { value: most(numbers), exclusive: false };
  }
  const lengths = shape.values.filter((value) => typeof value === 'string').map((text) => Array.from(text).length);
  if (lengths.length > 0) {
    shape.sizes.minLength = least(lengths);
    shape.sizes.maxLength = most(lengths);
  }
}

/** Of lists that may be longer than what a call takes as arguments. */
const least = (numbers: readonly number[]): number => numbers.reduce((one, other) => Math.min(one, other));
const most = (numbers: readonly number[]): number => numbers.reduce((one, other) => Math.max(one, other));

const MOST_VALUES = 200;

/** The values of a few kinds can be counted: null, booleans, whole numbers in a short range. */
function fewValues({ kinds, lower, upper, multiples }: Gathering): JsonValue[] | undefined {
  const values: JsonValue[] = [];
  for (const kind of kinds) {
    if (kind === 'null') values.push(null);
    else if (kind === 'boolean') values.push(false, true);
    else if (kind === 'integer' && lower !== undefined && upper !== undefined) {
      const [from, to] = [Math.ceil(lower.value), Math.floor(upper.value)];
      if (to - from >= MOST_VALUES || !Number.isSafeInteger(from) || !Number.isSafeInteger(to)) return undefined;
      for (let value = from; value <= to; value += 1) {
        if (multiples.every((multiple) => isMultiple(value, multiple))) values.push(value);
      }
    } else return undefined;
  }
  return values;
}

function without(kinds: ReadonlySet<Kind>, kind: Kind): ReadonlySet<Kind> {
  return new Set([...kinds].filter((other) => other !== kind));
}

/** What a schema that names kinds and nothing else excludes when it must not hold. */
function kindsExcluded({ node }: Located): Kind[] {
  if (node === true) return [...KINDS];
  if (!isNode(node) || Object.keys(node).length !== 1) return [];
  return [...(kindsOf(node.type) ?? [])];
}
