import type { Command } from 'commander';
import { UsageError } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

interface BenchOptions {
  readonly only?: string;
  readonly store?: string;
  readonly json?: boolean;
  readonly scale?: string;
}

export function benchCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  program
    .command('bench')
    .summary('measure this machine')
    .description('Measures publishing and reacting on this machine, each beside the raw limit of its disk.')
    .option('--only <workloads>', 'only these, such as P1,P3; on PostgreSQL PG-P1,PG-P3')
    .option(
      '-s, --store <store>',
      'a file in place of fresh ones, whose content stays and grows; or the address of a PostgreSQL database, where schemas are made and removed (its role must be allowed to)',
    )
    .option('--scale <factor>', 'of the number of events (default 1)')
    .option('--json', 'one JSON line per workload')
    .action(async (options: BenchOptions) => {
      const { runBench } = await import('../../bench/run.ts');
      const scale = options.scale === undefined ? undefined : Number(options.scale);
      if (scale !== undefined && !(scale > 0))
        throw new UsageError(`--scale: expected a number above 0, found ${JSON.stringify(options.scale)}`);
      const only = options.only?.split(',').map((name) => name.trim());
      try {
        const code = await runBench(
          {
            json: options.json === true,
            ...(only === undefined ? {} : { only }),
            ...(options.store === undefined ? {} : { store: options.store }),
            ...(scale === undefined ? {} : { scale }),
          },
          (line) => void terminal.write(`${line}\n`),
        );
        exit(code);
      } catch (error) {
        if (error instanceof RangeError) throw new UsageError(error.message);
        throw error;
      }
    });
}
