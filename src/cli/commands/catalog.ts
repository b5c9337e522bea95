import { Option } from 'commander';
import type { Command } from 'commander';
import { catalogSchemas, catalogTypes } from '../../index.ts';
import type { Catalog } from '../../index.ts';
import type { Api } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { NAME_THE_PROGRAM, withAccess, withSystem, writeJson } from '../command.ts';
import { EXIT_OK, UsageError } from '../failure.ts';
import { table } from '../output/table.ts';
import { printable } from '../output/text.ts';
import { writeResult } from '../output/whole-file.ts';
import type { Terminal } from '../terminal.ts';
import { catalogImportCommand } from './catalog-import.ts';

interface CatalogOptions extends AccessOptions {
  readonly format?: keyof typeof FORMATS;
  readonly out?: string;
  readonly title?: string;
}

/** What a catalog can be written as, for other programs. */
const FORMATS = {
  asyncapi: async (api: Api, { title }: CatalogOptions) => jsonText(await api.get('/asyncapi.json', { title })),
  'json-schema': async (api: Api) => jsonText(catalogSchemas(await api.get('/catalog'))),
  types: async (api: Api) => catalogTypes(await api.get('/catalog')),
};

export function catalogCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  const catalog = program
    .command('catalog')
    .summary('show which events exist, who publishes and who consumes them')
    .description(
      'Event types, with who publishes and who consumes them; also for other programs, and from their documents.',
    );
  catalogImportCommand(catalog, terminal, exit);
  withAccess(catalog.command('show', { isDefault: true }))
    .description(
      'Shows which events exist, who publishes and who consumes them; or writes it in a form for other programs.',
    )
    .addOption(
      new Option(
        '-f, --format <format>',
        'asyncapi: an AsyncAPI 3.0 document; types: TypeScript types of the data; json-schema: the schemas of all types in one document',
      ).choices(Object.keys(FORMATS)),
    )
    .option('-o, --out <file>', 'with --format: a file in place of standard output')
    .option('--title <title>', 'with --format asyncapi: what the document is called')
    .addHelpText(
      'after',
      '\nExamples:\n  thereupon catalog --format asyncapi --out asyncapi.json\n  thereupon catalog --format types --out events.d.ts\n  thereupon catalog --format types --store memory:      of the program alone, whatever its store knows',
    )
    .action(async (options: CatalogOptions) => {
      if (options.out !== undefined && options.format === undefined)
        throw new UsageError('--out: which form? give --format, too');
      if (options.title !== undefined && options.format !== 'asyncapi')
        throw new UsageError('--title: only an AsyncAPI document has one; give --format asyncapi, too');
      await withSystem({ ...options, orDefinitions: true }, terminal, 'read', async ({ api, isProgram }) => {
        if (options.format !== undefined) {
          await writeResult(await FORMATS[options.format](api, options), options.out, terminal);
          return;
        }
        const found = await api.get<Catalog>('/catalog');
        await (options.json === true
          ? writeJson(terminal, found)
          : showCatalog(found, isProgram ? ' (no longer defined)' : ' (not defined here)', terminal));
        if (!isProgram && options.json !== true) terminal.note(`\n${NAME_THE_PROGRAM}\n`);
      });
      exit(EXIT_OK);
    });
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
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
