import { childOf, isNode } from './document.ts';
import type { Located } from './document.ts';
import { gap } from './gap.ts';
import type { Gap, KeywordRule, Question } from './gap.ts';
import { containingOf, itemGroup } from './keywords.ts';
import type { Containing } from './keywords.ts';
import { itemOf, namedPlaces, sizeOf } from './members.ts';
import { conjunction } from './shape.ts';

const items: KeywordRule = {
  keywords: ['items', 'additionalItems', 'prefixItems'],
  gaps(question) {
    const { shape, target, prover } = question;
    const group = itemGroup(target);
    if (group === undefined || !shape.kinds.has('array')) return [];
    const most = sizeOf(question, 'maxItems') ?? Number.POSITIVE_INFINITY;
    const named = Math.max(namedPlaces(shape), group.prefix.length);
    const gaps: Gap[] = [];
    for (let index = 0; index <= named && index < most; index += 1) {
      // The place behind all named ones stands for every other.
      const step = index === named ? '[]' : `[${index}]`;
      const rule = group.prefix[index] ?? group.rest;
      if (rule === undefined) continue;
      const found = prover.below([step], conjunction(itemOf(shape, index)), rule);
      if (found.length > 0 && rule.node === false) return [...gaps, tooMany(question, step, itemOf(shape, index))];
      gaps.push(...found);
    }
    return gaps;
  },
};

function tooMany(question: Question, step: string, written: readonly Located[]): Gap {
  const keyword = isNode(question.node) && Array.isArray(question.node.items) ? 'additionalItems' : 'items';
  const reason = `{writer} allows an item here, and {reader} allows none`;
  const own = written.find(({ document }) => document === question.prover.writer);
  return {
    ...gap(question, { difference: 'items', keyword, reason, written: own ?? [] }),
    place: question.prover.whole.behind(step),
  };
}

const contains: KeywordRule = {
  keywords: ['contains', 'minContains', 'maxContains'],
  gaps(question) {
    const wanted = containingOf(question.target, question.node);
    if (wanted === undefined || !question.shape.kinds.has('array')) return [];
    const gaps: Gap[] = [];
    if (!hasEnough(question, wanted)) {
      const reason = `{writer} allows arrays without the item that {reader} demands`;
      gaps.push(gap(question, { difference: 'contains', keyword: 'contains', reason }));
    }
    if (!hasFewEnough(question, wanted)) {
      const reason = `{writer} allows more of these items than {reader}`;
      gaps.push(
        gap(question, { difference: 'contains', keyword: 'maxContains', reason, written: ['maxContains', 'contains'] }),
      );
    }
    return gaps;
  },
};

function hasEnough(question: Question, { schema, min }: Containing): boolean {
  const { shape, prover } = question;
  if (min <= 0) return true;
  const fits = (other: Containing): boolean =>
    other.min >= min && prover.showsBelow(conjunction([other.schema]), schema);
  if (shape.containing.some(fits)) return true;
  const least = sizeOf(question, 'minItems') ?? 0;
  if (least < min) return false;
  const named = Math.min(namedPlaces(shape), least);
  let certain = prover.showsBelow(conjunction(itemOf(shape, namedPlaces(shape))), schema) ? least - named : 0;
  for (let index = 0; index < named && certain < min; index += 1) {
    if (prover.showsBelow(conjunction(itemOf(shape, index)), schema)) certain += 1;
  }
  return certain >= min;
}

function hasFewEnough(question: Question, { schema, max }: Containing): boolean {
  const { shape, prover } = question;
  if (max === Number.POSITIVE_INFINITY) return true;
  if ((sizeOf(question, 'maxItems') ?? Number.POSITIVE_INFINITY) <= max) return true;
  return shape.containing.some((other) => other.max <= max && prover.showsBelow(conjunction([schema]), other.schema));
}

const unique: KeywordRule = {
  keywords: ['uniqueItems'],
  gaps(question) {
    const { shape, node } = question;
    if (node.uniqueItems !== true || shape.unique || !shape.kinds.has('array')) return [];
    if ((sizeOf(question, 'maxItems') ?? Number.POSITIVE_INFINITY) <= 1) return [];
    const reason = `{writer} allows equal items, and {reader} refuses them`;
    return [gap(question, { difference: 'unique', keyword: 'uniqueItems', reason })];
  },
};

const unevaluated: KeywordRule = {
  keywords: ['unevaluatedItems'],
  gaps(question) {
    const { node } = childOf(question.target, 'unevaluatedItems');
    if (node === true || !question.shape.kinds.has('array')) return [];
    const reason = `which items count as evaluated in {reader} is not looked into`;
    return [gap(question, { difference: 'unshown', keyword: 'unevaluatedItems', reason })];
  },
};

export const ARRAY_RULES: readonly KeywordRule[] = [items, contains, unique, unevaluated];
