import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { defineConfig, ThereuponError } from 'thereupon';
import { noticeLargeOrders, reserveStock, shipOrder } from './automations.ts';
import { LargeOrderNoticed, OrderPlaced, OrderShipped, PaymentReceived, StockReserved } from './events.ts';
import { shopFacts } from './generator.ts';
import { orderStatus, salesByCustomer } from './projections.ts';

const TELL_AGAIN_MS = 1_000;

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
      // However often it is told, it is one fact.
      const options = { id: randomUUID() };
      const say = () =>
        fact.kind === 'order'
          ? system.publish(OrderPlaced, fact.data, options)
          : system.publish(PaymentReceived, fact.data, options);
      await untilRecorded(say, signal);
      await wait(1_000 / rate, undefined, { signal }).catch(() => undefined);
    }
  },
});

/** A store that cannot be reached for a while does not end the feed: the fact is told again until it is recorded. */
async function untilRecorded(say: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await say();
      return;
    } catch (error) {
      if (!(error instanceof ThereuponError) || error.retry === 'never') throw error;
      await wait(TELL_AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}
