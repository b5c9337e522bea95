import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Config } from '../../index.ts';
import { CommandFailed, UsageError } from '../failure.ts';
import type { Terminal } from '../terminal.ts';

/** Which program a command is about, as the user said it. */
export interface ProgramOptions {
  readonly config?: string;
  readonly store?: string;
}

/** A program: what its configuration says, with the store that was asked for. */
export interface Program {
  readonly config: Config;
  /** Undefined: a store without a configuration; nothing reacts. */
  readonly file: string | undefined;
}

const NAMES = ['thereupon.config.ts', 'thereupon.config.js', 'thereupon.config.mjs'];

/**
 * The program that was named, or the one in this folder.
 *
 * Errors    UsageError when there is neither a configuration nor a store; CommandFailed says what is wrong with the configuration.
 */
export async function loadProgram(options: ProgramOptions, terminal: Pick<Terminal, 'cwd' | 'env'>): Promise<Program> {
  const file = findConfig(options, terminal);
  const given = options.store ?? ifGiven(terminal.env['THEREUPON_STORE']);
  const store = given === undefined ? undefined : storeOf(given, terminal.cwd);
  if (file === undefined) {
    if (store === undefined) {
      throw new UsageError(
        `there is no thereupon.config.ts in ${terminal.cwd}, and no store was named.\n` +
          'Name a configuration with --config FILE (or THEREUPON_CONFIG), a store with --store FILE (or THEREUPON_STORE), or a running server with --url.',
      );
    }
    return { config: { store, unknownTypes: 'accept' }, file: undefined };
  }
  const config = await loadConfig(file);
  return { config: store === undefined ? config : { ...config, store }, file };
}

function findConfig(options: ProgramOptions, { cwd, env }: Pick<Terminal, 'cwd' | 'env'>): string | undefined {
  const named = options.config ?? ifGiven(env['THEREUPON_CONFIG']);
  if (named === undefined) return NAMES.map((name) => path.join(cwd, name)).find((candidate) => existsSync(candidate));
  const file = path.resolve(cwd, named);
  const folder = statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  const found = folder ? NAMES.map((name) => path.join(file, name)).find((candidate) => existsSync(candidate)) : file;
  if (found === undefined || !existsSync(found))
    throw new CommandFailed(
      `configuration ${named}: there is no such file${folder ? `; looked for ${NAMES.join(', ')} in it` : ''}`,
    );
  return found;
}

async function loadConfig(file: string): Promise<Config> {
  const name = path.relative(process.cwd(), file).startsWith('..') ? file : path.relative(process.cwd(), file);
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  } catch (error) {
    throw new CommandFailed(`configuration ${name} cannot be loaded: ${reasonOf(error)}`, { cause: error });
  }
  const config = module.default;
  if (config === undefined)
    throw new CommandFailed(`configuration ${name}: it exports no default; write export default defineConfig({ ... })`);
  if (typeof config !== 'object' || config === null)
    throw new CommandFailed(
      `configuration ${name}: its default export is no configuration; write export default defineConfig({ ... })`,
    );
  if (!('store' in config))
    throw new CommandFailed(`configuration ${name}: store is missing; name one, such as store: './data/app.db'`);
  return config as Config;
}

/** The reason in one line; for errors of syntax with the place, which Node puts in front of the stack. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place =
    error instanceof SyntaxError ? /^(?:file:\/\/)?(\S+?:\d+)(?::\d+)?\n/.exec(error.stack ?? '')?.[1] : undefined;
  return `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}${place === undefined ? '' : ` (${place})`}`;
}

/** A path means one file, whatever the folder that a part of the program looks from. */
function storeOf(given: string, cwd: string): string {
  if (given === 'memory:' || /^[a-z][a-z0-9+.-]+:\/\//i.test(given)) return given;
  return path.resolve(cwd, given);
}

function ifGiven(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
