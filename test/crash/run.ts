/**
 * `npm run test:crash [-- --seed N --kills K]`: a program that publishes from many callers and reacts in every way is killed with
 * SIGKILL at random instants and restarted. After every restart it has to find everything as the guarantees say (G1 to G7).
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { mulberry32 } from './mulberry.ts';
import type { Verified } from './verify.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, kills: { type: 'string', default: '60' } } });
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const kills = Number(values.kills);
if (!Number.isInteger(seed) || !Number.isInteger(kills) || kills < 1) {
  process.stderr.write('usage: npm run test:crash -- [--seed N] [--kills K]\n');
  process.exit(2);
}

const root = path.resolve(import.meta.dirname, '../..');
mkdirSync(path.join(root, '.tmp'), { recursive: true });
const folder = mkdtempSync(path.join(root, '.tmp', 'crash-'));
/** So many kills one store lives through; then comes a new one, for every restart verifies the whole log again. */
const KILLS_PER_STORE = 20;
const random = mulberry32(seed);

interface Life {
  readonly verified: Verified | undefined;
  readonly killed: boolean;
}

/** Longest a life may take to open, catch up and verify before that itself is the failure. */
const HANG_MS = 120_000;

/** One life of the child. It is killed `killAfterMs` after `from`, or runs to its end. */
function live(
  number: number,
  store: string,
  kill: { afterMs: number; from: 'start' | 'verified' } | undefined,
): Promise<Life> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        '--conditions=thereupon-source',
        path.join(import.meta.dirname, 'child.ts'),
        path.join(folder, `${store}.db`),
        path.join(folder, `${store}-acknowledged.tsv`),
        String(seed + number),
        kill === undefined ? 'verify' : 'publish',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, CRASH_LIFE: String(number) } },
    );
    let verified: Life['verified'];
    let killed = false;
    let errors = '';
    const killIn = (ms: number) =>
      setTimeout(() => {
        killed = true;
        child.kill('SIGKILL');
      }, ms);
    const hang = setTimeout(() => {
      errors += `the program did not finish opening and verifying within ${HANG_MS} ms`;
      child.kill('SIGKILL');
    }, HANG_MS);
    let timer = kill?.from === 'start' ? killIn(kill.afterMs) : undefined;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message = JSON.parse(line) as { verified?: Life['verified'] };
      if (message.verified === undefined) return;
      verified = message.verified;
      clearTimeout(hang);
      if (kill !== undefined && timer === undefined) timer = killIn(kill.afterMs);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on('close', (code) => {
      clearTimeout(hang);
      clearTimeout(timer);
      if (killed || code === 0) resolve({ verified, killed });
      else reject(new Error(`life ${number} ended with code ${code}:\n${errors}`));
    });
  });
}

const begin = performance.now();
let verifications = 0;
let events = 0;
let acknowledged = 0;
let commands = 0;
let switches = 0;
const orderly = new Map<string, number>();
try {
  for (let number = 1; number <= kills; number += 1) {
    const store = `store-${Math.ceil(number / KILLS_PER_STORE)}`;
    // Most lives are killed while they work; some while they open, recover or catch up.
    const kill =
      random() < 0.75
        ? { from: 'verified' as const, afterMs: 20 + random() * 500 }
        : { from: 'start' as const, afterMs: random() * 900 };
    const life = await live(number, store, kill);
    if (life.verified !== undefined) verifications += 1;
    if (number % 10 === 0)
      process.stdout.write(
        `  ${number} kills, ${verifications} full verifications, ${life.verified?.events ?? '?'} events\n`,
      );
    if (number % KILLS_PER_STORE !== 0 && number !== kills) continue;
    const last = await live(kills + number, store, undefined);
    verifications += 1;
    events += last.verified?.events ?? 0;
    acknowledged += last.verified?.acknowledged ?? 0;
    commands += last.verified?.commands ?? 0;
    switches += last.verified?.switches ?? 0;
    for (const [what, count] of Object.entries(last.verified?.orderly ?? {}))
      orderly.set(what, (orderly.get(what) ?? 0) + count);
  }
  const compared = [...orderly].map(([what, count]) => `${count} ${what}`).sort();
  const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
  process.stdout.write(
    `crash test: ${kills} kills, ${verifications} restarts verified in full, ${acknowledged} acknowledged events of ${events}, ${commands} acknowledged commands, ${switches} views rebuilt, all as promised (seed ${seed}, ${seconds} s)\n  as in an orderly run: ${compared.join(', ')}\n`,
  );
  rmSync(folder, { recursive: true });
} catch (error) {
  process.stderr.write(
    `${error instanceof Error ? error.message : String(error)}\ncrash test failed; again with: npm run test:crash -- --seed ${seed} --kills ${kills}\nthe stores are kept in ${folder}\n`,
  );
  process.exit(1);
}
