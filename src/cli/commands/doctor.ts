import type { Command } from 'commander';
import type { AccessOptions } from '../access/connect.ts';
import { withProgram, writeJson } from '../command.ts';
import { examine } from '../run/examine.ts';
import type { Finding } from '../run/examine.ts';
import { EXIT_FAILED, EXIT_OK } from '../failure.ts';
import { padEnd, paintFor, plural, printable } from '../output/text.ts';
import type { Ink } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

const MARKS: Readonly<Record<Finding['state'], readonly [mark: string, ink: Ink]>> = {
  ok: ['✓', 'green'],
  note: ['·', 'dim'],
  wrong: ['✗', 'red'],
};

export function doctorCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  withProgram(program.command('doctor'))
    .summary('look for what is wrong, and say what to do')
    .description(
      'Looks at the runtime, the configuration, the store, its disk, the clock and everything that reacts. Exit code 1 when something is wrong.',
    )
    .option('--api-key <key>', 'of the running program (THEREUPON_API_KEY)')
    .option('--json', 'answer in JSON, for programs')
    .action(async (options: AccessOptions) => {
      const findings = await examine(options, terminal);
      const wrong = findings.filter(({ state }) => state === 'wrong').length;
      if (options.json === true) await writeJson(terminal, { ok: wrong === 0, findings });
      else {
        await terminal.write(findings.map((finding) => lineOf(finding, terminal)).join(''));
        await terminal.write(wrong === 0 ? '\nall is well\n' : `\n${plural(wrong, 'thing')} wrong\n`);
      }
      exit(wrong === 0 ? EXIT_OK : EXIT_FAILED);
    });
}

function lineOf({ check, state, found, advice }: Finding, terminal: Terminal): string {
  const paint = paintFor(terminal.out);
  const [mark, ink] = MARKS[state];
  const line = `${paint(ink, mark)} ${padEnd(check, 13)} ${printable(found)}\n`;
  return advice === undefined ? line : `${line}  ${' '.repeat(13)} ${paint('bold', `→ ${printable(advice)}`)}\n`;
}
