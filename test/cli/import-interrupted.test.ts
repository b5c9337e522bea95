import { once } from 'node:events';
import { createWriteStream, readFileSync, readdirSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GROUPED, HEADER, eventsIn, importing, prepared, row, rows } from './import-setting.ts';
import { runCli, scratchFolder, startCli } from './spawn-cli.ts';
import type { ScratchFolder } from './spawn-cli.ts';

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
    { cwd: folder.path, nodeArgs: ['--max-old-space-size=64'] },
  );
  // On a slow machine there are lines of progress.
  expect({ code, said: stderr.replaceAll(/^.* rows.*\n/gm, '') }).toEqual({ code: 0, said: '' });
  expect(JSON.parse(stdout)).toMatchObject({ rows: 200_000, events: 5_000, recorded: 5_000 });
}, 60_000);

function progressOf(folder: ScratchFolder): number {
  const name = readdirSync(folder.path).find((each) => /\.import-\w+\.json$/.test(each));
  return name === undefined ? 0 : (JSON.parse(readFileSync(folder.file(name), 'utf8')) as { rows: number }).rows;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => setImmediate(resolve));
}
