import { ALTERNATIVE_RULES, SPLITTING_RULES, decide } from './alternatives.ts';
import { ARRAY_RULES } from './arrays.ts';
import { followed, identityOf, isNode, sameMeaning } from './document.ts';
import type { Located, SchemaDocument } from './document.ts';
import { evaluate } from './evaluate.ts';
import { gap, sayingOf, unique, withoutSafeBounds } from './gap.ts';
import type { Gap, KeywordRule, Proving, Question } from './gap.ts';
import { areCrossed, kindOf, kindsOf, valuesOf } from './keywords.ts';
import type { Kind } from './keywords.ts';
import { memberOf, sizeOf } from './members.ts';
import { OBJECT_RULES } from './objects.ts';
import { SCALAR_RULES, ofKind, sizes } from './scalars.ts';
import { and, conjunction, keyOf, shapeOf } from './shape.ts';
import type { Conjunction, Shape } from './shape.ts';

const RULES: readonly KeywordRule[] = [
  ...SCALAR_RULES,
  ...sizes(sizeOf),
  ...OBJECT_RULES,
  ...ARRAY_RULES,
  ...ALTERNATIVE_RULES,
];

/** Questions asked in one comparison, after which the rest counts as not shown. One event of GitHub's, with all it refers to, takes some hundreds. */
const MOST_QUESTIONS = 20_000;

interface UnderWay {
  readonly depth: number;
  readonly order: number;
}

/**
 * Shows that whatever one schema allows is valid under another one, or says where it may not be.
 *
 * 1. No gaps means shown: every instance of `whole` is valid under `target`. A gap may be a failure to show.
 * 2. A question that comes up again below itself, of a part of the instance, counts as answered: instances are finite, so that is induction over
 *    their size. One that comes up again of the same instance is a circle and shows nothing.
 * 3. An answer is kept only if it rests on no question that is still under way.
 */
export class Prover implements Proving {
  readonly writer: SchemaDocument;
  readonly undeclared: 'possible' | 'absent';
  readonly #shapes = new Map<string, Shape>();
  readonly #answers = new Map<string, readonly Gap[]>();
  /** Of questions that were asked only whether they hold. */
  readonly #firstGaps = new Map<string, readonly Gap[]>();
  readonly #underWay = new Map<string, UnderWay>();
  readonly #emptiness = new Map<string, boolean | 'under way'>();
  #depth = 0;
  isHurried = false;
  #questions = 0;
  /** The earliest question under way that the present answer rests on. */
  #restsOn = Number.POSITIVE_INFINITY;

  constructor(writer: SchemaDocument, undeclared: 'possible' | 'absent') {
    this.writer = writer;
    this.undeclared = undeclared;
  }

  check(given: Conjunction, asked: Located): readonly Gap[] {
    const whole = { ...given, parts: given.parts.map(followed) };
    const target = followed(asked);
    const { node } = target;
    if (node !== false && !isNode(node)) return [];
    if (whole.parts.some((part) => sameMeaning(part, target))) return [];
    const key = `${keyOf(whole)} | ${identityOf(target)}`;
    const known = this.#answers.get(key) ?? (this.isHurried ? this.#firstGaps.get(key) : undefined);
    if (known !== undefined) return known;
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) {
      if (underWay.depth === this.#depth)
        return [this.#unshown(whole, target, 'the schemas refer to themselves in a circle')];
      this.#restsOn = Math.min(this.#restsOn, underWay.order);
      return [];
    }
    this.#questions += 1;
    if (this.isExhausted)
      return [this.#unshown(whole, target, `the schemas are too intricate: more than ${MOST_QUESTIONS} questions`)];
    return this.#answer(key, whole, target);
  }

  get isExhausted(): boolean {
    return this.#questions > MOST_QUESTIONS;
  }

  #answer(key: string, whole: Conjunction, target: Located): readonly Gap[] {
    const order = this.#underWay.size;
    const before = this.#restsOn;
    this.#restsOn = Number.POSITIVE_INFINITY;
    this.#underWay.set(key, { depth: this.#depth, order });
    const place = sayingOf(this.shapeOf(whole), this.writer, []);
    const gaps = unique(withoutSafeBounds(this.#ask(whole, target))).map((found) => ({
      ...found,
      written: found.written ?? place,
    }));
    this.#underWay.delete(key);
    if (this.#restsOn >= order) (this.isHurried && gaps.length > 0 ? this.#firstGaps : this.#answers).set(key, gaps);
    this.#restsOn = Math.min(before, this.#restsOn >= order ? Number.POSITIVE_INFINITY : this.#restsOn);
    return gaps;
  }

  #ask(whole: Conjunction, target: Located): readonly Gap[] {
    const shape = this.shapeOf(whole);
    if (shape.sources.some((source) => sameMeaning(source, target))) return [];
    const contradicting = this.#asWritten(whole, target);
    if (contradicting !== undefined) return contradicting;
    if (this.isEmpty(whole)) return [];
    const { node } = target;
    if (!isNode(node)) {
      const reason = `{writer} allows a value here, and {reader} allows none`;
      return [gap({ shape, target, prover: this }, { difference: 'forbidden', keyword: '', reason, written: [] })];
    }
    const gaps: Gap[] = [];
    if (typeof node.$ref === 'string') {
      gaps.push(...this.#ofReference(whole, target, node.$ref));
      if (target.document.earlyDraft) return gaps;
    }
    if (node.$dynamicRef !== undefined || node.$recursiveRef !== undefined)
      gaps.push(this.#unshown(whole, target, 'dynamic references are not followed'));
    if (shape.values?.every((value) => evaluate(value, target) === true)) return gaps;
    const question: Question = { whole, shape, target, node, prover: this };
    for (const rule of RULES) {
      if (this.isHurried && gaps.length > 0) return gaps;
      gaps.push(...this.#gapsOf(rule, question));
    }
    for (const rule of SPLITTING_RULES) {
      if (rule.keywords.some((keyword) => node[keyword] !== undefined)) gaps.push(...rule.gaps(question));
    }
    return gaps;
  }

  /** What cannot be shown of all instances at once may be shown of each sort of them. */
  #gapsOf(rule: KeywordRule, question: Question): readonly Gap[] {
    const { node, shape, target, whole } = question;
    if (!rule.keywords.some((keyword) => node[keyword] !== undefined)) return [];
    if (shape.values !== undefined && isFoundValid(rule, shape.values, target, node)) return [];
    const gaps = rule.gaps(question);
    if (gaps.length === 0) return gaps;
    const sorts = decide(whole, shape)?.filter((sort) => !this.isEmpty(sort));
    if (sorts === undefined) return gaps;
    const found = sorts.map((sort) => this.#gapsOf(rule, { ...question, whole: sort, shape: this.shapeOf(sort) }));
    // What is wrong with every sort in the same way has nothing to do with them.
    return found.every((other) => other.length === gaps.length) ? gaps : unique(found.flat());
  }

  #ofReference(whole: Conjunction, target: Located, reference: string): readonly Gap[] {
    const referred = target.document.resolve(target, reference);
    if (referred !== undefined) return this.check(whole, referred);
    return [this.#unshown(whole, target, `${reference} refers to something outside of the schema`)];
  }

  #unshown(whole: Conjunction, target: Located, reason: string): Gap {
    return gap(
      { shape: this.shapeOf(whole), target, prover: this },
      {
        difference: 'unshown',
        keyword: isNode(target.node) && target.node.$ref !== undefined ? '$ref' : '',
        reason,
        written: [],
      },
    );
  }

  /** A schema that lists values which its own type forbids allows nothing, by mistake: what it lists is compared as it is written. */
  #asWritten({ parts, nots }: Conjunction, target: Located): readonly Gap[] | undefined {
    const [only, ...others] = parts;
    if (only === undefined || others.length + nots.length > 0 || !isNode(only.node) || !isNode(target.node))
      return undefined;
    const kinds = kindsOf(only.node.type);
    const values = valuesOf(only.node).flat();
    if (kinds === undefined || values.length === 0 || values.some((value) => kinds.has(kindOf(value))))
      return undefined;
    const question: Question = {
      whole: { parts, nots, decided: [] },
      shape: { ...this.shapeOf({ parts, nots, decided: [] }), values },
      target,
      node: target.node,
      prover: this,
    };
    return RULES.filter(({ keywords }) => keywords.includes('enum')).flatMap((rule) => rule.gaps(question));
  }

  shows(whole: Conjunction, target: Located): boolean {
    const before = this.isHurried;
    this.isHurried = true;
    const gaps = this.check(whole, target);
    this.isHurried = before;
    return gaps.length === 0;
  }

  showsBelow(whole: Conjunction, target: Located): boolean {
    this.#depth += 1;
    const shown = this.shows(whole, target);
    this.#depth -= 1;
    return shown;
  }

  below(steps: readonly string[], whole: Conjunction, target: Located): readonly Gap[] {
    this.#depth += 1;
    const gaps = this.check(whole, target);
    this.#depth -= 1;
    return gaps.map((found) => ({ ...found, place: [...steps, ...found.place] }));
  }

  shapeOf(whole: Conjunction): Shape {
    const key = keyOf(whole);
    let shape = this.#shapes.get(key);
    if (shape === undefined) {
      shape = shapeOf(whole);
      this.#shapes.set(key, shape);
    }
    return shape;
  }

  /** Whether nothing at all is valid; `false` where that is not shown. */
  isEmpty(whole: Conjunction): boolean {
    if (whole.parts.length === 0 && whole.nots.length === 0) return false;
    const key = keyOf(whole);
    const known = this.#emptiness.get(key);
    if (known !== undefined) return known === true;
    this.#emptiness.set(key, 'under way');
    const before = this.#restsOn;
    this.#restsOn = Number.POSITIVE_INFINITY;
    const isEmpty = this.#hasNoSort(whole);
    if (isEmpty && this.#restsOn < Number.POSITIVE_INFINITY) this.#emptiness.delete(key);
    else this.#emptiness.set(key, isEmpty);
    this.#restsOn = Math.min(before, this.#restsOn);
    return isEmpty;
  }

  #hasNoSort(whole: Conjunction): boolean {
    const shape = this.shapeOf(whole);
    if (shape.kinds.size === 0) return true;
    if (shape.values !== undefined) return shape.values.length === 0;
    if ([...shape.kinds].every((kind) => this.#isImpossible(whole, shape, kind))) return true;
    if (shape.nots.some((excluded) => this.shows(whole, excluded))) return true;
    const sorts = decide(whole, shape);
    if (sorts !== undefined) return sorts.every((sort) => this.isEmpty(sort));
    // An exclusion may take away one kind, and limits another one.
    if (shape.nots.length === 0 || shape.kinds.size === 1) return false;
    return [...shape.kinds].every((kind) => this.isEmpty(and(whole, ofKind(kind))));
  }

  #isImpossible(whole: Conjunction, shape: Shape, kind: Kind): boolean {
    const size = (keyword: Parameters<typeof sizeOf>[1]): number | undefined =>
      sizeOf(
        {
          whole,
          shape,
          target: { document: this.writer, pointer: '', node: true, resource: '' },
          node: {},
          prover: this,
        },
        keyword,
      );
    const isCrossed = (min: number | undefined, max: number | undefined): boolean =>
      max !== undefined && (min ?? 0) > max;
    switch (kind) {
      case 'null':
      case 'boolean':
        return false;
      case 'integer':
      case 'fraction':
        return areCrossed(shape.lower, shape.upper);
      case 'string':
        return isCrossed(size('minLength'), size('maxLength'));
      case 'array':
        return isCrossed(size('minItems'), size('maxItems'));
      case 'object':
        if (isCrossed(size('minProperties'), size('maxProperties'))) return true;
        return [...shape.required].some((name) => this.isEmpty(conjunction(memberOf(shape, this, name))));
    }
  }
}

/** Whether values that are known one by one are seen to be valid under the keywords of a rule. */
function isFoundValid(
  { keywords }: KeywordRule,
  values: NonNullable<Shape['values']>,
  target: Located,
  node: Question['node'],
): boolean {
  const own = Object.fromEntries(Object.entries(node).filter(([keyword]) => keywords.includes(keyword)));
  return values.every((value) => evaluate(value, { ...target, node: own }) === true);
}
