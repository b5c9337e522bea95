import { createHash } from 'node:crypto';
import type { AttributeValue, EncodedEvent } from './event.ts';
import { mayHoldSealed, withoutSealed } from './sealed-value.ts';

/** 128 bits: two contents of one (source, id) that agree by chance will not be met. */
const DIGEST_BYTES = 16;

/** Set by the system at each call, not by the fact: a producer's second attempt may carry others. */
const SET_PER_CALL = new Set([
  'time',
  'traceparent',
  'tracestate',
  'correlationid',
  'causationid',
  'causationdepth',
  'partitionkey',
  'authtype',
  'authid',
  'authkey',
  'authaddress',
  'authreason',
]);

/**
 * What an event says, in 16 bytes: stays when the event itself is trimmed, so that a repeated (source, id) can still be told
 * from another fact (G2).
 *
 * Shape     32 lower-case hexadecimal digits: SHA-256, cut, over canonical JSON. Stored: the form may never change.
 * Guarantee Equal exactly when `contentDifference` is empty (but for a collision of the hash).
 */
export function contentDigest(event: EncodedEvent): string {
  const data =
    event.encoding === 'json' && event.data !== null
      ? canonicalJson(mayHoldSealed(event.data) ? withoutSealed(JSON.parse(event.data)) : JSON.parse(event.data))
      : JSON.stringify(event.data);
  const head = [event.type, event.schemaVersion, event.stream, event.subject ?? null, event.encoding];
  const attributes = canonicalJson(Object.fromEntries(contentAttributes(event)));
  const text = `${JSON.stringify(head)}\n${attributes}\n${data}`;
  return createHash('sha256').update(text).digest().subarray(0, DIGEST_BYTES).toString('hex');
}

/** The attributes beside the named fields that belong to what an event says. */
export function contentAttributes(event: EncodedEvent): ReadonlyMap<string, AttributeValue> {
  const found = new Map<string, AttributeValue>();
  for (const [name, value] of Object.entries(event.attributes ?? {})) {
    if (value !== undefined && !SET_PER_CALL.has(name)) found.set(name, value);
  }
  return found;
}

/** JSON text with members in code unit order and no white space: equal values have equal text. */
function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, child]) => `${JSON.stringify(name)}:${canonicalJson(child)}`).join(',')}}`;
}
