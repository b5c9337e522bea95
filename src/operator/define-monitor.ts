import { createHash } from 'node:crypto';
import { definitionsOf, REACTION_OPTIONS } from '../consumer/define-consumer.ts';
import type { EventsOf, On } from '../consumer/define-consumer.ts';
import { isKey } from '../consumer/keys.ts';
import type { HandledPart, Reaction } from '../consumer/reaction.ts';
import { InvalidDefinition, InvalidInput } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { EventDefinition, InputOf } from '../event/define-event.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { PersonalParts } from '../event/personal-fields.ts';
import { isoTime } from '../system/clock.ts';
import type { Duration } from '../system/duration.ts';
import { deterministicId } from '../system/ids.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';
import { dueOfAbsence, expectedSince, hearOf, passAbsence } from '../time/absence.ts';
import type { AbsenceState } from '../time/absence.ts';
import { NEW_MONITOR, dueOfMonitor, passMonitor, readMonitor } from '../time/monitor.ts';
import type { Measure, MonitorFiring, MonitorRules, MonitorState } from '../time/monitor.ts';
import { holdRules, inOrder } from './in-order.ts';
import type { HoldOptions, Machine } from './in-order.ts';
import { LateEvents } from './late-events.ts';
import type { LateWay } from './late-events.ts';
import { assertDefinition, wholeMs } from './assert-options.ts';
import { waitsForOthers } from './event-time-options.ts';
import { personalReadings } from './personal-operator.ts';
import type { PersonalReadings } from './personal-operator.ts';
import { timedReaction } from './timed-reaction.ts';
import type { Saying, TimedOptions } from './timed-reaction.ts';

/** A condition on what is measured. */
export type Level = { readonly above: number } | { readonly below: number } | ((measured: number) => boolean);

/** What of the readings of a key is looked at: each by itself; the mean of the last ones; or by how much they rise in so long. */
export type MeasureOptions =
  | 'value'
  | { readonly average: { readonly events: number } | { readonly over: Duration } }
  | { readonly rate: Duration };

/** That a monitor fires, for who makes an event of it. */
export interface MonitorAlarm {
  readonly key: string;
  /** When it fires, RFC 3339 in UTC. */
  readonly time: string;
  /** Since when the condition has held. */
  readonly since: string;
  /** For how many readings it has held. */
  readonly times: number;
  readonly measured: number;
}

const MONITOR_OPTIONS = [...REACTION_OPTIONS, ...'key time late hold publishes alarm'.split(' ')];

/** What monitors of readings and of silences have in common. */
interface MonitorCommon<Given extends EventDefinition | readonly EventDefinition[]> extends TimedOptions<Given> {
  /** With a `time.disorder`, readings wait until nothing earlier is expected; what comes still later is late. Default `'drop'`. */
  readonly late?: LateWay;
  readonly hold?: HoldOptions;
}

export interface MonitorOptions<
  Given extends EventDefinition | readonly EventDefinition[],
  Result extends EventDefinition,
> extends MonitorCommon<Given> {
  /** The reading of an event; undefined: it has none. */
  readonly value: (event: EventsOf<Given>) => number | undefined;
  /** Default `'value'`. */
  readonly measure?: MeasureOptions;
  readonly fires: Level;
  /** It does not fire again before this holds. Default: before its condition has ceased to hold. `'always'`: it fires for every reading for which it holds. */
  readonly rearms?: Level | 'always';
  /** The condition has to hold for so long, by event time; with the last reading, also where none comes. Default: at once. */
  readonly for?: Duration;
  /** And for so many readings one after another. Default 1. */
  readonly times?: number;
  readonly publishes: Result;
  readonly alarm: (alarm: MonitorAlarm) => InputOf<Result>;
  /** Whether the readings are about a person, where the events have personal fields, and about whom: they are kept sealed then. */
  readonly personal?: PersonalReadings;
}

/** That nothing came of a key. */
export interface SilenceAlarm {
  readonly key: string;
  /** When it was known, RFC 3339 in UTC. */
  readonly time: string;
  /** When the last event happened; of a key that was never heard of, since when it is expected. */
  readonly since: string;
  /** Whether there ever was one. */
  readonly heard: boolean;
}

export interface SilenceOptions<
  Given extends EventDefinition | readonly EventDefinition[],
  Result extends EventDefinition,
> extends MonitorCommon<Given> {
  /** From the last event on, or from the first instant that is known of. */
  readonly for: Duration;
  /** Keys that are to be heard of, also where they never were. */
  readonly expected?: readonly string[];
  readonly publishes: Result;
  readonly alarm: (alarm: SilenceAlarm) => InputOf<Result>;
}

/** What is looked at over time, and published once when it is so. */
export interface MonitorDefinition {
  readonly kind: 'monitor';
  readonly name: string;
  readonly on: readonly EventDefinition[];
  readonly publishes: readonly EventDefinition[];
  readonly reaction: Reaction;
}

/**
 * Declares a monitor: an event is published when a measured value of a key is as it says, once until it is armed again.
 *
 * Guarantee As of windows: a function of the recorded events in their order, over restarts too (G6, G8).
 * Errors    InvalidDefinition; InvalidPattern names the place in `where`.
 */
export function defineMonitor<
  const Given extends EventDefinition | readonly EventDefinition[],
  Result extends EventDefinition,
>(options: MonitorOptions<Given, Result>): MonitorDefinition {
  const name = titleOf('monitor', options);
  assertKnown(name, options, [...MONITOR_OPTIONS, ...'value measure fires rearms for times personal'.split(' ')]);
  for (const part of ['value', 'alarm'] as const)
    if (typeof options[part] !== 'function')
      throw new InvalidDefinition(name, `${part} must be a function, found ${describeValue(options[part])}`);
  const fires = levelOf(name, 'fires', options.fires);
  assertHysteresis(name, options.fires, options.rearms);
  const { times = 1, rearms } = options;
  if (!Number.isSafeInteger(times) || times < 1)
    throw new InvalidDefinition(name, `times must be a whole number from 1, found ${describeValue(times)}`);
  const rules: MonitorRules = {
    measure: measureOf(name, options.measure ?? 'value'),
    fires,
    rearms:
      rearms === 'always'
        ? undefined
        : rearms === undefined
          ? (measured) => !fires(measured)
          : levelOf(name, 'rearms', rearms),
    forMs: options.for === undefined ? 0 : wholeMs(name, 'for', options.for),
    times,
  };
  const published = options.publishes as EventDefinition;
  const read = options.value as (event: RecordedEvent) => unknown;
  const alarm = options.alarm as (alarm: MonitorAlarm) => unknown;
  /** `reading`: the position of the one that fires; undefined: time does. */
  const tell = (
    { timeMs, sinceMs, times: count, measured }: MonitorFiring,
    reading: number | undefined,
    saying: Saying,
  ): void => {
    const { key } = saying;
    const time = isoTime(timeMs);
    const id = deterministicId(['monitor', options.name, key, timeMs, reading ?? `since ${sinceMs}`]);
    saying.part(alarmPart(id, time), () => {
      const data = alarm({ key, time, since: isoTime(sinceMs), times: count, measured });
      void saying.publish(published, data, { id, time });
    });
  };
  const machine: Machine<MonitorState, readonly [value: number | null, position: number]> = {
    shape: `monitor ${rules.measure.kind}`,
    needsAsMuch: (shape) => shape.startsWith('monitor '),
    valueOf: (event) => [readingOf(read(event)), event.position],
    initial: () => NEW_MONITOR,
    waiting: {
      placeOf: ([, position]) => position,
      partOf: ([, position], timeMs) => ({
        id: `event ${position}`,
        what: `the reading of ${isoTime(timeMs)}, event ${position}, which waited for earlier ones`,
      }),
    },
    next(state, [value, position], timeMs, saying) {
      if (value === null) return state;
      const step = readMonitor(rules, state, { timeMs, value });
      if (step.firing !== undefined) tell(step.firing, position, saying);
      return step.state;
    },
    pass(state, toMs, saying) {
      const step = passMonitor(rules, state, toMs);
      if (step.firing !== undefined) tell(step.firing, undefined, saying);
      return step.state;
    },
    dueMs: (state) => dueOfMonitor(rules, state),
    // What came before the last reading is late, as long as it lives.
    isOver: () => false,
  };
  return monitorOf(name, options as never, machine, { personal: personalReadings(name, options.personal) });
}

/**
 * Declares a monitor of silence: an event is published when nothing came of a key for so long, once until something comes.
 *
 * Guarantee As of `defineMonitor`. An event at the last instant is none too late. In a quiet log time goes on by the clock (`time.idle`).
 * Errors    InvalidDefinition; InvalidPattern names the place in `where`.
 */
export function defineSilence<
  const Given extends EventDefinition | readonly EventDefinition[],
  Result extends EventDefinition,
>(options: SilenceOptions<Given, Result>): MonitorDefinition {
  const name = titleOf('monitor', options);
  assertKnown(name, options, [...MONITOR_OPTIONS, ...'for expected'.split(' ')]);
  const forMs = wholeMs(name, 'for', options.for);
  const { expected = [] } = options;
  if (!Array.isArray(expected))
    throw new InvalidDefinition(name, `expected must be a list of keys, found ${describeValue(expected)}`);
  for (const [index, key] of (expected as readonly unknown[]).entries())
    if (key === '' || !isKey(key))
      throw new InvalidDefinition(name, `expected[${index}] must be a key, found ${describeValue(key)}`);
  if (typeof options.alarm !== 'function')
    throw new InvalidDefinition(name, `alarm must be a function, found ${describeValue(options.alarm)}`);
  const awaited = new Set<string>(expected);
  const published = options.publishes as EventDefinition;
  const alarm = options.alarm as (alarm: SilenceAlarm) => unknown;
  const machine: Machine<HeardState, null> = {
    shape: 'silence',
    // Keys that were not expected before are silent since they are.
    looksFor: expected.length === 0 ? [] : [`keys ${digestOf([...awaited].toSorted())}`],
    needsAsMuch: (shape) => shape.startsWith('monitor '),
    valueOf: () => null,
    initial: (timeMs) => ({ ...expectedSince(timeMs), heard: false }),
    next: (state, _value, timeMs) => ({ ...hearOf(state, timeMs), heard: true }),
    pass(state, toMs, saying) {
      // It was expected once, and is no longer.
      if (!state.heard && !awaited.has(saying.key)) return { ...state, told: true, isOver: true };
      const step = passAbsence(forMs, state, toMs);
      if (step.silence !== undefined) {
        const { key } = saying;
        const { timeMs, lastMs } = step.silence;
        const id = deterministicId(['silence', options.name, key, lastMs]);
        const time = isoTime(timeMs);
        saying.part(alarmPart(id, time), () => {
          const data = alarm({ key, time, since: isoTime(lastMs), heard: state.heard });
          void saying.publish(published, data, { id, time });
        });
      }
      return { ...step.state, heard: state.heard };
    },
    dueMs: (state) => dueOfAbsence(forMs, state),
    isOver: (state) => state.isOver === true,
  };
  // Of its events it keeps when they were.
  return monitorOf(name, options as never, machine, { expected: [...awaited], personal: 'none' });
}

interface HeardState extends AbsenceState {
  readonly heard: boolean;
  /** Nothing is to be known of it any more. */
  readonly isOver?: true;
}

function monitorOf<State, Value>(
  name: string,
  options: MonitorCommon<readonly EventDefinition[]> & { readonly publishes: EventDefinition },
  machine: Machine<State, Value>,
  more: { readonly expected?: readonly string[]; readonly personal: PersonalParts | 'none' | undefined },
): MonitorDefinition {
  assertDefinition(name, 'publishes', options.publishes);
  const on = definitionsOf(options.on);
  const late = new LateEvents(name, options.name, options.late ?? 'drop', on);
  const rules = holdRules(name, options.hold);
  const operator = inOrder(machine, { rules, waits: waitsForOthers(name, options.time), late });
  const publishes = [options.publishes, ...late.publishes];
  const reaction = timedReaction('monitor', options as unknown as TimedOptions<On>, { operator, publishes, ...more });
  return { kind: 'monitor', name: options.name, on, publishes, reaction };
}

function digestOf(keys: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(keys)).digest('hex').slice(0, 16);
}

/** Errors: InvalidInput, of which the event fails. */
function readingOf(reading: unknown): number | null {
  if (reading === undefined) return null;
  if (typeof reading === 'number' && Number.isFinite(reading)) return reading;
  throw new InvalidInput({ path: 'value', expected: 'a finite number, or undefined', found: reading });
}

/** An alarm, as a part of what comes of a key. */
function alarmPart(id: string, time: string): () => HandledPart {
  return () => ({ id: `alarm ${id}`, what: `the alarm of ${time}` });
}

/** Armed again while it still would fire, it would fire at every reading. */
function assertHysteresis(name: string, fires: Level, rearms: Level | 'always' | undefined): void {
  // What is neither is refused where it is read.
  if (typeof fires !== 'object' || typeof rearms !== 'object' || rearms === null) return;
  const isApart =
    'above' in fires
      ? 'below' in rearms && rearms.below <= fires.above
      : 'above' in rearms && rearms.above >= fires.below;
  if (isApart) return;
  const wanted = 'above' in fires ? `{ below: ${fires.above} } or less` : `{ above: ${fires.below} } or more`;
  throw new InvalidDefinition(
    name,
    `rearms must lie on the other side of fires, ${wanted}, found ${JSON.stringify(rearms)}; to fire at every reading say 'always'`,
  );
}

function levelOf(name: string, option: string, level: Level): (measured: number) => boolean {
  if (typeof level === 'function') return level;
  if (typeof level === 'object' && level !== null) {
    assertKnown(name, level, ['above', 'below'], `${option}.`);
    if ('above' in level && 'below' in level)
      throw new InvalidDefinition(name, `${option} has above or below, not both; a function may say anything else`);
    for (const [side, limit] of Object.entries(level))
      if (!Number.isFinite(limit))
        throw new InvalidDefinition(name, `${option}.${side} must be a number, found ${describeValue(limit)}`);
    if ('above' in level) return (measured) => measured > level.above;
    if ('below' in level) return (measured) => measured < level.below;
  }
  throw new InvalidDefinition(
    name,
    `${option} must be { above }, { below }${option === 'rearms' ? ", 'always'" : ''} or a function, found ${describeValue(level)}`,
  );
}

function measureOf(name: string, measure: MeasureOptions): Measure {
  if (measure === 'value') return { kind: 'value' };
  if (typeof measure === 'object' && measure !== null) {
    assertKnown(name, measure, 'rate' in measure ? ['rate'] : ['average'], 'measure.');
    if ('rate' in measure) return { kind: 'rate', perMs: wholeMs(name, 'measure.rate', measure.rate) };
    const average = 'average' in measure ? (measure.average as { events?: number; over?: Duration } | undefined) : {};
    assertKnown(name, average, ['events', 'over'], 'measure.average.');
    if (average?.events !== undefined && average.over !== undefined)
      throw new InvalidDefinition(name, 'measure.average has events or over, not both');
    if (Number.isSafeInteger(average?.events) && (average?.events ?? 0) >= 1)
      return { kind: 'average', over: { events: average?.events ?? 1 } };
    if (average?.over !== undefined)
      return { kind: 'average', over: { ms: wholeMs(name, 'measure.average.over', average.over) } };
    if (average?.events !== undefined)
      throw new InvalidDefinition(
        name,
        `measure.average.events must be a whole number from 1, found ${describeValue(average.events)}`,
      );
  }
  throw new InvalidDefinition(
    name,
    `measure must be 'value', { average } or { rate }, found ${describeValue(measure)}`,
  );
}
