import { describe, expect, test } from 'vitest';
import { compilePattern } from './compile.ts';
import { matches } from './matches.ts';

function match(pattern: unknown, event: object): boolean {
  return matches(compilePattern(pattern), event);
}

/** Whether a list of values and operators accepts the value of a field. */
function accepts(list: unknown, value: unknown): boolean {
  return match({ field: list }, { field: value });
}

describe('values', () => {
  test('are equal by type and value', () => {
    expect(accepts(['300'], '300')).toBe(true);
    expect(accepts(['300'], 300)).toBe(false);
    expect(accepts([300], '300')).toBe(false);
    expect(accepts([1], JSON.parse('1.0'))).toBe(true);
    expect(accepts([0], -0)).toBe(true);
    expect(accepts([true], 'true')).toBe(false);
    expect(accepts([''], '')).toBe(true);
  });

  test('null is a value and differs from absent (CE8)', () => {
    expect(accepts([null], null)).toBe(true);
    expect(accepts([null], 'null')).toBe(false);
    expect(match({ field: [null] }, {})).toBe(false);
    expect(accepts([{ exists: true }], null)).toBe(true);
    expect(accepts([{ exists: false }], null)).toBe(false);
  });

  test('an object is not a leaf, so its field counts as absent', () => {
    expect(accepts([{ exists: true }], { a: 1 })).toBe(false);
    expect(accepts([{ exists: false }], { a: 1 })).toBe(true);
    expect(accepts([{ 'anything-but': 'x' }], { a: 1 })).toBe(false);
    expect(accepts([{ exists: false }], [])).toBe(true);
    expect(accepts([{ exists: false }], undefined)).toBe(true);
  });

  test('absence goes for a whole branch', () => {
    expect(match({ a: { b: { c: [{ exists: false }] } } }, { a: 1 })).toBe(true);
    expect(match({ a: { b: { c: [{ exists: false }], d: [1] } } }, { a: 1 })).toBe(false);
  });
});

describe('operators', () => {
  test.each<[string, unknown, unknown[], unknown[]]>([
    ['prefix', { prefix: 'ab' }, ['ab', 'abc'], ['a', 'xab', 'AB', 5, null]],
    ['an empty prefix', { prefix: '' }, ['', 'a'], [5, null, false]],
    ['suffix', { suffix: '.png' }, ['.png', 'a.png'], ['a.PNG', '.png ', 1]],
    ['a folded prefix', { prefix: { 'equals-ignore-case': 'EVÉ' } }, ['evén', 'EvÉ'], ['evn', 'eve', 3]],
    ['a folded suffix', { suffix: { 'equals-ignore-case': '.Png' } }, ['a.pNG'], ['png', 1]],
    ['equals-ignore-case', { 'equals-ignore-case': 'Straße' }, ['STRAßE', 'straße'], ['strasse', 'straß']],
    ['equals-ignore-case of Greek', { 'equals-ignore-case': 'ΟΔΟΣ' }, ['οδος', 'οδοσ'], ['οδο']],
    ['wildcard', { wildcard: 'a*c*e' }, ['ace', 'abcde', 'acce'], ['ac', 'aec', 'xace', 'acex', 1]],
    ['wildcard at both ends', { wildcard: '*b*' }, ['b', 'abc'], ['a', '']],
    ['wildcard alone', { wildcard: '*' }, ['', 'a\nb'], [1, null]],
    ['wildcard with escapes', { wildcard: 'a\\**\\\\' }, ['a*\\', 'a*b\\'], ['ab\\', 'a*']],
    ['wildcard without a star', { wildcard: 'ab' }, ['ab'], ['a', 'abb', '']],
    ['wildcard whose ends would overlap', { wildcard: 'aba*aba' }, ['abaaba', 'aba-aba'], ['ababa', 'aba']],
    ['numeric =', { numeric: ['=', 301.8] }, [301.8, 3.018e2], ['301.8', 301]],
    ['numeric <', { numeric: ['<', 10] }, [9.999999999999, -1e12], [10, '9']],
    ['numeric <=', { numeric: ['<=', 10] }, [10, 0], [10.000000000001]],
    ['numeric >', { numeric: ['>', 0] }, [5e-324, 1e15], [0, -0, -1, true]],
    ['numeric >=', { numeric: ['>=', -5] }, [-5, 0], [-5.0000001]],
    ['a numeric range', { numeric: ['>', 0, '<=', 5] }, [1, 5], [0, 5.1]],
    ['a numeric range of nothing', { numeric: ['>', 5, '<', 5] }, [], [5, 4.9, 5.1]],
    ['anything-but a text', { 'anything-but': 'a' }, ['b', '', 5, null, true], ['a']],
    ['anything-but a number', { 'anything-but': 1 }, [2, '1', null], [1]],
    ['anything-but a list', { 'anything-but': [1, 2] }, [3, 'x'], [1, 2]],
    ['anything-but prefix', { 'anything-but': { prefix: 'ab' } }, ['a', 1, null], ['abc']],
    ['anything-but suffixes', { 'anything-but': { suffix: ['x', 'y'] } }, ['xz', 1], ['ax', 'ay']],
    ['anything-but folded', { 'anything-but': { 'equals-ignore-case': 'Ab' } }, ['abc', 1], ['AB', 'ab']],
    ['anything-but wildcards', { 'anything-but': { wildcard: ['*a*', 'b*'] } }, ['xb', 1], ['cab', 'b']],
    ['cidr', { cidr: '10.1.2.200/24' }, ['10.1.2.0', '10.1.2.255'], ['10.1.3.0', '10.1.2', 'a', 167838208]],
    ['cidr of everything', { cidr: '0.0.0.0/0' }, ['1.2.3.4'], ['::1', '1.2.3.4/0', '']],
    ['cidr of one', { cidr: '10.0.0.1/32' }, ['10.0.0.1'], ['10.0.0.2']],
    ['cidr v6', { cidr: '2001:db8::/33' }, ['2001:db8::1', '2001:DB8:7fff::'], ['2001:db8:8000::', '10.0.0.1']],
    ['cidr v6 with v4 inside', { cidr: '::ffff:10.0.0.0/104' }, ['::ffff:10.9.9.9', '::ffff:a00:1'], ['10.0.0.1']],
  ])('%s', (_, operator, accepted, refused) => {
    expect(accepted.filter((value) => !accepts([operator], value))).toEqual([]);
    expect(refused.filter((value) => accepts([operator], value))).toEqual([]);
  });

  test('anything-but does not match an absent field, exists false does (CE8)', () => {
    expect(match({ a: [{ 'anything-but': 'x' }] }, {})).toBe(false);
    expect(match({ a: [{ exists: false }] }, {})).toBe(true);
    expect(match({ a: [{ 'anything-but': 'x' }, { exists: false }] }, {})).toBe(true);
  });
});

describe('lists in events', () => {
  test('of plain values match when one of them is accepted', () => {
    expect(accepts(['b'], ['a', 'b'])).toBe(true);
    expect(accepts([{ 'anything-but': 'a' }], ['a', 'b'])).toBe(true);
    expect(accepts([{ 'anything-but': 'a' }], ['a'])).toBe(false);
    expect(accepts([{ exists: false }], ['a'])).toBe(false);
    expect(accepts(['b'], [['a'], ['b']])).toBe(true);
  });

  test('of objects match when one element fulfils all conditions (CE7)', () => {
    const pattern = { lines: { sku: ['a'], amount: [{ numeric: ['>', 1] }] } };
    expect(
      match(pattern, {
        lines: [
          { sku: 'a', amount: 1 },
          { sku: 'b', amount: 2 },
        ],
      }),
    ).toBe(false);
    expect(
      match(pattern, {
        lines: [
          { sku: 'b', amount: 1 },
          { sku: 'a', amount: 2 },
        ],
      }),
    ).toBe(true);
    expect(match(pattern, { lines: [[{ sku: 'a', amount: 1 }], [{ sku: 'a', amount: 2 }]] })).toBe(true);
  });

  test('of objects lack a field when the chosen element lacks it', () => {
    const lines = [{ sku: 'a', note: 'n' }, { sku: 'b' }];
    expect(match({ lines: { sku: ['b'], note: [{ exists: false }] } }, { lines })).toBe(true);
    expect(match({ lines: { sku: ['a'], note: [{ exists: false }] } }, { lines })).toBe(false);
  });

  test('conditions on the same field that come from $or must each hold', () => {
    const pattern = { tags: ['a'], $or: [{ tags: ['b'] }, { other: [1] }] };
    expect(match(pattern, { tags: ['a', 'b'] })).toBe(true);
    expect(match(pattern, { tags: ['a'] })).toBe(false);
  });
});

describe('names', () => {
  test('with dots are the same as nested fields, on both sides', () => {
    expect(match({ a: { 'b.c': [1] } }, { 'a.b': { c: 1 } })).toBe(true);
    expect(match({ 'a.b.c': [1] }, { a: { b: { c: 1 } } })).toBe(true);
    expect(match({ a: { b: [1], c: [2] } }, { 'a.b': 1, a: { c: 2 } })).toBe(true);
    expect(match({ a: { b: [{ exists: false }] } }, { 'a.b': 1, a: {} })).toBe(false);
    expect(match({ a: { b: { c: [1], d: [2] } } }, { a: [{ 'b.c': 1, b: { d: 2 } }] })).toBe(true);
  });

  test('that objects inherit are ordinary names', () => {
    const pattern: unknown = JSON.parse('{ "__proto__": { "constructor": ["x"] }, "toString": [{ "exists": false }] }');
    expect(match(pattern, JSON.parse('{ "__proto__": { "constructor": "x" } }') as object)).toBe(true);
    expect(match(pattern, {})).toBe(false);
    expect(match({ constructor: [{ exists: false }] }, {})).toBe(true);
  });

  test('of the root are read through a function, each alone', () => {
    const asked: string[] = [];
    const read = (name: string): unknown => {
      asked.push(name);
      return name === 'data' ? { total: 5 } : undefined;
    };
    const pattern = compilePattern({ data: { total: [5] }, subject: [{ exists: false }] });
    expect(matches(pattern, read)).toBe(true);
    expect(asked).toEqual(['data', 'subject']);
  });
});

describe('hostile events', () => {
  test('with lists in lists without end are answered', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(100_000)}1${']'.repeat(100_000)}`);
    expect(accepts([1], deep)).toBe(false);
    expect(match({ field: { a: [1] } }, { field: deep })).toBe(false);
  });

  test('with a long mixed list cost no more than its length', () => {
    const mixed = Array.from({ length: 100_000 }, (_, at) => (at % 2 === 0 ? `v${at}` : { a: at }));
    expect(accepts(['no such value'], mixed)).toBe(false);
    expect(accepts(['no such value'], [mixed])).toBe(false);
  });

  test('with names joined in every way are answered within the allowance', () => {
    const list = Array.from({ length: 40 }, () => ({ 'c.d': [{ x: 1 }], c: { d: [{ 'e.f': [{ y: 1 }], e: [{}] }] } }));
    const event = { 'a.b': list, a: { b: list }, 'a.b.c.d': list, 'a.b.c.d.e.f': list };
    expect(match({ 'a.b.c.d.e.f': { z: [1] }, 'a.b.c.d.e.g': [1] }, event)).toBe(false);
  });
});
