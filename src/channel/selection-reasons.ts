import type { RecordedEvent } from '../event/event.ts';
import { SYSTEM_CATEGORY, categoryOf } from '../event/stream-name.ts';
import { compilePattern } from './filter/compile.ts';
import { matches } from './filter/matches.ts';
import type { CompiledSelection, Selection } from './selection.ts';

/** Why a selection does not have an event: what of it, what was expected, what was found. Empty: it has it. */
export function reasonsAgainst(selection: CompiledSelection, event: RecordedEvent): readonly string[] {
  if (selection.matches(event)) return [];
  return selection.asked.flatMap((asked) => reasonsOf(asked, event));
}

function reasonsOf({ types, categories, sources, where }: Selection, event: RecordedEvent): readonly string[] {
  const reasons: string[] = [];
  const category = categoryOf(event.stream);
  const demand = (what: string, wanted: readonly string[] | undefined, found: string) => {
    if (wanted !== undefined && !wanted.includes(found))
      reasons.push(`${what}: expected ${wanted.length === 0 ? 'none' : wanted.join(' or ')}, found ${found}`);
  };
  demand('type', types, event.type);
  demand('category', categories, category);
  demand('source', sources, event.source);
  if (where !== undefined) reasons.push(...againstPattern(where, event));
  if (reasons.length === 0 && category === SYSTEM_CATEGORY)
    reasons.push(
      `category: ${SYSTEM_CATEGORY} is what the system reports of itself, which is given to those alone who name it`,
    );
  return reasons;
}

function againstPattern(where: unknown, event: RecordedEvent): readonly string[] {
  const fits = (pattern: unknown) => matches(compilePattern(pattern), (name) => event.attribute(name));
  if (fits(where)) return [];
  const failing = conditionsOf(where, []).filter(({ pattern }) => !fits(pattern));
  if (failing.length === 0) return [`where: its conditions do not hold together, ${JSON.stringify(where)}`];
  return failing.map(
    ({ path, condition }) =>
      `where ${path.join('.')}: expected ${JSON.stringify(condition)}, found ${JSON.stringify(valueAt(event, path)) ?? 'nothing'}`,
  );
}

/** Each condition of a pattern by itself, as a pattern. */
function conditionsOf(
  pattern: unknown,
  path: readonly string[],
): readonly { readonly path: readonly string[]; readonly condition: unknown; readonly pattern: unknown }[] {
  if (typeof pattern !== 'object' || pattern === null || Array.isArray(pattern)) {
    const alone = path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), pattern);
    return [{ path, condition: pattern, pattern: alone }];
  }
  return Object.entries(pattern).flatMap(([name, inner]) => conditionsOf(inner, [...path, name]));
}

function valueAt(event: RecordedEvent, [name = '', ...rest]: readonly string[]): unknown {
  let value = event.attribute(name);
  for (const member of rest)
    value =
      typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[member] : undefined;
  return value;
}
