import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent } from '../../src/index.ts';
import { BATCH, STRUCTURED, bodyOf, openApp, order, post, problemOf } from './shop.ts';

describe('publishing over HTTP', () => {
  it('answers for one event with its place and where it can be read (G1)', async () => {
    const { app, system } = await openApp();
    const response = await post(app, order({ id: 'a/b', orderId: '17' }));
    expect(response.status).toBe(201);
    expect(await bodyOf(response.clone())).toMatchObject({
      id: 'a/b',
      source: '/till',
      stream: 'order-17',
      version: 1,
      position: 1,
      duplicate: false,
      quarantined: false,
    });
    const location = response.headers.get('location') ?? '';
    expect(await bodyOf(app.request(location))).toMatchObject({
      id: 'a/b',
      stream: 'order-17',
      data: { orderId: '17' },
    });
    expect((await system.events.find('/till', 'a/b'))?.position).toBe(1);
  });

  it('takes an event in binary mode, with percent-encoded attributes', async () => {
    const { app, system } = await openApp({ shop: { unknownTypes: 'accept' } });
    const response = await app.request('/events', {
      method: 'POST',
      headers: {
        'ce-specversion': '1.0',
        'ce-id': 'b1',
        'ce-source': '/x',
        'ce-type': 'note.taken',
        'ce-subject': 'caf%C3%A9',
        'content-type': 'text/plain',
      },
      body: 'hello',
    });
    expect(response.status).toBe(201);
    expect(await system.events.find('/x', 'b1')).toMatchObject({ subject: 'café', data: 'hello' });
  });

  it('answers a batch with a result for each event, in order', async () => {
    const { app } = await openApp();
    const response = await post(app, [
      order({ id: '1', orderId: 'x' }),
      order({ id: '2', orderId: 'y' }),
      order({ id: '3', orderId: 'x' }),
    ]);
    expect(response.status).toBe(201);
    const { results } = await bodyOf<{ results: unknown[] }>(response);
    expect(results).toMatchObject([
      { id: '1', version: 1 },
      { id: '2', version: 1 },
      { id: '3', version: 2 },
    ]);
  });

  it('answers an event that is known with the place of the first one, and 200 (G2)', async () => {
    const { app } = await openApp();
    const event = order({ id: 'twice' });
    const first = await bodyOf(post(app, event));
    const again = await post(app, event);
    expect(again.status).toBe(200);
    expect(again.headers.has('location')).toBe(false);
    expect(await bodyOf(again)).toEqual({ ...first, duplicate: true });
  });

  it('refuses a known event with other content, and names both (G2)', async () => {
    const { app } = await openApp();
    await post(app, order({ id: 'same', total: 1 }));
    const response = await post(app, order({ id: 'same', total: 2 }));
    expect(response.status).toBe(409);
    expect(await problemOf(response)).toMatchObject({
      code: 'event-content-conflict',
      id: 'same',
      source: '/till',
      position: 1,
      differs: ['data'],
    });
  });

  it('refuses a batch whole and says of each bad event which it is and why (G3)', async () => {
    const { app, system } = await openApp();
    const response = await post(app, [
      order(),
      { ...order(), type: 'not.known' },
      order(),
      { ...order(), data: { orderId: 5 } },
    ]);
    expect(response.status).toBe(422);
    expect(await problemOf(response)).toMatchObject({
      code: 'batch-refused',
      problems: [
        { index: 1, code: 'unknown-event-type', eventType: 'not.known' },
        {
          index: 3,
          code: 'event-data-invalid',
          issues: expect.arrayContaining([expect.objectContaining({ path: 'data.orderId' })]) as unknown,
        },
      ],
    });
    expect(await system.events.head()).toBe(0);
  });

  it('says which event of a batch is no CloudEvent', async () => {
    const { app, system } = await openApp();
    const response = await post(app, [order(), { ...order(), id: '' }]);
    expect(await problemOf(response)).toMatchObject({
      status: 422,
      problems: [{ index: 1, code: 'invalid-event', attribute: '[1].id' }],
    });
    expect(await system.events.head()).toBe(0);
  });

  it('takes an empty batch as nothing to do', async () => {
    const { app } = await openApp();
    const response = await post(app, []);
    expect(response.status).toBe(200);
    expect(await bodyOf(response)).toEqual({ results: [] });
  });

  it('answers 202 for an event that is quarantined, and it waits as a dead letter', async () => {
    const { app, system } = await openApp();
    const response = await post(app, { ...order({ id: 'q' }), type: 'shop.stock.counted', data: { sku: 5 } });
    expect(response.status).toBe(202);
    expect(await bodyOf(response)).toMatchObject({ quarantined: true });
    await system.settled();
    expect((await system.deadLetters.list()).items).toMatchObject([{ consumer: 'thereupon.quarantine' }]);
  });

  it.each(['reject', 'quarantine'] as const)(
    'takes data that a schema throws at for data that does not fit, and says so: %s',
    async (onInvalid) => {
      const Odd = defineEvent({
        type: 'shop.oddity.seen',
        schema: z.object({ name: z.string() }).refine(({ name }) => {
          throw new RangeError(`what is ${name.length}`);
        }),
        onInvalid,
      });
      const { app, system } = await openApp({ shop: { events: [Odd] } });
      const response = await post(app, { ...order({ id: 'o' }), type: 'shop.oddity.seen', data: { name: 'abc' } });
      if (onInvalid === 'quarantine') {
        expect(response.status).toBe(202);
        await system.settled();
        const { items } = await system.deadLetters.list();
        expect(items[0]?.error?.message).toContain('its schema throws when it looks at it: RangeError: what is 3');
      } else {
        expect(response.status).toBe(422);
        expect(await problemOf(response)).toMatchObject({ code: 'event-data-invalid' });
        await expect(system.publish(Odd, { name: 'abc' })).rejects.toThrow(/RangeError: what is 3/);
      }
    },
  );

  it('refuses more events than the limit, naming it (G10)', async () => {
    const { app, system } = await openApp({ maxBatchEvents: 2 });
    const response = await post(app, [order(), order(), order()]);
    expect(response.status).toBe(413);
    expect(await problemOf(response)).toMatchObject({
      code: 'limit-exceeded',
      limit: 'events in a request',
      maximum: 2,
      actual: 3,
    });
    expect(await system.events.head()).toBe(0);
  });

  it('refuses a larger body than the limit while it comes in, also when its length is not announced (G10)', async () => {
    const { app } = await openApp({ maxBodyBytes: 1_000 });
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(400));
        // Not really endless: a server that reads on and on fails this test, and not the machine.
        if (pulled === 100) controller.close();
      },
    });
    const response = await app.request('/events', {
      method: 'POST',
      headers: STRUCTURED,
      body: endless,
      duplex: 'half',
    });
    expect(response.status).toBe(413);
    expect(await problemOf(response)).toMatchObject({
      code: 'limit-exceeded',
      limit: 'request body in bytes',
      maximum: 1_000,
    });
    expect(pulled).toBeLessThan(6);
  });

  it('takes the ETag of a stream as the claim of a writer, and records nothing when it is old (G4)', async () => {
    const { app, system } = await openApp();
    await post(app, order({ id: 'a', orderId: '17' }));
    const etag = (await app.request('/streams/order-17')).headers.get('etag') ?? '';
    const send = (id: string, match: string) => {
      const headers = { ...STRUCTURED, 'if-match': match };
      return app.request('/events', { method: 'POST', headers, body: JSON.stringify(order({ id, orderId: '17' })) });
    };
    expect((await send('b', etag)).status).toBe(201);
    const late = await send('c', etag);
    expect(late.status).toBe(412);
    expect(await problemOf(late)).toMatchObject({ code: 'stream-version-conflict', status: 412, actual: 2 });
    expect((await send('d', '*')).status).toBe(201);
    expect((await send('e', 'W/"3"')).status).toBe(400);
    expect(await system.events.head()).toBe(3);
  });

  it('refuses bodies that together are too large for memory, with a hint when to come again (G10)', async () => {
    const { app, system } = await openApp({ maxBodyBytes: 400_000 });
    const held: ReadableStreamDefaultController<Uint8Array>[] = [];
    const slow = async () =>
      app.request('/events', {
        method: 'POST',
        headers: STRUCTURED,
        body: new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(new Uint8Array(399_000));
            held.push(controller);
          },
        }),
        duplex: 'half',
      });
    const waiting = [slow(), slow(), slow(), slow()];
    const refused = await slow();
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await problemOf(refused)).toMatchObject({ code: 'system-full' });
    for (const controller of held.slice(0, 4)) controller.close();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([400, 400, 400, 400]);
    expect((await post(app, order({ id: 'after' }))).status).toBe(201);
    expect(await system.events.head()).toBe(1);
  });

  it.each([
    ['no form of an event', { 'content-type': 'application/json' }, '{}', 415, { code: 'unsupported-content' }],
    ['a compressed body', { ...STRUCTURED, 'content-encoding': 'gzip' }, '', 415, { code: 'unsupported-content' }],
    ['text that is no JSON', STRUCTURED, '{"specversion"', 400, { code: 'invalid-input', path: 'body' }],
    ['a batch that is no list', BATCH, '{}', 400, { code: 'invalid-event', attribute: 'batch' }],
    [
      'an expected version that is none',
      { ...STRUCTURED, 'thereupon-expected-version': '-3' },
      '{}',
      400,
      { path: 'Thereupon-Expected-Version' },
    ],
  ])('refuses %s', async (_what, headers, body, status, problem) => {
    const { app } = await openApp();
    const response = await app.request('/events', { method: 'POST', headers, body });
    expect(response.status).toBe(status);
    expect(await problemOf(response)).toMatchObject(problem);
  });

  it('records only if the stream is at the expected version (G4)', async () => {
    const { app } = await openApp();
    const claim = (version: string, id: string) =>
      app.request('/events', {
        method: 'POST',
        headers: { ...STRUCTURED, 'thereupon-expected-version': version },
        body: JSON.stringify(order({ id })),
      });
    expect((await claim('none', 'a')).status).toBe(201);
    expect(await problemOf(claim('none', 'b'))).toMatchObject({
      status: 409,
      code: 'stream-version-conflict',
      actual: 1,
    });
    expect((await claim('1', 'c')).status).toBe(201);
    expect(await problemOf(claim('7', 'd'))).toMatchObject({ status: 409, expected: 7, actual: 2 });
  });

  it('refuses an expected version for events of several streams', async () => {
    const { app } = await openApp();
    const headers = { ...BATCH, 'thereupon-expected-version': 'any' };
    const body = JSON.stringify([order({ id: 'a', orderId: '1' }), order({ id: 'b', orderId: '2' })]);
    expect(await problemOf(app.request('/events', { method: 'POST', headers, body }))).toMatchObject({
      status: 400,
      path: 'expectedVersion',
    });
  });

  it('lets nobody speak for the system', async () => {
    const { app } = await openApp({ shop: { unknownTypes: 'accept' } });
    expect(await problemOf(post(app, { ...order(), type: 'thereupon.consumer.paused' }))).toMatchObject({
      status: 400,
      attribute: 'type',
    });
  });

  it('gives no location where no URL could name the event', async () => {
    const { app } = await openApp({ shop: { unknownTypes: 'accept' } });
    const response = await post(app, { ...order({ id: '..' }), type: 'note.taken' });
    expect(response.status).toBe(201);
    expect(response.headers.has('location')).toBe(false);
  });
});
