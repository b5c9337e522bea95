import { describe, expect, it } from 'vitest';
import { act, bodyOf, openApp, order, post, problemOf, read } from './shop.ts';

/** Two orders of nobody, each with one of the same stream behind it. */
async function shopWithDeadLetters() {
  const { app, system } = await openApp();
  await post(
    app,
    ['x', 'y'].flatMap((orderId) => [order({ orderId, customer: 'nobody' }), order({ orderId })]),
  );
  await system.settled();
  return { app, system };
}

const left = async (app: Parameters<typeof read>[0]) =>
  (await read<{ items: unknown[] }>(app, '/dead-letters')).items.length;

describe('dead letters over HTTP (G7)', () => {
  it('are listed with their event, error and what waits behind them', async () => {
    const { app } = await shopWithDeadLetters();
    const page = await read<{ items: { id: string }[]; next?: string }>(app, '/dead-letters?limit=1');
    expect(page.items).toMatchObject([
      {
        id: 'billing~1',
        consumer: 'billing',
        key: 'order-x',
        position: 1,
        attempts: 1,
        error: { name: 'TerminalError', code: 'terminal' },
        waitingBehind: 1,
        edited: false,
        event: { type: 'shop.order.placed', data: { customer: 'nobody' } },
      },
    ]);
    expect(await read(app, `/dead-letters?limit=1&after=${page.next}`)).toMatchObject({ items: [{ id: 'billing~3' }] });
    expect(await read(app, '/dead-letters/billing~3')).toMatchObject({ id: 'billing~3', key: 'order-y' });
    expect(JSON.stringify(page)).not.toContain('"stack"');
  });

  it.each([
    ['consumer=billing', 2],
    ['consumer=sales', 0],
    ['key=order-x', 1],
    ['type=shop.order.placed', 2],
    ['type=other', 0],
    ['error=terminal', 2],
    ['error=other', 0],
  ])('are found by %s', async (query, count) => {
    const { app } = await shopWithDeadLetters();
    expect((await read<{ items: unknown[] }>(app, `/dead-letters?${query}`)).items).toHaveLength(count);
  });

  it('are retried with other data; what waited behind goes on', async () => {
    const { app, system } = await shopWithDeadLetters();
    const response = await act(app, '/dead-letters/billing~1/retry', {
      data: { orderId: 'x', customer: 'somebody', total: 1 },
    });
    expect(response.status).toBe(202);
    expect(await bodyOf(response)).toEqual({ released: 1 });
    await expect.poll(() => left(app)).toBe(1);
    await system.settled();
    expect(await read(app, '/consumers/billing')).toMatchObject({ parked: 1, waiting: 1, figures: { handled: 2 } });
  });

  it('are retried as they are', async () => {
    const { app } = await shopWithDeadLetters();
    expect((await act(app, '/dead-letters/billing~1/retry')).status).toBe(202);
    await expect.poll(() => read(app, '/consumers/billing')).toMatchObject({ parked: 2, figures: { failed: 3 } });
  });

  it('are discarded with a reason', async () => {
    const { app, system } = await shopWithDeadLetters();
    expect(await bodyOf(act(app, '/dead-letters/billing~3/discard', { reason: 'a joke' }))).toEqual({ discarded: 1 });
    await expect.poll(() => left(app)).toBe(1);
    const { events } = await system.events.read({ types: ['thereupon.delivery.discarded'] });
    expect(events).toMatchObject([{ data: { position: 3, reason: 'a joke' } }]);
  });

  it('are retried and discarded by a query', async () => {
    const { app } = await shopWithDeadLetters();
    expect(await bodyOf(act(app, '/dead-letters/discard', { key: 'order-x' }))).toEqual({ discarded: 1 });
    expect(await bodyOf(act(app, '/dead-letters/retry', { consumer: 'billing' }))).toEqual({ released: 1 });
    await expect.poll(() => left(app)).toBe(1);
    expect(await bodyOf(act(app, '/dead-letters/discard', { all: true }))).toEqual({ discarded: 1 });
    expect(await left(app)).toBe(0);
  });

  it.each(['retry', 'discard'])('are not all %sed unless that is said', async (verb) => {
    const { app } = await shopWithDeadLetters();
    for (const body of [undefined, {}, { all: false }, { consumer: '' }, { colour: 'red', all: true }]) {
      expect(await problemOf(act(app, `/dead-letters/${verb}`, body))).toMatchObject({
        status: 400,
        code: 'invalid-input',
      });
    }
    expect(await left(app)).toBe(2);
  });

  it.each([
    ['/dead-letters/billing~2/retry', 409, 'wrong-state'],
    ['/dead-letters/billing~9/retry', 404, 'not-found'],
    ['/dead-letters/nonsense/discard', 400, 'invalid-input'],
  ])('POST %s is answered with %i', async (path, status, code) => {
    const { app } = await shopWithDeadLetters();
    expect(await problemOf(act(app, path))).toMatchObject({ status, code });
  });
});
