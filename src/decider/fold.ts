import { InvalidDefinition, InvalidInput, SealedDataInvalid, UpcastFailed } from '../errors.ts';
import type { EventDefinition, EventOf } from '../event/define-event.ts';
import type { EncodedEvent, RecordedEvent, StoredEvent } from '../event/event.ts';
import { EventHead } from '../event/event-head.ts';
import { assertJson, deepFreeze } from '../event/json.ts';
import type { JsonValue } from '../event/json.ts';
import type { Position } from '../event/position.ts';
import { OPENING } from '../event/opening.ts';
import type { Opening } from '../event/opening.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import { assertAtOnce } from './decision.ts';

/** What `evolve` may look at: everything but the place in the log, which an event does not have yet while a command is being decided. */
export type EvolvingEvent<Event> = Omit<Event, 'position' | 'recordedtime' | 'recordedMs' | 'stored' | 'toJSON'>;

/** For each event definition, the function that takes a state and an event of it to the next state. Pure. */
export type StateEvolutions<Definitions extends readonly EventDefinition[], State> = {
  readonly [Index in keyof Definitions]: readonly [
    Definitions[Index],
    (state: State, event: EvolvingEvent<EventOf<Definitions[Index]>>) => State,
  ];
};

/** Where the compiler learns which definitions are meant; what their functions are is learnt from `StateEvolutions`. */
export type Evolving<Definitions extends readonly EventDefinition[]> = {
  readonly [Index in keyof Definitions]: readonly [Definitions[Index], unknown];
};

type Step = (state: unknown, event: RecordedEvent) => unknown;

/** How events add up to a state. */
export interface Fold {
  /** In errors. */
  readonly title: string;
  readonly initial: () => JsonValue;
  readonly steps: ReadonlyMap<string, Step>;
}

/** Errors: InvalidDefinition when a type is named twice, or what stands for it is no pair. */
export function foldOf(title: string, initial: unknown, evolutions: unknown): Fold {
  if (typeof initial !== 'function') throw new InvalidDefinition(title, 'initial must be a function');
  if (!Array.isArray(evolutions)) throw new InvalidDefinition(title, 'evolve must be a list of [definition, function]');
  const steps = new Map<string, Step>();
  for (const [index, pair] of (evolutions as readonly (readonly [EventDefinition?, Step?])[]).entries()) {
    const [definition, step] = Array.isArray(pair) ? pair : [];
    if (definition?.kind !== 'event' || typeof step !== 'function')
      throw new InvalidDefinition(title, `evolve[${index}] must be [definition, (state, event) => state]`);
    if (steps.has(definition.type))
      throw new InvalidDefinition(title, `evolve names event type ${definition.type} twice`);
    steps.set(definition.type, step);
  }
  return { title, initial: initial as () => JsonValue, steps };
}

/** The state before the first event, frozen. Errors: InvalidDefinition. */
export function initialState(fold: Fold): JsonValue {
  return asState(fold, fold.initial(), 'initial');
}

/**
 * The state after these events, frozen through and through. Types without a function leave it as it is.
 *
 * Errors    InvalidDefinition when a function throws, or the state is no JSON; UpcastFailed, SealedDataInvalid of an event that cannot be read.
 */
export function evolved(fold: Fold, before: JsonValue, events: Iterable<RecordedEvent>): JsonValue {
  let state: unknown = before;
  let last: RecordedEvent | undefined;
  for (const event of events) {
    const step = fold.steps.get(event.type);
    if (step === undefined) continue;
    last = event;
    try {
      // Frozen each time: a function that changes what it was given is found at once, and not by a state that is wrong years later.
      const next = step(state, event);
      assertAtOnce(fold.title, `evolve of ${event.type}`, next);
      state = deepFreeze(next);
    } catch (error) {
      throw failed(fold, event, error);
    }
  }
  return last === undefined ? before : asState(fold, state, `evolve of ${last.type}`);
}

/** An event as `evolve` gets it before it is recorded. */
export function unrecorded(fold: Fold, event: EncodedEvent, version: number): RecordedEvent {
  return recordedEvent(new UnrecordedEvent(fold, event, version));
}

/** Knows all but its place: whoever asks for that is told so. */
class UnrecordedEvent extends EventHead implements StoredEvent {
  readonly schemaVersion: number;
  readonly encoding: EncodedEvent['encoding'];
  readonly data: string | null;
  readonly attributes: EncodedEvent['attributes'];
  readonly version: number;
  readonly [OPENING]: Opening | undefined;
  readonly #fold: Fold;

  constructor(fold: Fold, event: EncodedEvent, version: number) {
    super(event);
    this.schemaVersion = event.schemaVersion;
    this.encoding = event.encoding;
    this.data = event.data;
    this.attributes = event.attributes;
    this.version = version;
    this[OPENING] = event[OPENING];
    this.#fold = fold;
  }

  get position(): Position {
    throw this.#unknown('position');
  }

  get recordedMs(): number {
    throw this.#unknown('recordedtime');
  }

  #unknown(name: string): InvalidDefinition {
    return new InvalidDefinition(
      this.#fold.title,
      `evolve reads ${name} of an event, which is not known while a command is being decided`,
    );
  }
}

function asState(fold: Fold, state: unknown, what: string): JsonValue {
  try {
    assertJson(state, 'state', 0);
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error;
    throw new InvalidDefinition(fold.title, `${what} must give JSON: ${error.message}`, { cause: error });
  }
  return deepFreeze(state as JsonValue);
}

function failed(fold: Fold, event: RecordedEvent, error: unknown): Error {
  // Of the event, and not of evolve, which only looked at it.
  if (error instanceof InvalidDefinition || error instanceof UpcastFailed || error instanceof SealedDataInvalid)
    return error;
  const { type, stream, version } = event;
  const message = error instanceof Error ? error.message : String(error);
  return new InvalidDefinition(fold.title, `evolve of ${type} threw at ${stream} version ${version}: ${message}`, {
    cause: error,
  });
}
