import type { JsonValue } from '../../event/json.ts';
import { isNode } from './document.ts';
import type { Located, SchemaDocument } from './document.ts';
import type { Difference } from './rules.ts';
import type { Place } from './place.ts';
import type { Conjunction, Shape } from './shape.ts';

/** One side of a difference: where a schema says it, and what it says. */
export interface Saying {
  readonly pointer: string;
  readonly value: JsonValue | undefined;
}

/** Something that the writer's schema allows and the reader's does not, or may not. */
export interface Gap {
  readonly difference: Difference;
  readonly place: Place;
  /** Undefined until the nearest place is known that the writer's schema has. */
  readonly written: Saying | undefined;
  readonly read: Saying;
  /** Says `{reader}` and `{writer}` for the two schemas. */
  readonly reason: string;
}

/** Whether everything that `whole` allows is valid under `target`, whose keywords are asked one by one. */
export interface Question {
  readonly whole: Conjunction;
  readonly shape: Shape;
  readonly target: Located;
  readonly node: Readonly<Record<string, JsonValue>>;
  readonly prover: Proving;
}

/** What the keywords ask in turn. */
export interface Proving {
  /** The document whose instances are read. */
  readonly writer: SchemaDocument;
  /** The place of all that is found: places inside are behind steps of it. */
  readonly whole: Place;
  /** What an object that says nothing about other properties means for them where it writes. */
  readonly undeclared: 'possible' | 'absent';
  /** While nobody wants to know more than whether there is a gap. */
  readonly isHurried: boolean;
  /** Whether so much was asked that what is left counts as not shown. */
  readonly isExhausted: boolean;
  check(whole: Conjunction, target: Located): readonly Gap[];
  /** As `check`, of a part of the instance. */
  below(steps: readonly string[], whole: Conjunction, target: Located): readonly Gap[];
  /** Whether there is no gap, where nobody asks for what they are. */
  shows(whole: Conjunction, target: Located): boolean;
  showsBelow(whole: Conjunction, target: Located): boolean;
  shapeOf(whole: Conjunction): Shape;
  isEmpty(whole: Conjunction): boolean;
}

/** Keywords that are asked about together, and what of them the instances may not meet. */
export interface KeywordRule {
  readonly keywords: readonly string[];
  gaps(question: Question): readonly Gap[];
}

export function gap(
  { shape, target, prover }: Pick<Question, 'shape' | 'target' | 'prover'>,
  found: { difference: Difference; keyword: string; reason: string; written?: readonly string[] | Located },
): Gap {
  const { difference, keyword, reason, written = [keyword] } = found;
  return {
    difference,
    place: prover.whole,
    written: isPlace(written)
      ? { pointer: written.pointer, value: written.node }
      : sayingOf(shape, prover.writer, written),
    read: saying(target, keyword),
    reason,
  };
}

function isPlace(written: readonly string[] | Located): written is Located {
  return !Array.isArray(written);
}

/** Where the writer's schema says one of these keywords; where it says none, the schema itself. */
export function sayingOf(shape: Shape, writer: SchemaDocument, keywords: readonly string[]): Saying | undefined {
  const own = shape.sources.filter(({ document }) => document === writer);
  for (const keyword of keywords) {
    const found = own.find(({ node }) => isNode(node) && node[keyword] !== undefined);
    if (found !== undefined) return saying(found, keyword);
  }
  const [first] = own;
  return first && { pointer: first.pointer, value: undefined };
}

function saying({ pointer, node }: Located, keyword: string): Saying {
  const value = isNode(node) ? node[keyword] : undefined;
  if (keyword === '') return { pointer, value: node };
  return { pointer: value === undefined ? pointer : `${pointer}/${keyword}`, value };
}

/** Places of one difference between two schemas that are told: definitions which are referred to twice, again and again, have it in more than can be. */
const MOST_PLACES = 16;
/** More findings than these say nothing new. */
const MOST_GAPS = 500;

/** Each difference at each place once, and of too many the first ones: where there are gaps there stay some. */
export function unique(gaps: readonly Gap[]): readonly Gap[] {
  const known = new Set<string>();
  const places = new Map<string, number>();
  const found: Gap[] = [];
  for (const each of gaps) {
    const difference = `${each.difference} ${each.read.pointer}`;
    const key = `${difference} ${each.place.id}`;
    if (known.has(key)) continue;
    known.add(key);
    const between = `${difference} ${each.written?.pointer ?? ''}`;
    const count = places.get(between) ?? 0;
    if (count >= MOST_PLACES) continue;
    places.set(between, count + 1);
    found.push(each);
    if (found.length >= MOST_GAPS) break;
  }
  return found;
}

/** That whole numbers have to be safe ones, as zod's do, goes without saying where numbers have to be whole. */
export function withoutSafeBounds(gaps: readonly Gap[]): readonly Gap[] {
  const narrowed = new Set(
    gaps.filter(({ difference, read }) => difference === 'type' && read.value === 'integer').map(schemaOf),
  );
  if (narrowed.size === 0) return gaps;
  const isSafeBound = (found: Gap): boolean =>
    found.difference === 'bound' && Math.abs(Number(found.read.value)) === Number.MAX_SAFE_INTEGER;
  return gaps.filter((found) => !isSafeBound(found) || !narrowed.has(schemaOf(found)));
}

function schemaOf({ place, read: { pointer } }: Gap): string {
  return `${place.id} ${pointer.slice(0, pointer.lastIndexOf('/'))}`;
}

/** The start of a value's JSON text. */
export function textOf(value: JsonValue | undefined, most = 80): string {
  if (value === undefined) return 'not given';
  const text = JSON.stringify(value);
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
