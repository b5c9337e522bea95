import path from 'node:path';
import { readImage } from '../../index.ts';
import type { ImageRecord } from '../../index.ts';
import type { ProgramOptions } from '../access/program-file.ts';
import { writeJson } from '../command.ts';
import { EXIT_FAILED, EXIT_OK } from '../failure.ts';
import { ExportFile } from '../output/export-file.ts';
import { Progress } from '../output/progress.ts';
import { plural, spanOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { assertThere, exactStore, inWords } from './exact.ts';
import { imageLines } from './image-lines.ts';

export interface ExactExportOptions extends ProgramOptions {
  readonly out?: string;
  readonly json?: boolean;
  readonly withKeys?: boolean;
}

/** Writes an image of the store, as of one instant, beside whoever writes to it. A file appears whole or not at all. */
export async function exportExact(options: ExactExportOptions, terminal: Terminal): Promise<number> {
  const store = await exactStore(options, terminal);
  assertThere(store, terminal.cwd);
  const lines = imageLines(readImage(store, { withKeys: options.withKeys === true }));
  if (options.out === undefined) {
    for await (const { text } of lines) {
      await terminal.write(text);
      if (terminal.signal.aborted) return EXIT_FAILED;
    }
    return EXIT_OK;
  }
  const startedMs = terminal.now();
  const counted = await exportTo(
    await ExportFile.at(path.resolve(terminal.cwd, options.out), 'exact'),
    lines,
    terminal,
  );
  if (counted === undefined) {
    terminal.note('stopped; nothing was written\n');
    return EXIT_FAILED;
  }
  const seconds = (terminal.now() - startedMs) / 1_000;
  if (options.json === true) await writeJson(terminal, { file: options.out, ...counted, seconds });
  else terminal.note(`${inWords(counted.counts)} in ${options.out} (${spanOf(seconds)})\n`);
  return EXIT_OK;
}

/** Answers what was written; undefined: it was stopped, and nothing is. */
async function exportTo(
  file: ExportFile,
  lines: ReturnType<typeof imageLines>,
  terminal: Terminal,
): Promise<Pick<Extract<ImageRecord, { kind: 'end' }>, 'counts'> | undefined> {
  const progress = new Progress(terminal);
  let records = 0;
  let head = 0;
  let done: number | undefined;
  await file.open(true);
  try {
    for await (const page of lines) {
      await file.append(page.text);
      records += page.records.length;
      const [first] = page.records;
      const last = page.records.at(-1);
      if (first?.kind === 'head') head = first.position;
      if (last?.kind === 'event') done = head === 0 ? undefined : last.position / head;
      progress.update(done, () => plural(records, 'record'));
      if (terminal.signal.aborted) break;
      if (last?.kind !== 'end') continue;
      await file.finish();
      return { counts: last.counts };
    }
    await file.discard();
    return undefined;
  } catch (error) {
    await file.discard();
    throw error;
  } finally {
    progress.clear();
  }
}
