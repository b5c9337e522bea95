import { mkdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Terminal } from '../terminal.ts';

/** What a name stands for: the file behind a link; and whether it is one that may be replaced by another, which devices and pipes are not. */
export async function placeOfFile(file: string): Promise<{ readonly file: string; readonly isReplaceable: boolean }> {
  try {
    const real = await realpath(file);
    return { file: real, isReplaceable: (await stat(real)).isFile() };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { file, isReplaceable: true };
  }
}

/** Writes a result to standard output, or to a file, which appears whole or stays as it was. */
export async function writeResult(text: string, out: string | undefined, terminal: Terminal): Promise<void> {
  if (out === undefined) {
    await terminal.write(text);
    return;
  }
  const { file, isReplaceable } = await placeOfFile(path.resolve(terminal.cwd, out));
  if (!isReplaceable) {
    await writeFile(file, text);
    return;
  }
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
