import { InvalidEvent } from '../errors.ts';
import { checkAttributes } from './cloudevents-attributes.ts';
import { checkedJson, decodeBase64, interpretBytes } from './cloudevents-data.ts';
import type { IncomingEvent, Payload } from './cloudevents-incoming.ts';
import { isJsonType, parseMediaType } from './cloudevents-media-type.ts';
import type { RecordedEvent } from './event.ts';
import type { JsonValue } from './json.ts';

/**
 * The event that a parsed JSON value states in the CloudEvents JSON format.
 *
 * Shape     `value` is what JSON.parse gave. `recordedtime`, `version` and `position` are the log's to set and are not taken over;
 *           `stream` is a request. `data: null` is a JSON null, an absent `data` no data. `data` under a content type that is not
 *           JSON is text when it is a string, and stays a JSON value when it is not. Bytes are interpreted as in HTTP.
 * Errors    InvalidEvent names the attribute.
 * Source    CloudEvents JSON format 1.0.2. Stricter than a receiver must be: fractional and larger numbers, attribute names
 *           with other characters than a-z and 0-9, base64 without padding are refused. Laxer: a fragment in `dataschema`.
 */
export function decodeJsonEvent(value: unknown): IncomingEvent {
  return decodeEvent(value, 'event', '');
}

/**
 * The events of a JSON batch, in order. One event that is refused refuses the batch.
 *
 * Errors    InvalidEvent names index and attribute, `[2].time`.
 */
export function decodeJsonBatch(value: unknown): readonly IncomingEvent[] {
  if (!Array.isArray(value))
    throw new InvalidEvent({ attribute: 'batch', expected: 'a JSON array of events', found: value });
  return value.map((item: unknown, index) => decodeEvent(item, `[${index}]`, `[${index}].`));
}

/**
 * An event in the CloudEvents JSON format; null members and line feeds are left out.
 *
 * Guarantee decodeJsonEvent gives an equal event back, for every event that it can give.
 */
export function encodeJsonEvent(event: IncomingEvent | RecordedEvent): Record<string, JsonValue> {
  if ('stored' in event) return event.toJSON();
  const { payload, extensions, id, source, type, ...optional } = event;
  const json: Record<string, JsonValue> = { specversion: '1.0', id, source, type };
  for (const [name, attribute] of Object.entries({ ...optional, ...extensions }))
    if (attribute !== undefined) json[name] = attribute;
  if (payload.encoding === 'base64') json['data_base64'] = payload.data;
  else if (payload.encoding !== 'none') json['data'] = payload.data;
  // Without a content type a string is read as JSON.
  if (payload.encoding === 'text') json['datacontenttype'] ??= 'text/plain';
  return json;
}

export function encodeJsonBatch(events: readonly (IncomingEvent | RecordedEvent)[]): Record<string, JsonValue>[] {
  return events.map(encodeJsonEvent);
}

function decodeEvent(value: unknown, name: string, at: string): IncomingEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidEvent({ attribute: name, expected: 'a JSON object', found: value });
  }
  const { data, data_base64: base64, ...attributes } = value as Record<string, unknown>;
  const checked = checkAttributes(Object.entries(attributes), at);
  return { ...checked, payload: decodePayload({ data, base64 }, checked.datacontenttype, at) };
}

function decodePayload(
  members: { data: unknown; base64: unknown },
  contentType: string | undefined,
  at: string,
): Payload {
  const { data, base64 } = members;
  const media = contentType === undefined ? undefined : parseMediaType(contentType);
  if (base64 !== undefined && base64 !== null) {
    const attribute = `${at}data_base64`;
    if (data !== undefined && data !== null)
      throw new InvalidEvent({ attribute, expected: 'either data or data_base64', found: 'both' });
    const bytes = typeof base64 === 'string' ? decodeBase64(base64) : undefined;
    if (bytes === undefined)
      throw new InvalidEvent({ attribute, expected: 'base64 with padding (RFC 4648, section 4)', found: base64 });
    return interpretBytes(bytes, media, attribute);
  }
  if (data === undefined) return { encoding: 'none' };
  if (typeof data !== 'string' || isJsonType(media)) return { encoding: 'json', data: checkedJson(data, `${at}data`) };
  if (!data.isWellFormed())
    throw new InvalidEvent({ attribute: `${at}data`, expected: 'text without lone surrogates', found: data });
  return { encoding: 'text', data };
}
