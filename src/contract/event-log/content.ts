import assert from 'node:assert/strict';
import type { EncodedEvent } from '../../event/event.ts';
import type { ContractSuite } from '../contract-case.ts';
import { accepted, at, casesOn, only, record, sampleEvent, wholeLog, withoutPlace } from '../samples.ts';

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, index) => index)).toString('base64');

/** Texts that some store on the way has mangled before. */
const TEXTS: readonly string[] = [
  '',
  ' ',
  'a\u2010b\u00adc',
  'naïve – “quoted” …',
  'e\u0301 is not \u00e9',
  '漢字 かな हिन्दी עברית العربية',
  '👩‍👩‍👧‍👦 𝒳 \u{10ffff}',
  '\ufeffbyte order mark, \ufffd and \uffff',
  "'; DROP TABLE events; --",
  '%s %n $1 :name ? \\x00 \\u0000',
  'line\r\nline\u2028line\u0085line\ttab',
];

/** JSON texts that reading and writing again would change. */
const JSON_TEXTS: readonly string[] = [
  'null',
  'true',
  '""',
  '0',
  '-0',
  '1.0',
  '1e2',
  '12345678901234567890',
  '0.1234567890123456789',
  '{ "b" : 1,\n"a":\t[ ] }',
  '{"a":1,"a":2}',
  '{"__proto__":{"x":1},"constructor":2}',
  '"\\u0000\\ud83d\\ude00\\/"',
  `[${'['.repeat(100)}${']'.repeat(100)}]`,
];

/** Events come back as they were given (ES11, ES15). */
export const contentCases: ContractSuite = (bench) =>
  casesOn(bench, {
    'JSON data comes back byte for byte (ES11)': async (store) => {
      await comesBack(
        store,
        JSON_TEXTS.map((data, index) => sampleEvent(`e${index}`, { data })),
      );
    },

    'text data comes back byte for byte, empty, in any script, with control characters (ES11)': async (store) => {
      const texts = [...TEXTS, 'nul \u0000 inside', '\u0000'];
      await comesBack(
        store,
        texts.map((data, index) => sampleEvent(`e${index}`, { encoding: 'text', data })),
      );
    },

    'binary data comes back byte for byte (ES11)': async (store) => {
      await comesBack(
        store,
        ['', 'AA==', EVERY_BYTE].map((data, index) => sampleEvent(`e${index}`, { encoding: 'base64', data })),
      );
      const bytes = (await store.log.find('/contract', 'e2'))?.data;
      assert.ok(bytes instanceof Uint8Array);
      assert.deepEqual(
        [...bytes],
        Array.from({ length: 256 }, (_, index) => index),
      );
    },

    'absent data stays absent and differs from empty data (ES11)': async (store) => {
      const none = sampleEvent('none', { encoding: 'none', data: null });
      await comesBack(store, [
        none,
        sampleEvent('empty', { encoding: 'text', data: '' }),
        sampleEvent('null', { data: 'null' }),
      ]);
      assert.deepEqual(
        await Promise.all(['none', 'empty', 'null'].map(async (id) => (await store.log.find('/contract', id))?.data)),
        [undefined, '', null],
      );
    },

    'a megabyte of data comes back whole (ES11)': async (store) => {
      await comesBack(store, [sampleEvent('big', { encoding: 'text', data: 'ä–𝒳'.repeat(130_000) })]);
    },

    'names and ids in any script come back and are found (ES11)': async (store) => {
      const texts = TEXTS.filter((text) => text.trim() !== '');
      const events = texts.map((text) =>
        sampleEvent(text, {
          source: text,
          type: text,
          stream: `s-${text}`,
          subject: text,
          correlationid: text,
          causationid: text,
        }),
      );
      await comesBack(store, events);
      for (const [index, text] of texts.entries()) {
        assert.equal((await store.log.find(text, text))?.position, at(await wholeLog(store), index).position, text);
        assert.equal(only(await store.log.readStream(`s-${text}`, { limit: 10 })).id, text);
        assert.equal(only(await store.log.read({ types: [text], limit: 10 })).id, text);
        assert.equal(only(await store.log.read({ correlationid: text, limit: 10 })).id, text);
      }
    },

    'attributes come back with their kinds; absent ones stay absent (ES11)': async (store) => {
      await comesBack(store, [
        sampleEvent('all', {
          subject: '',
          causationid: 'cause',
          attributes: {
            datacontenttype: 'application/json; charset=utf-8',
            dataschema: 'urn:x',
            sequence: '00042',
            partitionkey: 'k',
            traceparent: 't',
            tracestate: '',
            causationdepth: 12,
            expirytime: '2030-01-01T00:00:00Z',
            tenant: 'ä',
            flag: false,
            other: true,
            least: -2_147_483_648,
            most: 2_147_483_647,
            zero: 0,
            digits: '0',
          },
        }),
        sampleEvent('none'),
      ]);
      const none = await store.log.find('/contract', 'none');
      assert.deepEqual(
        [none?.subject, none?.causationid, none?.sequence, none?.extensions],
        [undefined, undefined, undefined, {}],
      );
    },

    'time and schema version come back as given (ES11)': async (store) => {
      const times = [
        '2026-01-01T00:00:00Z',
        '2026-01-01T00:00:00.123456789+05:45',
        '0001-01-01T00:00:00Z',
        '1969-12-31t23:59:60z',
        '9999-12-31T23:59:59.999999Z',
      ];
      await comesBack(
        store,
        times.map((time, index) =>
          sampleEvent(`e${index}`, { time, schemaVersion: [0, 1, 7, 65_536, 2_147_483_647][index] ?? 0 }),
        ),
      );
    },

    'every way of reading gives the event at the position that its append returned (ES15)': async (store) => {
      const [, place] = await record(store, sampleEvent('e1'), sampleEvent('e2'), sampleEvent('e3'));
      assert.ok(place !== undefined);
      const found = [
        await store.log.find('/contract', 'e2'),
        (await store.log.read({ limit: 10 }))[1],
        (await store.log.readStream('order-1', { fromVersion: 2, limit: 1 }))[0],
        (await store.log.read({ correlationid: 'e2', limit: 1 }))[0],
      ];
      for (const event of found) {
        assert.deepEqual(event?.stored, {
          ...sampleEvent('e2'),
          position: place.position,
          version: 2,
          recordedMs: place.recordedMs,
        });
      }
    },

    'what the caller does with its objects afterwards changes nothing (G2)': async (store) => {
      const attributes = { tenant: 'a' };
      const event = { ...sampleEvent('e1'), attributes };
      const events = [event];
      const appending = store.log.append({ events, onDuplicate: 'verify' });
      accepted(await appending);
      event.data = '"changed"';
      attributes.tenant = 'changed';
      events.length = 0;
      const stored = only(await wholeLog(store));
      assert.deepEqual([stored.data, stored.attributes], ['{"n":1}', { tenant: 'a' }]);
    },
  });

async function comesBack(store: Parameters<typeof record>[0], events: readonly EncodedEvent[]): Promise<void> {
  await record(store, ...events);
  assert.deepEqual((await wholeLog(store)).map(withoutPlace), events);
}
