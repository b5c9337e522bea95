import { defineProjection } from 'thereupon';
import { CustomerReturned, LargeOrderNoticed, OrderCancelled, OrderPlaced } from './events.ts';
import { dayOf, hourOf } from './reactions.ts';

interface Day {
  readonly orders: number;
  readonly cancellations: number;
  readonly lines: number;
  readonly linesWithoutCustomer: number;
  readonly valuePence: number;
  readonly ordersByHour: Readonly<Record<string, number>>;
  readonly largeOrders: number;
  readonly returningCustomers: number;
}

const EMPTY: Day = {
  orders: 0,
  cancellations: 0,
  lines: 0,
  linesWithoutCustomer: 0,
  valuePence: 0,
  ordersByHour: {},
  largeOrders: 0,
  returningCustomers: 0,
};

type Invoice = {
  readonly customer?: string | undefined;
  readonly totalPence: number;
  readonly lines: readonly unknown[];
};

/** What orders and cancellations add to a day alike. */
function withInvoice(day: Day, { customer, totalPence, lines }: Invoice): Day {
  return {
    ...day,
    lines: day.lines + lines.length,
    linesWithoutCustomer: day.linesWithoutCustomer + (customer === undefined ? lines.length : 0),
    valuePence: day.valuePence + totalPence,
  };
}

export const days = defineProjection({
  name: 'days',
  summary: 'What each day brought, counted from orders and from what automations made of them',
  key: (event) => ('day' in event.data ? event.data.day : dayOf(event)),
  initial: () => EMPTY,
  on: [
    [
      OrderPlaced,
      (day, event) => {
        const hour = hourOf(event);
        const ordersByHour = { ...day.ordersByHour, [hour]: (day.ordersByHour[hour] ?? 0) + 1 };
        return { ...withInvoice(day, event.data), orders: day.orders + 1, ordersByHour };
      },
    ],
    [OrderCancelled, (day, event) => ({ ...withInvoice(day, event.data), cancellations: day.cancellations + 1 })],
    [LargeOrderNoticed, (day) => ({ ...day, largeOrders: day.largeOrders + 1 })],
    [CustomerReturned, (day) => ({ ...day, returningCustomers: day.returningCustomers + 1 })],
  ],
  indexes: { valuePence: (day) => day.valuePence, orders: (day) => day.orders },
});

export const customers = defineProjection({
  name: 'customers',
  summary: 'Orders and turnover of each known customer',
  key: (event) => event.data.customer,
  initial: () => ({ country: '', orders: 0, cancellations: 0, totalPence: 0 }),
  on: [
    [
      OrderPlaced,
      (row, { data }) => ({
        ...row,
        country: data.country,
        orders: row.orders + 1,
        totalPence: row.totalPence + data.totalPence,
      }),
    ],
    [
      OrderCancelled,
      (row, { data }) => ({
        ...row,
        country: data.country,
        cancellations: row.cancellations + 1,
        totalPence: row.totalPence + data.totalPence,
      }),
    ],
  ],
  indexes: { totalPence: (row) => row.totalPence, orders: (row) => row.orders, country: (row) => row.country },
});
