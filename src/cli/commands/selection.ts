import type { Command } from 'commander';
import type { Query } from '../access/api.ts';
import { collect, jsonOption } from '../command.ts';
import { UsageError } from '../failure.ts';

/** Which events, as the options say it. */
export interface SelectionOptions {
  readonly type?: readonly string[];
  readonly category?: readonly string[];
  readonly stream?: string;
  readonly source?: readonly string[];
  readonly correlationid?: string;
  readonly where?: string;
}

export function withSelection(command: Command): Command {
  return command
    .option('-t, --type <type>', 'only events of this type; may be repeated', collect)
    .option(
      '--category <category>',
      'only events of streams of this category, as order for order-17; may be repeated',
      collect,
    )
    .option('--stream <stream>', 'only events of this stream')
    .option('--source <uri>', 'only events of this source; may be repeated', collect)
    .option('--correlationid <id>', 'only events of this conversation')
    .option('-w, --where <pattern>', `an event pattern: '{"data":{"total":[{"numeric":[">=",100]}]}}'`);
}

/** Errors: UsageError. */
export function queryOf(options: SelectionOptions): Query {
  if (options.where !== undefined) jsonOption('--where', options.where);
  const { type, category, stream, source, correlationid, where } = options;
  return { type, category, stream, source, correlationid, where };
}

/** `beginning`, or the position of an event. Errors: UsageError. */
export function afterOption(text: string): number {
  if (text === 'beginning') return 0;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new UsageError(`--after: expected a position or beginning, found ${JSON.stringify(text)}`);
  return value;
}
