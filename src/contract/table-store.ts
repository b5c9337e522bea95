import assert from 'node:assert/strict';
import type { SqlCell, SqlParameter, SqlStatement, TablesForm, TableStore } from '../consumer/table-store.ts';
import { renamedTables, tableName } from '../consumer/table-store.ts';
import type { Store } from '../store.ts';
import { commit, sampleConsumer, sampleRow, sampleUnit } from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import { casesOn, casesOverReopen, sampleEvent } from './samples.ts';

const NAMESPACE = 'view:c';
const TABLE = tableName(NAMESPACE, 'kept');
const FORM: TablesForm = {
  namespace: NAMESPACE,
  tables: [
    {
      name: TABLE,
      columns: 'k TEXT PRIMARY KEY, n BIGINT NOT NULL CHECK (n >= 0)',
      indexes: [
        { columns: 'n DESC', unique: false },
        { columns: 'n, k', unique: true },
      ],
    },
  ],
};
const BUILT = renamedTables(FORM, 'view:c@build');
const BUILT_TABLE = tableName('view:c@build', 'kept');

function insert(k: string, n: number, table = TABLE): SqlStatement {
  return { texts: [`INSERT INTO "${table}" (k, n) VALUES (`, ', ', ')'], values: [k, n] };
}

function tablesOf({ tables }: Store): TableStore {
  assert.ok(tables !== undefined, 'the store declares tables');
  return tables;
}

async function rowsOf(store: Store, table = TABLE): Promise<readonly Readonly<Record<string, SqlCell>>[]> {
  return tablesOf(store).select({ texts: [`SELECT k, n FROM "${table}" ORDER BY k`], values: [] });
}

async function fill(store: Store, ...statements: readonly SqlStatement[]): Promise<void> {
  await tablesOf(store).ensure(FORM);
  await commit(store, { statements });
}

/** Tables that read models have beside rows, as of one transaction with everything else (G6). */
export const tableStoreSuite: ContractSuite = (bench) => [
  ...casesOn(bench, {
    'tables are made once, however often and by however many they are asked for': async (store) => {
      const tables = tablesOf(store);
      assert.equal(await tables.has(NAMESPACE), false);
      const made = await Promise.all([tables.ensure(FORM), tables.ensure(FORM), tables.ensure(FORM)]);
      assert.equal(made.filter((were) => !were).length, 1);
      assert.equal(await tables.ensure(FORM), true);
      assert.equal(await tables.has(NAMESPACE), true);
      assert.deepEqual(await rowsOf(store), []);
    },

    'a table that cannot be made, or is another’s, leaves none behind': async (store) => {
      const tables = tablesOf(store);
      const [first] = FORM.tables;
      assert.ok(first !== undefined);
      const broken = { ...first, name: 'view_broken', columns: 'k TEXT PRIMARY, n' };
      await assert.rejects(tables.ensure({ ...FORM, tables: [first, broken] }), { code: 'statement-refused' });
      assert.equal(await tables.has(NAMESPACE), false);
      const ended = { ...first, columns: 'k TEXT); DROP TABLE rows; --' };
      await tables.ensure({ ...FORM, tables: [ended] }).catch(() => undefined);
      assert.equal(await store.rows.count('n'), 0, 'the tables of the store are there');
      await tables.ensure({ ...FORM, namespace: 'view:b' }).catch(() => undefined);
      await assert.rejects(
        tables.ensure({ ...FORM, namespace: 'view:d', tables: [{ ...first, name: 'view_more' }, ended] }),
        { code: 'invalid-definition', message: /view_kept.*view:/u },
      );
      assert.equal(await tables.has('view:d'), false);
    },

    'statements of a unit are carried out in their order, with all else of it (G6)': async (store) => {
      await fill(store, insert('a', 1), insert('b', 2), {
        texts: [`UPDATE "${TABLE}" SET n = n * `, ' WHERE k <> ', ''],
        values: [10, 'b'],
      });
      assert.deepEqual(await rowsOf(store), [
        { k: 'a', n: 10 },
        { k: 'b', n: 2 },
      ]);
    },

    'of a unit one of whose statements is refused nothing is written, and of others in the same breath all is (G6)':
      async (store) => {
        await fill(store, insert('a', 1));
        await store.checkpoints.put(sampleConsumer('d'));
        const append = { events: [sampleEvent('e1')], onDuplicate: 'verify' } as const;
        const units = [
          sampleUnit({ consumer: 'd', rows: [sampleRow('before', 1)] }),
          sampleUnit({ appends: [append], rows: [sampleRow('k', 1)], statements: [insert('b', 2), insert('a', 3)] }),
          sampleUnit({ consumer: 'd', rows: [sampleRow('after', 1)] }),
        ];
        const outcomes = await Promise.allSettled(units.map((unit) => store.unitOfWork.commit(unit)));
        assert.deepEqual(
          outcomes.map(({ status }) => status),
          ['fulfilled', 'rejected', 'fulfilled'],
        );
        const [, refused] = outcomes;
        assert.ok(refused?.status === 'rejected');
        assert.equal((refused.reason as { code: unknown }).code, 'statement-refused');
        assert.match(String(refused.reason), /in the statement: INSERT INTO "view_kept"/u);
        assert.deepEqual(await rowsOf(store), [{ k: 'a', n: 1 }]);
        assert.equal(await store.log.head(), 0);
        assert.deepEqual(await store.rows.getMany('n', ['before', 'k', 'after']), [1, undefined, 1]);
      },

    'a unit that the log refuses changes no table (G3, G6)': async (store) => {
      await fill(store);
      const claim = [{ stream: 'order-1', version: 7 }] as const;
      const append = { events: [sampleEvent('e1')], expected: claim, onDuplicate: 'verify' } as const;
      const outcome = await store.unitOfWork.commit(sampleUnit({ appends: [append], statements: [insert('a', 1)] }));
      assert.equal(outcome.ok, false);
      assert.deepEqual(await rowsOf(store), []);
    },

    'values are bound as they are, and come back as they were': async (store) => {
      const columns = 'word TEXT, big BIGINT, part DOUBLE PRECISION, none TEXT';
      await tablesOf(store).ensure({ namespace: 'view:v', tables: [{ name: 'view_v', columns, indexes: [] }] });
      const rows: readonly (readonly SqlParameter[])[] = [
        ["'; DROP TABLE rows; --", 2n ** 62n, 0.1, null],
        ['$1 ? :a @b Ünïcödé 💩', -1, -1e300, ''],
      ];
      await commit(store, {
        statements: rows.map((values) => ({ texts: ['INSERT INTO view_v VALUES (', ',', ',', ',', ')'], values })),
      });
      const found = await tablesOf(store).select({ texts: ['SELECT * FROM view_v ORDER BY big DESC'], values: [] });
      assert.deepEqual(
        found.map(({ word, big, part, none }) => [word, big, part, none]),
        rows,
      );
    },

    'a statement that is asked changes nothing': async (store) => {
      await fill(store, insert('a', 1));
      const texts = [`WITH gone AS (SELECT 1) DELETE FROM "${TABLE}"`];
      await assert.rejects(tablesOf(store).select({ texts, values: [] }), { code: 'statement-refused' });
      await assert.rejects(tablesOf(store).select({ texts: ['SELECT x FROM nowhere'], values: [] }), {
        code: 'statement-refused',
        message: /nowhere/u,
      });
      assert.deepEqual(await rowsOf(store), [{ k: 'a', n: 1 }]);
    },

    'what clears the rows of a read model empties its tables; those of others stay': async (store) => {
      await fill(store, insert('a', 1));
      const other = renamedTables(FORM, 'view:other');
      const named = { ...other, tables: other.tables.map((table) => ({ ...table, name: 'view_other' })) };
      await tablesOf(store).ensure(named);
      await commit(store, { statements: [insert('b', 2, 'view_other')] });
      await store.rows.clear(NAMESPACE);
      assert.deepEqual(await rowsOf(store), []);
      await commit(store, { statements: [insert('a', 5)] });
      const forget = { above: 0 as never, rows: [NAMESPACE] };
      await store.checkpoints.change('c', { forget }, 1);
      assert.deepEqual([await rowsOf(store), await rowsOf(store, 'view_other')], [[], [{ k: 'b', n: 2 }]]);
      assert.equal(await tablesOf(store).has(NAMESPACE), true);
    },

    'who takes the place of a consumer brings its tables, and those that were there go; twice (G6)': async (store) => {
      await fill(store, insert('a', 1));
      for (const n of [2, 3]) {
        await store.checkpoints.put(sampleConsumer('c@build'));
        await tablesOf(store).ensure(BUILT);
        await commit(store, { consumer: 'c@build', statements: [insert('a', n, BUILT_TABLE)] });
        assert.deepEqual(await rowsOf(store), [{ k: 'a', n: n - 1 }]);
        const rows = [{ from: BUILT.namespace, to: NAMESPACE }];
        await store.checkpoints.replace('c', { by: 'c@build', form: sampleConsumer('c').form, rows }, 5);
        assert.deepEqual(await rowsOf(store), [{ k: 'a', n }]);
        assert.equal(await tablesOf(store).has(BUILT.namespace), false);
        await assert.rejects(rowsOf(store, BUILT_TABLE), { code: 'statement-refused' });
      }
    },

    'a consumer that is removed leaves no table behind': async (store) => {
      await fill(store, insert('a', 1));
      await store.checkpoints.remove('c');
      assert.equal(await tablesOf(store).has(NAMESPACE), false);
      await assert.rejects(rowsOf(store), { code: 'statement-refused' });
      await fill(store, insert('a', 2));
      assert.deepEqual(await rowsOf(store), [{ k: 'a', n: 2 }]);
    },
  }),
  ...casesOverReopen(bench, {
    'tables are there, with what was written to them, when the store is opened again (G1)': async (store, reopen) => {
      await fill(store, insert('a', 1));
      const again = await reopen(store);
      assert.equal(await tablesOf(again).ensure(FORM), true);
      await commit(again, { statements: [insert('b', 2)] });
      assert.equal((await rowsOf(again)).length, 2);
    },
  }),
];
