import { defineProjection } from 'thereupon';
import { OrderPlaced, OrderShipped, PaymentReceived, StockReserved } from './events.ts';

export const salesByCustomer = defineProjection({
  name: 'sales-by-customer',
  summary: 'Orders and turnover of each customer',
  key: (event) => event.data.customer,
  initial: () => ({ orders: 0, totalCents: 0, shipped: 0 }),
  on: [
    [
      OrderPlaced,
      (row, event) => ({ ...row, orders: row.orders + 1, totalCents: row.totalCents + event.data.totalCents }),
    ],
    [OrderShipped, (row) => ({ ...row, shipped: row.shipped + 1 })],
  ],
  indexes: { totalCents: (row) => row.totalCents, orders: (row) => row.orders },
});

type OrderRow = { status: 'unknown' | 'placed' | 'shipped'; reserved: boolean; paid: boolean; totalCents: number };

export const orderStatus = defineProjection({
  name: 'order-status',
  summary: 'Where each order stands',
  key: (event) => event.data.orderId,
  initial: (): OrderRow => ({ status: 'unknown', reserved: false, paid: false, totalCents: 0 }),
  on: [
    [OrderPlaced, (row, event) => ({ ...row, status: 'placed', totalCents: event.data.totalCents })],
    [StockReserved, (row) => ({ ...row, reserved: true })],
    [PaymentReceived, (row) => ({ ...row, paid: true })],
    [OrderShipped, (row) => ({ ...row, status: 'shipped' })],
  ],
  indexes: { status: (row) => row.status, totalCents: (row) => row.totalCents },
});
