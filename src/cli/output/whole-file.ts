import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Terminal } from '../terminal.ts';

/** Writes a result to standard output, or to a file, which appears whole or stays as it was. */
export async function writeResult(text: string, out: string | undefined, terminal: Terminal): Promise<void> {
  if (out === undefined) {
    await terminal.write(text);
    return;
  }
  const file = path.resolve(terminal.cwd, out);
  const part = `${file}.part`;
  await mkdir(path.dirname(file), { recursive: true });
  try {
    await writeFile(part, text);
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  terminal.note(`wrote ${out}\n`);
}
