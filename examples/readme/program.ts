import { defineAutomation, defineEvent, defineProjection, open } from 'thereupon';
import { z } from 'zod'; // any Standard Schema library will do

const OrderPlaced = defineEvent({
  type: 'shop.order.placed',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId: z.string(), customer: z.string(), total: z.number() }),
});
const StockReserved = defineEvent({
  type: 'shop.stock.reserved',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId: z.string() }),
});

const reserveStock = defineAutomation({
  name: 'reserve-stock',
  on: OrderPlaced,
  where: { data: { total: [{ numeric: ['>', 0] }] } },
  publishes: [StockReserved],
  async run({ event, publish }) {
    await publish(StockReserved, { orderId: event.data.orderId });
  },
});
const salesByCustomer = defineProjection({
  name: 'sales-by-customer',
  key: (event) => event.data.customer,
  initial: () => ({ orders: 0, total: 0 }),
  on: [[OrderPlaced, (row, event) => ({ orders: row.orders + 1, total: row.total + event.data.total })]],
});

const system = await open({
  store: 'shop.db',
  events: [OrderPlaced],
  automations: [reserveStock],
  projections: [salesByCustomer],
});
await system.publish(OrderPlaced, { orderId: '17', customer: 'ada', total: 120 }); // durable when it resolves
await system.settled();
console.log(await system.views.get(salesByCustomer, 'ada')); // { orders: 1, total: 120 }
await system.close();
