import { InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { SYSTEM_EVENTS } from '../event/system-events.ts';
import type { SystemEventType } from '../event/system-events.ts';
import { mayHoldSealed, withoutSealed } from '../event/sealed-value.ts';
import { keptInState, revivedBy, storedText } from '../event/upcast-event.ts';
import { assertFunction, assertObject, wholeMs } from './assert-options.ts';
import { isoTime } from '../system/clock.ts';
import type { Duration } from '../system/duration.ts';
import { assertKnown } from '../system/known-options.ts';
import { dueOfSequence, newSequence, passSequence, takeNumbered } from '../time/sequence.ts';
import type { SequenceNotice, SequenceRules, SequenceState, SequenceStep } from '../time/sequence.ts';
import type { HoldOptions } from './in-order.ts';
import type { Operator, Saying } from './timed-reaction.ts';

/** Numbers that a producer's events lack. */
export interface SequenceGap {
  readonly source: string;
  readonly subject: string;
  /** The first number that is missing, and the last. */
  readonly from: number;
  readonly to: number;
}

/**
 * Events are handed over in the order of the numbers that their producers gave them: `sequence`, counted for each source and subject. Those
 * without one go on as they come.
 */
export interface SequenceOptions {
  /** `'hold'`: what comes after a gap waits for what is missing, up to `wait`. `'record'`: it goes on at once. Each gap is recorded either way. */
  readonly onGap: 'hold' | 'record';
  /** Counted from when an event after the gap was recorded. Default `'30s'`. */
  readonly wait?: Duration;
  /** Asks the source for what is missing: called once for each gap, again where the handling is repeated. Its failure fails the handling. */
  readonly ask?: (gap: SequenceGap) => void | Promise<void>;
  /** What came before under the same number, from the same time and with the same data, is dropped (default) or handed over again. Recorded either way. */
  readonly onDuplicate?: 'drop' | 'hand-over';
  /** Something else under a number that is past and was not missing is handed over (default) or dropped. Recorded either way. */
  readonly onStepBack?: 'drop' | 'hand-over';
  /** A count that begins again is followed from there (default), or each of its numbers is a step back. Recorded either way. */
  readonly onReset?: 'follow' | 'step-back';
  /** The first number that a producer gives. Default: the first that comes, and a count that begins again at 0 or 1 is a reset. */
  readonly first?: number;
  readonly hold?: HoldOptions;
}

/** What was found: an event whose turn it is, or a gap that the source is to be asked about. */
export type InSequence = { readonly event: RecordedEvent } | { readonly gap: SequenceGap };

/** Of a key: its producers' sequences by source and subject, and the state of who handles its events. */
export interface Sequences {
  readonly bySubject: Readonly<Record<string, SequenceState<StoredEvent>>>;
  readonly own: JsonValue | undefined;
}

const REPORTS: Readonly<Record<SequenceNotice['kind'], SystemEventType>> = {
  gap: SYSTEM_EVENTS.sequenceGap,
  filled: SYSTEM_EVENTS.sequenceFilled,
  lost: SYSTEM_EVENTS.sequenceLost,
  duplicate: SYSTEM_EVENTS.sequenceDuplicate,
  'stepped-back': SYSTEM_EVENTS.sequenceSteppedBack,
  reset: SYSTEM_EVENTS.sequenceReset,
};

const SEQUENCE_OPTIONS = ['onGap', 'wait', 'ask', 'onDuplicate', 'onStepBack', 'onReset', 'first', 'hold'];

/** Errors: InvalidDefinition names the option. */
export function sequenceRules(name: string, options: SequenceOptions): SequenceRules {
  assertKnown(name, options, SEQUENCE_OPTIONS, 'sequence.');
  assertKnown(name, options.hold, ['maxEvents', 'overflow'], 'sequence.hold.');
  assertFunction(name, 'sequence.ask', options.ask);
  assertObject(name, 'sequence.hold', options.hold);
  const { onGap, wait = '30s', first, hold = {} } = options;
  if (onGap !== 'hold' && onGap !== 'record')
    throw new InvalidDefinition(name, `sequence.onGap must be 'hold' or 'record', found ${describeValue(onGap)}`);
  if (first !== undefined && !(Number.isSafeInteger(first) && first >= 0))
    throw new InvalidDefinition(name, `sequence.first must be a whole number from 0, found ${describeValue(first)}`);
  if (onGap === 'record' && (options.wait !== undefined || options.hold !== undefined))
    throw new InvalidDefinition(
      name,
      "sequence.wait and sequence.hold have no meaning with onGap: 'record', which holds nothing",
    );
  const past = {
    duplicates: choice(name, 'onDuplicate', options.onDuplicate, { drop: 'drop', 'hand-over': 'release' }),
    stepsBack: choice(name, 'onStepBack', options.onStepBack, { 'hand-over': 'release', drop: 'drop' }),
    resets: choice(name, 'onReset', options.onReset, { follow: true, 'step-back': false }),
  } as const;
  if (onGap === 'record') return { waitMs: 0, first, maxEvents: 1, overflow: 'release', ...past };
  const waitMs = wholeMs(name, 'sequence.wait', wait);
  const { maxEvents = 1_000, overflow = 'release' } = hold;
  if (!Number.isSafeInteger(maxEvents) || maxEvents < 1)
    throw new InvalidDefinition(
      name,
      `sequence.hold.maxEvents must be a whole number from 1, found ${describeValue(maxEvents)}`,
    );
  if (overflow !== 'release' && overflow !== 'drop')
    throw new InvalidDefinition(
      name,
      `sequence.hold.overflow must be 'release' or 'drop', found ${describeValue(overflow)}`,
    );
  return { waitMs, first, maxEvents, overflow: overflow === 'drop' ? 'refuse' : 'release', ...past };
}

/** What an option stands for; the first of them is the default. */
function choice<const Meaning>(
  name: string,
  option: string,
  given: string | undefined,
  meanings: Readonly<Record<string, Meaning>>,
): Meaning {
  const known = Object.keys(meanings);
  const chosen = given === undefined ? known[0] : known.find((one) => one === given);
  if (chosen !== undefined) return meanings[chosen] as Meaning;
  throw new InvalidDefinition(
    name,
    `sequence.${option} must be ${known.map((one) => `'${one}'`).join(' or ')}, found ${describeValue(given)}`,
  );
}

/** What is numbered together with others of its source. */
export function subjectOf({ subject, stream }: RecordedEvent): string {
  return subject ?? stream;
}

interface Due {
  readonly of: string;
  readonly sequence: Sequences['bySubject'][string];
  readonly dueMs: number;
}

/** Of an event that is only looked at nothing is kept but its number. */
const NOTHING_OF_IT = null as unknown as StoredEvent;

/**
 * An operator that finds events in the order of their producers' numbers. What waits is kept whole in its state.
 *
 * Shape     `does`: `'hand over'` finds each event when its turn is, and tells what it notices; `'hand over quietly'` tells nothing, for another
 *           one does; `'watch'` finds no events.
 */
export function inSequence(
  rules: SequenceRules,
  {
    asks,
    does,
    on,
  }: {
    readonly asks: boolean;
    readonly does: 'hand over' | 'hand over quietly' | 'watch';
    /** What it is about. */
    readonly on: readonly EventDefinition[];
  },
): Operator<Sequences> {
  const watches = does === 'watch';
  const tells = does !== 'hand over quietly';
  const revived = revivedBy(on);
  function apply(state: Sequences, of: string, step: SequenceStep<StoredEvent>, saying: Saying): Sequences {
    const [source, subject] = JSON.parse(of) as [string, string];
    for (const { kind, from, to } of tells ? step.notices : []) {
      saying.report(REPORTS[kind], { key: saying.key, of: { source, subject }, from, to });
      if (asks && kind === 'gap') saying.found({ gap: { source, subject, from, to } } satisfies InSequence);
    }
    if (!watches)
      for (const released of step.released)
        saying.found({ event: recordedEvent(revived(released)) } satisfies InSequence);
    return { ...state, bySubject: { ...state.bySubject, [of]: step.state } };
  }

  /** Of those of which something waits, the one that goes on first. */
  function firstDue({ bySubject }: Sequences): Due | undefined {
    let first: Due | undefined;
    for (const [of, sequence] of Object.entries(bySubject)) {
      // What comes at the last instant is in time.
      const dueMs = dueOfSequence(rules, sequence) + (rules.waitMs > 0 ? 1 : 0);
      if (dueMs < (first?.dueMs ?? Number.POSITIVE_INFINITY)) first = { of, sequence, dueMs };
    }
    return first;
  }

  return {
    shape: 'sequence',
    initial: () => ({ bySubject: {}, own: undefined }),
    take(before, { event }, saying) {
      const { sequence } = event;
      // What had waited long enough when it came goes on first, whether that was looked at then or not.
      const state = this.pass(before, event.recordedMs, saying);
      if (sequence === undefined) {
        if (!watches) saying.found({ event } satisfies InSequence);
        return state;
      }
      const of = JSON.stringify([event.source, subjectOf(event)]);
      const known = state.bySubject[of] ?? newSequence<StoredEvent>();
      const step = takeNumbered(rules, known, {
        number: numberOf(sequence),
        // A producer that counts anew may say the same as before, at another time.
        digest: digestOf(`${event.time} ${comparedText(event)}`),
        atMs: event.recordedMs,
        value: watches ? NOTHING_OF_IT : event.stored,
      });
      if (step.refused) {
        const [source, subject] = JSON.parse(of) as [string, string];
        saying.tooLate({ key: saying.key, of: { source, subject }, reason: 'too many wait for others' }, false);
        return state;
      }
      return apply(state, of, step, saying);
    },
    pass(state, watermarkMs, saying) {
      // One after another as they were due, so that it does not matter how far time goes at once.
      let passed = state;
      for (let due = firstDue(passed); due !== undefined && due.dueMs <= watermarkMs; due = firstDue(passed))
        passed = apply(passed, due.of, passSequence(rules, due.sequence, due.dueMs), saying);
      return passed;
    },
    dueMs: (state) => firstDue(state)?.dueMs ?? Number.POSITIVE_INFINITY,
    isOver: ({ bySubject, own }) => own === undefined && Object.keys(bySubject).length === 0,
    heldIn({ bySubject }) {
      const waiting = Object.entries(bySubject).filter(([, { held }]) => held.length > 0);
      const texts = waiting.map(([of, { next = 0, held }]) => {
        const [source, subject] = JSON.parse(of) as [string, string];
        const [first] = held;
        const to = (first?.number ?? next) - 1;
        const until = isoTime(dueOfSequence(rules, { held }));
        return `${next === to ? next : `${next} to ${to}`} of ${subject} from ${source}, until ${until}`;
      });
      const events = waiting.reduce((sum, [, { held }]) => sum + held.length, 0);
      return events === 0 ? undefined : { events, waitsFor: texts.join('; ') };
    },
    stored: (state) => withHeld(state, keptInState) as unknown as JsonValue,
    restored(json, opening) {
      const state = json as unknown as Sequences;
      return opening === undefined ? state : withHeld(state, (stored) => revived(stored, opening));
    },
  };
}

/** Errors: InvalidInput. */
function numberOf(sequence: string): number {
  const number = /^\d{1,15}$/.test(sequence) ? Number(sequence) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new InvalidInput({ path: 'sequence', expected: 'a whole number of at most 15 digits', found: sequence });
}

function withHeld(state: Sequences, change: (stored: StoredEvent) => StoredEvent): Sequences {
  if (Object.values(state.bySubject).every(({ held }) => held.length === 0)) return state;
  const bySubject = Object.entries(state.bySubject).map(([of, sequence]): [string, SequenceState<StoredEvent>] => {
    const { held } = sequence;
    return [of, { ...sequence, held: held.map((one) => ({ ...one, value: one.value && change(one.value) })) }];
  });
  return { ...state, bySubject: Object.fromEntries(bySubject) };
}

/** What is compared of an event with the one before under its number: all but what is sealed in it, which is never sealed alike. */
function comparedText(event: RecordedEvent): string {
  const data = storedText(event) ?? '';
  return mayHoldSealed(data) ? JSON.stringify(withoutSealed(JSON.parse(data))) : data;
}

const FNV_OFFSET = 0x81_1c_9d_c5;
const FNV_PRIME = 0x01_00_01_93;

/** Tells what is said again from something else: FNV-1a over the text. */
function digestOf(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  return hash >>> 0;
}
