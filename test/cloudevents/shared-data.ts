import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'vitest';

const DATA = new URL('../../../shared/data/', import.meta.url);

/**
 * Registers tests over every file of a folder of the shared suites whose name begins with `prefix`, so that files which are
 * added later run too. Where there is none, one skipped test says so, except in CI, where it fails.
 */
export function testSharedFiles(folder: string, prefix: string, register: (text: string, name: string) => void): void {
  const url = new URL(`${folder}/`, DATA);
  const entries = existsSync(url) ? readdirSync(url, { withFileTypes: true }) : [];
  const names = entries.filter((entry) => entry.isFile() && entry.name.startsWith(prefix)).map(({ name }) => name);
  for (const name of names) register(readFileSync(new URL(name, url), 'utf8'), name);
  if (names.length > 0) return;
  if (process.env['CI'] === 'true') {
    test(`has the shared suite ${folder}/${prefix}*`, () => {
      throw new Error(`${url.pathname}${prefix}* is missing: CI has to run every shared suite`);
    });
  } else {
    test.skip(`skipped because ${url.pathname}${prefix}* is not on this machine`, () => undefined);
  }
}
