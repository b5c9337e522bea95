import { describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/memory.ts';
import { createApp } from '../../src/server/index.ts';
import { act, bodyOf, openApp, openShop, order, post, problemOf, read } from './shop.ts';

describe('looking at consumers over HTTP', () => {
  it('gives lag, state, figures and the last error of each', async () => {
    const { app, system } = await openApp();
    await post(app, [order(), order({ customer: 'nobody' })]);
    await system.settled();
    const { consumers } = await read<{ consumers: unknown[] }>(app, '/consumers');
    expect(consumers).toMatchObject([
      {
        name: 'billing',
        kind: 'consumer',
        state: 'running',
        live: true,
        lag: { events: 0, seconds: 0 },
        parked: 1,
        figures: { handled: 1, parked: 1, lastError: { error: { code: 'terminal', message: 'nobody pays' } } },
      },
      { name: 'sales', kind: 'projection', parked: 0 },
      { name: 'thereupon.quarantine', kind: 'system' },
    ]);
    expect(JSON.stringify(consumers)).not.toContain('"stack"');
    expect(await read(app, '/consumers/sales')).toMatchObject({ name: 'sales', figures: { handled: 2 } });
  });

  it('says which consumers there are when one does not exist', async () => {
    const { app } = await openApp();
    const problem = await problemOf(app.request('/consumers/nobody'));
    expect(problem).toMatchObject({ status: 404, kind: 'consumer', id: 'nobody' });
    expect(problem.detail).toContain('billing');
  });
});

describe('steering consumers over HTTP', () => {
  it('pauses with a reason and resumes without loss', async () => {
    const { app, system } = await openApp();
    expect(await bodyOf(act(app, '/consumers/sales/pause', { reason: 'stocktaking' }))).toMatchObject({
      state: 'paused',
      reason: 'stocktaking',
    });
    await post(app, order({ total: 7 }));
    await system.settled();
    expect(await read(app, '/consumers/sales')).toMatchObject({ state: 'paused', figures: { handled: 0 } });
    expect(await bodyOf(act(app, '/consumers/sales/resume'))).toMatchObject({ state: 'running' });
    await system.settled();
    expect(await read(app, '/views/sales/c1')).toMatchObject({ row: { total: 7 } });
  });

  it.each([
    ['the beginning', { from: 'beginning' }, 3],
    ['a position', { position: 2 }, 1],
    ['a time', { time: '2000-01-01T00:00:00Z' }, 3],
  ])('replays a consumer from %s', async (_place, body, again) => {
    const { app, system } = await openApp();
    await post(app, [order(), order(), order()]);
    await system.settled();
    expect((await act(app, '/consumers/billing/replay', body)).status).toBe(200);
    await system.settled();
    expect(await read(app, '/consumers/billing')).toMatchObject({ figures: { handled: 3 + again } });
    expect(await read(app, '/consumers/sales')).toMatchObject({ figures: { handled: 3 } });
  });

  it.each([
    [undefined, { status: 400, path: 'body' }],
    [{}, { status: 400, path: 'body' }],
    [{ from: 'end' }, { status: 400 }],
    [{ position: -1 }, { status: 400 }],
    [{ position: 1, time: '2000-01-01T00:00:00Z' }, { status: 400 }],
    [{ position: 99 }, { status: 400, path: 'body.position' }],
    [{ time: 'yesterday' }, { status: 400 }],
  ])('refuses a replay from %j', async (body, problem) => {
    const { app } = await openApp();
    expect(await problemOf(act(app, '/consumers/billing/replay', body))).toMatchObject({
      code: 'invalid-input',
      ...problem,
    });
  });

  it('refuses to replay what keeps state from the middle', async () => {
    const { app } = await openApp();
    await post(app, [order(), order()]);
    expect(await problemOf(act(app, '/consumers/sales/replay', { position: 1 }))).toMatchObject({
      status: 409,
      code: 'wrong-state',
    });
  });

  it('forgets a consumer that no definition runs any more, and no other', async () => {
    const store = memory();
    await (await openShop({ store })).close();
    const system = await openShop({ store, consumers: [] });
    const app = createApp(system);
    expect(await read(app, '/consumers/billing')).toMatchObject({ state: 'stopped' });
    expect((await app.request('/consumers/billing', { method: 'DELETE' })).status).toBe(204);
    expect((await app.request('/consumers/billing')).status).toBe(404);
    expect(await problemOf(app.request('/consumers/sales', { method: 'DELETE' }))).toMatchObject({
      status: 409,
      code: 'wrong-state',
    });
  });
});
