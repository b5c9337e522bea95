import { assertSealable } from '../consumer/personal-state.ts';
import type { HandledPart, Recalled } from '../consumer/reaction.ts';
import { retractedEvent, retractionId, retractionOf } from '../event/derived-definitions.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import type { PersonalFields, PersonalPart, PersonalParts } from '../event/personal-fields.ts';
import { sealJson } from '../event/sealed-json.ts';
import { isoTime } from '../system/clock.ts';
import { deterministicId } from '../system/ids.ts';
import { addToWindows, advanceWindows, dueOf, removeFromWindows } from '../time/window-set.ts';
import type { Firing, RemoveStep, Said, Telling, WindowRules, WindowSet } from '../time/window-set.ts';
import type { Span } from '../time/windowing.ts';
import type { LateEvents } from './late-events.ts';
import { lastOf, Retold, toldAgain } from './retold.ts';
import type { Operator, Saying, TimedEvent } from './timed-reaction.ts';

/** A window of a key, for who makes its result. */
export interface WindowOf {
  readonly key: string;
  /** Its first instant, RFC 3339 in UTC. */
  readonly start: string;
  /** The first instant after it. */
  readonly end: string;
  readonly startMs: number;
  readonly endMs: number;
}

export type Windows = WindowSet<JsonValue, JsonValue>;
export type Rules = WindowRules<RecordedEvent, JsonValue, JsonValue>;

export interface WindowParts {
  readonly rules: Rules;
  readonly result: (accumulator: JsonValue, window: WindowOf) => JsonValue;
  readonly published: EventDefinition;
  readonly late: LateEvents;
  /** What of accumulators is personal. */
  readonly personal: PersonalFields | 'none' | undefined;
  /** Types of the events that take one back. */
  readonly retracted: ReadonlySet<string>;
}

type StoredWindow = readonly [
  startMs: number,
  endMs: number,
  accumulator: JsonValue,
  earliestMs: number,
  latestMs: number,
  events: number,
  untold: number,
  firings: number,
  ended: 0 | 1,
  earlyMs: number | null,
  standing: readonly (readonly [
    startMs: number,
    endMs: number,
    index: number,
    result: JsonValue,
    reason?: 'early' | 'end' | 'late',
    until?: string,
    isPast?: boolean,
  ])[],
];

/** Places in a `StoredWindow`, and in what stands of it. */
const ACCUMULATOR = 2;
const STANDING = 10;
const RESULT = 3;

/** Says what windows say, and takes it back where it holds no longer. */
export class WindowOperator implements Operator<Windows> {
  readonly shape: string;
  readonly #name: string;
  readonly #parts: WindowParts;
  readonly #rules: Rules;
  /** Of the key whose windows are at hand. */
  #saying: Saying | undefined;
  /** Results of windows at hand were given up by an operator. */
  #gaveUp = false;
  readonly recalls = true;
  #retold: Retold | undefined;
  readonly #sealable = new WeakSet<object>();

  constructor(name: string, parts: WindowParts) {
    this.#name = name;
    this.#parts = parts;
    this.shape = `windows ${parts.rules.windowing.kind}`;
    const { rules, result } = parts;
    // It is kept, to be taken back.
    const ofKey = (accumulator: JsonValue, telling: Telling) => {
      const saying = this.#saying;
      if (saying === undefined) throw new Error('a result of no key');
      const said = saying.part(partOf(telling), () => {
        const made = sealJson(result(accumulator, new KeyWindow(saying.key, telling)), 'result');
        // It is kept sealed as what is published of it.
        parts.published.personal?.subjectOf(made);
        return made;
      });
      this.#gaveUp ||= said === undefined;
      return said === undefined ? GIVEN_UP : said;
    };
    this.#rules = { ...rules, aggregate: { ...rules.aggregate, result: ofKey } };
  }

  initial(): Windows {
    return [];
  }

  take(windows: Windows, { event, timeMs, watermarkMs }: TimedEvent, saying: Saying): Windows {
    const { late, retracted } = this.#parts;
    const rules = this.#rules;
    this.#begin(saying);
    const before = saying.recalls ? windows.map((window) => this.#overdue(window, saying)) : windows;
    const step: RemoveStep<JsonValue, JsonValue> = retracted.has(event.type)
      ? removeFromWindows(rules, before, { timeMs, value: retractedEvent(event), watermarkMs })
      : { ...addToWindows(rules, before, { timeMs, value: event, watermarkMs }), withdrawn: [] };
    for (const said of step.withdrawn) this.#takeBack(said, 'emptied', saying);
    // Of a session that goes on longer, what stands goes on with it.
    if (saying.recalls)
      for (const window of before)
        if (!isAmong(step.windows, window)) this.#forget({ ...window, standing: [] }, [], saying);
    for (const firing of step.firings) this.#tell(firing, saying);
    if (step.missed.length > 0) {
      const missed = step.missed.map(({ startMs, endMs }) => ({ start: isoTime(startMs), end: isoTime(endMs) }));
      const wholly = step.counted === 0;
      late.tell(saying, { timeMs, watermarkMs, wholly }, { windows: missed, countedIn: step.counted });
    }
    return this.#standing(step.windows);
  }

  pass(windows: Windows, watermarkMs: number, saying: Saying): Windows {
    if (this.dueMs(windows) > watermarkMs) return windows;
    this.#begin(saying);
    const step = advanceWindows(this.#rules, windows, watermarkMs);
    const told = step.firings.map((firing) => this.#tell(firing, saying));
    if (saying.recalls)
      for (const window of windows) if (!isAmong(step.windows, window)) this.#forget(window, told, saying);
    return this.#standing(step.windows);
  }

  #begin(saying: Saying): void {
    this.#saying = saying;
    this.#gaveUp = false;
    this.#retold = undefined;
  }

  /** What of its states is personal: of accumulators as the program says, of results as their definition does. Undefined: the program says nothing. */
  get personal(): PersonalParts | 'none' | undefined {
    const { personal, published } = this.#parts;
    const ofResults = published.personal;
    if (ofResults === undefined && typeof personal !== 'object') return personal;
    return {
      isSaid: personal !== undefined,
      partsOf: (stored) =>
        (stored as unknown as readonly StoredWindow[]).flatMap((window, index): readonly PersonalPart[] => [
          ...(typeof personal === 'object' ? [{ path: [index, ACCUMULATOR], fields: personal }] : []),
          ...(ofResults === undefined
            ? []
            : window[STANDING].map((_, at) => ({ path: [index, STANDING, at, RESULT], fields: ofResults }))),
        ]),
    };
  }

  /** Errors: InvalidDefinition where whose an accumulator is would not be known when it is erased. */
  #assertSealable(windows: Windows): void {
    const { personal } = this.#parts;
    const key = this.#saying?.key ?? '';
    if (typeof personal !== 'object') return;
    const ofAccumulators = { personal, indexNames: [], indexes: () => ({}) };
    for (const { accumulator } of windows) {
      const isKnown = typeof accumulator === 'object' && accumulator !== null && this.#sealable.has(accumulator);
      if (isKnown || accumulator === null) continue;
      assertSealable(`window ${this.#name}`, ofAccumulators, key, accumulator);
      if (typeof accumulator === 'object') this.#sealable.add(accumulator);
    }
  }

  /** What was given up was not said, and what was said before has the number that it had. */
  #standing(windows: Windows): Windows {
    this.#assertSealable(windows);
    const numbered = this.#retold?.numbered(windows) ?? windows;
    const known = this.#saying?.recalls === true ? passed(numbered, this.#saying.last.id) : numbered;
    if (!this.#gaveUp) return known;
    return known.map((window) => ({
      ...window,
      standing: window.standing.filter(({ result }) => result !== GIVEN_UP),
    }));
  }

  dueMs(windows: Windows): number {
    return dueOf(this.#parts.rules, windows);
  }

  isOver(windows: Windows): boolean {
    return windows.length === 0;
  }

  /** As lists, since there are many of them. */
  stored(windows: Windows): JsonValue {
    return windows.map((window): JsonValue => [
      window.startMs,
      window.endMs,
      window.accumulator,
      window.earliestMs,
      window.latestMs,
      window.events,
      window.untold,
      window.firings,
      window.ended ? 1 : 0,
      window.earlyMs ?? null,
      window.standing.map(({ startMs, endMs, index, result, reason, until }): JsonValue => {
        if (until !== undefined) return [startMs, endMs, index, result, reason, until.eventId, until.isPast];
        return reason === 'end' ? [startMs, endMs, index, result] : [startMs, endMs, index, result, reason];
      }),
    ]);
  }

  restored(json: JsonValue): Windows {
    return (json as unknown as readonly StoredWindow[]).map(
      ([startMs, endMs, accumulator, earliestMs, latestMs, events, untold, firings, ended, earlyMs, standing]) => ({
        startMs,
        endMs,
        accumulator: sealJson(accumulator, 'accumulator'),
        earliestMs,
        latestMs,
        events,
        untold,
        firings,
        ended: ended === 1,
        earlyMs: earlyMs ?? undefined,
        standing: standing.map(([start, end, index, result, reason = 'end', eventId, isPast = false]) => {
          const said = { startMs: start, endMs: end, index, result, reason };
          return eventId === undefined ? said : { ...said, until: { eventId, isPast } };
        }),
      }),
    );
  }

  /** What the result takes the place of is taken back first, so that who adds up has it once. Answers what is told, under the number that it has. */
  #tell(given: Firing<JsonValue>, saying: Saying): Firing<JsonValue> {
    const firing = this.#recalled(this.#retold?.of(given) ?? given, given, saying);
    this.#publish(firing, partOf(given), saying);
    return firing;
  }

  #publish(firing: Firing<JsonValue>, part: () => HandledPart, saying: Saying): void {
    const { published } = this.#parts;
    if (firing.result === GIVEN_UP) {
      for (const said of firing.replaces) if (said.result !== GIVEN_UP) this.#takeBack(said, 'unsaid', saying);
      return;
    }
    const time = isoTime(firing.endMs - 1);
    const id = this.#idOf(firing, saying);
    const standing = firing.replaces.filter(({ result }) => result !== GIVEN_UP);
    const replaced = standing.map((said) => this.#takeBack(said, { by: id }, saying));
    const isPlain = replaced.length === 0 && firing.reason === 'end';
    const extensions = {
      ...(replaced.length === 0 ? {} : { replaces: replaced.join(' ') }),
      ...timed(firing.reason),
    };
    saying.part(part, () => {
      void saying.publish(published, firing.result, { id, time, ...(isPlain ? {} : { extensions }) });
    });
  }

  /** What was said of a window from a number on, before it is told anew. */
  #recall(
    window: Span,
    { from, said }: { readonly from: number; readonly said: Said<JsonValue> | undefined },
    saying: Saying,
  ): Recalled | undefined {
    const { startMs, endMs } = window;
    return saying.recall({
      definition: this.#parts.published,
      data: said?.result,
      timing: said && timingOf(said.reason),
      idAt: (number) => this.#idOf({ startMs, endMs, index: from + number }, saying),
    });
  }

  /** A result takes the place of what was said before, unless it is the same. */
  #recalled(firing: Firing<JsonValue>, given: Telling, saying: Saying): Firing<JsonValue> {
    const isGivenUp = firing.result === GIVEN_UP;
    const recalled = this.#recall(firing, { from: firing.index, said: isGivenUp ? undefined : firing }, saying);
    if (recalled === undefined || recalled.told.length === 0) return firing;
    const again = toldAgain(recalled, { causeId: saying.last.id, timing: timingOf(firing.reason) });
    const last = lastOf(recalled, firing);
    const next = (last?.index ?? firing.index) + (isGivenUp ? 0 : 1);
    const index = again === undefined ? next : firing.index + again.number;
    this.#retold ??= new Retold();
    const until = again === undefined ? undefined : recalled.told.at(-1);
    this.#retold.skip(given, index - firing.index, until === again ? undefined : until?.event.causationid);
    const isReplaced = again === undefined && recalled.retraction === undefined && last !== undefined;
    return { ...firing, index, replaces: isReplaced ? [...firing.replaces, last] : firing.replaces };
  }

  /** A window is over that was told otherwise before, and nothing more will come of it: what was said then and is not said now holds no longer. */
  #forget(window: Windows[number], told: readonly Firing<JsonValue>[], saying: Saying): void {
    const now = told.findLast((firing) => isAmong([firing], window));
    const said = now ?? window.standing.at(-1);
    const standing = said === undefined || said.result === GIVEN_UP ? undefined : said;
    this.#settle(window, { standing, from: standing?.index ?? now?.index ?? window.firings }, saying);
  }

  /** What took the place of what a window says has not come again, and its turn is over. */
  #overdue(window: Windows[number], saying: Saying): Windows[number] {
    const [said, ...others] = window.standing;
    if (said?.until?.isPast !== true || said.until.eventId === saying.last.id) return window;
    if (others.length > 0 || !isAmong([said], window)) return window;
    const { until: _until, ...standing } = said;
    const settled = this.#settle(window, { standing, from: said.index }, saying) ?? standing;
    return { ...window, firings: settled.index + 1, standing: [settled] };
  }

  /** What was said of a window holds no longer but for what stands; answers that, under the number that it has then. */
  #settle(
    window: Windows[number],
    { standing, from }: { readonly standing: Said<JsonValue> | undefined; readonly from: number },
    saying: Saying,
  ): Said<JsonValue> | undefined {
    const recalled = this.#recall(window, { from, said: standing }, saying);
    const last = recalled && lastOf(recalled, { ...window, index: from });
    if (recalled === undefined || last === undefined) return standing;
    const stands = recalled.retraction === undefined;
    if (standing === undefined) {
      if (stands) this.#takeBack(last, 'unsaid', saying);
      return undefined;
    }
    if (stands && recalled.told.at(-1)?.isSame === true) return { ...standing, index: last.index };
    const { earliestMs, latestMs, events } = window;
    const again = { ...standing, index: last.index + 1 };
    const replaces = stands ? [last] : [];
    this.#publish({ ...again, replaces, events, earliestMs, latestMs }, partOf(again), saying);
    return again;
  }

  /** Answers the id of what is taken back. */
  #takeBack(said: Said<JsonValue>, why: 'emptied' | 'unsaid' | { readonly by: string }, saying: Saying): string {
    const id = this.#idOf(said, saying);
    const holdsNoLonger = retractionOf(this.#parts.published);
    void saying.takeBack(
      holdsNoLonger,
      { id, data: said.result },
      {
        id: retractionId(id),
        time: isoTime(said.endMs - 1),
        // As it was, so that who did not let it in does not let this in.
        extensions: {
          retracts: id,
          ...(typeof why === 'object' ? { replacedby: why.by } : {}),
          // Nothing that came took it back: if it is to be said again, it is.
          ...(why === 'unsaid' ? { unsaid: true } : {}),
          ...timed(said.reason),
        },
      },
    );
    return id;
  }

  #idOf({ startMs, endMs, index }: Pick<Said<JsonValue>, 'startMs' | 'endMs' | 'index'>, saying: Saying): string {
    // Of windows by count several may span the same times; what fills one is one event.
    const last = this.#parts.rules.windowing.kind === 'count' ? saying.last.position : '';
    return deterministicId(['window', this.#name, saying.key, startMs, endMs, index, last]);
  }
}

/** Of what something else took the place of after an event, now that this one is being handled. */
function passed(windows: Windows, eventId: string): Windows {
  if (!windows.some(({ standing }) => standing.some(({ until }) => until?.eventId === eventId))) return windows;
  return windows.map((window) => ({
    ...window,
    standing: window.standing.map((said) =>
      said.until?.eventId === eventId ? { ...said, until: { eventId, isPast: true } } : said,
    ),
  }));
}

function isAmong(windows: readonly Span[], { startMs, endMs }: Span): boolean {
  return windows.some((window) => window.startMs === startMs && window.endMs === endMs);
}

/** The attribute of a result that is not the one at the end. */
function timingOf(reason: Telling['reason']): string | undefined {
  return reason === 'end' ? undefined : reason;
}

function timed(reason: Telling['reason']): { readonly timing?: string } {
  const timing = timingOf(reason);
  return timing === undefined ? {} : { timing };
}

/** In place of a result that an operator gave up. */
const GIVEN_UP: JsonValue = Object.freeze({});

/** The result of a window, as a part of what comes of its key. */
function partOf({ startMs, endMs, index, reason }: Telling): () => HandledPart {
  return () => ({
    id: `window ${startMs} ${endMs} ${index}`,
    what: `the ${RESULT_OF[reason]} of the window from ${isoTime(startMs)} to ${isoTime(endMs)}`,
  });
}

const RESULT_OF = { early: 'early result', end: 'result', late: 'corrected result' } as const;

/** Texts are made when they are asked for. */
class KeyWindow implements WindowOf {
  readonly key: string;
  readonly startMs: number;
  readonly endMs: number;

  constructor(key: string, { startMs, endMs }: Span) {
    this.key = key;
    this.startMs = startMs;
    this.endMs = endMs;
  }

  get start(): string {
    return isoTime(this.startMs);
  }

  get end(): string {
    return isoTime(this.endMs);
  }
}
