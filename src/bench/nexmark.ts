import { z } from 'zod';
import { defineConsumer, defineEvent, defineWindow, hopping, open, tumbling } from '../index.ts';
import type { ConsumerDefinition, WindowDefinition } from '../index.ts';
import { AuctionOpened, BidMade, DISORDER_MS, PersonRegistered, fillHouse, houseEvent } from './auction-house.ts';
import type { BidData, HouseEvent } from './auction-house.ts';
import { figure, rssMb } from './workload.ts';
import type { Workload } from './workload.ts';

const WINDOW_MS = 10_000;
const HOP_MS = 2_000;

/** What a query has answered, for nothing but to be compared: Nexmark writes it to nowhere, too. */
interface Answers {
  rows: number;
  sum: number;
}

/** A query as a program, and what it has to answer to the first events. */
interface Query {
  readonly name: string;
  readonly what: string;
  readonly events: number;
  readonly program: (answers: Answers) => {
    readonly windows?: readonly WindowDefinition[];
    readonly consumers: readonly ConsumerDefinition[];
  };
  readonly expected: (events: Iterable<HouseEvent>) => Answers;
}

/** From opening the store to the last durable checkpoint; all events count, also those that a query does not ask for. */
function workloadOf({ name, what, events: published, program, expected }: Query): Workload {
  return {
    name: `T3-${name}`,
    what,
    async run({ storePath, scale }) {
      const store = await storePath(`t3-${name}`);
      const events = Math.ceil(published * scale);
      await fillHouse(store, events);
      const answers: Answers = { rows: 0, sum: 0 };
      const begin = performance.now();
      await using system = await open({ store, ...program(answers) });
      await system.settled();
      const seconds = (performance.now() - begin) / 1_000;
      const memory = rssMb();
      const right = expected(Array.from({ length: events }, (_, n) => houseEvent(n)));
      if (answers.rows !== right.rows || answers.sum !== right.sum)
        throw new Error(`${name} answered ${JSON.stringify(answers)}, expected ${JSON.stringify(right)}`);
      for (const consumer of await system.consumers.list())
        if (consumer.figures.late > 0) throw new Error(`${consumer.figures.late} events are late for ${consumer.name}`);
      const note = `from opening the store to the last durable checkpoint; ${answers.rows} rows, as calculated; ${memory} MB`;
      return figure({ workload: `T3-${name}`, events, seconds, note });
    },
  };
}

/** A query that looks at one bid: what it makes of it, and a number of that to compare. */
function ofOneBid(
  name: string,
  what: string,
  answer: (bid: Pick<BidData, 'auction' | 'price' | 'bidder'>) => { readonly price: number } | undefined,
): Workload {
  const add = (answers: Answers, bid: Pick<BidData, 'auction' | 'price' | 'bidder'>): void => {
    const row = answer(bid);
    if (row === undefined) return;
    answers.rows += 1;
    answers.sum += row.price;
  };
  return workloadOf({
    name,
    what: `Nexmark ${name}: ${what}`,
    events: 500_000,
    program: (answers) => ({
      consumers: [defineConsumer({ name, on: BidMade, handle: ({ event }) => add(answers, event.data) })],
    }),
    expected(events) {
      const answers: Answers = { rows: 0, sum: 0 };
      for (const event of events) if (event.kind === 'bid') add(answers, event);
      return answers;
    },
  });
}

export const passThrough = ofOneBid('q0', 'every bid as it is', (bid) => bid);

export const convertCurrency = ofOneBid('q1', 'every bid in another currency', ({ auction, bidder, price }) => ({
  auction,
  bidder,
  price: Math.round(price * 908) / 1_000,
}));

export const filterAuctions = ofOneBid('q2', 'the bids of some auctions', ({ auction, price }) =>
  auction % 123 === 0 ? { auction, price } : undefined,
);

const time = { disorder: DISORDER_MS, idle: 'never' } as const;

const BidsCounted = defineEvent({
  type: 'bench.auction-bids.counted',
  schema: z.object({ auction: z.number(), num: z.number() }),
  stream: ({ auction }) => `counted-${auction}`,
});

const HottestFound = defineEvent({
  type: 'bench.hottest.found',
  schema: z.object({ end: z.string(), auctions: z.array(z.number()), num: z.number() }),
  stream: () => 'hottest-all',
});

const bidsOfAuction = defineWindow({
  name: 'q5-bids',
  on: BidMade,
  key: ({ data }) => String(data.auction),
  time,
  windows: hopping(WINDOW_MS, { every: HOP_MS }),
  aggregate: {
    initial: () => 0,
    add: (num) => num + 1,
    result: (num, { key }) => ({ auction: Number(key), num }),
  },
  publishes: BidsCounted,
});

/** Over the results of all auctions, each of which tells its own in its turn. */
const hottest = defineWindow({
  name: 'q5-hottest',
  on: BidsCounted,
  key: () => 'all',
  time: { idle: 'never' },
  windows: tumbling(HOP_MS),
  aggregate: {
    initial: () => ({ auctions: [] as readonly number[], num: 0 }),
    add(most, { data: { auction, num } }) {
      if (num < most.num) return most;
      return { auctions: num > most.num ? [auction] : [...most.auctions, auction], num };
    },
    result: ({ auctions, num }, { end }) => ({ end, auctions: [...auctions], num }),
  },
  publishes: HottestFound,
});

export const hotItems = workloadOf({
  name: 'q5',
  what: 'Nexmark q5: bids of each auction in windows of 10 s, every 2 s, and the most of each window',
  events: 300_000,
  program: (answers) => ({
    windows: [bidsOfAuction, hottest],
    consumers: [
      defineConsumer({
        name: 'q5',
        on: HottestFound,
        handle({ event: { data } }) {
          answers.rows += data.auctions.length;
          answers.sum += data.num;
        },
      }),
    ],
  }),
  expected(events) {
    const windows = new Map<number, Map<number, number>>();
    let latestMs = 0;
    for (const event of events) {
      if (event.kind !== 'bid') continue;
      latestMs = Math.max(latestMs, event.timeMs);
      const lastMs = Math.floor(event.timeMs / HOP_MS) * HOP_MS;
      for (let startMs = lastMs; startMs > event.timeMs - WINDOW_MS; startMs -= HOP_MS) {
        const counts = windows.get(startMs + WINDOW_MS) ?? new Map<number, number>();
        counts.set(event.auction, (counts.get(event.auction) ?? 0) + 1);
        windows.set(startMs + WINDOW_MS, counts);
      }
    }
    // What is not over yet is not told: neither a window of bids, nor one of results.
    const answers: Answers = { rows: 0, sum: 0 };
    for (const [endMs, counts] of windows) {
      if (endMs > latestMs - DISORDER_MS) continue;
      const num = Math.max(...counts.values());
      answers.rows += [...counts.values()].filter((count) => count === num).length;
      answers.sum += num;
    }
    return answers;
  },
});

const SellerSeen = defineEvent({
  type: 'bench.seller.seen',
  schema: z.object({ id: z.number(), name: z.string(), sells: z.boolean(), start: z.string() }),
  stream: ({ id }) => `seller-${id}`,
});

/** A join within windows: one window over both kinds of events. */
const newSellers = defineWindow({
  name: 'q8-sellers',
  on: [PersonRegistered, AuctionOpened],
  key: (event) => String(event.type === PersonRegistered.type ? event.data.id : event.data.seller),
  time,
  windows: tumbling(WINDOW_MS),
  aggregate: {
    // Without a name the person came in another window.
    initial: () => ({ name: '', sells: false }),
    add: (person, event) =>
      event.type === PersonRegistered.type ? { ...person, name: event.data.name } : { ...person, sells: true },
    result: (person, { key, start }) => ({ ...person, id: Number(key), start }),
  },
  publishes: SellerSeen,
});

export const monitorNewUsers = workloadOf({
  name: 'q8',
  what: 'Nexmark q8: who registered and opened an auction in the same 10 s',
  events: 300_000,
  program: (answers) => ({
    windows: [newSellers],
    consumers: [
      defineConsumer({
        name: 'q8',
        on: SellerSeen,
        where: { data: { sells: [true], name: [{ 'anything-but': [''] }] } },
        handle({ event: { data } }) {
          answers.rows += 1;
          answers.sum += data.id;
        },
      }),
    ],
  }),
  expected(events) {
    const people = new Map<number, number>();
    const sellers = new Set<string>();
    let latestMs = 0;
    for (const event of events) {
      if (event.kind === 'bid') continue;
      latestMs = Math.max(latestMs, event.timeMs);
      const startMs = Math.floor(event.timeMs / WINDOW_MS) * WINDOW_MS;
      if (event.kind === 'person') people.set(event.id, startMs);
      else sellers.add(`${event.seller} ${startMs}`);
    }
    const answers: Answers = { rows: 0, sum: 0 };
    for (const [id, startMs] of people) {
      if (startMs + WINDOW_MS > latestMs - DISORDER_MS || !sellers.has(`${id} ${startMs}`)) continue;
      answers.rows += 1;
      answers.sum += id;
    }
    return answers;
  },
});
