import * as fc from 'fast-check';
import type { IncomingEvent, Payload } from '../../src/event/cloudevents-incoming.ts';
import type { JsonValue } from '../../src/event/json.ts';

const NASTY = [
  '%',
  '%41',
  '"',
  '\\',
  'a b',
  ' x ',
  '😀',
  'ü',
  '\u00a0',
  '\u2028',
  '\u200b',
  '\ufeff',
  '\u{10fffd}',
  'null',
  '"quoted"',
  '🏳️‍🌈',
  'e\u0301',
];

/** Text that an attribute may have: any Unicode without control characters, noncharacters and lone surrogates. */
const attributeText = fc
  .oneof(fc.constantFrom(...NASTY), fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...NASTY) }))
  .filter((text) => text !== '' && !/[\p{Cc}\p{Noncharacter_Code_Point}\p{Cs}]/u.test(text));

const anyText = fc.oneof(attributeText, fc.string({ unit: 'binary', minLength: 1 }));
const timestamp = fc
  .date({ min: new Date(0), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
  .map((date) => date.toISOString());
const integer = fc.integer({ min: -2_147_483_648, max: 2_147_483_647 });
/** JSON.stringify writes -0 as 0. */
const json = fc.jsonValue({ noUnicodeString: false }).map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);

/** A content type with data of its kind. */
const typed: fc.Arbitrary<{ readonly datacontenttype: string; readonly payload: Payload }> = fc.oneof(
  fc.record({
    datacontenttype: fc.constantFrom('application/json', 'text/json', 'application/vnd.shop+json; charset=utf-8'),
    payload: fc.record({ encoding: fc.constant('json' as const), data: json }),
  }),
  fc.record({
    datacontenttype: fc.constantFrom(
      'text/plain',
      'text/csv; charset=utf-8',
      'application/xml',
      'application/graphql; charset="UTF-8"',
    ),
    payload: fc.record({ encoding: fc.constant('text' as const), data: anyText }),
  }),
  fc.record({
    datacontenttype: fc.constantFrom('image/png', 'application/octet-stream'),
    payload: fc.record({
      encoding: fc.constant('base64' as const),
      data: fc.uint8Array({ minLength: 1 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    }),
  }),
  fc.record({
    datacontenttype: fc.constantFrom('application/json', 'text/plain', 'image/png'),
    payload: fc.constant({ encoding: 'none' as const }),
  }),
);

const attributes = fc.record(
  {
    id: attributeText,
    source: fc.oneof(
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.webPath().filter((path) => path !== ''),
      fc.constant('#fragment'),
    ),
    type: attributeText,
    subject: attributeText,
    time: timestamp,
    dataschema: fc.webUrl(),
    stream: attributeText.filter((text) => text.length <= 512),
    correlationid: attributeText,
    causationid: attributeText,
    traceparent: attributeText,
    tracestate: attributeText,
    partitionkey: attributeText,
    sequence: fc.oneof(attributeText, integer.map(String)),
    expirytime: timestamp,
    causationdepth: fc.nat(),
  },
  { requiredKeys: ['id', 'source', 'type'] },
);

/** `x` before each name, so that none is one of the named attributes. */
const extensions = fc.dictionary(
  fc.string({ unit: fc.constantFrom(...'abcxyz0189'.split('')), maxLength: 20 }).map((name) => `x${name}`),
  fc.oneof(attributeText, integer, fc.boolean()),
  { maxKeys: 5, noNullPrototype: true },
);

/** Any event that a codec can give, with a content type wherever there is data. */
export const arbitraryEvent: fc.Arbitrary<IncomingEvent> = fc
  .tuple(attributes, extensions, typed)
  .map(([named, invented, data]) => ({ ...named, ...data, extensions: invented }));
