import { open } from 'thereupon';
import { days } from './projections.ts';
import config from './thereupon.config.ts';

/** What the data set says of a day, in its own words. */
export interface Answers {
  readonly lines: number;
  readonly invoices: number;
  readonly 'orders (no C prefix)': number;
  readonly 'cancellations (C prefix)': number;
  readonly 'lines without CustomerID': number;
  readonly 'orders above 1000.00 in total': number;
  readonly 'orders by hour': Readonly<Record<string, number>>;
  readonly 'customers with 2 or more orders': number;
  readonly 'value of all lines': number;
}

/** Lets everything react, and reads what came of it. */
export async function answersOf(store: string): Promise<Readonly<Record<string, Answers>>> {
  await using system = await open({ ...config, store });
  await system.settled();
  const { items } = await system.views.query(days);
  return Object.fromEntries(
    items.map(({ key, row }) => [
      key,
      {
        lines: row.lines,
        invoices: row.orders + row.cancellations,
        'orders (no C prefix)': row.orders,
        'cancellations (C prefix)': row.cancellations,
        'lines without CustomerID': row.linesWithoutCustomer,
        'orders above 1000.00 in total': row.largeOrders,
        'orders by hour': row.ordersByHour,
        'customers with 2 or more orders': row.returningCustomers,
        'value of all lines': row.valuePence / 100,
      },
    ]),
  );
}
