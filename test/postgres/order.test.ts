import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import { Feed } from '../../src/channel/feed.ts';
import { compileSelection } from '../../src/channel/selection.ts';
import { StoreUnavailable } from '../../src/errors.ts';
import { position, START } from '../../src/event/position.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { mulberry32 } from '../crash/mulberry.ts';
import { streamEvent } from '../sqlite/sqlite-bench.ts';
import type { PostgresServer } from './server.ts';
import { startPostgres } from './server.ts';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
}, 120_000);

afterAll(() => server.stop());

const SEED = 20_261_126;
const WRITERS = 4;
const CALLERS = 3;
const BATCHES = 60;

describe('positions in PostgreSQL', () => {
  test('become visible in order: readers who follow miss nothing and see nothing twice, while writers are held up and killed between insert and commit (G1, G2, G3, G5)', async () => {
    const random = mulberry32(SEED);
    const below = (bound: number) => Math.floor(random() * bound);
    const environment = createEnvironment({ logger: silentLogger });
    const open = () => postgres(`${server.url}?schema=ordered`, { maxConnections: 4 }).open(environment);
    const stores = await Promise.all(Array.from({ length: WRITERS }, open));
    const followers = await Promise.all(
      stores.map(async ({ log }) => {
        const feed = await Feed.open(log, environment);
        const seen: string[] = [];
        const attached = feed.attach(
          { selection: compileSelection({}), offer: (event) => seen.push(`${event.position} ${event.id}`) > 0 },
          START,
        );
        expect(attached).toBe(true);
        return { feed, seen };
      }),
    );
    const writing = new AbortController();
    const troubles = [holdHead(below, writing.signal), holdHead(below, writing.signal), kill(below, writing.signal)];
    // One that only ever asks for what comes after the last position it saw.
    const polled: number[] = [];
    const poll = async () => {
      const page = await stores[0]?.log.read({ after: position(polled.at(-1) ?? 0), limit: 50 }).catch(() => []);
      polled.push(...(page ?? []).map((event) => event.position));
      return (page ?? []).length;
    };
    const polling = (async () => {
      while (!writing.signal.aborted) await poll();
    })();

    const acknowledged = new Map<string, number>();
    await Promise.all(
      stores.flatMap(({ log }, writer) =>
        Array.from({ length: CALLERS }, async (_, caller) => {
          for (let n = 0; n < BATCHES; n += 1) {
            const events = Array.from({ length: 1 + below(4) }, (__, part) =>
              streamEvent(`${writer}/${caller}/${n}/${part}`, `s-${below(5)}`),
            );
            for (let done = false; !done;) {
              try {
                const outcome = await log.append({ events, onDuplicate: 'verify' });
                if (!outcome.ok) throw new Error(outcome.reason);
                for (const [part, place] of outcome.events.entries())
                  acknowledged.set(events[part]?.id ?? '', place.position);
                done = true;
              } catch (error) {
                expect(error).toBeInstanceOf(StoreUnavailable);
              }
            }
          }
        }),
      ),
    );
    writing.abort();
    const ends = await Promise.all(troubles);
    await polling;

    const log = (await stores[0]?.log.read({ limit: 10_000 })) ?? [];
    expect(log.map((event) => event.position)).toEqual(log.map((_, index) => index + 1));
    expect(log.length).toBe(acknowledged.size);
    for (const event of log) expect(acknowledged.get(event.id)).toBe(event.position);
    while ((await poll()) > 0);
    expect(polled).toEqual(log.map((event) => event.position));
    const whole = log.map((event) => `${event.position} ${event.id}`);
    for (const { feed, seen } of followers) {
      while (feed.head < log.length) await waitFor(systemClock, 10);
      expect(seen).toEqual(whole);
      feed.close();
    }
    for (const [stream, events] of Map.groupBy(log, (event) => event.stream))
      expect(
        events.map(({ version }) => version),
        stream,
      ).toEqual(events.map((_, index) => index + 1));
    // There was trouble indeed.
    expect(Math.min(...ends)).toBeGreaterThan(5);
    for (const store of stores) await store.close();
  }, 120_000);
});

/** Somebody else has the head of the log for a while, and then rolls back or dies. Answers how often. */
async function holdHead(below: (bound: number) => number, signal: AbortSignal): Promise<number> {
  let times = 0;
  for (; !signal.aborted; times += 1) {
    const client = new Client({ connectionString: server.url, options: '-c search_path=ordered' });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('BEGIN; SELECT position FROM log_head FOR UPDATE');
    await client.query(`UPDATE log_head SET position = position + 100`);
    await waitFor(systemClock, below(40));
    if (below(2) === 0) await client.query('ROLLBACK');
    await client.end();
    await waitFor(systemClock, below(30));
  }
  return times;
}

/** Kills one of the connections of the writers, whatever it is doing. Answers how often. */
async function kill(below: (bound: number) => number, signal: AbortSignal): Promise<number> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  let times = 0;
  while (!signal.aborted) {
    const { rows } = await client.query<{ killed: boolean }>(
      `SELECT pg_terminate_backend(pid) AS killed FROM pg_stat_activity
WHERE application_name IN ('thereupon', 'thereupon-presence') AND (state <> 'idle' OR $1 = 0) ORDER BY random() LIMIT 1`,
      [below(5)],
    );
    times += rows.length;
    await waitFor(systemClock, below(60));
  }
  await client.end();
  return times;
}
