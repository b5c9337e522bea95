import type { Command } from 'commander';
import type { StreamState } from '../../index.ts';
import { pathOf } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { wholeNumber, withAccess, withSystem, writeJson } from '../command.ts';
import { EXIT_OK } from '../failure.ts';
import { EventLines, historyTimes } from '../output/event-line.ts';
import type { EventJson } from '../output/event-line.ts';
import { table } from '../output/table.ts';
import { plural, printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { pastQuery, showPast } from './past-state.ts';

interface ListOptions extends AccessOptions {
  readonly category?: string;
  readonly after?: string;
  readonly limit: number;
}

interface ShowOptions extends AccessOptions {
  readonly at?: string;
  readonly diff?: string;
  readonly recorded?: boolean;
  readonly from?: number;
  readonly last?: number;
  readonly limit: number;
}

export function streamsCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  const streams = program
    .command('streams')
    .summary('list streams, or show the history of one')
    .description('Streams: the ordered events of one entity each.');
  withAccess(streams.command('list', { isDefault: true }))
    .description('Lists streams by name.')
    .option('--category <category>', 'only those of this category: order for order-17')
    .option('--after <stream>', 'names above this one')
    .option('--limit <count>', 'at most so many', wholeNumber('--limit', 1, 1_000), 100)
    .action(async (options: ListOptions) => {
      await withSystem(options, terminal, 'read', async ({ api }) => {
        const { category, after, limit } = options;
        const page = await api.get<{ streams: readonly StreamState[]; next?: string }>('/streams', {
          category,
          after,
          limit,
        });
        if (options.json === true) return writeJson(terminal, page);
        if (page.streams.length === 0) return terminal.note('there are no streams\n');
        await terminal.write(
          table(
            page.streams,
            [
              { title: 'STREAM', text: ({ stream }) => printable(stream) },
              {
                title: 'EVENTS',
                text: ({ version, firstVersion }) => String(Math.max(0, version - firstVersion + 1)),
                right: true,
              },
              {
                title: 'VERSION',
                text: ({ version, deleted }) => (deleted ? 'deleted' : String(version)),
                right: true,
              },
            ],
            terminal.out,
          ),
        );
        if (page.next !== undefined) terminal.note(`more: --after ${shellWord(page.next)}\n`);
      });
      exit(EXIT_OK);
    });
  withAccess(streams.command('show'))
    .description('Shows the history of one entity, or its state as a decider makes it.')
    .argument('<stream>', 'its name: order-17')
    .option(
      '--at <point>',
      'the state then, in place of events: an instant (2026-11-23T08:17:00Z), a date, v3 (a version) or p42 (a position)',
    )
    .option('--diff <point>', 'and what is otherwise at this later point, of the same kind')
    .option('--recorded', 'instants are those at which facts were recorded, not those at which they happened')
    .option('--from <version>', 'the first version wanted', wholeNumber('--from', 1))
    .option('-n, --last <count>', 'only the last events', wholeNumber('--last', 1, 1_000))
    .option('--limit <count>', 'at most so many', wholeNumber('--limit', 1, 1_000), 1_000)
    .action(async (stream: string, options: ShowOptions) => {
      const past = pastQuery(options);
      await withSystem(options, terminal, 'read', async ({ api }) => {
        if (past !== undefined) return showPast(api, stream, past, options, terminal);
        const query =
          options.last === undefined
            ? { from: options.from, limit: options.limit }
            : { direction: 'backward', limit: options.last };
        const found = await api.get<StreamState & { events: readonly EventJson[]; next?: number }>(
          `/streams${pathOf(stream)}`,
          query,
        );
        const events = options.last === undefined ? found.events : found.events.toReversed();
        if (options.json === true) return writeJson(terminal, { ...found, events });
        const lines = new EventLines(() => terminal.out, historyTimes(events));
        for (const event of events) await terminal.write(`${lines.line(event)}\n`);
        const { version, firstVersion } = found;
        if (firstVersion > 1)
          terminal.note(
            `${plural(firstVersion - 1, 'event')} before ${version < firstVersion ? 'now' : 'these'} ${firstVersion === 2 ? 'was' : 'were'} removed\n`,
          );
        if (options.last === undefined && found.next !== undefined)
          terminal.note(`${plural(version - firstVersion + 1, 'event')} in all; more: --from ${found.next}\n`);
      });
      exit(EXIT_OK);
    });
}

/** A name as it can be typed again. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${printable(text).replaceAll("'", String.raw`'\''`)}'`;
}
