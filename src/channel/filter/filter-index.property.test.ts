/**
 * Attacks the index and the single matcher with random patterns and events made of few names and values, so that they
 * meet often. The oracle below shares no code with either: it writes out every choice of list elements as an event
 * without lists, and asks each condition of the pattern as it was written.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePattern } from './compile.ts';
import { FilterIndex } from './filter-index.ts';
import { matches } from './matches.ts';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const NAMES = ['a', 'b', 'c'];
const name = fc.constantFrom(...NAMES);
const text = fc.constantFrom('', 'x', 'xy', 'Xy', 'xyz', 'yz', 'é', 'É', '10.0.0.1', '10.0.1.1', '1');
const scalar = fc.oneof(text, fc.constantFrom<Json>(-1, 0, 1, 2, 2.5, 3, null, true, false));

const event = fc.dictionary(
  fc.oneof({ weight: 9, arbitrary: name }, { weight: 1, arbitrary: fc.constantFrom('a.b', 'b.c', 'a.b.c') }),
  fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      scalar,
      fc.array(scalar, { maxLength: 3 }),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(
        fc.oneof({ weight: 9, arbitrary: name }, { weight: 1, arbitrary: fc.constant('b.c') }),
        tie('value'),
        {
          maxKeys: 3,
        },
      ),
    ),
  })).value,
  { maxKeys: 3 },
);

const operator = fc.oneof(
  fc.constantFrom('exists').chain((key) => fc.boolean().map((value) => ({ [key]: value }))),
  fc.tuple(fc.constantFrom('prefix', 'suffix', 'equals-ignore-case'), text).map(([key, value]) => ({ [key]: value })),
  fc
    .tuple(fc.constantFrom('prefix', 'suffix'), text)
    .map(([key, value]) => ({ [key]: { 'equals-ignore-case': value } })),
  fc.constantFrom('*', 'x*', '*z', 'x*z', '*y*', '').map((wildcard) => ({ wildcard })),
  fc.constantFrom('10.0.0.0/24', '10.0.0.0/8', '0.0.0.0/0').map((cidr) => ({ cidr })),
  fc.tuple(fc.constantFrom('=', '<', '<=', '>', '>='), fc.integer({ min: -1, max: 3 })).map((numeric) => ({ numeric })),
  fc
    .tuple(fc.constantFrom('>', '>='), fc.integer({ min: -1, max: 2 }), fc.constantFrom('<', '<='), fc.nat(2))
    .map(([from, low, to, width]) => ({ numeric: [from, low, to, low + width] })),
  fc.array(text, { minLength: 1, maxLength: 3 }).map((values) => ({ 'anything-but': values })),
  fc.array(fc.nat(3), { minLength: 1, maxLength: 3 }).map((values) => ({ 'anything-but': values })),
  fc
    .tuple(fc.constantFrom('prefix', 'suffix', 'equals-ignore-case', 'wildcard'), fc.constantFrom('x', 'y', 'yz', 'É'))
    .map(([key, value]) => ({ 'anything-but': { [key]: [value] } })),
);

const list = fc.array(fc.oneof({ weight: 2, arbitrary: scalar }, { weight: 3, arbitrary: operator }), {
  minLength: 1,
  maxLength: 3,
});

const pattern = fc
  .letrec<{ object: object; field: unknown }>((tie) => ({
    field: fc.oneof({ maxDepth: 3 }, list, tie('object')),
    object: fc
      .tuple(
        fc.dictionary(
          fc.oneof({ weight: 9, arbitrary: name }, { weight: 1, arbitrary: fc.constant('a.b') }),
          tie('field'),
          {
            minKeys: 1,
            maxKeys: 3,
            depthIdentifier: 'pattern',
          },
        ),
        fc.oneof(
          { weight: 3, arbitrary: fc.constant(undefined) },
          fc.array(fc.dictionary(name, list, { minKeys: 1, maxKeys: 2 }), { minLength: 2, maxLength: 3 }),
        ),
      )
      .map(([fields, or]) => (or === undefined ? fields : { ...fields, $or: or })),
  }))
  .object.filter((source) => countCombinations(source) <= 100);

/** What the $or lists of a pattern multiply to; above a limit the pattern would be refused. */
function countCombinations(source: object): number {
  return Object.entries(source).reduce((count, [key, field]: [string, unknown]) => {
    if (key === '$or') return count * (field as object[]).length;
    return Array.isArray(field) ? count : count * countCombinations(field as object);
  }, 1);
}

type Leaf = { readonly path: string; readonly leaf: Json };

function leavesOf(value: Json, path: readonly string[] = []): Leaf[] {
  if (value === null || typeof value !== 'object') return [{ path: path.join('.'), leaf: value }];
  if (Array.isArray(value)) return value.flatMap((element) => leavesOf(element, path));
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
}

/** Patterns that grew from the leaves of these events, so that many of them match. */
function grownFrom(events: readonly Json[]): fc.Arbitrary<object> {
  const leaves = events.flatMap((value) => leavesOf(value));
  if (leaves.length === 0) return pattern;
  const field = fc
    .tuple(fc.constantFrom(...leaves), list, fc.nat(3))
    .map(([{ path, leaf }, values, own]) => [path, own > 0 ? [...values, leaf] : values] as const);
  const fields = fc.array(field, { minLength: 1, maxLength: 3 }).map((entries) => nestWherePossible(entries));
  return fc.oneof(
    { weight: 3, arbitrary: fields },
    fc.tuple(fields, fc.array(fields, { minLength: 2, maxLength: 3 })).map(([all, $or]) => ({ ...all, $or })),
  );
}

/** `a.b` becomes nested unless `a` has a list already: both ways of writing are met. */
function nestWherePossible(entries: readonly (readonly [path: string, values: unknown])[]): object {
  const root: Record<string, unknown> = {};
  for (const [path, values] of entries) {
    const [head = '', ...rest] = path.split('.');
    const inner = root[head] ?? {};
    if (rest.length === 0 || Array.isArray(inner)) root[path] = values;
    else root[head] = { ...inner, [rest.join('.')]: values };
  }
  return root;
}

/** What a place shows under one choice of elements: leaves, and the places below. */
type World = { leaves: Json[]; below: Map<string, World> };

function emptyWorld(): World {
  return { leaves: [], below: new Map() };
}

/** Merges worlds of the same place: what either shows is shown. */
function merged(worlds: readonly World[]): World {
  const all = emptyWorld();
  for (const world of worlds) {
    all.leaves.push(...world.leaves);
    for (const [key, inner] of world.below) all.below.set(key, merged([all.below.get(key) ?? emptyWorld(), inner]));
  }
  return all;
}

function product(factors: readonly World[][]): World[] {
  return factors.reduce<World[]>(
    (left, right) => left.flatMap((first) => right.map((second) => merged([first, second]))),
    [emptyWorld()],
  );
}

/** Every world of a value: one structured element of each list is chosen, plain ones are always shown. */
function worldsOf(value: Json): World[] {
  if (value === null || typeof value !== 'object') return [{ leaves: [value], below: new Map() }];
  if (Array.isArray(value)) {
    const plain = value.filter((element) => element === null || typeof element !== 'object');
    const structured = value.filter((element) => element !== null && typeof element === 'object');
    const choices = structured.length === 0 ? [emptyWorld()] : structured.flatMap(worldsOf);
    return choices.map((choice) => merged([{ leaves: plain, below: new Map() }, choice]));
  }
  return product(
    Object.entries(value).map(([key, inner]) =>
      worldsOf(inner).map((world) =>
        key.split('.').reduceRight<World>((below, part) => ({ leaves: [], below: new Map([[part, below]]) }), world),
      ),
    ),
  );
}

function countWorlds(value: Json): number {
  if (value === null || typeof value !== 'object') return 1;
  const inner = Object.values(value).map(countWorlds);
  if (!Array.isArray(value)) return inner.reduce((left, right) => left * right, 1);
  const structured = inner.filter((_, at) => value[at] !== null && typeof value[at] === 'object');
  return structured.reduce((left, right) => left + right, 0) || 1;
}

function holdsIn(world: World, source: object): boolean {
  return Object.entries(source).every(([key, field]: [string, unknown]) => {
    if (key === '$or') return (field as object[]).some((branch) => holdsIn(world, branch));
    let at: World = world;
    for (const part of key.split('.')) at = at.below.get(part) ?? emptyWorld();
    if (!Array.isArray(field)) return holdsIn(at, field as object);
    if (at.leaves.length === 0) return field.some((item: unknown) => JSON.stringify(item) === '{"exists":false}');
    return at.leaves.some((leaf) => field.some((item: unknown) => acceptsPlainly(item as Json, leaf)));
  });
}

const asText = (value: Json | undefined): string => (typeof value === 'string' ? value : JSON.stringify(value));

const upper = (value: Json): Json => (typeof value === 'string' ? value.toUpperCase() : value);

function acceptsPlainly(item: Json, leaf: Json): boolean {
  if (item === null || typeof item !== 'object') return item === leaf;
  const [key, argument] = Object.entries(item)[0] as [string, Json];
  const isText = typeof leaf === 'string';
  switch (key) {
    case 'exists':
      return argument === true;
    case 'equals-ignore-case':
      return isText && upper(leaf) === upper(argument);
    case 'prefix':
    case 'suffix': {
      if (!isText) return false;
      const folded = typeof argument === 'object';
      const wanted = asText(folded ? upper(Object.values(argument as object)[0] as Json) : argument);
      const given = folded ? leaf.toUpperCase() : leaf;
      return key === 'prefix' ? given.slice(0, wanted.length) === wanted : given.endsWith(wanted);
    }
    case 'wildcard':
      return isText && new RegExp(`^${asText(argument).replaceAll('*', '[^]*')}$`).test(leaf);
    case 'cidr':
      return isText && leaf.startsWith({ '10.0.0.0/24': '10.0.0.', '10.0.0.0/8': '10.' }[asText(argument)] ?? '10.');
    case 'numeric':
      return typeof leaf === 'number' && comparesPlainly(argument as Json[], leaf);
    default:
      return refusedBy(argument).every((inner) => !acceptsPlainly(inner, leaf));
  }
}

function comparesPlainly([comparison, bound, ...rest]: Json[], leaf: number): boolean {
  const order = Math.sign(leaf - Number(bound));
  const fits = { '=': [0], '<': [-1], '<=': [-1, 0], '>': [1], '>=': [0, 1] }[asText(comparison)] ?? [];
  return fits.includes(order) && (rest.length === 0 || comparesPlainly(rest, leaf));
}

function refusedBy(argument: Json): Json[] {
  if (argument === null || typeof argument !== 'object' || Array.isArray(argument)) return [argument].flat();
  return Object.entries(argument).flatMap(([key, texts]) => [texts].flat().map((inner) => ({ [key]: inner })));
}

/** With two lists at one place, under two spellings, the matcher chooses one element, the oracle one of each. */
function isSpeltOnce(value: Json): boolean {
  if (value === null || typeof value !== 'object') return true;
  if (Array.isArray(value)) return value.every(isSpeltOnce);
  const heads = Object.keys(value).map((key) => key.split('.')[0]);
  return new Set(heads).size === heads.length && Object.values(value).every(isSpeltOnce);
}

const eventAndPattern = event.chain((value) =>
  fc.tuple(fc.constant(value), fc.oneof({ weight: 3, arbitrary: grownFrom([value]) }, pattern)),
);

test('the single matcher agrees with writing out every choice of elements', () => {
  fc.assert(
    fc.property(eventAndPattern, ([value, source]) => {
      fc.pre(isSpeltOnce(value));
      fc.pre(countWorlds(value) < 500);
      expect(matches(compilePattern(source), value)).toBe(worldsOf(value).some((world) => holdsIn(world, source)));
    }),
    { numRuns: 3000 },
  );
});

test('random patterns match random events often enough for the other properties to mean something', () => {
  const answers = fc
    .sample(eventAndPattern, { numRuns: 1000, seed: 1 })
    .map(([value, source]) => matches(compilePattern(source), value));
  const rate = answers.filter(Boolean).length / answers.length;
  expect(rate).toBeGreaterThan(0.3);
  expect(rate).toBeLessThan(0.8);
});

type Filters = Map<number, ReturnType<typeof compilePattern>>;

function expectSameAnswers(index: FilterIndex<number>, filters: Filters, value: { [name: string]: Json }): void {
  const lazily = (root: string): unknown => (Object.hasOwn(value, root) ? value[root] : undefined);
  for (const source of [value, lazily]) {
    const expected = [...filters].filter(([, compiled]) => matches(compiled, source)).map(([id]) => id);
    const inOrder = (ids: number[]): number[] => ids.toSorted((left, right) => left - right);
    expect(inOrder(index.match(source))).toEqual(inOrder(expected));
  }
}

test('the index finds what checking every pattern finds, while patterns come and go', () => {
  const scenario = fc.array(event, { minLength: 1, maxLength: 4 }).chain((events) =>
    fc.record({
      events: fc.constant(events),
      patterns: fc.array(fc.oneof({ weight: 3, arbitrary: grownFrom(events) }, pattern), {
        maxLength: 40,
        size: 'max',
      }),
      removed: fc.array(fc.nat(39), { maxLength: 40 }),
    }),
  );
  fc.assert(
    fc.property(scenario, ({ events, patterns, removed }) => {
      const index = new FilterIndex<number>();
      const filters: Filters = new Map();
      for (const [id, source] of patterns.entries()) {
        filters.set(id, compilePattern(source));
        index.add(id, filters.get(id) ?? { alternatives: [] });
      }
      for (const value of events) expectSameAnswers(index, filters, value);
      for (const id of removed) expect(index.remove(id)).toBe(filters.delete(id));
      for (const value of events) expectSameAnswers(index, filters, value);
      for (const id of filters.keys()) index.remove(id);
      for (const value of events) expect(index.match(value)).toEqual([]);
    }),
    { numRuns: 200 },
  );
});
