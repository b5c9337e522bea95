import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createLogger } from '../../index.ts';
import type { Config, Logger, ServerOptions, System } from '../../index.ts';
import { textOf } from '../access/connect.ts';
import { startServer } from '../../server/index.ts';
import { openProgram } from '../access/open-program.ts';
import { loadProgram } from '../access/program-file.ts';
import type { Program } from '../access/program-file.ts';
import { CommandFailed, EXIT_OK, UsageError } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { banner } from './banner.ts';
import { consoleLogger } from './console-logger.ts';
import { LiveLines } from './live-lines.ts';

export interface ServeOptions {
  readonly config?: string;
  readonly store?: string;
  readonly port?: string;
  readonly host?: string;
  readonly feed?: string;
  readonly live?: boolean;
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly verbose?: boolean;
}

/** A feed runs at this rate, in events a second, where nobody said another one: fast enough to see something, slow enough to read. */
const DEFAULT_FEED_RATE = 2;

/** Runs a program with its server until it is asked to stop. */
export async function serve(options: ServeOptions, terminal: Terminal): Promise<number> {
  const program = await loadWatched(options, terminal);
  const { config, file } = program;
  const server = serverOptions(options, config, terminal);
  const rate = feedRate(options.feed ?? terminal.env['THEREUPON_FEED'], config);
  const environment = { logger: loggerOf(options, terminal), ...config.environment };
  const system = await openProgram(program, { environment }).catch(async (error: unknown) => {
    // What its definitions do wrong is said with the file that they stand in.
    if (error instanceof CommandFailed) await terminal.supervisor?.({ kind: 'refused' });
    throw error;
  });
  try {
    const running = await startServer(system, server);
    try {
      await banner({ system, config, file, url: running.url, rate, apiKey: server.apiKeys?.map(textOf)[0] }, terminal);
      await terminal.supervisor?.({ kind: 'ready' });
      await untilStopped(system, { config, rate, live: options.live === true }, terminal);
      terminal.note('\nclosing …\n');
    } finally {
      await running.close();
    }
  } finally {
    await system.close();
  }
  terminal.note('closed\n');
  return EXIT_OK;
}

/** Loads the program; a supervisor is told which files it was made from, also when loading failed. */
async function loadWatched(options: ServeOptions, terminal: Terminal): Promise<Program> {
  const { supervisor } = terminal;
  if (supervisor === undefined) return loadProgram(options, terminal);
  const files = new Set<string>();
  const hooks = registerHooks({
    load(url, context, next) {
      if (url.startsWith('file:') && !url.includes('/node_modules/'))
        files.add(fileURLToPath(url.replace(/[?#].*$/, '')));
      return next(url, context);
    },
  });
  let loaded = false;
  try {
    const program = await loadProgram(options, terminal);
    loaded = true;
    return program;
  } finally {
    hooks.deregister();
    await supervisor({ kind: 'loaded', files: [...files], ok: loaded });
  }
}

async function untilStopped(
  system: System,
  { config, rate, live }: { config: Config; rate: number; live: boolean },
  terminal: Terminal,
): Promise<void> {
  const { signal } = terminal;
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const lines = live ? new LiveLines(system, terminal).follow(system, signal) : undefined;
  const feeding = rate > 0 ? feed(system, config, rate, terminal) : undefined;
  await Promise.race([stopped, feeding?.then(() => stopped) ?? stopped]);
  await Promise.allSettled([lines, feeding]);
}

/** A feed that fails ends, and says so; the program goes on. */
async function feed(system: System, config: Config, rate: number, terminal: Terminal): Promise<void> {
  try {
    await config.feed?.({ system, rate, signal: terminal.signal });
  } catch (error) {
    if (!terminal.signal.aborted) system.environment.logger.error({ err: error }, 'the feed failed and was ended');
  }
}

function serverOptions(options: ServeOptions, config: Config, { env }: Terminal): ServerOptions {
  const fromEnv = ifGiven(env['THEREUPON_PORT']);
  const port = options.port === undefined ? portOf(fromEnv, 'THEREUPON_PORT') : portOf(options.port, '--port');
  const keys = [env['THEREUPON_API_KEY'], ...(env['THEREUPON_API_KEYS'] ?? '').split(',')]
    .map((key) => key?.trim() ?? '')
    .filter((key) => key !== '');
  const host = options.host ?? ifGiven(env['THEREUPON_HOST']);
  return {
    ...config.server,
    ...(port === undefined ? {} : { port }),
    ...(host === undefined ? {} : { host }),
    ...(keys.length === 0 ? {} : { apiKeys: keys }),
  };
}

function portOf(text: string | undefined, named: string): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`${named}: expected a number from 0 to 65535, found ${JSON.stringify(text)}`);
}

/** Events a second; 0: no feed. */
function feedRate(text: string | undefined, config: Config): number {
  if (text === 'off' || text === '0') return 0;
  const rate = text === undefined || text === '' ? DEFAULT_FEED_RATE : Number(text);
  if (!(rate > 0) || rate > 100_000)
    throw new UsageError(`--feed: expected off, or events a second up to 100,000, found ${JSON.stringify(text)}`);
  if (config.feed !== undefined) return rate;
  if (text === undefined || text === '') return 0;
  throw new UsageError('--feed: this configuration has no feed');
}

function loggerOf(options: ServeOptions, terminal: Terminal): Logger {
  if (options.logLevel !== undefined) return createLogger(options.logLevel);
  return terminal.err.isTerminal ? consoleLogger(terminal, options.live === true) : createLogger('info');
}

function ifGiven(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
