import { describe, expect, it } from 'vitest';
import { parseTraceState } from './trace-context-state.ts';

const members = (count: number) => Array.from({ length: count }, (_, index) => `bar${index}=${index}`);

describe('parseTraceState', () => {
  it.each([
    [['foo=1'], 'foo=1'],
    [['foo=1', 'bar=2'], 'foo=1,bar=2'],
    [['foo=1,', ',bar=2'], 'foo=1,bar=2'],
    [['foo=1', ''], 'foo=1'],
    [['', ' \t'], ''],
    [[], ''],
    [['foo=1 \t , \t bar=2, \t baz=3'], 'foo=1,bar=2,baz=3'],
    [['foo=  1'], 'foo=  1'],
    [['foo=a b'], 'foo=a b'],
    [['0x_-*/=~!"#$%&\'()*+-./:;<>?@[\\]^_`{|}'], '0x_-*/=~!"#$%&\'()*+-./:;<>?@[\\]^_`{|}'],
    [['fw529a3039@dt=FfAxOjQ'], 'fw529a3039@dt=FfAxOjQ'],
    [[`${'z'.repeat(256)}=1`], `${'z'.repeat(256)}=1`],
    [[`${'t'.repeat(241)}@${'v'.repeat(14)}=1`], `${'t'.repeat(241)}@${'v'.repeat(14)}=1`],
    [[`foo=${'x'.repeat(256)}`], `foo=${'x'.repeat(256)}`],
  ])('keeps what is valid in %j', (fields, tracestate) => {
    expect(parseTraceState(fields)).toBe(tracestate);
  });

  it.each([
    'foo',
    'foo=',
    '=1',
    'foo =1',
    'FOO=1',
    'foo.bar=1',
    'foo@=1',
    '@foo=1',
    'foo@@bar=1',
    'foo@bar@baz=1',
    'foo@1bar=1',
    '-foo=1',
    'foo=bar=baz',
    'foo=1\t2',
    'foo=ä',
    'foo=1\u007f',
    `${'z'.repeat(257)}=1`,
    `${'t'.repeat(242)}@v=1`,
    `t@${'v'.repeat(15)}=1`,
    `foo=${'x'.repeat(257)}`,
  ])('refuses the list because of %j', (member) => {
    expect(parseTraceState([`ok=1,${member}`])).toBeUndefined();
  });

  it('keeps 32 members and refuses 33', () => {
    expect(parseTraceState(members(32))).toBe(members(32).join(','));
    expect(parseTraceState(members(33))).toBeUndefined();
    expect(parseTraceState([members(16).join(','), members(33).slice(16).join(',')])).toBeUndefined();
  });

  it('does not count empty members', () => {
    expect(parseTraceState([members(32).join(',,')])).toBe(members(32).join(','));
  });

  it('keeps the left-most of members with one key', () => {
    expect(parseTraceState(['foo=1,bar=2,foo=3'])).toBe('foo=1,bar=2');
  });

  it('keeps more than 512 characters', () => {
    const long = members(32).map((member) => member + 'x'.repeat(200));
    expect(parseTraceState(long)).toBe(long.join(','));
  });

  it('takes time linear to the length of white space', () => {
    expect(parseTraceState([`foo=1${' '.repeat(500_000)}x`])).toBeUndefined();
  });
});
