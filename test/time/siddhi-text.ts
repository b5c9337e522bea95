import type { Absent, Bound, CompositePattern, Wanted } from '../../src/time/composite-pattern.ts';

/** An event of a stream of Siddhi, its values by the names of the definition. */
export interface SiddhiEvent {
  readonly stream: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Events of one stream. */
interface OfStream {
  readonly stream: string;
}
export type SiddhiWanted = Wanted<SiddhiEvent> & OfStream;
export type SiddhiAbsent = Absent<SiddhiEvent> & OfStream;

export type SiddhiStep =
  | { readonly kind: 'count'; readonly event: SiddhiWanted; readonly min: number; readonly max: number }
  | { readonly kind: 'absent'; readonly absent: SiddhiAbsent & { readonly forMs: number } }
  | { readonly kind: 'all' | 'any'; readonly sides: readonly (SiddhiWanted | SiddhiAbsent)[] };

export interface SiddhiPattern extends CompositePattern<SiddhiEvent> {
  readonly steps: readonly SiddhiStep[];
}

export interface SiddhiApp {
  readonly streams: Readonly<Record<string, readonly string[]>>;
  readonly pattern: SiddhiPattern;
  /** What is shown of a match, in order. */
  readonly select: readonly ((bound: Bound<SiddhiEvent>) => unknown)[];
  readonly having: (bound: Bound<SiddhiEvent>) => boolean;
  /** The value by which there is one instance of the pattern each. */
  readonly partition: ((event: SiddhiEvent) => string) | undefined;
}

type Scope = {
  readonly event: SiddhiEvent | undefined;
  readonly bound: Bound<SiddhiEvent>;
  readonly own: string | undefined;
};
type Expression = (scope: Scope) => unknown;

const TOKEN = /\s*(->|<=|>=|==|!=|[A-Za-z_][\w]*|\d+(?:\.\d+)?[fLl]?|'[^']*'|"[^"]*"|[-+*/?<>()[\],.:;=@#])/y;
const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  sec: 1_000,
  second: 1_000,
  min: 60_000,
  minute: 60_000,
};

/** The one query of an app in SiddhiQL (https://siddhi.io/en/v5.1/docs/query-guide/). Errors: what of it is not known here. */
export function parseSiddhi(app: string): SiddhiApp {
  return new Parser(app.replaceAll(/--[^\n]*/g, '')).app();
}

class Parser {
  readonly #tokens: readonly string[];
  #at = 0;
  #unnamed = 0;
  #streams: Readonly<Record<string, readonly string[]>> = {};

  constructor(text: string) {
    const tokens: string[] = [];
    TOKEN.lastIndex = 0;
    for (let at = 0; at < text.trimEnd().length; at = TOKEN.lastIndex) {
      TOKEN.lastIndex = at;
      const token = TOKEN.exec(text)?.[1];
      if (token === undefined) throw new Error(`what is ${JSON.stringify(text.slice(at, at + 20))}?`);
      tokens.push(token);
    }
    this.#tokens = tokens;
  }

  app(): SiddhiApp {
    const streams: Record<string, readonly string[]> = {};
    let partition: SiddhiApp['partition'];
    for (;;) {
      if (this.#skip('@')) this.#annotation();
      else if (this.#skip('define')) {
        this.#take('stream');
        const name = this.#next();
        streams[name] = this.#columns();
        this.#skip(';');
      } else if (this.#skip('partition')) {
        this.#take('with');
        this.#take('(');
        const column = this.#next();
        while (this.#next() !== ')');
        partition = (event) => String(event.values[column]);
        this.#take('begin');
      } else if (this.#skip('from')) break;
      else throw new Error(`a query is expected, not ${this.#peek()}`);
    }
    this.#streams = streams;
    const pattern = this.#pattern();
    const { select, having } = this.#selection();
    return { streams, pattern, select, having, partition };
  }

  #annotation(): void {
    while (this.#peek() !== '(' && !/^(?:define|from|partition|@)$/.test(this.#peek())) this.#next();
    if (this.#peek() !== '(') return;
    for (let depth = 0; ;) {
      const token = this.#next();
      depth += token === '(' ? 1 : token === ')' ? -1 : 0;
      if (depth === 0) return;
    }
  }

  #columns(): readonly string[] {
    const names: string[] = [];
    this.#take('(');
    for (;;) {
      names.push(this.#next());
      this.#next();
      if (this.#next() === ')') return names;
    }
  }

  #pattern(): SiddhiPattern {
    const steps: SiddhiStep[] = [];
    const orders = new Set<'next' | 'some'>();
    let every: [number, number] | undefined;
    let withinMs = Number.POSITIVE_INFINITY;
    const chain = (): void => {
      for (;;) {
        const first = steps.length;
        const repeats = this.#skip('every');
        const isGroup = this.#peek() === '(' && this.#isGroup();
        if (isGroup) {
          this.#take('(');
          chain();
          this.#take(')');
        } else steps.push(this.#step());
        if (repeats) {
          if (every !== undefined) throw new Error('more than one every');
          every = [first, steps.length - 1];
        }
        if (this.#skip('within')) withinMs = Math.min(withinMs, this.#time());
        if (this.#skip('->')) orders.add('some');
        else if (this.#peek() === ',') {
          this.#take(',');
          orders.add('next');
        } else return;
      }
    };
    chain();
    if (orders.size > 1) throw new Error('both -> and , in one pattern');
    return { steps, every, withinMs, order: orders.has('next') ? 'next' : 'some' };
  }

  /** A bracket around steps, not around the sides of one. */
  #isGroup(): boolean {
    return true;
  }

  #step(): SiddhiStep {
    const first = this.#side();
    for (const word of ['and', 'or'] as const) {
      if (!this.#skip(word)) continue;
      const second = this.#side();
      const sides = [first, second].map((side) => {
        if ('absent' in side || (side.min === 1 && side.max === 1)) return 'absent' in side ? side : side.event;
        throw new Error('a count within and, or');
      });
      return { kind: word === 'and' ? 'all' : 'any', sides };
    }
    if (!('absent' in first)) return { kind: 'count', ...first };
    const { forMs } = first;
    if (forMs === undefined) throw new Error('an absence without an end');
    return { kind: 'absent', absent: { ...first, forMs } };
  }

  #side(): SiddhiAbsent | { readonly event: SiddhiWanted; readonly min: number; readonly max: number } {
    if (this.#skip('not')) {
      const { matches, stream } = this.#wanted(undefined);
      return { absent: matches, stream, forMs: this.#skip('for') ? this.#time() : undefined };
    }
    let name: string | undefined;
    if (this.#tokens[this.#at + 1] === '=') {
      name = this.#next();
      this.#take('=');
    }
    const event = this.#wanted(name ?? `unnamed${(this.#unnamed += 1)}`);
    const [min, max] = this.#count();
    return { event, min, max };
  }

  #count(): readonly [number, number] {
    if (this.#skip('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#skip('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#skip('?')) return [0, 1];
    if (!this.#skip('<')) return [1, 1];
    const min = this.#peek() === ':' ? 0 : Number(this.#next());
    let max = min;
    if (this.#skip(':')) max = this.#peek() === '>' ? Number.POSITIVE_INFINITY : Number(this.#next());
    this.#take('>');
    return [min, max];
  }

  #wanted(name: string | undefined): SiddhiWanted {
    const stream = this.#next();
    if (!(stream in this.#streams)) throw new Error(`the stream ${stream} is not defined`);
    let holds: Expression = () => true;
    if (this.#skip('[')) {
      holds = this.#expression();
      this.#take(']');
    }
    return {
      name: name ?? '',
      stream,
      matches: (event, bound) => event.stream === stream && holds({ event, bound, own: name }) === true,
    };
  }

  #time(): number {
    const amount = Number(this.#next());
    const unit = this.#next();
    const unitMs = UNIT_MS[unit] ?? UNIT_MS[unit.replace(/s$/, '')];
    if (unitMs === undefined) throw new Error(`the time ${amount} ${unit} is not known here`);
    return amount * unitMs;
  }

  #selection(): Pick<SiddhiApp, 'having' | 'select'> {
    const select: ((bound: Bound<SiddhiEvent>) => unknown)[] = [];
    let having: SiddhiApp['having'] = () => true;
    const names = new Map<string, Expression>();
    if (this.#skip('select') && !this.#skip('*')) {
      do {
        const shown = this.#expression();
        if (this.#skip('as')) names.set(this.#next(), shown);
        select.push((bound) => shown({ event: undefined, bound, own: undefined }));
      } while (this.#skip(','));
      if (this.#skip('having')) {
        const holds = this.#expression(names);
        having = (bound) => holds({ event: undefined, bound, own: undefined }) === true;
      }
    }
    if (!/^(?:insert|;)?$/.test(this.#peek())) throw new Error(`${this.#peek()} is not known here`);
    return { select, having };
  }

  #expression(names: ReadonlyMap<string, Expression> = new Map()): Expression {
    const either = (): Expression => {
      let left = both();
      while (this.#skip('or')) {
        const [one, other] = [left, both()];
        left = (scope) => one(scope) === true || other(scope) === true;
      }
      return left;
    };
    const both = (): Expression => {
      let left = no();
      while (this.#skip('and')) {
        const [one, other] = [left, no()];
        left = (scope) => one(scope) === true && other(scope) === true;
      }
      return left;
    };
    const no = (): Expression => {
      if (!this.#skip('not')) return compared();
      const inner = no();
      return (scope) => inner(scope) !== true;
    };
    const compared = (): Expression => {
      const left = sum();
      if (this.#skip('is')) {
        this.#take('null');
        return (scope) => left(scope) === undefined;
      }
      const operator = this.#peek();
      const compare = COMPARISONS[operator];
      if (compare === undefined) return left;
      this.#next();
      const right = sum();
      return (scope) => {
        const [one, other] = [left(scope), right(scope)];
        return one !== undefined && other !== undefined && compare(one as number, other as number);
      };
    };
    const sum = (): Expression => {
      let left = operand();
      while (this.#peek() === '+' || this.#peek() === '-') {
        const sign = this.#next() === '+' ? 1 : -1;
        const [one, other] = [left, operand()];
        left = (scope) => {
          const [from, to] = [one(scope), other(scope)];
          return from === undefined || to === undefined ? undefined : Number(from) + sign * Number(to);
        };
      }
      return left;
    };
    const operand = (): Expression => {
      if (this.#skip('(')) {
        const inner = either();
        this.#take(')');
        return inner;
      }
      const token = this.#next();
      if (/^['"]/.test(token)) return () => token.slice(1, -1);
      if (/^\d/.test(token)) return () => Number.parseFloat(token);
      if (token === 'true' || token === 'false') return () => token === 'true';
      if (this.#skip('(')) return this.#call(token, () => either());
      return this.#reference(token, names);
    };
    return either();
  }

  #call(name: string, argument: () => Expression): Expression {
    const given: Expression[] = [];
    while (!this.#skip(')')) {
      given.push(argument());
      this.#skip(',');
    }
    const [first, second, third] = given;
    if (name === 'ifThenElse' && first && second && third)
      return (scope) => (first(scope) === true ? second(scope) : third(scope));
    if (name === 'instanceOfFloat' && first) return (scope) => typeof first(scope) === 'number';
    if (name === 'count') return () => undefined;
    throw new Error(`the function ${name} is not known here`);
  }

  /** `price`, `e1.price`, `e2[0].price`, `e2[last-1].price`. */
  #reference(first: string, names: ReadonlyMap<string, Expression>): Expression {
    let place: ((events: readonly SiddhiEvent[]) => SiddhiEvent | undefined) | undefined;
    if (this.#skip('[')) {
      const token = this.#next();
      const back = token === 'last' && this.#skip('-') ? Number(this.#next()) : 0;
      place =
        token === 'last'
          ? (events) => (events.length > back ? events.at(-1 - back) : undefined)
          : (events) => events[Number(token)];
      this.#take(']');
    }
    if (!this.#skip('.')) {
      const named = names.get(first);
      return named ?? ((scope) => scope.event?.values[first]);
    }
    const member = this.#next();
    return ({ event, bound, own }) => {
      // Within its own condition a name without a place is the event at hand.
      const of = place === undefined ? (own === first ? event : bound[first]?.[0]) : place(bound[first] ?? []);
      return of?.values[member];
    };
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  #next(): string {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }

  #skip(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#at += 1;
    return true;
  }

  #take(token: string): void {
    if (!this.#skip(token)) throw new Error(`${token} is expected, not ${this.#peek()}`);
  }
}

const COMPARISONS: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  '>': (left, right) => left > right,
  '<': (left, right) => left < right,
  '>=': (left, right) => left >= right,
  '<=': (left, right) => left <= right,
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
};
