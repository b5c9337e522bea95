/**
 * Types flow from the definition to publish, filters, handlers and projections. Nothing here runs: `npm run types` reads it, and each
 * `@ts-expect-error` is a mistake that has to be one.
 */
import { DatabaseSync } from 'node:sqlite';
import { defineAutomation, defineConsumer, defineEvent, defineProjection, jsonSchema, open } from 'thereupon';
import type { System } from 'thereupon';
import { z } from 'zod';

const OrderPlaced = defineEvent({
  type: 'shop.order.placed',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({
    orderId: z.string(),
    customer: z.string(),
    total: z.number(),
    currency: z.string().default('EUR'),
  }),
});
const OrderShipped = defineEvent({
  type: 'shop.order.shipped',
  schema: z.object({ orderId: z.string(), parcel: z.string() }),
});
const Unrelated = defineEvent({ type: 'shop.unrelated', schema: z.object({ a: z.string() }) });

// @ts-expect-error: the schema has no such field
defineEvent({ type: 'a.b', schema: z.object({ a: z.string() }), stream: (data) => data.b });

export const ship = defineAutomation({
  name: 'ship',
  on: OrderPlaced,
  where: { data: { total: [{ numeric: ['>', 1] }] } },
  publishes: [OrderShipped],
  async run({ event, publish }) {
    event.data.total.toFixed();
    event.data.currency.length.toFixed();
    // @ts-expect-error: the event has no such field
    void event.data.amount;
    // @ts-expect-error: facts are not changed
    event.type = 'other';
    await publish(OrderShipped, { orderId: event.data.orderId, parcel: 'p' });
    // @ts-expect-error: a field is missing
    await publish(OrderShipped, { orderId: event.data.orderId });
    // @ts-expect-error: a field has the wrong name
    await publish(OrderShipped, { orderId: 'o', parcle: 'p' });
    // @ts-expect-error: the automation does not declare that it publishes this
    await publish(Unrelated, { a: 'x' });
  },
});

defineAutomation({
  name: 'filter',
  on: OrderPlaced,
  // @ts-expect-error: the data has no such field
  where: { data: { amount: [1] } },
  run() {},
});

defineAutomation({
  name: 'operator',
  on: OrderPlaced,
  // @ts-expect-error: a text has no range
  where: { data: { customer: [{ numeric: ['>', 1] }] } },
  run() {},
});

export const both = defineConsumer({
  name: 'both',
  on: [OrderPlaced, OrderShipped],
  state: { initial: () => ({ seen: 0 }) },
  handle({ event, state }) {
    state.set({ seen: state.get().seen + 1 });
    // @ts-expect-error: the state has another shape
    state.set({ count: 1 });
    if (event.type === 'shop.order.placed') event.data.total.toFixed();
    else event.data.parcel.trim();
    // @ts-expect-error: only one of the events has this field
    void event.data.total;
  },
});

export const sales = defineProjection({
  name: 'sales',
  key: (event) => event.data.orderId,
  initial: () => ({ total: 0, shipped: false }),
  on: [
    [OrderPlaced, (row, event) => ({ ...row, total: row.total + event.data.total })],
    [OrderShipped, (row) => ({ ...row, shipped: true })],
  ],
  indexes: { total: (row) => row.total },
});

defineProjection({
  name: 'wrong-row',
  key: (event) => event.data.orderId,
  initial: () => ({ total: 0 }),
  // @ts-expect-error: the row has another shape
  on: [[OrderPlaced, (row) => ({ total: String(row.total) })]],
});

defineProjection({
  name: 'wrong-field',
  key: (event) => event.data.orderId,
  initial: () => ({ total: 0 }),
  // @ts-expect-error: the event has no such field
  on: [[OrderPlaced, (row, event) => ({ total: row.total + event.data.amount })]],
});

const LightMeasured = defineEvent({
  type: 'lights.light.measured',
  schema: jsonSchema<{ light: string; lumens?: number }>({ type: 'object', required: ['light'] }),
  stream: (data) => `light-${data.light}`,
});

export async function lights(): Promise<void> {
  await using system = await open({ store: 'memory:', events: [LightMeasured] });
  await system.publish(LightMeasured, { light: '7', lumens: 3 });
  // @ts-expect-error: the type says that this is a number
  await system.publish(LightMeasured, { light: '7', lumens: '3' });
}

export async function program(): Promise<void> {
  const system = await open({ store: 'memory:', events: [OrderPlaced, OrderShipped], projections: [sales] });
  await system.publish(OrderPlaced, { orderId: '1', customer: 'c', total: 1 });
  // @ts-expect-error: the total is a number
  await system.publish(OrderPlaced, { orderId: '1', customer: 'c', total: '1' });
  // @ts-expect-error: the system does not know this event
  await system.publish(Unrelated, { a: 'x' });
  await system.publishAll([
    { event: OrderPlaced, data: { orderId: '1', customer: 'c', total: 1 } },
    { event: OrderShipped, data: { orderId: '1', parcel: 'p' } },
  ]);
  // @ts-expect-error: the data belongs to the other event
  await system.publishAll([{ event: OrderShipped, data: { orderId: '1', customer: 'c', total: 1 } }]);
  // @ts-expect-error: the system does not know this event
  await system.publishAll([{ event: Unrelated, data: { a: 'x' } }]);
  const database = new DatabaseSync(':memory:');
  await system.publishWithin(database, [{ event: OrderShipped, data: { orderId: '1', parcel: 'p' } }]);
  await system.publishWithin({ query: async () => {} }, [{ event: OrderShipped, data: { orderId: '1', parcel: 'p' } }]);
  // @ts-expect-error: the data belongs to the other event
  await system.publishWithin(database, [{ event: OrderShipped, data: { orderId: '1', customer: 'c', total: 1 } }]);
  // @ts-expect-error: no transaction
  await system.publishWithin('own.db', []);
  const row = await system.views.get(sales, '1');
  row?.total.toFixed();
  // @ts-expect-error: the row has no such field
  void row?.amount;
  const untyped: System = await open({ store: 'memory:' });
  await untyped.publish(Unrelated, { a: 'x' });
}
