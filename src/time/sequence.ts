/** How the numbers are taken that a producer gives its events. */
export interface SequenceRules {
  /** For so long events wait for those that are missing before them; 0: they go on at once. */
  readonly waitMs: number;
  /** The first number; undefined: whichever comes first. */
  readonly first: number | undefined;
  /** So many wait at most. */
  readonly maxEvents: number;
  /** What becomes of it when there are more: what is missing is waited for no longer; or the event that came is not taken. */
  readonly overflow: 'refuse' | 'release';
  /** Whether what came before goes on again. */
  readonly duplicates: 'drop' | 'release';
  /** Whether something else under a number that is past goes on. */
  readonly stepsBack: 'drop' | 'release';
  /** Whether a count may begin again; otherwise its numbers are steps back. */
  readonly resets: boolean;
}

interface Waiting<Value> {
  readonly number: number;
  /** When it came. */
  readonly atMs: number;
  readonly digest: number;
  readonly value: Value;
}

/** Numbers from one to another, both included. */
export type NumberRange = readonly [from: number, to: number];

export interface SequenceState<Value> {
  /** What goes on next; undefined: nothing came yet. */
  readonly next: number | undefined;
  /** By number; each above `next`, of which something is missing. */
  readonly held: readonly Waiting<Value>[];
  /** Numbers below `next` that were not waited for any longer. Ascending. */
  readonly missing: readonly NumberRange[];
  /** What came last: its number, and a digest that tells it from others. */
  readonly recent: readonly Known[];
  /** The first of the present count, which tells a count that begins again from one that is told again. */
  readonly first?: Known | undefined;
}

type Known = readonly [number: number, digest: number];

/**
 * What is noticed of numbers.
 *
 * - `gap`: these are missing; `filled`: they came after all; `lost`: they are waited for no longer, or would not be known for missing;
 * - `duplicate`: the same came before under this number; `stepped-back`: something else did, or it is unknown;
 * - `reset`: the producer counts from the beginning again.
 */
export interface SequenceNotice {
  readonly kind: 'duplicate' | 'filled' | 'gap' | 'lost' | 'reset' | 'stepped-back';
  readonly from: number;
  readonly to: number;
}

export interface SequenceStep<Value> {
  readonly state: SequenceState<Value>;
  /** In the order in which they are to be handled. */
  readonly released: readonly Value[];
  readonly notices: readonly SequenceNotice[];
  /** The event was not taken: too many wait. */
  readonly refused: boolean;
}

const RECENT = 64;
/** So many gaps of a count are known, the last ones. */
const MAX_MISSING = 1_000;

export function newSequence<Value>(): SequenceState<Value> {
  return { next: undefined, held: [], missing: [], recent: [] };
}

/** When what waits goes on at the latest; infinite: nothing waits. */
export function dueOfSequence({ waitMs }: SequenceRules, { held }: Pick<SequenceState<unknown>, 'held'>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const { atMs } of held) least = Math.min(least, atMs + waitMs);
  return least;
}

/** An event with the number that its producer gave it. `atMs` does not fall from one to the next. */
export function takeNumbered<Value>(
  rules: SequenceRules,
  state: SequenceState<Value>,
  event: { readonly number: number; readonly digest: number; readonly atMs: number; readonly value: Value },
): SequenceStep<Value> {
  const turn = new Turn(rules, state);
  const isTaken = turn.take(event);
  return isTaken ? turn.end() : { state, released: [], notices: [], refused: true };
}

/** What waited long enough goes on without what is missing before it. */
export function passSequence<Value>(
  rules: SequenceRules,
  state: SequenceState<Value>,
  toMs: number,
): SequenceStep<Value> {
  const turn = new Turn(rules, state);
  while (turn.dueMs <= toMs) turn.giveUp();
  return turn.end();
}

class Turn<Value> {
  readonly #rules: SequenceRules;
  #next: number | undefined;
  #held: readonly Waiting<Value>[];
  #missing: readonly NumberRange[];
  #recent: SequenceState<Value>['recent'];
  #first: Known | undefined;
  readonly #released: Value[] = [];
  readonly #notices: SequenceNotice[] = [];

  constructor(rules: SequenceRules, { next, held, missing, recent, first }: SequenceState<Value>) {
    this.#rules = rules;
    this.#first = first;
    this.#next = next;
    this.#held = held;
    this.#missing = missing;
    this.#recent = recent;
  }

  get dueMs(): number {
    return dueOfSequence(this.#rules, { held: this.#held });
  }

  take(event: Waiting<Value>): boolean {
    const { number } = event;
    this.#next ??= this.#rules.first ?? number;
    const known = this.#held.find((waiting) => waiting.number === number);
    if (known !== undefined) {
      this.#again(event, known.digest === event.digest);
      return true;
    }
    if (number < this.#next) {
      this.#past(event);
      return true;
    }
    const isFull = number !== this.#next && this.#held.length >= this.#rules.maxEvents;
    if (isFull && this.#rules.overflow === 'refuse') return false;
    this.#insert(event);
    if (isFull) this.giveUp();
    while (this.dueMs <= event.atMs) this.giveUp();
    return true;
  }

  /** What is missing before the first that waits is waited for no longer. */
  giveUp(): void {
    const first = this.#held[0];
    if (first === undefined || this.#next === undefined) return;
    const range: NumberRange = [this.#next, first.number - 1];
    const missing = [...this.#missing, range];
    this.#missing = missing.slice(-MAX_MISSING);
    if (this.#rules.waitMs > 0) this.#notice('lost', range);
    // Of what was waited for that was said already.
    else for (const forgotten of missing.slice(0, -MAX_MISSING)) this.#notice('lost', forgotten);
    this.#next = first.number;
    this.#drain();
  }

  end(): SequenceStep<Value> {
    return {
      state: {
        next: this.#next,
        held: this.#held,
        missing: this.#missing,
        recent: this.#recent,
        ...(this.#first === undefined ? {} : { first: this.#first }),
      },
      released: this.#released,
      notices: this.#notices,
      refused: false,
    };
  }

  #insert(event: Waiting<Value>): void {
    const next = this.#next ?? event.number;
    const gaps = gapsOf(next, this.#held);
    const place = this.#held.findLastIndex(({ number }) => number < event.number) + 1;
    this.#held = this.#held.toSpliced(place, 0, event);
    // A new one beyond all that are known opens a gap; one inside closes one, or a part of it.
    const before = this.#held[place - 1]?.number ?? next - 1;
    if (place === this.#held.length - 1 && event.number > before + 1)
      this.#notice('gap', [before + 1, event.number - 1]);
    if (gaps.some(([from, to]) => from <= event.number && event.number <= to))
      this.#notice('filled', [event.number, event.number]);
    this.#drain();
  }

  #drain(): void {
    while (this.#held[0] !== undefined && this.#held[0].number === this.#next) {
      const [first, ...others] = this.#held;
      this.#held = others;
      this.#release(first);
      this.#next += 1;
    }
  }

  #release({ number, digest, value }: Waiting<Value>): void {
    this.#first ??= [number, digest];
    this.#recent = [...this.#recent, [number, digest] as const].slice(-RECENT);
    this.#released.push(value);
  }

  #past(event: Waiting<Value>): void {
    const { number, digest } = event;
    const range = this.#missing.find(([from, to]) => from <= number && number <= to);
    if (range !== undefined) {
      this.#missing = this.#missing.flatMap((one) => (one === range ? without(one, number) : [one]));
      this.#notice('filled', [number, number]);
      this.#release(event);
      return;
    }
    const before =
      this.#recent.findLast(([known]) => known === number) ?? (this.#first?.[0] === number ? this.#first : undefined);
    const isSame = before?.[1] === digest;
    // Where nobody said which number is the first, those before the one that came first may come still.
    const isEarlier = this.#rules.first === undefined && before === undefined && (this.#next ?? 0) <= RECENT;
    const isFirst = this.#rules.first === undefined ? number <= 1 : number === this.#rules.first;
    if (this.#rules.resets && isFirst && !isSame && !isEarlier) this.#reset(event);
    else this.#again(event, isSame);
  }

  /** What waited for the count of before goes on without what is missing there. */
  #reset(event: Waiting<Value>): void {
    while (this.#held.length > 0) this.giveUp();
    this.#notice('reset', [event.number, event.number]);
    this.#missing = [];
    this.#recent = [];
    this.#first = undefined;
    this.#next = event.number + 1;
    this.#release(event);
  }

  #again(event: Waiting<Value>, isSame: boolean): void {
    const { duplicates, stepsBack } = this.#rules;
    this.#notice(isSame ? 'duplicate' : 'stepped-back', [event.number, event.number]);
    if ((isSame ? duplicates : stepsBack) === 'release') this.#release(event);
  }

  #notice(kind: SequenceNotice['kind'], [from, to]: NumberRange): void {
    this.#notices.push({ kind, from, to });
  }
}

/** What is missing between what goes on next and what waits. */
function gapsOf(next: number, held: readonly { readonly number: number }[]): readonly NumberRange[] {
  let from = next;
  return held.flatMap(({ number }) => {
    const gap = [from, number - 1] as const;
    from = number + 1;
    return gap[0] <= gap[1] ? [gap] : [];
  });
}

function without([from, to]: NumberRange, number: number): readonly NumberRange[] {
  const parts: readonly NumberRange[] = [
    [from, number - 1],
    [number + 1, to],
  ];
  return parts.filter(([first, last]) => first <= last);
}
