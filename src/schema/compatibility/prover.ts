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
import { Place } from './place.ts';
import { FEW_WITHIN, MOST_WITHIN, TooDeep } from './nesting.ts';
import type { Asked, Provisional } from './nesting.ts';
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
 * 3. An answer is kept for ever only if it rests on no question that is still under way. One that does is kept while all that it rests on are, and is
 *    used only as deep in the instance as it was found or deeper: so what it takes as answered is of a part of the instance there, too.
 * 4. However deep questions are within each other, the stack is not: one that is too deep is answered by itself, and then all is asked again.
 */
export class Prover implements Proving {
  readonly writer: SchemaDocument;
  readonly undeclared: 'possible' | 'absent';
  readonly whole = Place.ofWhole();
  readonly #shapes = new Map<string, Shape>();
  readonly #answers = new Map<string, readonly Gap[]>();
  /** Of questions that were asked only whether they hold. */
  readonly #firstGaps = new Map<string, readonly Gap[]>();
  readonly #underWay = new Map<string, UnderWay>();
  readonly #emptiness = new Map<string, boolean | 'under way'>();
  readonly #provisional = new Map<string, Provisional>();
  /** Keys of provisional answers by the latest question that they rest on. */
  readonly #untilEnd = new Map<number, string[]>();
  #depth = 0;
  #within = 0;
  #mostWithin = FEW_WITHIN;
  isHurried = false;
  #questions = 0;
  /** The earliest question under way that the present answer rests on. */
  #restsOn = Number.POSITIVE_INFINITY;
  /** And the latest; -1: it rests on none. */
  #restsUpTo = -1;

  constructor(writer: SchemaDocument, undeclared: 'possible' | 'absent') {
    this.writer = writer;
    this.undeclared = undeclared;
  }

  check(given: Conjunction, to: Located): readonly Gap[] {
    const whole = { ...given, parts: given.parts.map(followed) };
    const target = followed(to);
    const { node } = target;
    if (node !== false && !isNode(node)) return [];
    if (whole.parts.some((part) => sameMeaning(part, target))) return [];
    const key = `${keyOf(whole)} | ${identityOf(target)}`;
    const known = this.#answers.get(key) ?? (this.isHurried ? this.#firstGaps.get(key) : undefined);
    if (known !== undefined) return known;
    const provisional = this.#provisional.get(key);
    if (
      provisional !== undefined &&
      this.#depth >= provisional.depth &&
      (provisional.gaps.length === 0 || this.isHurried || !provisional.isHurried)
    ) {
      this.#restOn(provisional.restsOn, provisional.restsUpTo);
      return provisional.gaps;
    }
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) {
      if (underWay.depth === this.#depth)
        return [this.#unshown(whole, target, 'the schemas refer to themselves in a circle')];
      this.#restOn(underWay.order, underWay.order);
      return [];
    }
    this.#questions += 1;
    if (this.isExhausted)
      return [this.#unshown(whole, target, `the schemas are too intricate: more than ${MOST_QUESTIONS} questions`)];
    const asked: Asked = { key, whole, target, isHurried: this.isHurried };
    if (this.#within === 0) return this.#askInTurn(asked);
    return this.#askWithin(asked, () => this.#answer(key, whole, target));
  }

  #restOn(earliest: number, latest: number): void {
    this.#restsOn = Math.min(this.#restsOn, earliest);
    this.#restsUpTo = Math.max(this.#restsUpTo, latest);
  }

  /** Asks what is too deep within a question before the question itself. */
  #askInTurn(first: Asked): readonly Gap[] {
    const waiting = [first];
    for (;;) {
      const asked = waiting.at(-1) ?? first;
      this.isHurried = asked.isHurried;
      try {
        const { key, whole, target } = asked;
        const gaps = this.#askWithin(asked, () => {
          if (target !== undefined) return this.#answer(key, whole, target);
          this.#findEmpty(keyOf(whole), whole);
          return [];
        });
        waiting.pop();
        if (waiting.length === 0) return gaps;
      } catch (error) {
        if (!(error instanceof TooDeep)) throw error;
        this.#beginAnew();
        const isCircle = waiting.some(
          ({ key, isHurried }) => key === error.asked.key && isHurried === error.asked.isHurried,
        );
        if (!isCircle) waiting.push(error.asked);
        else if (this.#mostWithin < MOST_WITHIN) this.#mostWithin *= 2;
        // What is left counts as not shown.
        else this.#questions = Number.POSITIVE_INFINITY;
      }
    }
  }

  #askWithin<Answer>(asked: Asked, answer: () => Answer): Answer {
    if (this.#within >= this.#mostWithin && !this.isExhausted) throw new TooDeep(asked);
    this.#within += 1;
    const found = answer();
    this.#within -= 1;
    return found;
  }

  /** Nothing is under way any more; what was found stays. */
  #beginAnew(): void {
    this.#within = 0;
    this.#depth = 0;
    this.#restsOn = Number.POSITIVE_INFINITY;
    this.#restsUpTo = -1;
    this.#underWay.clear();
    this.#provisional.clear();
    this.#untilEnd.clear();
    for (const [key, known] of this.#emptiness) if (known === 'under way') this.#emptiness.delete(key);
  }

  get isExhausted(): boolean {
    return this.#questions > MOST_QUESTIONS;
  }

  #answer(key: string, whole: Conjunction, target: Located): readonly Gap[] {
    const order = this.#underWay.size;
    const before = [this.#restsOn, this.#restsUpTo] as const;
    this.#restsOn = Number.POSITIVE_INFINITY;
    this.#restsUpTo = -1;
    this.#underWay.set(key, { depth: this.#depth, order });
    const place = sayingOf(this.shapeOf(whole), this.writer, []);
    const gaps = unique(withoutSafeBounds(this.#ask(whole, target))).map((found) => ({
      ...found,
      written: found.written ?? place,
    }));
    this.#underWay.delete(key);
    for (const ended of this.#untilEnd.get(order) ?? []) this.#provisional.delete(ended);
    this.#untilEnd.delete(order);
    if (this.#restsOn >= order) {
      (this.isHurried && gaps.length > 0 ? this.#firstGaps : this.#answers).set(key, gaps);
      [this.#restsOn, this.#restsUpTo] = before;
      return gaps;
    }
    // That it rested on itself, too, is settled: what rests on earlier ones alone is left.
    this.#keepProvisionally(key, gaps, Math.min(this.#restsUpTo, order - 1));
    this.#restOn(...before);
    return gaps;
  }

  #keepProvisionally(key: string, gaps: readonly Gap[], restsUpTo: number): void {
    this.#restsUpTo = restsUpTo;
    const { isHurried } = this;
    this.#provisional.set(key, { gaps, depth: this.#depth, isHurried, restsOn: this.#restsOn, restsUpTo });
    const keys = this.#untilEnd.get(restsUpTo);
    if (keys === undefined) this.#untilEnd.set(restsUpTo, [key]);
    else keys.push(key);
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
    return gaps.map((found) => ({
      ...found,
      place: steps.reduceRight((place, step) => place.behind(step), found.place),
    }));
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
    if (this.isExhausted && this.#within >= this.#mostWithin) return false;
    const isHurried = true;
    if (this.#within === 0) return this.#findEmpty(key, whole);
    return this.#askWithin({ key: `empty: ${key}`, whole, target: undefined, isHurried }, () =>
      this.#findEmpty(key, whole),
    );
  }

  #findEmpty(key: string, whole: Conjunction): boolean {
    this.#emptiness.set(key, 'under way');
    const before = [this.#restsOn, this.#restsUpTo] as const;
    this.#restsOn = Number.POSITIVE_INFINITY;
    this.#restsUpTo = -1;
    const isEmpty = this.#hasNoSort(whole);
    if (isEmpty && this.#restsOn < Number.POSITIVE_INFINITY) this.#emptiness.delete(key);
    else this.#emptiness.set(key, isEmpty);
    this.#restOn(...before);
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
