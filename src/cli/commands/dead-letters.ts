import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathOf } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { jsonOption, wholeNumber, withAccess, withSystem, writeJson } from '../command.ts';
import { CommandFailed, EXIT_OK, UsageError } from '../failure.ts';
import { calendarTime, shortData } from '../output/event-line.ts';
import type { EventJson } from '../output/event-line.ts';
import { sheet, table } from '../output/table.ts';
import { cut, count, plural, printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

interface Letter {
  readonly id: string;
  readonly consumer: string;
  readonly key: string;
  readonly position: number;
  readonly attempts: number;
  readonly firstFailedTime?: string;
  readonly lastFailedTime?: string;
  readonly error?: { readonly name: string; readonly message: string; readonly code?: string };
  readonly edited: boolean;
  readonly part?: string;
  readonly editable: boolean;
  readonly waitingBehind: number;
  readonly event?: EventJson;
}

interface LetterQuery {
  readonly consumer?: string;
  readonly key?: string;
  readonly type?: string;
  readonly error?: string;
}

interface ListOptions extends AccessOptions, LetterQuery {
  readonly after?: string;
  readonly limit: number;
}

interface ActOptions extends AccessOptions, LetterQuery {
  readonly all?: boolean;
  readonly data?: string;
  readonly reason?: string;
}

/** More of an error stands in what `show` says of one letter. */
const ERROR_COLUMNS = 100;

export function deadLettersCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  const letters = program
    .command('dead-letters')
    .summary('list events that were set aside; retry, edit, discard')
    .description(
      'Dead letters: events that a consumer could not handle. Later events of the same key wait behind them; other keys go on.',
    );
  withQuery(withAccess(letters.command('list', { isDefault: true })))
    .description('Lists dead letters.')
    .option('--after <id>', 'those after this one')
    .option('--limit <count>', 'at most so many', wholeNumber('--limit', 1, 500), 100)
    .action(async (options: ListOptions) => {
      await list(options, terminal);
      exit(EXIT_OK);
    });
  withAccess(letters.command('show'))
    .description('Shows one dead letter, with its event and its error.')
    .argument('<id>')
    .action(async (id: string, options: AccessOptions) => {
      await withSystem(options, terminal, 'read', async ({ api }) =>
        show(await api.get<Letter>(`/dead-letters${pathOf(id)}`), options, terminal),
      );
      exit(EXIT_OK);
    });
  withQuery(withAccess(letters.command('retry')))
    .description(
      'Tries dead letters again: one, several, or all that fit. With --data one is tried with other data; the event itself stays as it is.',
    )
    .argument('[ids...]')
    .option('--all', 'all of them')
    .option('-d, --data <json>', 'in place of the data of the event: JSON or @FILE')
    .action(async (ids: string[], options: ActOptions) => {
      const data = options.data === undefined ? undefined : jsonOption('--data', textOf(options.data, terminal));
      if (data !== undefined && ids.length !== 1) throw new UsageError('--data is for one dead letter; name it');
      await act(ids, options, { verb: 'retry', each: data === undefined ? undefined : { data }, many: {} }, terminal);
      exit(EXIT_OK);
    });
  withQuery(withAccess(letters.command('discard')))
    .description('Gives dead letters up: one, several, or all that fit. What waited behind them goes on.')
    .argument('[ids...]')
    .option('--all', 'all of them')
    .option('--reason <text>', 'why, for those who wonder later')
    .action(async (ids: string[], options: ActOptions) => {
      const reason = options.reason === undefined ? {} : { reason: options.reason };
      await act(ids, options, { verb: 'discard', each: reason, many: reason }, terminal);
      exit(EXIT_OK);
    });
}

function withQuery(command: Command): Command {
  return command
    .option('--consumer <name>', 'those of this consumer')
    .option('--key <key>', 'those of this ordering key')
    .option('-t, --type <type>', 'those whose event has this type')
    .option('--error <name>', 'those with this code or name of error');
}

async function list(options: ListOptions, terminal: Terminal): Promise<void> {
  await withSystem(options, terminal, 'read', async ({ api }) => {
    const { consumer, key, type, error, after, limit } = options;
    const page = await api.get<{ items: readonly Letter[]; next?: string }>('/dead-letters', {
      consumer,
      key,
      type,
      error,
      after,
      limit,
    });
    if (options.json === true) return writeJson(terminal, page);
    if (page.items.length === 0) return terminal.note('there are no dead letters\n');
    await terminal.write(
      table(
        page.items,
        [
          { title: 'ID', text: ({ id }) => printable(id), ink: () => 'bold' },
          {
            title: 'EVENT',
            text: ({ event, position }) =>
              event === undefined ? (position < 0 ? 'none came' : 'no longer kept') : printable(event.type),
          },
          { title: 'KEY', text: ({ key: of }) => printable(of) },
          ...(page.items.some(({ part }) => part !== undefined)
            ? [{ title: 'WHAT FAILED', text: ({ part }: Letter) => printable(part ?? 'the event') }]
            : []),
          { title: 'TRIED', text: ({ attempts }) => `${attempts}×`, right: true },
          {
            title: 'BEHIND',
            text: ({ waitingBehind }) => (waitingBehind === 0 ? '' : count(waitingBehind)),
            right: true,
          },
          {
            title: 'LAST FAILED',
            text: ({ lastFailedTime }) => (lastFailedTime === undefined ? '' : calendarTime(lastFailedTime)),
          },
          {
            title: 'ERROR',
            text: ({ error: found }) =>
              found === undefined ? '' : cut(printable(`${found.name}: ${found.message}`), ERROR_COLUMNS),
            ink: () => 'red',
          },
        ],
        terminal.out,
      ),
    );
    if (page.next !== undefined) terminal.note(`more: --after ${page.next}\n`);
  });
}

async function show(letter: Letter, options: AccessOptions, terminal: Terminal): Promise<void> {
  if (options.json === true) return writeJson(terminal, letter);
  const { event, error } = letter;
  await terminal.write(
    sheet(
      [
        ['dead letter', printable(letter.id), 'bold'],
        ['consumer', printable(letter.consumer)],
        ['key', printable(letter.key)],
        ['tried', `${plural(letter.attempts, 'time')}${letter.edited ? ', with edited data' : ''}`],
        ['first failed', letter.firstFailedTime === undefined ? undefined : calendarTime(letter.firstFailedTime)],
        ['last failed', letter.lastFailedTime === undefined ? undefined : calendarTime(letter.lastFailedTime)],
        ['error', error === undefined ? undefined : printable(`${error.name}: ${error.message}`), 'red'],
        ['what failed', letter.part === undefined ? undefined : printable(letter.part)],
        ['code', error?.code === undefined ? undefined : printable(error.code)],
        ['waiting behind', letter.waitingBehind === 0 ? undefined : plural(letter.waitingBehind, 'event')],
        [
          letter.part === undefined || letter.editable ? 'event' : 'brought on by',
          event === undefined
            ? letter.position < 0
              ? 'time: of this key no event came'
              : 'no longer in the log'
            : printable(`${event.type} ${event.source} ${event.id}`),
        ],
        ['stream', event === undefined ? undefined : printable(`${event.stream}@${event.version}`)],
        ['data', event === undefined ? undefined : shortData(event)],
      ],
      terminal.out,
    ),
  );
}

interface Act {
  readonly verb: 'retry' | 'discard';
  readonly each: unknown;
  readonly many: Readonly<Record<string, unknown>>;
}

async function act(
  ids: readonly string[],
  options: ActOptions,
  { verb, each, many }: Act,
  terminal: Terminal,
): Promise<void> {
  const { consumer, key, type, error, all } = options;
  const query = Object.fromEntries(
    Object.entries({ consumer, key, type, error }).filter(([, value]) => value !== undefined),
  );
  const queried = all === true || Object.keys(query).length > 0;
  if (ids.length > 0 && queried)
    throw new UsageError('name dead letters, or say which with --consumer, --key, --type, --error or --all; not both');
  if (ids.length === 0 && !queried)
    throw new UsageError('which? name one, or say --consumer, --key, --type, --error or --all');
  await withSystem(options, terminal, 'write', async ({ api, system, storeFile }) => {
    let changed = 0;
    for (const id of ids) {
      await api.post(`/dead-letters${pathOf(id)}/${verb}`, each);
      changed += 1;
    }
    if (queried) {
      const answer = await api.post<{ released?: number; discarded?: number }>(`/dead-letters/${verb}`, {
        ...query,
        ...many,
        ...(all === true ? { all } : {}),
      });
      changed = answer.released ?? answer.discarded ?? 0;
    }
    if (options.json === true)
      return writeJson(terminal, verb === 'retry' ? { released: changed } : { discarded: changed });
    // Nobody else has a file that this command writes to; a database others may have.
    const later = system === undefined || storeFile === undefined ? '' : ' when the program starts';
    await terminal.write(
      verb === 'retry'
        ? `${plural(changed, 'dead letter')} will be tried again${later}\n`
        : `${plural(changed, 'dead letter')} given up\n`,
    );
  });
}

function textOf(data: string, terminal: Terminal): string {
  if (!data.startsWith('@')) return data;
  const file = path.resolve(terminal.cwd, data.slice(1));
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandFailed(`--data: ${file} cannot be read: ${(error as Error).message}`);
  }
}
