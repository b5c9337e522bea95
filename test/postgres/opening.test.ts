import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Proxy } from '../cluster/proxy.ts';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { defineEvent, defineProjection, open } from '../../src/index.ts';
import type { Environment } from '../../src/system/environment.ts';
import { interceptedFactory } from '../../src/testing/intercepted-store.ts';
import { z } from 'zod';
import { ownServer } from './own-server.ts';

const PROGRAM = path.join(import.meta.dirname, '../sqlite/staying.ts');
/** So long no connection holds: longer than the first question about what became of a commit. */
const AWAY_MS = 150;

const { server, newSchema } = ownServer('opening');

test('a program whose commit is cut off while it opens its store asks what became of it, and does not end unsettled', async () => {
  const proxy = await Proxy.before(server.url);
  try {
    let asking: object | undefined;
    let awayUntil = Number.NEGATIVE_INFINITY;
    let cuts = 0;
    proxy.onSent = (bytes, connection) => {
      // Once, in the first transaction that is asked about: that of the migrations is not, nor what goes on beside it.
      if (bytes.includes('pg_current_xact_id')) asking ??= connection;
      else if (connection === asking && cuts === 0 && bytes.includes('COMMIT')) awayUntil = performance.now() + AWAY_MS;
      if (performance.now() >= awayUntil) return;
      cuts += 1;
      proxy.cut();
    };
    const child = spawn(process.execPath, [
      '--conditions=thereupon-source',
      PROGRAM,
      'nothing',
      `${proxy.address}?schema=${newSchema()}`,
    ]);
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close') as Promise<[number | null]>]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('unsettled') as string });
    expect(cuts).toBeGreaterThan(1);
  } finally {
    await proxy.close();
  }
});

test('a store without the capability refuses an inline projection by name, and says what to do instead (G13)', async () => {
  const Counted = defineEvent({
    type: 'test.item.counted',
    schema: z.object({ n: z.number() }),
    stream: () => 'item-1',
  });
  const sums = defineProjection({
    name: 'sums',
    mode: 'inline',
    key: () => 'all',
    initial: () => 0,
    on: [[Counted, (sum, { data }) => sum + data.n]],
  });
  const factory = interceptedFactory(postgres(`${server.url}?schema=${newSchema()}`), (call) => call.proceed());
  const lacking = {
    ...factory,
    open: async (environment: Environment) => {
      const store = await factory.open(environment);
      return { ...store, capabilities: { ...store.capabilities, inlineProjections: false } };
    },
  };
  await expect(open({ store: lacking, events: [Counted], projections: [sums] })).rejects.toThrow(
    /^inline projection sums needs the capability inlineProjections, which the backend postgres does not have; .*'async'.*after-position/,
  );
});
