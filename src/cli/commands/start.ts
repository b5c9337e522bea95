import { Option } from 'commander';
import type { Command } from 'commander';
import { withProgram } from '../command.ts';
import { serve } from '../run/serve.ts';
import type { ServeOptions } from '../run/serve.ts';
import { Supervisor } from '../run/supervise.ts';
import type { Terminal } from '../terminal.ts';

export function startCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withServer(program.command('start'))
    .summary('run a program with its server')
    .description('Runs a program with its server: takes the store, starts what reacts, answers over HTTP.')
    .option('--live', 'show what happens and what reacted')
    .action(async (options: ServeOptions) => exit(await serve(options, terminal)));
}

export function devCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withServer(program.command('dev'))
    .summary('run a program, show what happens, restart when its files change')
    .description(
      'Runs a program with its server, shows what happens and what reacted, and starts it again when one of its files changes.',
    )
    .action(async (options: ServeOptions) => exit(await new Supervisor(argumentsOf(options), terminal).run()));
}

function withServer(command: Command): Command {
  return withProgram(command)
    .option('-p, --port <port>', 'where the server listens; 0: any free port (THEREUPON_PORT, default 4600)')
    .option('--host <address>', 'default 127.0.0.1; any other than loopback needs THEREUPON_API_KEY (THEREUPON_HOST)')
    .option('--feed <rate>', 'events a second from the feed of the configuration, or off (THEREUPON_FEED)')
    .addOption(
      new Option('--log-level <level>', 'of the structured log on standard error').choices([
        'debug',
        'info',
        'warn',
        'error',
        'silent',
      ]),
    );
}

function argumentsOf(options: ServeOptions): string[] {
  const { config, store, port, host, feed, logLevel, verbose } = options;
  const named = { config, store, port, host, feed, 'log-level': logLevel };
  return [
    '--live',
    ...Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`])),
    ...(verbose === true ? ['--verbose'] : []),
  ];
}
