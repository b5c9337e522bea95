import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defineProjection, defineTableProjection, sql } from '../../src/index.ts';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { OrderPlaced, billing, ledger, openApp, order, post, problemOf, read, sales } from './shop.ts';
import type { AppOptions } from '../../src/server/index.ts';

interface Page {
  readonly items: readonly { readonly key: string; readonly row: unknown }[];
  readonly next?: string;
}

async function shopWithSales(options: AppOptions = {}) {
  const { app, system } = await openApp(options);
  await post(app, [
    order({ customer: '17850', total: 120 }),
    order({ customer: 'true', total: 30 }),
    order({ customer: 'c/1', total: 75 }),
    order({ customer: 'null', total: 30 }),
  ]);
  await system.settled();
  return { app, system };
}

const keys = ({ items }: Page) => items.map(({ key }) => key);

describe('views over HTTP', () => {
  it('are listed with their events and indexes, when their rows change, and the tables that are in place of rows', async () => {
    const inFile = mkdtempSync(join(tmpdir(), 'thereupon-'));
    const lines = defineTableProjection({
      name: 'lines',
      version: 2,
      tables: { lines: { columns: 'customer TEXT, total BIGINT' } },
      on: [[OrderPlaced, ({ data }, t) => sql`INSERT INTO ${t.lines} VALUES (${data.customer}, ${data.total})`]],
    });
    const { app, system } = await openApp({
      shop: { store: sqlite(join(inFile, 'store.db')), projections: [sales, lines] },
    });
    try {
      expect(await read(app, '/views')).toEqual({
        views: [
          {
            name: 'sales',
            summary: 'What each customer bought',
            mode: 'async',
            version: 1,
            events: ['shop.order.placed'],
            indexes: ['customer', 'total', 'big'],
            tables: [],
          },
          {
            name: 'lines',
            mode: 'async',
            version: 2,
            events: ['shop.order.placed'],
            indexes: [],
            tables: ['view_lines'],
          },
        ],
      });
      for (const path of ['/views/lines', '/views/lines/key'])
        expect(await problemOf(app.request(path))).toMatchObject({
          status: 409,
          code: 'wrong-state',
          detail: expect.stringContaining('view_lines') as string,
        });
    } finally {
      await system.close();
      rmSync(inFile, { recursive: true });
    }
  });

  it('give a row by its key', async () => {
    const { app } = await shopWithSales();
    expect(await read(app, '/views/sales/c%2F1')).toEqual({
      key: 'c/1',
      row: { customer: 'c/1', orders: 1, total: 75 },
    });
    expect(await problemOf(app.request('/views/sales/none'))).toMatchObject({ status: 404, id: 'none' });
    expect(await problemOf(app.request('/views/none/none'))).toMatchObject({ status: 404, kind: 'view' });
  });

  it.each([
    ['', ['17850', 'c/1', 'null', 'true']],
    ['customer=17850', ['17850']],
    ['customer.eq=true', ['true']],
    ['customer=null', ['null']],
    ['customer.prefix=17', ['17850']],
    ['customer=none', []],
    ['total=30', ['null', 'true']],
    ['total.gte=75', ['17850', 'c/1']],
    ['total.gt=75', ['17850']],
    ['total.lt=75&customer=true', ['true']],
    ['total.gte=30&total.lte=75', ['c/1', 'null', 'true']],
    ['big=true', ['17850']],
    ['big=false', ['c/1', 'null', 'true']],
    ['order_by=total', ['null', 'true', 'c/1', '17850']],
    ['order_by=total&direction=desc', ['17850', 'c/1', 'null', 'true']],
  ])('are filtered and sorted by ?%s', async (query, expected) => {
    const { app } = await shopWithSales();
    expect(keys(await read<Page>(app, `/views/sales?${query}`))).toEqual(expected);
  });

  it.each([
    ['total.gt=much', { path: 'total.gt', expected: 'a number, as index total holds', found: '"much"' }],
    ['total=true', { path: 'total', expected: 'a number, as index total holds' }],
    ['big=maybe', { path: 'big', expected: 'true or false, as index big holds' }],
    ['big.gte=1', { path: 'big.gte', expected: 'true or false, as index big holds' }],
    [
      'total.prefix=3',
      { path: 'total.prefix', expected: 'another condition: index total holds no text, but a number' },
    ],
  ])('are not looked for by what an index never holds: ?%s', async (query, problem) => {
    const { app } = await shopWithSales();
    expect(await problemOf(app.request(`/views/sales?${query}`))).toMatchObject({
      status: 400,
      code: 'invalid-input',
      ...problem,
    });
  });

  it('are paged', async () => {
    const { app } = await shopWithSales();
    const first = await read<Page>(app, '/views/sales?order_by=total&limit=3');
    expect(keys(first)).toEqual(['null', 'true', 'c/1']);
    const second = await read<Page>(app, `/views/sales?order_by=total&limit=3&after=${first.next}`);
    expect(keys(second)).toEqual(['17850']);
    expect(second.next).toBeUndefined();
  });

  it.each([
    ['colour=red', { path: 'query', found: '"colour"' }],
    ['total.about=5', { path: 'query', found: '"total.about"' }],
    ['order_by=orders', { path: 'order_by' }],
    ['direction=desc', { path: 'direction' }],
    ['limit=0', { path: 'limit' }],
    ['after=nonsense', { path: 'after' }],
    ['after-position=9', { path: 'after-position' }],
  ])('refuse ?%s', async (query, problem) => {
    const { app } = await openApp();
    expect(await problemOf(app.request(`/views/sales?${query}`))).toMatchObject({
      status: 400,
      code: 'invalid-input',
      ...problem,
    });
  });
});

describe('an inline view', () => {
  it.each(['inline', 'async'] as const)('whose function gives a promise is told so, by its name: %s', async (mode) => {
    const late = defineProjection({
      name: 'late',
      mode,
      key: (event) => event.data.customer,
      initial: () => ({ total: 0 }),
      on: [[OrderPlaced, (async () => ({ total: 1 })) as never]],
      retry: { attempts: 1 },
    });
    const { app, system } = await openApp({ shop: { projections: [late] } });
    await post(app, order());
    await system.settled();
    const { items } = await system.deadLetters.list({ consumer: 'late' });
    expect(items[0]?.error?.message).toMatch(
      /^projection "late": its function for shop\.order\.placed gave a promise; a row follows from its events at once/,
    );
  });

  it('is asked right after an event is acknowledged, and its status says that it is in force', async () => {
    const { app } = await openApp({ shop: { projections: [ledger] } });
    for (let orders = 1; orders <= 20; orders += 1) {
      const { position } = (await (await post(app, order({ total: 1 }))).json()) as { position: number };
      expect(await read(app, '/views/ledger/c1')).toMatchObject({ row: { orders } });
      expect(await read(app, `/views/ledger/c1?after-position=${position}`)).toMatchObject({ row: { orders } });
    }
    expect(await read(app, '/consumers/ledger')).toMatchObject({ inline: 'in-force', state: 'running', position: 20 });
    await app.request('/consumers/ledger/pause', { method: 'POST' });
    expect(await read(app, '/consumers/ledger')).toMatchObject({ inline: 'catching-up', state: 'paused' });
  });
});

describe('after-position', () => {
  it('waits for one’s own write, also when only other events came after it', async () => {
    const { app } = await openApp({ shop: { unknownTypes: 'accept' } });
    for (let total = 1; total <= 50; total += 1) {
      await post(app, order({ total: 1 }));
      const { position } = (await (await post(app, { ...order(), type: 'note.taken' })).json()) as { position: number };
      expect(await read(app, `/views/sales/c1?after-position=${position}`)).toMatchObject({ row: { orders: total } });
    }
  });

  it('gives up after its time and says where the view stands', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = defineProjection({
      name: 'slow',
      key: () => 'all',
      initial: () => 0,
      on: [[OrderPlaced, (row) => row + 1]],
    });
    // A projection is as slow as what it is computed from: here the consumer's own handling stands for that.
    const { app, system } = await openApp({
      maxWaitMs: 30,
      shop: {
        projections: [sales, { ...slow, reaction: { ...slow.reaction, handle: () => held } }],
        consumers: [billing],
      },
    });
    await post(app, order());
    const response = await app.request('/views/slow?after-position=1');
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toMatchObject({
      status: 504,
      code: 'view-behind',
      view: 'slow',
      wanted: 1,
      position: 0,
      state: 'running',
    });
    release();
    await system.settled();
    expect((await app.request('/views/slow?after-position=1')).status).toBe(200);
  });

  it('does not wait for a view that is paused', async () => {
    const { app, system } = await openApp({ maxWaitMs: 60_000 });
    await system.consumers.pause('sales');
    await post(app, order());
    expect(await problemOf(app.request('/views/sales/c1?after-position=1'))).toMatchObject({
      code: 'view-behind',
      state: 'paused',
    });
  });
});
