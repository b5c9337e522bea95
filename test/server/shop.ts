import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { TerminalError, defineConsumer, defineEvent, defineProjection, open } from '../../src/index.ts';
import type { SystemOptions } from '../../src/index.ts';
import { memory } from '../../src/backends/memory/memory.ts';
import { createApp, startServer } from '../../src/server/index.ts';
import type { App, AppOptions, Problem, StartOptions } from '../../src/server/index.ts';

export const OrderPlaced = defineEvent({
  type: 'shop.order.placed',
  summary: 'A customer placed an order',
  schema: z.object({ orderId: z.string(), customer: z.string(), total: z.number() }),
  stream: (data) => `order-${data.orderId}`,
});

export const StockCounted = defineEvent({
  type: 'shop.stock.counted',
  schema: z.object({ sku: z.string(), pieces: z.int() }),
  onInvalid: 'quarantine',
});

export const sales = defineProjection({
  name: 'sales',
  summary: 'What each customer bought',
  key: (event) => event.data.customer,
  initial: () => ({ customer: '', orders: 0, total: 0 }),
  on: [
    [
      OrderPlaced,
      (row, { data }) => ({ customer: data.customer, orders: row.orders + 1, total: row.total + data.total }),
    ],
  ],
  indexes: { customer: (row) => row.customer, total: (row) => row.total, big: (row) => row.total >= 100 },
});

/** What each customer bought, as of the event that the customer is told of. */
export const ledger = defineProjection({
  name: 'ledger',
  mode: 'inline',
  key: (event) => event.data.customer,
  initial: () => ({ orders: 0, total: 0 }),
  on: [[OrderPlaced, (row, { data }) => ({ orders: row.orders + 1, total: row.total + data.total })]],
});

/** Gives orders of the customer `nobody` up at once. */
export const billing = defineConsumer({
  name: 'billing',
  on: OrderPlaced,
  handle({ event }) {
    if (event.data.customer === 'nobody') throw new TerminalError('nobody pays');
  },
});

export async function openShop(options: Partial<SystemOptions> = {}) {
  const system = await open({
    store: memory(),
    events: [OrderPlaced, StockCounted],
    projections: [sales],
    consumers: [billing],
    ...options,
  });
  onTestFinished(() => system.close());
  return system;
}

export type Shop = Awaited<ReturnType<typeof openShop>>;

/** A shop and its interface, asked without a network. */
export async function openApp(options: AppOptions & { readonly shop?: Partial<SystemOptions> } = {}) {
  const system = await openShop(options.shop);
  return { system, app: createApp(system, options) };
}

/** A shop and its interface on a socket. */
export async function serveShop(options: StartOptions & { readonly shop?: Partial<SystemOptions> } = {}) {
  const system = await openShop(options.shop);
  const server = await startServer(system, { port: 0, closeGrace: 200, ...options });
  onTestFinished(() => server.close());
  return { system, server, url: server.url };
}

let orders = 0;

export interface Order {
  readonly id?: string;
  readonly orderId?: string;
  readonly customer?: string;
  readonly total?: number;
}

/** An order as a CloudEvent. */
export function order({ id, orderId = '17', customer = 'c1', total = 10 }: Order = {}) {
  orders += 1;
  return {
    specversion: '1.0',
    id: id ?? `o${orders}`,
    source: '/till',
    type: 'shop.order.placed',
    data: { orderId, customer, total },
  };
}

export const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
export const BATCH = { 'content-type': 'application/cloudevents-batch+json' };

export async function post(app: App, event: unknown): Promise<Response> {
  return app.request('/events', {
    method: 'POST',
    headers: Array.isArray(event) ? BATCH : STRUCTURED,
    body: JSON.stringify(event),
  });
}

export async function act(app: App, path: string, body?: unknown): Promise<Response> {
  if (body === undefined) return app.request(path, { method: 'POST' });
  return app.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

export async function read<Shape = Record<string, unknown>>(
  app: App,
  path: string,
  headers: Record<string, string> = {},
): Promise<Shape> {
  return bodyOf<Shape>(await app.request(path, { headers }));
}

export async function bodyOf<Shape = Record<string, unknown>>(response: Response | Promise<Response>): Promise<Shape> {
  return (await (await response).json()) as Shape;
}

export async function problemOf(response: Response | Promise<Response>): Promise<Problem> {
  const answered = await response;
  if (answered.headers.get('content-type') !== 'application/problem+json')
    throw new Error(`expected a problem, found ${answered.status} ${await answered.text()}`);
  return bodyOf<Problem>(answered);
}
