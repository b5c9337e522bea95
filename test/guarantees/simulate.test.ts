import { setTimeout as wait } from 'node:timers/promises';
import { defineAutomation, defineConsumer, defineEvent, defineProjection, defineWindow, tumbling } from 'thereupon';
import { simulate } from 'thereupon/testing';
import type { SimulationOptions } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { OrderPlaced, PaymentReceived } from '../../examples/shop/events.ts';
import { shopFacts } from '../../examples/shop/generator.ts';
import shop from '../../examples/shop/thereupon.config.ts';

const Deposited = defineEvent({
  type: 'bank.money.deposited',
  stream: (data) => `account-${data.account}`,
  schema: z.object({ account: z.string(), cents: z.number() }),
});
const BalanceTold = defineEvent({
  type: 'bank.balance.told',
  stream: (data) => `account-${data.account}`,
  schema: z.object({ account: z.string(), cents: z.number() }),
});

const deposits = (count: number) =>
  Array.from({ length: count }, (_, n) => [Deposited, { account: `a${n % 5}`, cents: n + 1 }] as const);

/** Books outside of the system, of which somebody is told by every handling of an event. */
function bankWithBooks(says: (books: Map<string, number>, account: string, cents: number, key: string) => number) {
  return () => {
    const books = new Map<string, number>();
    return {
      events: [Deposited],
      automations: [
        defineAutomation({
          name: 'tell-balance',
          on: Deposited,
          publishes: [BalanceTold],
          async run({ event, publish, idempotencyKey }) {
            const { account, cents } = event.data;
            await publish(BalanceTold, { account, cents: says(books, account, cents, idempotencyKey) });
          },
        }),
      ],
    };
  };
}

/** Each booking counts. */
const notIdempotent = bankWithBooks((books, account, cents) => {
  books.set(account, (books.get(account) ?? 0) + cents);
  return books.get(account) ?? 0;
});
/** A booking that is known by its key counts once; what is told is the booking. */
const idempotent = bankWithBooks((books, _account, cents, key) => {
  books.set(key, cents);
  return books.get(key) ?? 0;
});

const onlyCrashes = { duplicate: 0, reorder: 0, delay: 0, crash: 0.1 };

describe('a simulation', () => {
  it('finds within ten seconds what a program does twice to the outside world, with the fewest events and its seed (G6)', async () => {
    const sinceMs = performance.now();
    const events = deposits(60);
    const { divergence, report } = await simulate(notIdempotent, { events, runs: 1_000 });
    expect(performance.now() - sinceMs).toBeLessThan(10_000);
    if (divergence === undefined) throw new Error('nothing was found');
    expect(divergence.difference).toMatchObject({ kind: 'fact', reaction: 'tell-balance', what: 'bank.balance.told' });
    expect(report).toContain(`run ${divergence.run} (seed ${divergence.seed}) came out differently: tell-balance`);
    // By its seed alone the same run is made again.
    const again = await simulate(notIdempotent, { events, runs: 1, seed: divergence.seed });
    expect(again.divergence).toEqual({ ...divergence, run: 1 });
  });

  it('shows by what a process that dies between doing and recording does twice: one event, and where it died', async () => {
    const { divergence, report } = await simulate(notIdempotent, {
      events: deposits(60),
      runs: 1_000,
      faults: onlyCrashes,
    });
    expect(divergence?.events).toBe(1);
    const [telling] = divergence?.plan ?? [];
    expect(divergence?.plan).toEqual([
      {
        index: expect.any(Number) as number,
        // In its turn: nothing but the crash is wrong.
        atMs: (telling?.index ?? 0) * 1_000,
        crash: expect.objectContaining({ write: expect.any(Number) as number }) as object,
      },
    ]);
    expect(report).toMatch(/the process is killed just (?:before|after) its \w+ write (?:becomes|became) durable/);
  });

  it('finds nothing where the outside world is told by the idempotency key', async () => {
    const { divergence, runs } = await simulate(idempotent, { events: deposits(40), runs: 100 });
    expect({ divergence, runs }).toEqual({ divergence: undefined, runs: 100 });
  });

  it('waits for what a handler waits for in the real world, and gives the same runs again', async () => {
    const slow = defineAutomation({
      name: 'slow',
      on: Deposited,
      publishes: [BalanceTold],
      async run({ event, publish }) {
        await wait(2);
        await publish(BalanceTold, event.data);
      },
    });
    const { divergence, report } = await simulate({ automations: [slow] }, { events: deposits(20), runs: 10 });
    expect(divergence, report).toBeUndefined();
  });

  it('finds nothing in a window that corrects itself, nor in what takes its corrections, however late events come (G8)', async () => {
    const sums = defineWindow({
      name: 'sums',
      on: Deposited,
      key: (event) => event.data.account,
      windows: tumbling('10s'),
      late: { correct: '1d' },
      aggregate: {
        initial: () => 0,
        add: (sum, event) => sum + event.data.cents,
        result: (cents, { key }) => ({ account: key, cents }),
      },
      publishes: BalanceTold,
    });
    const totals = defineProjection({
      name: 'totals',
      key: (event) => event.data.account,
      initial: () => ({ cents: 0 }),
      on: [
        [
          BalanceTold,
          (row, event) => ({ cents: row.cents + event.data.cents }),
          (row, event) => ({ cents: row.cents - event.data.cents }),
        ],
      ],
    });
    const faults = { reorder: 0.3, delay: 0.2 };
    const program = { windows: [sums], projections: [totals] };
    // Of when they happened, not of when they were told.
    const events = deposits(40).map(([event, data], n) => [event, data, { time: new Date(1_000 * n) }] as const);
    const { divergence, report } = await simulate(program, { events, runs: 50, faults });
    expect(divergence, report).toBeUndefined();
  });

  it('finds a read model that depends on the order in which events come, by the two that matter (G8)', async () => {
    const lastOf = defineProjection({
      name: 'last-deposit',
      key: (event) => event.data.account,
      initial: () => ({ cents: 0 }),
      on: [[Deposited, (_row, event) => ({ cents: event.data.cents })]],
    });
    const { divergence, report } = await simulate({ projections: [lastOf] }, { events: deposits(40), runs: 200 });
    expect(divergence).toMatchObject({ events: 2, difference: { kind: 'row', reaction: 'last-deposit' } });
    const indexes = divergence?.plan.map(({ index }) => index) ?? [];
    expect(indexes).toEqual(indexes.toSorted((left, right) => right - left));
    expect(report).toContain('it was still seen with 2 of 40 events');
  });

  it('says so where the same events in the same order lead to something else: a program that asks chance', async () => {
    const dice = defineAutomation({
      name: 'dice',
      on: Deposited,
      publishes: [BalanceTold],
      run: async ({ event, publish }) => void (await publish(BalanceTold, { ...event.data, cents: Math.random() })),
    });
    const { divergence, report } = await simulate({ automations: [dice] }, { events: deposits(20) });
    expect(divergence).toMatchObject({ run: 0, events: 1, difference: { reaction: 'dice' } });
    expect(report).toContain('what dice does follows from more than its events');
  });

  it('compares what is parked, too', async () => {
    const picky = defineConsumer({
      name: 'picky',
      on: Deposited,
      retry: { attempts: 1 },
      state: { initial: () => ({ last: 0 }) },
      handle({ event, state }) {
        if (event.data.cents < state.get().last) throw new Error('that is less than before');
        state.set({ last: event.data.cents });
      },
    });
    const { divergence } = await simulate({ consumers: [picky] }, { events: deposits(40), runs: 200 });
    expect(divergence).toMatchObject({ events: 2, difference: { kind: 'dead letter', reaction: 'picky' } });
  });

  it('says how much is parked in each run, also where nothing else comes of the events', async () => {
    const program = {
      events: [Deposited],
      automations: [
        defineAutomation({
          name: 'tell-balance',
          on: Deposited,
          publishes: [BalanceTold],
          retry: { attempts: 1 },
          run: () => Promise.reject(new Error('never')),
        }),
      ],
    };
    const { divergence, report } = await simulate(program, {
      events: deposits(10),
      runs: 5,
      faults: { reorder: 0, delay: 0 },
    });
    expect(divergence, report).toBeUndefined();
    // The first of each account is parked, and the second waits behind it.
    expect(report).toMatch(/the same came out in each\n\n {2}dead letters too, .*:\n {4}tell-balance: 5$/);
  });

  it('compares what the engine says of a dead letter without the ids of facts, which follow from what led to them', async () => {
    const program = {
      events: [Deposited, BalanceTold],
      automations: [
        defineAutomation({
          name: 'tell-balance',
          on: Deposited,
          publishes: [BalanceTold],
          run: ({ event, publish }) => void publish(BalanceTold, event.data),
        }),
        defineAutomation({
          name: 'answer',
          on: BalanceTold,
          maxDepth: 1,
          publishes: [BalanceTold],
          run() {},
        }),
      ],
    };
    const { divergence, report } = await simulate(program, { events: deposits(5), runs: 20, faults: { delay: 0.5 } });
    expect(divergence, report).toBeUndefined();
    expect(report).toMatch(/answer: \d+$/);
  });

  it('refuses what cannot be meant, with what was expected', async () => {
    const events = deposits(2);
    for (const [program, options, expected] of [
      [{ events: [Deposited], windows: 3 }, { events }, /windows: expected a list of definitions, found 3/],
      [() => undefined, { events }, /program\(\): expected the options of open\(\) without a store, found nothing/],
      [{}, { events: [{ type: 'a', source: '/a', id: '1' }] }, /events\[0\]: expected a CloudEvent as decodeJsonEvent/],
      [{}, { events, progress: 'often' }, /progress: expected a function, found "often"/],
      [{}, { events, now: null }, /now: expected a time, found null/],
      [{}, { events, seed: Number.MAX_SAFE_INTEGER - 1, runs: 50 }, /seed: expected at most 9007199254740941/],
      [
        {},
        { events, faults: { delay: { share: 0.1, upTo: '1h', more: 1 } } },
        /faults\.delay: expected only share, upTo/,
      ],
    ] as const)
      await expect(simulate(program as never, options as unknown as SimulationOptions)).rejects.toThrow(expected);
  });

  it('says of what goes by time, automations too, that late events may rightly lead to something else', async () => {
    const program = {
      events: [Deposited],
      automations: [
        defineAutomation({
          name: 'tell-balance',
          on: Deposited,
          inTime: { disorder: '5s', idle: '1m' },
          publishes: [BalanceTold],
          run: ({ event, publish }) => void publish(BalanceTold, event.data),
        }),
      ],
    };
    const events = deposits(50).map(
      ([definition, data], second) =>
        [definition, data, { time: new Date(Date.UTC(2026, 0, 1, 0, 0, second)) }] as const,
    );
    const { divergence, report } = await simulate(program, { events, faults: { delay: 0.5 } });
    expect(divergence?.difference.reaction).toBe('tell-balance');
    expect(report).toContain('tell-balance goes by time');
  });

  it('finds nothing in the shop in 1,000 runs, with events that never come, too (G2, G5, G6)', async () => {
    const facts = shopFacts(7, 'till');
    const events = Array.from({ length: 40 }, () => {
      const fact = facts.next().value;
      return fact.kind === 'order' ? ([OrderPlaced, fact.data] as const) : ([PaymentReceived, fact.data] as const);
    });
    const { divergence, report } = await simulate(shop, { events, runs: 1_000, faults: { drop: 0.02 } });
    expect(divergence, report).toBeUndefined();
  }, 120_000);

  it.each<[Partial<SimulationOptions>, RegExp]>([
    [{ events: [] }, /events: expected a history of at least one event/],
    [{ runs: 0 }, /runs: expected a whole number from 1/],
    [{ seed: 1.5 }, /seed: expected a whole number/],
    [{ now: 'soon' }, /now: expected a time/],
    [{ faults: { crash: 2 } }, /faults.crash: expected a share from 0 to 1/],
    [{ faults: { crashes: 0.5 } as object }, /faults: expected only duplicate, reorder/],
    [{ faults: { delay: { share: 0.5, upTo: 'late' as never } } }, /faults.delay.upTo/],
  ])('refuses %j', async (wrong, message) => {
    await expect(simulate(idempotent, { events: deposits(2), ...wrong })).rejects.toThrow(message);
  });
});
