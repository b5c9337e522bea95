import { sameJson } from './json.ts';
import type { JsonValue } from './json.ts';

/** One place in which two JSON values differ. */
export interface JsonDifference {
  /** A JSON pointer (RFC 6901); empty: the whole value. */
  readonly path: string;
  /** Undefined: it was not there. */
  readonly before: JsonValue | undefined;
  /** Undefined: it is not there any more. */
  readonly after: JsonValue | undefined;
}

/** Every place in which two values differ, members in code unit order. Lists are compared item by item. */
export function jsonDifference(before: JsonValue, after: JsonValue): readonly JsonDifference[] {
  const found: JsonDifference[] = [];
  compare('', before, after, found);
  return found;
}

type Members = Readonly<Record<string, JsonValue | undefined>>;

function compare(
  path: string,
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  found: JsonDifference[],
): void {
  if (sameJson(before, after)) return;
  const [left, right] = [membersOf(before), membersOf(after)];
  if (left === undefined || right === undefined || Array.isArray(before) !== Array.isArray(after)) {
    found.push({ path, before, after });
    return;
  }
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  if (!Array.isArray(before)) names.sort();
  for (const name of names)
    compare(
      `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      ownOf(left, name),
      ownOf(right, name),
      found,
    );
}

function membersOf(value: JsonValue | undefined): Members | undefined {
  return typeof value === 'object' && value !== null ? (value as Members) : undefined;
}

function ownOf(members: Members, name: string): JsonValue | undefined {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}
