import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EncodedHttpMessage } from '../../src/event/cloudevents-http.ts';
import {
  decodeHttp,
  encodeHttpBatch,
  encodeHttpBinary,
  encodeHttpStructured,
} from '../../src/event/cloudevents-http.ts';
import type { IncomingEvent } from '../../src/event/cloudevents-incoming.ts';
import { decodeJsonEvent, encodeJsonEvent } from '../../src/event/cloudevents-json.ts';
import { arbitraryEvent } from './arbitrary-event.ts';

const RUNS = { numRuns: 300 };

/** Through a Headers object, which refuses what no HTTP library could send. */
const decode = ({ headers, body }: EncodedHttpMessage) => decodeHttp({ headers: new Headers(headers), body }).events;

/** HTTP headers have no types: extensions come back as text. */
function withTextExtensions(event: IncomingEvent): IncomingEvent {
  const extensions = Object.fromEntries(Object.entries(event.extensions).map(([name, value]) => [name, String(value)]));
  return { ...event, extensions };
}

describe('what is written reads back the same', () => {
  it('in the JSON format', () => {
    const property = fc.property(arbitraryEvent, (event) => {
      expect(decodeJsonEvent(JSON.parse(JSON.stringify(encodeJsonEvent(event))))).toEqual(event);
    });
    fc.assert(property, RUNS);
  });

  it('in structured mode', () => {
    const property = fc.property(arbitraryEvent, (event) => {
      expect(decode(encodeHttpStructured(event))).toEqual([event]);
    });
    fc.assert(property, RUNS);
  });

  it('in batch mode', () => {
    const property = fc.property(fc.array(arbitraryEvent, { maxLength: 5 }), (events) => {
      expect(decode(encodeHttpBatch(events))).toEqual(events);
    });
    fc.assert(property, { numRuns: 100 });
  });

  it('in binary mode', () => {
    const property = fc.property(arbitraryEvent, (event) => {
      expect(decode(encodeHttpBinary(event))).toEqual([withTextExtensions(event)]);
    });
    fc.assert(property, RUNS);
  });
});
