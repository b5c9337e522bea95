import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** In the repository, so that sources find the package by its name. */
const SCRATCH = path.join(ROOT, '.tmp');

/** What the project's compiler says of some sources, with the project's options; empty where there is nothing wrong. */
export function typeCheck(sources: Readonly<Record<string, string>>): string {
  using folder = sourceFolder(sources);
  writeFileSync(
    path.join(folder.path, 'tsconfig.json'),
    JSON.stringify({ extends: path.join(ROOT, 'tsconfig.json'), include: [], files: Object.keys(sources) }),
  );
  const tsc = path.join(ROOT, 'node_modules/typescript-7/bin/tsc');
  const { stdout, stderr, error } = spawnSync(process.execPath, [tsc, '-p', folder.path], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  return stdout + stderr;
}

/** Sources in a folder of their own for as long as something is done with them. */
export function sourceFolder(sources: Readonly<Record<string, string>>): Disposable & { readonly path: string } {
  mkdirSync(SCRATCH, { recursive: true });
  const folder = mkdtempSync(path.join(SCRATCH, 'sources-'));
  for (const [name, text] of Object.entries(sources)) writeFileSync(path.join(folder, name), text);
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}
