import { describe, expect, test } from 'vitest';
import { compilePattern } from './compile.ts';
import { InvalidPattern } from './invalid-pattern.ts';
import { MAX_ALTERNATIVES, MAX_DEPTH, MAX_VALUES } from './pattern-limits.ts';
import { MAX_WILDCARDS } from './wildcard.ts';

function refusal(pattern: unknown): { path: string; message: string } {
  try {
    compilePattern(pattern);
  } catch (error) {
    if (error instanceof InvalidPattern) return { path: error.path, message: error.message };
    throw error;
  }
  throw new Error('the pattern was accepted');
}

const field = (value: unknown): unknown => ({ data: { total: value } });

describe('compilePattern', () => {
  test.each<[string, unknown, string]>([
    ['a pattern that is no object', 'text', ''],
    ['a pattern that is null', null, ''],
    ['a pattern that is a list', [], ''],
    ['an empty pattern', {}, ''],
    ['an empty nested object', { data: {} }, 'data'],
    ['a value outside a list', field(5), 'data.total'],
    ['an undefined field', field(undefined), 'data.total'],
    ['an empty list', field([]), 'data.total'],
    ['a list in a list', field([[1]]), 'data.total[0]'],
    ['a hole in a list', field([1, undefined]), 'data.total[1]'],
    ['a number that JSON does not have', field([Number.NaN]), 'data.total[0]'],
    ['a bigint', field([1n]), 'data.total[0]'],
    ['a function', field([() => 1]), 'data.total[0]'],
    ['an empty operator', field([{}]), 'data.total[0]'],
    ['an unknown operator', field([{ startsWith: 'a' }]), 'data.total[0]'],
    ['an operator in other case', field([{ PREFIX: 'a' }]), 'data.total[0]'],
    ['an inherited name as operator', field([{ constructor: 'a' }]), 'data.total[0]'],
    ['two operators in one object', field([{ prefix: 'a', suffix: 'b' }]), 'data.total[0]'],
    ['a prefix that is no text', field([{ prefix: 1 }]), 'data.total[0].prefix'],
    ['another operator in prefix', field([{ prefix: { wildcard: 'a' } }]), 'data.total[0].prefix'],
    [
      'a second word in prefix',
      field([{ prefix: { 'equals-ignore-case': 'a', wildcard: 'b' } }]),
      'data.total[0].prefix',
    ],
    [
      'a folded suffix that is no text',
      field([{ suffix: { 'equals-ignore-case': 1 } }]),
      'data.total[0].suffix.equals-ignore-case',
    ],
    ['exists that is neither true nor false', field([{ exists: 'true' }]), 'data.total[0].exists'],
    ['numeric without a list', field([{ numeric: 10 }]), 'data.total[0].numeric'],
    ['numeric with an empty list', field([{ numeric: [] }]), 'data.total[0].numeric[0]'],
    ['numeric with an unknown comparison', field([{ numeric: ['!=', 1] }]), 'data.total[0].numeric[0]'],
    ['numeric with a text for a bound', field([{ numeric: ['>', '1'] }]), 'data.total[0].numeric[1]'],
    ['numeric with an infinite bound', field([{ numeric: ['>', Infinity] }]), 'data.total[0].numeric[1]'],
    ['numeric that ends after a comparison', field([{ numeric: ['>', 0, '<'] }]), 'data.total[0].numeric[3]'],
    ['numeric with two lower ends', field([{ numeric: ['>', 0, '>', 1] }]), 'data.total[0].numeric[2]'],
    ['numeric with the upper end first', field([{ numeric: ['<', 5, '>', 0] }]), 'data.total[0].numeric'],
    ['numeric with more after =', field([{ numeric: ['=', 5, '<', 9] }]), 'data.total[0].numeric'],
    ['numeric with three comparisons', field([{ numeric: ['>', 0, '<', 9, '<', 8] }]), 'data.total[0].numeric'],
    ['numeric whose range is upside down', field([{ numeric: ['>', 5, '<', 1] }]), 'data.total[0].numeric[3]'],
    ['anything-but null', field([{ 'anything-but': null }]), 'data.total[0].anything-but'],
    ['anything-but true', field([{ 'anything-but': [true] }]), 'data.total[0].anything-but[0]'],
    ['anything-but nothing', field([{ 'anything-but': [] }]), 'data.total[0].anything-but'],
    ['anything-but texts and numbers', field([{ 'anything-but': ['a', 1] }]), 'data.total[0].anything-but'],
    [
      'anything-but another operator',
      field([{ 'anything-but': { cidr: '10.0.0.0/8' } }]),
      'data.total[0].anything-but',
    ],
    ['anything-but no prefix', field([{ 'anything-but': { prefix: [] } }]), 'data.total[0].anything-but.prefix'],
    ['anything-but an empty suffix', field([{ 'anything-but': { suffix: '' } }]), 'data.total[0].anything-but.suffix'],
    [
      'anything-but a folded number',
      field([{ 'anything-but': { 'equals-ignore-case': ['a', 1] } }]),
      'data.total[0].anything-but.equals-ignore-case[1]',
    ],
    ['a wildcard with two stars in a row', field([{ wildcard: 'a**' }]), 'data.total[0].wildcard'],
    ['a wildcard with an unknown escape', field([{ wildcard: 'a\\n' }]), 'data.total[0].wildcard'],
    ['a wildcard that ends in a backslash', field([{ wildcard: 'a\\' }]), 'data.total[0].wildcard'],
    ['a network without bits', field([{ cidr: '10.0.0.0' }]), 'data.total[0].cidr'],
    ['a network with too many bits', field([{ cidr: '10.0.0.0/33' }]), 'data.total[0].cidr'],
    ['a network with bits below zero', field([{ cidr: '10.0.0.0/-1' }]), 'data.total[0].cidr'],
    ['a network with a host name', field([{ cidr: 'localhost/8' }]), 'data.total[0].cidr'],
    ['an empty branch of $or', { $or: [{ a: [1] }, {}] }, '$or[1]'],
    ['a $or of one', { $or: [{ a: [1] }] }, '$or[0]'],
    ['a $or of none', { $or: [] }, '$or'],
    ['a mistake within $or', { $or: [{ a: [1] }, { data: { b: 2 } }] }, '$or[1].data.b'],
    ['a reserved word below $or', { $or: [{ a: { prefix: [1] } }, { b: [1] }] }, '$or[0].a.prefix'],
  ])('refuses %s and names the place', (_, pattern, path) => {
    expect(refusal(pattern).path).toBe(path);
  });

  test('says in the message where, what was expected and what was found', () => {
    expect(refusal(field([{ numeric: ['>', '7'] }])).message).toBe(
      'pattern data.total[0].numeric[1]: expected a number, found "7"',
    );
  });

  test('refuses a pattern that goes too deep, whether by fields, dots, $or or a cycle', () => {
    const nest = (wrap: (inner: unknown) => unknown, times: number): unknown =>
      Array.from({ length: times }).reduce<unknown>((inner) => wrap(inner), { a: [1] });
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const deep = [
      nest((inner) => ({ a: inner }), 20_000),
      nest((inner) => ({ $or: [inner, { b: [1] }] }), 20_000),
      {
        [Array.from({ length: MAX_DEPTH + 1 })
          .fill('a')
          .join('.')]: [1],
      },
      cycle,
    ];
    for (const pattern of deep) expect(refusal(pattern).message).toContain('limit depth');
    expect(() => compilePattern(nest((inner) => ({ a: inner }), MAX_DEPTH - 1))).not.toThrow();
  });

  test('refuses more values than the limit, wherever they are', () => {
    const many = Array.from({ length: MAX_VALUES + 1 }, (_, at) => `v${at}`);
    expect(refusal(field(many)).message).toContain('limit values');
    expect(refusal(field([{ 'anything-but': many }])).message).toContain('limit values');
    expect(refusal(Object.fromEntries(many.map((name) => [name, [1]]))).message).toContain('limit values');
    expect(() => compilePattern(field(many.slice(3)))).not.toThrow();
  });

  test('refuses more combinations of $or than the limit, before it makes them', () => {
    const or = { $or: [{ a: [1] }, { b: [1] }] };
    const pattern = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`f${at}`, or]));
    expect(refusal(pattern).message).toContain('limit alternatives');
    const many = Array.from({ length: MAX_ALTERNATIVES + 1 }, (_, at) => ({ [`f${at}`]: [1] }));
    expect(refusal({ $or: many }).message).toContain('limit alternatives');
    const long = Array.from({ length: 5000 }, (_, at) => at);
    expect(refusal({ long, $or: many.slice(0, 100) }).message).toContain('limit comparisons');
  });

  test('refuses a wildcard text with too many wildcards', () => {
    expect(refusal(field([{ wildcard: '*a'.repeat(MAX_WILDCARDS + 1) }])).message).toContain('limit wildcards');
    expect(() => compilePattern(field([{ wildcard: '*a'.repeat(MAX_WILDCARDS) }]))).not.toThrow();
  });

  test('multiplies $or out, so that every alternative has the conditions beside it', () => {
    const { alternatives } = compilePattern({
      source: ['s'],
      $or: [{ a: [1] }, { b: [1], $or: [{ c: [1] }, { d: [1] }] }],
      data: { $or: [{ e: [1] }, { f: [1] }] },
    });
    const paths = alternatives.map(({ conditions }) => conditions.map(({ path }) => path.join('.')).join(' '));
    expect(paths).toEqual([
      'source a data.e',
      'source a data.f',
      'source b c data.e',
      'source b c data.f',
      'source b d data.e',
      'source b d data.f',
    ]);
  });
});
