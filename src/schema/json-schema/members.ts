import { describeValue } from '../../system/values.ts';
import { isList, isObject } from '../schema-parts.ts';
import type { JsonObject } from '../schema-parts.ts';
import { fail, inside, within } from './run.ts';
import type { Check, Compiler, Evaluated, Place, Run } from './run.ts';

type MemberCheck = (data: JsonObject, place: Place | undefined, run: Run, seen: Evaluated | undefined) => boolean;

/** What is said of objects, but for the members that nothing else spoke of. */
export function* memberChecks(schema: JsonObject, compiler: Compiler): Iterable<Check> {
  const checks = [...countChecks(schema), ...nameChecks(schema, compiler), ...valueChecks(schema, compiler)];
  if (checks.length > 0)
    yield (data, place, run, seen) => !isObject(data) || every(checks, run, (check) => check(data, place, run, seen));
}

function* countChecks(schema: JsonObject): Iterable<MemberCheck> {
  const { minProperties, maxProperties } = schema;
  if (typeof minProperties === 'number')
    yield (data, place, run) =>
      Object.keys(data).length >= minProperties || fail(run, place, `must have at least ${minProperties} properties`);
  if (typeof maxProperties === 'number')
    yield (data, place, run) =>
      Object.keys(data).length <= maxProperties || fail(run, place, `must have at most ${maxProperties} properties`);
}

function* nameChecks(schema: JsonObject, compiler: Compiler): Iterable<MemberCheck> {
  const { required, dependentRequired, dependencies, propertyNames } = schema;
  if (isList(required)) yield allOf(required as readonly string[], '');
  const dependent = [dependentRequired, dependencies].flatMap((names) =>
    isObject(names) ? Object.entries(names) : [],
  );
  for (const [name, needed] of dependent) {
    if (!isList(needed)) continue;
    const check = allOf(needed as readonly string[], `, as there is ${describeValue(name)}`);
    yield (data, place, run, seen) => !Object.hasOwn(data, name) || check(data, place, run, seen);
  }
  if (propertyNames !== undefined) {
    const check = compiler.check(propertyNames);
    yield (data, place, run) => every(Object.keys(data), run, (name) => within(check, name, name, place, run));
  }
}

function allOf(names: readonly string[], why: string): MemberCheck {
  return (data, place, run) => {
    let isRight = true;
    for (const name of names) {
      if (Object.hasOwn(data, name)) continue;
      isRight = fail(run, inside(run, place, name), `is missing${why}`);
      if (run.issues === undefined) return false;
    }
    return isRight;
  };
}

function* valueChecks(schema: JsonObject, compiler: Compiler): Iterable<MemberCheck> {
  const named = compiler.checks(schema['properties']);
  const names = new Set(named.map(([name]) => name));
  const patterns = compiler
    .checks(schema['patternProperties'])
    .map(([pattern, check]) => [new RegExp(pattern, 'u'), check] as const);
  const { additionalProperties } = schema;
  if (named.length > 0) yield namedCheck(named);
  if (patterns.length > 0)
    yield (data, place, run, seen) =>
      every(Object.keys(data), run, (name) =>
        every(patterns, run, ([pattern, check]) => {
          if (!pattern.test(name)) return true;
          seen?.add(name);
          return within(check, data[name], name, place, run);
        }),
      );
  if (additionalProperties === undefined) return;
  const isNamed = (name: string) => names.has(name) || patterns.some(([pattern]) => pattern.test(name));
  yield restCheck(additionalProperties === false ? undefined : compiler.check(additionalProperties), isNamed);
}

/** Most of what is asked of most data: hence the loop. */
function namedCheck(named: readonly (readonly [name: string, check: Check])[]): MemberCheck {
  return (data, place, run, seen) => {
    let isRight = true;
    for (const [name, check] of named) {
      if (!Object.hasOwn(data, name)) continue;
      seen?.add(name);
      if (within(check, data[name], name, place, run)) continue;
      if (run.issues === undefined) return false;
      isRight = false;
    }
    return isRight;
  };
}

/** Undefined: there may be no others. */
function restCheck(
  check: Check | undefined,
  isNamed: (name: string, seen: Evaluated | undefined) => boolean,
): MemberCheck {
  return (data, place, run, seen) =>
    every(Object.keys(data), run, (name) => {
      if (isNamed(name, seen)) return true;
      seen?.add(name);
      if (check === undefined) return fail(run, inside(run, place, name), 'is not a property that may be there');
      return within(check, data[name], name, place, run);
    });
}

/** `unevaluatedProperties`, when all else has been asked. */
export function* otherMemberChecks({ unevaluatedProperties }: JsonObject, compiler: Compiler): Iterable<Check> {
  if (unevaluatedProperties === undefined) return;
  const rest = restCheck(
    unevaluatedProperties === false ? undefined : compiler.check(unevaluatedProperties),
    (name, seen) => seen?.has(name) === true,
  );
  yield (data, place, run, seen) => !isObject(data) || rest(data, place, run, seen);
}

/** Whether all are right; asks on after one that is not where somebody wants to know each. */
export function every<Item>(items: readonly Item[], run: Run, test: (item: Item) => boolean): boolean {
  let isRight = true;
  for (const item of items) {
    if (test(item)) continue;
    if (run.issues === undefined) return false;
    isRight = false;
  }
  return isRight;
}
