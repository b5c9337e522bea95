import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { startServer } from '../../src/server/index.ts';
import { STRUCTURED, openShop, order, problemOf, serveShop } from './shop.ts';
import { exchange, openSocket, send } from './socket.ts';

const HEAD = 'POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\n';

describe('starting', () => {
  it('names the address that is taken and says what to do', async () => {
    const { system, url } = await serveShop();
    await expect(startServer(system, { port: Number(new URL(url).port) })).rejects.toMatchObject({
      code: 'address-unavailable',
      message: expect.stringContaining('another process listens on it') as unknown,
    });
  });

  it.each([-1, 70_000, 1.5])('refuses the port %d', async (port) => {
    await expect(startServer(await openShop(), { port })).rejects.toMatchObject({
      code: 'invalid-input',
      path: 'server.port',
    });
  });

  it('listens on IPv6 loopback too', async () => {
    const { url } = await serveShop({ host: '::1' });
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('listens on every address with a key', async () => {
    const { url } = await serveShop({ host: '0.0.0.0', apiKeys: ['key'] });
    expect((await fetch(`${url}/events`)).status).toBe(401);
    expect((await fetch(`${url}/events`, { headers: { authorization: 'Bearer key' } })).status).toBe(200);
  });

  it('tells the store where it answers, for processes that find it held', async () => {
    const system = await openShop();
    const announced: (string | undefined)[] = [];
    system.announce = async (url) => void announced.push(url);
    const server = await startServer(system, { port: 0 });
    await server.close();
    expect(announced).toEqual([server.url, undefined]);
  });
});

describe('limits on the wire (G10)', () => {
  it('refuses headers that are too large with 431', async () => {
    const { url } = await serveShop({ maxHeaderBytes: 4_096 });
    const answer = await exchange(
      url,
      `GET /events HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(8_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(answer).toContain('"code":"headers-too-large"');
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('refuses a body that announces too much before it comes', async () => {
    const { url } = await serveShop({ maxBodyBytes: 1_000 });
    const answer = await exchange(url, `${HEAD}Content-Length: 5000000\r\n\r\n`, '"code":"limit-exceeded"');
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('refuses a body that turns out too large while it comes', async () => {
    const { url, system } = await serveShop({ maxBodyBytes: 1_000 });
    const answer = await exchange(
      url,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n${`400\r\n${'x'.repeat(1_024)}\r\n`.repeat(3)}`,
      '"code":"limit-exceeded"',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(await system.events.head()).toBe(0);
  });

  it('does not wait for ever for a request that never ends', async () => {
    const { url } = await serveShop({ requestTimeout: 100 });
    const headers = await exchange(url, 'GET /events HTTP/1.1\r\nHost: loc');
    expect(headers).toMatch(/^HTTP\/1\.1 408 /);
    const body = await exchange(url, `${HEAD}Content-Length: 100\r\n\r\n{"spec`);
    expect(body).toMatch(/^HTTP\/1\.1 (408|400) /);
  });

  it('stores nothing of a request that breaks off', async () => {
    const { url, system } = await serveShop();
    const socket = await openSocket(url);
    const body = JSON.stringify(order());
    socket.write(`${HEAD}Content-Length: ${body.length + 1}\r\n\r\n${body}`);
    socket.destroy();
    await once(socket, 'close');
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(await system.events.head()).toBe(0);
  });

  it.each([
    ['text that is no HTTP', 'hello\r\n\r\n', 400],
    ['a request without Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400],
    ['a Host that is no name', 'GET /events HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
    [
      'an address of another server',
      'GET http://evil.example/events HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
      403,
    ],
    [
      'lengths that contradict each other',
      `${HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['a backslash in the path', 'GET /events\\..\\x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
    [
      'percent-encoding that is no text',
      'GET /streams/%FF%FE HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['a method that nobody knows', 'BREW /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 400],
  ])('answers %s', async (_what, bytes, status) => {
    const { url } = await serveShop();
    expect(await exchange(url, bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});

describe('headers on the wire', () => {
  it('are read one by one: an attribute that comes twice is refused, not joined', async () => {
    const { url, system } = await serveShop({ shop: { unknownTypes: 'accept' } });
    const attributes = [
      ['ce-specversion', '1.0'],
      ['ce-source', '/s'],
      ['ce-type', 'note.taken'],
      ['ce-id', 'a'],
    ] as const;
    const twice = await send(`${url}/events`, { headers: [...attributes, ['ce-id', 'b']], body: Buffer.from('') });
    expect(twice.status).toBe(400);
    expect(JSON.parse(twice.body)).toMatchObject({ code: 'invalid-event', attribute: 'id' });
    expect(await system.events.head()).toBe(0);
    expect((await send(`${url}/events`, { headers: attributes, body: Buffer.from('') })).status).toBe(201);
  });
});

describe('closing', () => {
  it('lets a request under way finish, and takes no new connection', async () => {
    const { system, server, url } = await serveShop({ closeGrace: 5_000 });
    const ingest = system.ingest.bind(system);
    const begun = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    system.ingest = async (events, headers) => {
      begun.resolve();
      await released.promise;
      return ingest(events, headers);
    };
    const answer = fetch(`${url}/events`, { method: 'POST', headers: STRUCTURED, body: JSON.stringify(order()) });
    await begun.promise;
    const closed = server.close();
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    released.resolve();
    expect((await answer).status).toBe(201);
    expect((await answer).headers.get('connection')).toBe('close');
    await closed;
  });

  it('cuts off what does not finish within the grace time', async () => {
    const { system, server, url } = await serveShop({ closeGrace: 20 });
    const begun = Promise.withResolvers<void>();
    system.ingest = () => {
      begun.resolve();
      return new Promise(() => undefined);
    };
    const answer = fetch(`${url}/events`, { method: 'POST', headers: STRUCTURED, body: JSON.stringify(order()) });
    await begun.promise;
    await Promise.all([server.close(), expect(answer).rejects.toThrow()]);
  });

  it('closes connections that nobody uses at once, twice is once, and the system stays open', async () => {
    const { system, server, url } = await serveShop({ closeGrace: 60_000 });
    const idle = await openSocket(url);
    idle.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(idle, 'data');
    await Promise.all([server.close(), server.close()]);
    expect(await system.events.head()).toBe(0);
  });

  it('follows the signal it was given', async () => {
    const stop = new AbortController();
    const { server, url } = await serveShop({ signal: stop.signal });
    stop.abort();
    await server.close();
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it('says that it is not ready any more to who still has a connection', async () => {
    const stop = new AbortController();
    const { createApp } = await import('../../src/server/index.ts');
    const app = createApp(await openShop(), { signal: stop.signal });
    expect((await app.request('/readyz')).status).toBe(200);
    stop.abort();
    expect(await problemOf(app.request('/readyz'))).toMatchObject({ status: 503, code: 'not-ready' });
  });
});
