import { describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { memoryTerminal } from './memory-terminal.ts';
import { programFolder, runCli, scratchFolder } from './spawn-cli.ts';

async function run(args: readonly string[], options: Parameters<typeof memoryTerminal>[0] = {}) {
  const terminal = memoryTerminal(options);
  const code = await runProgram(args, terminal);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

describe('the command line', () => {
  it('shows what there is, with exit code 0', async () => {
    const { code, stdout } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const name of [
      'dev',
      'start',
      'publish',
      'tail',
      'import',
      'export',
      'streams',
      'consumers',
      'dead-letters',
      'views',
      'catalog',
      'check',
      'doctor',
      'bench',
    ]) {
      expect(stdout).toMatch(new RegExp(String.raw`^  ${name}\b`, 'm'));
    }
  });

  it('says what went wrong as JSON where the answer would be JSON', async () => {
    const usage = await run(['streams', 'list', '--limit', '0', '--json', '--url', 'http://127.0.0.1:1']);
    expect(usage.code).toBe(2);
    expect(JSON.parse(usage.stderr)).toMatchObject({
      error: { code: 'usage', message: expect.stringContaining('--limit') },
    });
    const failed = await run(['streams', 'list', '--json', '--url', 'http://127.0.0.1:1']);
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.stderr)).toMatchObject({ error: { code: 'failed' } });
  });

  it('prints its version', async () => {
    expect(await run(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it.each([
    [['frobnicate'], 'unknown command'],
    [['publish'], '--type'],
    [['publish', '--type', 'a.happened', '--frobnicate'], 'unknown option'],
    [['publish', '--type', 'a.happened', '--data', '{', '--store', 'x.db'], '--data: expected JSON'],
    [['publish', '--type', 'a.happened', '--attribute', 'name', '--store', 'x.db'], '--attribute'],
    [['publish', '--type', 'a.happened', '--url', 'nowhere'], '--url'],
    [['publish', '--type', 'a.happened', '--url', 'ftp://host'], '--url'],
    [['publish', '--type', 'a.happened', '--url', 'http://127.0.0.1:1', '--store', 'x.db'], 'one of them'],
    [['tail', '--where', '{', '--url', 'http://127.0.0.1:1'], '--where'],
    [['tail', '--after', 'then', '--url', 'http://127.0.0.1:1'], '--after'],
    [['streams', 'list', '--limit', '0', '--url', 'http://127.0.0.1:1'], '--limit'],
    [['consumers', 'replay', 'x', '--from', 'sometime', '--url', 'http://127.0.0.1:1'], '--from'],
    [['dead-letters', 'retry', '--url', 'http://127.0.0.1:1'], 'which?'],
    [['dead-letters', 'retry', 'a~1', '--all', '--url', 'http://127.0.0.1:1'], 'not both'],
    [['views', 'show', 'v', '--filter', 'x', '--url', 'http://127.0.0.1:1'], '--filter'],
    [['import', '--store', 'x.db'], 'missing required argument'],
    [['import', '-', '--store', 'x.db'], '--format'],
    [['start', '--store', 'memory:', '--port', 'x'], '--port'],
    [['start', '--store', 'memory:', '--feed', '3'], '--feed'],
    [['catalog', '--format', 'xml'], 'Allowed choices are asyncapi, json-schema, types'],
    [['catalog', '--out', 'x'], '--format'],
    [['catalog', '--format', 'types', '--title', 'x'], '--title'],
    [['bench', '--scale', '-1'], '--scale'],
  ])('refuses %j with exit code 2 and names what is wrong', async (args, named) => {
    using folder = scratchFolder();
    const { code, stdout, stderr } = await run(args, { cwd: folder.path });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(named);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('says what to do where there is neither configuration nor store', async () => {
    using folder = scratchFolder();
    const { code, stderr } = await run(['streams'], { cwd: folder.path });
    expect(code).toBe(2);
    expect(stderr).toMatch(/--config[\s\S]*--store[\s\S]*--url/);
  });

  it('says that nothing answers at an address', async () => {
    const { code, stderr } = await run(['streams', '--url', 'http://127.0.0.1:1']);
    expect(code).toBe(1);
    expect(stderr).toContain('nothing answers at http://127.0.0.1:1');
  });

  it('creates no store for reading', async () => {
    using folder = scratchFolder();
    const { code, stderr } = await run(['streams', '--store', 'typo.db'], { cwd: folder.path });
    expect(code).toBe(1);
    expect(stderr).toContain(`there is no store at ${folder.file('typo.db')}`);
  });
});

describe('a configuration that cannot be used', () => {
  it.each([
    ['export default {', /cannot be loaded: .*SyntaxError/],
    ['export const config = {};', /exports no default/],
    ['export default {};', /store is missing/],
    [`throw new Error('no database');`, /cannot be loaded: no database/],
    [`import './nowhere.ts'; export default {};`, /nowhere\.ts/],
    [
      `import { defineEvent } from 'thereupon'; defineEvent({ type: 'a b' } as never);`,
      /type must be 1 to 255 characters/,
    ],
    [`enum Colour { Red } export default { store: 'x.db' };`, /enum is not supported/],
    [`export default { store: 'x.db', automations: [{}] };`, /defineAutomation/],
  ])('is refused by name and reason: %s', async (source, reason) => {
    using program = programFolder(source);
    const { code, stdout, stderr } = await runCli(['start', '--port', '0'], { cwd: program.path });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(reason);
    if (!source.includes('automations')) expect(stderr).toContain('configuration thereupon.config.ts');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('shows where it fails when that is asked for', async () => {
    using program = programFolder(`throw new Error('no database');`);
    const { code, stderr } = await runCli(['start', '--port', '0', '--verbose'], { cwd: program.path });
    expect(code).toBe(1);
    expect(stderr).toMatch(/thereupon\.config\.ts:1/);
  });

  it('is a finding of the doctor', async () => {
    const { code, stdout } = await run(['doctor', '--config', 'nowhere.config.ts', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      findings: [
        { check: 'node', state: 'ok' },
        { check: 'configuration', state: 'wrong', found: expect.stringContaining('no such file') as string },
      ],
    });
  });
});
