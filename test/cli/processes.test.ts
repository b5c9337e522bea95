import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.ts';
import { open } from '../../src/index.ts';
import { memoryTerminal } from './memory-terminal.ts';
import { programFolder, runCli, scratchFolder, startCli, untilOutput } from './spawn-cli.ts';
import { SHOP } from './shop-program.ts';

describe('a store that a process without a server holds', () => {
  it('is read beside it, and not written to', async () => {
    using folder = scratchFolder();
    const file = folder.file('held.db');
    await using system = await open({ store: file, unknownTypes: 'accept' });
    await system.ingest([{ id: '1', source: '/t', type: 'a.happened', extensions: {}, payload: { encoding: 'none' } }]);
    const read = memoryTerminal();
    expect(await runProgram(['tail', '--no-follow', '--store', file, '--verbose'], read)).toBe(0);
    expect(read.stdout()).toContain('a.happened');
    expect(read.stderr()).toContain('reading beside it');
    const write = memoryTerminal();
    expect(await runProgram(['publish', '-t', 'a.happened', '--store', file], write)).toBe(1);
    expect(write.stderr()).toMatch(new RegExp(`is held by process ${process.pid}`));
  });
});

describe('dev', () => {
  it('starts a program again when its files change, and waits when they are broken', async () => {
    using folder = programFolder(SHOP);
    const dev = startCli(['dev', '--port', '0', '--feed', 'off'], { cwd: folder.path });
    let notes = '';
    dev.stderr.on('data', (chunk: Buffer) => (notes += chunk.toString()));
    await untilOutput(dev.stdout, /open\s+http/);
    const broken = untilOutput(dev.stderr, /waiting for a change/);
    writeFileSync(folder.file('thereupon.config.ts'), 'export default {');
    await broken;
    expect(notes).toMatch(/thereupon\.config\.ts changed: starting again/);
    expect(notes).toMatch(/error: configuration thereupon\.config\.ts cannot be loaded/);
    const mended = untilOutput(dev.stdout, /1 automation, /);
    writeFileSync(folder.file('thereupon.config.ts'), SHOP.replace(/\n.*name: 'refuse-debts'.*\n/, '\n'));
    await mended;
    dev.kill('SIGTERM');
    expect(await once(dev, 'close')).toEqual([0, null]);
    expect(notes).toMatch(/closed\n$/);
  });

  it('waits for a change when what the files say is no program, at the start too', async () => {
    using folder = programFolder(SHOP.replace('automations:', 'automation: [], automations:'));
    const dev = startCli(['dev', '--port', '0', '--feed', 'off'], { cwd: folder.path });
    let notes = '';
    dev.stderr.on('data', (chunk: Buffer) => (notes += chunk.toString()));
    await untilOutput(dev.stderr, /waiting for a change/);
    expect(notes).toMatch(/error: configuration .*thereupon\.config\.ts: .*found "automation"/);
    const mended = untilOutput(dev.stdout, /open\s+http/);
    writeFileSync(folder.file('thereupon.config.ts'), SHOP);
    await mended;
    dev.kill('SIGTERM');
    expect(await once(dev, 'close')).toEqual([0, null]);
  });

  it('ends with the reason when a program cannot start for reasons outside its files', async () => {
    using folder = programFolder(SHOP);
    const { code, stderr } = await runCli(['dev', '--host', '0.0.0.0', '--feed', 'off'], { cwd: folder.path });
    expect(code).toBe(1);
    expect(stderr).toMatch(/no API key is set/);
  });
});

it('a reader that has seen enough ends a command quietly', async () => {
  using folder = scratchFolder();
  const lines = Array.from({ length: 20_000 }, (_, index) =>
    JSON.stringify({ specversion: '1.0', id: String(index), source: '/t', type: 'a.happened' }),
  );
  writeFileSync(folder.file('events.ndjson'), `${lines.join('\n')}\n`);
  expect(await runCli(['import', 'events.ndjson', '--store', 'a.db'], { cwd: folder.path })).toMatchObject({ code: 0 });
  const child = startCli(['export', '--store', 'a.db'], { cwd: folder.path });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await once(child.stdout, 'data');
  child.stdout.destroy();
  expect(await once(child, 'exit')).toEqual([0, null]);
  expect(stderr).toBe('');
});

it('an old Node is told what to do, in syntax that it reads', () => {
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  // Nothing may load before the check, and annotations of types would be errors.
  expect(readFileSync(main, 'utf8')).not.toMatch(/^import |\b(?:const|let) \w+:/m);
  const older =
    "data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})";
  const { status, stderr } = spawnSync(process.execPath, ['--import', older, main, '--version'], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^error: thereupon needs Node 24\.15 or newer; this is Node 20\.20\.2[^]*npm install --save-dev node@24/,
  );
});
