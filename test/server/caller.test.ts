import { describe, expect, it, test } from 'vitest';
import { z } from 'zod';
import { defineCommand, defineDecider, fact, refuse } from '../../src/index.ts';
import type { RecordedEvent } from '../../src/index.ts';
import { addressesOf } from '../../src/server/caller.ts';
import { openApp, OrderPlaced, serveShop } from './shop.ts';

const PlaceOrder = defineCommand({
  name: 'shop.place-order',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId: z.string(), customer: z.string(), total: z.number() }),
});
const order = defineDecider({
  name: 'order',
  initial: () => 0,
  evolve: [[OrderPlaced, (placed) => placed + 1]],
  decide: [[PlaceOrder, (placed, { data }) => (placed > 0 ? refuse('placed') : fact(OrderPlaced, data))]],
});
const data = { orderId: '1', customer: 'ada', total: 5 };
const event = (more: object = {}) => ({
  specversion: '1.0',
  id: '1',
  source: '/till',
  type: OrderPlaced.type,
  data,
  ...more,
});
const shop = { deciders: [order] };
const apiKeys = [{ name: 'till', key: 'k' }];
const circumstancesOf = ({ extensions }: RecordedEvent) =>
  Object.fromEntries(Object.entries(extensions).filter(([name]) => name.startsWith('auth')));
const post = (body: unknown, headers: Readonly<Record<string, string>>) => ({
  method: 'POST',
  headers: { authorization: 'Bearer k', ...headers },
  body: JSON.stringify(body),
});
const asEvent = { 'content-type': 'application/cloudevents+json' };
const asJson = { 'content-type': 'application/json' };

describe('how an event came', () => {
  it('keeps the key of whoever names another actor, and believes nobody who names a key', async () => {
    const { app, system } = await openApp({ shop, apiKeys });
    const publish = (more: object) => app.request('/events', post(event(more), asEvent));
    await publish({ id: '1', authtype: 'user', authid: 'anna' });
    await publish({ id: '2', authtype: 'user', authkey: 'of the boss' });
    await publish({ id: '3', authkey: 'of the boss' });
    const { events } = await system.events.read();
    expect(events.map(circumstancesOf)).toEqual([
      { authtype: 'user', authid: 'anna', authkey: 'till' },
      { authtype: 'user', authkey: 'till' },
      { authtype: 'api_key', authid: 'till' },
    ]);
  });

  it('is no part of what it says: the first one stands, whoever repeats it for whatever reason (G2)', async () => {
    const { app, system } = await openApp({ shop, apiKeys });
    const headers = { ...asEvent, 'thereupon-reason': 'J%C3%BCrgen called' };
    expect((await app.request('/events', post(event(), headers))).status).toBe(201);
    const again = event({ authtype: 'user', authid: 'eve', authreason: 'for fun' });
    expect((await app.request('/events', post(again, asEvent))).status).toBe(200);
    expect((await system.events.read()).events.map(circumstancesOf)).toEqual([
      { authtype: 'api_key', authid: 'till', authreason: 'Jürgen called' },
    ]);
  });

  it('is kept of commands, accepted or refused, with their outcome and their facts', async () => {
    const { app, system } = await openApp({ shop, apiKeys });
    const headers = { ...asJson, 'thereupon-reason': 'by phone', 'ce-authtype': 'user', 'ce-authid': 'anna' };
    await app.request('/commands/shop.place-order', post(data, { ...headers, 'thereupon-command-id': 'a' }));
    await app.request('/commands/shop.place-order', post(data, { ...headers, 'thereupon-command-id': 'b' }));
    expect((await system.events.read()).events.map(circumstancesOf)).toEqual([
      { authtype: 'user', authid: 'anna', authkey: 'till', authreason: 'by phone' },
    ]);
    for (const [id, accepted] of [
      ['a', true],
      ['b', false],
    ] as const) {
      const response = await app.request(`/outcomes/${id}`, { headers: { authorization: 'Bearer k' } });
      expect(await response.json()).toMatchObject({
        command: { accepted, because: 'by phone', actor: { id: 'anna' }, caller: { key: 'till' } },
      });
    }
  });

  it('has no address unless that is asked for', async () => {
    for (const [options, address] of [
      [{}, undefined],
      [{ keepAddresses: true }, '127.0.0.1'],
      [{ keepAddresses: true, trustedProxies: ['127.0.0.0/8'] }, '203.0.113.7'],
    ] as const) {
      const { url, system } = await serveShop({ shop, apiKeys, ...options });
      const headers = { 'x-forwarded-for': '198.51.100.1, 203.0.113.7' };
      await fetch(`${url}/events`, post(event({ authaddress: '192.0.2.1' }), { ...asEvent, ...headers }));
      await fetch(`${url}/commands/shop.place-order`, post({ ...data, orderId: '2' }, { ...asJson, ...headers }));
      const { events } = await system.events.read();
      // Where the server keeps none, an attribute by that name is the producer's.
      const said = address === undefined ? { authaddress: '192.0.2.1' } : { authaddress: address };
      expect(events[0]?.extensions).toMatchObject(said);
      expect(events[1]?.extensions['authaddress']).toBe(address);
    }
  });
});

describe('the reason of a fact', () => {
  it('is kept where a program says one, and is refused where it can be none', async () => {
    const { system } = await openApp({ shop });
    await system.publish(OrderPlaced, data, { reason: 'by hand', caller: { key: 'k1', address: '10.0.0.1' } });
    await system.execute(PlaceOrder, { ...data, orderId: '2' }, { id: 'c', reason: 'by phone' });
    const { events } = await system.events.read();
    expect(events.map(circumstancesOf)).toEqual([
      { authkey: 'k1', authaddress: '10.0.0.1', authreason: 'by hand' },
      { authreason: 'by phone' },
    ]);
    const wrong = [{ reason: '' }, { reason: 'a\nb' }, { reason: 'x'.repeat(1_025) }, { caller: { ip: 'x' } }];
    for (const options of wrong) {
      await expect(system.publish(OrderPlaced, data, options as never)).rejects.toMatchObject({
        code: 'invalid-input',
      });
      await expect(system.execute(PlaceOrder, data, options as never)).rejects.toMatchObject({ code: 'invalid-input' });
    }
  });
});

describe('the address of a caller', () => {
  test.each<[string, readonly string[], string | undefined, string | undefined, string | undefined]>([
    ['is that of the connection', [], '192.0.2.1', '203.0.113.7', '192.0.2.1'],
    ['is what a trusted proxy says', ['192.0.2.1'], '192.0.2.1', '203.0.113.7', '203.0.113.7'],
    [
      'is not what stands before it, which anybody may say',
      ['192.0.2.1'],
      '192.0.2.1',
      '10.1.1.1, 203.0.113.7',
      '203.0.113.7',
    ],
    ['is behind a row of trusted proxies', ['10.0.0.0/8'], '10.0.0.1', '203.0.113.7, 10.2.2.2', '203.0.113.7'],
    ['is that of the proxy where this says nothing', ['10.0.0.0/8'], '10.0.0.1', undefined, '10.0.0.1'],
    ['is that of the proxy where this says what is none', ['10.0.0.0/8'], '10.0.0.1', 'unknown', '10.0.0.1'],
    ['of IPv4 is said as such', ['::ffff:0:0/96', '10.0.0.1'], '::ffff:10.0.0.1', '[2001:DB8::1]:443', '2001:db8::1'],
    ['is unknown without a connection', [], undefined, '203.0.113.7', undefined],
  ])('%s', (_, trustedProxies, socket, forwarded, expected) => {
    expect(addressesOf({ keepAddresses: true, trustedProxies })(socket, forwarded)).toBe(expected);
    expect(addressesOf({ trustedProxies })(socket, forwarded)).toBe(undefined);
  });

  test.each([['10.0.0.0/33'], ['proxy.example'], ['10.0.0.0/8/8'], [7]])('refuses %s as a proxy', (proxy) => {
    expect(() => addressesOf({ trustedProxies: [proxy as string] })).toThrow(
      /server\.trustedProxies\[0\]: expected an address/,
    );
  });
});
