import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Child } from './process.ts';
import { allIds, onNewPath, withStore } from './sqlite-bench.ts';

interface Told {
  readonly acknowledged: readonly string[];
  readonly failed: readonly string[];
  readonly codes: readonly string[];
  readonly version: number;
  readonly head: number;
}

/** A small file system of its own; undefined where this process may not mount one. */
function mountSmall(folder: string, size: string): (() => void) | undefined {
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return () => execFileSync('umount', [folder], { stdio: 'ignore' });
}

/** Nothing that was acknowledged is lost, nothing that failed is there, memory and file agree. */
async function isWhole(path: string, told: Told, after: readonly string[]): Promise<void> {
  expect(told.codes).toEqual(['store-unavailable']);
  expect(told.failed.length).toBeGreaterThan(0);
  await withStore(path, async (store) => {
    expect((await store.report(true)).problems).toEqual([]);
    expect([...(await allIds(store))].sort()).toEqual([...told.acknowledged, ...after].sort());
    expect(told.head).toBe(told.acknowledged.length);
    expect(told.version).toBe(told.acknowledged.filter((id) => id.endsWith('-3')).length);
  });
}

describe('a disk that is full (G1, G3)', () => {
  test(
    'fails what cannot be written, keeps what was acknowledged, and goes on when there is room',
    (context) =>
      onNewPath(async (_path, folder) => {
        const disk = join(folder, 'disk');
        const unmount = mountSmall(disk, '6m');
        if (unmount === undefined) return context.skip('this user may not mount a small file system');
        try {
          const path = join(disk, 'store.db');
          const ballast = join(disk, 'ballast');
          // Half of it: what was written ahead also fits into the file then.
          writeFileSync(ballast, Buffer.alloc(3_100_000));
          const child = new Child(path, 'fill');
          const told = (await child.next()) as Told;
          rmSync(ballast);
          child.process.stdin.end();
          expect(await child.next()).toMatchObject({
            after: { version: told.version + 1, position: told.head + 1, duplicate: false },
          });
          expect(await child.ended()).toMatchObject({ code: 0 });
          await isWhole(path, told, ['after']);
        } finally {
          unmount();
        }
      }),
    60_000,
  );

  test(
    'a file that may not grow further fails what cannot be written and keeps what was acknowledged',
    () =>
      onNewPath(async (path) => {
        // In blocks of 512 bytes: 3 MiB for each file of the process.
        const child = new Child(path, 'fill', { shell: "trap '' XFSZ; ulimit -f 6144" });
        const told = (await child.next()) as Told;
        child.process.stdin.end();
        // One small event may still fit where twenty large ones did not.
        const { after } = (await child.next()) as { after: string | { position: number } };
        await child.ended();
        await isWhole(path, told, typeof after === 'string' ? [] : ['after']);
      }),
    60_000,
  );
});
