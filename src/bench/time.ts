import { z } from 'zod';
import {
  defineAutomation,
  defineEvent,
  definePattern,
  definePatterns,
  defineWindow,
  every,
  one,
  open,
  session,
  tumbling,
} from '../index.ts';
import type { AutomationDefinition, WindowDefinition } from '../index.ts';
import { figure, rssMb } from './workload.ts';
import type { Figure, Workload, WorkloadContext } from './workload.ts';

const KEYS = 10_000;
const START_MS = Date.parse('2026-01-01T00:00:00Z');
/** By so much events are out of order. */
const DISORDER_MS = 2_000;

const Bid = defineEvent({
  type: 'bench.bid.made',
  schema: z.object({ bidder: z.string(), price: z.number() }),
  stream: ({ bidder }) => `bidder-${bidder}`,
});

const Counted = defineEvent({
  type: 'bench.bids.counted',
  schema: z.object({ bidder: z.string(), bids: z.number() }),
  stream: ({ bidder }) => `bids-${bidder}`,
});

/** The n-th bid: one each millisecond, of whatever bidder, up to two seconds late. The same on every machine. */
function bid(n: number): { readonly bidder: string; readonly price: number; readonly time: string } {
  const mixed = Math.imul(n ^ (n >>> 15), 0x2c_1b_3c_6d) >>> 0;
  const late = (Math.imul(mixed, 0x29_7a_2d_39) >>> 0) % DISORDER_MS;
  return {
    bidder: String(mixed % KEYS),
    price: (mixed >>> 16) % 1_000,
    time: new Date(START_MS + Math.max(0, n - late)).toISOString(),
  };
}

async function fillWithBids(store: string, events: number, first = 0): Promise<void> {
  await using system = await open({ store, events: [Bid], consume: false });
  for (let from = 0; from < events; from += 1_000)
    await system.publishAll(batchOf(first + from, Math.min(1_000, events - from)));
}

function batchOf(first: number, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const { time, ...data } = bid(first + index);
    return { event: Bid, data, options: { time } };
  });
}

/** From opening the store to the last durable checkpoint. */
async function react(store: string, windows: readonly WindowDefinition[]): Promise<number> {
  const begin = performance.now();
  await using system = await open({ store, windows });
  await system.settled();
  return (performance.now() - begin) / 1_000;
}

function windowed(name: string, what: string, windowOf: (turn: string) => WindowDefinition): Workload {
  return {
    name,
    what,
    async run({ store, storePath, scale }: WorkloadContext): Promise<Figure> {
      const place = store ?? (await storePath(name.toLowerCase()));
      const events = Math.ceil(1_000_000 * scale);
      await fillWithBids(place, events);
      const seconds = await react(place, [windowOf('measured')]);
      return figure({
        workload: name,
        events,
        seconds,
        note: `from opening the store to the last durable checkpoint; ${rssMb()} MB`,
      });
    },
  };
}

const counting = {
  on: Bid,
  key: (event: { readonly data: { readonly bidder: string } }) => event.data.bidder,
  time: { disorder: '2s', idle: 'never' },
  aggregate: {
    initial: () => 0,
    add: (count: number) => count + 1,
    merge: (left: number, right: number) => left + right,
    result: (bids: number, { key }: { readonly key: string }) => ({ bidder: key, bids }),
  },
  publishes: Counted,
} as const;

export const countInWindows = windowed(
  'T1',
  'keyed tumbling count (1m) over 1,000,000 disordered events, 10,000 keys, durable',
  (turn) => defineWindow({ ...counting, name: `tumbling-${turn}`, windows: tumbling('1m') }),
);

export const countInSessions = windowed('T2', 'session windows (gap 10s), the same events', (turn) =>
  defineWindow({ ...counting, name: `session-${turn}`, windows: session('10s') }),
);

const Noticed = defineEvent({
  type: 'bench.pattern.noticed',
  schema: z.object({ bidder: z.string(), rule: z.number() }),
  stream: ({ bidder }) => `noticed-${bidder}`,
});

const RULES = 1_000;

const ofBidder = {
  key: (event: { readonly data: { readonly bidder: string } }) => event.data.bidder,
  time: { idle: 'never' },
} as const;

/** One price after another of the same bidder: each bid concerns two of the rules. */
function ruleOf(price: number) {
  return {
    sequence: [
      every(one('first', Bid).where({ data: { price: [price] } })),
      one('second', Bid).where({ data: { price: [(price + 1) % RULES] } }),
    ],
    within: '10s',
  } as const;
}

/** All rules in one automation. */
function ruleSet(): readonly AutomationDefinition[] {
  const patterns = Object.fromEntries(Array.from({ length: RULES }, (_, price) => [`rule-${price}`, ruleOf(price)]));
  return [
    defineAutomation({
      name: 'rules',
      on: definePatterns({ ...ofBidder, patterns }),
      publishes: [Noticed],
      run: ({ key, pattern, publish }) => void publish(Noticed, { bidder: key, rule: Number(pattern.slice(5)) }),
    }),
  ];
}

/** Each of them in an automation of its own: a thousand consumers. */
function rulesApart(): readonly AutomationDefinition[] {
  return Array.from({ length: RULES }, (_, price) =>
    defineAutomation({
      name: `rule-${price}`,
      on: definePattern({ ...ofBidder, ...ruleOf(price) }),
      publishes: [Noticed],
      run: ({ key, publish }) => void publish(Noticed, { bidder: key, rule: price }),
    }),
  );
}

function patterned(
  name: string,
  what: string,
  {
    full,
    live,
    rules,
  }: { readonly full: number; readonly live: boolean; readonly rules: () => readonly AutomationDefinition[] },
): Workload {
  return {
    name,
    what,
    async run({ store, storePath, scale }) {
      const place = store ?? (await storePath(name.toLowerCase()));
      const events = Math.ceil(full * scale);
      if (!live) await fillWithBids(place, events);
      const begin = performance.now();
      await using system = await open({ store: place, events: [Bid], automations: rules() });
      if (live)
        for (let from = 0; from < events; from += 1_000)
          await system.publishAll(batchOf(from, Math.min(1_000, events - from)));
      await system.settled();
      const seconds = (performance.now() - begin) / 1_000;
      const note = live
        ? 'published and handled, in batches of 1,000'
        : 'from opening the store to the last durable checkpoint';
      return figure({ workload: name, events, seconds, note });
    },
  };
}

export const manyPatterns = patterned('T4', '1,000 pattern rules over 200,000 events, 10,000 keys', {
  full: 200_000,
  live: false,
  rules: ruleSet,
});

export const manyPatternsLive = patterned('T4-live', 'the same, of events as they are published', {
  full: 200_000,
  live: true,
  rules: ruleSet,
});

export const manyPatternsApart = patterned('T4-apart', 'the same rules, each in an automation of its own', {
  full: 20_000,
  live: false,
  rules: rulesApart,
});

export const stateOverTime: Workload = {
  name: 'T6',
  what: 'what windows keep over 2,000,000 events: as many rows and as much memory in the end as at first',
  long: true,
  async run({ storePath, scale }) {
    const store = await storePath('t6');
    const events = Math.ceil(500_000 * scale);
    const memory: number[] = [];
    let seconds = 0;
    const window = defineWindow({ ...counting, name: 'tumbling', windows: tumbling('10s') });
    for (let part = 0; part < 4; part += 1) {
      await fillWithBids(store, events, part * events);
      seconds += await react(store, [window]);
      memory.push(rssMb());
    }
    return figure({ workload: 'T6', events: 4 * events, seconds, note: `MB after each quarter: ${memory.join(', ')}` });
  },
};
