import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { Api } from '../access/api.ts';
import { pathOf } from '../access/api.ts';
import type { AccessOptions, Connection } from '../access/connect.ts';
import { withAccess, withSystem, writeJson } from '../command.ts';
import { CommandFailed, EXIT_FAILED, EXIT_OK, UsageError } from '../failure.ts';
import { isYes } from '../confirm.ts';
import { Progress } from '../output/progress.ts';
import { sheet } from '../output/table.ts';
import { count, plural, printable, spanOf } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { shellWord } from './streams.ts';

interface RebuildJson {
  readonly id: string;
  readonly view: string;
  readonly version: number;
  readonly state: 'building' | 'failed' | 'switched' | 'compared' | 'cancelled';
  readonly dryRun: boolean;
  readonly from: number;
  readonly events: number;
  readonly total: number;
  readonly percent: number;
  readonly secondsLeft?: number;
  readonly parked: number;
  readonly failure?: {
    readonly position: number;
    readonly source: string;
    readonly id: string;
    readonly type: string;
    readonly key: string;
    readonly error: string;
  };
  readonly comparison?: {
    readonly rows: { readonly serving: number; readonly built: number };
    readonly differences?: {
      readonly added: number;
      readonly removed: number;
      readonly changed: number;
      readonly sample: readonly { readonly key: string; readonly change: string }[];
    };
    readonly reason?: string;
  };
}

interface RebuildOptions extends AccessOptions {
  readonly from?: string;
  readonly to?: string;
  readonly dryRun?: boolean;
  readonly onFailure?: 'park' | 'fail';
  readonly status?: boolean;
  readonly cancel?: boolean;
  readonly yes?: boolean;
}

/** How it stands is asked so often. */
const LOOK_MS = 200;
/** So many looks may find another build than the one that was begun. */
const OTHERS = 25;

export function rebuildCommand(views: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(views.command('rebuild'))
    .description(
      'Builds the rows of a view anew beside those that serve, and switches them in one step; shows how far it is. A build that failed, or was interrupted, goes on.',
    )
    .argument('<view>')
    .option('--from <place>', 'the rows begin with the events after a position, or from a time (RFC 3339) or date on')
    .option('--to <place>', 'with --dry-run: no event behind this position, time or date is taken')
    .option('-y, --yes', 'do not ask whether what came of events before --from may go')
    .option('--dry-run', 'compare the rows with those that serve, and throw them away')
    .addOption(
      new Option(
        '--on-failure <what>',
        'what becomes of an event that cannot be handled: its key is set aside, or the build fails',
      ).choices(['park', 'fail']),
    )
    .option('--status', 'show how the build stands, or how the last one ended, and begin none')
    .option('--cancel', 'throw away what was built; the view stays as it is')
    .action(async (view: string, options: RebuildOptions) => {
      exit(await rebuild(view, options, terminal));
    });
}

async function rebuild(view: string, options: RebuildOptions, terminal: Terminal): Promise<number> {
  const body = bodyOf(options);
  const path = `/rebuilds${pathOf(view)}`;
  if (!(await mayDrop(view, options, terminal))) {
    terminal.note('nothing was done\n');
    return EXIT_FAILED;
  }
  const need = options.status === true ? 'read' : 'hold';
  return withSystem(options, terminal, need, async (connection) => {
    const { api } = connection;
    if (options.status === true) return show(await api.get<RebuildJson>(path), options, terminal, EXIT_OK);
    if (options.cancel === true) return show(await api.delete<RebuildJson>(path), options, terminal, EXIT_OK);
    const { id } = await api.post<RebuildJson>(path, body);
    const status = await follow(api, path, id, terminal);
    if (status.state === 'building') {
      terminal.note(interrupted(sameCommand(view, status), connection));
      return EXIT_FAILED;
    }
    const isDone = status.state === 'switched' || status.state === 'compared';
    return show(status, options, terminal, isDone ? EXIT_OK : EXIT_FAILED);
  });
}

/** A view that begins later than its events has lost what came of those before, unless it is only compared. Errors: UsageError. */
async function mayDrop(view: string, { from, dryRun, yes }: RebuildOptions, terminal: Terminal): Promise<boolean> {
  const isWhole = from === undefined || from === 'beginning' || /^0+$/.test(from);
  if (isWhole || dryRun === true || yes === true) return true;
  const what = `what came of events before --from ${printable(from)} will be in no row of view ${printable(view)}`;
  if (!terminal.err.isTerminal)
    throw new UsageError(`${what}; nobody can be asked here: say --yes, or --dry-run to see what would go`);
  terminal.note(`${what}; --dry-run shows what would go. Build it so? Type yes: `);
  return isYes(terminal);
}

/** Until it is over, or the user wants to wait no longer. */
async function follow(api: Api, path: string, id: string, terminal: Terminal): Promise<RebuildJson> {
  const progress = new Progress(terminal);
  try {
    for (let others = 0; ;) {
      const status = await api.get<RebuildJson>(path);
      // How one before it ended is told until it is known how this one did; another one may have come after it.
      if (status.id !== id) others += 1;
      const isIt = status.id === id || others > OTHERS;
      if ((isIt && status.state !== 'building') || terminal.signal.aborted) return status;
      progress.update(status.percent / 100, () => progressOf(status));
      await delay(LOOK_MS, undefined, { signal: terminal.signal }).catch(() => undefined);
    }
  } finally {
    progress.clear();
  }
}

function progressOf({ events, total, secondsLeft, parked }: RebuildJson): string {
  return [
    `${count(events)} of ${plural(total, 'event')}`,
    ...(secondsLeft === undefined ? [] : [`${spanOf(secondsLeft)} left`]),
    ...(parked > 0 ? [`${count(parked)} parked`] : []),
  ].join(', ');
}

/** What goes on with a build: what it was begun with. */
function sameCommand(view: string, { from, dryRun }: RebuildJson): string {
  const options = [
    ...(from === 0 ? [] : [` --from ${from}`]),
    ...(dryRun ? [' --dry-run'] : from === 0 ? [] : [' --yes']),
  ];
  return `thereupon views rebuild ${shellWord(view)}${options.join('')}`;
}

function interrupted(same: string, { system }: Connection): string {
  const [command = ''] = same.split(' --');
  return system === undefined
    ? `the build goes on; how far it is: ${command} --status; to cancel it: ${command} --cancel\n`
    : `the build stops here, and goes on where it was with its program, or with ${same}; to cancel it: ${command} --cancel\n`;
}

async function show(status: RebuildJson, options: AccessOptions, terminal: Terminal, code: number): Promise<number> {
  if (options.json === true) {
    await writeJson(terminal, status);
    return code;
  }
  const { view, version, state, failure, comparison, parked } = status;
  const differences = comparison?.differences;
  await terminal.write(
    sheet(
      [
        ['view', printable(view), 'bold'],
        state === 'failed' ? ['state', wordsOf(status), 'red'] : ['state', wordsOf(status)],
        ['version', count(version)],
        ['from', status.from === 0 ? undefined : `after position ${count(status.from)}${lossOf(status)}`],
        ['events', state === 'building' ? progressOf(status) : `${count(status.events)} of ${count(status.total)}`],
        ['parked', parked > 0 ? count(parked) : undefined, 'red'],
        [
          'failed at',
          failure &&
            printable(
              `${failure.type} ${failure.id} (position ${failure.position}, key ${failure.key}): ${failure.error}`,
            ),
          'red',
        ],
        ['rows', comparison && `${count(comparison.rows.built)} built, ${count(comparison.rows.serving)} serve`],
        ['not compared', comparison?.reason],
        [
          'differences',
          differences &&
            `${count(differences.added)} added, ${count(differences.removed)} removed, ${count(differences.changed)} changed`,
        ],
        ...(differences?.sample ?? []).map(({ key, change }) => [change, printable(key)] as const),
      ],
      terminal.out,
    ),
  );
  if (state === 'failed')
    terminal.note(
      `the view serves as before; mended, it goes on with ${sameCommand(view, status)}, and --cancel gives it up\n`,
    );
  return code;
}

function lossOf({ state }: RebuildJson): string {
  return state === 'switched' ? '; what came of events up to there is in no row any more' : '';
}

function wordsOf({ state, dryRun, percent, comparison }: RebuildJson): string {
  switch (state) {
    case 'building':
      return `building, ${percent} %`;
    case 'switched':
      return 'switched: its rows are those of the view';
    case 'compared':
      return comparison?.differences === undefined ? 'built, and thrown away' : 'compared, and thrown away';
    case 'cancelled':
      return dryRun ? 'cancelled' : 'cancelled: the view has the rows of before';
    case 'failed':
      return 'failed';
    default:
      throw new CommandFailed(`unknown state ${JSON.stringify(state)} of a build; is the server a newer one?`);
  }
}

/** Errors: UsageError for options that contradict one another. */
function bodyOf({ from, to, dryRun, onFailure, status, cancel }: RebuildOptions): unknown {
  const given = [from, to, dryRun, onFailure].some((option) => option !== undefined);
  if (status === true && cancel === true) throw new UsageError('--status and --cancel: give one of them');
  if ((status === true || cancel === true) && given)
    throw new UsageError(`--${status === true ? 'status' : 'cancel'} begins no build, and takes no options of one`);
  if (to !== undefined && dryRun !== true)
    throw new UsageError('--to needs --dry-run: rows that serve must not lack the events behind it');
  return {
    ...(from === undefined ? {} : { from: from === 'beginning' ? from : placeOf('--from', from) }),
    ...(to === undefined ? {} : { to: placeOf('--to', to) }),
    ...(dryRun === undefined ? {} : { dryRun }),
    ...(onFailure === undefined ? {} : { onFailure }),
  };
}

function placeOf(option: string, text: string): unknown {
  if (/^\d{1,16}$/.test(text)) return { position: Number(text) };
  if (Number.isNaN(Date.parse(text)))
    throw new UsageError(`${option}: expected a position, an RFC 3339 time or a date, found ${JSON.stringify(text)}`);
  return { time: text };
}
