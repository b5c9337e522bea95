import { definitionsOf } from '../consumer/define-consumer.ts';
import type { On, ReactionOptions } from '../consumer/define-consumer.ts';
import type { ReactionTime } from '../consumer/reaction.ts';
import { InvalidDefinition } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import type { RecordedEvent } from '../event/event.ts';
import type { MonitorDefinition } from './define-monitor.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';
import { asked } from './asking.ts';
import { inSequence, sequenceRules, subjectOf } from './in-sequence.ts';
import type { InSequence, SequenceOptions, Sequences } from './in-sequence.ts';
import { timedReaction } from './timed-reaction.ts';
import type { TimedOptions } from './timed-reaction.ts';
import type { SequenceRules } from '../time/sequence.ts';

/** Which events are numbered: those of types, of sources, or of types from sources. */
export interface NumberedOptions<Given extends On> extends Omit<
  ReactionOptions<Given>,
  'where' | 'category' | 'concurrency'
> {
  readonly sequence: SequenceOptions;
}

/** A count that producers keep, of which automations may ask to be given its events in order. */
export interface SequenceDefinition extends MonitorDefinition {
  readonly sequence: SequenceOptions;
  /** None: all. */
  readonly sources: readonly string[];
}

/** What waits is looked after so often, when nothing comes that would tell of time. */
const LOOK_MS = { least: 100, most: 1_000 };

/**
 * Declares that events of these types, or from these sources, carry numbers (`sequence`) that their producer counts for each source and subject.
 * It belongs into `monitors`; an automation that is to be given them in order names it as its `sequence`.
 *
 * Guarantee A gap, one that is filled or given up, a duplicate, a step back and a reset are each recorded once (`thereupon.sequence.…`), whoever
 *           consumes the events and whatever crashes when. Time is when events were recorded.
 * Errors    InvalidDefinition names the option.
 */
export function defineSequence<const Given extends On = undefined>(
  options: NumberedOptions<Given>,
): SequenceDefinition {
  const name = titleOf('monitor', options);
  assertKnown(name, options, 'name summary on source from retry timeout sequence'.split(' '));
  const { sequence } = options;
  if (options.on === undefined && options.source === undefined)
    throw new InvalidDefinition(name, 'it must say by on or source which events are numbered');
  if (typeof sequence !== 'object' || (sequence as unknown) === null)
    throw new InvalidDefinition(name, `sequence must be an object, found ${describeValue(sequence)}`);
  const rules = sequenceRules(name, sequence);
  const { ask } = sequence;
  const timed = { ...options, key: numberedKey } as unknown as TimedOptions<On>;
  const reaction = timedReaction<Sequences, On>('monitor', timed, {
    operator: inSequence(rules, { asks: ask !== undefined, does: 'watch', on: [] }),
    publishes: [],
    ofAllTypes: options.on === undefined,
    // It keeps numbers alone.
    personal: 'none',
    clock: recordedClock(rules),
    async act(handling, found) {
      for (const { what } of found) {
        const one = what as InSequence;
        if ('gap' in one) await asked(handling, ask, one.gap);
      }
    },
  });
  const { name: title } = options;
  const on = definitionsOf(options.on);
  return { kind: 'monitor', name: title, on, publishes: [], reaction, sequence, sources: sourcesIn(options.source) };
}

/** As a list; none: all. */
export function sourcesIn(given: string | readonly string[] | undefined): readonly string[] {
  return given === undefined ? [] : typeof given === 'string' ? [given] : given;
}

/** Time is when events were recorded. */
export function recordedClock({ waitMs }: SequenceRules): Pick<ReactionTime, 'bySource' | 'timeOf' | 'watermark'> {
  const idleMs = Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, waitMs / 10));
  return {
    timeOf: ({ recordedMs }) => recordedMs,
    bySource: false,
    watermark: { disorderMs: 0, idleMs, expected: [] },
  };
}

/** Everything that one producer counts together. */
function numberedKey(event: RecordedEvent): string {
  return `${subjectOf(event)} from ${event.source}`;
}
