import type { Command } from 'commander';
import { actorAttributes, encodeHeaderValue } from '../../index.ts';
import type { CommandOutcome } from '../../index.ts';
import { pathOf } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { parseActor } from '../access/actor.ts';
import { jsonOption, NAME_THE_PROGRAM, withAccess, withSystem, writeJson } from '../command.ts';
import { ApiProblem, EXIT_FAILED, EXIT_OK, UsageError } from '../failure.ts';
import { table } from '../output/table.ts';
import { plural, printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';
import { dataText } from './publish.ts';

interface CommandOptions extends AccessOptions {
  readonly data?: string;
  readonly id?: string;
  readonly expectedVersion?: string;
  readonly correlationid?: string;
  readonly actor?: string;
  readonly reason?: string;
}

interface CommandJson {
  readonly name: string;
  readonly summary?: string;
  readonly decider: string;
}

export function commandCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(program.command('command'))
    .summary('execute a command, or list those there are')
    .description(
      'Executes a command: it is decided on what has happened, and what comes of it is recorded. Exit code 1 when it is refused. Without a name it lists the commands.',
    )
    .argument('[name]', 'shop.place-order')
    .option('-d, --data <json>', 'what it asks for: JSON, @FILE, or - for standard input')
    .option('--id <id>', 'give your own to make a repetition harmless (default: a new one)')
    .option('--expected-version <version>', 'only if its stream is there: a number, none or exists')
    .option('--correlationid <id>', 'the conversation it belongs to')
    .option('--actor <type:id>', 'who gives it, kept with its facts: user:anna')
    .option('--reason <text>', 'why, kept with its outcome and its facts')
    .addHelpText('after', `\nExample:\n  thereupon command shop.cancel-order --data '{"orderId":"17"}' --id cancel-17`)
    .action(async (name: string | undefined, options: CommandOptions) => {
      if (name === undefined) {
        if (options.data !== undefined) throw new UsageError('--data: expected the name of a command before it');
        await list(options, terminal);
        return exit(EXIT_OK);
      }
      const data =
        options.data === undefined ? undefined : jsonOption('--data', await dataText(options.data, terminal));
      exit(await execute(name, data, options, terminal));
    });
}

async function list(options: AccessOptions, terminal: Terminal): Promise<void> {
  await withSystem(options, terminal, 'read', async ({ api, isProgram }) => {
    const found = await api.get<{ commands: readonly CommandJson[] }>('/commands');
    if (options.json === true) return writeJson(terminal, found);
    if (found.commands.length === 0)
      return terminal.note(`there are no commands: ${isProgram ? 'no decider is defined' : NAME_THE_PROGRAM}\n`);
    await terminal.write(
      table(
        found.commands,
        [
          { title: 'COMMAND', text: (each) => printable(each.name), ink: () => 'bold' },
          { title: 'DECIDED BY', text: ({ decider }) => printable(decider) },
          { title: 'WHAT', text: ({ summary }) => printable(summary ?? '') },
        ],
        terminal.out,
      ),
    );
  });
}

function assertVersion(text: string | undefined): void {
  if (text === undefined || /^(?:\d{1,15}|none|exists|any)$/.test(text)) return;
  throw new UsageError(
    `--expected-version: expected a whole number from 0, none, exists or any, found ${JSON.stringify(text)}`,
  );
}

/** Answers the exit code. */
async function execute(name: string, data: unknown, options: CommandOptions, terminal: Terminal): Promise<number> {
  assertVersion(options.expectedVersion);
  const headers = {
    ...(options.id === undefined ? {} : { 'thereupon-command-id': options.id }),
    ...(options.expectedVersion === undefined ? {} : { 'thereupon-expected-version': options.expectedVersion }),
    ...(options.correlationid === undefined ? {} : { 'thereupon-correlation-id': options.correlationid }),
    ...actorHeaders(options.actor),
    ...(options.reason === undefined ? {} : { 'thereupon-reason': encodeHeaderValue(options.reason, 'reason') }),
  };
  return withSystem(options, terminal, 'write', async ({ api }) => {
    try {
      const outcome = await api.post<CommandOutcome>(`/commands${pathOf(name)}`, data, headers);
      await (options.json === true ? writeJson(terminal, outcome) : terminal.write(inWords(outcome)));
      return EXIT_OK;
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== 'command-refused') throw error;
      if (options.json === true) await writeJson(terminal, { accepted: false, ...error.problem });
      else await terminal.write(refusalInWords(error));
      return EXIT_FAILED;
    }
  });
}

function actorHeaders(actor: string | undefined): Record<string, string> {
  if (actor === undefined) return {};
  const { authtype, authid } = actorAttributes(parseActor(actor));
  return {
    'ce-authtype': authtype,
    ...(authid === undefined ? {} : { 'ce-authid': encodeHeaderValue(authid, 'authid') }),
  };
}

function inWords({ id, events, stream, version, duplicate }: CommandOutcome): string {
  const where = stream === undefined ? '' : `, ${printable(stream)} is at version ${version}`;
  const first = duplicate ? `${printable(id)} was executed before and accepted` : `${printable(id)} accepted`;
  return `${first}: ${events.length === 0 ? 'nothing to record' : plural(events.length, 'fact')}${where}\n${factsInWords(events)}`;
}

function factsInWords(events: CommandOutcome['events']): string {
  const lines = events.map(
    (event) => `  ${printable(event.type)} ${printable(event.stream)}@${event.version}, position ${event.position}\n`,
  );
  return lines.join('');
}

function refusalInWords({ problem, message }: ApiProblem): string {
  const { id, reason, duplicate, events } = problem as Partial<CommandOutcome & { readonly reason: string }>;
  const name = printable(id ?? '');
  const first = duplicate === true ? `${name} was executed before and refused` : `${name} refused`;
  const more = message === reason ? '' : ` (${printable(message)})`;
  return `${first}: ${printable(reason ?? '')}${more}\n${factsInWords(events ?? [])}`;
}
