import { existsSync, readFileSync } from 'node:fs';
import { test } from 'vitest';

const DATA = new URL('../../../shared/data/', import.meta.url);

/**
 * Registers tests over a file of the shared suites; where the suites are not there, one skipped test says so, except
 * in CI, where it fails.
 */
export function testShared(file: string, register: (content: unknown) => void): void {
  const url = new URL(file, DATA);
  if (existsSync(url)) {
    register(JSON.parse(readFileSync(url, 'utf8')));
  } else if (process.env['CI'] === 'true') {
    test(`has the shared suite ${file}`, () => {
      throw new Error(`${url.pathname} is missing: CI has to run every shared suite`);
    });
  } else {
    test.skip(`skipped because ${url.pathname} is not on this machine`, () => undefined);
  }
}
