import { defineAutomation, defineConsumer } from 'thereupon';
import { CustomerReturned, LargeOrderNoticed, OrderPlaced } from './events.ts';

/** The day and the hour on the shop's own clock: event time carries its offset, so they are there to read. */
export const dayOf = ({ time }: { readonly time: string }) => time.slice(0, 10);
export const hourOf = ({ time }: { readonly time: string }) => String(Number(time.slice(11, 13)));

export const noticeLargeOrders = defineAutomation({
  name: 'notice-large-orders',
  summary: 'Notices orders of more than 1,000.00',
  on: OrderPlaced,
  where: { data: { totalPence: [{ numeric: ['>', 100_000] }] } },
  publishes: [LargeOrderNoticed],
  async run({ event, publish }) {
    const { invoice, totalPence } = event.data;
    await publish(LargeOrderNoticed, { day: dayOf(event), invoice, totalPence });
  },
});

export const recogniseCustomers = defineConsumer({
  name: 'recognise-customers',
  summary: 'Notices customers who order a second time on the same day',
  on: OrderPlaced,
  where: { data: { customer: [{ exists: true }] } },
  key: (event) => `${dayOf(event)} ${event.data.customer ?? ''}`,
  state: { initial: () => 0 },
  publishes: [CustomerReturned],
  async handle({ event, state, publish }) {
    const orders = state.get() + 1;
    state.set(orders);
    const { customer, invoice } = event.data;
    if (orders === 2 && customer !== undefined)
      await publish(CustomerReturned, { day: dayOf(event), customer, invoice });
  },
});
