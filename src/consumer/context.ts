import type { EventDefinition, InputOf } from '../event/define-event.ts';
import type { JsonValue } from '../event/json.ts';
import type { PublishOptions } from '../schema/encode.ts';
import type { Logger } from '../system/logger.ts';
import type { Attempt } from './attempt.ts';

/** What a handler may say of an event that it publishes. Correlation and causation are the system's. */
export type HandlerPublishOptions = Omit<PublishOptions, 'correlationid' | 'causationid' | 'traceparent' | 'tracestate'>;

/** The state of the event's key, as the handling of the key's earlier events left it. */
export interface KeyState<State> {
  get(): State;
  /** Takes effect with the event, exactly once (G6). */
  set(value: State): void;
  /** Back to `initial`. */
  delete(): void;
}

/** What a handler is given. */
export interface HandlerContext<Event, Publishes, State = never> {
  readonly event: Event;
  /** Counted from 1. */
  readonly attempt: number;
  /** The same on every attempt at this event: hand it to the outside world with each call that must happen once. */
  readonly idempotencyKey: string;
  /** Aborted when the attempt's time is up or the system closes without waiting longer. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly state: KeyState<State>;
  /** Records a fact together with this event's checkpoint: once, however often the handling is repeated. */
  readonly publish: <Definition extends Publishes & EventDefinition>(
    definition: Definition,
    data: InputOf<Definition>,
    options?: HandlerPublishOptions,
  ) => Promise<{ readonly id: string }>;
}

/** The context as a handler sees an attempt. Members can be taken apart: `({ event, publish })`. */
export function handlerContext(attempt: Attempt, initial: (() => JsonValue) | undefined): HandlerContext<unknown, EventDefinition, JsonValue> {
  return {
    event: attempt.event,
    attempt: attempt.number,
    get idempotencyKey() {
      return attempt.idempotencyKey;
    },
    get signal() {
      return attempt.signal;
    },
    get log() {
      return attempt.log;
    },
    get state() {
      return {
        get: () => attempt.state ?? initial?.() ?? null,
        set: (value: JsonValue) => attempt.setState(value),
        delete: () => attempt.setState(undefined),
      };
    },
    publish: (definition, data, options) => attempt.publish(definition, data, options),
  };
}
