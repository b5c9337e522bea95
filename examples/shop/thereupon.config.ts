import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { defineConfig } from 'thereupon';
import { noticeLargeOrders, reserveStock, shipOrder } from './automations.ts';
import { LargeOrderNoticed, OrderPlaced, OrderShipped, PaymentReceived, StockReserved } from './events.ts';
import { shopFacts } from './generator.ts';
import { orderStatus, salesByCustomer } from './projections.ts';

export default defineConfig({
  store: './data/shop.db',
  source: '/shop',
  events: [OrderPlaced, PaymentReceived, StockReserved, OrderShipped, LargeOrderNoticed],
  automations: [reserveStock, shipOrder, noticeLargeOrders],
  projections: [salesByCustomer, orderStatus],

  /** Customers: places orders and pays them, `rate` facts a second. */
  async feed({ system, rate, signal }) {
    // The store may have been fed before, and other processes may feed it too: each run has orders of its own.
    const facts = shopFacts(Date.now(), randomUUID().slice(0, 8));
    while (!signal.aborted) {
      const fact = facts.next().value;
      if (fact.kind === 'order') await system.publish(OrderPlaced, fact.data);
      else await system.publish(PaymentReceived, fact.data);
      await wait(1_000 / rate, undefined, { signal }).catch(() => undefined);
    }
  },
});
