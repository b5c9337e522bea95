import { defineEvent, open } from 'thereupon';
import { memory } from 'thereupon/memory';
import { startServer } from 'thereupon/server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { LiveClient } from './socket.ts';

const common = { type: 'shop.order.placed', stream: (data: { orderId: string }) => `order-${data.orderId}` } as const;
const PlacedV1 = defineEvent({ ...common, schema: z.object({ orderId: z.string(), total: z.number() }) });
const Placed = defineEvent({
  ...common,
  version: 2,
  schema: z.object({ orderId: z.string(), totalCents: z.int() }),
  upcast: {
    1: ({ orderId, total }: { orderId: string; total: number }) => {
      if (total < 0) throw new Error('no total');
      return { orderId, totalCents: total * 100 };
    },
  },
});

/** A server whose program is newer than its events. */
async function serveOlder(...totals: readonly number[]): Promise<string> {
  const store = memory();
  const older = await open({ store, source: '/shop', events: [PlacedV1] });
  for (const total of totals) await older.publish(PlacedV1, { orderId: '1', total }, { id: String(total) });
  await older.close();
  const server = await startServer(await open({ store, source: '/shop', events: [Placed] }), {
    port: 0,
    closeGrace: 200,
  });
  onTestFinished(() => server.close());
  return server.url;
}

const CURRENT = { data: { orderId: '1', totalCents: 300 }, dataschema: 'urn:thereupon:schema:shop.order.placed:2' };
const STORED = { data: { orderId: '1', total: 3 }, dataschema: 'urn:thereupon:schema:shop.order.placed:1' };

describe('the schema version of what is read', () => {
  it.each(['/events?', '/streams/order-1?'])(
    'is the current one on %s, or the stored one where asked',
    async (path) => {
      const url = await serveOlder(3);
      const read = async (query: string) => (await fetch(`${url}${path}${query}`)).json();
      expect(await read('')).toMatchObject({ events: [CURRENT] });
      expect(await read('schema-version=current')).toMatchObject({ events: [CURRENT] });
      expect(await read('schema-version=stored')).toMatchObject({ events: [STORED] });
      expect(await read('schema-version=0')).toMatchObject({ code: 'invalid-input' });
    },
  );

  it('is asked for of one event, too', async () => {
    const url = `${await serveOlder(3)}/events/%2Fshop/3`;
    expect(await (await fetch(url)).json()).toMatchObject(CURRENT);
    expect(await (await fetch(`${url}?schema-version=stored`)).json()).toMatchObject(STORED);
  });

  it('is asked for of a live stream, too', async () => {
    const url = `${await serveOlder(3)}/events?after=0`;
    const current = await LiveClient.open(url);
    const stored = await LiveClient.open(`${url}&schema-version=stored`);
    await current.until(() => current.seen.length > 0);
    await stored.until(() => stored.seen.length > 0);
    expect([current.seen, stored.seen]).toMatchObject([[{ event: CURRENT }], [{ event: STORED }]]);
  });
});

describe('a version that is asked for by its number', () => {
  const PlacedV3 = defineEvent({
    ...common,
    version: 3,
    schema: z.object({ orderId: z.string(), totalCents: z.int(), currency: z.string() }),
    upcast: { ...Placed.upcasting?.steps, 2: (data: object) => ({ ...data, currency: 'EUR' }) },
  });

  async function serveThree(): Promise<string> {
    const store = memory();
    for (const [definition, data] of [
      [PlacedV1, { total: 3 }],
      [Placed, { totalCents: 400 }],
      [PlacedV3, { totalCents: 500, currency: 'CHF' }],
    ] as const) {
      const system = await open({ store, source: '/shop', events: [definition] });
      await system.publish(definition, { orderId: '1', ...data });
      await system.close();
    }
    const server = await startServer(await open({ store, source: '/shop', events: [PlacedV3] }), {
      port: 0,
      closeGrace: 200,
    });
    onTestFinished(() => server.close());
    return `${server.url}/events?type=${PlacedV3.type}`;
  }

  it('is given of pages, of what is stored in it or in a version below, and refused of what is stored above', async () => {
    const url = await serveThree();
    const read = async (query: string) => (await fetch(`${url}&${query}`)).json();
    expect(await read('schema-version=1&limit=1')).toMatchObject({ events: [STORED] });
    const dataschema = 'urn:thereupon:schema:shop.order.placed:2';
    expect(await read('schema-version=2&limit=2')).toMatchObject({
      events: [
        { data: { orderId: '1', totalCents: 300 }, dataschema },
        { data: { orderId: '1', totalCents: 400 }, dataschema },
      ],
    });
    expect(await read('schema-version=3')).toMatchObject({
      events: [{ data: { currency: 'EUR' } }, { data: { currency: 'EUR' } }, { data: { currency: 'CHF' } }],
    });
    const above = { code: 'invalid-input', path: 'schema-version' };
    expect(await read('schema-version=1')).toMatchObject({
      ...above,
      detail: expect.stringMatching(
        /expected a version from 2 to 3 of shop\.order\.placed, in which event .* is stored and read: upcasters lead up, and never down, found 1/,
      ) as string,
    });
    expect(await read('schema-version=4')).toMatchObject(above);
    expect(await (await fetch(url.replace(/type=.*/, 'schema-version=2'))).json()).toMatchObject({ path: 'type' });
  });

  it('is given of a live stream, which ends with a problem at what is stored above', async () => {
    const url = `${await serveThree()}&after=0`;
    const client = await LiveClient.open(`${url}&schema-version=3`);
    await client.until(() => client.seen.length === 3);
    expect(client.seen.map(({ event }) => event)).toMatchObject([
      { data: { totalCents: 300, currency: 'EUR' } },
      { data: { totalCents: 400, currency: 'EUR' } },
      { data: { totalCents: 500, currency: 'CHF' } },
    ]);
    const response = await fetch(`${url}&schema-version=2`, { headers: { accept: 'text/event-stream' } });
    const text = await response.text();
    expect(text.match(/"totalCents":\d+/g)).toEqual(['"totalCents":300', '"totalCents":400']);
    expect(text).toMatch(/event: problem\ndata: \{.*"code":"invalid-input".*never down/);
  });
});

describe('an event that cannot be brought up', () => {
  it('is a problem to whoever reads it, and is there as it was recorded', async () => {
    const url = await serveOlder(3, -1);
    const refused = await fetch(`${url}/events`);
    expect(refused.status).toBe(500);
    expect(await refused.json()).toMatchObject({
      code: 'upcast-failed',
      eventType: 'shop.order.placed',
      from: 1,
      to: 2,
      position: 2,
    });
    const stored = await fetch(`${url}/events?schema-version=stored`);
    expect(await stored.json()).toMatchObject({ events: [STORED, { data: { total: -1 } }] });
  });

  it('ends a live stream, which says why', async () => {
    const url = await serveOlder(3, -1);
    const response = await fetch(`${url}/events?after=0`, { headers: { accept: 'text/event-stream' } });
    const text = await response.text();
    expect(text).toContain('id: 1\n');
    expect(text).toMatch(/event: problem\ndata: \{.*"code":"upcast-failed".*"position":2/);
    expect(text).not.toContain('id: 2\n');
  });
});
