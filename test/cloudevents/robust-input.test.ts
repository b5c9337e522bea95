import { describe, expect, it } from 'vitest';
import { InvalidEvent, InvalidInput, ThereuponError } from '../../src/errors.ts';
import type { HttpMessage } from '../../src/event/cloudevents-http.ts';
import { decodeHttp, encodeHttpBinary } from '../../src/event/cloudevents-http.ts';
import type { IncomingEvent } from '../../src/event/cloudevents-incoming.ts';
import { decodeJsonEvent, encodeJsonEvent } from '../../src/event/cloudevents-json.ts';
import { testSharedFiles } from './shared-data.ts';

interface Body {
  readonly name: string;
  readonly expect: 'accept' | 'reject' | 'either';
  readonly base64: string;
}

const BINARY = [
  ['ce-specversion', '1.0'],
  ['ce-id', '1'],
  ['ce-source', '/'],
  ['ce-type', 'test'],
  ['content-type', 'application/json'],
] as const;

/** The decoded message, or the typed refusal; anything else fails the test. */
function decode(message: HttpMessage): readonly IncomingEvent[] | ThereuponError {
  try {
    return decodeHttp(message).events;
  } catch (error) {
    if (error instanceof ThereuponError) return error;
    throw error;
  }
}

describe('bodies of the JSON parsing suite', () => {
  testSharedFiles('robust-input', 'json-parsing', (text) => {
    const bodies = JSON.parse(text) as readonly Body[];

    it.each(bodies)('are taken or refused as data: $name', ({ expect: expected, base64 }) => {
      const body = Buffer.from(base64, 'base64');
      const outcome = decode({ headers: BINARY, body });
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ code: 'invalid-event', attribute: expect.stringMatching(/^data/) as string });
        expect(expected).not.toBe('accept');
      } else if (expected === 'reject') {
        // Nothing at all is no JSON, but it is a message without data.
        expect(body).toHaveLength(0);
      }
    });

    it.each(bodies)('are refused as events in the right words: $name', ({ expect: expected, base64 }) => {
      for (const type of ['application/cloudevents+json', 'application/cloudevents-batch+json']) {
        const outcome = decode({ headers: [['content-type', type]], body: Buffer.from(base64, 'base64') });
        if (expected === 'reject') expect(outcome).toBeInstanceOf(InvalidInput);
        else if (expected === 'accept') expect(outcome).toBeInstanceOf(InvalidEvent);
        else expect(outcome).toBeInstanceOf(ThereuponError);
      }
    });
  });
});

describe('naughty strings', () => {
  testSharedFiles('robust-input', 'naughty-strings', (text) => {
    const strings = JSON.parse(text) as readonly string[];
    const event = (more: object) => ({ specversion: '1.0', id: '1', source: '/', type: 'test', ...more });

    it('come back unchanged as data, in text and in JSON', () => {
      for (const string of strings) {
        const json = event({ data: { [string]: string } });
        expect(encodeJsonEvent(decodeJsonEvent(json))).toEqual(json);
        const plain = event({ datacontenttype: 'text/plain', data: string });
        expect(encodeJsonEvent(decodeJsonEvent(plain))).toEqual(plain);
      }
    });

    it.each([
      'id',
      'subject',
      'type',
      'source',
      'time',
      'dataschema',
      'datacontenttype',
      'myext',
      'stream',
      'sequence',
    ])('as %s come back unchanged or are refused by that name, in JSON and in headers', (attribute) => {
      let kept = 0;
      for (const string of strings) {
        try {
          const decoded = decodeJsonEvent(event({ [attribute]: string }));
          expect(encodeJsonEvent(decoded)).toMatchObject({ [attribute]: string });
          const { headers, body } = encodeHttpBinary(decoded);
          expect(decodeHttp({ headers: Object.entries(headers), body }).events).toEqual([decoded]);
          kept += 1;
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-event', attribute });
        }
      }
      if (['id', 'subject', 'type', 'myext'].includes(attribute)) expect(kept).toBeGreaterThan(strings.length * 0.9);
    });

    it('as attribute names are kept or refused', () => {
      for (const string of strings) {
        try {
          decodeJsonEvent(event({ [string]: 'x' }));
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidEvent);
        }
      }
    });
  });
});
