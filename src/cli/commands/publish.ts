import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { text as textFrom } from 'node:stream/consumers';
import type { Command } from 'commander';
import { actorAttributes } from '../../index.ts';
import type { JsonValue, Published } from '../../index.ts';
import { parseActor } from '../access/actor.ts';
import type { AccessOptions } from '../access/connect.ts';
import { typeCheck } from '../access/known-types.ts';
import { collect, jsonOption, withAccess, withSystem, writeJson } from '../command.ts';
import { CommandFailed, EXIT_OK, UsageError } from '../failure.ts';
import { printable } from '../output/text.ts';
import type { Terminal } from '../terminal.ts';

/** The attributes that have an option of their own. */
const ATTRIBUTES = [
  'subject',
  'stream',
  'time',
  'correlationid',
  'causationid',
  'partitionkey',
  'sequence',
  'expirytime',
  'dataschema',
] as const;

export interface PublishOptions extends AccessOptions, Readonly<Partial<Record<(typeof ATTRIBUTES)[number], string>>> {
  readonly type: string;
  readonly data?: string;
  readonly contentType?: string;
  readonly source?: string;
  readonly id?: string;
  readonly attribute?: readonly string[];
  readonly actor?: string;
  readonly reason?: string;
}

export function publishCommand(program: Command, terminal: Terminal, exit: (code: number) => void): void {
  const command = withAccess(program.command('publish'))
    .summary('record one event')
    .description(
      'Records one event and prints its place. What reacts to it runs in the program that holds the store, or when that program starts.',
    )
    .requiredOption('-t, --type <type>', 'a business fact in the past tense: shop.order.placed')
    .option('-d, --data <json>', 'the data: JSON, @FILE, or - for standard input')
    .option('--content-type <type>', 'of data that is not JSON, such as text/plain')
    .option('--source <uri>', 'who says so; with the id it identifies the event (default: /cli)')
    .option('--id <id>', 'give your own to make a repetition harmless (default: a new one)')
    .option('--actor <type:id>', 'on whose behalf: user:anna')
    .option('--reason <text>', 'why, kept with it')
    .option('-a, --attribute <name=value>', 'another attribute, such as an extension; may be repeated', collect);
  for (const name of ATTRIBUTES) command.option(`--${name} <text>`, DESCRIPTIONS[name]);
  command
    .addHelpText(
      'after',
      `\nExample:\n  thereupon publish --type shop.payment.received --data '{"orderId":"17","amountCents":4200,"method":"card"}'`,
    )
    .action(async (options: PublishOptions) => {
      const event = await eventFrom(options, terminal);
      await withSystem(options, terminal, 'write', async (connection) => {
        await typeCheck(connection)(options.type);
        const published = await connection.api.publish<Published>(event);
        await (options.json === true ? writeJson(terminal, published) : terminal.write(`${placeOf(published)}\n`));
      });
      exit(EXIT_OK);
    });
}

const DESCRIPTIONS: Readonly<Record<(typeof ATTRIBUTES)[number], string>> = {
  subject: 'what the fact is about: order-17',
  stream: 'the entity that it belongs to (default: as its definition says, else the subject, else the source)',
  time: 'when it happened, RFC 3339 (default: now)',
  correlationid: 'the conversation it belongs to',
  causationid: 'the id of what led to it',
  partitionkey: 'ordering key, where it is not the stream',
  sequence: "the producer's own sequence number",
  expirytime: 'after this it is recorded as expired rather than delivered',
  dataschema: 'the schema of the data',
};

/** The CloudEvent that the options describe. Errors: UsageError. */
export async function eventFrom(
  options: PublishOptions,
  terminal: Pick<Terminal, 'cwd' | 'input'>,
): Promise<Record<string, JsonValue>> {
  const event: Record<string, JsonValue> = {
    specversion: '1.0',
    id: options.id ?? randomUUID(),
    source: options.source ?? '/cli',
    type: options.type,
  };
  for (const name of ATTRIBUTES) {
    const value = options[name];
    if (value !== undefined) event[name] = value;
  }
  if (options.actor !== undefined) Object.assign(event, actorAttributes(parseActor(options.actor)));
  if (options.reason !== undefined) event['authreason'] = options.reason;
  for (const given of options.attribute ?? []) {
    const split = given.indexOf('=');
    if (split < 1) throw new UsageError(`--attribute: expected name=value, found ${JSON.stringify(given)}`);
    event[given.slice(0, split)] = given.slice(split + 1);
  }
  if (options.data === undefined) return event;
  const text = await dataText(options.data, terminal);
  const plain = options.contentType !== undefined && !/[/+]json\s*(?:;|$)/i.test(options.contentType);
  event['datacontenttype'] = options.contentType ?? 'application/json';
  event['data'] = plain ? text : (jsonOption('--data', text) as JsonValue);
  return event;
}

/** Of an option `--data`: itself, that of @FILE, or of the standard input. Errors: CommandFailed. */
export async function dataText(data: string, terminal: Pick<Terminal, 'cwd' | 'input'>): Promise<string> {
  if (data === '-') return textFrom(terminal.input() as AsyncIterable<string | Uint8Array>);
  if (!data.startsWith('@')) return data;
  const file = path.resolve(terminal.cwd, data.slice(1));
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw new CommandFailed(`--data: ${file} cannot be read: ${(error as Error).message}`);
  });
}

function placeOf({ id, stream, version, position, duplicate, quarantined }: Published): string {
  const place = `${printable(stream)}@${version}, position ${position}`;
  if (duplicate) return `${printable(id)} was recorded before: ${place}`;
  if (quarantined)
    return `${printable(id)} is quarantined, as its data does not fit its schema or its time is too far ahead: while its program runs, thereupon dead-letters list --consumer thereupon.quarantine says why`;
  return `${printable(id)} recorded: ${place}`;
}
