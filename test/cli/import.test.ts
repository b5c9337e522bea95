import { once } from 'node:events';
import {
  appendFileSync,
  createWriteStream,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { open } from '../../src/index.ts';
import type { EventPage, RecordedEvent } from '../../src/index.ts';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { memoryTerminal } from './memory-terminal.ts';
import { runCli, scratchFolder, startCli } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

const MAPPING = {
  columns: { quantity: 'integer', price: { type: 'decimal', scale: 2 }, at: { type: 'date', zone: 'Z' } },
  events: [
    {
      id: 'line-{line}',
      source: '/orders',
      type: 'shop.line.added',
      subject: 'order-{order}',
      time: '{at}',
      data: { order: '{order}', quantity: '{quantity}', pence: '{price}', note: '{note}' },
    },
  ],
};
const GROUPED = {
  columns: { quantity: 'integer' },
  group: { by: 'order', order: ['line'] },
  events: [
    {
      id: 'order-{order}',
      source: '/orders',
      type: 'shop.order.placed',
      subject: 'order-{order}',
      data: { lines: { $each: '{line}' }, quantity: { $sum: '{quantity}' } },
    },
  ],
};
const HEADER = 'line,order,quantity,price,at,note\n';

const row = (line: number, order = line % 50, quantity: string | number = 1) =>
  `${line},${order},${quantity},9.95,2011-01-01 10:00:00,\n`;
const rows = (count: number) => Array.from({ length: count }, (_, index) => row(index + 1)).join('');

function prepared(folder: ScratchFolder, files: Readonly<Record<string, string>>, mapping: unknown = MAPPING): void {
  writeFileSync(folder.file('mapping.json'), JSON.stringify(mapping));
  for (const [name, content] of Object.entries(files)) writeFileSync(folder.file(name), content);
}

async function importing(folder: ScratchFolder, ...args: readonly string[]) {
  const terminal = memoryTerminal({ cwd: folder.path });
  const code = await runProgram(['import', '--store', 'events.db', '--json', ...args], terminal);
  const stdout = terminal.stdout();
  return {
    code,
    stdout,
    stderr: terminal.stderr(),
    result: stdout === '' ? undefined : (JSON.parse(stdout) as Record<string, unknown>),
  };
}

async function eventsIn(folder: ScratchFolder): Promise<readonly RecordedEvent[]> {
  await using system = await open({ store: sqlite(folder.file('events.db'), { readOnly: true }) });
  const events: RecordedEvent[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: EventPage = await system.events.read({ after, limit: 1_000 });
    events.push(...page.events);
    after = page.next;
  }
  return events;
}

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

describe('an import that is interrupted', () => {
  it.each([1, 2, 3])('by SIGKILL loses nothing and doubles nothing when it is run again: kill %i', async (turn) => {
    using folder = scratchFolder();
    const total = 6_000;
    prepared(folder, { 'a.csv': HEADER + rows(total) });
    const args = ['import', 'a.csv', '--mapping', 'mapping.json', '--store', 'events.db', '--batch', '20', '--json'];
    const child = startCli(args, { cwd: folder.path });
    // Killed after some batches, which the growing progress file shows.
    await until(() => progressOf(folder) > turn * 300);
    child.kill('SIGKILL');
    await once(child, 'close');
    const before = (await eventsIn(folder)).length;
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(total);

    const { code, stdout, stderr } = await runCli(args, { cwd: folder.path });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/^going on after [\d,]+ rows/) as string,
    });
    expect(JSON.parse(stdout)).toMatchObject({ rows: total, events: total, finished: true });
    const stored = await eventsIn(folder);
    expect(stored.map(({ id }) => id)).toEqual(Array.from({ length: total }, (_, index) => `line-${index + 1}`));
  });

  it('begins again when the store is not the one that it wrote to', async () => {
    using folder = scratchFolder();
    prepared(folder, { 'a.csv': HEADER + row(1) + row(2) + row(3, 3, 'x') });
    expect((await importing(folder, 'a.csv', '--mapping', 'mapping.json')).code).toBe(1);
    for (const name of readdirSync(folder.path)) if (/^events\.db(?:-\w+)?$/.test(name)) rmSync(folder.file(name));
    const { code, stderr } = await importing(folder, 'a.csv', '--mapping', 'mapping.json', '--on-error', 'skip');
    expect(code).toBe(0);
    expect(stderr).toContain('does not hold what an earlier run has imported; beginning again');
    expect(await eventsIn(folder)).toHaveLength(2);
  });

  it('by a signal closes in order and says how to go on', async () => {
    using folder = scratchFolder();
    prepared(folder, { 'a.csv': HEADER + rows(20_000) });
    const args = ['import', 'a.csv', '--mapping', 'mapping.json', '--store', 'events.db', '--batch', '20'];
    const child = startCli(args, { cwd: folder.path });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    await until(() => progressOf(folder) > 200);
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(stderr).toContain('the same command goes on from here');
    expect((await runCli(args, { cwd: folder.path })).code).toBe(0);
    expect(await eventsIn(folder)).toHaveLength(20_000);
  });
});

it('takes a file of any size in bounded memory', async () => {
  using folder = scratchFolder();
  prepared(folder, {}, { ...GROUPED, group: { by: 'order', rows: 'anywhere' } });
  const file = createWriteStream(folder.file('a.csv'));
  file.write(HEADER);
  // 200,000 rows of 5,000 groups, none of them together: some 20 MB.
  for (let line = 1; line <= 200_000; line += 1)
    if (!file.write(`${line},${line % 5_000},1,9.95,2011-01-01 10:00:00,${'x'.repeat(50)}\n`))
      await once(file, 'drain');
  file.end();
  await once(file, 'close');
  const { code, stdout, stderr } = await runCli(
    ['import', 'a.csv', '--mapping', 'mapping.json', '--store', 'events.db', '--json'],
    { cwd: folder.path, nodeArgs: ['--max-old-space-size=48'] },
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ rows: 200_000, events: 5_000, recorded: 5_000 });
}, 60_000);

describe('NDJSON', () => {
  it('goes out of one system and into another one unchanged', async () => {
    using folder = scratchFolder();
    const publish = async (...args: string[]) =>
      expect(await runProgram(['publish', '--store', 'from.db', ...args], memoryTerminal({ cwd: folder.path }))).toBe(
        0,
      );
    await publish(
      '-t',
      'a.happened',
      '--id',
      '1',
      '--subject',
      'a-1',
      '-d',
      '{"text":"line\\nbreak ü \\u0000"}',
      '-a',
      'colour=red',
      '--sequence',
      '7',
      '--correlationid',
      'c',
    );
    await publish(
      '-t',
      'b.happened',
      '--id',
      '2',
      '--content-type',
      'text/plain',
      '-d',
      'plain "text"',
      '--stream',
      'b-1',
    );
    await publish('-t', 'c.happened', '--id', '3');
    const terminal = memoryTerminal({ cwd: folder.path });
    expect(await runProgram(['export', '--store', 'from.db', '--out', 'events.ndjson'], terminal)).toBe(0);
    expect(await importing(folder, 'events.ndjson')).toMatchObject({ code: 0, result: { recorded: 3 } });
    const copied = memoryTerminal({ cwd: folder.path });
    expect(await runProgram(['export', '--store', 'events.db'], copied)).toBe(0);
    // Recorded at another time, and the trace goes on with a span of its own.
    const essence = (text: string) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => {
          const event = JSON.parse(line) as { traceparent: string };
          return { ...event, recordedtime: undefined, traceparent: event.traceparent.slice(0, 35) };
        });
    expect(essence(copied.stdout())).toEqual(essence(readFileSync(folder.file('events.ndjson'), 'utf8')));
    expect(await importing(folder, 'events.ndjson')).toMatchObject({ code: 0, result: { recorded: 0, duplicates: 3 } });
  });

  it('is mapped by the names of members, also inner ones, and bad lines are named', async () => {
    using folder = scratchFolder();
    prepared(
      folder,
      { 'a.ndjson': '{"n":1,"customer":{"id":"ann"}}\n\n{"n":2\n[3]\n{"n":4,"customer.id":"bob"}\n' },
      { events: [{ id: '{n}', source: '/x', type: 'x.happened', subject: 'customer-{customer.id}', data: '{*}' }] },
    );
    const { code, result } = await importing(folder, 'a.ndjson', '--mapping', 'mapping.json', '--on-error', 'skip');
    expect({ code, result }).toMatchObject({
      code: 0,
      result: {
        recorded: 2,
        problems: [
          { line: 3, reason: expect.stringContaining('is not JSON') as string },
          { line: 4, reason: expect.stringContaining('expected a JSON object') as string },
        ],
      },
    });
    expect((await eventsIn(folder)).map(({ subject }) => subject)).toEqual(['customer-ann', 'customer-bob']);
  });

  it('of which an export was interrupted is taken up at its last whole line', async () => {
    using folder = scratchFolder();
    prepared(folder, { 'a.csv': HEADER + rows(2_500) });
    await importing(folder, 'a.csv', '--mapping', 'mapping.json');
    const whole = memoryTerminal({ cwd: folder.path });
    await runProgram(['export', '--store', 'events.db'], whole);
    // What a kill leaves: the mark of what is exported, and a part that ends within a line.
    const stopped = memoryTerminal({ cwd: folder.path });
    stopped.stop();
    expect(await runProgram(['export', '--store', 'events.db', '--out', 'out.ndjson'], stopped)).toBe(1);
    appendFileSync(folder.file('out.ndjson.part'), whole.stdout().slice(0, 100_001));
    expect(existsSync(folder.file('out.ndjson'))).toBe(false);
    const resumed = memoryTerminal({ cwd: folder.path });
    expect(await runProgram(['export', '--store', 'events.db', '--out', 'out.ndjson', '--json'], resumed)).toBe(0);
    expect(resumed.stderr()).toContain('going on after');
    expect(JSON.parse(resumed.stdout())).toMatchObject({ events: 2_500 });
    expect(readFileSync(folder.file('out.ndjson'), 'utf8')).toBe(whole.stdout());
    expect(readdirSync(folder.path).filter((name) => name.includes('.part'))).toEqual([]);
  });
});

function progressOf(folder: ScratchFolder): number {
  const name = readdirSync(folder.path).find((each) => /\.import-\w+\.json$/.test(each));
  return name === undefined ? 0 : (JSON.parse(readFileSync(folder.file(name), 'utf8')) as { rows: number }).rows;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => setImmediate(resolve));
}
