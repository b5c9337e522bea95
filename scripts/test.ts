/** `npm test`: says what it will run and what it cannot, then runs every test. */
import { spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { freemem } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

const root = path.resolve(import.meta.dirname, '..');
const shared = path.resolve(root, '../shared/data');
const ROOM_BYTES = 8 * 1_024 ** 3;
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

const scratch = scratchInMemory();
const failed = await failuresOf([vitest], scratch === undefined ? {} : { TMPDIR: scratch });
if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
// Both wait a good deal for what they ended: side by side they take as long as the longer one.
if (failed.length === 0 && process.argv.length === 2) failed.push(...(await failuresOf([crash, cluster])));
if (failed.length > 0) {
  process.stderr.write(`error: ${failed.join(' and ')} failed\n`);
  process.exit(1);
}

/**
 * A folder for files of tests that end processes, but no machine: they test nothing about the disk, which would take a third of their time.
 * Undefined: there is no room for it, or no programs may be there (PostgreSQL is copied into it).
 */
function scratchInMemory(): string | undefined {
  const memory = '/dev/shm';
  const mounted = existsSync('/proc/mounts') ? readFileSync('/proc/mounts', 'utf8') : '';
  const options = /^\S+ \/dev\/shm tmpfs (\S+)/mv.exec(mounted)?.[1]?.split(',') ?? ['noexec'];
  if (options.includes('noexec') || !isOurs(memory)) return undefined;
  const prefix = 'thereupon-tests-';
  for (const name of readdirSync(memory)) {
    // Of a run that was killed.
    const isLeft = name.startsWith(prefix) && !existsSync(`/proc/${name.slice(prefix.length)}`);
    if (isLeft && isOurs(path.join(memory, name))) rmSync(path.join(memory, name), { recursive: true, force: true });
  }
  const { bavail, bsize } = statfsSync(memory);
  if (bavail * bsize < ROOM_BYTES || freemem() < ROOM_BYTES) return undefined;
  const folder = path.join(memory, `${prefix}${process.pid}`);
  mkdirSync(folder);
  // The server of PostgreSQL runs as another user.
  chmodSync(folder, 0o711);
  process.stdout.write(`Files of the tests: ${folder}, in memory\n`);
  return folder;
}

/** Whether this user may write there. */
function isOurs(place: string): boolean {
  try {
    accessSync(place, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs the steps side by side; what the later ones say is shown when those before have ended. Answers which failed. */
async function failuresOf(steps: readonly Step[], more: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const env = { ...process.env, ...more };
  const runs = steps.map(({ name, args }, index) => {
    const output = index === 0 ? 'inherit' : 'pipe';
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', output, output], env });
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
