import { createReadStream, statSync } from 'node:fs';
import path from 'node:path';
import { fillStore } from '../../index.ts';
import type { ProgramOptions } from '../access/program-file.ts';
import { writeJson } from '../command.ts';
import { CommandFailed, EXIT_FAILED, EXIT_OK, UsageError } from '../failure.ts';
import { Progress } from '../output/progress.ts';
import { plural, spanOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { exactStore, inWords } from './exact.ts';
import { recordsIn } from './image-lines.ts';

export interface ExactImportOptions extends ProgramOptions {
  readonly json?: boolean;
}

const CHUNK_BYTES = 262_144;

/** Fills an empty store with what an exact export says: all of it or nothing. */
export async function importExact(
  files: readonly string[],
  options: ExactImportOptions,
  terminal: Terminal,
): Promise<number> {
  const [name, ...others] = files;
  if (name === undefined || others.length > 0)
    throw new UsageError(`--exact takes one file, or - for standard input; found ${files.length}`);
  const { chunks, bytes } = inputOf(name, terminal);
  const store = await exactStore(options, terminal);
  const startedMs = terminal.now();
  const progress = new Progress(terminal);
  let records = 0;
  let bytesRead = 0;
  const given = async function* () {
    for await (const page of recordsIn(name === '-' ? 'standard input' : name, chunks, (read) => (bytesRead = read))) {
      if (terminal.signal.aborted) throw new Stopped();
      yield page;
      records += page.length;
      progress.update(bytes === undefined ? undefined : bytesRead / bytes, () => plural(records, 'record'));
    }
  };
  try {
    const counts = await fillStore(store, given());
    progress.clear();
    const seconds = (terminal.now() - startedMs) / 1_000;
    if (options.json === true) await writeJson(terminal, { counts, seconds });
    else await terminal.write(`moved: ${inWords(counts)} (${spanOf(seconds)})\n`);
    return EXIT_OK;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    terminal.note('stopped; the store is empty as before\n');
    return EXIT_FAILED;
  } finally {
    progress.clear();
  }
}

/** The user asked for it. */
class Stopped extends Error {}

function inputOf(
  name: string,
  terminal: Terminal,
): { readonly chunks: AsyncIterable<Uint8Array>; readonly bytes: number | undefined } {
  if (name === '-') return { chunks: terminal.input(), bytes: undefined };
  const file = path.resolve(terminal.cwd, name);
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new CommandFailed(`${name}: there is no such file`);
  if (stat.isDirectory()) throw new CommandFailed(`${name}: is a folder`);
  const chunks: AsyncIterable<Buffer> = createReadStream(file, { highWaterMark: CHUNK_BYTES });
  return { chunks, bytes: stat.isFile() ? stat.size : undefined };
}
