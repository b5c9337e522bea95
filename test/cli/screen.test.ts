import { stripVTControlCharacters } from 'node:util';
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { EventLines } from '../../src/cli/output/event-line.ts';
import type { EventJson } from '../../src/cli/output/event-line.ts';
import { Progress } from '../../src/cli/output/progress.ts';
import { table } from '../../src/cli/output/table.ts';
import { bytesOf, cut, printable, spanOf, widthOf } from '../../src/cli/output/text.ts';
import { screenOf } from '../../src/cli/terminal.ts';
import { memoryTerminal } from './memory-terminal.ts';
import { CONDITION, MAIN, scratchFolder } from './spawn-cli.ts';

describe('text on a terminal', () => {
  it.each([
    ['plain', 'plain'],
    ['a\nb\tc', String.raw`a\nb\tc`],
    ['\u001b[31mred', String.raw`\u{1b}[31mred`],
    ['\u202eevil', String.raw`\u{202e}evil`],
    ['\ud800', String.raw`\u{d800}`],
    ['ünï 漢字 👩‍👩‍👧', 'ünï 漢字 👩‍👩‍👧'],
  ])('of %j is %j', (text, shown) => expect(printable(text)).toBe(shown));

  it.each([
    ['abc', 3],
    ['漢字', 4],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
  ])('%j takes %i columns', (text, columns) => expect(widthOf(text)).toBe(columns));

  it('is cut to the columns that there are', () => {
    expect(cut('abcdef', 6)).toBe('abcdef');
    expect(cut('abcdef', 5)).toBe('abcd…');
    expect(cut('漢字漢字', 5)).toBe('漢字…');
  });

  it('says spans and sizes as people do', () => {
    expect([0.05, 4.24, 75, 4_000, 200_000].map(spanOf)).toEqual(['50 ms', '4.2 s', '1 m 15 s', '1 h 6 m', '2 d 7 h']);
    expect([12, 4_300, 5_000_000_000].map(bytesOf)).toEqual(['12 B', '4.2 KiB', '4.7 GiB']);
  });

  it('has colour only on a terminal that nobody objects to', () => {
    expect(screenOf({ isTTY: true }, {}).colour).toBe(true);
    expect(screenOf({ isTTY: false }, {}).colour).toBe(false);
    expect(screenOf({ isTTY: true }, { NO_COLOR: '1' }).colour).toBe(false);
    expect(screenOf({ isTTY: true }, { TERM: 'dumb' }).colour).toBe(false);
  });
});

describe('a table', () => {
  const rows = [
    { name: 'a', count: 1, why: 'short' },
    {
      name: 'longer-name',
      count: 1_000,
      why: 'a reason that is long enough to be cut off where there is no room for it',
    },
  ];
  const columns = [
    { title: 'NAME', text: (row: (typeof rows)[number]) => row.name },
    { title: 'COUNT', text: (row: (typeof rows)[number]) => String(row.count), right: true },
    { title: 'WHY', text: (row: (typeof rows)[number]) => row.why },
  ];

  it('is aligned, and whole where nobody looks at a terminal', () => {
    expect(table(rows, columns, { isTerminal: false, colour: false, columns: 40 })).toBe(
      'NAME         COUNT  WHY\na                1  short\nlonger-name   1000  a reason that is long enough to be cut off where there is no room for it\n',
    );
  });

  it('fits a terminal', () => {
    const lines = table(rows, columns, { isTerminal: true, colour: false, columns: 40 }).trimEnd().split('\n');
    expect(Math.max(...lines.map(widthOf))).toBeLessThanOrEqual(40);
    expect(lines[2]).toBe('longer-name   1000  a reason that is lo…');
  });
});

it('an event is one line that fits the terminal; one that another led to begins with ↳', () => {
  const event: EventJson = {
    id: '1',
    source: '/s',
    type: 'shop.order.placed',
    time: '2026-01-01T10:00:00Z',
    recordedtime: '2026-01-01T10:00:00.250Z',
    stream: 'order-17',
    version: 2,
    position: 9,
    correlationid: '1',
    data: { text: 'x'.repeat(300) },
  };
  const lines = new EventLines(() => ({ isTerminal: true, colour: false, columns: 100 }));
  expect(lines.line(event)).toMatch(/^\d\d:\d\d:00\.250 {2}shop\.order\.placed {13}order-17@2 {8}\{"text":"x+…$/);
  expect(widthOf(lines.line(event))).toBeLessThanOrEqual(100);
  expect(lines.line({ ...event, causationid: '0' })).toContain('  ↳ shop.order.placed ');
});

describe('progress', () => {
  it('is drawn in place on a terminal, and a line now and then elsewhere', () => {
    const screen = memoryTerminal({ columns: 80 });
    const drawn = new Progress({ ...screen, now: stepping(200) });
    drawn.update(0.5, () => '1 row');
    drawn.clear();
    expect(screen.stderr()).toBe('\r\u001b[K━━━━━━━━━━──────────  50 %  1 row\r\u001b[K');
    const plain = memoryTerminal();
    const lines = new Progress({ ...plain, now: stepping(1_000) });
    for (let step = 1; step <= 11; step += 1) lines.update(step / 20, () => `${step} rows`);
    lines.clear();
    expect(plain.stderr()).toBe(' 25 %  5 rows\n 50 %  10 rows\n');
  });
});

const pty = spawnSync('script', ['--version']).status === 0;

describe('in a pseudo-terminal', () => {
  it.skipIf(!pty)('events have colour and fit', () => {
    using folder = scratchFolder();
    const run = (command: string) =>
      spawnSync('script', ['-qec', `stty cols 72; ${command}`, '/dev/null'], {
        cwd: folder.path,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], TERM: 'xterm' },
      });
    const cli = `${process.execPath} ${CONDITION} ${MAIN}`;
    for (const id of ['1', '2'])
      run(
        `${cli} publish --store a.db -t shop.order.placed --id ${id} --subject order-${id} -d '{"text":"${'x'.repeat(200)}"}'`,
      );
    const { stdout, status } = run(`${cli} tail --no-follow --store a.db`);
    expect(status).toBe(0);
    expect(stdout).toContain('\u001b[36mshop.order.placed');
    const lines = stripVTControlCharacters(stdout).trimEnd().split('\r\n');
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(72);
  });
});

function stepping(stepMs: number): () => number {
  let nowMs = 0;
  return () => {
    nowMs += stepMs;
    return nowMs - stepMs;
  };
}
