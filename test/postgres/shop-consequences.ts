import { expect } from 'vitest';
import type { DataOf, EventDefinition, Published, RecordedEvent } from 'thereupon';
import {
  LargeOrderNoticed,
  OrderPlaced,
  OrderShipped,
  PaymentReceived,
  StockReserved,
} from '../../examples/shop/events.ts';
import type { ShopFact } from '../../examples/shop/generator.ts';

const LARGE_CENTS = 50_000;
/** What automations of the shop publish. */
export const CONSEQUENCES: readonly string[] = [StockReserved.type, OrderShipped.type, LargeOrderNoticed.type];

/** A fact that was told to the shop, and what it answered when it was durable. */
export interface Told {
  readonly fact: ShopFact;
  readonly published: Published;
}

/** Everything that the log is to say of one order, and how often. */
interface OrderStory {
  placed: number;
  paid: number;
  reserved: number[];
  shippedTo: string[];
  noticed: number[];
}

/** How many events automations have to publish. */
export function countOfConsequences(facts: readonly ShopFact[]): number {
  return [...expectedStories(facts).values()].reduce(
    (sum, { reserved, shippedTo, noticed }) => sum + reserved.length + shippedTo.length + noticed.length,
    0,
  );
}

/** Throws with the first thing in the log that is not as the guarantees say. */
export function verifyLog(log: readonly RecordedEvent[], told: readonly Told[]): void {
  const versions = new Map<string, number>();
  const byIdentity = new Map<string, RecordedEvent>();
  let last = 0;
  for (const event of log) {
    expect(event.position, 'G5: positions go up').toBeGreaterThan(last);
    last = event.position;
    const version = (versions.get(event.stream) ?? 0) + 1;
    expect(event.version, `G5: ${event.stream} is unbroken`).toBe(version);
    versions.set(event.stream, version);
    const identity = `${event.source} ${event.id}`;
    expect(byIdentity.has(identity), `G2: ${identity} is there once`).toBe(false);
    byIdentity.set(identity, event);
  }
  for (const { fact, published } of told) {
    const { source, id, stream, version, position } = published;
    const event = byIdentity.get(`${source} ${id}`);
    const what = `G1: ${id} is where it was acknowledged to be`;
    expect([event?.stream, event?.version, event?.position, event?.data], what).toEqual([
      stream,
      version,
      position,
      fact.data,
    ]);
  }
  expect(storiesOf(log), 'G6: every order has its consequences, each once').toEqual(
    expectedStories(told.map(({ fact }) => fact)),
  );
  verifyCauses(log);
}

/** What came of something comes after it, in the same conversation. */
function verifyCauses(log: readonly RecordedEvent[]): void {
  const byId = new Map(log.map((event) => [event.id, event]));
  for (const event of log) {
    if (!CONSEQUENCES.includes(event.type)) continue;
    const cause = byId.get(event.causationid ?? '');
    expect(cause && [orderOf(cause), cause.correlationid], `${event.id} names its cause`).toEqual([
      orderOf(event),
      event.correlationid,
    ]);
    expect(event.position).toBeGreaterThan(cause?.position ?? Infinity);
  }
}

function expectedStories(facts: readonly ShopFact[]): ReadonlyMap<string, OrderStory> {
  const stories = new Map<string, OrderStory>();
  const paid = new Set(facts.flatMap(({ kind, data }) => (kind === 'payment' ? [data.orderId] : [])));
  for (const { kind, data } of facts) {
    if (kind !== 'order') continue;
    const { orderId, customer, totalCents, lines } = data;
    stories.set(orderId, {
      placed: 1,
      paid: paid.has(orderId) ? 1 : 0,
      reserved: [lines.reduce((sum, { quantity }) => sum + quantity, 0)],
      shippedTo: paid.has(orderId) ? [customer] : [],
      noticed: totalCents >= LARGE_CENTS ? [totalCents] : [],
    });
  }
  return stories;
}

function storiesOf(log: readonly RecordedEvent[]): ReadonlyMap<string, OrderStory> {
  const stories = new Map<string, OrderStory>();
  for (const event of log) {
    const story = stories.get(orderOf(event)) ?? { placed: 0, paid: 0, reserved: [], shippedTo: [], noticed: [] };
    stories.set(orderOf(event), story);
    if (isOf(OrderPlaced, event)) story.placed += 1;
    else if (isOf(PaymentReceived, event)) story.paid += 1;
    else if (isOf(StockReserved, event)) story.reserved.push(event.data.items);
    else if (isOf(OrderShipped, event)) story.shippedTo.push(event.data.customer);
    else if (isOf(LargeOrderNoticed, event)) story.noticed.push(event.data.totalCents);
    else throw new Error(`the shop has no events of type ${event.type}`);
  }
  return stories;
}

/** What the views of the shop are to show, by a plain walk over the log. */
export function viewsOf(log: readonly RecordedEvent[]): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const sales: Record<string, { orders: number; totalCents: number; shipped: number }> = {};
  const status: Record<string, { status: string; reserved: boolean; paid: boolean; totalCents: number }> = {};
  for (const event of log) {
    const order = (status[orderOf(event)] ??= { status: 'unknown', reserved: false, paid: false, totalCents: 0 });
    if (isOf(OrderPlaced, event)) {
      const { customer, totalCents } = event.data;
      const ofCustomer = (sales[customer] ??= { orders: 0, totalCents: 0, shipped: 0 });
      ofCustomer.orders += 1;
      ofCustomer.totalCents += totalCents;
      order.status = 'placed';
      order.totalCents = totalCents;
    } else if (isOf(StockReserved, event)) order.reserved = true;
    else if (isOf(PaymentReceived, event)) order.paid = true;
    else if (isOf(OrderShipped, event)) {
      (sales[event.data.customer] ??= { orders: 0, totalCents: 0, shipped: 0 }).shipped += 1;
      order.status = 'shipped';
    }
  }
  return { 'sales-by-customer': sales, 'order-status': status };
}

function orderOf(event: RecordedEvent): string {
  return (event.data as { readonly orderId: string }).orderId;
}

function isOf<Definition extends EventDefinition>(
  definition: Definition,
  event: RecordedEvent,
): event is RecordedEvent<string, DataOf<Definition>> {
  return event.type === definition.type;
}
