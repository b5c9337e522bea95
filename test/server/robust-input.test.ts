import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineEvent, defineProjection } from '../../src/index.ts';
import { testSharedFiles } from '../cloudevents/shared-data.ts';
import { BATCH, STRUCTURED, act, bodyOf, openApp, post, read } from './shop.ts';

interface Body {
  readonly name: string;
  readonly expect: 'accept' | 'reject' | 'either';
  readonly base64: string;
}

const Noted = defineEvent({ type: 'note.taken', schema: z.object({ text: z.string() }) });
const notes = defineProjection({
  name: 'notes',
  key: (event) => event.data.text,
  initial: () => ({ text: '', times: 0 }),
  on: [[Noted, (row, event) => ({ text: event.data.text, times: row.times + 1 })]],
  indexes: { text: (row) => row.text },
});

const openNotes = () =>
  openApp({ shop: { unknownTypes: 'accept', events: [Noted], projections: [notes], consumers: [] } });
type Notes = Awaited<ReturnType<typeof openNotes>>;

const BINARY = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/', 'ce-type': 'test' };

/** Every door that takes a body. */
const DOORS: readonly (readonly [path: string, headers: Record<string, string>])[] = [
  ['/events', STRUCTURED],
  ['/events', BATCH],
  ['/events', { ...BINARY, 'content-type': 'application/json' }],
  ['/events', { ...BINARY, 'content-type': 'text/plain' }],
  ['/events', { 'content-type': 'application/json' }],
  ['/consumers/notes/pause', { 'content-type': 'application/json' }],
  ['/consumers/notes/replay', { 'content-type': 'application/json' }],
  ['/dead-letters/notes~1/retry', { 'content-type': 'application/json' }],
  ['/dead-letters/retry', { 'content-type': 'application/json' }],
  ['/dead-letters/discard', {}],
];

describe('bodies of the JSON parsing suite, through every door', () => {
  testSharedFiles('robust-input', 'json-parsing', (text) => {
    const bodies = JSON.parse(text) as readonly Body[];

    it.each(DOORS)('POST %s %j takes them or says what is wrong', async (path, headers) => {
      const { app, system } = await openNotes();
      for (const { name, expect: expected, base64 } of bodies) {
        const head = await system.events.head();
        const body = Buffer.from(base64, 'base64');
        const response = await app.request(path, { method: 'POST', headers, body });
        expect(response.status, name).toBeLessThan(500);
        if (response.status < 400) continue;
        expect(response.headers.get('content-type'), name).toBe('application/problem+json');
        expect(await system.events.head(), name).toBe(head);
        const json = path !== '/events' || headers['content-type'] !== 'text/plain';
        if (json && expected === 'accept')
          expect(((await response.json()) as { detail: string }).detail, name).not.toContain('JSON in UTF-8');
      }
    });

    it('are refused as structured events with 400 when they are no JSON', async () => {
      const { app } = await openNotes();
      for (const { name, base64 } of bodies.filter((each) => each.expect === 'reject')) {
        const response = await app.request('/events', {
          method: 'POST',
          headers: STRUCTURED,
          body: Buffer.from(base64, 'base64'),
        });
        expect([response.status, (await bodyOf<{ path?: string }>(response)).path], name).toEqual([400, 'body']);
      }
    });
  });
});

/** Answered with less than 500; a refusal is a problem that names something. */
async function ask(app: Notes['app'], path: string, init?: RequestInit): Promise<Response> {
  const response = await app.request(path, init);
  expect(response.status, path).toBeLessThan(500);
  if (response.status >= 400) expect(response.headers.get('content-type'), path).toBe('application/problem+json');
  return response;
}

describe('naughty strings, through every door', () => {
  testSharedFiles('robust-input', 'naughty-strings', (text) => {
    const strings = JSON.parse(text) as readonly string[];
    const enc = encodeURIComponent;
    /** A segment that is empty or a step in the path cannot be asked for. */
    const segments = strings.filter((string) => !['', '.', '..'].includes(string));

    it.each(['id', 'subject', 'source', 'stream', 'partitionkey', 'correlationid', 'myext', 'type'])(
      'as %s of an event are shown back unchanged or refused by that name',
      async (attribute) => {
        const { app } = await openNotes();
        let kept = 0;
        for (const [index, string] of strings.entries()) {
          const value = attribute === 'type' ? `note.taken.${string}` : string;
          const event = { specversion: '1.0', id: `n${index}`, source: '/n', type: 'note.other', [attribute]: value };
          const response = await post(app, event);
          expect(response.status, string).toBeLessThan(500);
          const answered = await bodyOf<{ attribute?: string; path?: string; position: number }>(response);
          if (response.status >= 400) {
            expect(answered.attribute ?? answered.path, string).toBe(attribute);
            continue;
          }
          kept += 1;
          const { events } = await read<{ events: unknown[] }>(app, `/events?after=${answered.position - 1}&limit=1`);
          expect(events).toMatchObject([{ [attribute]: value }]);
        }
        expect(kept).toBeGreaterThan(attribute === 'source' ? 10 : strings.length * 0.9);
      },
    );

    it('as data, row key and filter value are shown back unchanged', async () => {
      const { app, system } = await openNotes();
      for (const [index, string] of strings.entries()) {
        const response = await post(app, {
          specversion: '1.0',
          id: `d${index}`,
          source: '/n',
          type: 'note.taken',
          data: { text: string },
        });
        expect(response.status, string).toBe(201);
      }
      await system.settled();
      for (const string of new Set(strings)) {
        const page = await read<{ items: { row: unknown }[] }>(app, `/views/notes?text=${enc(string)}`);
        expect(page.items, string).toMatchObject([{ key: string, row: { text: string } }]);
        await ask(app, `/views/notes?text.prefix=${enc(string)}`);
      }
      for (const string of new Set(segments)) {
        expect(await read(app, `/views/notes/${enc(string)}`)).toMatchObject({ key: string, row: { text: string } });
      }
    });

    it('as names of streams are found again by path and by parameter', async () => {
      const { app } = await openNotes();
      for (const [index, string] of segments.entries()) {
        const response = await post(app, {
          specversion: '1.0',
          id: `s${index}`,
          source: '/n',
          type: 'note.other',
          stream: string,
        });
        if (response.status >= 400) continue;
        const found = await read<{ stream: string }>(app, `/streams/${enc(string)}`);
        expect(found.stream).toBe(string);
        const { events } = await read<{ events: { stream: string }[] }>(app, `/events?stream=${enc(string)}&limit=1`);
        expect(events).toMatchObject([{ stream: string }]);
      }
    });

    it('as parts of paths are never a fault of the server', async () => {
      const { app } = await openNotes();
      for (const string of segments) {
        const part = enc(string);
        for (const path of [
          `/${part}`,
          `/events/${part}/${part}`,
          `/streams/${part}`,
          `/consumers/${part}`,
          `/dead-letters/${part}`,
          `/views/${part}`,
          `/views/notes/${part}`,
          `/catalog/${part}/${part}/schema`,
        ]) {
          const response = await ask(app, path);
          expect(response.status, path).toBeGreaterThanOrEqual(400);
        }
        for (const path of [
          `/consumers/${part}/pause`,
          `/consumers/${part}/resume`,
          `/dead-letters/${part}/retry`,
          `/dead-letters/${part}/discard`,
        ])
          await ask(app, path, { method: 'POST' });
        await ask(app, `/consumers/${part}`, { method: 'DELETE' });
      }
    });

    it('as query parameters and their names are found harmless or refused by name', async () => {
      const { app } = await openNotes();
      for (const string of strings) {
        const value = enc(string);
        for (const name of [
          'after',
          'before',
          'direction',
          'type',
          'stream',
          'source',
          'category',
          'correlationid',
          'from',
          'to',
          'where',
          'limit',
        ]) {
          const response = await ask(app, `/events?${name}=${value}`);
          if (response.status >= 400)
            expect(await bodyOf<{ code: string }>(response), `${name}=${string}`).toMatchObject({
              code: expect.stringMatching(/^invalid-(?:input|pattern)$/) as unknown,
            });
        }
        for (const path of [
          `/streams?after=${value}`,
          `/streams?category=${value}`,
          `/dead-letters?consumer=${value}`,
          `/dead-letters?after=${value}`,
          `/views/notes?after=${value}`,
          `/views/notes?order_by=${value}`,
          `/views/notes?after-position=${value}`,
        ])
          await ask(app, path);
        for (const path of ['/events', '/streams', '/consumers', '/views/notes', '/catalog', '/healthz']) {
          if (string !== '') expect((await ask(app, `${path}?${value}=1`)).status, string).toBe(400);
        }
      }
    });

    it('as headers that steer are never a fault of the server', async () => {
      const { app } = await openNotes();
      for (const string of strings) {
        for (const name of [
          'last-event-id',
          'if-none-match',
          'accept',
          'content-type',
          'ce-id',
          'origin',
          'sec-fetch-site',
          'traceparent',
          'tracestate',
        ]) {
          const headers = headersWith(name, string);
          if (headers === undefined) continue;
          await ask(app, '/events', { headers, method: 'HEAD' });
          await ask(app, '/events', { method: 'POST', headers, body: '{}' });
        }
      }
    });

    it('as words of an operator are taken as they are', async () => {
      const { app, system } = await openNotes();
      for (const string of strings) {
        const response = await act(app, '/consumers/notes/pause', { reason: string });
        expect(response.status).toBe(string === '' ? 400 : 200);
        if (string !== '') expect(await bodyOf(response)).toMatchObject({ reason: string });
        await system.consumers.resume('notes');
      }
    });
  });
});

/** Undefined: no client can send this as a header. */
function headersWith(name: string, value: string): Headers | undefined {
  try {
    return new Headers([[name, value]]);
  } catch {
    return undefined;
  }
}
