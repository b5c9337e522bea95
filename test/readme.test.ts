import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');

it('shows in the README exactly the program that runs here', async () => {
  const readme = await readFile(path.join(root, 'README.md'), 'utf8');
  const program = await readFile(path.join(root, 'examples/readme/program.ts'), 'utf8');
  expect(readme).toContain(`\`\`\`ts\n${program}\`\`\``);
});

it('shows in the guide of deciding exactly the program that runs here', async () => {
  const guide = await readFile(path.join(root, 'docs/guides/deciding.md'), 'utf8');
  const program = await readFile(path.join(root, 'examples/deciding/program.ts'), 'utf8');
  expect(guide).toContain(`\`\`\`ts\n${program}\`\`\``);
});

it('shows in the guide of rebuilding exactly the program that runs here', async () => {
  const guide = await readFile(path.join(root, 'docs/guides/rebuilding.md'), 'utf8');
  const program = await readFile(path.join(root, 'examples/rebuilding/program.ts'), 'utf8');
  expect(guide).toContain(`\`\`\`ts\n${program}\`\`\``);
});

it('shows in the guide of schemas exactly the program that runs here', async () => {
  const guide = await readFile(path.join(root, 'docs/guides/schemas.md'), 'utf8');
  const program = await readFile(path.join(root, 'examples/upcasting/program.ts'), 'utf8');
  expect(guide).toContain(`\`\`\`ts\n${program}\`\`\``);
});

it('shows in the guide of simulation exactly the test of the shop', async () => {
  const guide = await readFile(path.join(root, 'docs/guides/simulation.md'), 'utf8');
  const test = await readFile(path.join(root, 'examples/shop/shop.test.ts'), 'utf8');
  expect(guide).toContain(`\`\`\`ts\n${test}\`\`\``);
});

it('shows in the guide of testing exactly the tests that run here', async () => {
  const guide = await readFile(path.join(root, 'docs/guides/testing.md'), 'utf8');
  const test = await readFile(path.join(root, 'examples/testing/account.test.ts'), 'utf8');
  expect(guide).toContain(`\`\`\`ts\n${test}\`\`\``);
});

it('the words of the glossary have three columns each', async () => {
  const rows = (await readFile(path.join(root, 'GLOSSARY.md'), 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('|'));
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) expect(row.split('|'), row).toHaveLength(5);
  const words = rows.map((row) => row.split('|')[1]?.trim());
  expect(words.filter((word, index) => words.indexOf(word) !== index)).toEqual([]);
});

it('shows in the README of people exactly one of its tests', async () => {
  const readme = await readFile(path.join(root, 'examples/people/README.md'), 'utf8');
  const shown = /```ts\n(.+?)\n```/s.exec(readme)?.[1] ?? '';
  const indented = shown.replaceAll(/^(?=.)/gm, '  ');
  expect(await readFile(path.join(root, 'examples/people/people.test.ts'), 'utf8')).toContain(`\n${indented}\n`);
});

it.each([
  ['the README', 'examples/readme/program.ts', '{ orders: 1, total: 120 }'],
  ['the guide of schemas', 'examples/upcasting/program.ts', "v2 { orderId: '17', totalCents: 1250, currency: 'EUR' }"],
  [
    'the guide of rebuilding',
    'examples/rebuilding/program.ts',
    '{ orders: 1, cents: 1250 }\n{ added: 0, removed: 0, changed: 0, sample: [] }',
  ],
  ['the guide of deciding', 'examples/deciding/program.ts', 'enrolled\nfull\n0'],
])('runs the program of %s and prints what its comments say', async (_where, program, printed) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'thereupon-readme-'));
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=thereupon-source', path.join(root, program)],
      { cwd: folder },
    );
    expect(stdout.trim()).toBe(printed);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
