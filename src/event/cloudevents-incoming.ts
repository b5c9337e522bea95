import type { AttributeValue, DataEncoding, RareAttributes } from './event.ts';
import type { JsonValue } from './json.ts';
import { encodeJson } from './json.ts';
import { defaultContentType, schemaUri } from './recorded-event.ts';

/** The data of an event in a producer's hands. `base64` holds RFC 4648 text with padding. */
export type Payload =
  | { readonly encoding: 'none' }
  | { readonly encoding: 'json'; readonly data: JsonValue }
  | { readonly encoding: 'text'; readonly data: string }
  | { readonly encoding: 'base64'; readonly data: string };

/**
 * A CloudEvent as a producer hands it over: checked, not yet completed by the system.
 *
 * Shape     An absent attribute is an absent member. `time` and `expirytime` are RFC 3339 as written; `sequence` is text.
 */
export interface IncomingEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject?: string;
  readonly time?: string;
  readonly datacontenttype?: string;
  readonly dataschema?: string;
  /** The stream that the producer asks for. */
  readonly stream?: string;
  readonly correlationid?: string;
  readonly causationid?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  readonly partitionkey?: string;
  readonly sequence?: string;
  readonly expirytime?: string;
  readonly causationdepth?: number;
  /** Every attribute that is not named above. */
  readonly extensions: Readonly<Record<string, AttributeValue>>;
  readonly payload: Payload;
}

const RARE = [
  'datacontenttype',
  'dataschema',
  'sequence',
  'partitionkey',
  'traceparent',
  'tracestate',
  'expirytime',
  'causationdepth',
] as const;

/**
 * The attributes that an event is stored with beside its columns; undefined when there are none.
 *
 * Guarantee What a reader is told anyway is not stored: a fact is the same in every form of CloudEvents that can say it, and comes back as it
 *           was exported (G2).
 */
export function rareAttributes(event: IncomingEvent): RareAttributes | undefined {
  const attributes: Record<string, AttributeValue> = { ...event.extensions };
  for (const name of RARE) {
    const value = event[name];
    if (value !== undefined) attributes[name] = value;
  }
  if (attributes['datacontenttype'] === defaultContentType(event.payload.encoding))
    delete attributes['datacontenttype'];
  if (schemaVersionOf(event) !== undefined) delete attributes['dataschema'];
  return Object.keys(attributes).length === 0 ? undefined : attributes;
}

/** The version of the schema that an event names, where it speaks of a schema of ours. */
export function schemaVersionOf({ type, dataschema }: Pick<IncomingEvent, 'type' | 'dataschema'>): number | undefined {
  if (dataschema === undefined) return undefined;
  const prefix = schemaUri(type, 0).slice(0, -1);
  const digits = dataschema.startsWith(prefix) ? dataschema.slice(prefix.length) : '';
  return /^[1-9]\d{0,8}$/.test(digits) ? Number(digits) : undefined;
}

/**
 * The data of an event as it is stored.
 *
 * Errors    InvalidInput where JSON cannot carry the data whole.
 */
export function encodePayload(payload: Payload): { readonly encoding: DataEncoding; readonly data: string | null } {
  if (payload.encoding === 'none') return { encoding: 'none', data: null };
  return payload.encoding === 'json' ? { encoding: 'json', data: encodeJson(payload.data, 'data') } : payload;
}
