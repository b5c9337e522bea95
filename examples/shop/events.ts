import { defineEvent } from 'thereupon';
import { z } from 'zod';

const orderId = z.string().min(1);
/** Amounts are whole cents: sums are exact in any order. */
const cents = z.int().nonnegative();

export const OrderPlaced = defineEvent({
  type: 'shop.order.placed',
  summary: 'A customer placed an order',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({
    orderId,
    customer: z.string(),
    totalCents: cents,
    lines: z.array(z.object({ sku: z.string(), quantity: z.int().positive(), priceCents: cents })).min(1),
  }),
});

export const PaymentReceived = defineEvent({
  type: 'shop.payment.received',
  summary: 'The payment provider reported that an order was paid',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId, amountCents: cents, method: z.enum(['card', 'transfer', 'invoice']) }),
});

export const StockReserved = defineEvent({
  type: 'shop.stock.reserved',
  summary: 'The goods of an order were set aside in the warehouse',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId, items: z.int().positive() }),
});

export const OrderShipped = defineEvent({
  type: 'shop.order.shipped',
  summary: 'An order left the warehouse',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId, customer: z.string(), parcel: z.string() }),
});

export const LargeOrderNoticed = defineEvent({
  type: 'shop.large-order.noticed',
  summary: 'An order was large enough for somebody to call the customer',
  stream: (data) => `customer-${data.customer}`,
  schema: z.object({ orderId, customer: z.string(), totalCents: cents }),
});
