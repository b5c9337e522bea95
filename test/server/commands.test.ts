import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineCommand, defineDecider, fact, ofStream, refuse } from '../../src/index.ts';
import type { Logger } from '../../src/index.ts';
import type { App } from '../../src/server/index.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { openApp, OrderPlaced, StockCounted } from './shop.ts';

const PlaceOrder = defineCommand({
  name: 'shop.place-order',
  summary: 'A customer wants something',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId: z.string(), customer: z.string(), total: z.number() }),
});

const order = defineDecider({
  name: 'order',
  initial: () => ({ placed: 0, total: 0 }),
  evolve: [[OrderPlaced, (state, { data }) => ({ placed: state.placed + 1, total: state.total + data.total })]],
  decide: [
    [
      PlaceOrder,
      (state, { data }) => {
        if (data.total === 0) return undefined;
        if (data.total < 0) throw new Error('of the program');
        return state.placed >= 2
          ? refuse('placed', `order ${data.orderId} was placed`, { details: { times: state.placed } })
          : fact(OrderPlaced, data);
      },
    ],
  ],
});

const opened = () => openApp({ shop: { deciders: [order] } });
const data = (total = 5) => ({ orderId: '1', customer: 'ada', total });

async function execute(
  app: App,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  name: string = PlaceOrder.name,
) {
  const response = await app.request(`/commands/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    etag: response.headers.get('etag'),
    type: response.headers.get('content-type'),
    body: (await response.json()) as Record<string, unknown>,
  };
}

describe('POST /commands/{name}', () => {
  it('records what the decider decides, and answers with its facts, the state and the version of the stream', async () => {
    const { app, system } = await opened();
    const { status, etag, body } = await execute(app, data());
    expect([status, etag]).toEqual([201, '"1"']);
    expect(body).toMatchObject({
      command: 'shop.place-order',
      accepted: true,
      stream: 'order-1',
      version: 1,
      duplicate: false,
      state: { placed: 1, total: 5 },
      events: [{ type: 'shop.order.placed', stream: 'order-1', version: 1 }],
    });
    expect((await system.events.readStream('order-1')).events[0]).toMatchObject({
      data: data(),
      causationid: body['id'],
      correlationid: body['id'],
    });
  });

  it('refuses data that lead to a stream of nobody whom the command is for: the sender is told, and nothing is recorded', async () => {
    const Cancel = defineCommand({
      name: 'shop.cancel',
      stream: ({ place }) => place,
      schema: z.object({ place: z.string() }),
    });
    const cancelling = defineDecider({
      name: 'cancelling',
      category: 'order',
      initial: () => 0,
      evolve: [[OrderPlaced, (count) => count + 1]],
      decide: [[Cancel, () => undefined]],
    });
    const { app, system } = await openApp({ shop: { deciders: [cancelling] } });
    for (const place of ['cart-1', 'order 1', ''])
      expect(await execute(app, { place }, {}, Cancel.name)).toMatchObject({
        status: 400,
        type: 'application/problem+json',
        body: { code: 'invalid-input' },
      });
    expect((await execute(app, { place: 'cart-1' }, {}, Cancel.name)).body['detail']).toBe(
      'command shop.cancel, stream: expected a stream of category order, which decider cancelling decides, found "cart-1"',
    );
    expect(await system.events.head()).toBe(0);
    expect((await execute(app, { place: 'order-1' }, {}, Cancel.name)).status).toBe(200);
  });

  it('keeps who gives the command with its facts: whom the request says, else the owner of its key', async () => {
    const { app, system } = await openApp({ shop: { deciders: [order] }, apiKeys: [{ name: 'till', key: 'k' }] });
    const key = { authorization: 'Bearer k' };
    await execute(app, data(), key);
    await execute(app, data(), { ...key, 'ce-authtype': 'user', 'ce-authid': 'J%C3%BCrgen' });
    const { events } = await system.events.readStream('order-1');
    expect(events.map(({ extensions }) => extensions)).toEqual([
      { authtype: 'api_key', authid: 'till' },
      { authtype: 'user', authid: 'Jürgen', authkey: 'till' },
    ]);
    for (const headers of [{ 'ce-authid': 'ada' }, { 'ce-authtype': 'root' }])
      expect(await execute(app, data(), { ...key, ...headers })).toMatchObject({ status: 400 });
  });

  it('answers 200 where there was nothing to record', async () => {
    const { app } = await opened();
    expect(await execute(app, data(0))).toMatchObject({
      status: 200,
      etag: '"0"',
      body: { accepted: true, events: [] },
    });
  });

  it('answers a refusal with 422, its reason and details, as a problem document', async () => {
    const { app } = await opened();
    await execute(app, data());
    await execute(app, data());
    const refused = await execute(app, data(), { 'thereupon-command-id': 'third' });
    expect(refused).toMatchObject({
      status: 422,
      etag: '"2"',
      type: 'application/problem+json',
      body: {
        code: 'command-refused',
        detail: 'order 1 was placed',
        reason: 'placed',
        details: { times: 2 },
        id: 'third',
        events: [],
        duplicate: false,
      },
    });
  });

  it.each(['thereupon-command-id', 'idempotency-key'])(
    'has the first outcome for ever under one %s (G2)',
    async (name) => {
      const { app, system } = await opened();
      const first = await execute(app, data(), { [name]: 'c1' });
      await execute(app, data());
      const refused = await execute(app, data(), { [name]: 'c2' });
      const again = await execute(app, data(), { [name]: 'c1' });
      expect(again).toMatchObject({ status: 200, etag: '"1"', body: { id: 'c1', accepted: true, duplicate: true } });
      expect((again.body['events'] as { id: string }[])[0]?.id).toBe((first.body['events'] as { id: string }[])[0]?.id);
      expect(await execute(app, data(), { [name]: 'c2' })).toMatchObject({
        status: 422,
        body: { ...refused.body, duplicate: true },
      });
      expect((await system.events.streamState('order-1')).version).toBe(2);
      expect(await execute(app, data(6), { [name]: 'c1' })).toMatchObject({
        status: 409,
        body: { code: 'command-content-conflict', command: 'shop.place-order', first: 'shop.place-order' },
      });
    },
  );

  it('takes a quoted key, and refuses two that differ', async () => {
    const { app } = await opened();
    expect(await execute(app, data(), { 'idempotency-key': '"c1"' })).toMatchObject({
      status: 201,
      body: { id: 'c1' },
    });
    const both = { 'thereupon-command-id': 'c1', 'idempotency-key': 'c2' };
    expect(await execute(app, data(), both)).toMatchObject({ status: 400, body: { path: 'Idempotency-Key' } });
  });

  it('checks If-Match with 412 and Thereupon-Expected-Version with 409, and records nothing (G4)', async () => {
    const { app, system } = await opened();
    expect(await execute(app, data(), { 'if-match': '*' })).toMatchObject({ status: 412 });
    expect(await execute(app, data(), { 'thereupon-expected-version': 'none' })).toMatchObject({ status: 201 });
    const stale = await execute(app, data(), { 'if-match': '"5"' });
    expect(stale).toMatchObject({ status: 412, body: { code: 'stream-version-conflict', expected: 5, actual: 1 } });
    expect(await execute(app, data(), { 'thereupon-expected-version': '0' })).toMatchObject({ status: 409 });
    expect(await execute(app, data(), { 'if-match': '"1"' })).toMatchObject({ status: 201, etag: '"2"' });
    expect(await execute(app, data(), { 'if-match': 'W/"2"' })).toMatchObject({ status: 400 });
    expect((await system.events.streamState('order-1')).version).toBe(2);
  });

  it.each([
    [{ orderId: '1' }, 422, 'command-data-invalid'],
    [undefined, 422, 'command-data-invalid'],
    ['text', 422, 'command-data-invalid'],
    [null, 422, 'command-data-invalid'],
    [{ orderId: 'x'.repeat(600), customer: 'a', total: 1 }, 400, 'invalid-input'],
    [data(-1), 500, 'decision-invalid'],
  ])('refuses %j by name', async (body, status, code) => {
    const { app, system } = await opened();
    expect(await execute(app, body)).toMatchObject({ status, body: { code } });
    expect((await system.events.read()).events).toEqual([]);
  });

  it('refuses a body that is no JSON, another content type, and a command that nobody takes', async () => {
    const { app } = await opened();
    const bad = await app.request('/commands/shop.place-order', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":',
    });
    expect(bad.status).toBe(400);
    expect(await execute(app, data(), { 'content-type': 'text/csv' })).toMatchObject({ status: 415 });
    expect(await execute(app, data(), {}, 'shop.fly')).toMatchObject({
      status: 404,
      body: { code: 'unknown-command', detail: expect.stringContaining('there are shop.place-order') as unknown },
    });
  });

  it('lists the commands', async () => {
    const { app } = await opened();
    const response = await app.request('/commands');
    expect(await response.json()).toMatchObject({
      commands: [
        {
          name: 'shop.place-order',
          summary: 'A customer wants something',
          decider: 'order',
          jsonSchema: { type: 'object', required: ['orderId', 'customer', 'total'] },
        },
      ],
    });
  });
});

describe('what a decider does wrong', () => {
  const Do = defineCommand({ name: 'shop.do', stream: () => 'order-1', schema: z.object({ what: z.string() }) });
  const decisions: Readonly<Record<string, () => unknown>> = {
    misfit: () => fact(OrderPlaced, { orderId: '1', customer: 'ada', total: 'much' as never }),
    later: () => Promise.resolve(fact(OrderPlaced, data())),
    junk: () => 'yes',
    elsewhere: () => fact(OrderPlaced, { ...data(), orderId: '2' }),
    unnamed: () => fact(StockCounted, { sku: 'a', pieces: 1 }),
    slip: () => {
      throw new TypeError('total of nothing');
    },
  };
  const wrong = defineDecider({
    name: 'order',
    initial: () => 0,
    evolve: [[OrderPlaced, (count) => count + 1]],
    decide: [[Do, (_state, command) => decisions[command.data.what]?.() as undefined]],
  });

  it.each([
    ['misfit', /data\.total: .*expected number/],
    ['later', /decide must answer at once, found a promise/],
    ['junk', /decide must give facts/],
    ['elsewhere', /for stream order-2, which it was not decided on/],
    ['unnamed', /which it does not name; add it to publishes/],
    ['slip', /decide threw TypeError: total of nothing$/],
  ])('is its own fault, and not that of the caller: %s; the log has it, too', async (what, said) => {
    const logged: Record<string, unknown>[] = [];
    const logger: Logger = { ...silentLogger, error: (fields) => void logged.push(fields) };
    const { app, system } = await openApp({ shop: { deciders: [wrong], environment: { logger } } });
    const { status, body } = await execute(app, { what }, {}, Do.name);
    expect([status, body['code']]).toEqual([500, 'decision-invalid']);
    expect(body['detail']).toMatch(/^decider order, command shop\.do: /);
    expect(body['detail']).toMatch(said);
    expect(body).toMatchObject({ decider: 'order', command: 'shop.do' });
    expect(logged).toMatchObject([{ code: 'decision-invalid', err: { command: 'shop.do' } }]);
    expect((await system.events.read()).events).toEqual([]);
  });
});

describe('the catalog', () => {
  it('says of a decider that it publishes what it says, else what its evolve speaks of, and consumes what its state is made of', async () => {
    const watching = defineDecider({
      name: 'watching',
      across: { order: ofStream(order, ({ orderId }: { orderId: string }) => `order-${orderId}`) },
      publishes: [StockCounted],
      decide: [
        [
          defineCommand({ name: 'shop.count', schema: z.object({ orderId: z.string() }) }),
          () => fact(OrderPlaced, data()),
        ],
      ],
    });
    const { app } = await openApp({ shop: { deciders: [order, watching], consumers: [], projections: [] } });
    const catalog = (await (await app.request('/catalog')).json()) as {
      events: readonly { type: string; publishedBy: readonly string[]; consumedBy: readonly string[] }[];
    };
    const of = (type: string) => catalog.events.find((event) => event.type === type);
    expect(of('shop.order.placed')).toMatchObject({ publishedBy: ['order'], consumedBy: ['order', 'watching'] });
    expect(of('shop.stock.counted')).toMatchObject({ publishedBy: ['watching'], consumedBy: [] });
    const claiming = await execute(app, { orderId: '1' }, { 'if-match': '"1"' }, 'shop.count');
    expect(claiming).toMatchObject({ status: 400, body: { path: 'If-Match', found: '"\\"1\\""' } });
    // What it says is all: a fact beside it is a defect.
    expect((await execute(app, { orderId: '1' }, {}, 'shop.count')).body['detail']).toMatch(
      /decided a fact shop\.order\.placed, which it does not name; add it to publishes/,
    );
  });
});

describe('GET /streams/{stream}, as of a point', () => {
  async function history() {
    const { app, system } = await opened();
    const place = (total: number, time: string) =>
      system.publish(OrderPlaced, { orderId: '1', customer: 'ada', total }, { time });
    await place(1, '1789-04-30T12:00:00Z');
    await place(2, '2026-03-01T12:00:00Z');
    // Told late.
    await place(4, '1969-07-20T20:17:40Z');
    const get = async (query: string) => {
      const response = await app.request(`/streams/order-1?${query}`);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    return { get, system };
  }

  it.each([
    ['version=0', 0, 0],
    ['version=1', 1, 1],
    ['version=2', 2, 3],
    ['version=3', 3, 7],
    ['position=2', 2, 3],
    ['at=1789-04-29', 0, 0],
    ['at=1789-04-30', 1, 1],
    ['at=1969-07-20T20:17:39.999Z', 1, 1],
    ['at=1969-07-20T22:17:40%2B02:00', 3, 5],
    ['at=2026-03-02', 3, 7],
    ['at=2000-01-01&by=recorded', 0, 0],
  ])('gives the state at %s', async (query, version, total) => {
    const { get } = await history();
    expect(await get(query)).toMatchObject({
      status: 200,
      body: { decider: 'order', stream: 'order-1', version, state: { total } },
    });
  });

  it('gives what is otherwise between two points', async () => {
    const { get } = await history();
    expect((await get('at=1800-01-01&diff=2026-12-31')).body).toMatchObject({
      from: { version: 1 },
      to: { version: 3 },
      differences: [
        { path: '/placed', before: 1, after: 3 },
        { path: '/total', before: 1, after: 7 },
      ],
    });
    expect((await get('version=1&diff=1')).body['differences']).toEqual([]);
  });

  it.each([
    ['at=yesterday', 400, 'at'],
    ['at=2026-02-30', 400, 'at'],
    ['at=2026-01-01&version=1', 400, 'as of'],
    ['version=x', 400, 'version'],
    ['version=1&diff=x', 400, 'diff'],
    ['version=1&diff=v5', 400, 'diff'],
    ['diff=2026-01-01', 400, 'diff'],
    ['by=recorded', 400, 'by'],
    ['at=2026-01-01&by=guess', 400, 'by'],
    ['position=4', 400, 'position'],
  ])('refuses %s', async (query, status, path) => {
    const { get } = await history();
    expect(await get(query)).toMatchObject({ status, body: { code: 'invalid-input', path } });
  });

  it('gives the state also where nothing is decided, and such a decider publishes nothing', async () => {
    const counting = defineDecider({
      name: 'order',
      initial: () => 0,
      evolve: [[OrderPlaced, (count) => count + 1]],
      decide: [],
    });
    const { app, system } = await openApp({ shop: { deciders: [counting], consumers: [], projections: [] } });
    for (const total of [1, 2]) await system.publish(OrderPlaced, { orderId: '1', customer: 'ada', total });
    expect(await (await app.request('/streams/order-1?version=1')).json()).toMatchObject({ state: 1 });
    expect((await system.deciders.state(counting, 'order-1')).state).toBe(2);
    const catalog = (await (await app.request('/catalog')).json()) as { events: readonly unknown[] };
    expect(catalog.events[0]).toMatchObject({ type: 'shop.order.placed', publishedBy: [], consumedBy: ['order'] });
  });

  it('says so where there is no such stream, and no decider of it', async () => {
    const { app } = await opened();
    expect((await app.request('/streams/order-9?version=1')).status).toBe(404);
    const other = await app.request('/streams/other-9?version=1');
    expect(await other.json()).toMatchObject({ code: 'not-found', kind: 'decider of streams' });
  });

  it('gives the row of a view at a point', async () => {
    const { app, system } = await opened();
    for (const [total, time] of [
      [1, '1789-04-30T12:00:00Z'],
      [2, '2026-03-01T12:00:00Z'],
    ] as const)
      await system.publish(OrderPlaced, { orderId: `${total}`, customer: 'ada', total }, { time });
    await system.settled();
    const rowAt = async (query: string) => {
      const response = await app.request(`/views/sales/ada?${query}`);
      return response.status === 200
        ? ((await response.json()) as { row: { total: number } }).row.total
        : response.status;
    };
    expect(await rowAt('')).toBe(3);
    expect(await rowAt('at=1800-01-01')).toBe(1);
    expect(await rowAt('position=1')).toBe(1);
    expect(await rowAt('position=0')).toBe(404);
    expect(await rowAt('at=nope')).toBe(400);
    expect(await rowAt('at=2100-01-01&by=recorded')).toBe(3);
    // What is left of the events is not what was there then.
    await system.truncateStream('order-1', 2);
    expect([await rowAt('position=2'), await rowAt('')]).toEqual([409, 3]);
  });
});
