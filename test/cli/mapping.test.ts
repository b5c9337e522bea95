import { describe, expect, it } from 'vitest';
import { columnReader, columnRules } from '../../src/cli/import/column.ts';
import { csvFields, csvRowEnd } from '../../src/cli/import/csv.ts';
import { parseMapping } from '../../src/cli/import/mapping.ts';
import { FILE_START, readRawRows } from '../../src/cli/import/raw-rows.ts';
import type { JsonValue } from '../../src/index.ts';
import type { Row, Unit } from '../../src/cli/import/unit.ts';

const read = (rules: unknown, text: JsonValue | undefined) => columnReader(columnRules.parse(rules))(text);

describe('a column', () => {
  it.each([
    ['string', ' a ', ' a '],
    [{ type: 'string', trim: true }, ' a ', 'a'],
    ['string', '', undefined],
    [{ type: 'string', absent: ['NULL', '-'] }, 'NULL', undefined],
    [{ type: 'string', default: 'none' }, '', 'none'],
    ['integer', '17243.0', 17_243],
    ['integer', '-0', 0],
    ['integer', ' 7 ', 7],
    ['integer', 7, 7],
    ['number', '1.5e3', 1_500],
    [{ type: 'number', point: ',', thousands: '.' }, '1.234,5', 1_234.5],
    ['decimal', '9.95', 995],
    ['decimal', '-0.05', -5],
    ['decimal', '0.30', 30],
    [{ type: 'decimal', scale: 3 }, '2', 2_000],
    ['decimal', '90071992547409.91', 9_007_199_254_740_991],
    ['boolean', 'Yes', true],
    [{ type: 'boolean', true: ['J'], false: ['N'] }, 'n', false],
    ['json', '{"a":[1]}', { a: [1] }],
    ['date', '2010-12-19T10:21:00Z', '2010-12-19T10:21:00Z'],
    [{ type: 'date', zone: 'Europe/London' }, '2010-12-19 10:21:00', '2010-12-19T10:21:00Z'],
    [{ type: 'date', zone: 'Europe/London' }, '2011-05-01 10:21:00', '2011-05-01T10:21:00+01:00'],
    [{ type: 'date', zone: '-05:00', format: 'M/d/yyyy H:mm' }, '5/1/2011 9:05', '2011-05-01T09:05:00-05:00'],
    [{ type: 'date', zone: 'Z', format: 'dd.MM.yyyy hh:mm a' }, '01.05.2011 12:05 AM', '2011-05-01T00:05:00Z'],
    [{ type: 'date', zone: 'Europe/London' }, '2011-10-30 01:30:00', '2011-10-30T01:30:00+01:00'],
    [{ type: 'date', zone: 'Europe/London' }, '2011-05-01 10:21:00.250+02:00', '2011-05-01T10:21:00.250+02:00'],
    [{ type: 'date', format: 'unix' }, '1292754060', '2010-12-19T10:21:00.000Z'],
  ])('of %j reads %j as %j', (rules, text, value) => {
    expect(read(rules, text)).toEqual({ value });
  });

  it.each([
    ['integer', '1.5', 'expected an integer'],
    ['integer', '99999999999999999', 'too large'],
    ['number', '1,5', 'expected a number'],
    ['number', 'Infinity', 'expected a number'],
    ['decimal', '1.005', 'more than 2 digits'],
    ['decimal', '.', 'expected a decimal'],
    ['boolean', 'maybe', 'expected one of'],
    ['json', '{', 'expected JSON'],
    ['date', '2010-12-19 10:21:00', 'no time zone'],
    [{ type: 'date', zone: 'Z' }, '2011-02-30', 'no such date'],
    [{ type: 'date', zone: 'Z' }, 'yesterday', 'expected a date'],
    [{ type: 'date', zone: 'Europe/London' }, '2011-03-27 01:30:00', 'never showed this time'],
    ['integer', [1], 'expected integer'],
  ])('of %j refuses %j: %s', (rules, text, reason) => {
    expect(read(rules, text)).toEqual({ reason: expect.stringContaining(reason) as string });
  });

  it('of a zone or format that does not exist is refused at once', () => {
    expect(() => read({ type: 'date', zone: 'Europe/Atlantis' }, '2011-01-01')).toThrow(/Europe\/Atlantis/);
    expect(() => read({ type: 'date', format: 'HH:mm' }, '10:00')).toThrow(/no year/);
  });
});

function unitOf(...rows: readonly Readonly<Record<string, JsonValue | undefined>>[]): Unit {
  return rows.map((values, index): Row => ({
    file: 'orders.csv',
    line: index + 2,
    values,
    raw: values as Row['raw'],
  })) as unknown as Unit;
}

function mapping(event: Readonly<Record<string, JsonValue>>, more: Readonly<Record<string, JsonValue>> = {}) {
  const common = { id: 'x-{id}', source: '/test', type: 'a.happened' };
  return parseMapping(
    JSON.stringify({ columns: { n: 'integer' }, events: [{ ...common, ...event }], ...more }),
    'test.json',
  );
}

describe('a template', () => {
  it.each<[JsonValue, JsonValue | undefined]>([
    ['{n}', 3],
    ['order-{n}', 'order-3'],
    ['{{n}}', '{n}'],
    ['{gone}', undefined],
    ['a-{gone}', undefined],
    [{ a: '{n}', b: '{gone}' }, { a: 3 }],
    [
      ['{n}', '{gone}', true],
      [3, true],
    ],
    ['{*}', { id: '1', n: 3 }],
    ['{$line}', 2],
    ['{$file}', 'orders.csv'],
    [{ $product: ['{n}', 2] }, 6],
    [{ $count: true }, 1],
  ])('%j is filled as %j', (template, value) => {
    expect(mapping({ data: template }).eventOf(unitOf({ id: '1', n: 3 }))?.['data']).toEqual(value);
  });

  it.each<[JsonValue, JsonValue]>([
    [{ $each: { n: '{n}' } }, [{ n: 3 }, { n: 1 }, { n: 3 }]],
    [{ $sum: '{n}' }, 7],
    [{ $sum: { $product: ['{n}', '{n}'] } }, 19],
    [{ $min: '{n}' }, 1],
    [{ $max: '{n}' }, 3],
    [{ $first: '{t}' }, '2011-05-01T10:00:00+01:00'],
    [{ $last: '{t}' }, '2011-05-01T11:00:00+01:00'],
    // By the clock on the wall the one at 09:30 would be the earliest; in time it is not.
    [{ $min: '{t}' }, '2011-05-01T10:00:00+01:00'],
    [{ $distinct: '{n}' }, [1, 3]],
    [{ $count: true }, 3],
  ])('of a group %j is %j', (template, value) => {
    const rows = [
      { id: '1', n: 3, t: '2011-05-01T10:00:00+01:00' },
      { id: '1', n: 1, t: '2011-05-01T09:30:00Z' },
      { id: '1', n: 3, t: '2011-05-01T11:00:00+01:00' },
    ];
    expect(mapping({ data: template }).eventOf(unitOf(...rows))?.['data']).toEqual(value);
  });

  it('of a group refuses a column that differs, unless it is said which value is meant', () => {
    expect(() => mapping({ data: '{n}' }).eventOf(unitOf({ id: '1', n: 1 }, { id: '1', n: 2 }))).toThrow(
      /orders\.csv:3: column n is 2 here and 1 in line 2.*\$first/,
    );
  });

  it('leaves attributes without a value out and refuses an event without an id', () => {
    expect(mapping({ subject: 'order-{gone}' }).eventOf(unitOf({ id: '1' }))).toEqual({
      specversion: '1.0',
      id: 'x-1',
      source: '/test',
      type: 'a.happened',
    });
    expect(() => mapping({}).eventOf(unitOf({}))).toThrow(/id of the event would be empty/);
  });

  it('chooses the event by conditions on columns', () => {
    const chosen = mapping({ when: { n: [{ numeric: ['>', 10] }] }, type: 'big.happened' }, { unmatched: 'ignore' });
    expect(chosen.eventOf(unitOf({ id: '1', n: 11 }))).toMatchObject({ type: 'big.happened' });
    expect(chosen.eventOf(unitOf({ id: '1', n: 1 }))).toBeUndefined();
    expect(() => mapping({ when: { n: [{ numeric: ['>', 10] }] } }).eventOf(unitOf({ id: '1', n: 1 }))).toThrow(
      /no event of the mapping wants this row/,
    );
  });
});

describe('a mapping', () => {
  it.each<[unknown, RegExp]>([
    ['{', /test\.json: .*JSON/],
    [{ events: [] }, /events/],
    [{ events: [{ id: 'x', source: '/t' }] }, /events\[0\]: type is missing/],
    [{ events: [{ id: 'x{', source: '/t', type: 't' }] }, /events\[0\]\.id: a single brace/],
    [
      { events: [{ id: 'x', source: '/t', type: 't', data: { a: { $middle: '{n}' } } }] },
      /events\[0\]\.data\.a\.\$middle: there is no \$middle/,
    ],
    [{ events: [{ id: 'x', source: '/t', type: 't', data: { $sum: '{n}', more: 1 } }] }, /\$sum stands alone/],
    [{ events: [{ id: 'x', source: '/t', type: 't', Subject: 's' }] }, /Subject: names of attributes/],
    [{ events: [{ id: 'x', source: '/t', type: 't', when: { n: [{ numeric: ['about', 1] }] } }] }, /numeric/],
    [{ columns: { n: 'money' }, events: [{ id: 'x', source: '/t', type: 't' }] }, /columns\.n/],
    [
      { columns: { n: { type: 'date', zone: 'Nowhere' } }, events: [{ id: 'x', source: '/t', type: 't' }] },
      /columns\.n: .*Nowhere/,
    ],
    [{ colums: {}, events: [{ id: 'x', source: '/t', type: 't' }] }, /colums/],
  ])('is refused with the place at fault: %j', (content, reason) => {
    expect(() => parseMapping(typeof content === 'string' ? content : JSON.stringify(content), 'test.json')).toThrow(
      reason,
    );
  });
});

async function rowsOf(text: string, chunkBytes: number): Promise<string[]> {
  const bytes = Buffer.from(text);
  const stream = (async function* () {
    for (let start = 0; start < bytes.length; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes);
  })();
  const found: string[] = [];
  for await (const rows of readRawRows({ stream }, FILE_START, csvRowEnd(','))) {
    for (const row of rows)
      found.push(
        `${row.line} ${row.ok ? JSON.stringify(csvFields(row.bytes.toString(), ',')) : 'bad'} ${row.end.bytes}`,
      );
  }
  return found;
}

describe('comma-separated values', () => {
  it.each([
    ['a,b\r\n1,2', ['1 ["a","b"] 5', '2 ["1","2"] 8']],
    ['\ufeff"a",b\n', ['1 ["a","b"] 9']],
    ['1,"x\ny"\n\n2,"say ""hi"""\n', ['1 ["1","x\\ny"] 8', '4 ["2","say \\"hi\\""] 24']],
    ['1,5" disk\n2,ok\n', ['1 ["1","5\\" disk"] 10', '2 ["2","ok"] 15']],
    ['1,"bad" x\n2,ok\n', ['1 bad 10', '2 ["2","ok"] 15']],
    ['1,"open\n2,ok\n3,ok\n', ['1 bad 8', '2 ["2","ok"] 13', '3 ["3","ok"] 18']],
    [',\n"",""\n', ['1 ["",""] 2', '2 ["",""] 8']],
  ])('%j are cut into rows, whatever the chunks', async (text, rows) => {
    for (const chunkBytes of [1, 2, 3, 7, 1_000]) expect(await rowsOf(text, chunkBytes)).toEqual(rows);
  });
});
