import type { Command } from 'commander';
import { Option } from 'commander';
import path from 'node:path';
import type { AccessOptions, Connection } from '../access/connect.ts';
import { typeCheck } from '../access/known-types.ts';
import { wholeNumber, withAccess, withSystem, writeJson } from '../command.ts';
import { EXIT_FAILED, EXIT_OK } from '../failure.ts';
import { assertExactAlone, EXACT_SUMMARY } from '../image/exact.ts';
import { importExact } from '../image/import-exact.ts';
import { Importer } from '../import/importer.ts';
import type { ImportOutcome } from '../import/importer.ts';
import { loadMapping } from '../import/mapping.ts';
import { resumeFileFor } from '../import/resume-file.ts';
import { BEGINNING, sourceOf } from '../import/source.ts';
import type { Source } from '../import/source.ts';
import { RowProblem } from '../import/unit.ts';
import { Progress } from '../output/progress.ts';
import { count, plural, printable, spanOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

interface ImportOptions extends AccessOptions {
  readonly mapping?: string;
  readonly format?: 'csv' | 'ndjson';
  readonly onError: 'stop' | 'skip';
  readonly maxErrors: number;
  readonly batch: number;
  readonly restart?: boolean;
  readonly dryRun?: boolean;
  readonly exact?: boolean;
}

export function importCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(program.command('import'))
    .summary('take events from CSV or NDJSON files')
    .description(
      'Takes events from CSV or NDJSON files into a system.\n\n' +
        'A mapping says how columns become events; NDJSON without one holds CloudEvents, one a line, as export writes them.\n' +
        'An import that was interrupted goes on where it stopped. Imported again, nothing changes: events have ids.\n\n' +
        'With --exact it is not events that are taken but a store, which export --exact has written: into one that is empty, all of it or nothing.',
    )
    .argument('<files...>', 'files, or - for standard input')
    .option('-m, --mapping <file>', 'how columns become events (JSON)')
    .addOption(
      new Option('--format <format>', 'of the files, where their names do not tell').choices(['csv', 'ndjson']),
    )
    .addOption(
      new Option('--on-error <what>', 'at a bad row: stop before it, or skip it and name it')
        .choices(['stop', 'skip'])
        .default('stop'),
    )
    .option('--max-errors <count>', 'with --on-error skip: stop after so many', wholeNumber('--max-errors', 1), 100)
    .option('--batch <events>', 'events that are recorded together', wholeNumber('--batch', 1, 1_000), 500)
    .option('--restart', 'begin at the beginning, also where an earlier run was interrupted')
    .option('--dry-run', 'print the events and record nothing')
    .option('--exact', EXACT_SUMMARY)
    .addHelpText(
      'after',
      '\nExamples:\n  thereupon import orders.csv --mapping orders.mapping.json\n  thereupon export | thereupon import - --format ndjson --store copy.db',
    )
    .action(async (files: string[], options: ImportOptions, command: Command) => {
      if (options.exact === true) assertExactAlone(command);
      exit(await (options.exact === true ? importExact : runImport)(files, options, terminal));
    });
}

async function runImport(files: readonly string[], options: ImportOptions, terminal: Terminal): Promise<number> {
  const mapping = options.mapping === undefined ? undefined : loadMapping(path.resolve(terminal.cwd, options.mapping));
  const source = sourceOf(files, mapping, {
    terminal,
    ...(options.format === undefined ? {} : { format: options.format }),
  });
  if (options.dryRun === true) return dryRun(source, options, terminal);
  return withSystem(options, terminal, 'write', (connection) => importInto(connection, source, options, terminal));
}

async function importInto(
  connection: Connection,
  source: Source,
  options: ImportOptions,
  terminal: Terminal,
): Promise<number> {
  const startedMs = terminal.now();
  const progress = new Progress(terminal);
  const resume =
    source.identity === undefined
      ? undefined
      : resumeFileFor({ storeFile: connection.storeFile, where: connection.api.where }, source.identity, terminal);
  if (options.restart === true) resume?.remove();
  const skipped: { file: string; line: number; reason: string }[] = [];
  let before: number | undefined;
  const importer = new Importer({
    source,
    api: connection.api,
    checkType: typeCheck(connection),
    resume,
    onError: options.onError,
    maxErrors: options.maxErrors,
    batchEvents: options.batch,
    signal: terminal.signal,
    progress(done, gathered) {
      if (gathered !== undefined) return progress.update(undefined, () => `gathering: ${plural(gathered, 'row')}`);
      before ??= done.events;
      const seconds = (terminal.now() - startedMs) / 1_000;
      const share =
        source.bytes === undefined || source.bytes === 0 || done.place.groups > 0
          ? undefined
          : source.bytesAt(done.place) / source.bytes;
      return progress.update(
        share,
        () =>
          `${plural(done.rows, 'row')}, ${plural(done.events, 'event')}, ${count(Math.round((done.events - (before ?? 0)) / seconds))}/s`,
      );
    },
    bad({ file, line, reason }) {
      skipped.push({ file, line, reason });
      progress.note(printable(`skipped ${file}:${line}: ${reason}`));
    },
    remark: (text) => progress.note(text),
  });
  try {
    const outcome = await importer.run();
    progress.clear();
    const seconds = (terminal.now() - startedMs) / 1_000;
    if (options.json === true)
      await writeJson(terminal, {
        files: source.files.length,
        ...countsOf(outcome),
        finished: outcome.finished,
        seconds,
        problems: skipped,
      });
    else await terminal.write(summaryOf(outcome, source.files.length, seconds));
    if (outcome.finished) return EXIT_OK;
    terminal.note('stopped; the same command goes on from here\n');
    return EXIT_FAILED;
  } finally {
    progress.clear();
  }
}

function countsOf({ rows, events, recorded, duplicates, skipped, ignored }: ImportOutcome) {
  return { rows, events, recorded, duplicates, skipped, ignored };
}

function summaryOf(outcome: ImportOutcome, files: number, seconds: number): string {
  const { rows, events, recorded, duplicates, skipped, ignored } = outcome;
  const parts = [`${count(recorded)} recorded`, ...(duplicates > 0 ? [`${count(duplicates)} already there`] : [])];
  const rest = [
    ...(skipped > 0 ? [`${plural(skipped, 'bad row')} skipped`] : []),
    ...(ignored > 0 ? [`${plural(ignored, 'row')} that no event wants`] : []),
  ];
  const verb = recorded === 0 && duplicates > 0 ? 'nothing new' : 'imported';
  const tail = rest.length === 0 ? '' : `; ${rest.join(', ')}`;
  return `${verb}: ${plural(events, 'event')} from ${plural(rows, 'row')} of ${plural(files, 'file')} in ${spanOf(seconds)}: ${parts.join(', ')}${tail}\n`;
}

/** The events that an import would record, one a line. */
async function dryRun(source: Source, options: ImportOptions, terminal: Terminal): Promise<number> {
  let bad = 0;
  const name = (problem: RowProblem) => {
    bad += 1;
    terminal.note(`${printable(problem.message)}\n`);
  };
  for await (const found of source.units(BEGINNING, () => undefined)) {
    if (terminal.signal.aborted) break;
    if ('problems' in found) found.problems.forEach(name);
    else {
      try {
        const event = source.eventOf(found.unit);
        if (event !== undefined) await terminal.write(`${JSON.stringify(event)}\n`);
      } catch (error) {
        if (!(error instanceof RowProblem)) throw error;
        name(error);
      }
    }
    if (bad > 0 && options.onError === 'stop') return EXIT_FAILED;
    if (bad >= options.maxErrors) return EXIT_FAILED;
  }
  return EXIT_OK;
}
