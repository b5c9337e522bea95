import { defineAutomation } from 'thereupon';
import { LargeOrderNoticed, OrderPlaced, OrderShipped, PaymentReceived, StockReserved } from './events.ts';

/** A customer placed an order; thereupon the stock was reserved. */
export const reserveStock = defineAutomation({
  name: 'reserve-stock',
  summary: 'Sets the goods aside as soon as an order is placed',
  on: OrderPlaced,
  publishes: [StockReserved],
  async run({ event, publish }) {
    const items = event.data.lines.reduce((sum, line) => sum + line.quantity, 0);
    await publish(StockReserved, { orderId: event.data.orderId, items });
  },
});

/** Payment and goods come in either order; the order ships once both are there. */
export const shipOrder = defineAutomation({
  name: 'ship-order',
  summary: 'Ships an order when it is paid and its goods are reserved',
  on: [OrderPlaced, StockReserved, PaymentReceived],
  publishes: [OrderShipped],
  state: { initial: () => ({ customer: '', reserved: false, paid: false, shipped: false }) },
  async run({ event, state, publish }) {
    const order = { ...state.get() };
    if (event.type === 'shop.order.placed') order.customer = event.data.customer;
    else if (event.type === 'shop.stock.reserved') order.reserved = true;
    else order.paid = true;
    if (order.reserved && order.paid && !order.shipped) {
      order.shipped = true;
      const { orderId } = event.data;
      await publish(OrderShipped, { orderId, customer: order.customer, parcel: `parcel-${orderId}` });
    }
    state.set(order);
  },
});

export const noticeLargeOrders = defineAutomation({
  name: 'notice-large-orders',
  summary: 'Notices orders of 500.00 and more',
  on: OrderPlaced,
  where: { data: { totalCents: [{ numeric: ['>=', 50_000] }] } },
  publishes: [LargeOrderNoticed],
  async run({ event, publish }) {
    const { orderId, customer, totalCents } = event.data;
    await publish(LargeOrderNoticed, { orderId, customer, totalCents });
  },
});
