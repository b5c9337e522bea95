import { InvalidEvent, InvalidInput, ThereuponError } from '../errors.ts';
import { describeValue } from '../system/values.ts';
import { checkAttributes } from './cloudevents-attributes.ts';
import { interpretBytes, parseJsonBytes } from './cloudevents-data.ts';
import { decodeHeaderValue, encodeHeaderValue, trimSpace } from './cloudevents-headers.ts';
import type { IncomingEvent } from './cloudevents-incoming.ts';
import { decodeJsonBatch, decodeJsonEvent, encodeJsonBatch, encodeJsonEvent } from './cloudevents-json.ts';
import { isUtf8, parseMediaType } from './cloudevents-media-type.ts';
import { OPENING } from './opening.ts';
import type { RecordedEvent } from './event.ts';

export const STRUCTURED_TYPE = 'application/cloudevents+json';
export const BATCH_TYPE = 'application/cloudevents-batch+json';

/** A message is in no form that events can be read from, or an event cannot be written in the form that was asked for. */
export class UnsupportedContent extends ThereuponError {
  readonly expected: string;
  readonly found: string;

  constructor(expected: string, found: string) {
    super(
      { code: 'unsupported-content', retry: 'never', fault: 'caller' },
      `content: expected ${expected}, found ${found}`,
    );
    this.expected = expected;
    this.found = found;
  }
}

/** The part of a request or response that events are in. A `Headers` object fits; names in any case. */
export interface HttpMessage {
  readonly headers: Iterable<readonly [name: string, value: string]>;
  readonly body: Uint8Array;
}

/** Events out of a message. `events` has one entry unless the mode is `batch`. */
export interface HttpEvents {
  readonly mode: 'binary' | 'structured' | 'batch';
  readonly events: readonly IncomingEvent[];
}

/** An event on its way out. Header names in lower case. */
export interface EncodedHttpMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/**
 * The events in an HTTP message, in any of the three content modes.
 *
 * Shape     In binary mode an empty body is no data, a JSON body a JSON value, a text body text, any other base64; all
 *           extension attributes are strings.
 * Errors    UnsupportedContent for a message in no known form; InvalidInput (`body`) for a body that is no JSON in UTF-8;
 *           InvalidEvent for an event that breaks a rule.
 * Source    CloudEvents HTTP binding 1.0.2
 */
export function decodeHttp(message: HttpMessage): HttpEvents {
  const { contentType, attributes } = sortHeaders(message.headers);
  if (contentType?.toLowerCase().startsWith('application/cloudevents') === true) {
    const media = parseMediaType(contentType);
    if (media?.charset !== undefined && !isUtf8(media.charset))
      throw new UnsupportedContent('charset=utf-8', describeValue(contentType));
    if (media?.essence === STRUCTURED_TYPE)
      return { mode: 'structured', events: [decodeJsonEvent(parseBody(message.body))] };
    if (media?.essence === BATCH_TYPE) return { mode: 'batch', events: decodeJsonBatch(parseBody(message.body)) };
    throw new UnsupportedContent(`${STRUCTURED_TYPE} or ${BATCH_TYPE}`, describeValue(contentType));
  }
  if (attributes.size === 0) {
    throw new UnsupportedContent(
      `a CloudEvent: one as Content-Type ${STRUCTURED_TYPE}, many as ${BATCH_TYPE}, or the data as body with the headers ce-specversion: 1.0, ce-id, ce-source, ce-type`,
      contentType === undefined
        ? 'no Content-Type and no ce- headers'
        : `Content-Type ${describeValue(contentType)} and no ce- headers`,
    );
  }
  return { mode: 'binary', events: [decodeBinary(attributes, contentType, message.body)] };
}

/**
 * An event in binary mode: attributes as `ce-` headers, the data as body.
 *
 * Guarantee decodeHttp gives an equal event back, but for what this mode cannot say: integers and booleans become text, empty
 *           text or bytes become no data, JSON under another content type becomes text. JSON without a content type gets
 *           `application/json`.
 * Errors    UnsupportedContent when the data is not in the character set that the content type names: use another mode.
 */
export function encodeHttpBinary(event: IncomingEvent | RecordedEvent): EncodedHttpMessage {
  const { data: _data, data_base64: _base64, datacontenttype, ...attributes } = encodeJsonEvent(event);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) {
    headers[`ce-${name}`] = encodeHeaderValue(typeof value === 'string' ? value : JSON.stringify(value), name);
  }
  const [encoding, text] = dataText(event);
  const contentType =
    typeof datacontenttype === 'string' ? datacontenttype : encoding === 'json' ? 'application/json' : undefined;
  if (contentType !== undefined) headers['content-type'] = contentType;
  if (encoding === 'base64') return { headers, body: Buffer.from(text, 'base64') };
  if (text !== '') assertCharset(text, contentType);
  return { headers, body: Buffer.from(text, 'utf8') };
}

/** An event in structured mode: all of it in a JSON body. */
export function encodeHttpStructured(event: IncomingEvent | RecordedEvent): EncodedHttpMessage {
  return jsonMessage(STRUCTURED_TYPE, encodeJsonEvent(event));
}

/** Events in batch mode. The receiver must have asked for batches. */
export function encodeHttpBatch(events: readonly (IncomingEvent | RecordedEvent)[]): EncodedHttpMessage {
  return jsonMessage(BATCH_TYPE, encodeJsonBatch(events));
}

function sortHeaders(headers: HttpMessage['headers']) {
  const attributes = new Map<string, string>();
  let contentType: string | undefined;
  for (const [header, raw] of headers) {
    const name = header.toLowerCase();
    const value = trimSpace(raw);
    if (name === 'content-type') contentType = contentType === undefined ? value : `${contentType}, ${value}`;
    if (!name.startsWith('ce-')) continue;
    const attribute = name.slice(3);
    if (attribute === 'datacontenttype') {
      throw new InvalidEvent({
        attribute,
        expected: 'the header Content-Type in place of ce-datacontenttype',
        found: value,
      });
    }
    if (attributes.has(attribute))
      throw new InvalidEvent({ attribute, expected: `one header ${name}`, found: 'several' });
    attributes.set(attribute, value);
  }
  return { contentType, attributes };
}

function decodeBinary(
  headers: ReadonlyMap<string, string>,
  contentType: string | undefined,
  body: Uint8Array,
): IncomingEvent {
  const found: [string, string][] = Array.from(headers, ([name, value]) => [name, decodeHeaderValue(value, name)]);
  if (contentType !== undefined) found.push(['datacontenttype', contentType]);
  const attributes = checkAttributes(found, '');
  if (body.length === 0) return { ...attributes, payload: { encoding: 'none' } };
  const media = contentType === undefined ? undefined : parseMediaType(contentType);
  return { ...attributes, payload: interpretBytes(body, media, 'data') };
}

function parseBody(body: Uint8Array): unknown {
  const parsed = parseJsonBytes(body);
  if (!parsed.ok) throw new InvalidInput({ path: 'body', expected: 'JSON in UTF-8', found: parsed.reason });
  return parsed.value;
}

function dataText(event: IncomingEvent | RecordedEvent): readonly [encoding: string, text: string] {
  if ('stored' in event) {
    const { stored } = event;
    return [stored.encoding, stored[OPENING] === undefined ? (stored.data ?? '') : JSON.stringify(event.data)];
  }
  const { payload } = event;
  if (payload.encoding === 'none') return ['none', ''];
  return [payload.encoding, payload.encoding === 'json' ? JSON.stringify(payload.data) : payload.data];
}

function assertCharset(text: string, contentType: string | undefined): void {
  const charset = contentType === undefined ? undefined : parseMediaType(contentType)?.charset;
  const fits = charset === undefined || (charset.endsWith('ascii') ? /^[\0-\x7f]*$/.test(text) : isUtf8(charset));
  if (!fits) throw new UnsupportedContent('data in UTF-8 for binary mode; use structured mode', `charset=${charset}`);
}

function jsonMessage(type: string, value: unknown): EncodedHttpMessage {
  return { headers: { 'content-type': `${type}; charset=utf-8` }, body: Buffer.from(JSON.stringify(value), 'utf8') };
}
