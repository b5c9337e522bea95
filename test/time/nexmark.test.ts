import { defineAutomation, defineEvent, defineProjection } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Aggregate } from '../../src/time/window-set.ts';
import { Watermark } from '../../src/time/watermark.ts';
import { hopping, tumbling } from '../../src/time/windowing.ts';
import type { Windowing } from '../../src/time/windowing.ts';
import { testSharedText } from './shared-text.ts';
import { Windowed } from './windowed.ts';

/** https://github.com/nexmark/nexmark: an auction house. */
const Person = z.object({ id: z.number(), name: z.string(), city: z.string(), state: z.string() });
const Auction = z.object({ id: z.number(), seller: z.number(), category: z.number() });
const Bid = z.object({
  auction: z.number(),
  bidder: z.number(),
  price: z.number(),
  channel: z.string(),
  url: z.string(),
  extra: z.string(),
  date_time: z.string(),
});
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

const highest: Aggregate<BidData, readonly BidData[], readonly BidData[]> = {
  initial: () => [],
  add(bids, bid) {
    const [other] = bids;
    if (other === undefined || bid.price > other.price) return [bid];
    return bid.price === other.price ? [...bids, bid] : bids;
  },
  result: (bids) => bids,
};

const bidCounts: Aggregate<BidData, Readonly<Record<string, number>>, Readonly<Record<string, number>>> = {
  initial: () => ({}),
  add: (counts, { auction }) => ({ ...counts, [auction]: (counts[auction] ?? 0) + 1 }),
  result: (counts) => counts,
};

/** What windows over all bids say, in the order of the bids' times. */
function windowed<Accumulator, Result>(
  bids: readonly BidData[],
  windowing: Windowing,
  aggregate: Aggregate<BidData, Accumulator, Result>,
): readonly Result[] {
  const windows = new Windowed({
    windowing,
    aggregate,
    latenessMs: 0,
    early: undefined,
    lateEvents: 1,
    firings: 'all',
  });
  const watermark = new Watermark({ disorderMs: 60_000, idleMs: Number.POSITIVE_INFINITY, expected: [] });
  const firings = bids.flatMap((bid) => {
    const timeMs = Date.parse(`${bid.date_time.replace(' ', 'T')}Z`);
    windows.add('', timeMs, bid);
    watermark.observe('bids', timeMs, timeMs);
    return windows.advance(watermark.ms);
  });
  const all = [...firings, ...windows.advance(Number.MAX_SAFE_INTEGER)];
  expect(windows.missed).toBe(0);
  return all.map(({ result }) => result);
}

describe('the queries of Nexmark over its auctions', () => {
  testSharedText(
    ['nexmark/person.jsonl', 'nexmark/auction.jsonl', 'nexmark/bid.jsonl', 'nexmark/queries-a.json'],
    (...texts) => {
      const [people = [], auctions = [], bids = []] = texts.slice(0, 3).map((text) =>
        text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown),
      );
      const queries = JSON.parse(texts[3] ?? '{}') as Readonly<Record<string, Query>>;
      const expected = (name: string) => sorted(queries[name]?.expected_rows ?? []);

      test('what follows from one event, joins and statistics: as automations and projections', async () => {
        await using auctionHouse = await testSystem({
          events: [PersonRegistered, AuctionOpened, BidMade],
          automations: Object.keys(OF_ONE_BID).map(answering),
          projections: [sellers, daily],
        });
        const { system } = auctionHouse;
        // Sellers come after what they sell: a join must not depend on that.
        await system.publishAll(
          auctions.map((data) => ({ event: AuctionOpened, data: data as z.infer<typeof Auction> })),
        );
        await system.publishAll(
          people.map((data) => ({ event: PersonRegistered, data: data as z.infer<typeof Person> })),
        );
        await system.publishAll(bids.map((data) => ({ event: BidMade, data: data as BidData })));
        await auctionHouse.settled();
        const answered = Map.groupBy(auctionHouse.recorded(RowAnswered), ({ data }) => data.query);
        for (const name of Object.keys(OF_ONE_BID))
          expect(sorted((answered.get(name) ?? []).map(({ data }) => data.row)), name).toEqual(expected(name));
        const joined = (await system.views.query(sellers, { limit: 500 })).items.flatMap(
          ({ row: { person, auctions: of } }) =>
            person !== null && ['or', 'id', 'ca'].includes(person[2] ?? '')
              ? of.map((id) => [...person, id].join('\t'))
              : [],
        );
        expect(sorted(joined)).toEqual(expected('q3'));
        const days = (await system.views.query(daily, { limit: 500 })).items.map(({ key, row }) =>
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

      test('hot items in hopping windows (q5), and the highest bid of each window (q7)', () => {
        const hot = windowed(bids as readonly BidData[], hopping('10s', { every: '2s' }), bidCounts).flatMap(
          (counts) => {
            const most = Math.max(...Object.values(counts));
            return Object.entries(counts).flatMap(([auction, count]) =>
              count === most ? [`${auction}\t${count}`] : [],
            );
          },
        );
        expect(sorted(hot)).toEqual(expected('q5'));
        const best = windowed(bids as readonly BidData[], tumbling('10s'), highest).flatMap((found) =>
          found.map(({ auction, price, bidder, date_time }) => [auction, price, bidder, clock(date_time)].join('\t')),
        );
        expect(sorted(best)).toEqual(expected('q7'));
      });
    },
  );
});
