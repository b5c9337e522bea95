import type { Command } from 'commander';
import type { Catalog } from '../../index.ts';
import type { AccessOptions } from '../access/connect.ts';
import { NAME_THE_PROGRAM, withAccess, withSystem, writeJson } from '../command.ts';
import { EXIT_OK } from '../failure.ts';
import { table } from '../output/table.ts';
import { printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

export function catalogCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(program.command('catalog'))
    .summary('show which events exist, who publishes and who consumes them')
    .description('Shows which events exist, who publishes and who consumes them.')
    .action(async (options: AccessOptions) => {
      await withSystem(options, terminal, 'read', async ({ api, isProgram }) => {
        const catalog = await api.get<Catalog>('/catalog');
        await (options.json === true
          ? writeJson(terminal, catalog)
          : showCatalog(catalog, isProgram ? ' (no longer defined)' : ' (not defined here)', terminal));
        if (!isProgram && options.json !== true) terminal.note(`\n${NAME_THE_PROGRAM}\n`);
      });
      exit(EXIT_OK);
    });
}

async function showCatalog({ events, reactions }: Catalog, undefinedMark: string, terminal: Terminal): Promise<void> {
  if (events.length === 0) terminal.note('no event types are known here\n');
  else {
    await terminal.write(
      table(
        events,
        [
          {
            title: 'EVENT',
            text: ({ type, version, defined }) =>
              `${printable(type)}${version === 1 ? '' : ` v${version}`}${defined ? '' : undefinedMark}`,
            ink: () => 'cyan',
          },
          { title: 'PUBLISHED BY', text: ({ publishedBy }) => publishedBy.join(', ') },
          { title: 'CONSUMED BY', text: ({ consumedBy }) => consumedBy.join(', ') },
          { title: 'WHAT', text: ({ summary }) => printable(summary ?? '') },
        ],
        terminal.out,
      ),
    );
  }
  if (reactions.length === 0) return;
  await terminal.write('\n');
  await terminal.write(
    table(
      reactions,
      [
        { title: 'REACTION', text: ({ name }) => printable(name), ink: () => 'bold' },
        { title: 'KIND', text: ({ kind }) => kind },
        { title: 'ON', text: ({ consumes }) => consumes?.join(', ') ?? 'every event' },
        { title: 'PUBLISHES', text: ({ publishes }) => publishes.join(', ') },
        { title: 'WHAT', text: ({ summary }) => printable(summary ?? '') },
      ],
      terminal.out,
    ),
  );
}
