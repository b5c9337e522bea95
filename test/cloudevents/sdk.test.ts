import type { Message } from 'cloudevents';
import { CloudEvent, HTTP } from 'cloudevents';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EncodedHttpMessage } from '../../src/event/cloudevents-http.ts';
import {
  decodeHttp,
  encodeHttpBatch,
  encodeHttpBinary,
  encodeHttpStructured,
} from '../../src/event/cloudevents-http.ts';
import { decodeJsonEvent } from '../../src/event/cloudevents-json.ts';

// The SDK is an oracle where it is right. It is not for percent signs, quotes and non-ASCII in headers, which it neither encodes nor decodes.
const plain = fc.string({ unit: fc.constantFrom(...'abcXYZ019._-~:/'.split('')), minLength: 1 });
const event = fc.record(
  {
    id: plain,
    source: plain.map((path) => `https://shop.example/${path}`),
    type: plain,
    subject: plain,
    // Required here: the SDK sets one where there is none.
    time: fc
      .date({ min: new Date(0), max: new Date('9999-12-31T00:00:00Z'), noInvalidDate: true })
      .map((date) => date.toISOString()),
    dataschema: plain.map((path) => `https://shop.example/${path}`),
    myextension: plain,
    datacontenttype: fc.constantFrom('application/json', 'application/json; charset=utf-8'),
    // The SDK drops data that is falsy.
    data: fc.record({ name: fc.string({ unit: 'binary' }), total: fc.integer(), tags: fc.array(fc.string()) }),
  },
  { requiredKeys: ['id', 'source', 'type', 'time', 'data', 'datacontenttype'], noNullPrototype: true },
);

const fromSdk = ({ headers, body }: Message) => ({
  headers: Object.entries(headers).map(([name, value]) => [name, String(value)] as const),
  body: Buffer.from(body as string),
});
const toSdk = ({ headers, body }: EncodedHttpMessage) => HTTP.toEvent({ headers, body: Buffer.from(body).toString() });
const runs = { numRuns: 100 };

describe('the CloudEvents SDK', () => {
  it('writes what is read the same, in binary and structured mode', () => {
    const property = fc.property(event, (given) => {
      const expected = [decodeJsonEvent({ specversion: '1.0', ...given })];
      const sdk = new CloudEvent(given);
      expect(decodeHttp(fromSdk(HTTP.binary(sdk))).events).toEqual(expected);
      expect(decodeHttp(fromSdk(HTTP.structured(sdk))).events).toEqual(expected);
    });
    fc.assert(property, runs);
  });

  it('reads what is written the same, in binary, structured and batch mode', () => {
    const property = fc.property(event, (given) => {
      const decoded = decodeJsonEvent({ specversion: '1.0', ...given });
      const expected = { specversion: '1.0', ...given };
      for (const encoded of [encodeHttpBinary(decoded), encodeHttpStructured(decoded)]) {
        expect(JSON.parse(JSON.stringify(toSdk(encoded)))).toEqual(expected);
      }
      expect(JSON.parse(JSON.stringify(toSdk(encodeHttpBatch([decoded, decoded]))))).toEqual([expected, expected]);
    });
    fc.assert(property, runs);
  });
});
