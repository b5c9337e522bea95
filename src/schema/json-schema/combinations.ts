import { isList, isObject } from '../schema-parts.ts';
import type { JsonObject } from '../schema-parts.ts';
import { every } from './members.ts';
import { Evaluated, fail } from './run.ts';
import type { Check, Compiler, Place, Run } from './run.ts';

/** Several schemas for the same data. */
export function* combinationChecks(schema: JsonObject, compiler: Compiler): Iterable<Check> {
  const { allOf, anyOf, oneOf, not, dependentSchemas, dependencies } = schema;
  if (isList(allOf)) {
    const checks = allOf.map((each) => kept(compiler.check(each)));
    yield (data, place, run, seen) => every(checks, run, (check) => check(data, place, run, seen));
  }
  if (isList(anyOf)) yield some(anyOf.map((each) => kept(compiler.check(each))));
  if (isList(oneOf)) yield exactlyOne(oneOf.map((each) => kept(compiler.check(each))));
  if (not !== undefined) {
    const check = compiler.check(not);
    yield (data, place, run) => !quietly(check, data, run, undefined) || fail(run, place, 'must not be what it is');
  }
  yield* conditionChecks(schema, compiler);
  for (const [name, check] of [...compiler.checks(dependentSchemas), ...compiler.checks(withoutLists(dependencies))]) {
    const apply = kept(check);
    yield (data, place, run, seen) => !isObject(data) || !Object.hasOwn(data, name) || apply(data, place, run, seen);
  }
}

function withoutLists(dependencies: JsonObject[string] | undefined): JsonObject {
  return isObject(dependencies)
    ? Object.fromEntries(Object.entries(dependencies).filter(([, each]) => !isList(each)))
    : {};
}

function some(checks: readonly Check[]): Check {
  return (data, place, run, seen) => {
    let isOne = false;
    for (const check of checks) {
      if (!quietly(check, data, run, seen)) continue;
      isOne = true;
      // What the others speak of counts, too.
      if (seen === undefined) return true;
    }
    if (isOne) return true;
    fail(run, place, `fits none of ${checks.length} alternatives`);
    return explained(checks, data, place, run);
  };
}

function exactlyOne(checks: readonly Check[]): Check {
  return (data, place, run, seen) => {
    const fitting = checks.filter((check) => quietly(check, data, run, undefined));
    const [only] = fitting;
    if (only !== undefined && fitting.length === 1) return only(data, place, run, seen);
    if (only !== undefined)
      return fail(run, place, `must fit one of ${checks.length} alternatives, fits ${fitting.length}`);
    fail(run, place, `fits none of ${checks.length} alternatives`);
    return explained(checks, data, place, run);
  };
}

/** Says why data fits none of them. */
function explained(checks: readonly Check[], data: unknown, place: Place | undefined, run: Run): false {
  if (run.issues !== undefined) for (const check of checks) check(data, place, run, undefined);
  return false;
}

function* conditionChecks(schema: JsonObject, compiler: Compiler): Iterable<Check> {
  const { if: condition, then, else: otherwise } = schema;
  if (condition === undefined) return;
  const isSo = kept(compiler.check(condition));
  const [whenSo, whenNot] = [then, otherwise].map((each) => kept(compiler.check(each ?? true)));
  yield (data, place, run, seen) => {
    const next = quietly(isSo, data, run, seen) ? whenSo : whenNot;
    return next === undefined || next(data, place, run, seen);
  };
}

/** Whether data fits, without a word of why not. */
function quietly(check: Check, data: unknown, run: Run, seen: Evaluated | undefined): boolean {
  return check(data, undefined, { issues: undefined, scope: run.scope }, seen);
}

/** What a schema has spoken of counts only where the data fits it. */
export function kept(check: Check): Check {
  return (data, place, run, seen) => {
    if (seen === undefined) return check(data, place, run, undefined);
    const own = new Evaluated();
    if (!check(data, place, run, own)) return false;
    seen.addFrom(own);
    return true;
  };
}
