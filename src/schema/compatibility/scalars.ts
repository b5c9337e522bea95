import { sameJson } from '../../event/json.ts';
import { isMultiple } from './decimal.ts';
import { madeUp } from './document.ts';
import { gap, textOf } from './gap.ts';
import type { Gap, KeywordRule, Question } from './gap.ts';
import { KINDS, MARKS, kindsOf, limitsOf, tighter, valuesOf } from './keywords.ts';
import type { Kind, Limit } from './keywords.ts';
import { and } from './shape.ts';
import type { Shape } from './shape.ts';

const WORDS: Readonly<Record<Kind, string>> = {
  null: 'null',
  boolean: 'booleans',
  integer: 'whole numbers',
  fraction: 'numbers that are not whole',
  string: 'strings',
  array: 'arrays',
  object: 'objects',
};

const types: KeywordRule = {
  keywords: ['type'],
  gaps(question) {
    const allowed = kindsOf(question.node.type) ?? new Set(KINDS);
    const refused = [...question.shape.kinds].filter(
      (kind) => !allowed.has(kind) && !question.prover.isEmpty(and(question.whole, ofKind(kind))),
    );
    if (refused.length === 0) return [];
    const words = wordsOf(refused);
    return [
      gap(question, {
        difference: 'type',
        keyword: 'type',
        written: ['type', 'enum', 'const'],
        reason: `{writer} allows ${words} here, and {reader} refuses them`,
      }),
    ];
  },
};

function wordsOf(kinds: readonly Kind[]): string {
  if (kinds.length > 4) return 'values of any other type';
  const areAllNumbers = kinds.includes('integer') && kinds.includes('fraction');
  const words = kinds.filter((kind) => kind !== 'fraction' || !areAllNumbers);
  return words.map((kind) => (kind === 'integer' && areAllNumbers ? 'numbers' : WORDS[kind])).join(', ');
}

export function ofKind(kind: Kind): ReturnType<typeof madeUp> {
  return madeUp(kind === 'fraction' ? { type: 'number', not: { type: 'integer' } } : { type: kind });
}

const values: KeywordRule = {
  keywords: ['enum', 'const'],
  gaps(question) {
    const { shape, node } = question;
    const lists = valuesOf(node);
    if (lists.length === 0) return [];
    const keyword = node.const === undefined ? 'enum' : 'const';
    const written = ['enum', 'const', 'type'];
    if (shape.values === undefined) {
      const reason = `{writer} allows values other than the ones that {reader} lists`;
      return [gap(question, { difference: 'restricted', keyword, written, reason })];
    }
    const refused = shape.values.filter(
      (value) => !lists.every((list) => list.some((other) => sameJson(value, other))),
    );
    if (refused.length === 0) return [];
    const reason = `{reader} does not list ${refused
      .slice(0, 5)
      .map((value) => textOf(value, 40))
      .join(', ')}${refused.length > 5 ? ` and ${refused.length - 5} more` : ''}, which {writer} allows`;
    return [gap(question, { difference: 'values', keyword, written, reason })];
  },
};

const limits: KeywordRule = {
  keywords: ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum'],
  gaps(question) {
    const { shape, node } = question;
    if (!hasNumbers(shape)) return [];
    const { lower, upper } = limitsOf(node);
    const gaps: Gap[] = [];
    if (lower !== undefined && !isWithin(shape, shape.lower, lower, 1)) {
      const keyword = typeof node.exclusiveMinimum === 'number' && lower.exclusive ? 'exclusiveMinimum' : 'minimum';
      const reason = `{writer} allows ${rangeText(shape.lower, 1)}, and {reader} only ${rangeText(lower, 1)}`;
      gaps.push(gap(question, { difference: 'bound', keyword, written: ['minimum', 'exclusiveMinimum'], reason }));
    }
    if (upper !== undefined && !isWithin(shape, shape.upper, upper, -1)) {
      const keyword = typeof node.exclusiveMaximum === 'number' && upper.exclusive ? 'exclusiveMaximum' : 'maximum';
      const reason = `{writer} allows ${rangeText(shape.upper, -1)}, and {reader} only ${rangeText(upper, -1)}`;
      gaps.push(gap(question, { difference: 'bound', keyword, written: ['maximum', 'exclusiveMaximum'], reason }));
    }
    return gaps;
  },
};

function rangeText(limit: Limit | undefined, sign: 1 | -1): string {
  if (limit === undefined) return `numbers of any size`;
  if (limit.exclusive) return `numbers ${sign === 1 ? 'above' : 'below'} ${limit.value}`;
  return sign === 1 ? `numbers from ${limit.value} on` : `numbers up to ${limit.value}`;
}

function hasNumbers({ kinds }: Shape): boolean {
  return kinds.has('integer') || kinds.has('fraction');
}

function isWithin({ kinds }: Shape, written: Limit | undefined, read: Limit, sign: 1 | -1): boolean {
  if (written === undefined) return false;
  if (kinds.has('fraction')) return !tighter(read, written, sign);
  return !tighter(whole(read, sign), whole(written, sign), sign);
}

/** The outermost whole number within a limit. */
function whole({ value, exclusive }: Limit, sign: 1 | -1): Limit {
  const nearest = sign === 1 ? Math.ceil(value) : Math.floor(value);
  // Beyond the safe integers the next one is not to be had by adding.
  if (!Number.isSafeInteger(nearest + sign)) return { value, exclusive };
  return { value: exclusive && nearest === value ? nearest + sign : nearest, exclusive: false };
}

const multiples: KeywordRule = {
  keywords: ['multipleOf'],
  gaps(question) {
    const { shape, node } = question;
    const of = node.multipleOf;
    if (typeof of !== 'number' || !hasNumbers(shape)) return [];
    if (shape.multiples.some((multiple) => isMultiple(multiple, of))) return [];
    if (!shape.kinds.has('fraction') && isMultiple(1, of)) return [];
    const reason = `{writer} allows numbers that are not multiples of ${of}, and {reader} refuses them`;
    return [gap(question, { difference: 'multiple', keyword: 'multipleOf', reason })];
  },
};

const SIZES = [
  ['minLength', 'string', 'strings that are too short'],
  ['maxLength', 'string', 'strings that are too long'],
  ['minItems', 'array', 'arrays that are too short'],
  ['maxItems', 'array', 'arrays that are too long'],
  ['minProperties', 'object', 'objects with too few properties'],
  ['maxProperties', 'object', 'objects with too many properties'],
] as const;

export type SizeKeyword = (typeof SIZES)[number][0];

/** Bounds of lengths; `sizeOf` knows what follows for them from other keywords. */
export function sizes(sizeOf: (question: Question, keyword: SizeKeyword) => number | undefined): KeywordRule[] {
  return SIZES.map(([keyword, kind, things]) => ({
    keywords: [keyword],
    gaps(question) {
      const read = question.node[keyword];
      if (typeof read !== 'number' || !question.shape.kinds.has(kind)) return [];
      const written = sizeOf(question, keyword);
      if (keyword.startsWith('min') ? read <= (written ?? 0) : written !== undefined && written <= read) return [];
      return [gap(question, { difference: 'bound', keyword, reason: `{writer} allows ${things} for {reader}` })];
    },
  }));
}

const marks = MARKS.map((keyword): KeywordRule => ({
  keywords: [keyword],
  gaps(question) {
    const { shape, node } = question;
    const mark = node[keyword];
    const concerns = shape.kinds.has('string') || (keyword === 'format' && hasNumbers(shape));
    if (typeof mark !== 'string' || !concerns || shape.marks.has(`${keyword} ${mark}`)) return [];
    const reason = `{writer} does not demand the ${keyword} ${textOf(mark)}, and {reader} does; what two such rules have in common is not looked into`;
    return [gap(question, { difference: keyword, keyword, reason })];
  },
}));

export const SCALAR_RULES: readonly KeywordRule[] = [types, values, limits, multiples, ...marks];
