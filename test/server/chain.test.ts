import { describe, expect, it } from 'vitest';
import { openApp, order, post, problemOf } from './shop.ts';

const verify = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('the hash chain over HTTP', () => {
  it('says where it is, and that every event is what was recorded (G14)', async () => {
    const { app } = await openApp({ shop: { tamperEvidence: true } });
    for (let n = 0; n < 3; n += 1) expect((await post(app, order())).status).toBe(201);
    const head = (await (await app.request('/chain')).json()) as { position: number; hash: string };
    expect(head.position).toBeGreaterThanOrEqual(4);
    expect(head.hash).toMatch(/^[\da-f]{64}$/v);
    const verified = await app.request('/chain/verify', { method: 'POST' });
    expect(verified.status).toBe(200);
    expect(await verified.json()).toMatchObject({ ok: true, began: 0, removed: 0 });
  });

  it('says that there is none, and what is wrong with a signed head', async () => {
    const { app } = await openApp();
    for (const asked of [app.request('/chain'), app.request('/chain/verify', { method: 'POST' })])
      expect(await problemOf(asked)).toMatchObject({ status: 409, code: 'wrong-state' });
    const { app: other } = await openApp({ shop: { tamperEvidence: true } });
    const wrong = other.request('/chain/verify', verify({ signed: { head: { format: 7 }, publicKey: 'x' } }));
    expect(await problemOf(wrong)).toMatchObject({ status: 400, code: 'invalid-input', path: 'head.format' });
    const unknown = other.request('/chain/verify', verify({ sign: true }));
    expect(await problemOf(unknown)).toMatchObject({ status: 400, code: 'invalid-input' });
  });
});
