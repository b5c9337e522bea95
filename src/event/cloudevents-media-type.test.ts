import { describe, expect, it } from 'vitest';
import { isJsonType, isTextType, parseMediaType } from './cloudevents-media-type.ts';

describe('parseMediaType', () => {
  it.each([
    ['application/json', 'application/json', undefined],
    ['Application/JSON; Charset="UTF-8"', 'application/json', 'utf-8'],
    ['text/plain;charset=us-ascii', 'text/plain', 'us-ascii'],
    ['multipart/form-data; boundary="a;\\"b"; charset=x', 'multipart/form-data', 'x'],
    ['application/json;', 'application/json', undefined],
    ['application/vnd.a.b+json \t; v=1 ;', 'application/vnd.a.b+json', undefined],
  ])('reads %j', (text, essence, charset) => {
    expect(parseMediaType(text)).toEqual({ essence, charset });
  });

  it.each([
    '',
    'json',
    '/json',
    'application/',
    'a/b/c',
    'a b/c',
    'a/b; x',
    'a/b; x=',
    'a/b; x="y',
    'a/b, c/d',
    ' a/b',
    'ä/b',
    'a/b;x=y z',
    `a/${'b'.repeat(3_000)}`,
  ])('refuses %j', (text) => {
    expect(parseMediaType(text)).toBeUndefined();
  });
});

describe('kinds of content types', () => {
  const parsed = (text: string) => parseMediaType(text) ?? { essence: 'none', charset: undefined };

  it.each(['application/json', 'text/json', 'application/vnd.x+json; v=2'])('takes %s for JSON', (text) => {
    expect(isJsonType(parsed(text))).toBe(true);
  });

  it.each(['application/jsonp', 'application/json-seq', 'text/plain', 'application/x+json+xml'])(
    'does not take %s for JSON',
    (text) => {
      expect(isJsonType(parsed(text))).toBe(false);
    },
  );

  it('takes no content type for JSON', () => {
    expect(isJsonType(undefined)).toBe(true);
  });

  it.each([
    'text/plain',
    'text/csv; charset=utf-8',
    'application/xml',
    'image/svg+xml',
    'application/graphql; charset=UTF-8',
  ])('takes %s for text', (text) => {
    expect(isTextType(parsed(text))).toBe(true);
  });

  it.each(['text/plain; charset=iso-8859-1', 'application/octet-stream', 'image/png'])(
    'does not take %s for text',
    (text) => {
      expect(isTextType(parsed(text))).toBe(false);
    },
  );
});
