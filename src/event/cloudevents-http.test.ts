import { describe, expect, it } from 'vitest';
import { InvalidEvent, InvalidInput, ThereuponError } from '../errors.ts';
import {
  UnsupportedContent,
  decodeHttp,
  encodeHttpBatch,
  encodeHttpBinary,
  encodeHttpStructured,
} from './cloudevents-http.ts';

const BINARY = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': 'shop.order.placed' };
const EVENT = { specversion: '1.0', id: '1', source: '/shop', type: 'shop.order.placed' };

const message = (headers: Record<string, string>, body: string | Uint8Array = '') => ({
  headers: Object.entries(headers),
  body: typeof body === 'string' ? Buffer.from(body) : body,
});
const binary = (headers: Record<string, string>, body: string | Uint8Array = '') =>
  decodeHttp(message({ ...BINARY, ...headers }, body)).events[0];

function refusal(decode: () => unknown): ThereuponError {
  try {
    decode();
  } catch (error) {
    if (error instanceof ThereuponError) return error;
    throw error;
  }
  throw new Error('the message was accepted');
}

describe('the content mode', () => {
  it.each([
    'application/cloudevents+json',
    'Application/CloudEvents+JSON; charset=UTF-8',
    'application/cloudevents+json;charset="utf-8"',
  ])('is structured for %s', (type) => {
    const decoded = decodeHttp(message({ 'Content-Type': type, 'ce-id': 'ignored' }, JSON.stringify(EVENT)));
    expect(decoded).toMatchObject({ mode: 'structured', events: [{ id: '1' }] });
  });

  it('is batch for the batch type, the empty batch included', () => {
    const type = { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' };
    expect(decodeHttp(message(type, JSON.stringify([EVENT, EVENT])))).toMatchObject({
      mode: 'batch',
      events: [{ id: '1' }, { id: '1' }],
    });
    expect(decodeHttp(message(type, '[]')).events).toEqual([]);
  });

  it('is binary where ce- headers are, a Headers object included', () => {
    expect(decodeHttp({ headers: new Headers(BINARY), body: new Uint8Array() })).toEqual({
      mode: 'binary',
      events: [{ id: '1', source: '/shop', type: 'shop.order.placed', extensions: {}, payload: { encoding: 'none' } }],
    });
  });

  it.each([
    'application/cloudevents+avro',
    'application/cloudevents',
    'application/cloudevents-batch',
    'application/cloudevents+json; charset=utf-16',
    'application/cloudevents+json; x',
  ])('is unsupported for %s', (type) => {
    expect(
      refusal(() => decodeHttp(message({ 'content-type': type, ...BINARY }, JSON.stringify(EVENT)))),
    ).toBeInstanceOf(UnsupportedContent);
  });

  it('is unsupported without any sign of a CloudEvent, and the error says how to send one', () => {
    const error = refusal(() => decodeHttp(message({ 'content-type': 'application/json' }, '{}')));
    expect(error).toMatchObject({ code: 'unsupported-content', fault: 'caller', retry: 'never' });
    expect(error.message).toContain('application/cloudevents+json');
    expect(error.message).toContain('ce-specversion: 1.0');
    expect(refusal(() => decodeHttp(message({}))).message).toContain('no Content-Type');
  });
});

describe('a structured body', () => {
  const decode = (body: string | Uint8Array, type = 'application/cloudevents+json') =>
    decodeHttp(message({ 'content-type': type }, body));

  it.each([
    '',
    ' ',
    '{',
    'nonsense',
    '\ufeff',
    '{"a":1,}',
    Buffer.from([0x22, 0xff, 0x22]),
    Buffer.from('{}', 'utf16le'),
  ])('is refused when it is not JSON in UTF-8: %j', (body) => {
    expect(refusal(() => decode(body))).toBeInstanceOf(InvalidInput);
  });

  it('may begin with a byte order mark', () => {
    expect(decode(`\ufeff${JSON.stringify(EVENT)}`).events).toHaveLength(1);
  });

  it('is refused when one event comes as a batch or a batch as one event', () => {
    expect(refusal(() => decode(JSON.stringify([EVENT])))).toMatchObject({ attribute: 'event' });
    expect(refusal(() => decode(JSON.stringify(EVENT), 'application/cloudevents-batch+json'))).toMatchObject({
      attribute: 'batch',
    });
  });

  it('is refused when it nests a hundred thousand levels, without a stack overflow', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    expect(refusal(() => decode(deep))).toBeInstanceOf(InvalidEvent);
    expect(
      refusal(() => decode(`{"specversion":"1.0","id":"1","source":"/","type":"t","data":${deep}}`)),
    ).toBeInstanceOf(InvalidEvent);
    expect(refusal(() => decode('['.repeat(100_000)))).toBeInstanceOf(InvalidInput);
  });
});

describe('binary mode', () => {
  it('reads header names in any case, and values percent-encoded or quoted', () => {
    expect(
      binary({
        'CE-Subject': 'Euro%20%E2%82%AC%20%F0%9F%98%80',
        'ce-MyExt': '"a b"',
        'ce-causationdepth': '3',
        'ce-sequence': '17',
      }),
    ).toMatchObject({
      subject: 'Euro € 😀',
      extensions: { myext: 'a b' },
      causationdepth: 3,
      sequence: '17',
    });
  });

  it('trims the white space around a value', () => {
    expect(binary({ 'ce-subject': ' \tx\t ', 'content-type': ' text/plain ' })).toMatchObject({
      subject: 'x',
      datacontenttype: 'text/plain',
    });
  });

  it.each([
    ['application/json', '{"a":1}', { encoding: 'json', data: { a: 1 } }],
    ['application/json; charset=utf-8', 'null', { encoding: 'json', data: null }],
    ['application/json', '\ufeff1', { encoding: 'json', data: 1 }],
    ['application/vnd.x+json', '"text"', { encoding: 'json', data: 'text' }],
    ['text/plain; charset=utf-8', 'Hello, 🌎!', { encoding: 'text', data: 'Hello, 🌎!' }],
    ['text/plain', '\ufeffx', { encoding: 'text', data: '\ufeffx' }],
    ['application/xml; charset=utf-8', '<a/>', { encoding: 'text', data: '<a/>' }],
    ['text/plain; charset=iso-8859-1', Buffer.from([0xe4]), { encoding: 'base64', data: '5A==' }],
    ['text/plain', Buffer.from([0xe4]), { encoding: 'base64', data: '5A==' }],
    ['image/png', 'Ma', { encoding: 'base64', data: 'TWE=' }],
    ['application/json', '', { encoding: 'none' }],
  ])('reads a body of %s', (type, body, payload) => {
    expect(binary({ 'content-type': type }, body)).toMatchObject({ datacontenttype: type, payload });
  });

  it('keeps a body without a content type as bytes', () => {
    expect(binary({}, 'Ma')).toEqual({ ...binary({}), payload: { encoding: 'base64', data: 'TWE=' } });
  });

  it.each([
    ['application/json', '{', 'data'],
    ['application/json', Buffer.from([0x22, 0xff, 0x22]), 'data'],
    ['application/json; charset=utf-16', '1', 'data'],
    ['application/json', '{"a":[1e400]}', 'data.a[0]'],
    ['json', '1', 'datacontenttype'],
    ['application/json, application/json', '1', 'datacontenttype'],
  ])('refuses a body of %s that is not what it says', (type, body, attribute) => {
    expect(refusal(() => binary({ 'content-type': type }, body))).toMatchObject({ code: 'invalid-event', attribute });
  });

  it.each([
    ['ce-my-ext', 'x', 'my-ext'],
    ['ce-my_ext', 'x', 'my_ext'],
    ['ce-', 'x', '""'],
    ['ce-data', 'x', 'data'],
    ['ce-datacontenttype', 'text/plain', 'datacontenttype'],
    ['ce-subject', '', 'subject'],
    ['ce-subject', '%C0%A0', 'subject'],
    ['ce-subject', '100%', 'subject'],
    ['ce-subject', '"open', 'subject'],
    ['ce-subject', 'a%0Ab', 'subject'],
    ['ce-subject', '%EF%BF%BE', 'subject'],
    ['ce-time', 'noon', 'time'],
    ['ce-specversion', '0.3', 'specversion'],
    ['ce-causationdepth', '-1', 'causationdepth'],
  ])('refuses %s: %s', (name, value, attribute) => {
    expect(refusal(() => binary({ [name]: value }))).toMatchObject({ code: 'invalid-event', attribute });
  });

  it('refuses an attribute that is given twice', () => {
    const headers = [...Object.entries(BINARY), ['CE-ID', '2']] as [string, string][];
    expect(refusal(() => decodeHttp({ headers, body: new Uint8Array() }))).toMatchObject({ attribute: 'id' });
  });
});

describe('writing messages', () => {
  const incoming = decodeHttp(
    message(
      { 'content-type': 'application/cloudevents+json' },
      JSON.stringify({ ...EVENT, subject: 'a "ü"', myext: 5, flag: true, data: { a: 'ü' } }),
    ),
  );
  const [event] = incoming.events;
  if (event === undefined) throw new Error('no event');

  it('encodes headers, and names the JSON that the JSON format implies', () => {
    const { headers, body } = encodeHttpBinary(event);
    expect(headers).toEqual({
      ...BINARY,
      'ce-subject': 'a%20%22%C3%BC%22',
      'ce-myext': '5',
      'ce-flag': 'true',
      'content-type': 'application/json',
    });
    expect(Buffer.from(body).toString()).toBe('{"a":"ü"}');
  });

  it('reads back its own structured and batch messages', () => {
    for (const encoded of [encodeHttpStructured(event), encodeHttpBatch([event])]) {
      expect(decodeHttp({ headers: Object.entries(encoded.headers), body: encoded.body }).events).toEqual([event]);
    }
  });

  it('refuses to write text in a character set that it cannot write', () => {
    const latin = {
      ...event,
      datacontenttype: 'text/plain; charset=iso-8859-1',
      payload: { encoding: 'text', data: 'ü' } as const,
    };
    expect(refusal(() => encodeHttpBinary(latin))).toBeInstanceOf(UnsupportedContent);
    const ascii = { ...latin, datacontenttype: 'text/plain; charset=us-ascii' };
    expect(refusal(() => encodeHttpBinary(ascii))).toBeInstanceOf(UnsupportedContent);
    expect(encodeHttpBinary({ ...ascii, payload: { encoding: 'text', data: 'u' } }).body).toEqual(Buffer.from('u'));
  });
});
