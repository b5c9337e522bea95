/**
 * Checks the layers, and that the check itself still sees anything: with a compiler it does not know, dependency-cruiser reads
 * no TypeScript at all and reports success. So a deliberate violation has to be found first.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const cruiser = path.resolve('node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
const cruise = (...places: string[]) =>
  spawnSync(process.execPath, [cruiser, '--config', '.dependency-cruiser.cjs', ...places], { encoding: 'utf8' });

function seesAViolation(): boolean {
  const canary = mkdtempSync(path.resolve('src/event/canary-'));
  try {
    writeFileSync(
      path.join(canary, 'upward.ts'),
      "import type { System } from '../../open.ts';\nexport type Upward = System;\n",
    );
    const found = cruise('src');
    if (found.status !== 0 && found.stdout.includes('upward.ts')) return true;
    process.stdout.write(found.stdout + found.stderr);
    return false;
  } finally {
    rmSync(canary, { recursive: true });
  }
}

if (!seesAViolation()) {
  process.stdout.write('error: the layer check did not see a deliberate violation; it checks nothing\n');
  process.exit(1);
}

const result = cruise('src', 'examples');
process.stdout.write(result.stdout + result.stderr);
process.exit(result.status ?? 1);
