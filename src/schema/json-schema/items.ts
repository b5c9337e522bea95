import type { JsonValue } from '../../event/json.ts';
import { isList, isObject } from '../schema-parts.ts';
import type { JsonObject } from '../schema-parts.ts';
import { every } from './members.ts';
import { fail, inside, within } from './run.ts';
import type { Check, Compiler, Evaluated, Place, Run } from './run.ts';

type ItemCheck = (
  data: readonly JsonValue[],
  place: Place | undefined,
  run: Run,
  seen: Evaluated | undefined,
) => boolean;

/** What is said of lists, but for the items that nothing else spoke of. */
export function* itemChecks(schema: JsonObject, compiler: Compiler): Iterable<Check> {
  const checks = [...countChecks(schema), ...placeChecks(schema, compiler), ...containChecks(schema, compiler)];
  if (checks.length > 0)
    yield (data, place, run, seen) => !isList(data) || every(checks, run, (check) => check(data, place, run, seen));
}

function* countChecks({ minItems, maxItems, uniqueItems }: JsonObject): Iterable<ItemCheck> {
  if (typeof minItems === 'number')
    yield (data, place, run) => data.length >= minItems || fail(run, place, `must have at least ${minItems} items`);
  if (typeof maxItems === 'number')
    yield (data, place, run) => data.length <= maxItems || fail(run, place, `must have at most ${maxItems} items`);
  if (uniqueItems === true)
    yield (data, place, run) =>
      new Set(data.map(canonical)).size === data.length || fail(run, place, 'must not have the same item twice');
}

function* placeChecks({ prefixItems, items }: JsonObject, compiler: Compiler): Iterable<ItemCheck> {
  const first = isList(prefixItems) ? prefixItems.map((each) => compiler.check(each)) : [];
  if (first.length > 0)
    yield (data, place, run, seen) =>
      every([...first.entries()], run, ([index, check]) => {
        if (index >= data.length) return true;
        seen?.add(index);
        return within(check, data[index], index, place, run);
      });
  if (items !== undefined) yield restCheck(items, compiler, (index) => index < first.length);
}

function restCheck(
  schema: JsonValue,
  compiler: Compiler,
  isKnown: (index: number, seen: Evaluated | undefined) => boolean,
): ItemCheck {
  const check = schema === false ? undefined : compiler.check(schema);
  return (data, place, run, seen) => {
    let isRight = true;
    for (let index = 0; index < data.length; index += 1) {
      if (isKnown(index, seen)) continue;
      seen?.add(index);
      const isOne =
        check === undefined
          ? fail(run, inside(run, place, index), 'is an item too many')
          : within(check, data[index], index, place, run);
      if (isOne) continue;
      if (run.issues === undefined) return false;
      isRight = false;
    }
    return isRight;
  };
}

function* containChecks({ contains, minContains, maxContains }: JsonObject, compiler: Compiler): Iterable<ItemCheck> {
  if (contains === undefined) return;
  const check = compiler.check(contains);
  const minimum = typeof minContains === 'number' ? minContains : 1;
  const maximum = typeof maxContains === 'number' ? maxContains : Number.POSITIVE_INFINITY;
  yield (data, place, run, seen) => {
    let found = 0;
    for (const [index, item] of data.entries()) {
      if (!check(item, undefined, { issues: undefined, scope: run.scope }, undefined)) continue;
      found += 1;
      seen?.add(index);
    }
    if (found < minimum) return fail(run, place, `must contain at least ${minimum} fitting items, has ${found}`);
    return found <= maximum || fail(run, place, `must contain at most ${maximum} fitting items, has ${found}`);
  };
}

/** `unevaluatedItems`, when all else has been asked. */
export function* otherItemChecks({ unevaluatedItems }: JsonObject, compiler: Compiler): Iterable<Check> {
  if (unevaluatedItems === undefined) return;
  const rest = restCheck(unevaluatedItems, compiler, (index, seen) => seen?.has(index) === true);
  yield (data, place, run, seen) => !isList(data) || rest(data, place, run, seen);
}

/** Equal for equal values. */
function canonical(value: JsonValue): string {
  if (isList(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).toSorted();
  return `{${members.map((member) => `${JSON.stringify(member)}:${canonical(value[member] ?? null)}`).join(',')}}`;
}
