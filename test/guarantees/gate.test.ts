import {
  EventDataInvalid,
  InvalidInput,
  UnknownEventType,
  defineConsumer,
  defineEvent,
  decodeJsonEvent,
  open as openSystem,
} from 'thereupon';
import type { ExpectedVersion } from 'thereupon';
import { testSystem } from 'thereupon/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';

const measured = (onInvalid: 'reject' | 'quarantine' | 'warn', maximum = 100) =>
  defineEvent({
    type: 'lab.value.measured',
    stream: () => 'lab-1',
    onInvalid,
    schema: z.object({ value: z.number().max(maximum), unit: z.string().default('C') }),
  });

const incoming = (data: unknown, id = '1') =>
  decodeJsonEvent({
    specversion: '1.0',
    id,
    source: '/lab',
    type: 'lab.value.measured',
    datacontenttype: 'application/json',
    data,
  });

describe('the gate (G8)', () => {
  it('refuses data that does not fit, naming each place, and records nothing', async () => {
    const Measured = measured('reject');
    await using test = await testSystem({ events: [Measured] });
    const refused = test.system.publish(Measured, { value: 'hot' as never });
    await expect(refused).rejects.toThrow(EventDataInvalid);
    await expect(refused).rejects.toMatchObject({ issues: [{ path: 'data.value' }] });
    expect(test.recorded()).toEqual([]);
  });

  it('stores what the schema gives out: defaults are there for every reader', async () => {
    const Measured = measured('reject');
    await using test = await testSystem({ events: [Measured] });
    await test.when(Measured, { value: 20 });
    expect(test.recorded(Measured)[0]?.data).toEqual({ value: 20, unit: 'C' });
  });

  it('refuses what no index can hold, in bytes: an id with its source, a correlation id, a partition key', async () => {
    const Measured = measured('reject');
    await using test = await testSystem({ events: [Measured] });
    const data = { value: 20 };
    for (const [options, attribute] of [
      [{ id: 'x'.repeat(2_049) }, 'id'],
      [{ id: '\u754c'.repeat(700) }, 'id'],
      [{ id: '\u754c'.repeat(600), source: `/${'s'.repeat(800)}` }, 'id'],
      [{ correlationid: '\u754c'.repeat(700) }, 'correlationid'],
      [{ partitionkey: 'k'.repeat(513) }, 'partitionkey'],
    ] as const)
      await expect(test.system.publish(Measured, data, options), attribute).rejects.toMatchObject({
        code: 'invalid-event',
        attribute,
      });
    await test.when(Measured, data, { id: '\u754c'.repeat(682), partitionkey: '\u754c'.repeat(512) });
    expect(test.recorded(Measured)).toHaveLength(1);
  });

  it('checks a claim also where there is nothing to append (G4)', async () => {
    const Measured = measured('reject');
    await using test = await testSystem({ events: [Measured] });
    const append = (expectedVersion: ExpectedVersion) => test.system.append('lab-1', [], { expectedVersion });
    expect(await append('none')).toEqual([]);
    await expect(append('exists')).rejects.toMatchObject({ code: 'stream-version-conflict', actual: 0 });
    await test.system.append('lab-1', [{ event: Measured, data: { value: 20 } }], { expectedVersion: 'none' });
    for (const holds of [1, 'exists', 'any'] as const) expect(await append(holds)).toEqual([]);
    for (const fails of [0, 2, 'none'] as const)
      await expect(append(fails)).rejects.toMatchObject({ code: 'stream-version-conflict', actual: 1 });
    await test.system.deleteStream('lab-1');
    await expect(append(1)).rejects.toMatchObject({ code: 'stream-deleted' });
  });

  it('takes no missing version for any version (G4), and no grace time that is none', async () => {
    const Measured = measured('reject');
    await using test = await testSystem({ events: [Measured] });
    const claim = { expectedVersion: null as never };
    await expect(test.system.append('lab-1', [{ event: Measured, data: { value: 20 } }], claim)).rejects.toMatchObject({
      code: 'invalid-input',
      path: 'expectedVersion',
    });
    await expect(openSystem({ store: 'memory:', closeGrace: 'soon' as never })).rejects.toMatchObject({
      path: 'closeGrace',
    });
  });

  it('refuses data that JSON cannot carry, naming the place', async () => {
    const Loose = defineEvent({ type: 'lab.any.noted', stream: () => 'lab-1', schema: z.any() });
    await using test = await testSystem({ events: [Loose] });
    for (const [data, path] of [
      [{ at: new Date(0) }, 'data.at'],
      [{ list: [1, Number.NaN] }, 'data.list[1]'],
      [{ big: 1n }, 'data.big'],
      [{ map: new Map() }, 'data.map'],
    ] as const) {
      const refused = test.system.publish(Loose, data);
      await expect(refused).rejects.toThrow(InvalidInput);
      await expect(refused).rejects.toMatchObject({ path });
    }
  });

  it('quarantines where the definition says so: durable, visible, not delivered, and released by an edit', async () => {
    const seen: unknown[] = [];
    const Measured = measured('quarantine');
    const reader = defineConsumer({ name: 'reader', on: Measured, handle: ({ event }) => void seen.push(event.data) });
    await using test = await testSystem({ events: [Measured], consumers: [reader] });
    const [published] = await test.system.ingest([incoming({ value: 400 })]);
    expect(published).toMatchObject({ quarantined: true, duplicate: false });
    await test.settled();
    expect(seen).toEqual([]);
    const [letter] = await test.parked('thereupon.quarantine');
    expect(letter).toMatchObject({ error: { code: 'event-data-invalid' } });
    expect(test.reported('thereupon.event.quarantined')).toHaveLength(1);
    // Told again, it is the same quarantined event.
    expect(await test.system.ingest([incoming({ value: 400 })])).toMatchObject([
      { quarantined: true, duplicate: true },
    ]);
    // Operators see the event itself, and what they say in its place goes through the same gate.
    expect(letter?.event).toMatchObject({ type: Measured.type, id: '1', source: '/lab', data: { value: 400 } });
    await expect(test.deadLetters.retryEdited(letter?.id ?? '', { value: 'high' })).rejects.toThrow(EventDataInvalid);
    expect(await test.parked('thereupon.quarantine')).toHaveLength(1);
    await test.deadLetters.retryEdited(letter?.id ?? '', { value: 40 });
    await test.settled({ advance: true });
    expect(seen).toEqual([{ value: 40, unit: 'C' }]);
    expect(test.recorded(Measured)[0]).toMatchObject({ id: '1', source: '/lab' });
    expect(await test.parked('thereupon.quarantine')).toEqual([]);
  });

  it('warns where the definition says so: recorded, delivered, and reported', async () => {
    const Measured = measured('warn');
    await using test = await testSystem({ events: [Measured] });
    await test.system.ingest([incoming({ value: 400 })]);
    expect(test.recorded(Measured)).toHaveLength(1);
    expect(test.reported('thereupon.data.mismatched')[0]?.data).toMatchObject({
      id: '1',
      issues: [{ path: 'data.value' }],
    });
  });

  it('refuses or accepts types that nobody defined, as configured', async () => {
    const unknown = decodeJsonEvent({
      specversion: '1.0',
      id: '1',
      source: '/x',
      type: 'x.y.happened',
      data: { a: 1 },
    });
    await using strict = await testSystem({});
    await expect(strict.system.ingest([unknown])).rejects.toThrow(UnknownEventType);
    await using open = await testSystem({ unknownTypes: 'accept' });
    expect(await open.system.ingest([unknown])).toMatchObject([{ duplicate: false }]);
    expect(open.recorded()[0]).toMatchObject({ type: 'x.y.happened', schemaVersion: 0, data: { a: 1 } });
  });

  it('records an event whose expiry time has passed as expired rather than delivering it', async () => {
    const Measured = measured('reject');
    const seen: unknown[] = [];
    const reader = defineConsumer({ name: 'reader', on: Measured, handle: ({ event }) => void seen.push(event.id) });
    await using test = await testSystem({ events: [Measured], consumers: [reader] });
    await test.when(Measured, { value: 1 }, { id: 'fresh', expirytime: new Date(test.clock.now() + 1_000) });
    await test.when(Measured, { value: 1 }, { id: 'stale', expirytime: new Date(test.clock.now() - 1) });
    expect(seen).toEqual(['fresh']);
    expect(test.reported('thereupon.delivery.expired')[0]?.data).toMatchObject({ consumer: 'reader', id: 'stale' });
    expect((await test.consumers.status('reader')).figures).toMatchObject({ handled: 1, expired: 1 });
  });

  it('knows a fact again in every form that says it, also as it was exported (G2)', async () => {
    const Measured = measured('reject');
    await using test = await testSystem({ events: [Measured], unknownTypes: 'accept' });
    const published = await test.system.publish(Measured, { value: 4 }, { id: 'a', source: '/lab' });
    const unknown = { specversion: '1.0', id: 'b', source: '/lab', type: 'lab.nobody.knows', data: { n: 1 } };
    const text = { ...unknown, id: 'c', data: 'text', datacontenttype: 'text/plain' };
    await test.system.ingest([decodeJsonEvent(unknown), decodeJsonEvent(text)]);
    const { events } = await test.system.events.read();
    for (const event of events) {
      const again = decodeJsonEvent(JSON.parse(JSON.stringify(event)));
      expect(await test.system.ingest([again])).toMatchObject([{ duplicate: true, position: event.position }]);
    }
    const plain = { specversion: '1.0', id: 'a', source: '/lab', type: Measured.type, data: { value: 4, unit: 'C' } };
    for (const more of [{}, { datacontenttype: 'application/json' }]) {
      const told = decodeJsonEvent({ ...plain, ...more });
      expect(await test.system.ingest([told])).toMatchObject([{ duplicate: true, position: published.position }]);
    }
    const other = decodeJsonEvent({ ...plain, datacontenttype: 'application/vnd.lab+json' });
    await expect(test.system.ingest([other])).rejects.toThrow('datacontenttype');
  });
});
