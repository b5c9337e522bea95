import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineConsumer, defineEvent, defineProjection, open, StoreUnavailable } from '../../src/index.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { silentLogger } from '../../src/system/logger.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

const Counted = defineEvent({
  type: 'things.counted',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string() }),
});

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
}, 120_000);

afterAll(() => server.stop());

const given = process.env['THEREUPON_TEST_POSTGRES'] !== undefined;

describe('a server that goes away and comes back', () => {
  test.skipIf(given)(
    'publishers get a typed error in bounded time, and everything goes on where it was (G1, G2, G6)',
    async () => {
      const program = () =>
        open({
          store: `${server.url}?schema=restart&lease=1s`,
          environment: { logger: silentLogger },
          events: [Counted],
          consumers: [defineConsumer({ name: 'watchers', on: Counted, handle() {} })],
          projections: [
            defineProjection({
              name: 'counts',
              key: (event) => event.data.thing,
              initial: () => ({ count: 0 }),
              on: [[Counted, (row) => ({ count: row.count + 1 })]],
            }),
          ],
        });
      const nodes = [await program(), await program()];
      const stopping = new AbortController();
      const refusals: number[] = [];
      const published: string[] = [];
      const publishing = nodes.map(async (node, number) => {
        for (let n = 0; !stopping.signal.aborted; n += 1) {
          for (let done = false; !done;) {
            const begin = performance.now();
            try {
              await node.publish(Counted, { thing: `t${n % 5}` }, { id: `${number}/${n}` });
              done = true;
            } catch (error) {
              expect(error).toBeInstanceOf(StoreUnavailable);
              refusals.push(performance.now() - begin);
              await waitFor(systemClock, 20);
            }
          }
          published.push(`${number}/${n}`);
        }
      });
      const reached = async (count: number) => {
        while (published.length < count) await waitFor(systemClock, 10);
      };
      await reached(100);
      for (let crash = 1; crash <= 2; crash += 1) {
        await server.crash();
        const before = refusals.length;
        while (refusals.length < before + 4) await waitFor(systemClock, 10);
        await server.start();
        await reached(published.length + 100);
      }
      stopping.abort();
      await Promise.all(publishing);
      await Promise.all(nodes.map((node) => node.settled()));
      const counted = async () => {
        const rows = await nodes[0]?.views.query('counts');
        return (rows?.items ?? []).reduce((total, { row }) => total + (row as { count: number }).count, 0);
      };
      // Lanes that the nodes hand to each other after the crash may be settled a little later.
      const untilMs = Date.now() + 20_000;
      while ((await counted()) < published.length && Date.now() < untilMs) await waitFor(systemClock, 50);
      expect(await counted()).toBe(published.length);
      expect(Math.max(...refusals)).toBeLessThan(10_000);
      for (const node of nodes) expect((await node.consumers.status('watchers')).state).toBe('running');
      await Promise.all(nodes.map((node) => node.close()));
    },
    90_000,
  );
});
