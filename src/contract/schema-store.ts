import assert from 'node:assert/strict';
import type { SchemaRecord } from '../schema/schema-store.ts';
import type { ContractSuite } from './contract-case.ts';
import { casesOn, casesOverReopen } from './samples.ts';

function sampleSchema(type: string, version: number, overrides: Partial<SchemaRecord> = {}): SchemaRecord {
  return {
    type,
    version,
    summary: undefined,
    vendor: 'zod',
    jsonSchema: undefined,
    onInvalid: 'reject',
    registeredMs: 1_767_225_600_000,
    ...overrides,
  };
}

/** What every schema store must do (G13). */
export const schemaStoreSuite: ContractSuite = (bench) => [
  ...casesOn(bench, {
    'an empty store lists nothing': async ({ schemas }) => {
      assert.deepEqual(await schemas.list(), []);
      await schemas.put([]);
      assert.deepEqual(await schemas.list(), []);
    },

    'records come back as they were put': async ({ schemas }) => {
      const records = [
        sampleSchema('a', 1),
        sampleSchema('b', 1, { summary: 'Ein Auftrag – 漢字', vendor: '', onInvalid: 'quarantine', registeredMs: 0 }),
        sampleSchema('c', 1, {
          jsonSchema: { type: 'object', properties: { n: { type: ['number', 'null'], default: null } }, required: [] },
          onInvalid: 'warn',
        }),
        sampleSchema('d', 1, { summary: '', jsonSchema: true }),
        sampleSchema('e', 1, { jsonSchema: null }),
      ];
      await schemas.put(records);
      assert.deepEqual(await schemas.list(), records);
    },

    'lists by type in code point order, then by version as a number': async ({ schemas }) => {
      const ordered = [
        sampleSchema('B', 1),
        sampleSchema('a', 1),
        sampleSchema('a', 2),
        sampleSchema('a', 10),
        sampleSchema('a.b', 1),
        sampleSchema('ab', 3),
        sampleSchema('\uffee', 1),
        sampleSchema('\u{1f600}', 1),
      ];
      for (const index of [4, 0, 7, 3, 6, 1, 5, 2]) await schemas.put(ordered.slice(index, index + 1));
      assert.deepEqual(await schemas.list(), ordered);
    },

    'putting the same type and version replaces the record, no other': async ({ schemas }) => {
      await schemas.put([
        sampleSchema('a', 1, { summary: 'first', jsonSchema: {} }),
        sampleSchema('a', 2),
        sampleSchema('b', 1),
      ]);
      const second = sampleSchema('a', 1, { summary: 'second', vendor: 'valibot', registeredMs: 5 });
      await schemas.put([second]);
      assert.deepEqual(await schemas.list(), [second, sampleSchema('a', 2), sampleSchema('b', 1)]);
    },

    'of two records of one type and version in one call the later stands': async ({ schemas }) => {
      await schemas.put([sampleSchema('a', 1, { summary: 'first' }), sampleSchema('a', 1, { summary: 'second' })]);
      assert.deepEqual(await schemas.list(), [sampleSchema('a', 1, { summary: 'second' })]);
    },

    'many callers at once lose nothing': async ({ schemas }) => {
      const records = Array.from({ length: 40 }, (_, index) => sampleSchema('a', index + 1));
      await Promise.all(records.map((record) => schemas.put([record])));
      assert.deepEqual(await schemas.list(), records);
    },
  }),
  ...casesOverReopen(bench, {
    'records are there after closing and opening again (G1)': async (store, reopen) => {
      const records = [
        sampleSchema('a', 1, { jsonSchema: { type: 'string' } }),
        sampleSchema('a', 2, { summary: 's' }),
      ];
      await store.schemas.put(records);
      assert.deepEqual(await (await reopen(store)).schemas.list(), records);
    },
  }),
];
