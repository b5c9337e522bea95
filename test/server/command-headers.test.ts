import { expect, describe, it } from 'vitest';
import { z } from 'zod';
import { defineCommand, defineDecider, fact } from '../../src/index.ts';
import { openApp, OrderPlaced } from './shop.ts';

const PlaceOrder = defineCommand({
  name: 'shop.place-order',
  stream: (data) => `order-${data.orderId}`,
  schema: z.object({ orderId: z.string(), customer: z.string(), total: z.number(), id: z.string().optional() }),
});
const order = defineDecider({
  name: 'order',
  initial: () => 0,
  evolve: [[OrderPlaced, (placed) => placed + 1]],
  decide: [[PlaceOrder, (_placed, { data: { id: _id, ...data } }) => fact(OrderPlaced, data)]],
});

async function opened() {
  const { app, system } = await openApp({ shop: { deciders: [order] } });
  const post = async (
    headers: Readonly<Record<string, string>>,
    { path = '/commands/shop.place-order', ...more }: { readonly path?: string; readonly id?: string } = {},
  ) => {
    const response = await app.request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ orderId: '1', customer: 'ada', total: 5, ...more }),
    });
    const body = (await response.json()) as { id?: string; duplicate?: boolean; path?: string; detail?: string };
    return { status: response.status, body };
  };
  return { app, system, post };
}

describe('the id of a command', () => {
  it('is the text of Idempotency-Key, said as a string in quotes or without', async () => {
    const { post } = await opened();
    expect((await post({ 'idempotency-key': '"a \\"b\\" \\\\"' })).body).toMatchObject({
      id: 'a "b" \\',
      duplicate: false,
    });
    expect((await post({ 'idempotency-key': 'k-1' })).body).toMatchObject({ id: 'k-1', duplicate: false });
    expect((await post({ 'idempotency-key': '"k-1"' })).body).toMatchObject({ id: 'k-1', duplicate: true });
    expect((await post({ 'thereupon-command-id': 'k-1' })).body).toMatchObject({ id: 'k-1', duplicate: true });
  });

  it.each([
    ['is empty', { 'idempotency-key': '' }],
    ['is empty in quotes', { 'idempotency-key': '""' }],
    ['is too long', { 'idempotency-key': 'x'.repeat(2_049) }],
    ['does not end', { 'idempotency-key': '"a' }],
    ['ends twice', { 'idempotency-key': '"a"b"' }],
    ['is another one than Thereupon-Command-Id', { 'idempotency-key': '"a"', 'thereupon-command-id': 'b' }],
  ])('is refused where the key %s', async (_, headers: Readonly<Record<string, string>>) => {
    const { post, system } = await opened();
    expect(await post(headers)).toMatchObject({ status: 400, body: { path: 'Idempotency-Key' } });
    expect((await system.events.read()).events).toEqual([]);
  });

  it('may be said twice, and is no part of the data', async () => {
    const { post } = await opened();
    const headers = { 'idempotency-key': '"a"', 'thereupon-command-id': 'a' };
    expect(await post(headers, { id: 'of the data' })).toMatchObject({ status: 201, body: { id: 'a' } });
    expect(await post(headers, { id: 'of other data' })).toMatchObject({ status: 409 });
  });
});

describe('a claim of a version', () => {
  it('by If-Match and in words has to be one claim (G4)', async () => {
    const { post, app } = await opened();
    await post({});
    const differing = await post({ 'if-match': '"1"', 'thereupon-expected-version': '2' });
    expect(differing).toMatchObject({ status: 400, body: { path: 'If-Match' } });
    expect(differing.body.detail).toMatch(/Thereupon-Expected-Version names, 2,.*"\\"1\\""/);
    expect(await post({ 'if-match': '*', 'thereupon-expected-version': 'none' })).toMatchObject({ status: 400 });
    expect(await post({ 'if-match': '*', 'thereupon-expected-version': 'exists' })).toMatchObject({ status: 201 });
    expect(await post({ 'if-match': '"2"', 'thereupon-expected-version': '2' })).toMatchObject({ status: 201 });
    const event = {
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: OrderPlaced.type,
      subject: 'order-1',
      data: { orderId: '1', customer: 'ada', total: 5 },
    };
    const published = await app.request('/events', {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json', 'if-match': '"3"', 'thereupon-expected-version': '4' },
      body: JSON.stringify(event),
    });
    expect(published.status).toBe(400);
  });
});

describe('the state of a stream', () => {
  it('at a version that it has not reached is not there, and both versions are named (G9)', async () => {
    const { app, post } = await opened();
    await post({});
    for (const query of ['version=99', 'version=1&diff=99']) {
      const response = await app.request(`/streams/order-1?${query}`);
      expect([response.status, await response.json()]).toMatchObject([
        404,
        { code: 'not-found', detail: 'version 99 of stream "order-1" does not exist; there are: versions 0 to 1' },
      ]);
    }
    expect((await app.request('/streams/order-1?version=1')).status).toBe(200);
  });
});

describe('a server with no room for commands that wait', () => {
  it('answers 503, and when to come again (G10)', async () => {
    const { app, system } = await openApp({ shop: { deciders: [order], limits: { waitingCommands: 0 } } });
    const response = await app.request('/commands/shop.place-order', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ orderId: '1', customer: 'ada', total: 5 }),
    });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toMatchObject({ code: 'system-full' });
    expect((await system.events.read()).events).toEqual([]);
  });
});
