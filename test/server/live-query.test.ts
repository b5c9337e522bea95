import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent, defineProjection } from '../../src/index.ts';
import { OrderPlaced, ledger, serveShop } from './shop.ts';
import type { Shop } from './shop.ts';
import { LiveClient } from './socket.ts';

interface Row {
  readonly key: string;
  readonly row: { readonly customer: string; readonly orders: number; readonly total: number };
}
type Message =
  | { readonly items: readonly Row[] }
  | { readonly changed: readonly Row[]; readonly removed: readonly string[]; readonly keys: readonly string[] };

const place = (system: Shop, customer: string, total: number) =>
  system.publish(OrderPlaced, { orderId: `${customer}-${total}`, customer, total });

function messages(client: LiveClient): readonly Message[] {
  return client.seen.map(({ event }) => event as unknown as Message);
}

/** What a client knows that applies each message to what it had. */
function shown(client: LiveClient): Readonly<Record<string, number>> {
  const totals = new Map<string, number>();
  let order: readonly string[] = [];
  for (const message of messages(client)) {
    if ('items' in message) {
      for (const { key, row } of message.items) totals.set(key, row.total);
      order = message.items.map(({ key }) => key);
    } else {
      for (const key of message.removed) totals.delete(key);
      for (const { key, row } of message.changed) totals.set(key, row.total);
      order = message.keys;
    }
  }
  return Object.fromEntries(order.map((key) => [key, totals.get(key) ?? Number.NaN]));
}

describe('a live row', () => {
  it('is none at first, then what it becomes, and is told of no other row', async () => {
    const { system, url } = await serveShop();
    const client = await LiveClient.open(`${url}/views/sales/ada`);
    await client.until(() => client.seen.length === 1);
    expect(messages(client)).toEqual([{ items: [] }]);
    await place(system, 'bob', 5);
    await place(system, 'ada', 60);
    await client.until(() => client.seen.length === 2);
    await place(system, 'ada', 1);
    await client.until(() => client.seen.length === 3);
    expect(messages(client).slice(1)).toMatchObject([
      { changed: [{ key: 'ada', row: { total: 60 } }], removed: [], keys: ['ada'] },
      { changed: [{ key: 'ada', row: { total: 61 } }], removed: [], keys: ['ada'] },
    ]);
    const past = await fetch(`${url}/views/sales/ada?at=2026-01-01`, { headers: { accept: 'text/event-stream' } });
    expect(await past.json()).toMatchObject({ code: 'invalid-input', path: 'at' });
  });
});

const Registered = defineEvent({
  type: 'shop.customer.registered',
  schema: z.object({ customer: z.string(), email: z.string() }),
  stream: ({ customer }) => `customer-${customer}`,
  personal: { subject: ({ customer }) => customer, fields: ['email'] },
});
const customers = defineProjection({
  name: 'customers',
  key: ({ data }) => data.customer,
  initial: () => ({ email: '' }),
  on: [[Registered, (_row, { data }) => ({ email: data.email })]],
  personal: { subject: (_row, key) => key, fields: ['email'] },
});

describe('a live query', () => {
  it('gives the result, and then its changes: new rows, other rows, rows that go', async () => {
    const { system, url } = await serveShop();
    await place(system, 'ada', 60);
    await system.settled();
    const client = await LiveClient.open(`${url}/views/sales?total.gte=50&order_by=total&direction=desc`);
    await client.until(() => client.seen.length === 1);
    expect(shown(client)).toEqual({ ada: 60 });
    await place(system, 'bob', 10);
    await place(system, 'bob', 90);
    await client.until(() => Object.keys(shown(client)).length === 2);
    expect(Object.entries(shown(client))).toEqual([
      ['bob', 100],
      ['ada', 60],
    ]);
    await place(system, 'ada', -20);
    await client.until(() => Object.keys(shown(client)).length === 1);
    expect(shown(client)).toEqual({ bob: 100 });
    // What is no row of the result tells nobody anything.
    const before = client.seen.length;
    await place(system, 'eve', 1);
    await place(system, 'bob', 1);
    await client.until(() => client.seen.length > before);
    expect(messages(client).at(-1)).toMatchObject({ changed: [{ key: 'bob' }], removed: [], keys: ['bob'] });
  });

  it('tells of an inline view what each event made of it', async () => {
    const { system, url } = await serveShop({ shop: { projections: [ledger] } });
    await place(system, 'ada', 60);
    const client = await LiveClient.open(`${url}/views/ledger`);
    await client.until(() => client.seen.length === 1);
    expect(shown(client)).toEqual({ ada: 60 });
    await place(system, 'bob', 10);
    await place(system, 'ada', 1);
    await client.until(() => shown(client)['ada'] === 61);
    expect(shown(client)).toEqual({ ada: 61, bob: 10 });
  });

  it('tells of what changed between the result and the first event, and in the end shows what the view gives', async () => {
    const { system, url } = await serveShop();
    const clients = await Promise.all(
      Array.from({ length: 5 }, async (_, index) => {
        const publishing = Promise.all(
          Array.from({ length: 40 }, (_each, n) => place(system, `c${(index + n) % 7}`, index * 100 + n)),
        );
        const client = await LiveClient.open(`${url}/views/sales`);
        await publishing;
        return client;
      }),
    );
    await place(system, 'last', 1);
    await system.settled();
    const { items } = await system.views.query('sales');
    const expected = Object.fromEntries(
      (items as readonly { key: string; row: Row['row'] }[]).map(({ key, row }) => [key, row.total]),
    );
    for (const client of clients) {
      await client.until(() => 'last' in shown(client));
      expect(shown(client)).toEqual(expected);
    }
  });

  it.each(['async', 'inline'] as const)(
    'shows what is handled at a later attempt, and what an operator takes up again; who asks for a place waits for that: %s',
    async (mode) => {
      let failures = 0;
      const shaky = defineProjection({
        name: 'shaky',
        mode,
        key: ({ data }) => data.customer,
        initial: () => ({ total: 0 }),
        on: [
          [
            OrderPlaced,
            (row, { data }) => {
              if (data.customer === 'ada' && failures > 0) {
                failures -= 1;
                throw new Error('not now');
              }
              return { total: row.total + data.total };
            },
          ],
        ],
        retry: { attempts: 3, minDelay: '100ms' },
      });
      const { system, url } = await serveShop({ shop: { projections: [shaky], consumers: [] } });
      await place(system, 'ada', 1);
      const client = await LiveClient.open(`${url}/views/shaky`);
      await client.until(() => client.seen.length === 1);
      failures = 1;
      const { position } = await place(system, 'ada', 10);
      const answer = await fetch(`${url}/views/shaky/ada?after-position=${position}`);
      expect(await answer.json()).toMatchObject({ row: { total: 11 } });
      await client.until(() => shown(client)['ada'] === 11);
      failures = Number.POSITIVE_INFINITY;
      await place(system, 'ada', 100);
      await place(system, 'bob', 5);
      await client.until(() => shown(client)['bob'] === 5);
      await expect.poll(async () => (await system.deadLetters.list()).items.length, { timeout: 5_000 }).toBe(1);
      // Nothing is attempted again by now: what comes next is heard of, and not found by looking.
      await place(system, 'bob', 1);
      await client.until(() => shown(client)['bob'] === 6);
      const { items } = await system.deadLetters.list();
      failures = 0;
      for (const { id } of items) await system.deadLetters.retry(id);
      await client.until(() => shown(client)['ada'] === 111);
    },
  );

  it('whose condition is a number is told of the first rows of a view that was empty', async () => {
    const { system, url } = await serveShop();
    const client = await LiveClient.open(`${url}/views/sales?total.gte=50`);
    await client.until(() => client.seen.length === 1);
    await place(system, 'ada', 60);
    await client.until(() => shown(client)['ada'] === 60);
  });

  it('is told when somebody is forgotten: it shows what can no longer be read no longer', async () => {
    const { system, url } = await serveShop({
      shop: { events: [Registered], projections: [customers], consumers: [] },
    });
    for (const customer of ['ada', 'bob']) await system.publish(Registered, { customer, email: `${customer}@x.org` });
    await system.settled();
    const all = await LiveClient.open(`${url}/views/customers`);
    const one = await LiveClient.open(`${url}/views/customers/ada`);
    for (const client of [all, one]) await client.until(() => client.seen.length === 1);
    await system.forget('ada');
    for (const client of [all, one]) {
      await client.until(() => client.seen.length === 2);
      expect(client.seen.at(-1)?.event).toMatchObject({ changed: [{ key: 'ada', row: { email: '[erased]' } }] });
    }
  });

  it('waits for a view that is paused, and goes on with it', async () => {
    const { system, url } = await serveShop();
    const client = await LiveClient.open(`${url}/views/sales`);
    await client.until(() => client.seen.length === 1);
    await system.consumers.pause('sales');
    await place(system, 'ada', 5);
    await system.consumers.resume('sales');
    await client.until(() => 'ada' in shown(client));
  });

  it('is read once for all who watch it, however it is written, and each is told everything (G10)', async () => {
    const { system, url } = await serveShop();
    const queries = ['total.gte=1&order_by=total', 'order_by=total&total.gte=1'];
    const clients: LiveClient[] = [];
    for (let n = 0; n < 40; n += 1) clients.push(await LiveClient.open(`${url}/views/sales?${queries[n % 2]}`));
    for (const client of clients) await client.until(() => client.seen.length === 1);
    let readings = 0;
    const query = system.views.query.bind(system.views);
    system.views.query = ((...given: Parameters<typeof query>) => {
      readings += 1;
      return query(...given);
    }) as typeof query;
    for (let n = 1; n <= 10; n += 1) {
      await place(system, 'ada', n);
      for (const client of clients) await client.until(() => client.seen.length === n + 1);
    }
    for (const client of clients) expect(shown(client)).toEqual({ ada: 55 });
    // Each reads the rows, and what the index holds for the condition.
    expect(readings).toBeLessThanOrEqual(3 * 10);
    const [first, ...others] = clients;
    for (const client of others) client.leave();
    await place(system, 'bob', 1);
    await first?.until(() => 'bob' in shown(first));
  });

  it('tells a client that was slow what the rows are in the end, also when a message is large', async () => {
    const { system, url } = await serveShop({
      shop: { events: [Registered], projections: [customers], consumers: [] },
    });
    const register = (customer: string, email: string) => system.publish(Registered, { customer, email });
    for (let n = 0; n < 20; n += 1) await register(`c${n}`, '');
    await system.settled();
    const response = await fetch(`${url}/views/customers`, { headers: { accept: 'text/event-stream' } });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let received = '';
    const more = async () => {
      const { value } = await reader.read();
      received += decoder.decode(value, { stream: true });
    };
    while (!received.includes('event: result')) await more();
    // As long as nobody reads, more comes than connections take.
    const round = async (n: number) => {
      await Promise.all(Array.from({ length: 20 }, (_, c) => register(`c${c}`, `${n}-${'ü€'.repeat(20_000)}`)));
      await system.settled();
    };
    for (let n = 0; n < 12; n += 1) await round(n);
    const rows = new Map<string, string>();
    let told = 0;
    const isUpToDate = () => rows.size === 20 && [...rows.values()].every((email) => email.startsWith('11-'));
    while (!isUpToDate()) {
      await more();
      const frames = received.split('\n\n');
      received = frames.pop() ?? '';
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        if (data === undefined) continue;
        told += 1;
        const { items, changed = items } = JSON.parse(data) as Record<
          string,
          { key: string; row: { email: string } }[]
        >;
        for (const { key, row } of changed ?? []) rows.set(key, row.email);
      }
    }
    expect(new Set(rows.values())).toEqual(new Set([`11-${'ü€'.repeat(20_000)}`]));
    expect(told).toBeLessThan(2 + 12 * 20);
    await reader.cancel();
  }, 60_000);

  it('refuses what the query itself would be refused for, and ends with the server', async () => {
    const { url, server } = await serveShop();
    expect((await fetch(`${url}/views/sales?nothing.gte=1`, { headers: { accept: 'text/event-stream' } })).status).toBe(
      400,
    );
    expect((await fetch(`${url}/views/nothing`, { headers: { accept: 'text/event-stream' } })).status).toBe(404);
    const client = await LiveClient.open(`${url}/views/sales`);
    await client.until(() => client.seen.length === 1);
    await server.close();
    await client.until(() => client.ended);
  });
});
