import type { Command } from 'commander';
import { pathOf } from '../access/api.ts';
import type { AccessOptions } from '../access/connect.ts';
import { withAccess, withSystem, writeJson } from '../command.ts';
import { EXIT_FAILED, EXIT_OK, UsageError } from '../failure.ts';
import { plural, printable } from '../output/text.ts';
import { isYes } from '../confirm.ts';
import type { Terminal } from '../terminal.ts';

interface ForgetOptions extends AccessOptions {
  readonly yes?: boolean;
}

interface Forgotten {
  readonly subject: string;
  readonly keys: number;
}

export function forgetCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withAccess(program.command('forget'))
    .summary('forget a person: what is personal about them becomes unreadable')
    .description(
      'Deletes the keys that the personal fields of a person are sealed with. In the log, in views, states, snapshots, dead letters and in sealed exports ' +
        'these read as erased from then on, also in those made before; events, their order, their counts and the hash chain stay. It cannot be undone.\n\n' +
        'What it does not reach: backups of the store that hold its keys, exports in plain text, and what programs told others. See docs/guides/personal-data.md.',
    )
    .argument('<subject>', 'as the definitions of events name the person: customer-9')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExamples:\n  thereupon forget customer-9\n  thereupon forget customer-9 --yes --json')
    .action(async (subject: string, options: ForgetOptions) => {
      exit(await runForget(subject, options, terminal));
    });
}

async function runForget(subject: string, options: ForgetOptions, terminal: Terminal): Promise<number> {
  const name = printable(subject);
  if (options.yes !== true) {
    if (!terminal.err.isTerminal) throw new UsageError(`nobody can be asked here; say --yes to forget ${name}`);
    terminal.note(
      `Everything personal about ${name} becomes unreadable, in the log, views, states, dead letters and sealed exports.\nThis cannot be undone. Forget ${name}? Type yes: `,
    );
    if (!(await isYes(terminal))) {
      terminal.note('nothing was done\n');
      return EXIT_FAILED;
    }
  }
  const forgotten = await withSystem(options, terminal, 'hold', ({ api }) =>
    api.delete<Forgotten>(`/subjects${pathOf(subject)}`),
  );
  if (options.json === true) await writeJson(terminal, forgotten);
  else if (forgotten.keys === 0)
    terminal.note(`there is no key of ${name}: nothing was sealed for them, or they are forgotten already\n`);
  else terminal.note(`${name} is forgotten: ${plural(forgotten.keys, 'key')} deleted\n`);
  return EXIT_OK;
}
