import { Command, CommanderError } from 'commander';
import { benchCommand } from './commands/bench.ts';
import { catalogCommand } from './commands/catalog.ts';
import { checkCommand } from './commands/check.ts';
import { commandCommand } from './commands/command.ts';
import { consumersCommand } from './commands/consumers.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { doctorCommand } from './commands/doctor.ts';
import { migrateCommand } from './commands/migrate.ts';
import { forgetCommand } from './commands/forget.ts';
import { exportCommand } from './commands/export.ts';
import { importCommand } from './commands/import.ts';
import { publishCommand } from './commands/publish.ts';
import { simulateCommand } from './commands/simulate.ts';
import { devCommand, startCommand } from './commands/start.ts';
import { streamsCommand } from './commands/streams.ts';
import { tailCommand } from './commands/tail.ts';
import { verifyCommand } from './commands/verify.ts';
import { viewsCommand } from './commands/views.ts';
import { whyCommand } from './commands/why.ts';
import { describeFailure, EXIT_OK, EXIT_USAGE, exitCodeOf, failureJson } from './failure.ts';
import type { Terminal } from './terminal.ts';
import { packageVersion } from './version.ts';

const EXAMPLES = `
Examples:
  thereupon dev                                        run ./thereupon.config.ts and watch what happens
  thereupon publish -t shop.payment.received -d '{"orderId":"17","amountCents":4200,"method":"card"}'
  thereupon tail --category order
  thereupon import orders.csv --mapping orders.mapping.json
  thereupon doctor

Commands reach a running program by themselves: through its store they learn where its server answers. A store on
PostgreSQL whose programs run on other machines they open themselves; what steers or publishes then needs the
configuration of the program, or the address of its server (--url).`;

/**
 * Runs one command. Answers the exit code: 0 it is done, 1 it failed, 2 it was not understood, 5 what was checked does not hold.
 *
 * Guarantee Never throws: what goes wrong is said on the terminal, in words for the one who called.
 */
export async function runProgram(args: readonly string[], terminal: Terminal): Promise<number> {
  let code = EXIT_OK;
  const program = programFor(terminal, (given) => (code = given));
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    // Commander has said already what it did not understand.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    if (terminal.signal.aborted && terminal.signal.reason === 'EPIPE') return EXIT_OK;
    const words = describeFailure(error, args.includes('--verbose'));
    terminal.note(`${args.includes('--json') ? JSON.stringify({ error: failureJson(error) }) : words}\n`);
    return exitCodeOf(error);
  }
}

function programFor(terminal: Terminal, exit: (code: number) => void): Command {
  const program = new Command('thereupon')
    .description('Event-driven automation: record what happened, and thereupon react.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('--help shows how it is used')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.write(text),
      writeErr: (text) => terminal.note(text),
      getOutHelpWidth: () => terminal.out.columns,
      getErrHelpWidth: () => terminal.err.columns,
      getOutHasColors: () => terminal.out.colour,
      getErrHasColors: () => terminal.err.colour,
    });
  const commands = [
    devCommand,
    startCommand,
    publishCommand,
    commandCommand,
    tailCommand,
    importCommand,
    exportCommand,
    streamsCommand,
  ];
  const operating = [
    consumersCommand,
    deadLettersCommand,
    viewsCommand,
    whyCommand,
    catalogCommand,
    checkCommand,
    verifyCommand,
    forgetCommand,
    doctorCommand,
    migrateCommand,
    simulateCommand,
    benchCommand,
  ];
  for (const add of [...commands, ...operating]) add(program, terminal, exit);
  return program;
}
