import type { HandledPart, Handling, Recalled, RecallFact } from '../consumer/reaction.ts';
import { causeOf } from '../event/create-event.ts';
import type { EventDefinition } from '../event/define-event.ts';
import type { RecordedEvent, StoredEvent } from '../event/event.ts';
import type { JsonValue } from '../event/json.ts';
import { position } from '../event/position.ts';
import { recordedEvent } from '../event/recorded-event.ts';
import type { SystemEventType } from '../event/system-events.ts';
import type { PublishOptions } from '../schema/encode.ts';
import { isoTime } from '../system/clock.ts';
import { NO_TIME } from '../time/watermark.ts';
import type { Found, Saying } from './timed-reaction.ts';

/** What is needed of an event for it to be a cause; null: it is the default. */
export type LastEvent = readonly [
  id: string,
  source: string,
  type: string,
  stream: string,
  position: number,
  recordedMs: number,
  /** Default: its id. */
  correlationid: string | null,
  /** Default: 0. */
  depth: number | null,
  traceparent: string | null,
  tracestate: string | null,
];

/** Mostly there is nothing to say, so that it costs nothing to be able to. */
export class KeySaying implements Saying {
  readonly #handling: Handling;
  readonly #found: Found[];
  #last: RecordedEvent | LastEvent;
  readonly #taken: number | undefined;
  readonly watermarkMs: number;
  /** The event was too late for everything. */
  isLate = false;

  constructor(handling: Handling, last: RecordedEvent | LastEvent, found: Found[], watermarkMs = NO_TIME) {
    this.watermarkMs = watermarkMs;
    this.#handling = handling;
    this.#last = last;
    this.#taken = isListed(last) ? undefined : last.position;
    this.#found = found;
  }

  get key(): string {
    return this.#handling.key;
  }

  since(id: string, place: number): number {
    const { time } = this.#handling;
    return time?.began.beganMs(id, place) ?? time?.sinceMs ?? NO_TIME;
  }

  get last(): RecordedEvent {
    if (isListed(this.#last)) this.#last = recordedEvent(storedEvent(this.#last));
    return this.#last;
  }

  publish(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions & { readonly id: string },
  ): Promise<{ readonly id: string }> {
    return this.#handling.derive(definition, data, options, causeOf(this.last));
  }

  publishFrom(
    definition: EventDefinition,
    data: unknown,
    options: PublishOptions,
    id: () => string,
  ): Promise<{ readonly id: string }> {
    return this.#handling.publishFrom(definition, data, options, { id, cause: causeOf(this.last) });
  }

  takeBack(
    definition: EventDefinition,
    event: { readonly id: string; readonly data: unknown },
    options: PublishOptions & { readonly id: string },
  ): Promise<{ readonly id: string }> {
    return this.#handling.takeBack(definition, event, options, causeOf(this.last));
  }

  get recalls(): boolean {
    return false;
  }

  recall(_fact: RecallFact): Recalled | undefined {
    return undefined;
  }

  part<Answer>(describe: () => HandledPart, act: (edited: RecordedEvent | undefined) => Answer): Answer | undefined {
    return this.#handling.part(describe, act);
  }

  takes(place: number): boolean {
    return place === this.#taken;
  }

  found(what: unknown): void {
    this.#found.push({ what, saying: this });
  }

  report(type: SystemEventType, data: Readonly<Record<string, JsonValue>>): void {
    this.#handling.report(type, data, this.last);
  }

  tooLate(data: Readonly<Record<string, JsonValue>>, wholly = true): void {
    this.isLate ||= wholly;
    this.#handling.tooLate(data);
  }
}

function isListed(given: RecordedEvent | LastEvent): given is LastEvent {
  return Array.isArray(given);
}

export function lastEvent(event: RecordedEvent): LastEvent {
  const { id, source, type, stream, correlationid, recordedMs, attributes } = event.stored;
  return [
    id,
    source,
    type,
    stream,
    event.position,
    recordedMs,
    correlationid === id ? null : correlationid,
    attributes?.causationdepth ?? null,
    attributes?.traceparent ?? null,
    attributes?.tracestate ?? null,
  ];
}

export function storedEvent([
  id,
  source,
  type,
  stream,
  place,
  recordedMs,
  correlationid,
  depth,
  traceparent,
  tracestate,
]: LastEvent): StoredEvent {
  return {
    id,
    source,
    type,
    stream,
    position: position(place),
    recordedMs,
    correlationid: correlationid ?? id,
    schemaVersion: 0,
    version: 0,
    subject: undefined,
    time: isoTime(recordedMs),
    causationid: undefined,
    encoding: 'none',
    data: null,
    attributes: {
      ...(depth === null ? {} : { causationdepth: depth }),
      ...(traceparent === null ? {} : { traceparent }),
      ...(tracestate === null ? {} : { tracestate }),
    },
  };
}
