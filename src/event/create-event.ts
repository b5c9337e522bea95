import { InvalidEvent } from '../errors.ts';
import { isoTime } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import type { AttributeValue, DataEncoding, EncodedEvent, RareAttributes, RecordedEvent } from './event.ts';
import { assertStreamName } from './stream-name.ts';

/** What directly led to an event: everything that is handed down the chain. */
export interface Cause {
  readonly id: string;
  readonly correlationid: string;
  /** Reactions between this cause and the first event of its chain. */
  readonly depth: number;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** An event on its way in: what its producer said, before the system completes it. */
export interface EventDraft {
  readonly id?: string | undefined;
  readonly source: string;
  readonly type: string;
  /** 0 for a type without a known schema. */
  readonly schemaVersion: number;
  readonly stream?: string | undefined;
  readonly subject?: string | undefined;
  readonly time?: string | undefined;
  readonly correlationid?: string | undefined;
  readonly causationid?: string | undefined;
  readonly attributes?: RareAttributes | undefined;
  readonly encoding: DataEncoding;
  readonly data: string | null;
  readonly cause?: Cause | undefined;
}

/** Longest value of `id`, `source` and `subject`: they are keys of indexes. */
export const MAX_ATTRIBUTE_LENGTH = 2_048;

/**
 * Completes a draft: id, time, stream, correlation, causation, depth, trace.
 *
 * Guarantee An attribute that the producer gave is never replaced. Correlation is that of the cause, else the event's own id.
 * Errors    InvalidEvent, InvalidInput (stream name)
 */
export function completeEvent(draft: EventDraft, environment: Environment): EncodedEvent {
  const id = draft.id ?? environment.ids.next();
  assertKey('id', id);
  assertKey('source', draft.source);
  if (draft.subject !== undefined) assertKey('subject', draft.subject);
  const stream = draft.stream ?? draft.subject ?? draft.source;
  assertStreamName(stream);
  return {
    id,
    source: draft.source,
    type: draft.type,
    schemaVersion: draft.schemaVersion,
    stream,
    subject: draft.subject,
    time: draft.time ?? isoTime(environment.clock.now()),
    correlationid: draft.correlationid ?? draft.cause?.correlationid ?? id,
    causationid: draft.causationid ?? draft.cause?.id,
    encoding: draft.encoding,
    data: draft.data,
    attributes: draft.cause === undefined ? draft.attributes : handDown(draft.attributes, draft.cause),
  };
}

/** The cause that an event is to whatever it leads to. */
export function causeOf(event: RecordedEvent): Cause {
  return {
    id: event.id,
    correlationid: event.correlationid,
    depth: event.causationdepth,
    traceparent: event.traceparent,
    tracestate: event.tracestate,
  };
}

function handDown(attributes: RareAttributes | undefined, cause: Cause): RareAttributes {
  const inherited: Record<string, AttributeValue> = { causationdepth: cause.depth + 1 };
  if (cause.traceparent !== undefined && attributes?.traceparent === undefined) {
    inherited['traceparent'] = cause.traceparent;
    if (cause.tracestate !== undefined) inherited['tracestate'] = cause.tracestate;
  }
  return { ...attributes, ...inherited };
}

function assertKey(attribute: string, value: string): void {
  if (typeof value !== 'string' || value.length === 0 || value.length > MAX_ATTRIBUTE_LENGTH || !value.isWellFormed()) {
    throw new InvalidEvent({
      attribute,
      expected: `a string of 1 to ${MAX_ATTRIBUTE_LENGTH} characters, without lone surrogates`,
      found: value,
    });
  }
}
