import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { ImageCounts, StoreFactory } from '../../index.ts';
import { fileOf } from '../access/connect.ts';
import { loadProgram } from '../access/program-file.ts';
import type { ProgramOptions } from '../access/program-file.ts';
import { CommandFailed, UsageError } from '../failure.ts';
import { plural } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** What `--exact` goes with, of all commands. */
const BESIDE = new Set(['exact', 'out', 'store', 'config', 'verbose', 'json', 'withKeys']);

export const EXACT_SUMMARY =
  'the store itself, with everything that it holds, as it is: positions, versions, times, checkpoints, rows, dead letters';

/** Errors: UsageError names an option that says which events or how: an exact copy has no choice. */
export function assertExactAlone(command: Command): void {
  for (const option of command.options) {
    const name = option.attributeName();
    if (BESIDE.has(name) || command.getOptionValueSource(name) !== 'cli') continue;
    const why =
      name === 'url' || name === 'apiKey'
        ? 'it opens the store itself; name it with --store'
        : 'it is about the whole store, as it is';
    throw new UsageError(`${option.long ?? name} does not go with --exact: ${why}`);
  }
}

/** The store that a command is about, in its own right. Errors: as of `loadProgram`; CommandFailed for one in memory. */
export async function exactStore(options: ProgramOptions, terminal: Terminal): Promise<StoreFactory | string> {
  const { store } = (await loadProgram(options, terminal)).config;
  if (store === 'memory:')
    throw new CommandFailed('this store is in memory and lives in its program; nothing else can open it');
  return typeof store === 'string' ? (fileOf(store, terminal.cwd) ?? store) : store;
}

/** Errors: CommandFailed when the store is a file that is not there. */
export function assertThere(store: StoreFactory | string, cwd: string): void {
  const file = fileOf(store, cwd);
  if (file !== undefined && !existsSync(file)) throw new CommandFailed(`there is no store at ${file}`);
}

const WORDS: { readonly [Kind in keyof ImageCounts]: readonly [one: string, many?: string] } = {
  event: ['event'],
  removed: ['identity of removed events', 'identities of removed events'],
  command: ['command'],
  link: ['link of the hash chain', 'links of the hash chain'],
  stream: ['stream'],
  schema: ['schema'],
  consumer: ['consumer'],
  delivery: ['delivery', 'deliveries'],
  namespace: ['namespace'],
  row: ['row'],
  pending: ['transaction in the outbox', 'transactions in the outbox'],
};

/** `200,000 events, 3 consumers, 12 rows`. */
export function inWords(counts: ImageCounts): string {
  const parts = (Object.keys(WORDS) as (keyof ImageCounts)[]).flatMap((kind) =>
    counts[kind] === 0 ? [] : [plural(counts[kind], ...WORDS[kind])],
  );
  return parts.length === 0 ? 'nothing: the store is empty' : parts.join(', ');
}
