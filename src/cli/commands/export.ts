import path from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Api, Query } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { withAccess, withSystem, writeJson } from '../command.ts';
import { EXIT_FAILED, EXIT_OK, UsageError } from '../failure.ts';
import { assertExactAlone, EXACT_SUMMARY } from '../image/exact.ts';
import { exportExact } from '../image/export-exact.ts';
import { ExportFile } from '../output/export-file.ts';
import type { EventJson } from '../output/event-line.ts';
import { Progress } from '../output/progress.ts';
import { plural, spanOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { afterOption, queryOf, withSelection } from './selection.ts';
import type { SelectionOptions } from './selection.ts';

interface ExportOptions extends AccessOptions, SelectionOptions {
  readonly out?: string;
  readonly after?: number;
  readonly from?: string;
  readonly to?: string;
  readonly restart?: boolean;
  readonly exact?: boolean;
  readonly schemaVersion?: 'current' | 'stored';
  readonly personal?: 'open' | 'sealed';
  readonly withKeys?: boolean;
}

interface EventPage {
  readonly events: readonly EventJson[];
  readonly next?: number;
}

const PAGE = 1_000;

export function exportCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withSelection(withAccess(program.command('export')))
    .summary('write events as NDJSON')
    .description(
      'Writes events as NDJSON, each line an event in the CloudEvents JSON format; import takes it as it is.\n' +
        'A file appears whole or not at all; an export that was interrupted goes on where it stopped.\n\n' +
        'With --exact it is not events that are written but the store, to be moved elsewhere with import --exact, to PostgreSQL for example.\n' +
        'The store is read itself, beside whoever writes to it, as of one instant.',
    )
    .option('-o, --out <file>', 'a file in place of standard output')
    .option('--after <position>', 'only what was recorded after this position', afterOption)
    .option('--from <time>', 'only what was recorded at or after this time, RFC 3339')
    .option('--to <time>', 'only what was recorded before this time, RFC 3339')
    .option('--restart', 'begin at the beginning, also where an earlier run was interrupted')
    .addOption(
      new Option(
        '--schema-version <which>',
        'older events in the version that the program knows, by its upcasters (current, the default), or as they were recorded',
      ).choices(['current', 'stored']),
    )
    .addOption(
      new Option(
        '--personal <how>',
        'personal values sealed, as they are stored (sealed, the default): nobody can read them when their person is forgotten; or in plain text (open)',
      ).choices(['sealed', 'open']),
    )
    .option('--exact', EXACT_SUMMARY)
    .option(
      '--with-keys',
      'with --exact: also the keys of personal values; without them nobody can read these in the store that is filled',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  thereupon export --category order --out orders.ndjson\n  thereupon export --exact --store app.db | thereupon import --exact - --store postgres://app@db.internal/shop',
    )
    .action(async (options: ExportOptions, command: Command) => {
      if (options.exact === true) {
        assertExactAlone(command);
        exit(await exportExact(options, terminal));
        return;
      }
      if (options.withKeys === true)
        throw new UsageError(
          '--with-keys is for --exact: events have no keys with them; --personal open writes what they seal',
        );
      exit(await withSystem(options, terminal, 'read', ({ api }) => runExport(api, options, terminal)));
    });
}

async function runExport(api: Api, options: ExportOptions, terminal: Terminal): Promise<number> {
  const query: Query = {
    ...queryOf(options),
    from: options.from,
    to: options.to,
    'schema-version': options.schemaVersion,
    personal: options.personal ?? 'sealed',
  };
  if (options.out === undefined) {
    for await (const page of eventPages(api, query, options.after, terminal.signal))
      await terminal.write(linesOf(page));
    return EXIT_OK;
  }
  const startedMs = terminal.now();
  const file = await ExportFile.at(
    path.resolve(terminal.cwd, options.out),
    JSON.stringify([api.where, query, options.after]),
  );
  const progress = new Progress(terminal);
  const before = await file.open(options.restart === true);
  if (before.events > 0)
    progress.note(`going on after ${plural(before.events, 'event')} that an earlier run has written`);
  let { events, position } = before;
  for await (const page of eventPages(api, query, position ?? options.after, terminal.signal)) {
    await file.append(linesOf(page));
    events += page.length;
    position = page.at(-1)?.position;
    progress.update(undefined, () => plural(events, 'event'));
  }
  progress.clear();
  if (terminal.signal.aborted) {
    await file.leave();
    terminal.note('stopped; the same command goes on from here\n');
    return EXIT_FAILED;
  }
  await file.finish();
  const seconds = (terminal.now() - startedMs) / 1_000;
  if (options.json === true) await writeJson(terminal, { file: options.out, events, position, seconds });
  else terminal.note(`${plural(events, 'event')} in ${options.out} (${spanOf(seconds)})\n`);
  return EXIT_OK;
}

async function* eventPages(
  api: Api,
  query: Query,
  from: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<readonly EventJson[], void, undefined> {
  for (let after = from; !signal.aborted;) {
    const page: EventPage = await api.get('/events', { ...query, after, limit: PAGE });
    if (page.events.length > 0) yield page.events;
    if (page.next === undefined) return;
    after = page.next;
  }
}

function linesOf(events: readonly EventJson[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('');
}
