/** `npm test`: says what it will run and what it cannot, then runs every test. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

const root = path.resolve(import.meta.dirname, '..');
const shared = path.resolve(root, '../shared/data');
const inCi = process.env['CI'] === 'true';

if (existsSync(shared)) process.stdout.write(`Test data: ${shared}\n`);
else if (inCi) {
  process.stderr.write(`error: CI must run the tests that read ${shared}, and the folder is not there\n`);
  process.exit(1);
} else process.stdout.write(`Skipped: tests that read ${shared}, because the folder is not there.\n`);

interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

const vitest = {
  name: 'unit, contract, end-to-end',
  args: ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)],
};
const crash = {
  name: 'crash test',
  args: ['--conditions=thereupon-source', 'test/crash/run.ts', '--kills', inCi ? '60' : '20'],
};
const cluster = {
  name: 'cluster test',
  args: ['--conditions=thereupon-source', 'test/cluster/run.ts', '--seconds', '30'],
};

const failed = await failuresOf([vitest]);
// Both wait a good deal for what they ended: side by side they take as long as the longer one.
if (failed.length === 0 && process.argv.length === 2) failed.push(...(await failuresOf([crash, cluster])));
if (failed.length > 0) {
  process.stderr.write(`error: ${failed.join(' and ')} failed\n`);
  process.exit(1);
}

/** Runs the steps side by side; what the later ones say is shown when those before have ended. Answers which failed. */
async function failuresOf(steps: readonly Step[]): Promise<string[]> {
  const runs = steps.map(({ name, args }, index) => {
    const output = index === 0 ? 'inherit' : 'pipe';
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', output, output] });
    const ended = new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status, signal) => resolve(status === 0 ? '' : ` (${signal ?? `exit code ${status}`})`));
    });
    const said = Promise.all([textOf(child.stdout), textOf(child.stderr)]);
    return { name, ended, said };
  });
  const failures: string[] = [];
  for (const { name, ended, said } of runs) {
    process.stdout.write(`\n== ${name}\n`);
    const [stdout, stderr] = await said;
    process.stdout.write(stdout);
    process.stderr.write(stderr);
    const how = await ended;
    if (how !== '') failures.push(name + how);
  }
  return failures;
}

async function textOf(stream: Readable | null): Promise<string> {
  return stream === null ? '' : text(stream);
}
