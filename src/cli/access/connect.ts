import { existsSync } from 'node:fs';
import path from 'node:path';
import { open, runningNodes, StoreHeld, StoreUnavailable } from '../../index.ts';
import type { Config, NamedKey, StoreFactory, StoreNode, System } from '../../index.ts';
import { ApiProblem, CommandFailed, FailedInside, UsageError } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { Api, networkTransport } from './api.ts';
import { openProgram } from './open-program.ts';
import { loadProgram } from './program-file.ts';
import type { Program, ProgramOptions } from './program-file.ts';

export interface AccessOptions extends ProgramOptions {
  readonly url?: string;
  readonly apiKey?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

/** Says of a connection what no option does. */
export interface ConnectOptions extends AccessOptions {
  /** The store as others left it: what the program defines, and might not be able to read, is left out. */
  readonly withoutDefinitions?: boolean;
  /** Asks about definitions: where there is no store yet, those of the program are all there is. */
  readonly orDefinitions?: boolean;
}

/** A way into a system for the time of one command. */
export interface Connection {
  readonly api: Api;
  /** The file of the store, where it is on this machine and known. */
  readonly storeFile: string | undefined;
  /** The system itself, where it was opened for this command. */
  readonly system: System | undefined;
  /** Whether what reacts on the store is defined where the command asks. */
  readonly isProgram: boolean;
  close(): Promise<void>;
}

/** A server of this machine that works says sooner that it does. */
const ANSWER_MS = 2_000;

/**
 * `read` changes nothing and works beside any writer; `follow` does so for as long as it is wanted; `write` records and steers; `hold` does what those
 * who handle events are to wait for, and so is asked of a program that runs, where there is one.
 */
export type Need = 'follow' | 'hold' | 'read' | 'write';

function mayWrite(need: Need): boolean {
  return need === 'write' || need === 'hold';
}

/**
 * Reaches the system that a command is about: over the network with `--url`, else through the server that a running program of this machine
 * has announced in the store, else by opening the store.
 *
 * Guarantee Reactions do not run here: what is published or released waits for the program. A store is never created for reading.
 * Errors    UsageError; CommandFailed; StoreHeld when its holder has no server and the command must write
 */
export async function connect(options: ConnectOptions, terminal: Terminal, need: Need): Promise<Connection> {
  const url =
    options.url ??
    (options.store === undefined && options.config === undefined ? terminal.env['THEREUPON_URL'] : undefined);
  if (url !== undefined && url !== '') {
    if (options.store !== undefined)
      throw new UsageError('--url names a running server and --store a file; give one of them');
    return remote(url, apiKeyOf(options, terminal, undefined), undefined);
  }
  const loaded = await loadProgram(options, terminal);
  const program = options.withoutDefinitions === true ? storeAlone(loaded) : loaded;
  const { config } = program;
  const say = (text: string) => (options.verbose === true ? terminal.note(`${text}\n`) : undefined);
  const file = fileOf(config.store, terminal.cwd);
  const isOfDefinitions = options.orDefinitions === true && loaded.file !== undefined;
  if (file === undefined) {
    if (config.store === 'memory:' && isOfDefinitions) return local(program, undefined);
    if (config.store === 'memory:')
      throw new CommandFailed('this store is in memory and lives in its program; talk to that program with --url');
    return shared(program, { apiKey: apiKeyOf(options, terminal, config), need, say });
  }
  if (!mayWrite(need) && !existsSync(file)) {
    // One that was named is expected to be there.
    if (isOfDefinitions && options.store === undefined) {
      terminal.note(`there is no store at ${file} yet: this is what the program defines\n`);
      return local({ ...program, config: { ...config, store: 'memory:' } }, undefined);
    }
    throw new CommandFailed(`there is no store at ${file} yet; start its program, or publish something to it`);
  }
  try {
    if (mayWrite(need)) return await local(program, file);
    await assertFree(file);
  } catch (error) {
    if (!(error instanceof StoreHeld)) throw error;
    const answered = await through(
      { url: error.url, pid: undefined, apiKey: apiKeyOf(options, terminal, config) },
      file,
    );
    if (answered !== undefined) {
      say(`${error.store} is held by a running program; asking it at ${answered.api.where}`);
      return answered;
    }
    if (mayWrite(need)) throw error;
    say(`${error.store} is held by ${error.holder}; reading beside it`);
  }
  say(`reading ${file}`);
  return local({ ...program, config: { ...config, store: await readOnly(file) } }, file);
}

/** A program that defines nothing, on the store of another one. */
function storeAlone({ config: { store, server } }: Program): Program {
  return { config: { store, unknownTypes: 'accept', ...(server === undefined ? {} : { server }) }, file: undefined };
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

/** The text of a key that may have a name. */
export function textOf(key: string | NamedKey): string {
  return typeof key === 'string' ? key : key.key;
}

export function apiKeyOf(
  options: AccessOptions,
  { env }: Pick<Terminal, 'env'>,
  config: Config | undefined,
): string | undefined {
  const listed = (env['THEREUPON_API_KEYS'] ?? '').split(',').map((key) => key.trim());
  return [options.apiKey, env['THEREUPON_API_KEY'], ...listed, ...(config?.server?.apiKeys ?? []).map(textOf)].find(
    (key) => key !== undefined && key !== '',
  );
}

function remote(url: string, apiKey: string | undefined, storeFile: string | undefined): Connection {
  return {
    api: new Api(url, networkTransport(url, apiKey)),
    storeFile,
    system: undefined,
    isProgram: true,
    close: () => Promise.resolve(),
  };
}

/** A store that several programs may use at once: through one that runs here, where that knows more than this command, else directly. */
async function shared(
  program: Program,
  {
    apiKey,
    need,
    say,
  }: { readonly apiKey: string | undefined; readonly need: Need; readonly say: (text: string) => void },
): Promise<Connection> {
  const { config } = program;
  // Who follows, or knows the definitions by itself, does not depend on one of several programs.
  const isAlone = need === 'follow' || (need === 'write' && program.file !== undefined);
  const running = isAlone ? [] : ((await runningNodes(config.store)) ?? []);
  const nodes = running.filter((node) => node.isHere && runs(node, config));
  const { connection, refusal } = await firstOf(nodes, apiKey);
  if (connection !== undefined) {
    say(`a program runs on this store; asking it at ${connection.api.where}`);
    return connection;
  }
  if (refusal !== undefined) throw refusal;
  const store = mayWrite(need) ? config.store : await forReading(config.store);
  try {
    return await local({ ...program, config: { ...config, store } }, undefined);
  } catch (error) {
    const answered =
      error instanceof StoreHeld ? await through({ url: error.url, pid: undefined, apiKey }, undefined) : undefined;
    if (answered === undefined) throw error;
    return answered;
  }
}

/** Whether a node has all definitions of a configuration that react: another program on the same store knows nothing of them. */
function runs({ consumers }: StoreNode, config: Config): boolean {
  const asked = [
    ...(config.consumers ?? []),
    ...(config.projections ?? []),
    ...(config.windows ?? []),
    ...(config.monitors ?? []),
    ...(config.automations ?? []),
  ];
  return asked.every(({ name }) => consumers.includes(name));
}

/** A server that somebody has announced. */
interface Announced {
  readonly url: string | undefined;
  /** Of its process, where that is known. */
  readonly pid: number | undefined;
  readonly apiKey: string | undefined;
}

/** The program that answers first, whichever it is: one that stands still, or does not take this key, is not the only one. */
async function firstOf(
  nodes: readonly StoreNode[],
  apiKey: string | undefined,
): Promise<{ readonly connection: Connection | undefined; readonly refusal: unknown }> {
  const over = new AbortController();
  let refusal: unknown;
  const tried = nodes.map(async ({ url, pid }) => {
    const connection = await through({ url, pid, apiKey }, undefined, over.signal);
    if (connection === undefined) throw new Error('nothing answers');
    try {
      await connection.api.get('/catalog', {}, AbortSignal.any([over.signal, AbortSignal.timeout(ANSWER_MS)]));
    } catch (error) {
      if (!(error instanceof ApiProblem && error.code === 'unauthorized')) return connection;
      refusal ??= error;
      throw error;
    }
    return connection;
  });
  // Whether none does is known from what is undefined.
  const connection = await Promise.any(tried).catch(() => undefined);
  over.abort();
  return { connection, refusal };
}

/** Undefined: nothing answers there, or not soon, since a process that stands still keeps its port; or it is another program. */
async function through(
  { url, pid, apiKey }: Announced,
  file: string | undefined,
  over?: AbortSignal,
): Promise<Connection | undefined> {
  if (url === undefined) return undefined;
  const soon = AbortSignal.any([AbortSignal.timeout(ANSWER_MS), ...(over === undefined ? [] : [over])]);
  try {
    // Without the key: it is not for whoever listens there now.
    const answer = await new Api(url, networkTransport(url, undefined)).get<{ pid?: number }>('/healthz', {}, soon);
    if (pid !== undefined && answer.pid !== pid) return undefined;
    return remote(url, apiKey, file);
  } catch (failure) {
    if (failure instanceof CommandFailed || failure instanceof ApiProblem || soon.aborted) return undefined;
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
  let failure: { readonly error: unknown } | undefined;
  const app = createApp(system, { signal: closing.signal, failed: (error) => (failure ??= { error }) });
  return {
    api: new Api(system.location, async (target, init) => {
      const response = endedBy(init.signal, await app.request(target, init));
      // There is no server here in whose log it could be looked up.
      if (failure !== undefined) throw new FailedInside(failure.error);
      return response;
    }),
    storeFile,
    system,
    isProgram: program.file !== undefined,
    async close() {
      closing.abort();
      await system.close();
    },
  };
}
