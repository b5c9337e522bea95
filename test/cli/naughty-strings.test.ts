import { describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { open } from '../../src/index.ts';
import { startServer } from '../../src/server/index.ts';
import { testSharedFiles } from '../cloudevents/shared-data.ts';
import { memoryTerminal } from './memory-terminal.ts';
import { runCli, scratchFolder } from './spawn-cli.ts';

/** What would move the cursor of a terminal, or turn the direction of its text. */
// oxlint-disable-next-line no-control-regex -- that is what is looked for
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/;

async function publish(...args: readonly string[]) {
  const terminal = memoryTerminal();
  const code = await runProgram(['publish', ...args], terminal);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

describe('naughty strings', () => {
  testSharedFiles('robust-input', 'naughty-strings', (text) => {
    const strings = JSON.parse(text) as readonly string[];

    it.each(['id', 'subject', 'type', 'stream', 'data'])(
      'as %s are recorded unchanged or refused by name, through publish',
      async (attribute) => {
        await using system = await open({ store: 'memory:', unknownTypes: 'accept' });
        const server = await startServer(system, { port: 0 });
        let kept = 0;
        for (const [index, string] of strings.entries()) {
          const given: Record<string, string> = {
            id: `n-${index}`,
            type: 'test.happened',
            [attribute]: attribute === 'data' ? JSON.stringify({ [string]: string }) : string,
          };
          const args = Object.entries(given).map(([name, value]) => `--${name}=${value}`);
          const { code, stdout, stderr } = await publish('--url', server.url, ...args, '--json');
          if (code === 0) {
            const { id, stream } = JSON.parse(stdout) as { id: string; stream: string };
            const event = await system.events.find('/cli', id);
            const stored =
              attribute === 'data'
                ? JSON.stringify(event?.data)
                : attribute === 'stream'
                  ? stream
                  : event?.attribute(attribute);
            expect(stored).toBe(attribute === 'data' ? JSON.stringify(JSON.parse(given['data'] ?? '')) : string);
            kept += 1;
          } else {
            expect(stderr).toMatch(new RegExp(`^(?:error: |{"error":).*(?:${attribute}|reserved)`, 's'));
            expect(stderr).not.toMatch(/not expected|\n\s+at /);
          }
        }
        await server.close();
        expect(kept).toBeGreaterThan(strings.length * 0.85);
      },
    );

    it('are shown without a character that a terminal would obey', async () => {
      await using system = await open({ store: 'memory:', unknownTypes: 'accept' });
      const server = await startServer(system, { port: 0 });
      for (const [index, string] of strings.entries()) {
        await publish(
          '--url',
          server.url,
          '--type=test.happened',
          `--id=${index}`,
          `--subject=${string}`,
          `--data=${JSON.stringify(string)}`,
        );
      }
      for (const args of [
        ['tail', '--after', 'beginning', '--no-follow'],
        ['streams', '--limit', '1000'],
      ]) {
        const terminal = memoryTerminal({ columns: 80 });
        expect(await runProgram([...args, '--url', server.url], terminal)).toBe(0);
        const lines = terminal.stdout().trimEnd().split('\n');
        expect(lines.length).toBeGreaterThan(400);
        for (const line of lines) expect(line).not.toMatch(UNPRINTABLE);
      }
      await server.close();
    });

    it('come through the real command line', async () => {
      using folder = scratchFolder();
      const some = strings
        .filter((string) => !string.includes('\0') && string !== '')
        .filter((_, index) => index % 97 === 0);
      for (const string of some) {
        const { code, stdout, stderr } = await runCli(
          [
            'publish',
            '--store',
            'a.db',
            '-t',
            'test.happened',
            '--subject',
            string,
            '-d',
            JSON.stringify(string),
            '--json',
          ],
          { cwd: folder.path },
        );
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(JSON.parse(stdout)).toMatchObject({ stream: string });
      }
    });
  });
});
