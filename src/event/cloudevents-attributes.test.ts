import { describe, expect, it } from 'vitest';
import { InvalidEvent } from '../errors.ts';
import { decodeJsonEvent } from './cloudevents-json.ts';

const MINIMAL = { specversion: '1.0', id: '1', source: '/shop', type: 'shop.order.placed' };
const event = (more: object) => ({ ...MINIMAL, ...more });

function refusal(value: unknown): InvalidEvent {
  try {
    decodeJsonEvent(value);
  } catch (error) {
    if (error instanceof InvalidEvent) return error;
    throw error;
  }
  throw new Error('the event was accepted');
}

describe('attributes in the JSON format', () => {
  it('reads the required ones alone', () => {
    expect(decodeJsonEvent(MINIMAL)).toEqual({
      id: '1',
      source: '/shop',
      type: 'shop.order.placed',
      extensions: {},
      payload: { encoding: 'none' },
    });
  });

  it('takes null for absent, unless the attribute is required', () => {
    const nulls = {
      subject: null,
      time: null,
      dataschema: null,
      datacontenttype: null,
      data_base64: null,
      sequence: null,
      myext: null,
    };
    expect(decodeJsonEvent(event(nulls))).toEqual(decodeJsonEvent(MINIMAL));
    expect(refusal(event({ id: null })).attribute).toBe('id');
    expect(refusal(event({ specversion: null })).attribute).toBe('specversion');
  });

  it('sorts named attributes from extensions', () => {
    const named = {
      subject: 'order-17',
      time: '2026-11-23T08:17:00+01:00',
      datacontenttype: 'application/json; charset=utf-8',
      dataschema: 'https://shop.example/order#v1',
      stream: 'order-17',
      correlationid: 'c',
      causationid: 'd',
      traceparent: 'whatever',
      tracestate: '',
      partitionkey: 'p',
      sequence: '0017',
      expirytime: '2027-01-01T00:00:00Z',
      causationdepth: 3,
    };
    const extensions = {
      extinteger: -2_147_483_648,
      extboolean: false,
      extstring: '',
      constructor: 'x',
      ['a'.repeat(255)]: 'long',
      knativearrivaltimewhichislong: 'y',
    };
    expect(decodeJsonEvent(event({ ...named, ...extensions }))).toMatchObject({ ...named, extensions });
  });

  it('keeps an integer sequence as text', () => {
    expect(decodeJsonEvent(event({ sequence: 17 })).sequence).toBe('17');
  });

  it('does not take over what the log sets itself, whatever it is', () => {
    expect(decodeJsonEvent(event({ recordedtime: 'x', version: [1], position: 9e15 }))).toEqual(
      decodeJsonEvent(MINIMAL),
    );
  });

  it.each([
    ['specversion', ['0.3', '1.0.2', '1', 1, 1.0, '', ' 1.0', true, {}]],
    ['id', ['', 1, true, {}, [], 'a\u0000', 'a\n', '\u0085', '\ufffe', '\ufdd0', '\u{1ffff}', '\ud800', 'a\udc00']],
    ['type', ['', 1, {}, 'a\tb']],
    ['source', ['', 1, 'a b', ':::', 'ä', 'http://[x]/', {}]],
    ['subject', ['', 1, {}, [], false]],
    [
      'time',
      [
        '',
        'lunchtime',
        '2018-04-05',
        '2018-04-05T17:31:00',
        '2018-04-05T17:31Z',
        '2018-02-29T00:00:00Z',
        1_522_949_460_000,
        {},
      ],
    ],
    ['dataschema', ['', 'relative', '//host/path', '#x', 1, 'https://a b']],
    ['datacontenttype', ['', 'json', 1, 'a/b; c']],
    ['stream', ['', 1, 'x'.repeat(513)]],
    ['correlationid', ['', 1]],
    ['causationid', ['', {}]],
    ['partitionkey', ['', 1]],
    ['sequence', ['', 1.5, 2_147_483_648, true]],
    ['expirytime', ['soon', 0]],
    ['traceparent', [1]],
    ['causationdepth', [-1, 1.5, 'x', true]],
    [
      'myext',
      [1.5, 2_147_483_648, -2_147_483_649, Number.POSITIVE_INFINITY, Number.NaN, {}, [], ['a'], 'a\r', '\ud83d'],
    ],
  ])('refuses %s with a value that it cannot have', (attribute, values) => {
    for (const value of values)
      expect(refusal(event({ [attribute]: value }))).toMatchObject({ attribute, code: 'invalid-event' });
  });

  it.each(['id', 'source', 'type', 'specversion'])('refuses an event without %s', (attribute) => {
    expect(refusal({ ...MINIMAL, [attribute]: undefined }).attribute).toBe(attribute);
  });

  it.each([
    'my.extension',
    'my-extension',
    'my_extension',
    'myExtension',
    'ID',
    '',
    'ä',
    'my ext',
    'x'.repeat(256),
    '__proto__',
  ])('refuses the attribute name %j', (name) => {
    expect(
      refusal(JSON.parse(`{"specversion":"1.0","id":"1","source":"/","type":"t",${JSON.stringify(name)}:"x"}`)),
    ).toBeInstanceOf(InvalidEvent);
  });

  it('says which name to write in place of one with capital letters', () => {
    expect(refusal(event({ myExtension: 'x' })).message).toBe(
      'event attribute myExtension: expected a name of lower-case letters a-z and digits: write myextension, found "myExtension"',
    );
  });

  it.each([null, [], [MINIMAL], 'x', 1, true])('refuses %j for an event', (value) => {
    expect(refusal(value).attribute).toBe('event');
  });
});
