import { createHash } from 'node:crypto';
import type { CompiledPattern } from '../channel/filter/compile.ts';
import { FilterIndex } from '../channel/filter/filter-index.ts';
import { compileSelection } from '../channel/selection.ts';
import type { CompiledSelection } from '../channel/selection.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { whyUnreadable } from '../event/upcast-event.ts';
import type { Match, MatcherState } from '../time/matcher.ts';
import { assertKnown, assertOptions } from '../system/known-options.ts';
import { NO_TIME } from '../time/watermark.ts';
import { hasRunOut } from './in-order.ts';
import {
  compileRule,
  eventOf,
  matcherForm,
  keepsEvents,
  KEY_OPTIONS,
  patternMachine,
  RULE_OPTIONS,
  WAITING,
} from './define-pattern.ts';
import type {
  CompiledRule,
  EventIn,
  MatchOf,
  OnePatternMachine,
  PatternKeyOptions,
  PatternMachine,
  PatternRule,
} from './define-pattern.ts';
import type { LateEvents } from './late-events.ts';
import { matcherJson } from './matcher-json.ts';
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

/** A pattern that an event is something to. */
interface Concerned {
  readonly rule: NamedRule;
  /** A match may begin with the event. */
  readonly begins: boolean;
}

/** The patterns of a set, and which of them an event is something to. */
export interface RuleBook {
  readonly rules: readonly NamedRule[];
  /** In the order of the set. */
  concernedBy(event: RecordedEvent): readonly Concerned[];
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
    selection: {
      ...ofTypes,
      matches: (event) =>
        whyUnreadable(event) === undefined ? book.concernedBy(event).length > 0 : ofTypes.matches(event),
    },
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
  const index = new FilterIndex<Concerned>();
  for (const rule of rules) {
    const { beginning, later } = rule.roles;
    index.add({ rule, begins: true }, patternOf(beginning));
    if (later !== undefined) index.add({ rule, begins: false }, patternOf(later));
  }
  // An event is asked about when it is selected, with all of its page, and again when its turn comes.
  const answers: ({ readonly event: RecordedEvent; readonly concerned: readonly Concerned[] } | undefined)[] =
    Array.from({ length: ANSWERS });
  return {
    rules,
    concernedBy(event) {
      const place = event.position % ANSWERS;
      let answer = answers[place];
      if (answer?.event !== event)
        answers[place] = answer = { event, concerned: eachOnce(index.match((name) => event.attribute(name))) };
      return answer.concerned;
    },
  };
}

function patternOf({ pattern }: CompiledSelection): CompiledPattern {
  if (pattern === undefined) throw new Error('a pattern that names no types');
  return pattern;
}

/** In the order of the set; of a pattern that is there twice, that with which it begins. */
function eachOnce(found: readonly Concerned[]): readonly Concerned[] {
  // Few, mostly, and mostly in order: they are put in their places one by one.
  const once: Concerned[] = [];
  for (const concerned of found) {
    let at = once.length;
    while (at > 0 && (once[at - 1]?.rule.place ?? 0) > concerned.rule.place) at -= 1;
    if (once[at - 1]?.rule !== concerned.rule) once.splice(at, 0, concerned);
    else if (concerned.begins) once[at - 1] = concerned;
  }
  return once;
}

/** A match of a pattern of a set. */
export interface NamedMatch {
  readonly pattern: string;
  readonly match: Match<StoredEvent>;
}

/** What a pattern of a set has of a key. */
interface RuleState {
  /** Of the pattern in the set. */
  readonly place: number;
  readonly of: MatcherState<StoredEvent>;
  /** When its last event happened, or time alone brought something on: what happened before comes too late. Null: nothing has. */
  readonly passedMs: number | null;
  /** When time alone brings something on next, as `of` has it. */
  readonly dueMs: number;
}

/** Of those patterns that have anything, in the order of the set. */
export type RuleStates = readonly RuleState[];

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
  const machines = rules.rules.map(({ name, ...rule }) =>
    patternMachine(rule, (match, saying) => found({ pattern: name, match }, saying)),
  );
  const places = new Map(rules.rules.map(({ id, place }) => [id, place]));
  const idOf = (place: number) => rules.rules[place]?.id ?? '';
  const form = matcherForm(rules.rules.flatMap(({ on }) => on));
  const [first] = machines;
  if (first === undefined) throw new Error('a set without patterns');
  const machineOf = (place: number): OnePatternMachine => machines[place] ?? first;
  const ruleState = (place: number, of: MatcherState<StoredEvent>, passedMs: number | null): RuleState => {
    return { place, of, passedMs, dueMs: machineOf(place).dueMs(of) };
  };

  /** One instant after another, so that what is late does not depend on how far time went at once. */
  function told(state: RuleState, toMs: number, saying: Saying): RuleState {
    let after = state;
    while (after.dueMs < toMs) {
      const { place, of, passedMs, dueMs } = after;
      after = ruleState(place, machineOf(place).pass(of, dueMs + 1, saying), Math.max(passedMs ?? dueMs, dueMs));
    }
    return after;
  }

  return {
    shape: 'patterns',
    looksFor: rules.rules.map(({ id }) => id),
    needsAsMuch: keepsEvents,
    wants: (value) => rules.concernedBy(eventOf(value)).length > 0,
    isPunctual: true,
    valueOf: (event) => first.valueOf(event),
    waiting: WAITING,
    forgets: true,
    // Each begins with the first event that it is about.
    initial: () => [],
    next(before, value, timeMs, saying) {
      const concerned = rules.concernedBy(eventOf(value));
      // How far time has come the others were told.
      const states = [...before];
      const missed: string[] = [];
      for (const { rule, begins } of concerned) {
        const { place } = rule;
        const at = indexOf(states, place);
        const known = states[at]?.place === place ? states[at] : undefined;
        if (known === undefined && !begins) continue;
        const machine = machineOf(place);
        const begun =
          known ??
          ruleState(
            place,
            machine.initial(timeMs, (id) => saying.since(id, value.position)),
            null,
          );
        const passed = told(begun, timeMs, saying);
        const isMissed =
          (passed.passedMs !== null && timeMs < passed.passedMs) ||
          (saying.takes(value.position) && hasRunOut(machine, passed.of, value, timeMs, saying));
        if (isMissed) missed.push(rule.name);
        const after = isMissed ? passed : ruleState(place, machine.next(passed.of, value, timeMs, saying), timeMs);
        if (machine.isOver(after.of)) {
          if (known !== undefined) states.splice(at, 1);
        } else if (known === undefined) states.splice(at, 0, after);
        else states[at] = after;
      }
      if (missed.length > 0) {
        const wholly = missed.length === concerned.length;
        const reason = 'it happened before what came already, or was told, or its time had run out';
        late.tell(saying, { timeMs, watermarkMs: NO_TIME, wholly }, { reason, patterns: missed });
      }
      return states;
    },
    pass(before, toMs, saying) {
      // What nothing is due of is no more over than it was.
      if (!before.some(({ dueMs }) => dueMs < toMs)) return before;
      const states = before.map((state) => told(state, toMs, saying));
      return states.filter(({ place, of }) => !machineOf(place).isOver(of));
    },
    dueMs: (states) => states.reduce((least, { dueMs }) => Math.min(least, dueMs), Number.POSITIVE_INFINITY),
    lookMs: (states) =>
      states.reduce(
        (least, { place, dueMs }) => Math.min(least, machineOf(place).lookAtMs(dueMs)),
        Number.POSITIVE_INFINITY,
      ),
    isOver: (states) => states.length === 0,
    without: (states, ids) => states.filter(({ place }) => !ids.has(idOf(place))),
    json: {
      ...form,
      of: (states) => states.map(({ place, of, passedMs }): JsonValue => [idOf(place), passedMs, matcherJson(of)]),
      from: (json, opening) =>
        (json as readonly (readonly [string, number | null, JsonValue])[])
          .flatMap(([id, passedMs, of]): RuleStates => {
            const place = places.get(id);
            // What a pattern had under way that is another one now, or gone, is forgotten, also if it comes back.
            return place === undefined ? [] : [ruleState(place, form.from(of, opening), passedMs)];
          })
          .sort((left, right) => left.place - right.place),
    },
  };
}

/** Where the state of a pattern is, or would be. */
function indexOf(states: RuleStates, place: number): number {
  let [from, to] = [0, states.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((states[middle]?.place ?? place) < place) from = middle + 1;
    else to = middle;
  }
  return from;
}
