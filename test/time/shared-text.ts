import { existsSync, readFileSync } from 'node:fs';
import { test } from 'vitest';

const DATA = new URL('../../../shared/data/', import.meta.url);

/** As `testShared`, of files that are no single JSON text. */
export function testSharedText(files: readonly string[], register: (...texts: string[]) => void): void {
  const urls = files.map((file) => new URL(file, DATA));
  const missing = urls.find((url) => !existsSync(url));
  if (missing === undefined) {
    register(...urls.map((url) => readFileSync(url, 'utf8')));
  } else if (process.env['CI'] === 'true') {
    test(`has the shared suite ${files.join(', ')}`, () => {
      throw new Error(`${missing.pathname} is missing: CI has to run every shared suite`);
    });
  } else {
    test.skip(`skipped because ${missing.pathname} is not on this machine`, () => undefined);
  }
}
