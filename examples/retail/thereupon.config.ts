import { defineConfig } from 'thereupon';
import { CustomerReturned, LargeOrderNoticed, OrderCancelled, OrderPlaced } from './events.ts';
import { customers, days } from './projections.ts';
import { noticeLargeOrders, recogniseCustomers } from './reactions.ts';

export default defineConfig({
  store: './data/retail.db',
  source: '/retail',
  events: [OrderPlaced, OrderCancelled, LargeOrderNoticed, CustomerReturned],
  automations: [noticeLargeOrders],
  consumers: [recogniseCustomers],
  projections: [days, customers],
});
