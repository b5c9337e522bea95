import { z } from 'zod';
import { defineEvent, open } from '../index.ts';

/** The events of Nexmark (https://github.com/nexmark/nexmark) in its proportions, with the ids and the hot ones of its generator. */
const PROPORTIONS = { person: 1, auction: 3, all: 50 } as const;
const FIRST_ID = 1_000;
const AUCTIONS_IN_FLIGHT = 100;
const PEOPLE_ACTIVE = 1_000;
/** So many ids that are not given yet are spoken of already. */
const LEAD = 10;
const HOT_EVERY = 100;
const START_MS = Date.parse('2026-01-01T00:00:00Z');
/** By so much events are out of order. */
export const DISORDER_MS = 2_000;
/** Makes events about as large as those of Nexmark. */
const EXTRA = 'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor '.repeat(5);

const Bid = z.object({
  auction: z.number(),
  bidder: z.number(),
  price: z.number(),
  channel: z.string(),
  url: z.string(),
  extra: z.string(),
});
export type BidData = z.infer<typeof Bid>;

export const PersonRegistered = defineEvent({
  type: 'bench.person.registered',
  schema: z.object({
    id: z.number(),
    name: z.string(),
    emailAddress: z.string(),
    creditCard: z.string(),
    city: z.string(),
    state: z.string(),
    extra: z.string(),
  }),
  stream: ({ id }) => `person-${id}`,
});

export const AuctionOpened = defineEvent({
  type: 'bench.auction.opened',
  schema: z.object({
    id: z.number(),
    itemName: z.string(),
    description: z.string(),
    initialBid: z.number(),
    reserve: z.number(),
    seller: z.number(),
    category: z.number(),
    extra: z.string(),
  }),
  stream: ({ id }) => `auction-${id}`,
});

export const BidMade = defineEvent({
  type: 'bench.auction-bid.made',
  schema: Bid,
  stream: ({ auction }) => `auction-${auction}`,
});

/** What the n-th event is, and when it happened. One each millisecond, up to two seconds late; the same on every machine. */
export type HouseEvent = { readonly timeMs: number } & (
  | { readonly kind: 'person'; readonly id: number }
  | { readonly kind: 'auction'; readonly id: number; readonly seller: number; readonly price: number }
  | { readonly kind: 'bid'; readonly auction: number; readonly bidder: number; readonly price: number }
);

export function houseEvent(n: number): HouseEvent {
  const round = Math.floor(n / PROPORTIONS.all);
  const place = n % PROPORTIONS.all;
  const random = randomOf(n);
  const timeMs = START_MS + Math.max(0, n - random(DISORDER_MS));
  if (place < PROPORTIONS.person) return { kind: 'person', id: FIRST_ID + round, timeMs };
  const price = Math.round(10 ** (random(6_000) / 1_000) * 100);
  if (place < PROPORTIONS.person + PROPORTIONS.auction) {
    const seller = random(4) > 0 ? hot(round) : personBy(round, random);
    const id = FIRST_ID + round * PROPORTIONS.auction + place - PROPORTIONS.person;
    return { kind: 'auction', id, seller: FIRST_ID + seller, price, timeMs };
  }
  const last = round * PROPORTIONS.auction + PROPORTIONS.auction - 1;
  const first = Math.max(0, last - AUCTIONS_IN_FLIGHT);
  const auction = random(2) > 0 ? hot(last) : first + random(last - first + 1 + LEAD);
  const bidder = random(4) > 0 ? hot(round) + 1 : personBy(round, random);
  return { kind: 'bid', auction: FIRST_ID + auction, bidder: FIRST_ID + bidder, price, timeMs };
}

const hot = (last: number): number => Math.floor(last / HOT_EVERY) * HOT_EVERY;

function personBy(last: number, random: (below: number) => number): number {
  const active = Math.min(last + 1, PEOPLE_ACTIVE);
  return last + 1 - active + random(active + LEAD);
}

/** Numbers that follow from `n` alone. */
function randomOf(n: number): (below: number) => number {
  let state = Math.imul(n + 1, 0x9e_37_79_b1) >>> 0;
  return (below) => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The first `count` events, published and not reacted to. */
export async function fillHouse(store: string, count: number): Promise<void> {
  await using system = await open({ store, events: [PersonRegistered, AuctionOpened, BidMade], consume: false });
  for (let from = 0; from < count; from += 1_000)
    await system.publishAll(
      Array.from({ length: Math.min(1_000, count - from) }, (_, index) => publicationOf(houseEvent(from + index))),
    );
}

function publicationOf(event: HouseEvent) {
  const options = { time: new Date(event.timeMs) };
  switch (event.kind) {
    case 'person': {
      const { id } = event;
      const name = `Person ${id}`;
      return {
        event: PersonRegistered,
        data: {
          id,
          name,
          emailAddress: `person-${id}@example.com`,
          creditCard: '1234 5678 9012 3456',
          city: 'Portland',
          state: 'OR',
          extra: EXTRA.slice(0, 60),
        },
        options,
      };
    }
    case 'auction': {
      const { id, seller, price } = event;
      return {
        event: AuctionOpened,
        data: {
          id,
          itemName: `Item ${id}`,
          description: EXTRA.slice(0, 80),
          initialBid: price,
          reserve: price * 2,
          seller,
          category: 10 + (id % 5),
          extra: EXTRA.slice(0, 280),
        },
        options,
      };
    }
    case 'bid': {
      const { auction, bidder, price } = event;
      return {
        event: BidMade,
        data: {
          auction,
          bidder,
          price,
          channel: 'Google',
          url: `https://www.nexmark.com/item.htm?query=${auction % 10}`,
          extra: EXTRA.slice(0, 30),
        },
        options,
      };
    }
  }
}
