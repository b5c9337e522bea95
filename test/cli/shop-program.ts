/** A shop in a few lines. */
export const SHOP = `
import { defineAutomation, defineConfig, defineEvent, defineProjection } from 'thereupon';
import { z } from 'zod';
const Placed = defineEvent({ type: 'shop.order.placed', summary: 'An order', stream: (data) => 'order-' + data.orderId, schema: z.object({ orderId: z.string(), total: z.int() }) });
const Reserved = defineEvent({ type: 'shop.stock.reserved', stream: (data) => 'order-' + data.orderId, schema: z.object({ orderId: z.string() }) });
export default defineConfig({
  store: './data/shop.db',
  source: '/shop',
  events: [Placed],
  automations: [
    defineAutomation({ name: 'reserve-stock', on: Placed, where: { data: { total: [{ numeric: ['>=', 0] }] } }, publishes: [Reserved], run: ({ event, publish }) => void publish(Reserved, { orderId: event.data.orderId }) }),
    defineAutomation({ name: 'refuse-debts', on: Placed, where: { data: { total: [{ numeric: ['<', 0] }] } }, retry: { attempts: 1 }, run() { throw new Error('we owe nobody'); } }),
  ],
  projections: [defineProjection({ name: 'totals', key: (event) => event.data.orderId, initial: () => ({ total: 0 }), on: [[Placed, (row, event) => ({ total: row.total + event.data.total })]], indexes: { total: (row) => row.total } })],
  async feed({ system, rate, signal }) {
    await system.publish(Placed, { orderId: 'fed', total: rate });
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  },
});
`;
