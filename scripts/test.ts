/** `npm test`: says what it will run and what it cannot, then runs every test. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const shared = path.resolve(root, '../shared/data');
const inCi = process.env['CI'] === 'true';

if (existsSync(shared)) process.stdout.write(`Test data: ${shared}\n`);
else if (inCi) {
  process.stderr.write(`error: CI must run the tests that read ${shared}, and the folder is not there\n`);
  process.exit(1);
} else process.stdout.write(`Skipped: tests that read ${shared}, because the folder is not there.\n`);

const steps: { name: string; args: string[] }[] = [
  { name: 'unit, contract, end-to-end', args: ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)] },
];
if (process.argv.length === 2) {
  steps.push({
    name: 'crash test',
    args: ['--conditions=thereupon-source', 'test/crash/run.ts', ...(inCi ? ['--kills', '60'] : ['--kills', '20'])],
  });
  steps.push({
    name: 'cluster test',
    args: ['--conditions=thereupon-source', 'test/cluster/run.ts', '--seconds', '30'],
  });
}

for (const step of steps) {
  process.stdout.write(`\n== ${step.name}\n`);
  const { status, signal } = spawnSync(process.execPath, step.args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`error: ${step.name} failed${signal === null ? '' : ` (${signal})`}\n`);
    process.exit(status ?? 1);
  }
}
