import type { Command } from 'commander';
import type { JsonValue } from '../../index.ts';
import { pathOf } from '../access/api.ts';
import type { Api } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { collect, NAME_THE_PROGRAM, wholeNumber, withAccess, withSystem, writeJson } from '../command.ts';
import { ApiProblem, EXIT_OK, UsageError } from '../failure.ts';
import { sheet, table } from '../output/table.ts';
import { printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { pastRowQuery } from './past-state.ts';
import { rebuildCommand } from './rebuild.ts';
import { shellWord } from './streams.ts';

interface ViewJson {
  readonly name: string;
  readonly summary?: string;
  readonly events: readonly string[];
  readonly mode: 'inline' | 'async';
  readonly version: number;
  readonly indexes: readonly string[];
  readonly tables: readonly string[];
}

interface RowJson {
  readonly key: string;
  readonly row: JsonValue;
}

interface ShowOptions extends AccessOptions {
  readonly filter?: readonly string[];
  readonly orderBy?: string;
  readonly desc?: boolean;
  readonly limit: number;
  readonly after?: string;
  readonly afterPosition?: number;
  readonly at?: string;
  readonly recorded?: boolean;
}

export function viewsCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  const views = program
    .command('views')
    .summary('list read models, show their rows, build them anew')
    .description('Views: the read models that projections keep.');
  withAccess(views.command('list', { isDefault: true }))
    .description('Lists read models.')
    .action(async (options: AccessOptions) => {
      await withSystem(options, terminal, 'read', async ({ api, isProgram }) => {
        const found = await api.get<{ views: readonly ViewJson[] }>('/views');
        if (options.json === true) return writeJson(terminal, found);
        if (found.views.length === 0)
          return terminal.note(`there are no views: ${isProgram ? 'no projection is defined' : NAME_THE_PROGRAM}\n`);
        await terminal.write(
          table(
            found.views,
            [
              { title: 'VIEW', text: ({ name }) => printable(name), ink: () => 'bold' },
              { title: 'MODE', text: ({ mode }) => mode },
              { title: 'VERSION', text: ({ version }) => String(version), right: true },
              {
                title: 'FILTER AND SORT BY',
                text: ({ indexes, tables }) => [...indexes, ...tables.map(asTable)].join(', '),
              },
              { title: 'FOLLOWS FROM', text: ({ events }) => events.join(', ') },
              { title: 'WHAT', text: ({ summary }) => printable(summary ?? '') },
            ],
            terminal.out,
          ),
        );
      });
      exit(EXIT_OK);
    });
  withAccess(views.command('show'))
    .description('Shows the rows of a read model, or one of them.')
    .argument('<view>')
    .argument('[key]', 'of one row')
    .option(
      '-f, --filter <condition>',
      'on an index: customer=ann, total>=100, name^=A (prefix); may be repeated',
      collect,
    )
    .option('--order-by <index>', 'sort by this index (default: by key)')
    .option('--desc', 'the greatest first')
    .option('--limit <count>', 'at most so many', wholeNumber('--limit', 1, 1_000), 100)
    .option('--after <mark>', 'the page after this one, as the page before said')
    .option(
      '--after-position <position>',
      'wait until the view has taken in what was published up to here',
      wholeNumber('--after-position', 0),
    )
    .option('--at <point>', 'the row then: an instant (2026-11-23T08:17:00Z), a date, or p42 (a position)')
    .option('--recorded', 'instants are those at which facts were recorded, not those at which they happened')
    .action(async (view: string, key: string | undefined, options: ShowOptions) => {
      const past = pastRowQuery(options);
      if (key === undefined && options.at !== undefined)
        throw new UsageError('--at: expected the key of a row before it; the rows of a whole view are those of now');
      await withSystem(options, terminal, 'read', async ({ api }) => {
        const wait = { 'after-position': options.afterPosition };
        if (key !== undefined)
          return showRow(await api.get<RowJson>(`/views${pathOf(view, key)}`, { ...wait, ...past }), options, terminal);
        const page = await api
          .get<{ items: readonly RowJson[]; next?: string }>(`/views${pathOf(view)}`, {
            ...queryOf(options),
            ...wait,
          })
          .catch(async (error: unknown) => {
            throw isAboutFilter(error) ? await filterError(api, view, error) : error;
          });
        return showRows(page, options, terminal);
      });
      exit(EXIT_OK);
    });
  rebuildCommand(views, terminal, exit);
}

function asTable(name: string): string {
  return `SQL: ${name}`;
}

/** In the words of HTTP such an error names parameters that nobody here has written. */
function isAboutFilter(error: unknown): error is ApiProblem {
  return error instanceof ApiProblem && error.code === 'invalid-input' && error.problem['path'] === 'query';
}

async function filterError(api: Api, view: string, error: ApiProblem): Promise<Error> {
  const { views } = await api.get<{ views: readonly ViewJson[] }>('/views');
  const indexes = views.find(({ name }) => name === view)?.indexes ?? [];
  const declared = indexes.length === 0 ? 'which declares none' : indexes.join(', ');
  const found = String(error.problem['found']);
  return new UsageError(`--filter: expected an index of view ${view} (${declared}), found ${found}`);
}

const OPERATORS: Readonly<Record<string, string>> = {
  '=': '',
  '>=': '.gte',
  '<=': '.lte',
  '>': '.gt',
  '<': '.lt',
  '^=': '.prefix',
};

function queryOf(options: ShowOptions): Record<string, string | number | undefined> {
  const query: Record<string, string | number | undefined> = {
    limit: options.limit,
    after: options.after,
    order_by: options.orderBy,
  };
  if (options.desc === true) {
    if (options.orderBy === undefined) throw new UsageError('--desc needs --order-by');
    query['direction'] = 'desc';
  }
  for (const condition of options.filter ?? []) {
    const match = /^([^=<>^]+)(>=|<=|\^=|=|>|<)(.*)$/s.exec(condition);
    if (match === null)
      throw new UsageError(
        `--filter: expected a condition such as customer=ann or total>=100, found ${JSON.stringify(condition)}`,
      );
    query[`${match[1]}${OPERATORS[match[2] ?? ''] ?? ''}`] = match[3];
  }
  return query;
}

async function showRow({ key, row }: RowJson, options: AccessOptions, terminal: Terminal): Promise<void> {
  if (options.json === true) return writeJson(terminal, { key, row });
  await terminal.write(
    sheet(
      [
        ['key', printable(key), 'bold'],
        ...membersOf(row).map(([name, value]) => [printable(name), cellOf(value)] as const),
      ],
      terminal.out,
    ),
  );
}

async function showRows(
  page: { items: readonly RowJson[]; next?: string },
  options: ShowOptions,
  terminal: Terminal,
): Promise<void> {
  if (options.json === true) return writeJson(terminal, page);
  if (page.items.length === 0) return terminal.note('there are no such rows\n');
  const names = [...new Set(page.items.flatMap(({ row }) => membersOf(row).map(([name]) => name)))];
  await terminal.write(
    table(
      page.items,
      [
        { title: 'KEY', text: ({ key }) => printable(key), ink: () => 'bold' },
        ...names.map((name) => {
          const valueOf = (row: JsonValue) => membersOf(row).find(([member]) => member === name)?.[1];
          return {
            title: printable(name),
            text: ({ row }: RowJson) => cellOf(valueOf(row)),
            right: page.items.every(({ row }) => ['number', 'undefined'].includes(typeof valueOf(row))),
          };
        }),
      ],
      terminal.out,
    ),
  );
  if (page.next !== undefined) terminal.note(`more: --after ${shellWord(page.next)}\n`);
}

/** What a row consists of; a row that is no object is one value. */
function membersOf(row: JsonValue): readonly (readonly [string, JsonValue])[] {
  return typeof row === 'object' && row !== null && !Array.isArray(row)
    ? Object.entries(row as Record<string, JsonValue>)
    : [['value', row]];
}

function cellOf(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return '';
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
