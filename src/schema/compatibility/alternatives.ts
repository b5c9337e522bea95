import { childOf, childrenOf, isNode, madeUp } from './document.ts';
import type { Located } from './document.ts';
import { gap } from './gap.ts';
import type { Gap, KeywordRule, Proving, Question } from './gap.ts';
import { KINDS } from './keywords.ts';
import type { Kind } from './keywords.ts';
import { memberOf } from './members.ts';
import { ofKind } from './scalars.ts';
import { and, conjunction, hasObjectsOnly } from './shape.ts';
import type { Conjunction, Shape } from './shape.ts';

const allOf: KeywordRule = {
  keywords: ['allOf'],
  gaps: ({ whole, target, prover }) => childrenOf(target, 'allOf').flatMap(([, part]) => prover.check(whole, part)),
};

const anyOf: KeywordRule = {
  keywords: ['anyOf'],
  gaps: (question) => ofOneOrMore(question, 'anyOf'),
};

const oneOf: KeywordRule = {
  keywords: ['oneOf'],
  gaps: (question) => ofOneOrMore(question, 'oneOf'),
};

function ofOneOrMore(question: Question, keyword: 'anyOf' | 'oneOf'): readonly Gap[] {
  const { whole, target, prover } = question;
  const of = childrenOf(target, keyword).map(([, alternative]) => alternative);
  const [only] = of;
  if (of.length === 1 && only !== undefined) return prover.check(whole, only);
  const open = uncovered(prover, whole, { of, exactlyOne: keyword === 'oneOf' });
  if (open.length > 0 && prover.isExhausted) {
    const reason = `the alternatives are too many and too intricate to be told apart`;
    return [gap(question, { difference: 'unshown', keyword, written: [keyword, ...WRITTEN], reason })];
  }
  return open.flatMap((part) => ofUncovered({ ...question, whole: part, shape: prover.shapeOf(part) }, keyword, of));
}

const WRITTEN = ['oneOf', 'anyOf'];

function ofUncovered(question: Question, keyword: 'anyOf' | 'oneOf', of: readonly Located[]): readonly Gap[] {
  const { whole, prover } = question;
  const written = [keyword, ...WRITTEN];
  if (keyword === 'oneOf' && uncovered(prover, whole, { of, exactlyOne: false }).length === 0) {
    const reason = `it cannot be ruled out that more than one of the alternatives of {reader} holds, and then it refuses`;
    return [gap(question, { difference: 'overlap', keyword, written, reason })];
  }
  // Where only one alternative has anything in common with the instances, they are meant for it.
  const [meant, ...others] = of.filter((alternative) => !prover.isEmpty(and(whole, alternative)));
  const gaps = meant !== undefined && others.length === 0 ? prover.check(whole, meant) : [];
  if (gaps.length > 0) return gaps;
  const reason = `{writer} allows something that none of the ${of.length} alternatives of {reader} allows`;
  return [gap(question, { difference: 'alternative', keyword, written, reason })];
}

interface Cover {
  readonly of: readonly Located[];
  readonly exactlyOne: boolean;
}

/** More than these say nothing new. */
const MOST_PARTS = 10;

/** Parts of the instances that no alternative is known to hold for. */
function uncovered(prover: Proving, whole: Conjunction, cover: Cover): readonly Conjunction[] {
  if (prover.isEmpty(whole) || isCovered(prover, whole, cover)) return [];
  const parts = split(prover, whole, cover.of);
  if (parts === undefined) return [whole];
  const open: Conjunction[] = [];
  for (const part of parts) {
    open.push(...uncovered(prover, part, cover));
    if (open.length >= MOST_PARTS || (open.length > 0 && prover.isHurried)) break;
  }
  return open;
}

function isCovered(prover: Proving, whole: Conjunction, { of, exactlyOne }: Cover): boolean {
  return of.some((alternative) => {
    if (!prover.shows(whole, alternative)) return false;
    return !exactlyOne || of.every((other) => other === alternative || prover.isEmpty(and(whole, other)));
  });
}

/** Instances sorted into several kinds, each of which may find an alternative of its own. */
function split(prover: Proving, whole: Conjunction, of: readonly Located[]): readonly Conjunction[] | undefined {
  const shape = prover.shapeOf(whole);
  return decide(whole, shape) ?? byKind(whole, shape) ?? byValue(whole, shape) ?? byProperty(prover, whole, shape, of);
}

/** Takes the first place where the writer's instances are of several sorts, and says each sort. */
export function decide(whole: Conjunction, { alternatives }: Shape): readonly Conjunction[] | undefined {
  const [first] = alternatives;
  if (first === undefined) return undefined;
  const decided = [...whole.decided, first.id];
  const [condition, met, unmet] = first.of;
  if (first.kind === 'if' && condition !== undefined && met !== undefined && unmet !== undefined) {
    return [
      { ...and(whole, condition, met), decided },
      { ...and(whole, unmet), nots: [...whole.nots, condition], decided },
    ];
  }
  return first.of.map((alternative) => {
    const others = first.kind === 'oneOf' ? first.of.filter((other) => other !== alternative) : [];
    return { ...and(whole, alternative), nots: [...whole.nots, ...others], decided };
  });
}

/** By type, where types are named: an alternative that names none is compared as it is written. */
function byKind(whole: Conjunction, { kinds }: Shape): readonly Conjunction[] | undefined {
  if (kinds.size === KINDS.length) return undefined;
  const isNumeric = (kind: Kind): boolean => kind === 'integer' || kind === 'fraction';
  const others = [...kinds].filter((kind) => !isNumeric(kind));
  const numeric = [...kinds].filter(isNumeric);
  if (others.length === 0 || others.length + Math.min(numeric.length, 1) < 2) return undefined;
  const sorts = others.map(ofKind);
  const [first] = numeric;
  if (first !== undefined) sorts.push(numeric.length === 2 ? madeUp({ type: 'number' }) : ofKind(first));
  return sorts.map((sort) => and(whole, sort));
}

const MOST_SORTS = 50;

function byValue(whole: Conjunction, { values }: Shape): readonly Conjunction[] | undefined {
  if (values === undefined || values.length < 2 || values.length > MOST_SORTS) return undefined;
  return values.map((value) => and(whole, madeUp({ const: value })));
}

/** By the values of a property that tells the reader's alternatives apart. */
function byProperty(
  prover: Proving,
  whole: Conjunction,
  shape: Shape,
  of: readonly Located[],
): readonly Conjunction[] | undefined {
  if (!hasObjectsOnly(shape)) return undefined;
  const names = of.flatMap((alternative) =>
    prover.shapeOf(conjunction([alternative])).groups.flatMap(({ properties }) => [...properties.keys()]),
  );
  for (const name of new Set(names)) {
    const { values } = prover.shapeOf(conjunction(memberOf(shape, prover, name)));
    if (values === undefined || values.length === 0 || values.length > MOST_SORTS) continue;
    const mayLack = !shape.required.has(name);
    if (values.length === 1 && !mayLack) continue;
    const having = values.map((value) =>
      and(whole, madeUp({ properties: { [name]: { const: value } }, required: [name] })),
    );
    return mayLack ? [...having, and(whole, madeUp({ properties: { [name]: false } }))] : having;
  }
  return undefined;
}

const not: KeywordRule = {
  keywords: ['not'],
  gaps(question) {
    const { whole, target, prover } = question;
    if (prover.isEmpty(and(whole, childOf(target, 'not')))) return [];
    const reason = `it cannot be ruled out that {writer} allows what {reader} excludes`;
    return [gap(question, { difference: 'exclusion', keyword: 'not', reason })];
  },
};

/**
 * A condition is compared as written: where both schemas have one, it must be the same question.
 *
 * With another question the same instances may fall on the other side, which is a change of meaning even where, for the values known today, it makes no difference.
 */
const conditional: KeywordRule = {
  keywords: ['if', 'then', 'else'],
  gaps(question) {
    const { whole, shape, target, node, prover } = question;
    if (node.if === undefined || (isTrivial(node.then) && isTrivial(node.else))) return [];
    const condition = childOf(target, 'if');
    const known = shape.sources
      .filter(({ document, node: own }) => document === prover.writer && isNode(own) && own.if !== undefined)
      .map((source) => childOf(source, 'if'));
    if (known.length > 0 && !known.some((other) => isSameQuestion(prover, other, condition))) {
      const reason = `the two conditions are not shown to hold for the same instances`;
      return [gap(question, { difference: 'condition', keyword: 'if', reason })];
    }
    return [
      ...prover.check(and(whole, condition), childOf(target, 'then')),
      ...prover.check({ ...whole, nots: [...whole.nots, condition] }, childOf(target, 'else')),
    ];
  },
};

function isTrivial(node: unknown): boolean {
  return node === undefined || node === true || (typeof node === 'object' && Object.keys(node ?? {}).length === 0);
}

function isSameQuestion(prover: Proving, one: Located, other: Located): boolean {
  return prover.shows(conjunction([one]), other) && prover.shows(conjunction([other]), one);
}

export const ALTERNATIVE_RULES: readonly KeywordRule[] = [allOf, not, conditional];

/** These take the instances apart themselves. */
export const SPLITTING_RULES: readonly KeywordRule[] = [anyOf, oneOf];
