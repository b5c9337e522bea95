import { appendFileSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { HEADER, eventsIn, importing, prepared, rows } from './import-setting.ts';
import { memoryTerminal } from './memory-terminal.ts';
import { scratchFolder } from './spawn-cli.ts';

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
