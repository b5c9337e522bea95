import type { Command } from 'commander';
import { Option } from 'commander';
import { connect } from './access/connect.ts';
import type { Connection, ConnectOptions, Need } from './access/connect.ts';
import { ApiProblem, CommandFailed, UsageError } from './failure.ts';
import type { Terminal } from './terminal.ts';

/** Adds what every operating command takes: which system it is about, and how it answers. */
export function withAccess(command: Command): Command {
  return withProgram(command)
    .addOption(new Option('--url <url>', 'a running server, in place of a store (THEREUPON_URL)'))
    .addOption(new Option('--api-key <key>', 'of that server (THEREUPON_API_KEY)'))
    .addOption(new Option('--json', 'answer in JSON, for programs'));
}

/** Adds what names a program. */
export function withProgram(command: Command): Command {
  return command
    .addOption(new Option('-c, --config <file>', 'the configuration; default ./thereupon.config.ts (THEREUPON_CONFIG)'))
    .addOption(
      new Option(
        '-s, --store <store>',
        'a file or an address, in place of the store in the configuration (THEREUPON_STORE)',
      ),
    )
    .addOption(new Option('--verbose', 'say what is done, and where an error happened'));
}

/** Runs a command's work on a system, and lets the system go whatever happens. */
export async function withSystem<Result>(
  options: ConnectOptions,
  terminal: Terminal,
  need: Need,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const connection = await connect(options, terminal, need);
  try {
    return await work(connection);
  } catch (error) {
    throw connection.isProgram ? error : withoutProgram(error);
  } finally {
    await connection.close();
  }
}

/** What is meant by a command that knows no definitions it could not have known. */
export const NAME_THE_PROGRAM =
  'no configuration was given, so what the program of this store defines is not known: name it with --config, or its server with --url';

function withoutProgram(error: unknown): unknown {
  const isUnknown = error instanceof ApiProblem && /^(?:not-found|wrong-state|unknown-event-type)$/.test(error.code);
  return isUnknown ? new CommandFailed(`${error.message}\n${NAME_THE_PROGRAM}`, { cause: error }) : error;
}

/** One document, for a program. */
export function writeJson(terminal: Terminal, value: unknown): Promise<void> {
  return terminal.write(`${JSON.stringify(value, undefined, terminal.out.isTerminal ? 2 : undefined)}\n`);
}

/** An option that may be repeated. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** Errors: UsageError names the option. */
export function wholeNumber(
  name: string,
  minimum: number,
  maximum = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    const range = maximum === Number.MAX_SAFE_INTEGER ? `from ${minimum}` : `from ${minimum} to ${maximum}`;
    throw new UsageError(`${name}: expected a whole number ${range}, found ${JSON.stringify(text)}`);
  };
}

/** Errors: UsageError names the option. */
export function jsonOption(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UsageError(
      `${name}: expected JSON, found ${JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text)} (${(error as Error).message})`,
    );
  }
}
