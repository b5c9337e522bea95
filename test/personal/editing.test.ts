import { defineAutomation, defineConsumer, defineEvent, readImage } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { newFile } from '../image/moving-medium.ts';

const Registered = defineEvent({
  type: 'shop.customer.registered',
  stream: ({ customer }) => customer,
  schema: z.object({ customer: z.string(), email: z.string().min(3), city: z.string() }),
  onInvalid: 'quarantine',
  personal: { subject: ({ customer }) => customer, fields: ['email'] },
});

const wrong = { customer: 'customer-1', email: 'secret-wrong', city: 'London' };
const right = { ...wrong, email: 'secret-right@x.org' };

/** Takes nothing but addresses. */
function mailer(seen: string[]) {
  return defineConsumer({
    name: 'mailer',
    on: Registered,
    retry: { attempts: 1 },
    handle({ event }) {
      if (!event.data.email.includes('@x.org')) throw new Error(`no address: ${event.data.email}`);
      seen.push(event.data.email);
    },
  });
}

/** A store that can be read while a program writes to it. */
function newStore() {
  const medium = newFile();
  const store = medium.factory;
  return {
    store,
    async text(): Promise<string> {
      const pages: string[] = [];
      for await (const page of readImage(store.forReading?.() ?? store)) pages.push(JSON.stringify(page));
      return pages.join('\n');
    },
    async [Symbol.asyncDispose]() {
      await medium.dispose?.();
    },
  };
}

describe('a dead letter with personal fields', () => {
  it('is retried with other data, which are stored sealed, and shown until their subject is forgotten', async () => {
    await using at = newStore();
    const seen: string[] = [];
    await using test = await testSystem({ store: at.store, consumers: [mailer(seen)] });
    await test.when(Registered, wrong);
    const still = { ...wrong, email: 'secret-still' };
    await test.deadLetters.retryEdited('mailer~1', still);
    await test.system.settled();
    expect(await test.deadLetters.get('mailer~1')).toMatchObject({
      edited: true,
      event: { data: still },
      error: { message: 'no address: [personal]' },
    });
    expect(await at.text()).not.toContain('secret-');
    await test.deadLetters.retryEdited('mailer~1', right);
    await test.system.settled();
    expect(seen).toEqual([right.email]);
    await test.when(Registered, wrong);
    const [letter] = (await test.deadLetters.list()).items;
    await test.deadLetters.retryEdited(letter?.id ?? '', still);
    await test.system.settled();
    await test.system.forget('customer-1');
    const again = await test.deadLetters.get(letter?.id ?? '');
    expect(again).toMatchObject({ edited: true, event: { data: { ...wrong, email: '[erased]' } } });
    await expect(test.deadLetters.retryEdited(again.id, right)).rejects.toThrow(
      /is about customer-1, who was forgotten: it can be retried or discarded, but not edited/v,
    );
    await test.deadLetters.discard(again.id);
  });

  it('is not edited to be about somebody else, nor with data that do not fit', async () => {
    await using test = await testSystem({ consumers: [mailer([])] });
    await test.when(Registered, wrong);
    await expect(test.deadLetters.retryEdited('mailer~1', { ...right, customer: 'customer-2' })).rejects.toThrow(
      /is about customer-1, and the data in its place about customer-2: give data about the same one/v,
    );
    await expect(test.deadLetters.retryEdited('mailer~1', { ...right, email: 'x' })).rejects.toMatchObject({
      code: 'event-data-invalid',
    });
  });

  it('that waits in quarantine is let in with other data, sealed as a publication is', async () => {
    await using at = newStore();
    const seen: string[] = [];
    await using test = await testSystem({ store: at.store, consumers: [mailer(seen)] });
    const misfit = { ...wrong, email: 'x', city: 7 };
    await test.system.publish(Registered, misfit as never);
    await test.system.settled();
    const [letter] = (await test.deadLetters.list()).items;
    await expect(test.deadLetters.retryEdited(letter?.id ?? '', { ...right, customer: 'customer-2' })).rejects.toThrow(
      'about customer-2',
    );
    await test.deadLetters.retryEdited(letter?.id ?? '', right);
    await test.system.settled();
    expect(seen).toEqual([right.email]);
    expect(await at.text()).not.toContain('secret-');
    expect((await test.system.events.readStream('customer-1')).events.map(({ data }) => data)).toEqual([right]);
    await test.system.publish(Registered, misfit as never, { id: 'again' });
    await test.system.settled();
    const [later] = (await test.deadLetters.list()).items;
    await test.system.forget('customer-1');
    await expect(test.deadLetters.retryEdited(later?.id ?? '', right)).rejects.toThrow(
      /does not say whose it is|who was forgotten/v,
    );
  });

  it('of one of several events that are handed over together is edited by itself', async () => {
    await using at = newStore();
    const seen: string[] = [];
    const ordered = defineAutomation({
      name: 'ordered',
      on: Registered,
      inTime: { disorder: '1m' },
      retry: { attempts: 1 },
      run({ event }) {
        if (!event.data.email.includes('@x.org')) throw new Error('no address');
        seen.push(event.data.email);
      },
    });
    await using test = await testSystem({ store: at.store, automations: [ordered] });
    const time = (minute: number) => ({ time: new Date(Date.parse('2024-01-01T00:00:00Z') + minute * 60_000) });
    await test.system.publish(Registered, wrong, time(1));
    await test.system.publish(Registered, { ...right, email: 'secret-later@x.org' }, time(9));
    await test.system.settled();
    await test.advance('1h');
    await test.system.settled();
    const [letter] = (await test.deadLetters.list()).items;
    expect(letter).toMatchObject({ part: 'an event that was held', editable: true, event: { data: wrong } });
    await test.deadLetters.retryEdited(letter?.id ?? '', right);
    await test.system.settled();
    expect(await at.text()).not.toContain('secret-');
    expect(seen[0]).toBe(right.email);
  });

  it('that an older program recorded is edited in the present version, and stays sealed', async () => {
    await using at = newStore();
    const older = await testSystem({ store: at.store, events: [Registered] });
    await older.system.publish(Registered, wrong);
    await older[Symbol.asyncDispose]();
    const Newer = defineEvent({
      type: 'shop.customer.registered',
      version: 2,
      stream: ({ customer }) => customer,
      schema: z.object({ customer: z.string(), mail: z.string(), city: z.string() }),
      upcast: {
        1(data: unknown) {
          const { email, ...others } = data as { customer: string; email: string; city: string };
          if (!email.includes('@')) throw new Error(`no address: ${email}`);
          return { ...others, mail: email };
        },
      },
      personal: { subject: ({ customer }) => customer, fields: ['mail'] },
    });
    const seen: unknown[] = [];
    const reader = defineConsumer({
      name: 'reader',
      on: Newer,
      retry: { attempts: 1 },
      handle: ({ event }) => void seen.push(event.data),
    });
    await using test = await testSystem({ store: at.store, consumers: [reader] });
    await test.system.settled();
    const mended = { customer: 'customer-1', mail: 'secret-right@x.org', city: 'Paris' };
    await test.deadLetters.retryEdited('reader~1', mended);
    await test.system.settled();
    expect(seen).toEqual([mended]);
    expect(await at.text()).not.toContain('secret-');
  });
});
