import { InvalidEvent } from '../errors.ts';
import { isoTime } from '../system/clock.ts';
import type { Environment } from '../system/environment.ts';
import { OPENING } from './opening.ts';
import type { Opening } from './opening.ts';
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
  readonly [OPENING]?: Opening | undefined;
}

/** Longest value of `id`, `source`, `subject` and `correlationid`, in bytes of UTF-8: they are keys of indexes. */
const MAX_KEY_BYTES = 2_048;
/** And of `id` and `source` together, which are one key. */
const MAX_IDENTITY_BYTES = 2_560;
/** A character takes no more bytes. */
const MOST_BYTES = 3;

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
  assertIdentity(id, draft.source);
  if (draft.subject !== undefined) assertKey('subject', draft.subject);
  if (draft.correlationid !== undefined) assertKey('correlationid', draft.correlationid);
  const stream = draft.stream ?? draft.subject ?? draft.source;
  assertStreamName(stream);
  const event: EncodedEvent = {
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
  const opening = draft[OPENING];
  return opening === undefined ? event : { ...event, [OPENING]: opening };
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
  if (typeof value !== 'string' || value.length === 0 || !fits(value, MAX_KEY_BYTES) || !value.isWellFormed()) {
    throw new InvalidEvent({
      attribute,
      expected: `a string of 1 to ${MAX_KEY_BYTES} bytes of UTF-8, without lone surrogates`,
      found: value,
    });
  }
}

function assertIdentity(id: string, source: string): void {
  if (fits(id, MAX_IDENTITY_BYTES - source.length * MOST_BYTES)) return;
  if (Buffer.byteLength(id) + Buffer.byteLength(source) <= MAX_IDENTITY_BYTES) return;
  throw new InvalidEvent({
    attribute: 'id',
    expected: `at most ${MAX_IDENTITY_BYTES} bytes of UTF-8, the source included`,
    found: id,
  });
}

/** Of most text its length shows it. */
function fits(text: string, bytes: number): boolean {
  return text.length * MOST_BYTES <= bytes || Buffer.byteLength(text) <= bytes;
}
