import { afterAll, beforeAll } from 'vitest';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

/** A server for the tests of the present file, started before and stopped after them; and names of schemas that are new on it. */
export function ownServer(prefix: string): { readonly server: PostgresServer; readonly newSchema: () => string } {
  let started: PostgresServer | undefined;
  let schemas = 0;
  beforeAll(async () => {
    started = await startPostgres();
  }, 120_000);
  afterAll(() => started?.stop());
  const running = (): PostgresServer => {
    if (started === undefined) throw new Error('the server of the tests is not there yet');
    return started;
  };
  const server: PostgresServer = {
    get url() {
      return running().url;
    },
    crash: () => running().crash(),
    start: () => running().start(),
    stop: () => running().stop(),
  };
  return { server, newSchema: () => `${prefix}_${(schemas += 1)}` };
}
