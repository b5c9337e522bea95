import { trimSpace } from './cloudevents-headers.ts';

/** More members make the list invalid. */
const MAX_MEMBERS = 32;
/** A vendor, or a tenant of a vendor. */
const KEY = /^(?:[a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;
/** Printable ASCII without comma and equals sign; its last character is no space. */
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/**
 * One `tracestate` out of the header fields that carry it, in their order.
 *
 * Shape     Members joined by commas, without the white space and empty members that are allowed around them; empty when none.
 *           Of members with one key the first stays: the left-most is the most recent. Undefined when the list is invalid.
 * Guarantee Order and values are kept, whatever the length.
 * Source    W3C Trace Context, level 2, section 3.3
 */
export function parseTraceState(fields: readonly string[]): string | undefined {
  const members = new Map<string, string>();
  let count = 0;
  for (const part of fields.join(',').split(',')) {
    const member = trimSpace(part);
    if (member === '') continue;
    count += 1;
    const equals = member.indexOf('=');
    const key = member.slice(0, Math.max(0, equals));
    if (count > MAX_MEMBERS || !KEY.test(key) || !VALUE.test(member.slice(equals + 1))) return undefined;
    if (!members.has(key)) members.set(key, member);
  }
  return [...members.values()].join(',');
}
