import { describe, expect, it } from 'vitest';
import { StoreUnavailable, defineAutomation } from '../../src/index.ts';
import { OrderPlaced, openApp, order, post, problemOf, read } from './shop.ts';

async function figures(app: Awaited<ReturnType<typeof openApp>>['app']): Promise<ReadonlyMap<string, number>> {
  const text = await (await app.request('/metrics')).text();
  return new Map(
    Array.from(text.matchAll(/^([a-z_]+(?:\{[^}]*\})?) (\S+)$/gm), ([, name = '', value = '']) => [
      name,
      Number(value),
    ]),
  );
}

describe('health', () => {
  it('is answered while the process lives, readiness while the store works', async () => {
    const { app, system } = await openApp();
    expect(await read(app, '/healthz')).toEqual({ status: 'ok', pid: process.pid });
    expect(await read(app, '/readyz')).toEqual({ status: 'ready' });
    system.events.head = () => Promise.reject(new StoreUnavailable('app.db', 'disk I/O error'));
    expect((await app.request('/healthz')).status).toBe(200);
    expect(await problemOf(app.request('/readyz'))).toMatchObject({ status: 503, code: 'store-unavailable' });
  });

  it('is not ready when a consumer’s commits do not go through, and says which', async () => {
    const { app, system } = await openApp();
    const [status] = await system.consumers.list();
    if (status === undefined) throw new Error('no consumer');
    system.consumers.list = async () => [{ ...status, state: 'stalled', reason: 'disk full' }];
    expect(await problemOf(app.request('/readyz'))).toMatchObject({
      status: 503,
      code: 'not-ready',
      reasons: ['consumer billing: disk full'],
    });
  });
});

describe('metrics (G11)', () => {
  it('count what came in and what became of it', async () => {
    const { app, system } = await openApp();
    const event = order();
    await post(app, event);
    await post(app, [event, order({ customer: 'nobody' })]);
    await post(app, { ...order(), type: 'shop.stock.counted', data: {} });
    await post(app, { ...order(), type: 'unknown' });
    await system.settled();
    const found = await figures(app);
    expect(Object.fromEntries([...found].filter(([name]) => name.startsWith('thereupon_http_events')))).toEqual({
      'thereupon_http_events_total{outcome="recorded"}': 2,
      'thereupon_http_events_total{outcome="duplicate"}': 1,
      'thereupon_http_events_total{outcome="quarantined"}': 1,
    });
    expect(found.get('thereupon_http_request_seconds_count{method="POST",route="/events",status="422"}')).toBe(1);
  });

  it('say how each consumer stands', async () => {
    const { app, system } = await openApp();
    await post(app, [order(), order({ customer: 'nobody' })]);
    await system.settled();
    const found = await figures(app);
    expect(found.get('thereupon_consumer_handled_total{consumer="billing"}')).toBe(1);
    expect(found.get('thereupon_consumer_parked_total{consumer="billing"}')).toBe(1);
    expect(found.get('thereupon_consumer_dead_letters{consumer="billing"}')).toBe(1);
    expect(found.get('thereupon_consumer_lag_events{consumer="sales"}')).toBe(0);
    expect(found.get('thereupon_consumer_lag_seconds{consumer="sales"}')).toBe(0);
    expect(found.get('thereupon_consumer_in_flight{consumer="sales"}')).toBe(0);
    await system.consumers.pause('sales');
    await post(app, order());
    const later = await figures(app);
    expect(later.get('thereupon_consumer_up{consumer="sales"}')).toBe(0);
    expect(later.get('thereupon_consumer_lag_events{consumer="sales"}')).toBeGreaterThan(0);
    // Counters are taken from the consumers' own: looking twice counts nothing twice.
    expect((await figures(app)).get('thereupon_consumer_handled_total{consumer="sales"}')).toBe(2);
  });

  it('say how far event time has come for those who go by it, and what waits for others (G8)', async () => {
    const delivery = defineAutomation({
      name: 'delivery',
      on: OrderPlaced,
      sequence: { onGap: 'hold', wait: '1h' },
      run: () => {},
    });
    const { app, system } = await openApp({ shop: { automations: [delivery] } });
    for (const sequence of [1, 3, 4])
      await system.publish(OrderPlaced, { orderId: '17', customer: 'c1', total: 1 }, { sequence, source: '/till' });
    await system.settled();
    const found = await figures(app);
    expect(found.get('thereupon_consumer_held_events{consumer="delivery"}')).toBe(2);
    expect(found.get('thereupon_consumer_timers{consumer="delivery"}')).toBe(1);
    const watermark = found.get('thereupon_consumer_watermark_seconds{consumer="delivery"}') ?? 0;
    expect(Math.abs(Date.now() / 1_000 - watermark)).toBeLessThan(60);
    expect(found.has('thereupon_consumer_held_events{consumer="sales"}')).toBe(false);
    const { held } = (await read(app, '/consumers/delivery/held')) as { held: unknown };
    expect(held).toEqual([
      { key: 'order-17', events: 2, waitsFor: expect.stringMatching(/^2 of order-17 from \/till, until /) as string },
    ]);
  });

  it('say how the store and the process stand', async () => {
    const { app, system } = await openApp();
    await post(app, order());
    await system.settled();
    const found = await figures(app);
    expect(found.get('thereupon_log_head_position')).toBe(await system.events.head());
    expect(found.get('thereupon_store_waiting')).toBe(0);
    expect(found.get('thereupon_store_waiting_limit')).toBeGreaterThan(0);
    expect(found.get('process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  it('are those of one system, also when a process has several', async () => {
    const first = await openApp();
    const second = await openApp();
    await post(first.app, order());
    expect((await figures(second.app)).get('thereupon_http_events_total{outcome="recorded"}')).toBe(0);
  });
});

describe('the catalog over HTTP', () => {
  it('serves the JSON Schema of each version', async () => {
    const { app } = await openApp();
    const response = await app.request('/catalog/shop.order.placed/1/schema');
    expect(response.headers.get('content-type')).toBe('application/schema+json');
    expect(await response.json()).toMatchObject({ type: 'object', properties: { total: { type: 'number' } } });
    for (const path of [
      '/catalog/shop.order.placed/2/schema',
      '/catalog/none/1/schema',
      '/catalog/shop.order.placed/x/schema',
    ]) {
      expect(await problemOf(app.request(path))).toMatchObject({ status: 404, code: 'not-found' });
    }
  });

  it('says who publishes and consumes what', async () => {
    const { app } = await openApp();
    expect(await read(app, '/catalog')).toMatchObject({
      events: expect.arrayContaining([
        expect.objectContaining({ type: 'shop.order.placed', version: 1, consumedBy: ['billing', 'sales'] }),
      ]) as unknown,
      reactions: [{ name: 'billing' }, { name: 'sales' }],
    });
  });
});

describe('the front page', () => {
  it('says what this is and leads on, without a script', async () => {
    const { app } = await openApp();
    const response = await app.request('/');
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    const page = await response.text();
    for (const [, path = ''] of page.matchAll(/href="([^"]+)"/g))
      expect((await app.request(path)).status, path).toBe(200);
    for (const named of ['/commands', '/chain', '/asyncapi.json']) expect(page).toContain(named);
    expect(page).not.toContain('<script');
  });
});
