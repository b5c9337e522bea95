import { setImmediate as nextTurn } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import { postgres } from '../../src/backends/postgres/postgres.ts';
import type { AppendOutcome, AppendRequest } from '../../src/channel/event-log.ts';
import { sampleEvent } from '../../src/contract/samples.ts';
import type { Store } from '../../src/store.ts';
import { StoreUnavailable } from '../../src/errors.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { mulberry32 } from '../crash/mulberry.ts';
import { ownServer } from './own-server.ts';

const { server, newSchema } = ownServer('flights');

const openAt = (schema: string) => postgres(`${server.url}?schema=${schema}`).open(createEnvironment());

/** So many call at once: flushes of half of them, one sent behind the other; or of one or two large ones. */
const LOADS = [
  { callers: 64, bytes: 2_000, staggered: false },
  { callers: 6, bytes: 20_000, staggered: true },
] as const;
type Load = (typeof LOADS)[number];
const loadOf = (seed: number): Load => LOADS[seed % 3 === 0 ? 1 : 0];

/** Many appends; some are refused, some bring what is known already, mostly from a flush before. */
function someRequests(seed: number, count: number, { bytes }: Load): readonly AppendRequest[] {
  const random = mulberry32(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const ids: string[] = [];
  return Array.from({ length: count }, (_, number): AppendRequest => {
    const events = Array.from({ length: 1 + below(4) }, (_each, nth) => {
      const known = below(200) === 0 ? ids[below(ids.length)] : undefined;
      const id = known ?? `${number}-${nth}`;
      if (known === undefined) ids.push(id);
      return sampleEvent(id, { stream: `s-${below(5)}`, data: JSON.stringify('x'.repeat(below(bytes))) });
    });
    const stream = `s-${below(5)}`;
    const claims = { 0: 'none', 1: below(40), 2: 'exists' } as const;
    const version = claims[below(150) as keyof typeof claims];
    const onDuplicate = below(2) === 0 ? 'keep-first' : 'verify';
    return { events, onDuplicate, ...(version === undefined ? {} : { expected: [{ stream, version }] }) };
  });
}

/** What does not depend on when it was recorded, nor on whether an answer was lost on its way. */
function worded(outcome: AppendOutcome, duplicates: boolean): unknown {
  if (!outcome.ok) return outcome;
  return outcome.events.map(({ stream, version, position, duplicate }) => [
    stream,
    version,
    position,
    ...(duplicates ? [duplicate] : []),
  ]);
}

/** Calls in the order of the requests, each as soon as one of the callers is free. */
async function appendAll(
  store: Store,
  requests: readonly AppendRequest[],
  { callers, staggered }: Load,
): Promise<PromiseSettledResult<AppendOutcome>[]> {
  const settled: PromiseSettledResult<AppendOutcome>[] = [];
  let next = 0;
  const call = async () => {
    while (next < requests.length) {
      if (staggered) await nextTurn();
      const index = next;
      const request = requests[index];
      if (request === undefined) return;
      next += 1;
      [settled[index]] = await Promise.allSettled([store.log.append(request)]);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return settled;
}

const SEEDS = Array.from({ length: 12 }, (_, seed) => seed + 1);
const SEEDS_OF_CUTS = SEEDS.slice(0, 4);

describe('writes of one process that are under way at once', () => {
  test.each(SEEDS)(
    'take effect in the order of the calls, whatever of them is refused, as in memory (G2, G3, G5), seed %i',
    async (seed) => {
      const store = await openAt(newSchema());
      const model = await memory().open(createEnvironment());
      const requests = someRequests(seed, 2_000, loadOf(seed));
      const settled = await appendAll(store, requests, loadOf(seed));
      for (const [index, request] of requests.entries()) {
        const outcome = settled[index];
        if (outcome?.status !== 'fulfilled') throw outcome?.reason;
        expect(worded(outcome.value, true)).toEqual(worded(await model.log.append(request), true));
      }
      await store.close();
      await model.close();
    },
  );

  test.each(SEEDS_OF_CUTS)(
    'do so while connections are cut; what failed was not written, and is the only thing that is missing (G1, G3, G5), seed %i',
    async (seed) => {
      const store = await openAt(newSchema());
      const model = await memory().open(createEnvironment());
      const random = mulberry32(seed);
      const operator = new Client({ connectionString: server.url });
      await operator.connect();
      const stopping = new AbortController();
      let cut = 0;
      const cutting = (async () => {
        while (!stopping.signal.aborted) {
          const { rows } = await operator.query<{ cut: number }>(
            `SELECT count(pg_terminate_backend(pid))::int AS cut FROM pg_stat_activity WHERE application_name = 'thereupon'`,
          );
          cut += rows[0]?.cut ?? 0;
          await waitFor(systemClock, 3 + 20 * random());
        }
      })();
      const requests = someRequests(seed + 100, loadOf(seed).staggered ? 100 : 1_000, loadOf(seed));
      const settled = await appendAll(store, requests, loadOf(seed));
      stopping.abort();
      await cutting;
      await operator.end();
      for (const [index, request] of requests.entries()) {
        const outcome = settled[index];
        if (outcome?.status === 'fulfilled')
          expect(worded(outcome.value, false)).toEqual(worded(await model.log.append(request), false));
        else expect(outcome?.reason).toBeInstanceOf(StoreUnavailable);
      }
      expect(await store.log.head()).toBe(await model.log.head());
      expect(cut).toBeGreaterThan(3);
      await store.close();
      await model.close();
    },
  );

  test('what is large and alone does not overtake what was sent before and is looked at in detail (G5)', async () => {
    const store = await openAt(newSchema());
    const data = JSON.stringify('x'.repeat(20_000));
    await store.log.append({ events: [sampleEvent('known')], onDuplicate: 'verify' });
    for (let round = 0; round < 40; round += 1) {
      const events = [sampleEvent('known'), sampleEvent(`first-${round}`)];
      const first = store.log.append({ events, onDuplicate: 'keep-first' });
      for (let turn = 0; turn < round % 5; turn += 1) await nextTurn();
      const second = store.log.append({ events: [sampleEvent(`second-${round}`, { data })], onDuplicate: 'verify' });
      const [before, after] = await Promise.all([first, second]);
      if (!before.ok || !after.ok) throw new Error('nothing stands against them');
      expect(before.events.map(({ duplicate }) => duplicate)).toEqual([true, false]);
      expect(after.events[0]?.position).toBe((before.events[1]?.position ?? 0) + 1);
    }
    await store.close();
  });
});
