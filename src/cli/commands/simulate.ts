import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { text as textFrom } from 'node:stream/consumers';
import type { Command } from 'commander';
import { decodeJsonEvent } from '../../index.ts';
import type { IncomingEvent } from '../../index.ts';
import type { SimulationFaults } from '../../testing/index.ts';
import { connect } from '../access/connect.ts';
import { loadProgram } from '../access/program-file.ts';
import type { ProgramOptions } from '../access/program-file.ts';
import { collect, wholeNumber, withProgram, writeJson } from '../command.ts';
import { CommandFailed, EXIT_FAILED, EXIT_OK, UsageError } from '../failure.ts';
import type { EventJson } from '../output/event-line.ts';
import { Progress } from '../output/progress.ts';
import { paintFor, plural, printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { shellWord } from './streams.ts';

const LAST_EVENTS = 200;

interface SimulateOptions extends ProgramOptions {
  readonly last?: number;
  readonly runs: number;
  readonly seed: number;
  readonly fault?: readonly string[];
  readonly json?: boolean;
  readonly verbose?: boolean;
}

const PAGE = 1_000;

export function simulateCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withProgram(program.command('simulate'))
    .summary('tell a program its history disordered, twice and with crashes, and compare')
    .description(
      'Tells the program a history again and again, on a store in memory and a clock of its own: some events twice, out of order or late, with the process\n' +
        'dying in the middle of what comes of them. What is published, the read models and what is parked have to come out as when it is told in order.\n' +
        'The first time that they do not is shown with the fewest events, the reaction at fault and its seed. Exit code 1 then.\n\n' +
        'Handlers really run: give a program that calls the outside world stand-ins before it is simulated.',
    )
    .argument('[file]', 'events as export writes them, - for standard input (default: the last ones in the store)')
    .option(
      '--last <count>',
      'of the store, so many events that came from outside (default: 200)',
      wholeNumber('--last', 1, 100_000),
    )
    .option('--runs <count>', 'how often', wholeNumber('--runs', 1), 100)
    .option('--seed <number>', 'the same one does the same', wholeNumber('--seed', 0), 1)
    .option(
      '--fault <name=share>',
      'duplicate, reorder, delay, drop or crash, and how often, from 0 to 1; may be repeated',
      collect,
    )
    .option('--json', 'answer in JSON, for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  thereupon simulate --runs 1000\n  thereupon simulate orders.ndjson --fault drop=0.05 --fault crash=0.3 --seed 42',
    )
    .action(async (file: string | undefined, options: SimulateOptions) => {
      exit(await runSimulation(file, options, terminal));
    });
}

async function runSimulation(file: string | undefined, options: SimulateOptions, terminal: Terminal): Promise<number> {
  const faults = faultsOf(options.fault ?? []);
  const { config, file: program } = await loadProgram(options, terminal);
  if (program === undefined) throw new UsageError('simulate needs a program: name its configuration with --config');
  if (file !== undefined && options.last !== undefined)
    throw new UsageError('--last is of the store; of a file all events are told');
  const last = options.last ?? LAST_EVENTS;
  const events = file === undefined ? await lastOfStore(options, last, terminal) : await eventsOfFile(file, terminal);
  const { simulate } = await import('../../testing/index.ts');
  const progress = new Progress(terminal);
  let smaller = 0;
  const { runs, seed } = options;
  const simulation = await simulate(config, {
    events,
    runs,
    seed,
    faults,
    signal: terminal.signal,
    progress(run) {
      if (run === undefined) smaller += 1;
      progress.update(run === undefined ? undefined : run / runs, () =>
        run === undefined
          ? `it came out differently; looking for fewer events: ${plural(smaller, 'attempt')}`
          : `run ${run} of ${runs}, ${plural(events.length, 'event')} each`,
      );
    },
  });
  progress.clear();
  const { divergence } = simulation;
  if (options.json === true) await writeJson(terminal, { ...simulation, events: events.length });
  else {
    const paint = paintFor(terminal.out);
    const mark = divergence === undefined ? paint('green', '✓') : paint('red', '✗');
    await terminal.write(`${mark} ${simulation.report.split('\n').map(printable).join('\n')}\n`);
    if (divergence !== undefined) {
      const again = [
        'thereupon simulate',
        ...(file === undefined ? [`--last ${last}`] : [shellWord(file)]),
        ...(options.config === undefined ? [] : [`--config ${shellWord(options.config)}`]),
        ...(file === undefined && options.store !== undefined ? [`--store ${shellWord(options.store)}`] : []),
        ...(options.fault ?? []).map((fault) => `--fault ${fault}`),
        `--runs 1 --seed ${divergence.seed}`,
      ];
      await terminal.write(`\nthe same again: ${again.join(' ')}\n`);
    }
  }
  return divergence === undefined ? EXIT_OK : EXIT_FAILED;
}

function faultsOf(given: readonly string[]): SimulationFaults {
  return Object.fromEntries(
    given.map((text) => {
      const [name = '', share = ''] = text.split('=');
      if (!/^(?:duplicate|reorder|delay|drop|crash)$/.test(name) || !/^(?:0|1|0?\.\d+|1\.0+)$/.test(share))
        throw new UsageError(
          `--fault: expected duplicate, reorder, delay, drop or crash, with a share from 0 to 1, such as crash=0.2, found ${JSON.stringify(text)}`,
        );
      return [name, Number(share)];
    }),
  );
}

/** What came from outside, oldest first: what reactions published they publish again. */
async function lastOfStore(
  options: SimulateOptions,
  last: number,
  terminal: Terminal,
): Promise<readonly IncomingEvent[]> {
  const connection = await connect(options, terminal, 'read');
  const found: EventJson[] = [];
  try {
    for (let before: number | undefined; found.length < last;) {
      const page = await connection.api.get<{ events: readonly EventJson[]; next?: number }>('/events', {
        direction: 'backward',
        limit: PAGE,
        before,
      });
      found.push(...page.events.filter(({ causationid }) => causationid === undefined));
      if (page.next === undefined) break;
      before = page.next;
    }
  } finally {
    await connection.close();
  }
  if (found.length === 0)
    throw new CommandFailed('there are no events in the store to tell; publish some, or name a file of events');
  return found.slice(0, last).reverse().map(decodeJsonEvent);
}

async function eventsOfFile(file: string, terminal: Terminal): Promise<readonly IncomingEvent[]> {
  const text =
    file === '-'
      ? await textFrom(terminal.input() as AsyncIterable<string | Uint8Array>)
      : await readFile(path.resolve(terminal.cwd, file), 'utf8').catch((error: unknown) => {
          throw new CommandFailed(`${file} cannot be read: ${(error as Error).message}`);
        });
  const events: IncomingEvent[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      const event = JSON.parse(line) as EventJson;
      if (event.causationid === undefined) events.push(decodeJsonEvent(event));
    } catch (error) {
      throw new CommandFailed(`${file}:${index + 1}: ${(error as Error).message}`, { cause: error });
    }
  }
  if (events.length === 0) throw new CommandFailed(`${file} holds no events that came from outside`);
  return events;
}
