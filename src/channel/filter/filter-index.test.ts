import { describe, expect, test } from 'vitest';
import { compilePattern } from './compile.ts';
import { FilterIndex } from './filter-index.ts';

function indexOf(patterns: Readonly<Record<string, unknown>>): FilterIndex<string> {
  const index = new FilterIndex<string>();
  for (const [id, pattern] of Object.entries(patterns)) index.add(id, compilePattern(pattern));
  return index;
}

describe('FilterIndex', () => {
  test('finds each filter once, though several of its branches and values match', () => {
    const index = indexOf({
      both: { $or: [{ a: [1, { exists: true }] }, { b: ['x', { prefix: '' }] }] },
      other: { a: [2] },
    });
    expect(index.match({ a: [1, 1, 3], b: 'x' })).toEqual(['both']);
  });

  test('keeps apart wildcards of one condition that begin alike, and lets each go by itself', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const patterns = names.map((name) => [
      name,
      { text: [{ wildcard: `*${name}` }, { wildcard: `*${name}${name}*` }] },
    ]);
    const index = indexOf(Object.fromEntries(patterns) as Record<string, unknown>);
    for (const name of names) {
      expect(index.match({ text: `ends with ${name}` })).toEqual([name]);
      expect(index.match({ text: `has ${name}${name} inside.` })).toEqual([name]);
    }
    index.remove('a');
    expect(index.match({ text: 'ends with a' })).toEqual([]);
    expect(index.match({ text: 'ends with b' })).toEqual(['b']);
  });

  test('replaces the pattern of an id that is added again', () => {
    const index = indexOf({ it: { a: [1] } });
    index.add('it', compilePattern({ a: [2] }));
    expect(index.size).toBe(1);
    expect(index.match({ a: 1 })).toEqual([]);
    expect(index.match({ a: 2 })).toEqual(['it']);
  });

  test('forgets what is removed and says whether it was there', () => {
    const index = indexOf({ it: { a: [1] }, other: { a: [1] } });
    expect(index.remove('it')).toBe(true);
    expect(index.remove('it')).toBe(false);
    expect(index.match({ a: 1 })).toEqual(['other']);
  });

  test('appends to the list that it is given', () => {
    const found = ['before'];
    expect(indexOf({ it: { a: [1] } }).match({ a: 1 }, found)).toBe(found);
    expect(found).toEqual(['before', 'it']);
  });

  test('reads a field of the root once for all filters, and only if one asks for it', () => {
    const patterns = Array.from({ length: 50 }, (_, at) => [`f${at}`, { type: ['t'], data: { total: [at] } }]);
    const index = indexOf(Object.fromEntries(patterns));
    const asked: string[] = [];
    const read = (name: string): unknown => {
      asked.push(name);
      return name === 'type' ? 't' : { total: 7 };
    };
    expect(index.match(read)).toEqual(['f7']);
    expect(asked.toSorted()).toEqual(['data', 'type']);
  });

  test('goes through the names of an event when very many fields are asked for', () => {
    const patterns = Array.from({ length: 200 }, (_, at) => [`f${at}`, { data: { [`n${at}`]: ['x'] } }]);
    const index = indexOf({ ...Object.fromEntries(patterns), none: { data: { m: [{ exists: false }] } } });
    expect(index.match({ data: { n7: 'x', n8: 'y' } }).toSorted()).toEqual(['f7', 'none']);
    expect(index.match({ 'data.n9': 'x', data: { m: 1 } })).toEqual(['f9']);
    index.remove('none');
    expect(index.match({ data: { n7: 'x', n8: 'y', 'n.8': 'x' } })).toEqual(['f7']);
    expect(index.match({ data: { n7: 'x', n8: 'y' } })).toEqual(['f7']);
    expect(index.match({ data: [{ n7: 'x' }, { n8: 'x' }] }).toSorted()).toEqual(['f7', 'f8']);
    expect(index.match({ 'data.n9': 'x' })).toEqual(['f9']);
    expect(index.match((name) => (name === 'data' ? { n1: 'x' } : undefined))).toEqual(['f1']);
  });

  test('takes conditions in a list of objects together, however deep the index has split them', () => {
    const index = new FilterIndex<number>();
    for (let at = 0; at < 350; at += 1) index.add(at, compilePattern({ lines: { sku: [at % 5], amount: [at % 7] } }));
    const lines = [
      { sku: 0, amount: 1 },
      { sku: 1, amount: 2 },
    ];
    const found = index.match({ lines });
    expect(found).toHaveLength(20);
    expect(new Set(found.map((at) => `${at % 5} ${at % 7}`))).toEqual(new Set(['0 1', '1 2']));
  });

  test('finds that a field is absent in one element of a list', () => {
    const patterns = Array.from({ length: 20 }, (_, at) => [`f${at}`, { lines: { note: [{ exists: false }, at] } }]);
    const index = indexOf(Object.fromEntries(patterns));
    expect(index.match({ lines: [{ note: 7 }] })).toEqual(['f7']);
    expect(index.match({ lines: [{ note: 7 }, { sku: 's' }] })).toHaveLength(20);
  });

  test('finds fields under names with dots among very many fields', () => {
    const patterns = Array.from({ length: 200 }, (_, at) => [`f${at}`, { data: { n: { [`m${at}`]: ['x'] } } }]);
    const index = indexOf(Object.fromEntries(patterns));
    expect(index.match({ data: { 'n.m8': 'x' } })).toEqual(['f8']);
    expect(index.match({ data: { 'n.m8': 'x', n: { m9: 'x' } } }).toSorted()).toEqual(['f8', 'f9']);
    expect(index.match({ 'data.n': { m8: 'x' } })).toEqual(['f8']);
    expect(index.match({ 'data.n.m8': 'x', data: 1 })).toEqual(['f8']);
  });

  test('does not multiply long lists of values', () => {
    const values = Array.from({ length: 500 }, (_, at) => at);
    const patterns = Array.from({ length: 60 }, (_, at) => [`f${at}`, { a: values, b: values, c: values, d: [at] }]);
    const index = indexOf(Object.fromEntries(patterns));
    expect(index.match({ a: 1, b: 2, c: 3, d: 4 })).toEqual(['f4']);
  });

  test('finds a number in ranges that are added and removed between events', () => {
    const index = new FilterIndex<number>();
    const expected = new Map<number, [low: number, high: number]>();
    for (let at = 0; at < 600; at += 1) {
      const low = (at * 37) % 101;
      const high = low + ((at * 53) % 17);
      index.add(at, compilePattern({ n: [{ numeric: ['>=', low, '<', high + 1] }] }));
      expected.set(at, [low, high]);
      if (at % 3 === 0) expected.delete(at / 3);
      if (at % 3 === 0) index.remove(at / 3);
      const n = (at * 7) % 120;
      const inside = [...expected].filter(([, [from, to]]) => n >= from && n <= to).map(([id]) => id);
      expect(index.match({ n }).toSorted((left, right) => left - right)).toEqual(inside);
    }
  });

  test('takes many filters that share many conditions in time that grows with their number, not with 2 to the conditions', () => {
    const index = new FilterIndex<number>();
    const fields = Array.from({ length: 40 }, (_, n) => [`f${n}`, [n]] as const);
    const pattern = compilePattern(Object.fromEntries(fields));
    for (let id = 0; id < 200; id += 1) index.add(id, pattern);
    expect(index.match(Object.fromEntries(fields.map(([name, [value]]) => [name, value])))).toHaveLength(200);
    expect(index.match({ f0: 0 })).toEqual([]);
    // A second on a quiet machine; 2 to the 40 would take years on any.
  }, 30_000);
});
