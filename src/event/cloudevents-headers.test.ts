import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidEvent } from '../errors.ts';
import { decodeHeaderValue, encodeHeaderValue, trimSpace } from './cloudevents-headers.ts';

describe('encodeHeaderValue', () => {
  it.each([
    ['plain!#$&~', 'plain!#$&~'],
    ['Euro € 😀', 'Euro%20%E2%82%AC%20%F0%9F%98%80'],
    ['100% "sure"', '100%25%20%22sure%22'],
    ['\u0000\t\n\u007f\u0080', '%00%09%0A%7F%C2%80'],
    ['', ''],
  ])('writes %j as %j', (text, header) => {
    expect(encodeHeaderValue(text, 'subject')).toBe(header);
  });

  it('refuses a lone surrogate', () => {
    expect(() => encodeHeaderValue('a\ud800', 'subject')).toThrow(InvalidEvent);
  });

  it('writes printable ASCII that reads back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const header = encodeHeaderValue(text, 'subject');
        expect(header).toMatch(/^[!#-~]*$/);
        expect(decodeHeaderValue(header, 'subject')).toBe(text);
      }),
    );
  });
});

describe('decodeHeaderValue', () => {
  it.each([
    ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    ['%e2%82%ac', '€'],
    ['%41%62c', 'Abc'],
    ['"Euro %E2%82%AC"', 'Euro €'],
    ['"a \\"b\\" \\\\ c"', 'a "b" \\ c'],
    ['a "b c" d', 'a b c d'],
    ['%22quoted%22', '"quoted"'],
    ['%2541', '%41'],
    ['a\\b', 'a\\b'],
    ['with space', 'with space'],
    ['\u00e2\u0082\u00ac', '€'],
    ['""', ''],
  ])('reads %j as %j', (header, text) => {
    expect(decodeHeaderValue(header, 'subject')).toBe(text);
  });

  it.each([
    '%C0%A0',
    '%ED%A0%80',
    '%F4%90%80%80',
    '%E2%82',
    '%80',
    '100%',
    '%4',
    '%zz',
    '"open',
    '"open\\"',
    '\u00e4',
    '€',
  ])('refuses %j', (header) => {
    expect(() => decodeHeaderValue(header, 'subject')).toThrow(InvalidEvent);
  });
});

describe('trimSpace', () => {
  it('removes spaces and tabs around, and nothing else', () => {
    expect(trimSpace(' \t a\t b \t')).toBe('a\t b');
    expect(trimSpace('\u00a0a\n')).toBe('\u00a0a\n');
    expect(trimSpace(' \t ')).toBe('');
  });
});
