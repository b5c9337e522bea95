import { childOf, childrenOf, isNode, madeUp } from './document.ts';
import type { Located } from './document.ts';
import { matches } from './evaluate.ts';
import { gap } from './gap.ts';
import type { Gap, KeywordRule, Proving, Question } from './gap.ts';
import { namesIn, propertyGroup } from './keywords.ts';
import type { PropertyGroup } from './keywords.ts';
import { closedNames, declaredNames, isClosedByDeclaration, memberOf } from './members.ts';
import { and, conjunction } from './shape.ts';

const properties: KeywordRule = {
  keywords: ['properties', 'patternProperties', 'additionalProperties'],
  gaps(question) {
    const group = propertyGroup(question.target);
    if (group === undefined || !question.shape.kinds.has('object')) return [];
    return [
      ...namedGaps(question, group),
      ...[...group.patterns].flatMap(([pattern, schema]) => ofPattern(question, pattern, schema)),
      ...(group.additional === undefined
        ? []
        : ofUndeclared(question, group.additional, { covered: group.patterns, keyword: 'additionalProperties' })),
    ];
  },
};

/** Properties that one of the two names. */
function namedGaps(question: Question, group: PropertyGroup): Gap[] {
  const { shape, prover } = question;
  const names = new Set([...declaredNames(shape), ...(closedNames(shape, prover) ?? []), ...group.properties.keys()]);
  return [...names].flatMap((name) => {
    const targets = targetsOf(group, name);
    const member = memberOf(shape, prover, name);
    if (targets.length === 0 || prover.isEmpty(conjunction(member))) return [];
    return targets.flatMap((target) => ofMember(question, group, { name, member, target }));
  });
}

function targetsOf(group: PropertyGroup, name: string): Located[] {
  const own = group.properties.get(name);
  const found = [...group.patterns].filter(([pattern]) => matches(pattern, name) !== false);
  const targets = [...(own === undefined ? [] : [own]), ...found.map(([, schema]) => schema)];
  const isCovered = own !== undefined || found.some(([pattern]) => matches(pattern, name) === true);
  if (!isCovered && group.additional !== undefined) targets.push(group.additional);
  return targets;
}

function ofMember(
  question: Question,
  group: PropertyGroup,
  { name, member, target }: { name: string; member: readonly Located[]; target: Located },
): readonly Gap[] {
  const { prover } = question;
  const gaps = prover.below([name], conjunction(member), target);
  if (gaps.length === 0) return [];
  if (target === group.additional && target.node === false) {
    const reason = `{writer} allows this property, and {reader} allows no property that it does not name`;
    const own = member.find(({ document }) => document === prover.writer);
    const found = { difference: 'property', keyword: 'additionalProperties', reason, written: own ?? [] } as const;
    return [{ ...gap(question, found), place: prover.whole.behind(name) }];
  }
  if (member.length > 0) return gaps;
  const reason = `{writer} does not declare this property and, being open, allows anything by that name, and {reader} demands a certain form`;
  const found = gap({ ...question, target }, { difference: 'undeclared', keyword: '', reason, written: [] });
  return [{ ...found, place: prover.whole.behind(name) }];
}

function ofPattern(question: Question, pattern: string, target: Located): readonly Gap[] {
  const same = question.shape.groups.flatMap((group) => group.patterns.get(pattern) ?? []);
  if (same.length > 0) return question.prover.below([`{${pattern}}`], conjunction(same), target);
  return ofUndeclared(question, target, { covered: new Map(), keyword: 'patternProperties' });
}

/** Properties that the writer's schema does not name: those its patterns cover, and all others. */
function ofUndeclared(
  question: Question,
  target: Located,
  { covered, keyword }: { covered: ReadonlyMap<string, unknown>; keyword: string },
): readonly Gap[] {
  const { shape, prover } = question;
  if (target.node === true || target.node === undefined) return [];
  if (finiteNames(shape.names, prover) !== undefined) return [];
  const open = gap(question, {
    difference: target.node === false ? 'closed' : 'undeclared',
    keyword,
    reason:
      target.node === false
        ? `{writer} allows properties that it does not name, and {reader} allows none`
        : `{writer} allows anything for properties that it does not name, and {reader} demands a certain form`,
  });
  const openGap = { ...open, place: prover.whole.behind('*') };
  const perGroup = groupsOf(question).map((group) => {
    const patterns = [...group.patterns].filter(([pattern]) => !covered.has(pattern));
    const gaps = patterns.flatMap(([pattern, schema]) => prover.below([`{${pattern}}`], conjunction([schema]), target));
    if (group.additional === undefined) return [...gaps, openGap];
    return [...gaps, ...prover.below(['*'], conjunction([group.additional]), target)];
  });
  return perGroup.toSorted((left, right) => left.length - right.length)[0] ?? [openGap];
}

/** Where nothing undeclared is written, what the patterns cover is all there is beside the names. */
function groupsOf({ shape, prover }: Question): readonly PropertyGroup[] {
  if (!isClosedByDeclaration(shape, prover)) return shape.groups;
  const patterns = new Map(shape.groups.flatMap((group) => [...group.patterns]));
  return [{ properties: new Map(), patterns, additional: madeUp(false) }];
}

const required: KeywordRule = {
  keywords: ['required'],
  gaps(question) {
    const { shape, node, prover } = question;
    if (!shape.kinds.has('object')) return [];
    const missing = namesIn(node.required).filter((name) => !shape.required.has(name));
    const reason = `{writer} allows objects without this property, and {reader} demands it`;
    return missing.map((name) => ({
      ...gap(question, { difference: 'required', keyword: 'required', reason }),
      place: prover.whole.behind(name),
    }));
  },
};

const names: KeywordRule = {
  keywords: ['propertyNames'],
  gaps(question) {
    const { shape, target, prover } = question;
    if (!shape.kinds.has('object')) return [];
    const rule = childOf(target, 'propertyNames');
    const text = madeUp({ type: 'string' });
    const named = (closedNames(shape, prover) ?? declaredNames(shape)).filter(
      (name) => !prover.isEmpty(conjunction(memberOf(shape, prover, name))),
    );
    const closed = groupsOf(question).find(
      ({ additional }) => additional !== undefined && prover.isEmpty(conjunction([additional])),
    );
    const others = closed === undefined ? [[]] : [...closed.patterns.keys()].map((pattern) => [madeUp({ pattern })]);
    const refused = [
      ...named.map((name) => [name, conjunction([madeUp({ const: name })])] as const),
      ...others.map((parts) => ['*', conjunction([text, ...shape.names, ...parts])] as const),
    ].filter(([, whole]) => !prover.showsBelow(whole, rule));
    const reason = `{writer} allows names of properties that {reader} refuses`;
    return refused.map(([place]) => ({
      ...gap(question, { difference: 'names', keyword: 'propertyNames', reason }),
      place: prover.whole.behind(place),
    }));
  },
};

function finiteNames(schemas: readonly Located[], prover: Proving): readonly unknown[] | undefined {
  return schemas.length === 0 ? undefined : prover.shapeOf(conjunction(schemas)).values;
}

const dependencies: KeywordRule = {
  keywords: ['dependencies', 'dependentRequired', 'dependentSchemas'],
  gaps(question) {
    return this.keywords.flatMap((keyword) =>
      childrenOf(question.target, keyword).flatMap(([name, dependent]) =>
        ofDependent(question, keyword, name, dependent),
      ),
    );
  },
};

function ofDependent(question: Question, keyword: string, name: string, dependent: Located): readonly Gap[] {
  const { prover, shape } = question;
  if (!shape.kinds.has('object')) return [];
  const whole = and(question.whole, madeUp({ type: 'object', required: [name] }));
  if (prover.isEmpty(whole)) return [];
  if (!Array.isArray(dependent.node)) return prover.check(whole, dependent);
  const present = prover.shapeOf(whole).required;
  const missing = namesIn(dependent.node).filter((other) => !present.has(other));
  return missing.map((other) => ({
    ...gap(question, {
      difference: 'dependency',
      keyword,
      reason: `{writer} allows ${name} without ${other}, and {reader} demands both`,
    }),
    place: prover.whole.behind(other),
  }));
}

const IN_PLACE = '$ref allOf anyOf oneOf if dependentSchemas dependencies not additionalProperties $dynamicRef'.split(
  ' ',
);

const unevaluated: KeywordRule = {
  keywords: ['unevaluatedProperties'],
  gaps(question) {
    const { node, target, shape } = question;
    if (!shape.kinds.has('object')) return [];
    const rule = childOf(target, 'unevaluatedProperties');
    if (rule.node === true || (isNode(rule.node) && Object.keys(rule.node).length === 0)) return [];
    if (IN_PLACE.some((keyword) => node[keyword] !== undefined)) {
      const reason = `which properties count as evaluated in {reader} is not looked into`;
      return [gap(question, { difference: 'unshown', keyword: 'unevaluatedProperties', reason })];
    }
    // With nothing beside it that evaluates, it says what additionalProperties says.
    const additional = { ...node, additionalProperties: node.unevaluatedProperties ?? true };
    return properties.gaps({ ...question, node: additional, target: { ...target, node: additional } });
  },
};

export const OBJECT_RULES: readonly KeywordRule[] = [properties, required, names, dependencies, unevaluated];
