import { existsSync } from 'node:fs';
import path from 'node:path';
import { open, runningNodes, StoreHeld, StoreUnavailable } from '../../index.ts';
import type { Config, StoreFactory, System } from '../../index.ts';
import { CommandFailed, UsageError } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { Api, networkTransport, NotReached } from './api.ts';
import { openProgram } from './open-program.ts';
import { loadProgram } from './program-file.ts';
import type { Program, ProgramOptions } from './program-file.ts';

export interface AccessOptions extends ProgramOptions {
  readonly url?: string;
  readonly apiKey?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** A way into a system for the time of one command. */
export interface Connection {
  readonly api: Api;
  /** The file of the store, where it is on this machine and known. */
  readonly storeFile: string | undefined;
  /** The system itself, where it was opened for this command. */
  readonly system: System | undefined;
  close(): Promise<void>;
}

/** A server of this machine that works says sooner that it does. */
const ANSWER_MS = 2_000;

/** `read` changes nothing and works beside any writer; `write` records and steers. */
export type Need = 'read' | 'write';

/**
 * Reaches the system that a command is about: over the network with `--url`, else through the server that a running program of this machine
 * has announced in the store, else by opening the store.
 *
 * Guarantee Reactions do not run here: what is published or released waits for the program. A store is never created for reading.
 * Errors    UsageError; CommandFailed; StoreHeld when its holder has no server and the command must write
 */
export async function connect(options: AccessOptions, terminal: Terminal, need: Need): Promise<Connection> {
  const url =
    options.url ??
    (options.store === undefined && options.config === undefined ? terminal.env['THEREUPON_URL'] : undefined);
  if (url !== undefined && url !== '') {
    if (options.store !== undefined)
      throw new UsageError('--url names a running server and --store a file; give one of them');
    return remote(url, apiKeyOf(options, terminal, undefined), undefined);
  }
  const program = await loadProgram(options, terminal);
  const { config } = program;
  const say = (text: string) => (options.verbose === true ? terminal.note(`${text}\n`) : undefined);
  const file = fileOf(config.store, terminal.cwd);
  if (file === undefined) {
    if (config.store === 'memory:')
      throw new CommandFailed('this store is in memory and lives in its program; talk to that program with --url');
    return shared(program, { apiKey: apiKeyOf(options, terminal, config), need, say });
  }
  if (need === 'read' && !existsSync(file))
    throw new CommandFailed(`there is no store at ${file} yet; start its program, or publish something to it`);
  try {
    if (need === 'write') return await local(program, file);
    await assertFree(file);
  } catch (error) {
    if (!(error instanceof StoreHeld)) throw error;
    const answered = await through(error.url, apiKeyOf(options, terminal, config), file);
    if (answered !== undefined) {
      say(`${error.store} is held by a running program; asking it at ${answered.api.where}`);
      return answered;
    }
    if (need === 'write') throw error;
    say(`${error.store} is held by ${error.holder}; reading beside it`);
  }
  say(`reading ${file}`);
  return local({ ...program, config: { ...config, store: await readOnly(file) } }, file);
}

/** The file of a store; undefined when it is none. */
export function fileOf(store: string | StoreFactory, cwd: string): string | undefined {
  if (typeof store !== 'string') return store.backend === 'sqlite' ? store.location : undefined;
  if (store === 'memory:' || (/^[a-z][a-z0-9+.-]+:\/\//i.test(store) && !store.startsWith('file://'))) return undefined;
  return path.resolve(cwd, store.replace(/^file:\/\//, ''));
}

/** The store of a file, beside whoever writes to it. */
export async function readOnly(file: string): Promise<StoreFactory> {
  const { sqlite } = await import('../../backends/sqlite/sqlite.ts');
  return sqlite(file, { readOnly: true });
}

/** A store that is no file, for reading alone, where it can be opened so. */
export async function forReading(store: string | StoreFactory): Promise<string | StoreFactory> {
  if (typeof store !== 'string') return store.forReading?.() ?? store;
  if (!/^postgres(?:ql)?:/i.test(store)) return store;
  // Where its driver is not there, opening says so.
  const backend = await import('../../backends/postgres/postgres.ts').catch(() => undefined);
  return backend?.postgres(store, { readOnly: true }) ?? store;
}

/** Errors: StoreHeld when a process writes to the store. */
export async function assertFree(file: string): Promise<void> {
  try {
    await (await open({ store: file, consume: false })).close();
  } catch (error) {
    // A folder that cannot be written to: no one can write, and reading may still go well.
    if (!(error instanceof StoreUnavailable)) throw error;
  }
}

export function apiKeyOf(
  options: AccessOptions,
  { env }: Pick<Terminal, 'env'>,
  config: Config | undefined,
): string | undefined {
  const listed = (env['THEREUPON_API_KEYS'] ?? '').split(',').map((key) => key.trim());
  return [options.apiKey, env['THEREUPON_API_KEY'], ...listed, ...(config?.server?.apiKeys ?? [])].find(
    (key) => key !== undefined && key !== '',
  );
}

function remote(url: string, apiKey: string | undefined, storeFile: string | undefined): Connection {
  return {
    api: new Api(url, networkTransport(url, apiKey)),
    storeFile,
    system: undefined,
    close: () => Promise.resolve(),
  };
}

/** A store that several programs may use at once: through one that runs here, else directly. */
async function shared(
  program: Program,
  {
    apiKey,
    need,
    say,
  }: { readonly apiKey: string | undefined; readonly need: Need; readonly say: (text: string) => void },
): Promise<Connection> {
  const { config } = program;
  for (const { pid, url, isHere } of (await runningNodes(config.store)) ?? []) {
    const answered = isHere ? await through(url, apiKey, undefined) : undefined;
    if (answered === undefined) continue;
    say(`process ${pid} runs on this store; asking it at ${answered.api.where}`);
    return answered;
  }
  const store = need === 'write' ? config.store : await forReading(config.store);
  try {
    return await local({ ...program, config: { ...config, store } }, undefined);
  } catch (error) {
    const answered = error instanceof StoreHeld ? await through(error.url, apiKey, undefined) : undefined;
    if (answered === undefined) throw error;
    return answered;
  }
}

/** Undefined: nothing answers there, or not soon: a process that stands still keeps its port. */
async function through(
  url: string | undefined,
  apiKey: string | undefined,
  file: string | undefined,
): Promise<Connection | undefined> {
  if (url === undefined) return undefined;
  const connection = remote(url, apiKey, file);
  const soon = AbortSignal.timeout(ANSWER_MS);
  try {
    await connection.api.get('/healthz', {}, soon);
    return connection;
  } catch (failure) {
    if (failure instanceof NotReached || soon.aborted) return undefined;
    throw failure;
  }
}

/** A response that lasts no longer than its request, as over the network. */
function endedBy(signal: AbortSignal | null | undefined, response: Response): Response {
  const { body } = response;
  return signal && body ? new Response(body.pipeThrough(new TransformStream(), { signal }), response) : response;
}

async function local(program: Program, storeFile: string | undefined): Promise<Connection> {
  const { createApp } = await import('../../server/index.ts');
  const system = await openProgram(program, { consume: false });
  const closing = new AbortController();
  const app = createApp(system, { signal: closing.signal });
  return {
    api: new Api(system.location, async (target, init) => endedBy(init.signal, await app.request(target, init))),
    storeFile,
    system,
    async close() {
      closing.abort();
      await system.close();
    },
  };
}
