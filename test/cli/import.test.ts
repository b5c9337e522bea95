import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GROUPED, HEADER, eventsIn, importing, prepared, row, rows } from './import-setting.ts';
import { runCli, scratchFolder } from './spawn-cli.ts';

describe('import of CSV', () => {
  it('makes an event of each row by the mapping, and nothing of a second run', async () => {
    using folder = scratchFolder();
    prepared(folder, {
      'a.csv': HEADER + row(1) + '2,1,3,0.30,2011-05-01 10:00:00,"a, ""b""\nc"\n',
      'b.csv': HEADER + rows(700).slice(row(1).length * 2),
    });
    const first = await importing(folder, 'a.csv', 'b.csv', '--mapping', 'mapping.json');
    expect(first).toMatchObject({ code: 0, result: { files: 2, finished: true, skipped: 0, problems: [] } });
    const { events } = first.result as { events: number };
    expect(first.result).toMatchObject({ recorded: events, duplicates: 0 });

    const second = await importing(folder, 'a.csv', 'b.csv', '--mapping', 'mapping.json');
    expect(second).toMatchObject({ code: 0, result: { events, recorded: 0, duplicates: events } });
    const stored = await eventsIn(folder);
    expect(stored).toHaveLength(events);
    expect(stored[1]).toMatchObject({
      id: 'line-2',
      stream: 'order-1',
      time: '2011-05-01T10:00:00Z',
      data: { order: '1', quantity: 3, pence: 30, note: 'a, "b"\nc' },
    });
    // An empty field is no member.
    expect(stored[0]?.data).toEqual({ order: '1', quantity: 1, pence: 995 });
    expect(readdirSync(folder.path).filter((name) => name.includes('import-'))).toEqual([]);
  });

  it('stops before a bad row, names it with file, line and reason, and goes on when it is mended', async () => {
    using folder = scratchFolder();
    prepared(folder, { 'a.csv': HEADER + row(1) + row(2) + row(3, 3, 'many') + row(4) });
    const stopped = await importing(folder, 'a.csv', '--mapping', 'mapping.json');
    expect(stopped).toMatchObject({ code: 1, stdout: '' });
    expect(stopped.stderr).toMatch(
      /^error: a\.csv:4: column quantity: expected an integer, found "many"\n2 events before it are in the store/,
    );
    expect(await eventsIn(folder)).toHaveLength(2);

    writeFileSync(folder.file('a.csv'), HEADER + row(1) + row(2) + row(3) + row(4));
    expect(await importing(folder, 'a.csv', '--mapping', 'mapping.json')).toMatchObject({
      code: 0,
      result: { recorded: 2, duplicates: 2 },
    });
  });

  it('leaves bad rows out on request and names every one of them', async () => {
    using folder = scratchFolder();
    const bad = [
      '3,3,x,9.95,2011-01-01 10:00:00,\n',
      '4,4\n',
      '5,5,1,"9.95" x,2011-01-01 10:00:00,\n',
      `6,6,1,9.95,2011-01-01 10:00:00,\xff\n`,
    ];
    prepared(folder, {});
    writeFileSync(folder.file('a.csv'), Buffer.from(HEADER + row(1) + bad.join('') + row(7), 'latin1'));
    const { code, result } = await importing(folder, 'a.csv', '--mapping', 'mapping.json', '--on-error', 'skip');
    expect(code).toBe(0);
    expect(result).toMatchObject({ recorded: 2, skipped: 4, rows: 6 });
    expect(
      (result as { problems: { line: number; reason: string }[] }).problems.map(
        ({ line, reason }) => `${line} ${reason}`,
      ),
    ).toEqual([
      expect.stringMatching(/^3 column quantity/),
      expect.stringMatching(/^4 has 2 fields; the header names 6/),
      expect.stringMatching(/^5 a quote is closed in the middle/),
      expect.stringMatching(/^6 is not UTF-8/),
    ]);
  });

  it('gives up after as many bad rows as it was allowed', async () => {
    using folder = scratchFolder();
    prepared(folder, { 'a.csv': HEADER + row(1) + row(2, 2, 'x') + row(3, 3, 'x') + row(4, 4, 'x') + row(5) });
    const { code, stderr } = await importing(
      folder,
      'a.csv',
      '--mapping',
      'mapping.json',
      '--on-error',
      'skip',
      '--max-errors',
      '2',
    );
    expect(code).toBe(1);
    expect(stderr).toContain('skipped a.csv:3:');
    expect(stderr).toContain('2 bad rows are as many as --max-errors allows');
    expect(await eventsIn(folder)).toHaveLength(1);
  });

  it('names the row that the system itself refuses', async () => {
    using folder = scratchFolder();
    prepared(folder, { 'a.csv': HEADER + row(1) + row(2) + row(3) });
    expect((await importing(folder, 'a.csv', '--mapping', 'mapping.json')).code).toBe(0);
    // The same ids with other content.
    writeFileSync(folder.file('a.csv'), HEADER + row(1) + row(2, 2, 7) + row(3, 3, 8) + row(4));
    const stopped = await importing(folder, 'a.csv', '--mapping', 'mapping.json');
    expect(stopped).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: a\.csv:3: .*line-2.*other content/) as string,
    });
    const skipped = await importing(folder, 'a.csv', '--mapping', 'mapping.json', '--on-error', 'skip');
    expect(skipped).toMatchObject({
      code: 0,
      result: { recorded: 1, duplicates: 1, skipped: 2, problems: [{ line: 3 }, { line: 4 }] },
    });
  });

  it('refuses a file without a column of the mapping before anything is recorded', async () => {
    using folder = scratchFolder();
    prepared(folder, { 'a.csv': 'line,order\n1,1\n' });
    const { code, stderr } = await importing(folder, 'a.csv', '--mapping', 'mapping.json');
    expect(code).toBe(1);
    expect(stderr).toContain('a.csv: has no column "quantity", "price", "at", "note"');
    expect(await eventsIn(folder)).toEqual([]);
  });

  it('reads standard input, and prints what it would do on a dry run', async () => {
    using folder = scratchFolder();
    prepared(folder, {});
    const { code, stdout } = await runCli(
      ['import', '-', '--format', 'csv', '--mapping', 'mapping.json', '--dry-run', '--store', 'x.db'],
      { cwd: folder.path, input: HEADER + row(1) },
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ specversion: '1.0', id: 'line-1', type: 'shop.line.added' });
    expect(existsSync(folder.file('x.db'))).toBe(false);
  });
});

describe('import of groups', () => {
  const lines = [row(1, 1), row(2, 1, 2), row(3, 2), row(4, 1, 4)];

  it('joins rows that follow each other', async () => {
    using folder = scratchFolder();
    prepared(folder, { 'a.csv': HEADER + lines.slice(0, 3).join('') }, GROUPED);
    expect(await importing(folder, 'a.csv', '--mapping', 'mapping.json')).toMatchObject({
      code: 0,
      result: { rows: 3, events: 2 },
    });
    expect((await eventsIn(folder)).map(({ data }) => data)).toEqual([
      { lines: ['1', '2'], quantity: 3 },
      { lines: ['3'], quantity: 1 },
    ]);
  });

  it('joins rows from anywhere in all files, and gives the same events in whatever order they come', async () => {
    using folder = scratchFolder();
    const anywhere = { ...GROUPED, group: { ...GROUPED.group, rows: 'anywhere' } };
    prepared(
      folder,
      {
        'a.csv': HEADER + lines.slice(0, 3).join(''),
        'b.csv': HEADER + lines[3],
        'c.csv': HEADER + lines.toReversed().join(''),
      },
      anywhere,
    );
    expect(await importing(folder, 'a.csv', 'b.csv', '--mapping', 'mapping.json')).toMatchObject({
      code: 0,
      result: { rows: 4, events: 2, recorded: 2 },
    });
    expect((await eventsIn(folder)).map(({ data }) => data)).toEqual([
      { lines: ['1', '2', '4'], quantity: 7 },
      { lines: ['3'], quantity: 1 },
    ]);
    expect(await importing(folder, 'c.csv', '--mapping', 'mapping.json')).toMatchObject({
      code: 0,
      result: { recorded: 0, duplicates: 2 },
    });
  });

  it.each(['consecutive', 'anywhere'])('never makes an event of a part of a group: %s', async (where) => {
    using folder = scratchFolder();
    const mapping = { ...GROUPED, group: { ...GROUPED.group, rows: where } };
    prepared(folder, { 'a.csv': HEADER + row(1, 1) + row(2, 1, 'x') + row(3, 1) + row(4, 2) }, mapping);
    const { code, result } = await importing(folder, 'a.csv', '--mapping', 'mapping.json', '--on-error', 'skip');
    expect({ code, result }).toMatchObject({
      code: 0,
      result: { rows: 4, events: 1, skipped: 3, problems: [{ line: 3 }] },
    });
    expect((await eventsIn(folder)).map(({ id }) => id)).toEqual(['order-2']);
  });
});
