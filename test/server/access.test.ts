import { describe, expect, it } from 'vitest';
import { createApp, startServer } from '../../src/server/index.ts';
import { isLoopback } from '../../src/server/access.ts';
import { ROUTES } from '../../src/server/routes.ts';
import { STRUCTURED, openApp, openShop, order, problemOf, serveShop } from './shop.ts';

const KEYS = ['first-key', 'second-key'];
const paths = ROUTES.map(({ method, path, open = false }) => ({
  method,
  path: path.replaceAll(/\{\w+\}/g, 'x'),
  open,
}));

describe('with API keys', () => {
  it.each(paths)('$method $path answers without a key: $open', async ({ method, path, open }) => {
    const { app } = await openApp({ apiKeys: KEYS });
    const response = await app.request(path, { method });
    expect(response.status).toBe(open ? 200 : 401);
    if (open) return;
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect(await problemOf(response)).toMatchObject({ code: 'unauthorized' });
  });

  it('open are the health check and the front page, and nothing else', () => {
    expect(paths.filter(({ open }) => open).map(({ path }) => path)).toEqual(['/healthz', '/']);
  });

  it.each(KEYS)('each of them opens', async (key) => {
    const { app } = await openApp({ apiKeys: KEYS });
    expect((await app.request('/events', { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
    expect((await app.request('/events', { headers: { authorization: `bearer ${key}` } })).status).toBe(200);
  });

  it.each([
    'Bearer third-key',
    'Bearer',
    'Bearer ',
    'Basic first-key',
    'first-key',
    'Bearer first-ke',
    'Bearer first-keyy',
    'Bearer first-key second-key',
  ])('%j does not open', async (authorization) => {
    const { app } = await openApp({ apiKeys: KEYS });
    expect((await app.request('/events', { headers: { authorization } })).status).toBe(401);
  });

  it('an unknown route is not told from a known one without a key', async () => {
    const { app } = await openApp({ apiKeys: KEYS });
    expect((await app.request('/nothing')).status).toBe(401);
    expect((await app.request('/events', { method: 'PUT' })).status).toBe(401);
  });

  it('any Host is answered: the key says who asks', async () => {
    const { app } = await openApp({ apiKeys: KEYS });
    expect(
      (await app.request('/events', { headers: { host: 'events.example.com', authorization: 'Bearer first-key' } }))
        .status,
    ).toBe(200);
  });

  it('an event keeps whose key it came with, by its name, or whom it says itself', async () => {
    const { app, system } = await openApp({ apiKeys: ['first-key', { name: 'shop-backend', key: 'second-key' }] });
    const publish = (key: string, more: object) =>
      app.request('/events', {
        method: 'POST',
        headers: { ...STRUCTURED, authorization: `Bearer ${key}` },
        body: JSON.stringify({ ...order(), ...more }),
      });
    expect((await publish('first-key', { id: 'a' })).status).toBe(201);
    expect((await publish('second-key', { id: 'b' })).status).toBe(201);
    expect((await publish('second-key', { id: 'c', authtype: 'app_user', authid: 'ada' })).status).toBe(201);
    // The key was changed meanwhile: the fact is the same one.
    expect((await publish('second-key', { id: 'a' })).status).toBe(200);
    expect((await publish('shop-backend', { id: 'd' })).status).toBe(401);
    const { events } = await system.events.readStream('order-17');
    expect(events.map(({ id, extensions }) => [id, extensions])).toEqual([
      ['a', { authtype: 'api_key', authid: 'key-9e24b55356ef' }],
      ['b', { authtype: 'api_key', authid: 'shop-backend' }],
      ['c', { authtype: 'app_user', authid: 'ada', authkey: 'shop-backend' }],
    ]);
  });

  it.each([[['']], [['with space']], [['ok', 'späh']]])('%j are refused, and never shown', async (apiKeys) => {
    const system = await openShop();
    expect(() => createApp(system, { apiKeys })).toThrow(/server\.apiKeys\[\d\]: expected visible ASCII/);
    expect(() => createApp(system, { apiKeys })).not.toThrow(/späh|with space/);
    const named = apiKeys.map((key) => ({ name: 'backend', key }));
    expect(() => createApp(system, { apiKeys: named })).toThrow(/server\.apiKeys\[\d\]: expected visible ASCII/);
    expect(() => createApp(system, { apiKeys: [{ name: '', key: 'k' }] })).toThrow(/server\.apiKeys\[0\]\.name/);
  });
});

describe('without API keys', () => {
  it.each(['0.0.0.0', '::', '192.168.1.5', 'example.com', ''])(
    'the host %j is refused before anything listens, and the error says what to do',
    async (host) => {
      const system = await openShop();
      await expect(startServer(system, { host, port: 0 })).rejects.toMatchObject({
        code: 'unsafe-host',
        message: expect.stringMatching(/server\.apiKeys, or listen on 127\.0\.0\.1/) as unknown,
      });
    },
  );

  it('an empty list of keys is none', async () => {
    const system = await openShop();
    await expect(startServer(system, { host: '0.0.0.0', port: 0, apiKeys: [] })).rejects.toMatchObject({
      code: 'unsafe-host',
    });
  });

  it('listens on this machine alone unless told otherwise', async () => {
    const { url } = await serveShop();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it.each(['localhost', 'localhost.', 'app.localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]', 'LOCALHOST'])(
    '%s is this machine',
    (host) => expect(isLoopback(host)).toBe(true),
  );
  it.each(['localhost.evil.com', '127.0.0.1.evil.com', '10.0.0.1', '0.0.0.0', '', 'evil', '128.0.0.1', '::2'])(
    '%j is not',
    (host) => expect(isLoopback(host)).toBe(false),
  );

  it.each(['evil.example', 'evil.example:4600', '127.0.0.1.evil.example', '192.168.0.7:4600'])(
    'a name that was pointed at this machine gets nothing: %s',
    async (host) => {
      const { app } = await openApp();
      expect(await problemOf(app.request('/events', { headers: { host } }))).toMatchObject({
        status: 403,
        code: 'foreign-request',
        header: 'Host',
      });
    },
  );

  it.each(['localhost:4600', '127.0.0.1:4600', '[::1]:4600', 'localhost'])(
    'a name of this machine is answered: %s',
    async (host) => {
      const { app } = await openApp();
      expect((await app.request('/events', { headers: { host } })).status).toBe(200);
    },
  );

  it.each([
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }],
    [{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }],
    [{ origin: 'https://evil.example' }],
    [{ origin: 'http://localhost:3000' }],
    [{ origin: 'null' }],
  ])('a foreign page cannot publish: %j', async (headers) => {
    const { app, system } = await openApp();
    const response = await app.request('/events', {
      method: 'POST',
      headers: { ...STRUCTURED, host: 'localhost:4600', ...headers },
      body: JSON.stringify(order()),
    });
    expect(await problemOf(response)).toMatchObject({ status: 403, code: 'foreign-request' });
    expect(await system.events.head()).toBe(0);
  });

  it('a foreign page cannot read or hold a stream open', async () => {
    const { app } = await openApp();
    expect(
      (
        await app.request('/events', {
          headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', accept: 'text/event-stream' },
        })
      ).status,
    ).toBe(403);
  });

  it('a link on a foreign page can be followed', async () => {
    const { app } = await openApp();
    expect(
      (await app.request('/', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } })).status,
    ).toBe(200);
  });

  it('a page that this server gave may ask and publish', async () => {
    const { app } = await openApp();
    const headers = {
      ...STRUCTURED,
      host: 'localhost:4600',
      origin: 'http://localhost:4600',
      'sec-fetch-site': 'same-origin',
    };
    expect((await app.request('/events', { method: 'POST', headers, body: JSON.stringify(order()) })).status).toBe(201);
  });

  it('no answer lets another origin read it', async () => {
    const { app } = await openApp();
    const response = await app.request('/events');
    expect([...response.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
  });
});
