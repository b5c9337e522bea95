import type { Command } from 'commander';
import { pendingMigrations } from '../../index.ts';
import { openProgram } from '../access/open-program.ts';
import { loadProgram } from '../access/program-file.ts';
import type { ProgramOptions } from '../access/program-file.ts';
import { withProgram, writeJson } from '../command.ts';
import { CommandFailed, EXIT_OK } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

interface MigrateOptions extends ProgramOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function migrateCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withProgram(program.command('migrate'))
    .summary('bring the store to the form of this version')
    .description(
      'Brings the store to the form that this version works with, or makes it. A program does so by itself when it opens the store; this is for who would rather look first, or do it apart.',
    )
    .option('--dry-run', 'print the SQL that would be run, and change nothing')
    .option('--json', 'answer in JSON, for programs')
    .action(async (options: MigrateOptions) => {
      const opened = await loadProgram(options, terminal);
      const pending = await pendingMigrations(opened.config.store);
      if (pending === undefined) throw new CommandFailed('the store has no form that could change: it is not kept');
      const { from, to, sql } = pending;
      if (options.dryRun !== true && sql !== '') {
        const system = await openProgram(opened, { consume: false });
        await system.close();
      }
      const isDry = options.dryRun === true;
      if (options.json === true) await writeJson(terminal, { from, to, migrated: !isDry && sql !== '', sql });
      else if (isDry && sql !== '') await terminal.write(sql);
      else
        await terminal.write(
          sql === '' ? `${present(isDry)}version ${to}\n` : `migrated from version ${from} to ${to}\n`,
        );
      exit(EXIT_OK);
    });
}

/** What is printed by a dry run is SQL in any case. */
function present(isDry: boolean): string {
  return `${isDry ? '-- ' : ''}nothing to do: the store has the present form, `;
}
