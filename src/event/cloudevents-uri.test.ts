import { describe, expect, it } from 'vitest';
import { isUri, isUriReference } from './cloudevents-uri.ts';

describe('isUriReference', () => {
  it.each([
    'https://github.com/cloudevents',
    'mailto:cncf-wg-serverless@lists.cncf.io',
    'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66',
    'cloudevents/spec/pull/123',
    '/sensors/tn-1234567/alerts',
    '1-555-123-4567',
    '#fragment',
    '?query',
    '//authority/path',
    './a:b',
    'http://[2001:db8::1]:8080/x?y=/?#z',
    'http://user:pass@host:/',
    'http://[v1.fe:x]/',
    '%C3%A4',
    '',
  ])('accepts %j', (text) => {
    expect(isUriReference(text)).toBe(true);
  });

  it.each([
    ':::',
    '1:a',
    'a b',
    'ä',
    '<x>',
    'a\\b',
    'a%2',
    'a%zz',
    'http://[::1',
    'http://[nonsense]/',
    'http://[fe80::1%eth0]/',
    'http://host:port/',
    'http://a@b@c/',
    '#a#b',
    'a\nb',
    '{x}',
    '"',
    'a^b',
    'a|b',
  ])('refuses %j', (text) => {
    expect(isUriReference(text)).toBe(false);
  });
});

describe('isUri', () => {
  it.each(['https://cloudevents.io/dataschema', 'urn:x:y', 'https://x.io/schema.json#/definitions/order'])(
    'accepts %j',
    (text) => {
      expect(isUri(text)).toBe(true);
    },
  );

  it.each(['', 'relative', '/path', '//host/path', '#fragment', 'ht tp://x'])('refuses %j', (text) => {
    expect(isUri(text)).toBe(false);
  });
});
