import { sameJson } from '../../event/json.ts';
import type { JsonValue } from '../../event/json.ts';
import { isMultiple } from './decimal.ts';
import { childOf, childrenOf, isNode } from './document.ts';
import type { Located, SchemaNode } from './document.ts';
import { containingOf, itemGroup, kindOf, kindsOf, limitsOf, namesIn, propertyGroup, valuesOf } from './keywords.ts';

/** Whether a value is valid; undefined: nothing here can say. */
export type Verdict = boolean | undefined;

/** What one value has been compared with. */
interface Walk {
  /** The schemas whose verdict is not there yet. One of them that comes up again leads nowhere but to itself. */
  readonly under: Set<SchemaNode>;
  steps: number;
}

/** Schemas that refer to others twice, and these to others twice, have more ways than anybody has time. */
const MOST_STEPS = 10_000;

/** Whether one value is valid under a schema. Formats and encodings are not looked into. */
export function evaluate(value: JsonValue, located: Located, walk: Walk = { under: new Set(), steps: 0 }): Verdict {
  const { node } = located;
  if (typeof node === 'boolean') return node;
  if (!isNode(node)) return true;
  walk.steps += 1;
  if (walk.steps > MOST_STEPS || walk.under.has(node)) return undefined;
  walk.under.add(node);
  const verdict = verdictOf(value, located, node, walk);
  walk.under.delete(node);
  return verdict;
}

function verdictOf(value: JsonValue, located: Located, node: SchemaNode, walk: Walk): Verdict {
  const verdicts: Verdict[] = [];
  if (typeof node.$ref === 'string') {
    const target = located.document.resolve(located, node.$ref);
    const verdict = target === undefined ? undefined : evaluate(value, target, walk);
    if (located.document.earlyDraft) return verdict;
    verdicts.push(verdict);
  }
  if (UNKNOWN.some((keyword) => node[keyword] !== undefined)) verdicts.push(undefined);
  verdicts.push(
    kindsOf(node.type)?.has(kindOf(value)) ?? true,
    ...valuesOf(node).map((values) => values.some((other) => sameJson(value, other))),
    ofAlternatives(value, located, node, walk),
  );
  if (typeof value === 'number') verdicts.push(ofNumber(value, node));
  else if (typeof value === 'string') verdicts.push(ofString(value, node));
  else if (Array.isArray(value)) verdicts.push(ofArray(value as readonly JsonValue[], located, node));
  else if (isNode(value)) verdicts.push(ofObject(value, located, node, walk));
  return all(verdicts);
}

const UNKNOWN = ['unevaluatedProperties', 'unevaluatedItems', '$dynamicRef', '$recursiveRef'];

function all(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes(false)) return false;
  return verdicts.includes(undefined) ? undefined : true;
}

function opposite(verdict: Verdict): Verdict {
  return verdict === undefined ? undefined : !verdict;
}

/** How many are true: at least, and at most. */
function count(verdicts: readonly Verdict[]): readonly [number, number] {
  const certain = verdicts.filter((verdict) => verdict === true).length;
  return [certain, certain + verdicts.filter((verdict) => verdict === undefined).length];
}

function between(verdicts: readonly Verdict[], min: number, max: number): Verdict {
  const [least, most] = count(verdicts);
  if (most < min || least > max) return false;
  return least >= min && most <= max ? true : undefined;
}

function ofAlternatives(value: JsonValue, located: Located, node: SchemaNode, walk: Walk): Verdict {
  const under = (keyword: string): Verdict[] =>
    childrenOf(located, keyword).map(([, part]) => evaluate(value, part, walk));
  const verdicts: Verdict[] = under('allOf');
  if (node.anyOf !== undefined) verdicts.push(between(under('anyOf'), 1, Number.POSITIVE_INFINITY));
  if (node.oneOf !== undefined) verdicts.push(between(under('oneOf'), 1, 1));
  if (node.not !== undefined) verdicts.push(opposite(evaluate(value, childOf(located, 'not'), walk)));
  if (node.if !== undefined) {
    const condition = evaluate(value, childOf(located, 'if'), walk);
    const [met, unmet] = ['then', 'else'].map((keyword) => evaluate(value, childOf(located, keyword), walk));
    if (condition === undefined) verdicts.push(met === unmet ? met : undefined);
    else verdicts.push(condition ? met : unmet);
  }
  return all(verdicts);
}

function ofNumber(value: number, node: SchemaNode): Verdict {
  const { lower, upper } = limitsOf(node);
  const verdicts: Verdict[] = [typeof node.format === 'string' ? undefined : true];
  if (lower !== undefined) verdicts.push(lower.exclusive ? value > lower.value : value >= lower.value);
  if (upper !== undefined) verdicts.push(upper.exclusive ? value < upper.value : value <= upper.value);
  if (typeof node.multipleOf === 'number') verdicts.push(isMultiple(value, node.multipleOf));
  return all(verdicts);
}

function ofString(value: string, node: SchemaNode): Verdict {
  const unknown = ['format', 'contentEncoding', 'contentMediaType'].some((keyword) => node[keyword] !== undefined);
  return all([
    unknown ? undefined : true,
    withinSize(Array.from(value).length, node.minLength, node.maxLength),
    typeof node.pattern === 'string' ? matches(node.pattern, value) : true,
  ]);
}

function withinSize(size: number, min: JsonValue | undefined, max: JsonValue | undefined): boolean {
  return (typeof min !== 'number' || size >= min) && (typeof max !== 'number' || size <= max);
}

const expressions = new Map<string, RegExp | undefined>();

/** Whether a pattern of JSON Schema is found in a text; undefined where the pattern is none. */
export function matches(pattern: string, text: string): Verdict {
  if (!expressions.has(pattern)) {
    if (expressions.size > 1000) expressions.clear();
    expressions.set(pattern, expressionOf(pattern));
  }
  return expressions.get(pattern)?.test(text);
}

function expressionOf(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return undefined;
  }
}

function ofArray(items: readonly JsonValue[], located: Located, node: SchemaNode): Verdict {
  const group = itemGroup(located);
  const verdicts: Verdict[] = [withinSize(items.length, node.minItems, node.maxItems)];
  for (const [index, item] of items.entries()) {
    const schema = group?.prefix[index] ?? group?.rest;
    if (schema !== undefined) verdicts.push(evaluate(item, schema));
  }
  if (node.uniqueItems === true) {
    verdicts.push(items.every((item, index) => items.slice(0, index).every((other) => !sameJson(item, other))));
  }
  const containing = containingOf(located, node);
  if (containing !== undefined) {
    const found = items.map((item) => evaluate(item, containing.schema));
    verdicts.push(between(found, containing.min, containing.max));
  }
  return all(verdicts);
}

function ofObject(value: SchemaNode, located: Located, node: SchemaNode, walk: Walk): Verdict {
  const names = Object.keys(value);
  const group = propertyGroup(located);
  const verdicts: Verdict[] = [
    withinSize(names.length, node.minProperties, node.maxProperties),
    namesIn(node.required).every((name) => Object.hasOwn(value, name)),
  ];
  for (const name of names) {
    const member = value[name] ?? null;
    if (node.propertyNames !== undefined) verdicts.push(evaluate(name, childOf(located, 'propertyNames')));
    if (group === undefined) continue;
    const own = group.properties.get(name);
    const found = [...group.patterns].map(([pattern, schema]) => [matches(pattern, name), schema] as const);
    if (own !== undefined) verdicts.push(evaluate(member, own));
    for (const [match, schema] of found) {
      const verdict = evaluate(member, schema);
      if (match !== false && verdict !== true) verdicts.push(match === true ? verdict : undefined);
    }
    if (group.additional === undefined || own !== undefined || found.some(([match]) => match === true)) continue;
    const verdict = evaluate(member, group.additional);
    verdicts.push(verdict === true || found.every(([match]) => match === false) ? verdict : undefined);
  }
  for (const keyword of ['dependencies', 'dependentRequired', 'dependentSchemas']) {
    for (const [name, dependent] of childrenOf(located, keyword)) {
      if (!Object.hasOwn(value, name)) continue;
      if (Array.isArray(dependent.node))
        verdicts.push(namesIn(dependent.node).every((other) => Object.hasOwn(value, other)));
      else verdicts.push(evaluate(value, dependent, walk));
    }
  }
  return all(verdicts);
}
