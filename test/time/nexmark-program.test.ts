import {
  defineAutomation,
  defineEvent,
  defineProjection,
  defineWindow,
  hopping,
  retractionOf,
  tumbling,
} from 'thereupon';
import type { WindowOptions } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { jsonLines } from './golden-text.ts';
import { testSharedText } from './shared-text.ts';

/** https://github.com/nexmark/nexmark: an auction house. */
const Person = z.object({
  id: z.number(),
  name: z.string(),
  city: z.string(),
  state: z.string(),
  date_time: z.string(),
});
const Auction = z.object({ id: z.number(), seller: z.number(), category: z.number(), date_time: z.string() });
const Bid = z.object({
  auction: z.number(),
  bidder: z.number(),
  price: z.number(),
  channel: z.string(),
  url: z.string(),
  extra: z.string(),
  date_time: z.string(),
});
type PersonData = z.infer<typeof Person>;
type AuctionData = z.infer<typeof Auction>;
type BidData = z.infer<typeof Bid>;

const PersonRegistered = defineEvent({
  type: 'auction.person.registered',
  stream: ({ id }) => `person-${id}`,
  schema: Person,
});
const AuctionOpened = defineEvent({
  type: 'auction.auction.opened',
  stream: ({ id }) => `auction-${id}`,
  schema: Auction,
});
const BidMade = defineEvent({ type: 'auction.bid.made', stream: ({ auction }) => `auction-${auction}`, schema: Bid });
/** What a query answers, a fact a row. */
const RowAnswered = defineEvent({
  type: 'auction.row.answered',
  stream: () => 'answers-1',
  schema: z.object({ query: z.string(), row: z.string() }),
});

interface Query {
  readonly expected_rows: readonly string[];
}

/** Columns are set apart by tabs or blanks; numbers are the same with and without zeros at their end. */
function cells(row: string): string {
  return row
    .split(/[\t ]+/)
    .map((cell) => (/^\d+\.\d*$/.test(cell) ? String(Number(Number(cell).toFixed(9))) : cell))
    .join(' ');
}
const sorted = (rows: readonly string[]): readonly string[] => rows.map(cells).toSorted();

const inPounds = (price: number): string => (Math.round(price * 908) / 1_000).toFixed(3);
const clock = (text: string): string => text.replace(/\.(\d+?)0+$/, '.$1');

/** Queries that look at one bid: each row follows from one event. */
const OF_ONE_BID: Readonly<Record<string, (bid: BidData) => string | undefined>> = {
  q0: ({ auction, bidder, price, date_time }) => [auction, bidder, price, date_time].join('\t'),
  q1: ({ auction, bidder, price, date_time }) => [auction, bidder, inPounds(price), date_time].join('\t'),
  q2: ({ auction, price }) =>
    [1_007, 1_020, 2_001, 2_019, 2_087].includes(auction) ? [auction, price].join('\t') : undefined,
  q14: ({ auction, bidder, price, date_time, extra }) => {
    const pounds = Number(inPounds(price));
    if (!(pounds > 1_000_000 && pounds < 50_000_000)) return undefined;
    const hour = Number(date_time.slice(11, 13));
    const when = hour >= 8 && hour <= 18 ? 'dayTime' : hour <= 6 || hour >= 20 ? 'nightTime' : 'otherTime';
    return [auction, bidder, inPounds(price), when, date_time, extra.split('c').length - 1].join('\t');
  },
  q22: ({ auction, bidder, price, channel, url }) =>
    [auction, bidder, price, channel, ...url.split('/').slice(3, 6)].join('\t'),
};

const answering = (query: string) =>
  defineAutomation({
    name: query,
    on: BidMade,
    publishes: [RowAnswered],
    async run({ event, publish }) {
      const row = OF_ONE_BID[query]?.(event.data);
      if (row !== undefined) await publish(RowAnswered, { query, row });
    },
  });

/** A join: both kinds of events come to the row of the seller, in whatever order. */
const sellers = defineProjection({
  name: 'q3',
  key: (event) => String(event.type === 'auction.person.registered' ? event.data.id : event.data.seller),
  initial: (): { person: readonly string[] | null; auctions: readonly number[] } => ({ person: null, auctions: [] }),
  on: [
    [PersonRegistered, (row, { data }) => ({ ...row, person: [data.name, data.city, data.state] })],
    [AuctionOpened, (row, { data }) => (data.category === 10 ? { ...row, auctions: [...row.auctions, data.id] } : row)],
  ],
});

const daily = defineProjection({
  name: 'q17',
  key: (event) => `${event.data.auction} ${event.data.date_time.slice(0, 10)}`,
  initial: () => ({ bids: 0, ranks: [0, 0, 0], least: Number.MAX_SAFE_INTEGER, most: 0, sum: 0 }),
  on: [
    [
      BidMade,
      (row, { data: { price } }) => ({
        bids: row.bids + 1,
        ranks: row.ranks.with(
          price < 10_000 ? 0 : price < 1_000_000 ? 1 : 2,
          (row.ranks[price < 10_000 ? 0 : price < 1_000_000 ? 1 : 2] ?? 0) + 1,
        ),
        least: Math.min(row.least, price),
        most: Math.max(row.most, price),
        sum: row.sum + price,
      }),
    ],
  ],
});

const instantOf = (text: string): string => `${text.replace(' ', 'T')}Z`;
const time = { disorder: '1m' } as const;

const BidsCounted = defineEvent({
  type: 'auction.bids.counted',
  stream: ({ auction }) => `auction-${auction}`,
  schema: z.object({ auction: z.number(), num: z.number() }),
});
const bidsOfAuction = defineWindow({
  name: 'q5-bids',
  on: BidMade,
  key: ({ data }) => String(data.auction),
  time,
  windows: hopping('10s', { every: '2s' }),
  aggregate: {
    initial: () => 0,
    add: (num) => num + 1,
    result: (num, { key }) => ({ auction: Number(key), num }),
  },
  publishes: BidsCounted,
});
const HottestFound = defineEvent({
  type: 'auction.hottest.found',
  stream: ({ by }) => `hottest-${by}`,
  schema: z.object({ by: z.string(), end: z.string(), auctions: z.array(z.number()), num: z.number() }),
});
/** Results of one window have one time, its last instant: every two seconds there are those of another. */
const hotItems = (
  by: string,
  more: Pick<WindowOptions<typeof BidsCounted, typeof HottestFound, never>, 'late' | 'time'>,
) =>
  defineWindow({
    ...more,
    name: by,
    on: BidsCounted,
    key: () => 'all',
    windows: tumbling('2s'),
    aggregate: {
      initial: () => ({ auctions: [] as readonly number[], num: 0 }),
      add(most, { data: { auction, num } }) {
        if (num < most.num) return most;
        return { auctions: num > most.num ? [auction] : [...most.auctions, auction], num };
      },
      result: ({ auctions, num }, { end }) => ({ by, end, auctions: [...auctions], num }),
    },
    publishes: HottestFound,
  });
/** Time goes on for all auctions at once, and each tells its results in its turn: so they are waited for, or they correct. */
const hotItemsWindows = [hotItems('waiting', { time }), hotItems('correcting', { late: { correct: '1d' } })];
const hottest = defineProjection({
  name: 'q5',
  key: ({ data: { by, end } }) => `${by} ${end}`,
  initial: (): { readonly rows: readonly string[] } => ({ rows: [] }),
  on: [
    [
      HottestFound,
      ({ rows }, { data: { auctions, num } }) => ({
        rows: [...rows, ...auctions.map((auction) => `${auction}\t${num}`)],
      }),
      ({ rows }, { data: { auctions, num } }) => ({
        rows: rows.filter((row) => !auctions.some((auction) => row === `${auction}\t${num}`)),
      }),
    ],
  ],
});

const HighestFound = defineEvent({
  type: 'auction.highest.found',
  stream: () => 'highest-all',
  schema: z.object({ bids: z.array(Bid) }),
});
const highestBids = defineWindow({
  name: 'q7',
  on: BidMade,
  key: () => 'all',
  time,
  windows: tumbling('10s'),
  aggregate: {
    initial: (): readonly BidData[] => [],
    add(bids, { data: bid }) {
      const [other] = bids;
      if (other === undefined || bid.price > other.price) return [bid];
      return bid.price === other.price ? [...bids, bid] : bids;
    },
    result: (bids) => ({ bids: [...bids] }),
  },
  publishes: HighestFound,
});

const PersonSeen = defineEvent({
  type: 'auction.person.seen',
  stream: ({ id }) => `person-${id}`,
  schema: z.object({ id: z.number(), name: z.string(), sells: z.boolean(), start: z.string() }),
});
/** A join within windows: one window over both kinds of events. */
const newSellers = defineWindow({
  name: 'q8',
  on: [PersonRegistered, AuctionOpened],
  key: (event) => String(event.type === PersonRegistered.type ? event.data.id : event.data.seller),
  time,
  windows: tumbling('10s'),
  aggregate: {
    // Without a name the person came in another window.
    initial: () => ({ name: '', sells: false }),
    add: (person, event) =>
      event.type === PersonRegistered.type ? { ...person, name: event.data.name } : { ...person, sells: true },
    result: (person, { key, start }) => ({ ...person, id: Number(key), start }),
  },
  publishes: PersonSeen,
});
const newSellerFound = defineAutomation({
  name: 'q8-joined',
  on: PersonSeen,
  where: { data: { sells: [true], name: [{ 'anything-but': [''] }] } },
  publishes: [RowAnswered],
  run: async ({ event: { data }, publish }) =>
    void (await publish(RowAnswered, { query: 'q8', row: [data.id, data.name, data.start].join('\t') })),
});

/** Its rows are not among those of the suite: by its definition, event by event. */
function q8(people: readonly PersonData[], auctions: readonly AuctionData[]): readonly string[] {
  const windowOf = (text: string) => Math.floor(Date.parse(instantOf(text)) / 10_000) * 10_000;
  return people.flatMap(({ id, name, date_time }) => {
    const startMs = windowOf(date_time);
    const sells = auctions.some(({ seller, date_time: opened }) => seller === id && windowOf(opened) === startMs);
    return sells ? [[id, name, new Date(startMs).toISOString()].join('\t')] : [];
  });
}

const FILES = ['person.jsonl', 'auction.jsonl', 'bid.jsonl', 'queries-a.json'];

describe('the queries of Nexmark over its auctions, the program having died after each table (G6, G8)', () => {
  testSharedText(
    FILES.map((file) => `nexmark/${file}`),
    (...texts) => {
      const [people, auctions, bids] = texts.slice(0, 3).map(jsonLines) as unknown as readonly [
        readonly PersonData[],
        readonly AuctionData[],
        readonly BidData[],
      ];
      const queries = JSON.parse(texts[3] ?? '{}') as Readonly<Record<string, Query>>;
      const expected = (name: string) => sorted(queries[name]?.expected_rows ?? []);

      async function answered() {
        const house = await testSystem({
          events: [PersonRegistered, AuctionOpened, BidMade],
          automations: [...Object.keys(OF_ONE_BID).map(answering), newSellerFound],
          projections: [sellers, daily, hottest],
          windows: [bidsOfAuction, ...hotItemsWindows, highestBids, newSellers],
        });
        const timed = ({ date_time }: { readonly date_time: string }) => ({ time: instantOf(date_time) });
        // Sellers come after what they sell: a join must not depend on that.
        await house.system.publishAll(auctions.map((data) => ({ event: AuctionOpened, data, options: timed(data) })));
        await house.crash();
        await house.system.publishAll(people.map((data) => ({ event: PersonRegistered, data, options: timed(data) })));
        await house.crash();
        await house.system.publishAll(bids.map((data) => ({ event: BidMade, data, options: timed(data) })));
        await house.crash();
        await house.settled();
        // Nothing comes any more: time goes on by the clock, for windows and then for windows over their results.
        await house.advance('3m');
        await house.crash();
        await house.advance('10m');
        return house;
      }

      test('what follows from one bid, and what is joined and counted up to now', async () => {
        await using house = await answered();
        const rows = Map.groupBy(house.recorded(RowAnswered), ({ data }) => data.query);
        for (const name of Object.keys(OF_ONE_BID))
          expect(sorted((rows.get(name) ?? []).map(({ data }) => data.row)), name).toEqual(expected(name));
        const joined = (await house.views.query(sellers, { limit: 500 })).items.flatMap(
          ({ row: { person, auctions: of } }) =>
            person !== null && ['or', 'id', 'ca'].includes(person[2] ?? '')
              ? of.map((id) => [...person, id].join('\t'))
              : [],
        );
        expect(sorted(joined)).toEqual(expected('q3'));
        const days = (await house.views.query(daily, { limit: 500 })).items.map(({ key, row }) =>
          [
            ...key.split(' '),
            row.bids,
            ...row.ranks,
            row.least,
            row.most,
            (row.sum / row.bids).toFixed(12),
            row.sum,
          ].join('\t'),
        );
        expect(sorted(days)).toEqual(expected('q17'));
      });

      test('hot items in hopping windows (q5), the highest bid of each window (q7), new sellers (q8)', async () => {
        await using house = await answered();
        const hot = (await house.views.query(hottest)).items;
        for (const by of ['waiting', 'correcting']) {
          const rows = hot.filter(({ key }) => key.startsWith(by)).flatMap(({ row }) => row.rows);
          expect(sorted(rows), by).toEqual(expected('q5'));
        }
        expect(house.recorded(retractionOf(HottestFound)).filter(({ data }) => data.by === 'waiting')).toEqual([]);
        const best = house
          .recorded(HighestFound)
          .flatMap(({ data }) =>
            data.bids.map(({ auction, price, bidder, date_time }) =>
              [auction, price, bidder, clock(date_time)].join('\t'),
            ),
          );
        expect(sorted(best)).toEqual(expected('q7'));
        const sold = house.recorded(RowAnswered).filter(({ data }) => data.query === 'q8');
        expect(sorted(sold.map(({ data }) => data.row))).toEqual(sorted(q8(people, auctions)));
        expect(house.reported('thereupon.event.late')).toEqual([]);
      });
    },
  );
});
