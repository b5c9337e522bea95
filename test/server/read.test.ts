import { describe, expect, it } from 'vitest';
import { openApp, order, post, problemOf, read } from './shop.ts';

interface Page {
  readonly events: readonly { readonly id: string; readonly position: number }[];
  readonly next?: number;
}

const ids = ({ events }: Page) => events.map(({ id }) => id);

async function shopWithOrders() {
  const { app, system } = await openApp();
  await post(
    app,
    ['a', 'b', 'c', 'd', 'e'].map((id, index) =>
      order({ id, orderId: id === 'e' ? 'a' : id, customer: `c${index % 2}`, total: (index + 1) * 50 }),
    ),
  );
  await system.settled();
  return { app, system };
}

describe('reading events', () => {
  it('gives pages forward, each with the place where the next one begins', async () => {
    const { app } = await shopWithOrders();
    const first = await read<Page>(app, '/events?limit=2');
    expect(ids(first)).toEqual(['a', 'b']);
    const second = await read<Page>(app, `/events?limit=2&after=${first.next}`);
    expect(ids(second)).toEqual(['c', 'd']);
    const last = await read<Page>(app, `/events?limit=2&after=${second.next}`);
    expect(ids(last)).toEqual(['e']);
    expect(last.next).toBeUndefined();
  });

  it('gives pages backward, and a link to the next one that keeps the filter', async () => {
    const { app } = await shopWithOrders();
    const response = await app.request('/events?direction=backward&limit=2&type=shop.order.placed');
    expect(ids((await response.clone().json()) as Page)).toEqual(['e', 'd']);
    const link = /<(.*)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1] ?? '';
    expect(ids(await read<Page>(app, link))).toEqual(['c', 'b']);
    expect(ids(await read<Page>(app, '/events?before=2'))).toEqual(['a']);
  });

  it.each([
    ['type=shop.order.placed', ['a', 'b', 'c', 'd', 'e']],
    ['type=other&type=none', []],
    ['stream=order-a', ['a', 'e']],
    ['source=%2Ftill', ['a', 'b', 'c', 'd', 'e']],
    ['source=%2Felsewhere', []],
    ['category=order', ['a', 'b', 'c', 'd', 'e']],
    ['category=stock', []],
    ['correlationid=b', ['b']],
    ['from=2000-01-01T00:00:00Z', ['a', 'b', 'c', 'd', 'e']],
    ['to=2000-01-01T00:00:00Z', []],
    [`where=${encodeURIComponent('{"data":{"total":[{"numeric":[">=",150]}],"customer":["c0"]}}')}`, ['c', 'e']],
  ])('finds by %s', async (query, expected) => {
    const { app } = await shopWithOrders();
    expect(ids(await read<Page>(app, `/events?${query}`))).toEqual(expected);
  });

  it('gives the system’s own events only when they are asked for', async () => {
    const { app, system } = await shopWithOrders();
    await system.consumers.pause('billing');
    expect(ids(await read<Page>(app, '/events'))).toHaveLength(5);
    expect((await read<Page>(app, '/events?category=thereupon')).events).toMatchObject([
      { type: 'thereupon.consumer.paused' },
    ]);
  });

  it.each([
    ['colour=red', { code: 'invalid-input', path: 'query', found: '"colour"' }],
    ['limit=0', { path: 'limit' }],
    ['limit=1001', { path: 'limit' }],
    ['limit=ten', { path: 'limit' }],
    ['limit=1&limit=2', { path: 'limit' }],
    ['after=-1', { path: 'after' }],
    ['after=99999999999999999999', { path: 'after' }],
    ['direction=sideways', { path: 'direction', expected: 'forward or backward' }],
    ['direction=backward&after=1', { path: 'after' }],
    ['direction=forward&before=1', { path: 'before' }],
    ['from=yesterday', { path: 'from' }],
    ['to=2026-13-45T00:00:00Z', { path: 'to' }],
    ['stream=', { path: 'stream' }],
    ['where={', { path: 'where' }],
    ['where={"data":{"total":[{"numeric":["!",1]}]}}', { code: 'invalid-pattern', path: 'data.total[0].numeric[0]' }],
    [`where=${'%7B%22a%22:'.repeat(3_000)}1${'%7D'.repeat(3_000)}`, { code: 'invalid-pattern' }],
    ['type=%FF', { path: 'url' }],
  ])('refuses ?%s and names what is wrong', async (query, problem) => {
    const { app } = await openApp();
    const response = await app.request(`/events?${query}`);
    expect(response.status).toBe(400);
    expect(await problemOf(response)).toMatchObject({ code: 'invalid-input', ...problem });
  });

  it('says that an event does not exist', async () => {
    const { app } = await openApp();
    expect(await problemOf(app.request('/events/%2Ftill/none'))).toMatchObject({
      status: 404,
      code: 'not-found',
      kind: 'event',
    });
  });
});

describe('reading streams', () => {
  it('gives the history of one entity with its version as ETag', async () => {
    const { app } = await shopWithOrders();
    const response = await app.request('/streams/order-a');
    expect(response.headers.get('etag')).toBe('"2"');
    expect(await response.json()).toMatchObject({
      stream: 'order-a',
      version: 2,
      firstVersion: 1,
      deleted: false,
      events: [
        { id: 'a', version: 1 },
        { id: 'e', version: 2 },
      ],
    });
    for (const [known, status] of [
      ['"2"', 304],
      ['"1", W/"2"', 304],
      ['*', 304],
      ['"1"', 200],
    ] as const) {
      expect((await app.request('/streams/order-a', { headers: { 'if-none-match': known } })).status).toBe(status);
    }
  });

  it('gives pages of it, forward and backward', async () => {
    const { app } = await shopWithOrders();
    expect(await read(app, '/streams/order-a?limit=1')).toMatchObject({ events: [{ id: 'a' }], next: 2 });
    expect(await read(app, '/streams/order-a?from=2')).toMatchObject({ events: [{ id: 'e' }] });
    expect(await read(app, '/streams/order-a?direction=backward&limit=1')).toMatchObject({
      events: [{ id: 'e' }],
      next: 1,
    });
    expect((await read(app, '/streams/order-a?direction=backward&from=1')).next).toBeUndefined();
  });

  it('does not take a shortened history for the same', async () => {
    const { app, system } = await shopWithOrders();
    await system.truncateStream('order-a', 2);
    const response = await app.request('/streams/order-a', { headers: { 'if-none-match': '"2"' } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ version: 2, firstVersion: 2, events: [{ id: 'e' }] });
  });

  it('tells a stream that never was from one that was deleted', async () => {
    const { app, system } = await shopWithOrders();
    await system.deleteStream('order-a');
    expect(await problemOf(app.request('/streams/order-a'))).toMatchObject({ status: 410, code: 'stream-deleted' });
    expect(await problemOf(app.request('/streams/order-nine'))).toMatchObject({
      status: 404,
      kind: 'stream',
      id: 'order-nine',
    });
  });

  it('reads a stream whose name has slashes and percent signs', async () => {
    const { app } = await openApp({ shop: { unknownTypes: 'accept' } });
    const stream = 'https://x/%2F a?b#c';
    await post(app, { ...order(), type: 'note.taken', stream });
    expect(await read(app, `/streams/${encodeURIComponent(stream)}`)).toMatchObject({ stream, version: 1 });
  });

  it('lists streams by name, page by page, also of one category', async () => {
    const { app } = await shopWithOrders();
    expect(await read(app, '/streams?limit=3')).toMatchObject({
      streams: [{ stream: 'order-a', version: 2 }, { stream: 'order-b' }, { stream: 'order-c' }],
      next: 'order-c',
    });
    expect(await read(app, '/streams?limit=3&after=order-c')).toEqual({
      streams: [{ stream: 'order-d', version: 1, firstVersion: 1, deleted: false }],
    });
    expect(await read(app, '/streams?category=stock')).toEqual({ streams: [] });
  });
});
