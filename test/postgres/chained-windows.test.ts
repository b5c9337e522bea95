import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { defineEvent, defineWindow, open, tumbling } from '../../src/index.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { ownServer } from './own-server.ts';

const Sold = defineEvent({
  type: 'shop.thing.sold',
  stream: (data) => `thing-${data.thing}`,
  schema: z.object({ thing: z.string(), pieces: z.number() }),
});

const Totalled = defineEvent({
  type: 'shop.second.totalled',
  stream: (data) => `total-${data.thing}`,
  schema: z.object({ thing: z.string(), pieces: z.number() }),
});

const Summed = defineEvent({
  type: 'shop.seconds.summed',
  stream: () => 'sum-all',
  schema: z.object({ start: z.string(), things: z.number(), pieces: z.number() }),
});

const time = { idle: 'never' } as const;
const totals = defineWindow({
  name: 'totals',
  on: Sold,
  key: ({ data }) => data.thing,
  windows: tumbling('1s'),
  time,
  aggregate: {
    initial: () => 0,
    add: (pieces, { data }) => pieces + data.pieces,
    result: (pieces, { key }) => ({ thing: key, pieces }),
  },
  publishes: Totalled,
});
const sums = defineWindow({
  name: 'sums',
  on: Totalled,
  key: () => 'all',
  windows: tumbling('10s'),
  time,
  aggregate: {
    initial: () => ({ things: 0, pieces: 0 }),
    add: (sum, { data }) => ({ things: sum.things + 1, pieces: sum.pieces + data.pieces }),
    result: (sum, { start }) => ({ start, ...sum }),
  },
  publishes: Summed,
});

const { server, newSchema } = ownServer('chained');
const THINGS = 40;
const START_MS = Date.parse('2026-01-01T00:00:00Z');

describe('windows over windows on several nodes', () => {
  test('take every result in time, whoever holds the lanes of the first ones, while nodes join and leave (G6, G8)', async () => {
    const schema = newSchema();
    const node = () =>
      open({
        store: postgres(`${server.url}?schema=${schema}`, { maxConnections: 4 }),
        environment: { logger: silentLogger },
        events: [Sold],
        windows: [totals, sums],
      });
    const first = await node();
    const sell = async (from: number, to: number) => {
      for (let second = from; second < to; second += 5)
        await first.publishAll(
          Array.from({ length: 5 * THINGS }, (_, index) => ({
            event: Sold,
            data: { thing: `t${index % THINGS}`, pieces: 1 },
            options: { time: new Date(START_MS + (second + Math.floor(index / THINGS)) * 1_000) },
          })),
        );
    };
    const selling = sell(0, 100);
    const second = await node();
    const third = await node();
    await selling;
    await sell(100, 150);
    await third.close();
    await sell(150, 250);
    // Of another second each, so that the last windows of all things are over.
    await sell(400, 405);
    const recorded = async (type: string) =>
      (await first.events.read({ limit: 1_000, types: [type] })).events.map(({ data }) => data);
    // What one node has settled may give the other more to do.
    for (const untilMs = Date.now() + 20_000; (await recorded(Summed.type)).length < 25;) {
      if (Date.now() > untilMs) break;
      await Promise.all([first.settled(), second.settled()]);
    }
    expect(await recorded('thereupon.event.late')).toEqual([]);
    expect(await recorded('thereupon.time.told')).not.toEqual([]);
    expect(await recorded(Summed.type)).toEqual(
      Array.from({ length: 25 }, (_, index) => ({
        start: new Date(START_MS + index * 10_000).toISOString(),
        things: 10 * THINGS,
        pieces: 10 * THINGS,
      })),
    );
    await first.close();
    await second.close();
  }, 60_000);
});
