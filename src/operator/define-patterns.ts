import { createHash } from 'node:crypto';
import { FilterIndex } from '../channel/filter/filter-index.ts';
import { compileSelection } from '../channel/selection.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import { InvalidDefinition, describeValue } from '../errors.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { Match, MatcherState } from '../time/matcher.ts';
import { assertKnown, assertOptions } from '../system/known-options.ts';
import { NO_TIME } from '../time/watermark.ts';
import { compileRule, eventOf, KEY_OPTIONS, patternMachine, RULE_OPTIONS } from './define-pattern.ts';
import type {
  CompiledRule,
  EventIn,
  PatternMachine,
  MatchOf,
  PatternKeyOptions,
  PatternRule,
} from './define-pattern.ts';
import type { LateEvents } from './late-events.ts';
import { matcherFrom, matcherJson } from './matcher-json.ts';
import type { Saying } from './timed-reaction.ts';

export type PatternRules = Readonly<Record<string, PatternRule>>;

/** The steps of all patterns of a set. */
type StepsIn<Rules extends PatternRules> = Rules[keyof Rules]['sequence'][number];

export interface PatternsOptions<Rules extends PatternRules> extends PatternKeyOptions<
  EventIn<readonly StepsIn<Rules>[]>
> {
  /** By their names, which a match carries. */
  readonly patterns: Rules;
}

/** The events of a match, by the name of the pattern that it is one of. */
export type MatchesOf<Rules extends PatternRules> = {
  readonly [Name in keyof Rules & string]: MatchOf<Rules[Name]['sequence']>;
};

/** Many patterns over the same events. */
export interface PatternsDefinition<Matches extends object = object> {
  readonly kind: 'patterns';
  readonly on: readonly EventDefinition[];
  readonly selection: CompiledSelection;
  readonly rules: RuleBook;
  readonly options: PatternKeyOptions<RecordedEvent>;
  /** Never there; carries the events of matches to `run`. */
  readonly matches?: Matches;
}

/** So many events it is remembered of which patterns they concern. */
const ANSWERS = 1_024;

/** A pattern of a set. */
export interface NamedRule extends CompiledRule {
  readonly name: string;
  /** What its states are kept under: another one where it means something else. */
  readonly id: string;
  /** In the set. */
  readonly place: number;
}

/** The patterns of a set, and which of them an event is something to. */
export interface RuleBook {
  readonly byId: ReadonlyMap<string, NamedRule>;
  /** In the order of the set. */
  concernedBy(event: RecordedEvent): readonly NamedRule[];
}

/**
 * Declares many patterns over the events of a key, which are looked for together: an automation that has them as `on` runs for each match of any,
 * and is told which (`pattern`). An event costs what the patterns cost that it is something to, whatever their number.
 *
 * Guarantee As definePattern, for each of them by itself. A changed pattern forgets what it has of matches under way, and no other does.
 * Errors    InvalidDefinition names the pattern and the part.
 */
export function definePatterns<const Rules extends PatternRules>(
  options: PatternsOptions<Rules>,
): PatternsDefinition<MatchesOf<Rules>> {
  assertOptions('patterns', options);
  assertKnown('patterns', options, ['patterns', ...KEY_OPTIONS]);
  const { patterns } = options as { readonly patterns: unknown };
  if (typeof patterns !== 'object' || patterns === null || Array.isArray(patterns))
    throw new InvalidDefinition(
      'patterns',
      `patterns must be an object of patterns by name, found ${describeValue(patterns)}`,
    );
  const rules = Object.entries(patterns).map(([name, rule], place) => namedRule(name, rule as PatternRule, place));
  if (rules.length === 0) throw new InvalidDefinition('patterns', 'there is none');
  const on = [...new Set(rules.flatMap((rule) => rule.on))];
  const book = ruleBook(rules);
  const ofTypes = compileSelection({ types: [...new Set(on.map(({ type }) => type))] });
  return {
    kind: 'patterns',
    on,
    selection: { ...ofTypes, matches: (event) => book.concernedBy(event).length > 0 },
    rules: book,
    options: options as unknown as PatternsDefinition['options'],
  };
}

function namedRule(name: string, given: PatternRule, place: number): NamedRule {
  if (typeof given !== 'object' || (given as unknown) === null)
    throw new InvalidDefinition(
      `pattern ${name}`,
      `expected an object with its sequence, found ${describeValue(given)}`,
    );
  assertKnown(`pattern ${name}`, given, RULE_OPTIONS);
  const rule = compileRule(`pattern ${name}`, given);
  // Neither the order of the set nor the other patterns of it say anything of what was kept for this one.
  const digest = createHash('sha256').update(rule.shape).digest('hex').slice(0, 8);
  return { ...rule, name, id: `${name} ${digest}`, place };
}

function ruleBook(rules: readonly NamedRule[]): RuleBook {
  const index = new FilterIndex<NamedRule>();
  const byId = new Map(rules.map((rule) => [rule.id, rule]));
  for (const rule of rules) {
    const { pattern } = rule.selection;
    if (pattern === undefined) throw new Error('a pattern that names no types');
    index.add(rule, pattern);
  }
  // An event is asked about when it is selected, with all of its page, and again when its turn comes.
  const answers: ({ readonly event: RecordedEvent; readonly concerned: readonly NamedRule[] } | undefined)[] =
    Array.from({ length: ANSWERS });
  return {
    byId,
    concernedBy(event) {
      const place = event.position % ANSWERS;
      let answer = answers[place];
      if (answer?.event !== event) {
        const concerned = index.match((name) => event.attribute(name)).sort((left, right) => left.place - right.place);
        answers[place] = answer = { event, concerned };
      }
      return answer.concerned;
    },
  };
}

/** A match of a pattern of a set. */
export interface NamedMatch {
  readonly pattern: string;
  readonly match: Match<StoredEvent>;
}

/** What a pattern of a set has of a key. */
interface RuleState {
  readonly of: MatcherState<StoredEvent>;
  /** When its last event happened, or time alone brought something on: what happened before comes too late. Null: nothing has. */
  readonly passedMs: number | null;
}

type OneMachine = PatternMachine<MatcherState<StoredEvent>>;

/** Of those patterns that have anything, by their ids. */
export type RuleStates = Readonly<Record<string, RuleState>>;

/**
 * The machine of all patterns of a set; `found` is told of each match.
 *
 * Guarantee Each has the states that it would have alone. What is late for one of them is told of, and is not late for the others.
 */
export function patternsMachine(
  rules: RuleBook,
  late: LateEvents,
  found: (match: NamedMatch, saying: Saying) => void,
): PatternMachine<RuleStates> {
  const machines = new Map(
    [...rules.byId].map(([id, { name, ...rule }]) => [
      id,
      patternMachine(rule, (match, saying) => found({ pattern: name, match }, saying)),
    ]),
  );
  const machineOf = (id: string): OneMachine => {
    const machine = machines.get(id);
    if (machine === undefined) throw new Error(`pattern ${id} is not of this set`);
    return machine;
  };
  const [first] = machines.values();
  if (first === undefined) throw new Error('a set without patterns');

  /** One instant after another, so that what is late does not depend on how far time went at once. */
  function told(id: string, state: RuleState, toMs: number, saying: Saying): RuleState {
    const machine = machineOf(id);
    let { of, passedMs } = state;
    for (let dueMs = machine.dueMs(of); dueMs < toMs; dueMs = machine.dueMs(of)) {
      of = machine.pass(of, dueMs + 1, saying);
      passedMs = Math.max(passedMs ?? dueMs, dueMs);
    }
    return of === state.of ? state : { of, passedMs };
  }

  function put(states: Record<string, RuleState>, id: string, state: RuleState): void {
    if (!machineOf(id).isOver(state.of)) states[id] = state;
    else delete states[id];
  }

  function leastOf(states: RuleStates, ms: (machine: OneMachine, state: RuleState) => number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const id in states) {
      const state = states[id];
      const machine = machines.get(id);
      if (state !== undefined && machine !== undefined) least = Math.min(least, ms(machine, state));
    }
    return least;
  }

  return {
    shape: 'patterns',
    isPunctual: true,
    valueOf: (event) => first.valueOf(event),
    // Each begins with the first event that it is about.
    initial: () => ({}),
    next(before, value, timeMs, saying) {
      const concerned = rules.concernedBy(eventOf(value));
      // How far time has come the others were told.
      const states = { ...before };
      const missed: string[] = [];
      for (const { id, name } of concerned) {
        const machine = machineOf(id);
        const known = before[id] ?? { of: machine.initial(timeMs), passedMs: null };
        const passed = told(id, known, timeMs, saying);
        if (passed.passedMs !== null && timeMs < passed.passedMs) {
          missed.push(name);
          put(states, id, passed);
        } else put(states, id, { of: machine.next(passed.of, value, timeMs, saying), passedMs: timeMs });
      }
      if (missed.length > 0) {
        const wholly = missed.length === concerned.length;
        const reason = 'it happened before what came already, or was told';
        late.tell(saying, { timeMs, watermarkMs: NO_TIME, wholly }, { reason, patterns: missed });
      }
      return states;
    },
    pass(before, toMs, saying) {
      const states: Record<string, RuleState> = {};
      for (const [id, state] of Object.entries(before)) put(states, id, told(id, state, toMs, saying));
      return states;
    },
    dueMs: (states) => leastOf(states, (machine, { of }) => machine.dueMs(of)),
    lookMs: (states) => leastOf(states, (machine, { of }) => machine.lookMs?.(of) ?? machine.dueMs(of)),
    isOver: (states) => Object.keys(states).length === 0,
    json: {
      ...first.json,
      of: (states) =>
        Object.entries(states).map(([id, { of, passedMs }]): JsonValue => [id, passedMs, matcherJson(of)]),
      from: (json) =>
        Object.fromEntries(
          (json as readonly (readonly [string, number | null, JsonValue])[])
            // What a pattern had under way that is another one now, or gone, is forgotten, also if it comes back.
            .filter(([id]) => machines.has(id))
            .map(([id, passedMs, of]) => [id, { of: matcherFrom(of), passedMs }]),
        ),
    },
  };
}
