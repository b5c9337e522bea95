import { describe, expect, it } from 'vitest';
import { OrderPlaced, problemOf, serveShop } from './shop.ts';
import type { Shop } from './shop.ts';
import { LiveClient, openSocket } from './socket.ts';

const publish = (system: Shop, orderId: string, text = '') =>
  system.publish(OrderPlaced, { orderId, customer: `c1${text}`, total: 1 });

async function publishMany(system: Shop, from: number, count: number): Promise<void> {
  await system.publishAll(
    Array.from({ length: count }, (_, index) => ({
      event: OrderPlaced,
      data: { orderId: String(from + index), customer: 'c1', total: 1 },
    })),
  );
}

describe('following the log live', () => {
  it('gives what comes from now on, with the position as id', async () => {
    const { system, url } = await serveShop();
    await publish(system, 'before');
    const client = await LiveClient.open(`${url}/events`);
    await publish(system, 'after');
    await client.until(() => client.seen.length > 0);
    expect(client.seen).toMatchObject([
      { id: '2', event: { type: 'shop.order.placed', stream: 'order-after', position: 2 } },
    ]);
  });

  it('gives history first when it begins earlier', async () => {
    const { system, url } = await serveShop();
    await publishMany(system, 0, 1_200);
    const client = await LiveClient.open(`${url}/events?after=0`);
    await client.until(() => client.seen.length === 1_200);
    await publish(system, 'live');
    await client.until(() => client.seen.length === 1_201);
    expect(client.seen.map(({ id }) => Number(id))).toEqual(Array.from({ length: 1_201 }, (_, index) => index + 1));
  });

  it('gives a client that was cut off again and again every event exactly once, in order', async () => {
    const { system, url } = await serveShop();
    const total = 3_000;
    const publishing = (async () => {
      for (let from = 0; from < total; from += 50) await publishMany(system, from, 50);
    })();
    const seen: string[] = [];
    for (let last = '', connections = 0; seen.length < total; connections += 1) {
      const client = await LiveClient.open(`${url}/events?after=0`, last === '' ? {} : { 'last-event-id': last });
      const want = connections < 20 ? Math.min(total, seen.length + 40 + connections * 7) : total;
      await client.until(() => seen.length + client.seen.length >= want || client.ended);
      client.leave();
      await client.until(() => client.ended);
      seen.push(...client.seen.map(({ id }) => id));
      last = seen.at(-1) ?? '';
    }
    await publishing;
    expect(seen).toEqual(Array.from({ length: total }, (_, index) => String(index + 1)));
  });

  it.each([
    ['stream=order-b', ['order-b']],
    ['category=order', ['order-a', 'order-b']],
    ['type=other', []],
    ['correlationid=id-a', ['order-a']],
    [`where=${encodeURIComponent('{"data":{"orderId":["b"]}}')}`, ['order-b']],
    [`stream=order-b&where=${encodeURIComponent('{"data":{"total":[1]}}')}`, ['order-b']],
  ])('gives only what fits %s', async (query, streams) => {
    const { system, url } = await serveShop();
    for (const orderId of ['a', 'b'])
      await system.publish(OrderPlaced, { orderId, customer: 'c', total: 1 }, { id: `id-${orderId}` });
    await system.consumers.pause('billing', 'a marker');
    const client = await LiveClient.open(`${url}/events?after=0&${query}`);
    const marker = await LiveClient.open(`${url}/events?after=0&category=thereupon`);
    await marker.until(() => marker.seen.length === 1);
    await client.until(() => client.seen.length >= streams.length);
    expect(client.seen.map(({ event }) => (event as unknown as { stream: string }).stream)).toEqual(streams);
  });

  it.each([
    ['limit=5', {}, { path: 'limit' }],
    ['direction=backward', {}, { path: 'direction' }],
    ['before=5', {}, { path: 'before' }],
    ['where=[]', {}, { code: 'invalid-pattern' }],
    ['stream=a&where=[]', {}, { path: 'where' }],
    ['stream=a&where={"stream":["b"]}', {}, { path: 'stream' }],
    ['', { 'last-event-id': 'nonsense' }, { path: 'Last-Event-ID' }],
  ])('refuses %s %j', async (query, headers, problem) => {
    const { url } = await serveShop();
    expect(
      await problemOf(fetch(`${url}/events?${query}`, { headers: { accept: 'text/event-stream', ...headers } })),
    ).toMatchObject({ status: 400, ...problem });
  });

  it('says that it is alive while nothing happens', async () => {
    const { url } = await serveShop({ heartbeatMs: 10 });
    const client = await LiveClient.open(`${url}/events`);
    await client.until(() => client.comments >= 3);
    expect(client.seen).toEqual([]);
  });

  it('answers a HEAD request without opening a stream', async () => {
    const { url } = await serveShop({ maxLiveStreams: 1 });
    for (let times = 0; times < 3; times += 1) {
      const response = await fetch(`${url}/events`, { method: 'HEAD', headers: { accept: 'text/event-stream' } });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
    }
  });

  it('takes so many clients and no more, and has room again when one leaves (G10)', async () => {
    const { url } = await serveShop({ maxLiveStreams: 2, heartbeatMs: 10 });
    const clients = [await LiveClient.open(`${url}/events`), await LiveClient.open(`${url}/events`)];
    const refused = await fetch(`${url}/events`, { headers: { accept: 'text/event-stream' } });
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await problemOf(refused)).toMatchObject({ status: 503, code: 'system-full' });
    clients[0]?.leave();
    await expect.poll(async () => (await LiveClient.open(`${url}/events`)).status).toBe(200);
  });

  it('keeps no events for a client that does not read, and gives it all of them when it does (G10)', async () => {
    const { system, url } = await serveShop();
    const slow = await openSocket(url);
    slow.pause();
    slow.write(`GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
    const events = 4_000;
    const text = 'x'.repeat(10_000);
    // 40 MB: far more than the buffers of two sockets.
    for (let count = 0; count < events; count += 1) await publish(system, String(count), text);
    expect(await metric(url, 'thereupon_live_streams')).toBe(1);
    const fast = await LiveClient.open(`${url}/events?after=${events - 1}`);
    await fast.until(() => fast.seen.length === 1);
    slow.resume();
    const ids: number[] = [];
    let rest = '';
    for await (const chunk of slow) {
      rest += String(chunk);
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('id: ')) ids.push(Number(line.slice(4)));
      if (ids.length === events) break;
    }
    expect(ids).toEqual(Array.from({ length: events }, (_, index) => index + 1));
  });

  it('takes events from the log only as fast as the client reads them (G10)', async () => {
    const { system, url } = await serveShop();
    let taken = 0;
    const subscribe = system.events.subscribe.bind(system.events);
    system.events.subscribe = async function* counted(options) {
      for await (const event of subscribe(options)) {
        taken += 1;
        yield event;
      }
    };
    const text = 'x'.repeat(100_000);
    for (let count = 0; count < 300; count += 1) await publish(system, String(count), text);
    const slow = await openSocket(url);
    slow.pause();
    slow.write(`GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
    let before = -1;
    await expect.poll(() => [taken === before && taken > 0, (before = taken)][0], { interval: 50 }).toBe(true);
    // 30 MB are there; what was taken fits into the buffers of the sockets.
    expect(taken).toBeLessThan(150);
  });

  it('ends when the server closes, and the client can go on elsewhere from its last event', async () => {
    const { system, server, url } = await serveShop({ closeGrace: 60_000 });
    const client = await LiveClient.open(`${url}/events?after=0`);
    await publish(system, 'one');
    await client.until(() => client.seen.length === 1);
    await server.close();
    await client.until(() => client.ended);
    expect(client.lastId).toBe('1');
  });

  it('ends when the system closes under it', async () => {
    const { system, url } = await serveShop();
    const client = await LiveClient.open(`${url}/events`);
    await system.close();
    await client.until(() => client.ended);
  });
});

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}
