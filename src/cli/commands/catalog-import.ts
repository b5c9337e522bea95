import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { eventsOfAsyncApi, eventSource, jsonSchema, ThereuponError } from '../../index.ts';
import type { ImportedEvent, JsonSchemaDocument } from '../../index.ts';
import { CommandFailed, EXIT_OK } from '../failure.ts';
import { plural, printable } from '../output/text.ts';
import { writeResult } from '../output/whole-file.ts';
import type { Terminal } from '../terminal.ts';

interface ImportOptions {
  readonly out?: string;
  readonly force?: boolean;
}

export function catalogImportCommand(catalog: Command, terminal: Terminal, exit: (code: number) => void): void {
  catalog
    .command('import')
    .summary('make event definitions of an AsyncAPI document')
    .description(
      'Makes TypeScript source that defines the events of an AsyncAPI 3 document, in YAML or JSON: a type and a schema for each message.',
    )
    .argument('<file>', 'the document; - reads standard input')
    .option('-o, --out <file>', 'a file in place of standard output')
    .option('--force', 'replace that file')
    .addHelpText('after', '\nExample:\n  thereupon catalog import asyncapi.yaml --out events.ts')
    .action(async (file: string, options: ImportOptions) => {
      const { out } = options;
      if (out !== undefined && options.force !== true && existsSync(path.resolve(terminal.cwd, out)))
        throw new CommandFailed(`${out} is there already; --force replaces it`);
      const document = await documentIn(file, terminal);
      const events = eventsIn(document, file);
      await writeResult(eventSource(events, aboutOf(document, file)), out, terminal);
      for (const { type, remarks } of events)
        for (const remark of remarks) terminal.note(`${printable(type)}: ${printable(remark)}\n`);
      terminal.note(`${plural(events.length, 'event type')} from ${file}\n`);
      exit(EXIT_OK);
    });
}

/** Errors: CommandFailed where the file is not there, or no document. */
async function documentIn(file: string, terminal: Terminal): Promise<unknown> {
  const source = await (
    file === '-' ? text(terminal.input()) : readFile(path.resolve(terminal.cwd, file), 'utf8')
  ).catch((error: unknown) => {
    throw new CommandFailed(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  });
  // JSON is YAML, and this parser says in which line something is wrong.
  const { parse } = await import('yaml');
  try {
    return parse(source) as unknown;
  } catch (error) {
    throw new CommandFailed(`${file} is neither YAML nor JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** Errors: CommandFailed where the document has no events, or one whose schema cannot be used. */
function eventsIn(document: unknown, file: string): readonly ImportedEvent[] {
  let events: readonly ImportedEvent[];
  try {
    events = eventsOfAsyncApi(document);
  } catch (error) {
    if (!(error instanceof ThereuponError)) throw error;
    throw new CommandFailed(`${file}: ${error.message}`, { cause: error });
  }
  if (events.length === 0) throw new CommandFailed(`${file} has no messages, in its channels or components`);
  for (const { type, jsonSchema: schema } of events) {
    try {
      jsonSchema(schema as JsonSchemaDocument, { formats: 'assert' });
    } catch (error) {
      if (!(error instanceof ThereuponError)) throw error;
      throw new CommandFailed(`${file}: the payload of ${printable(type)} cannot be used: ${error.message}`, {
        cause: error,
      });
    }
  }
  return events;
}

function aboutOf(document: unknown, file: string): string {
  const { info } = document as { readonly info?: { readonly title?: unknown; readonly version?: unknown } };
  const named = [info?.title, info?.version].filter((each) => typeof each === 'string').join(', version ');
  const name = file === '-' ? 'an AsyncAPI document' : path.basename(file);
  return `Events of ${named === '' ? name : `${named}, from ${name}`}, by \`thereupon catalog import\`.`;
}
