import { defineEvent } from 'thereupon';
import { z } from 'zod';

/** Money is a whole number of pence: sums are exact, in whatever order they are made. */
const pence = z.int();

const invoice = z.object({
  invoice: z.string(),
  /** Some customers are not known. */
  customer: z.string().optional(),
  country: z.string(),
  totalPence: pence,
  lines: z.array(
    z.object({ stockCode: z.string(), description: z.string().optional(), quantity: z.int(), unitPence: pence }),
  ),
});

export const OrderPlaced = defineEvent({
  type: 'retail.order.placed',
  summary: 'A customer placed an order',
  stream: (data) => `order-${data.invoice}`,
  schema: invoice,
});

export const OrderCancelled = defineEvent({
  type: 'retail.order.cancelled',
  summary: 'Goods were taken back; quantities are negative',
  stream: (data) => `order-${data.invoice}`,
  schema: invoice,
});

export const LargeOrderNoticed = defineEvent({
  type: 'retail.large-order.noticed',
  summary: 'An order was worth more than 1,000.00',
  stream: (data) => `day-${data.day}`,
  schema: z.object({ day: z.iso.date(), invoice: z.string(), totalPence: pence }),
});

export const CustomerReturned = defineEvent({
  type: 'retail.customer.returned',
  summary: 'A customer placed a second order on the same day',
  stream: (data) => `customer-${data.customer}`,
  schema: z.object({ day: z.iso.date(), customer: z.string(), invoice: z.string() }),
});
