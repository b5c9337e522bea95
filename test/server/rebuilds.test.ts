import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { defineProjection } from '../../src/index.ts';
import { OrderPlaced, act, bodyOf, openApp, order, post, problemOf, read, serveShop } from './shop.ts';
import { LiveClient } from './socket.ts';

/** A view whose rows come out otherwise when the rate changes: what a mended definition would make of the same events. */
function salesAtRate() {
  const rate = { is: 1, fails: false };
  const sales = defineProjection({
    name: 'sales',
    key: (event) => event.data.customer,
    initial: () => ({ total: 0 }),
    on: [
      [
        OrderPlaced,
        (row, { data }) => {
          if (rate.fails && data.customer === 'bad') throw new TypeError('no such customer');
          return { total: row.total + rate.is * data.total };
        },
      ],
    ],
    retry: { attempts: 1 },
  });
  return { rate, shop: { projections: [sales] } };
}

async function openWithOrders() {
  const { rate, shop } = salesAtRate();
  const { app, system } = await openApp({ shop });
  await post(app, [order({ customer: 'ann', total: 10 }), order({ customer: 'bad', total: 5 })]);
  await system.settled();
  return { rate, app, system };
}

describe('rebuilding a view over HTTP', () => {
  it('begins at once, and tells how it stands until the rows are switched', async () => {
    const { rate, app, system } = await openWithOrders();
    expect(await problemOf(app.request('/rebuilds/sales'))).toMatchObject({ status: 404, kind: 'rebuild of view' });
    rate.is = 2;
    const begun = await act(app, '/rebuilds/sales');
    expect(begun.status).toBe(202);
    expect(await bodyOf(begun)).toMatchObject({ view: 'sales', version: 1, dryRun: false, from: 0 });
    await system.settled();
    const { id, total } = await read<{ id: string; total: number }>(app, '/rebuilds/sales');
    expect(await read(app, '/rebuilds/sales')).toEqual({
      id,
      view: 'sales',
      version: 1,
      state: 'switched',
      dryRun: false,
      from: 0,
      events: total,
      total,
      percent: 100,
      parked: 0,
      switched: true,
    });
    expect(await read(app, '/views/sales/ann')).toEqual({ key: 'ann', row: { total: 20 } });
  });

  it('a dry run answers what would be otherwise, and leaves the rows', async () => {
    const { rate, app, system } = await openWithOrders();
    rate.is = 2;
    expect((await act(app, '/rebuilds/sales', { dryRun: true, from: { position: 1 } })).status).toBe(202);
    await system.settled();
    expect(await read(app, '/rebuilds/sales')).toMatchObject({
      state: 'compared',
      from: 1,
      switched: false,
      comparison: {
        rows: { serving: 2, built: 1 },
        differences: {
          added: 0,
          removed: 1,
          changed: 1,
          sample: [
            { key: 'ann', change: 'removed' },
            { key: 'bad', change: 'changed' },
          ],
        },
      },
    });
    expect(await read(app, '/views/sales/ann')).toEqual({ key: 'ann', row: { total: 10 } });
  });

  it('a build that failed names the event, is shown with its consumer, goes on when it is asked for again, and can be cancelled', async () => {
    const { rate, app, system } = await openWithOrders();
    rate.fails = true;
    await act(app, '/rebuilds/sales', { onFailure: 'fail' });
    await system.settled();
    const failed = {
      state: 'failed',
      parked: 1,
      failure: { type: 'shop.order.placed', source: '/till', key: 'bad', error: 'TypeError: no such customer' },
    };
    expect(await read(app, '/rebuilds/sales')).toMatchObject(failed);
    expect(await read(app, '/consumers/sales')).toMatchObject({ state: 'running', parked: 0, build: failed });
    const figures = async () => (await app.request('/metrics')).text();
    expect(await figures()).toMatch(/thereupon_consumer_build_failed\{consumer="sales"\} 1/);
    rate.fails = false;
    // What was begun is not taken for something else.
    for (const other of [{ dryRun: true }, { from: { position: 1 } }])
      expect(await problemOf(act(app, '/rebuilds/sales', other))).toMatchObject({
        status: 409,
        detail: expect.stringContaining(
          'is being built already, from the beginning, which is not what is asked',
        ) as string,
      });
    expect((await act(app, '/rebuilds/sales')).status).toBe(202);
    await expect.poll(async () => (await read(app, '/rebuilds/sales'))['state']).toBe('switched');
    expect(await figures()).toMatch(/thereupon_consumer_build_failed\{consumer="sales"\} 0/);
    rate.fails = true;
    await act(app, '/rebuilds/sales', { onFailure: 'fail' });
    await system.settled();
    const cancelled = await app.request('/rebuilds/sales', { method: 'DELETE' });
    expect(await bodyOf(cancelled)).toMatchObject({ state: 'cancelled', switched: false });
    expect(await problemOf(app.request('/rebuilds/sales', { method: 'DELETE' }))).toMatchObject({
      status: 409,
      code: 'wrong-state',
    });
    expect(await read(app, '/views/sales/bad')).toEqual({ key: 'bad', row: { total: 5 } });
  });

  it.each([
    [{ to: { position: 1 } }, 'expected dryRun with it'],
    [{ from: { position: 99 } }, 'expected a position up to the head'],
    [{ from: 'end' }, 'body'],
    [{ onFailure: 'skip' }, 'body'],
    [{ force: true }, 'body: expected no members but those of: nothing, or {"from"'],
    [{ force: true }, 'found "force"'],
    [{ from: { time: 'soon' } }, 'body.from.time: expected a valid ISO datetime (the body is nothing, or {"from"'],
    [{ dryRun: 'yes' }, 'body.dryRun: expected boolean'],
  ])('refuses %j with what was expected', async (body, said) => {
    const { app } = await openWithOrders();
    const problem = await problemOf(act(app, '/rebuilds/sales', body));
    expect(problem).toMatchObject({ status: 400 });
    expect(problem.detail).toContain(said);
    expect(await problemOf(act(app, '/rebuilds/none'))).toMatchObject({ status: 404, kind: 'view' });
  });

  it('a row whose key is `rebuild` is read as every other', async () => {
    const { app, system } = await openWithOrders();
    await post(app, order({ customer: 'rebuild', total: 3 }));
    await system.settled();
    expect(await read(app, '/views/sales/rebuild')).toEqual({ key: 'rebuild', row: { total: 3 } });
  });

  it('while a new version is built, or its build has failed, the rows that serve are told at once, and have the indexes that they have', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const store = sqlite(join(folder, 'store.db'));
    const fails = { is: true };
    const totalOf = (row: { readonly total: number }) => row.total;
    const salesOf = (version: number) =>
      defineProjection({
        name: 'sales',
        version,
        key: (event) => event.data.customer,
        initial: () => ({ total: 0 }),
        on: [
          [
            OrderPlaced,
            (row: { readonly total: number }, { data }) => {
              if (version === 2 && fails.is) throw new TypeError('not yet');
              return { total: row.total + version * data.total };
            },
          ],
        ],
        indexes:
          version === 2
            ? { total: totalOf, half: (row: { readonly total: number }) => row.total / 2 }
            : { total: totalOf },
        retry: { attempts: 1 },
        onBuildFailure: 'fail',
      });
    const first = await openApp({ shop: { store, projections: [salesOf(1)] } });
    await post(first.app, order({ customer: 'ann', total: 10 }));
    await first.system.settled();
    await first.system.close();
    const { system, url } = await serveShop({ shop: { store, projections: [salesOf(2)] } });
    const client = await LiveClient.open(`${url}/views/sales?total.gte=1`);
    await client.until(() => client.seen.length === 1);
    expect(client.seen[0]?.event).toEqual({ items: [{ key: 'ann', row: { total: 10 } }] });
    for (const query of ['half.gte=1', 'order_by=half']) {
      const refused = await fetch(`${url}/views/sales?${query}`);
      expect([refused.status, await refused.json()]).toEqual([
        409,
        expect.objectContaining({
          code: 'wrong-state',
          detail: 'index half of view sales comes with version 2, which is being built; until it serves there is total',
        }),
      ]);
    }
    fails.is = false;
    const resumed = await system.views.rebuild('sales');
    expect((await resumed.ended()).state).toBe('switched');
    await client.until(() => client.seen.length === 2);
    expect(client.seen[1]?.event).toEqual({
      changed: [{ key: 'ann', row: { total: 20 } }],
      removed: [],
      keys: ['ann'],
    });
    expect((await fetch(`${url}/views/sales?half.gte=1`)).status).toBe(200);
  });

  it('whoever asks a live query is told of the rows that are otherwise after the switch, and of none before', async () => {
    const { rate, shop } = salesAtRate();
    const { system, url } = await serveShop({ shop });
    const place = (customer: string, total: number) =>
      system.publish(OrderPlaced, { orderId: `${customer}-${total}`, customer, total });
    await place('ann', 10);
    await place('bob', 0);
    await system.settled();
    const client = await LiveClient.open(`${url}/views/sales`);
    await client.until(() => client.seen.length === 1);
    rate.is = 3;
    await (await system.views.rebuild('sales')).ended();
    await client.until(() => client.seen.length === 2);
    expect(client.seen[1]?.event).toMatchObject({
      changed: [{ key: 'ann', row: { total: 30 } }],
      removed: [],
      keys: ['ann', 'bob'],
    });
  });
});
