import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contentDifference } from './content-difference.ts';
import { contentDigest } from './content-digest.ts';
import type { EncodedEvent } from './event.ts';

const PLACED: EncodedEvent = {
  id: 'e1',
  source: '/shop',
  type: 'shop.order.placed',
  schemaVersion: 1,
  stream: 'order-17',
  subject: 'order-17',
  time: '2026-01-01T00:00:00Z',
  correlationid: 'c1',
  causationid: undefined,
  encoding: 'json',
  data: '{"orderId":"17","lines":[{"n":1.50,"text":"ä–𝒳"}],"paid":null}',
  attributes: { tenant: 'a', traceparent: 't', sequence: '00017', flag: true },
};

/** Events that are often alike, never in identity. */
const events = fc.record({
  id: fc.constantFrom('e1', 'e2'),
  source: fc.constant('/shop'),
  type: fc.constantFrom('a', 'b'),
  schemaVersion: fc.constantFrom(1, 2),
  stream: fc.constantFrom('a', 'b'),
  subject: fc.constantFrom(undefined, '', 'a'),
  time: fc.constantFrom('x', 'y'),
  correlationid: fc.constantFrom('c', 'd'),
  causationid: fc.constantFrom(undefined, 'c'),
  encoding: fc.constantFrom('json' as const, 'text' as const),
  data: fc.constantFrom(
    '1',
    '1.0',
    '{"a":1,"b":2}',
    '{"b":2,"a":1}',
    '[1,2]',
    '[2,1]',
    '"a"',
    '-0',
    '0',
    '{"__proto__":1}',
    '{}',
  ),
  attributes: fc.constantFrom(
    undefined,
    { tenant: 'a' },
    { tenant: 'b' },
    { traceparent: 'z' },
    { flag: true },
    { flag: 'true' },
    { tenant: 'a', flag: 1 },
    { flag: 1, tenant: 'a' },
  ),
});

describe('the content of an event', () => {
  test('has a digest that is stored and may never change', () => {
    expect(contentDigest(PLACED)).toBe('9a26b5eb7fc766a2b75917d7e515677e');
  });

  test('has equal digests exactly when nothing differs (G2)', () => {
    fc.assert(
      fc.property(events, events, (left, right) => {
        expect(contentDigest(left) === contentDigest(right)).toBe(contentDifference(left, right).length === 0);
      }),
      { numRuns: 2_000 },
    );
  });

  test('names what differs, and nothing that the system sets at each call', () => {
    const other: EncodedEvent = {
      ...PLACED,
      type: 'shop.order.cancelled',
      time: 'later',
      correlationid: 'other',
      causationid: 'other',
      subject: undefined,
      data: '{}',
      attributes: { tenant: 'b', tracestate: 's', partitionkey: 'p', causationdepth: 2, flag: true, note: 'n' },
    };
    expect(contentDifference(PLACED, other).sort()).toEqual(['data', 'note', 'sequence', 'subject', 'tenant', 'type']);
  });
});
