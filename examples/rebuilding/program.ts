import { defineEvent, defineProjection, open } from 'thereupon';
import { z } from 'zod';

const OrderPlaced = defineEvent({
  type: 'shop.order.placed',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId: z.string(), customer: z.string(), total: z.number() }),
});

// What the program of yesterday kept.
const yesterday = defineProjection({
  name: 'sales',
  key: (event) => event.data.customer,
  initial: () => ({ total: 0 }),
  on: [[OrderPlaced, (row, event) => ({ total: row.total + event.data.total })]],
});

// What that of today keeps under the same name: other rows, so a higher version.
const today = defineProjection({
  name: 'sales',
  version: 2,
  key: (event) => event.data.customer,
  initial: () => ({ orders: 0, cents: 0 }),
  on: [
    [OrderPlaced, (row, event) => ({ orders: row.orders + 1, cents: row.cents + Math.round(event.data.total * 100) })],
  ],
  indexes: { cents: (row) => row.cents },
});

const old = await open({ store: 'sales.db', projections: [yesterday] });
await old.publish(OrderPlaced, { orderId: '17', customer: 'ada', total: 12.5 });
await old.settled();
await old.close();

await using system = await open({ store: 'sales.db', projections: [today] });
// The rows of yesterday serve until those of today take their place, in one step.
await system.settled();
console.log(await system.views.get(today, 'ada')); // { orders: 1, cents: 1250 }

// What would another build come to? Nothing is changed by asking.
const trial = await system.views.rebuild(today, { dryRun: true });
const { comparison } = await trial.ended();
console.log(comparison?.differences); // { added: 0, removed: 0, changed: 0, sample: [] }
