import { describe, expect, it } from 'vitest';
import { InvalidEvent } from '../errors.ts';
import { encodePayload, rareAttributes } from './cloudevents-incoming.ts';
import { decodeJsonBatch, decodeJsonEvent, encodeJsonBatch, encodeJsonEvent } from './cloudevents-json.ts';
import { position } from './position.ts';
import { recordedEvent } from './recorded-event.ts';

const MINIMAL = { specversion: '1.0', id: '1', source: '/shop', type: 'shop.order.placed' };
const event = (more: object) => ({ ...MINIMAL, ...more });
const nested = (depth: number) => JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown;

function refusal(value: unknown): InvalidEvent {
  try {
    decodeJsonEvent(value);
  } catch (error) {
    if (error instanceof InvalidEvent) return error;
    throw error;
  }
  throw new Error('the event was accepted');
}

describe('data in the JSON format', () => {
  const payload = (more: object) => decodeJsonEvent(event(more)).payload;

  it.each([undefined, null, 'application/json', 'text/json', 'application/vnd.x+json; v=1'])(
    'keeps it as a JSON value under content type %j',
    (datacontenttype) => {
      for (const data of ['text', '{"not":"parsed"}', 1.5, true, null, [], { a: [1, null] }]) {
        expect(payload({ datacontenttype, data })).toEqual({ encoding: 'json', data });
      }
    },
  );

  it('keeps a string under another content type as text, and other JSON as JSON', () => {
    expect(payload({ datacontenttype: 'text/plain', data: 'Simple text' })).toEqual({
      encoding: 'text',
      data: 'Simple text',
    });
    expect(payload({ datacontenttype: 'application/xml', data: '<much wow="xml"/>' })).toEqual({
      encoding: 'text',
      data: '<much wow="xml"/>',
    });
    expect(payload({ datacontenttype: 'text/plain', data: { a: 1 } })).toEqual({ encoding: 'json', data: { a: 1 } });
  });

  it('keeps bytes as base64 when their content type is neither JSON nor text, or absent', () => {
    expect(payload({ datacontenttype: 'image/png', data_base64: 'TWE=' })).toEqual({
      encoding: 'base64',
      data: 'TWE=',
    });
    expect(payload({ data_base64: 'eyAieHl6IjogMTIzIH0=' })).toEqual({
      encoding: 'base64',
      data: 'eyAieHl6IjogMTIzIH0=',
    });
    expect(payload({ data_base64: '' })).toEqual({ encoding: 'base64', data: '' });
    expect(payload({ datacontenttype: 'text/plain', data_base64: '/w==' })).toEqual({
      encoding: 'base64',
      data: '/w==',
    });
  });

  it('reads bytes as the JSON or the text that the content type says', () => {
    expect(payload({ datacontenttype: 'application/json', data_base64: 'eyAieHl6IjogMTIzIH0=' })).toEqual({
      encoding: 'json',
      data: { xyz: 123 },
    });
    expect(payload({ datacontenttype: 'text/plain', data_base64: 'TWE=', data: null })).toEqual({
      encoding: 'text',
      data: 'Ma',
    });
  });

  it.each(['*', 'TWE', 'TW E=', 'TWF=', 'T===', '_-8=', '=', 'TWE=\n', 1, true, {}, []])(
    'refuses data_base64 %j',
    (base64) => {
      expect(refusal(event({ data_base64: base64 })).attribute).toBe('data_base64');
    },
  );

  it('refuses data and data_base64 together, and bytes that are not the JSON they claim to be', () => {
    expect(refusal(event({ data: 'text', data_base64: 'TWE=' })).attribute).toBe('data_base64');
    expect(refusal(event({ datacontenttype: 'application/json', data_base64: 'TWE=' })).attribute).toBe('data_base64');
    expect(refusal(event({ datacontenttype: 'application/json; charset=utf-16', data_base64: 'TWE=' })).attribute).toBe(
      'data_base64',
    );
  });

  it('names the place of a number that is none', () => {
    expect(
      refusal(event({ data: { items: [{ price: 1 }, { price: JSON.parse('1e400') as number }] } })).attribute,
    ).toBe('data.items[1].price');
    expect(refusal(event({ data: JSON.parse('-1e400') as number })).attribute).toBe('data');
  });

  it('accepts 128 levels of nesting and refuses more, however many', () => {
    expect(payload({ data: nested(128) })).toMatchObject({ encoding: 'json' });
    expect(refusal(event({ data: nested(129) })).expected).toContain('128 levels');
    expect(refusal(event({ data: nested(100_000) })).expected).toContain('128 levels');
    expect(refusal(event({ myext: nested(100_000) })).attribute).toBe('myext');
  });

  it('keeps lone surrogates in JSON and refuses them in text', () => {
    expect(payload({ data: '\ud800' })).toEqual({ encoding: 'json', data: '\ud800' });
    expect(refusal(event({ datacontenttype: 'text/plain', data: '\ud800' })).attribute).toBe('data');
  });

  it('leaves a member named __proto__ an ordinary member', () => {
    const value = JSON.parse(
      '{"specversion":"1.0","id":"1","source":"/","type":"t","data":{"__proto__":{"admin":true}}}',
    ) as unknown;
    const text = JSON.stringify(decodeJsonEvent(value).payload);
    expect(text).toBe('{"encoding":"json","data":{"__proto__":{"admin":true}}}');
  });
});

describe('batches in the JSON format', () => {
  it('reads none, one, and two that are equal', () => {
    expect(decodeJsonBatch([])).toEqual([]);
    expect(decodeJsonBatch([MINIMAL, MINIMAL])).toHaveLength(2);
  });

  it('names the place of the event that is refused', () => {
    const attributeOf = (batch: unknown) => {
      try {
        return decodeJsonBatch(batch);
      } catch (error) {
        return error instanceof InvalidEvent ? error.attribute : error;
      }
    };
    expect(attributeOf([MINIMAL, MINIMAL, event({ time: 'noon' })])).toBe('[2].time');
    expect(attributeOf([event({ data: [Number.NaN] })])).toBe('[0].data[0]');
    expect(attributeOf([event({ 'a-b': 1 })])).toBe('[0].a-b');
    expect(attributeOf([MINIMAL, null])).toBe('[1]');
    expect(attributeOf([[MINIMAL]])).toBe('[0]');
    expect(attributeOf(MINIMAL)).toBe('batch');
  });
});

describe('writing the JSON format', () => {
  it('writes attributes at the top and the data by its kind', () => {
    const full = event({
      subject: 's',
      stream: 'order-1',
      myext: 5,
      datacontenttype: 'application/json',
      data: { a: 1 },
    });
    expect(encodeJsonBatch(decodeJsonBatch([full, MINIMAL]))).toEqual([full, MINIMAL]);
    expect(encodeJsonEvent(decodeJsonEvent(event({ data_base64: 'TWE=' })))).toEqual(event({ data_base64: 'TWE=' }));
  });

  it('gives text without a content type one, since it would be read as JSON', () => {
    expect(
      encodeJsonEvent({ id: '1', source: '/', type: 't', extensions: {}, payload: { encoding: 'text', data: 'x' } }),
    ).toMatchObject({
      datacontenttype: 'text/plain',
      data: 'x',
    });
  });

  it('writes a recorded event so that it can be read in again, without its place in the log', () => {
    const incoming = decodeJsonEvent(
      event({ subject: 'order-1', time: '2026-01-01T00:00:00Z', correlationid: 'c', myext: true, data: { a: 1 } }),
    );
    const recorded = recordedEvent({
      id: incoming.id,
      source: incoming.source,
      type: incoming.type,
      schemaVersion: 0,
      stream: 'order-1',
      subject: incoming.subject,
      time: incoming.time ?? '',
      correlationid: incoming.correlationid ?? '',
      causationid: undefined,
      ...encodePayload(incoming.payload),
      attributes: rareAttributes(incoming),
      position: position(7),
      version: 1,
      recordedMs: 0,
    });
    const written = encodeJsonEvent(recorded);
    expect(written).toMatchObject({ position: 7, version: 1, recordedtime: '1970-01-01T00:00:00.000Z' });
    expect(decodeJsonEvent(JSON.parse(JSON.stringify(written)))).toEqual({
      ...incoming,
      stream: 'order-1',
      datacontenttype: 'application/json',
    });
  });
});
