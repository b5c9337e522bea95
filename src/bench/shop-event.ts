import { z } from 'zod';
import { defineEvent } from '../index.ts';

/** About 300 bytes of JSON: order id, customer, total, two lines, address. */
export const BenchOrderPlaced = defineEvent({
  type: 'bench.order.placed',
  stream: (data) => data.orderId,
  schema: z.object({
    orderId: z.string(),
    customer: z.string(),
    total: z.number(),
    lines: z.array(z.object({ sku: z.string(), quantity: z.number(), price: z.number() })),
    address: z.object({ street: z.string(), city: z.string(), zip: z.string(), country: z.string() }),
  }),
});

export const STREAMS = 20_000;

/** The n-th event: spread over 20,000 streams and 1,000 customers, the same in every run. */
export function orderNumber(n: number) {
  const spread = Math.imul(n, 2_654_435_761) >>> 0;
  return {
    orderId: `order-${spread % STREAMS}`,
    customer: `customer-${spread % 1_000}`,
    total: (spread % 100_000) / 100,
    lines: [
      { sku: `sku-${spread % 977}`, quantity: 1 + (spread % 5), price: 12.5 },
      { sku: `sku-${spread % 613}`, quantity: 2, price: 7.25 },
    ],
    address: {
      street: `${spread % 300} Long Meadow Lane`,
      city: 'Castle Combe',
      zip: 'SN14 7HU',
      country: 'United Kingdom',
    },
  };
}

/** The bytes that a raw log would write for such an event: its JSON in a minimal envelope. */
export function rawEvent(n: number): Buffer {
  return Buffer.from(`${JSON.stringify(orderNumber(n))}\n`);
}
