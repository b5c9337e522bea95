import { compileSelection } from '../channel/selection.ts';
import type { HandlerContext, KeyState } from '../consumer/context.ts';
import { definitionsOf } from '../consumer/define-consumer.ts';
import type { On } from '../consumer/define-consumer.ts';
import { orderingKey } from '../consumer/keys.ts';
import { assertSealable } from '../consumer/personal-state.ts';
import type { LoopLimits } from '../consumer/loop-guard.ts';
import type { Handling, Reaction, ReactionTime } from '../consumer/reaction.ts';
import { InvalidDefinition } from '../errors.ts';
import { causeOf } from '../event/create-event.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { personalState } from '../event/personal-fields.ts';
import type { PersonalPart, PersonalState } from '../event/personal-fields.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { sealJson } from '../event/sealed-json.ts';
import { keptInState, revivedBy } from '../event/upcast-event.ts';
import type { EventTimeOptions } from '../operator/event-time-options.ts';
import { asked } from '../operator/asking.ts';
import { holdRules, inOrder } from '../operator/in-order.ts';
import type { HoldOptions, InOrder, Machine } from '../operator/in-order.ts';
import { recordedClock } from '../operator/define-sequence.ts';
import type { SequenceDefinition } from '../operator/define-sequence.ts';
import { inSequence, sequenceRules } from '../operator/in-sequence.ts';
import type { InSequence, SequenceOptions, Sequences } from '../operator/in-sequence.ts';
import { LateEvents } from '../operator/late-events.ts';
import type { LateWay } from '../operator/late-events.ts';
import { personalEvents, personalOwn } from '../operator/personal-operator.ts';
import { timedReaction } from '../operator/timed-reaction.ts';
import type { Operator, TimedOptions } from '../operator/timed-reaction.ts';
import type { Duration } from '../system/duration.ts';
import { deterministicId } from '../system/ids.ts';
import { assertKnown, titleOf } from '../system/known-options.ts';

type AnyContext = HandlerContext<RecordedEvent, EventDefinition, JsonValue>;

/** As the implementation sees it, whatever its types were. */
export interface HoldingOptions {
  readonly name: string;
  readonly on?: On;
  readonly where?: unknown;
  readonly key?: (event: never) => string;
  readonly publishes?: readonly EventDefinition[];
  readonly state?: { readonly initial: () => JsonValue; readonly personal?: PersonalState<JsonValue> | undefined };
  readonly run: (context: AnyContext) => void | Promise<void>;
}

/** Events wait until nothing that happened before them is expected any more, and are handed over in the order of event time. */
export interface InTimeOptions<Event> extends EventTimeOptions<Event> {
  /** By how much an event may be behind the latest one of its source before it is late. */
  readonly disorder: Duration;
  readonly hold?: HoldOptions;
  /** What came before in event time was handed over already. Default `'drop'`. */
  readonly late?: LateWay;
}

/** An automation whose events are handed over in the order of their producers' numbers, as a reaction. Time is when events were recorded. */
export function sequencedReaction(
  options: HoldingOptions & { readonly sequence: SequenceOptions | SequenceDefinition },
  loops: LoopLimits,
): Reaction {
  const { sequence: given, where, ...all } = options;
  // What is noticed is told, and asked about, where the count is declared.
  const isDeclared = 'reaction' in given;
  const sequence = isDeclared ? given.sequence : given;
  const ask = isDeclared ? undefined : sequence.ask;
  const rules = sequenceRules(titleOf('automation', options), sequence);
  // What it does not want is counted all the same.
  const wants = where === undefined ? undefined : compileSelection({ where });
  return holdingReaction<Sequences>(all, {
    operator: inSequence(rules, {
      asks: ask !== undefined,
      does: isDeclared ? 'hand over quietly' : 'hand over',
      on: definitionsOf(options.on),
    }),
    loops,
    clock: recordedClock(rules),
    waitsFor: 'numbers',
    ask,
    ...(wants === undefined ? {} : { wants: (event) => wants.matches(event) }),
    ownPath: ['own'],
    ownOf: ({ own }) => own,
    withOwn: (state, own) => ({ ...state, own }),
  });
}

/** An automation whose events are handed over in the order of event time, as a reaction. */
export function inTimeReaction(
  options: HoldingOptions & { readonly inTime: InTimeOptions<never> },
  loops: LoopLimits,
): Reaction {
  const { inTime, name, on } = options;
  const title = titleOf('automation', options);
  assertKnown(title, inTime, 'at disorder idle sources late hold'.split(' '), 'inTime.');
  if ((inTime.disorder as unknown) === undefined)
    throw new InvalidDefinition(title, 'inTime.disorder is missing: for how long events wait for earlier ones');
  const late = new LateEvents(title, name, inTime.late ?? 'drop', definitionsOf(on), 'inTime.late');
  const revived = revivedBy(definitionsOf(on));
  const machine: Machine<Own, StoredEvent> = {
    shape: 'in time',
    needsAsMuch: () => false,
    valueOf: (event) => event.stored,
    initial: () => ({ own: null }),
    next(state, value, _timeMs, saying) {
      saying.found({ event: recordedEvent(revived(value)) } satisfies InSequence);
      return state;
    },
    pass: (state) => state,
    dueMs: () => Number.POSITIVE_INFINITY,
    // What happened before the last event that was handed over is late, as long as it lives.
    isOver: () => false,
    json: {
      of: (state) => state as unknown as JsonValue,
      from: (json) => json as unknown as Own,
      ofValue: (value) => keptInState(value) as unknown as JsonValue,
      fromValue: (json, opening) => revived(json as unknown as StoredEvent, opening),
    },
  };
  const rules = holdRules(title, inTime.hold);
  return holdingReaction<InOrder<Own, StoredEvent>>(
    { ...options, publishes: [...(options.publishes ?? []), ...late.publishes] },
    {
      operator: inOrder(machine, { rules, waits: true, late }),
      loops,
      time: inTime,
      waitsFor: 'time',
      ask: undefined,
      ownPath: ['of', 'own', 0],
      ownOf: ({ of }) => of.own?.[0],
      withOwn: (state, own) => ({ ...state, of: { own: own === undefined ? null : [own] } }),
    },
  );
}

/** The state of who handles events, in a list, since it may be anything; null: there is none. */
interface Own {
  readonly own: readonly [JsonValue] | null;
}

interface HoldingParts<State> {
  readonly operator: Operator<State>;
  readonly loops: LoopLimits;
  readonly clock?: Pick<ReactionTime, 'bySource' | 'timeOf' | 'watermark'>;
  readonly time?: EventTimeOptions<never>;
  readonly waitsFor: 'numbers' | 'time';
  readonly ask: SequenceOptions['ask'];
  /** Of the events whose turn it is; default: all. */
  readonly wants?: (event: RecordedEvent) => boolean;
  /** Where that state of the program is in one that is stored. */
  readonly ownPath: PersonalPart['path'];
  readonly ownOf: (state: State) => JsonValue | undefined;
  readonly withOwn: (state: State, own: JsonValue | undefined) => State;
}

/** An automation whose events wait for others before `run` is given them, one after another. */
function holdingReaction<State>(options: HoldingOptions, parts: HoldingParts<State>): Reaction {
  const { run, publishes = [], state, key = orderingKey } = options;
  const { operator, loops, clock, time, waitsFor, ask, wants, ownPath, ownOf, withOwn } = parts;
  const title = titleOf('automation', options);
  const personal = personalState(title, state?.personal);
  const own = { personal, indexNames: [], indexes: () => ({}) };
  const timed = { ...options, key, ...(time === undefined ? {} : { time }) };
  return timedReaction<State, On>('automation', timed as unknown as TimedOptions<On>, {
    operator,
    publishes,
    loops,
    kept: { waitsFor, own: state !== undefined },
    personal: personalOwn(personalEvents(definitionsOf(options.on)), ownPath, { has: state !== undefined, personal }),
    ...(clock === undefined ? {} : { clock }),
    timeOptions: ['hold', 'late'],
    ofAllTypes: options.on === undefined,
    async act(handling, found, keep, kept) {
      const before = ownOf(kept);
      let present = before;
      const ownState: KeyState<JsonValue> = {
        get: () => (present === undefined ? (state?.initial() ?? null) : present),
        set(value) {
          present = sealJson(value, 'state');
          assertSealable(title, own, handling.key, present);
        },
        delete: () => void (present = undefined),
      };
      for (const { what } of found) {
        const one = what as InSequence;
        if ('gap' in one) {
          const { source, subject, from, to } = one.gap;
          const of = subject === undefined ? source : `${source} ${subject}`;
          const part = { id: `ask ${from} ${of}`, what: `asking for the numbers ${from} to ${to} of ${of}` };
          await handling.part(
            () => part,
            () => asked(handling, ask, one.gap),
          );
        } else if (wants?.(one.event) !== false) {
          const { event } = one;
          const part = { id: `event ${event.position}`, what: 'an event that was held', event };
          await handling.part(
            () => part,
            (handed = event) => run(new HeldContext(handling, handed, ownState)),
          );
        }
      }
      if (present !== before) keep(withOwn(kept, present));
    },
  });
}

/** The context of an event whose turn it is, in the handling of the one that made it so. */
class HeldContext implements AnyContext {
  readonly event: RecordedEvent;
  readonly state: KeyState<JsonValue>;
  readonly #handling: Handling;
  #published = 0;

  constructor(handling: Handling, event: RecordedEvent, state: KeyState<JsonValue>) {
    this.#handling = handling;
    this.event = event;
    this.state = state;
  }

  get attempt(): number {
    return this.#handling.number;
  }

  get idempotencyKey(): string {
    return deterministicId(['effect', this.#handling.consumer, this.event.source, this.event.id]);
  }

  get signal(): AbortSignal {
    return this.#handling.signal;
  }

  get log(): AnyContext['log'] {
    const { event, log } = this.#handling;
    const { id, position } = this.event;
    // The handling is that of the event which made it this one's turn.
    return id === event.id && position === event.position ? log : log.child({ handedOver: { id, position } });
  }

  /** Ids follow from the event, as everywhere. */
  get publish(): AnyContext['publish'] {
    const { consumer } = this.#handling;
    const { event } = this;
    return (definition, data, options = {}) => {
      this.#published += 1;
      const derived = ['event', consumer, event.source, event.id, this.#published];
      const id = () => deterministicId(derived, event.recordedMs);
      return this.#handling.publishFrom(definition, data, options, { id, cause: causeOf(event) });
    };
  }
}
