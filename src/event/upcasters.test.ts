import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent } from './define-event.ts';
import type { StoredEvent } from './event.ts';
import { position } from './position.ts';
import { recordedEvent } from './recorded-event.ts';
import { asStored, upcastEvent, upcastingTypes, whyUnreadable, withDataOf } from './upcast-event.ts';
import { retractionOf } from './derived-definitions.ts';

const schema = z.object({ n: z.number(), unit: z.string().default('C') });
const same = (data: object) => data;

const define = (version: number, upcast: unknown) =>
  defineEvent({
    type: 'lab.value.measured',
    version,
    schema,
    upcast: upcast as Record<number, (data: never) => unknown>,
  });

const stored = (data: unknown, more: Partial<StoredEvent> = {}): StoredEvent => ({
  id: '1',
  source: '/lab',
  type: 'lab.value.measured',
  schemaVersion: 1,
  stream: 'lab-1',
  subject: undefined,
  time: '2026-01-01T00:00:00Z',
  correlationid: '1',
  causationid: undefined,
  encoding: 'json',
  data: JSON.stringify(data),
  attributes: undefined,
  position: position(7),
  version: 1,
  recordedMs: 0,
  ...more,
});

describe('upcasters', () => {
  it.each([
    [2, [], 'must be an object of functions'],
    [2, { 2: same }, 'must name versions from 1 to 1, those before version 2, found "2"'],
    [2, { 0: same }, 'found "0"'],
    [2, { '1.5': same }, 'found "1.5"'],
    [1, { 1: same }, 'version 1 has none'],
    [2, { 1: 'n' }, 'upcast 1 must be a function, found "n"'],
    [4, { 1: same, 3: same }, 'no step from version 2 to 3'],
    [3, { 1: same }, 'no step from version 2 to 3'],
  ])('of version %i are refused when they are %o', (version, upcast, reason) => {
    expect(() => define(version, upcast)).toThrow(reason);
  });

  it('are chained from the version of the event, and the schema fills in what it knows', () => {
    const seen: unknown[] = [];
    const definition = define(4, {
      2: (data: { n: number }) => ({ n: data.n + 1 }),
      3: (data: { n: number }) => {
        seen.push(data);
        return { n: data.n * 10 };
      },
    });
    const types = upcastingTypes([definition]);
    const read = upcastEvent(recordedEvent(stored({ n: 1 }, { schemaVersion: 2 })), types);
    expect(seen, 'nothing before data is touched').toEqual([]);
    expect([read.data, read.data, read.schemaVersion]).toEqual([{ n: 20, unit: 'C' }, { n: 20, unit: 'C' }, 4]);
    expect(seen).toEqual([{ n: 2 }]);
    expect(Object.isFrozen(read.data)).toBe(true);
    expect(read.toJSON()).toMatchObject({ data: { n: 20 }, dataschema: 'urn:thereupon:schema:lab.value.measured:4' });
    expect(asStored(read).data).toEqual({ n: 1 });
  });

  it('leave alone what is of the current version, of a newer one, of none, and of other types', () => {
    const types = upcastingTypes([define(2, { 1: same })]);
    for (const more of [{ schemaVersion: 2 }, { schemaVersion: 3 }, { schemaVersion: 0 }, { type: 'lab.other' }]) {
      const event = recordedEvent(stored({ n: 1 }, more));
      expect(upcastEvent(event, types)).toBe(event);
    }
  });

  it('read retractions as they read what is taken back', () => {
    const definition = define(2, { 1: () => ({ n: 5 }) });
    const { type } = retractionOf(definition);
    const read = upcastEvent(recordedEvent(stored({}, { type })), upcastingTypes([definition]));
    expect(read.data).toEqual({ n: 5, unit: 'C' });
  });

  it.each([
    ['throw', () => JSON.parse('{'), 'JSON'],
    ['change what they get', (data: { n: number }) => Object.assign(data, { n: 2 }), 'read only|Cannot assign'],
    ['give what does not fit', () => ({ n: 'many' }), 'data.n'],
    ['give a promise', async () => ({ n: 1 }), 'a promise'],
  ])('that %s make data that nobody can read, each time with the reason', (_what, upcaster, reason) => {
    const types = upcastingTypes([define(2, { 1: upcaster })]);
    const read = upcastEvent(recordedEvent(stored({ n: 1 })), types);
    expect(whyUnreadable(read)?.message).toMatch(new RegExp(`from schema version 1 to 2: .*(${reason})`));
    expect(() => read.data).toThrow(/position 7/);
    expect(() => read.toJSON()).toThrow(/position 7/);
    expect(read.stored.id).toBe('1');
    expect(asStored(read).data).toEqual({ n: 1 });
  });

  it('are not asked about data of the current version that stands in place of older data', () => {
    const types = upcastingTypes([define(2, { 1: () => ({ n: 5 }) })]);
    const read = upcastEvent(recordedEvent(stored({ n: 1 })), types);
    expect(withDataOf(read, '{"n":3}', { version: 2, opening: undefined }).data).toEqual({ n: 3 });
    expect(withDataOf(read, '{"n":3}', { version: undefined, opening: undefined }).data).toEqual({ n: 5, unit: 'C' });
  });
});
