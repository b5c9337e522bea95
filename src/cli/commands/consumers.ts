import type { Command } from 'commander';
import { pathOf } from '../access/api.ts';
import type { AccessOptions, Connection } from '../access/connect.ts';
import { withAccess, withSystem, writeJson } from '../command.ts';
import { ApiProblem, EXIT_OK, UsageError } from '../failure.ts';
import { calendarTime } from '../output/event-line.ts';
import { sheet, table } from '../output/table.ts';
import { count, printable, spanOf } from '../output/text.ts';
import type { Ink } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** A consumer as the API gives it. */
export interface ConsumerJson {
  readonly name: string;
  readonly kind: string;
  readonly mode: string;
  readonly summary?: string;
  readonly state: 'running' | 'paused' | 'stalled' | 'stopped' | 'building' | 'build-failed' | 'build-cancelled';
  readonly reason?: string;
  readonly live: boolean;
  readonly inline?: 'in-force' | 'catching-up';
  readonly began?: number;
  readonly position: number;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly inFlight: number;
  readonly retrying: number;
  readonly parked: number;
  readonly waiting: number;
  readonly build?: {
    readonly version: number;
    readonly state: string;
    readonly percent: number;
    readonly dryRun: boolean;
    readonly failure?: { readonly id: string; readonly position: number; readonly error: string };
  };
  readonly time?: { readonly watermark?: string; readonly timers: number; readonly held: number };
  readonly figures: {
    readonly handled: number;
    readonly failed: number;
    readonly late: number;
    readonly lastHandledTime?: string;
    readonly lastError?: {
      readonly time: string;
      readonly eventId: string;
      readonly error: { readonly name: string; readonly message: string };
    };
  };
}

const INLINE_WORDS = {
  no: undefined,
  'in-force': 'changed where events are recorded',
  'catching-up': 'follow events at the moment',
} as const;

interface ReplayOptions extends AccessOptions {
  readonly from: string;
}

export function consumersCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  const consumers = program
    .command('consumers')
    .summary('list what reacts; pause, resume, replay, forget')
    .description('Consumers: automations, projections and everything else that reacts, with how far each has come.');
  withAccess(consumers.command('list', { isDefault: true }))
    .description('Lists consumers.')
    .action(async (options: AccessOptions) => {
      await withSystem(options, terminal, 'read', (connection) => list(connection, options, terminal));
      exit(EXIT_OK);
    });
  withAccess(consumers.command('show'))
    .description('Shows one consumer.')
    .argument('<name>')
    .action(async (name: string, options: AccessOptions) => {
      await withSystem(options, terminal, 'read', async ({ api, system }) =>
        show(api, await api.get<ConsumerJson>(`/consumers${pathOf(name)}`), options, terminal, system === undefined),
      );
      exit(EXIT_OK);
    });
  withAccess(consumers.command('held'))
    .description('Shows what a consumer, or each, holds back until others have come, or time has.')
    .argument('[name]')
    .action(async (name: string | undefined, options: AccessOptions) => {
      await withSystem(options, terminal, 'read', async ({ api }) => {
        const { held, unknown } =
          name === undefined
            ? await heldByAll(api, await consumersOf(api))
            : { held: await heldBy(api, name), unknown: [] };
        await showHeld(held, options, terminal, { ofAll: name === undefined, unknown });
      });
      exit(EXIT_OK);
    });
  const steer =
    (verb: 'pause' | 'resume' | 'replay', body: (options: never) => unknown) =>
    async (name: string, options: AccessOptions) => {
      await withSystem(options, terminal, 'write', async ({ api, system }) => {
        const path = `/consumers${pathOf(name)}/${verb}`;
        const consumer = await api.post<ConsumerJson>(path, body(options as never));
        await show(api, consumer, options, terminal, system === undefined);
      });
      exit(EXIT_OK);
    };
  withAccess(consumers.command('pause'))
    .description('Stops handing events to a consumer, until it is resumed; also over a restart of the program.')
    .argument('<name>')
    .option('--reason <text>', 'why, for those who wonder later')
    .action(steer('pause', ({ reason }: { reason?: string }) => ({ reason })));
  withAccess(consumers.command('resume'))
    .description('Goes on after a pause.')
    .argument('<name>')
    .action(steer('resume', () => undefined));
  withAccess(consumers.command('replay'))
    .description('Lets one consumer, and no other, handle events again. What it publishes again is not recorded twice.')
    .argument('<name>')
    .requiredOption(
      '--from <place>',
      'beginning, a position, or a time (RFC 3339); a projection is replayed from the beginning only',
    )
    .action(steer('replay', (options: ReplayOptions) => replayFrom(options.from)));
  withAccess(consumers.command('forget'))
    .description(
      'Forgets a consumer that no definition runs any more, with its checkpoint, dead letters, states and read model.',
    )
    .argument('<name>')
    .action(async (name: string, options: AccessOptions) => {
      await withSystem(options, terminal, 'write', ({ api }) => api.delete(`/consumers${pathOf(name)}`));
      await (options.json === true
        ? writeJson(terminal, { forgotten: name })
        : terminal.write(`${printable(name)} is forgotten\n`));
      exit(EXIT_OK);
    });
}

interface HeldJson {
  readonly consumer: string;
  readonly key: string;
  readonly events: number;
  readonly waitsFor: string;
}

async function consumersOf(api: Connection['api']): Promise<readonly ConsumerJson[]> {
  return (await api.get<{ consumers: readonly ConsumerJson[] }>('/consumers')).consumers;
}

async function heldBy(api: Connection['api'], consumer: string): Promise<readonly HeldJson[]> {
  const path = `/consumers${pathOf(consumer)}/held`;
  const { held } = await api.get<{ held: readonly Omit<HeldJson, 'consumer'>[] }>(path);
  return held.map((one) => ({ consumer, ...one }));
}

/** Of those that are defined where it is asked: what others keep only their programs can read. */
async function heldByAll(
  api: Connection['api'],
  consumers: readonly Pick<ConsumerJson, 'name'>[],
): Promise<{ readonly held: readonly HeldJson[]; readonly unknown: readonly string[] }> {
  const held: HeldJson[] = [];
  const unknown: string[] = [];
  for (const { name } of consumers) {
    try {
      held.push(...(await heldBy(api, name)));
    } catch (error) {
      if (!(error instanceof ApiProblem && (error.status === 404 || error.status === 409))) throw error;
      unknown.push(name);
    }
  }
  return { held, unknown };
}

async function showHeld(
  held: readonly HeldJson[],
  options: AccessOptions,
  terminal: Terminal,
  { ofAll, unknown }: { readonly ofAll: boolean; readonly unknown: readonly string[] },
): Promise<void> {
  if (options.json === true) return writeJson(terminal, { held, ...(unknown.length === 0 ? {} : { unknown }) });
  if (unknown.length > 0)
    terminal.note(
      `not known here: what ${unknown.map(printable).join(', ')} may hold back; --config names the configuration that defines them\n`,
    );
  if (held.length === 0) return terminal.note(unknown.length === 0 ? 'nothing is held back\n' : '');
  await terminal.write(
    table(
      held,
      [
        ...(ofAll ? [{ title: 'CONSUMER', text: ({ consumer }: HeldJson) => printable(consumer) }] : []),
        { title: 'KEY', text: ({ key }) => printable(key), ink: () => 'bold' },
        { title: 'EVENTS', text: ({ events }) => count(events), right: true },
        { title: 'WAITS FOR', text: ({ waitsFor }) => printable(waitsFor) },
      ],
      terminal.out,
    ),
  );
}

function replayFrom(from: string): unknown {
  if (from === 'beginning') return { from };
  if (/^\d{1,16}$/.test(from)) return { position: Number(from) };
  if (Number.isNaN(Date.parse(from)))
    throw new UsageError(`--from: expected beginning, a position or an RFC 3339 time, found ${JSON.stringify(from)}`);
  return { time: from };
}

/** How much was handled each process counts for itself: where this command opened the store, nobody did. */
async function list({ api, system }: Connection, options: AccessOptions, terminal: Terminal): Promise<void> {
  const consumers = await consumersOf(api);
  if (options.json === true) return writeJson(terminal, { consumers });
  const held = await heldCounts(api, consumers);
  const shown = consumers.filter(({ kind, parked }) => kind !== 'system' || parked > 0);
  if (shown.length === 0) return terminal.note('nothing reacts here\n');
  await terminal.write(
    table(
      shown,
      [
        { title: 'CONSUMER', text: ({ name }) => printable(name), ink: () => 'bold' },
        { title: 'KIND', text: ({ kind, mode }) => (mode === 'queue' && kind === 'consumer' ? 'queue' : kind) },
        { title: 'STATE', text: wordsOf, ink: ({ state }) => inkOf(state) },
        { title: 'LAG', text: lagOf, right: true },
        { title: 'WAITING', text: ({ waiting }) => blankZero(waiting), right: true },
        { title: 'HELD', text: ({ name }) => blankZero(held.get(name) ?? 0), right: true },
        { title: 'RETRYING', text: ({ retrying }) => blankZero(retrying), right: true },
        {
          title: 'PARKED',
          text: ({ parked }) => blankZero(parked),
          right: true,
          ink: ({ parked }) => (parked > 0 ? 'red' : undefined),
        },
        { title: 'HANDLED', text: ({ figures }) => (system === undefined ? count(figures.handled) : '–'), right: true },
        {
          title: 'WHY',
          text: ({ name, reason, figures }) =>
            printable(reason ?? figures.lastError?.error.message ?? (held.has(name) ? heldHint(name) : '')),
        },
      ],
      terminal.out,
    ),
  );
}

/** Of those that hold something back. Where they run, they know how much; else it is read in the store. */
async function heldCounts(
  api: Connection['api'],
  consumers: readonly ConsumerJson[],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { name, time } of consumers) if (time !== undefined && time.held > 0) counts.set(name, time.held);
  const unknown = consumers.filter(({ kind, time }) => kind !== 'system' && time === undefined);
  for (const { consumer, events } of (await heldByAll(api, unknown)).held)
    counts.set(consumer, (counts.get(consumer) ?? 0) + events);
  return counts;
}

function heldHint(name: string): string {
  return `what is held: thereupon consumers held ${name}`;
}

async function show(
  api: Connection['api'],
  consumer: ConsumerJson,
  options: AccessOptions,
  terminal: Terminal,
  counts: boolean,
): Promise<void> {
  if (options.json === true) return writeJson(terminal, consumer);
  const { lastError, lastHandledTime, handled, failed, late } = consumer.figures;
  const held = (await heldCounts(api, [consumer])).get(consumer.name) ?? 0;
  await terminal.write(
    sheet(
      [
        ['consumer', printable(consumer.name), 'bold'],
        ['kind', `${consumer.kind}${consumer.mode === 'queue' ? ', queue' : ''}`],
        ['summary', consumer.summary === undefined ? undefined : printable(consumer.summary)],
        [
          'state',
          `${wordsOf(consumer)}${consumer.live && consumer.lag.events === 0 ? ', at the head of the log' : ''}`,
          inkOf(consumer.state),
        ],
        ['rows', INLINE_WORDS[consumer.inline ?? 'no']],
        ['why', consumer.reason === undefined ? undefined : printable(consumer.reason)],
        ['build', consumer.build && buildOf(consumer.name, consumer.build)],
        [
          'began',
          consumer.began === undefined
            ? undefined
            : `after position ${count(consumer.began)}; events up to there are not in it`,
        ],
        ['position', count(consumer.position)],
        ['lag', lagOf(consumer)],
        [
          'since start',
          counts
            ? `${count(handled)} handled, ${count(failed)} failed attempts${late > 0 ? `, ${count(late)} too late` : ''}`
            : undefined,
        ],
        ['retrying', consumer.retrying > 0 ? count(consumer.retrying) : undefined],
        [
          'parked',
          consumer.parked > 0
            ? `${count(consumer.parked)} (thereupon dead-letters list --consumer ${printable(consumer.name)})`
            : undefined,
          'red',
        ],
        ['waiting', consumer.waiting > 0 ? waitingOf(consumer) : undefined],
        ['event time', consumer.time?.watermark === undefined ? undefined : calendarTime(consumer.time.watermark)],
        [
          'timers',
          consumer.time === undefined
            ? undefined
            : `${count(consumer.time.timers)} ${consumer.time.timers === 1 ? 'key waits' : 'keys wait'} for a time`,
        ],
        ['held', heldOf(consumer.name, held)],
        ['last handled', lastHandledTime === undefined ? undefined : calendarTime(lastHandledTime)],
        [
          'last error',
          lastError === undefined
            ? undefined
            : printable(`${calendarTime(lastError.time)} ${lastError.error.name}: ${lastError.error.message}`),
        ],
      ],
      terminal.out,
    ),
  );
}

function lagOf({ lag }: ConsumerJson): string {
  if (lag.events === 0) return '0';
  return `${count(lag.events)} (${spanOf(lag.seconds)})`;
}

function waitingOf({ mode, waiting }: ConsumerJson): string {
  return `${count(waiting)} ${mode === 'queue' ? 'to be handled, now or when they are due' : 'behind these'}`;
}

function heldOf(name: string, events: number): string | undefined {
  if (events === 0) return undefined;
  const wait = events === 1 ? 'event waits' : 'events wait';
  return `${count(events)} ${wait} for others (thereupon consumers held ${printable(name)})`;
}

function blankZero(value: number): string {
  return value === 0 ? '' : count(value);
}

function buildOf(name: string, { version, state, percent, dryRun }: NonNullable<ConsumerJson['build']>): string {
  const what = `${dryRun ? 'a dry run' : `version ${version}`} is ${state}, ${percent} %`;
  return `${what} (thereupon views rebuild ${printable(name)} --status)`;
}

function wordsOf({ state }: ConsumerJson): string {
  return state.replace('-', ' ');
}

function inkOf(state: ConsumerJson['state']): Ink {
  if (state === 'running') return 'green';
  return state === 'stalled' || state === 'build-failed' ? 'red' : 'yellow';
}
