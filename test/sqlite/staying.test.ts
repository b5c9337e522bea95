import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { onNewPath } from './sqlite-bench.ts';

const PROGRAM = path.join(import.meta.dirname, 'staying.ts');

describe('a program that has nothing left to do but to wait for its system', () => {
  test.each([
    ['is there when an event comes that it subscribed to', 'subscribe', 'test.thing.noticed\n'],
    ['is there when an event comes that it wants to receive', 'receive', 'test.thing.noticed\n'],
    ['is there when a failed attempt is due again, and ends when the system is closed', 'retry', 'tried again\n'],
  ])('%s', (_, what, says) =>
    onNewPath(async (store) => {
      const args = ['--conditions=thereupon-source', PROGRAM, what, store];
      const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });
      expect({ stdout, stderr, status }).toEqual({ stdout: says, stderr: expect.any(String) as string, status: 0 });
    }),
  );

  test('ends with the error when the system cannot be opened', () =>
    onNewPath(async (_, folder) => {
      const args = ['--conditions=thereupon-source', PROGRAM, 'subscribe', folder];
      const { stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });
      expect(stderr).toContain('StoreUnusable');
      expect(status).toBe(1);
    }));
});
