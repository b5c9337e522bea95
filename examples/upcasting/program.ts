import { defineConsumer, defineEvent, open } from 'thereupon';
import type { DataOf } from 'thereupon';
import { memory } from 'thereupon/memory';
import { z } from 'zod';

const type = 'shop.order.placed';
const store = memory();

// What was deployed a year ago.
const OrderPlacedV1 = defineEvent({ type, schema: z.object({ orderId: z.string(), total: z.number() }) });
const before = await open({ store, events: [OrderPlacedV1] });
await before.publish(OrderPlacedV1, { orderId: '17', total: 12.5 });
await before.close();

// What is deployed now. What the last upcaster gives goes through the schema, which fills in the currency.
const OrderPlaced = defineEvent({
  type,
  version: 2,
  schema: z.object({ orderId: z.string(), totalCents: z.int(), currency: z.string().default('EUR') }),
  upcast: {
    1: ({ orderId, total }: DataOf<typeof OrderPlacedV1>) => ({ orderId, totalCents: Math.round(total * 100) }),
  },
});
const books = defineConsumer({
  name: 'books',
  on: OrderPlaced,
  handle: ({ event }) => console.log(`v${event.schemaVersion}`, event.data),
});

await using system = await open({ store, events: [OrderPlaced], consumers: [books] });
await system.settled(); // v2 { orderId: '17', totalCents: 1250, currency: 'EUR' }
