import { readFileSync } from 'node:fs';

/** Of this package: the same two folders up from `src/cli` and from `dist/cli`. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
