import assert from 'node:assert/strict';
import type { IndexCondition, IndexValue, RowQuery } from '../consumer/row-store.ts';
import type { JsonValue } from '../event/json.ts';
import type { Store } from '../store.ts';
import { putRows, sampleRow } from './consumer-samples.ts';
import type { ContractSuite } from './contract-case.ts';
import { at, casesOn, casesOverReopen } from './samples.ts';

type Bodies = Parameters<typeof casesOn>[1];

/** What every row store must do (G13). */
export const rowStoreSuite: ContractSuite = (bench) => [
  ...casesOn(bench, { ...keeping, ...filtering, ...ordering, ...paging }),
  ...afterReopening(bench),
];

const VALUES: Readonly<Record<string, JsonValue>> = {
  null: null,
  false: false,
  zero: 0,
  fraction: 0.1,
  large: 1.7976931348623157e308,
  small: 5e-324,
  beyond: 2 ** 60,
  'empty text': '',
  text: 'ä–𝒳 \u0000 \n "',
  'empty list': [],
  'empty object': {},
  nested: { a: [1, { b: null, c: [[]] }], ключ: { '': '' } },
};

const keeping: Bodies = {
  'values of every kind come back as they were written': async (store) => {
    await putRows(store, ...Object.entries(VALUES).map(([key, value]) => sampleRow(key, value)));
    for (const [key, value] of Object.entries(VALUES)) assert.deepEqual(await store.rows.get('n', key), value, key);
    assert.equal(await store.rows.count('n'), Object.keys(VALUES).length);
  },

  'rows of no unit are written all or none; of two to one key the later stands, and one without a value goes': async (
    store,
  ) => {
    await store.rows.put([
      sampleRow('a', 1),
      sampleRow('a', 2, { i: 'x' }),
      sampleRow('b', 1),
      sampleRow('b', undefined),
    ]);
    assert.deepEqual(await store.rows.getMany('n', ['a', 'b']), [2, undefined]);
    assert.deepEqual(
      (await store.rows.query('n', { where: [{ index: 'i', op: '=', value: 'x' }], limit: 10 })).map(({ key }) => key),
      ['a'],
    );
    await assert.rejects(async () => store.rows.put([sampleRow('c', 1), sampleRow('d', 1n as unknown as number)]));
    assert.equal(await store.rows.count('n'), 1);
    await store.rows.put([]);
  },

  'a missing row is undefined, which differs from null': async (store) => {
    await putRows(store, sampleRow('null', null));
    assert.equal(await store.rows.get('n', 'missing'), undefined);
    assert.equal(await store.rows.get('other', 'null'), undefined);
    assert.equal(await store.rows.get('n', 'null'), null);
  },

  'gets many in the order asked for, missing and repeated ones too': async (store) => {
    await putRows(store, sampleRow('a', 1), sampleRow('b', 2), sampleRow('c', 3));
    assert.deepEqual(await store.rows.getMany('n', ['c', 'x', 'a', 'c', '']), [3, undefined, 1, 3, undefined]);
    assert.deepEqual(await store.rows.getMany('n', []), []);
    assert.deepEqual(await store.rows.getMany('other', ['a']), [undefined]);
  },

  'gets 5,000 at once': async (store) => {
    const keys = Array.from({ length: 5_000 }, (_, index) => `k${index}`);
    await putRows(store, ...keys.map((key, index) => sampleRow(key, index)));
    assert.deepEqual(await store.rows.getMany('n', keys.toReversed()), keys.map((_, index) => index).reverse());
  },

  'keys and namespaces in any script are told apart exactly': async (store) => {
    const names = ['a', 'A', 'a ', '', 'é', 'e\u0301', '漢', '\u{1f600}', 'a%', 'a_', "a'b", 'a/b', 'a\nb'];
    await putRows(
      store,
      ...names.flatMap((namespace) => names.map((key) => sampleRow(key, [namespace, key], {}, namespace))),
    );
    for (const namespace of names) {
      assert.deepEqual(
        await store.rows.getMany(namespace, names),
        names.map((key) => [namespace, key]),
      );
      assert.equal(await store.rows.count(namespace), names.length);
    }
  },

  'writing again replaces value and indexes as a whole; undefined removes': async (store) => {
    await putRows(store, sampleRow('a', 1, { colour: 'red', size: 1 }), sampleRow('b', 2, { colour: 'red' }));
    await putRows(
      store,
      sampleRow('a', { now: 'this' }, { size: 2 }),
      sampleRow('b', undefined),
      sampleRow('never', undefined),
    );
    assert.deepEqual(await keysOf(store, { where: [{ index: 'colour', op: '=', value: 'red' }], limit: 10 }), []);
    assert.deepEqual(await keysOf(store, { where: [{ index: 'size', op: '=', value: 2 }], limit: 10 }), ['a']);
    assert.deepEqual(await store.rows.query('n', { limit: 10 }), [
      { key: 'a', value: { now: 'this' }, orderValue: undefined },
    ]);
    assert.equal(await store.rows.count('n'), 1);
  },

  'of two writes to one row in one unit the later stands': async (store) => {
    await putRows(
      store,
      sampleRow('a', 1, { i: 1 }),
      sampleRow('b', 1),
      sampleRow('a', 2, { i: 2 }),
      sampleRow('b', undefined),
      sampleRow('c', undefined),
      sampleRow('c', 3),
    );
    assert.deepEqual(await store.rows.getMany('n', ['a', 'b', 'c']), [2, undefined, 3]);
    assert.deepEqual(
      await keysOf(store, {
        where: [{ index: 'i', op: '>=', value: 0 }],
        orderBy: { index: 'i', direction: 'asc' },
        limit: 10,
      }),
      ['a'],
    );
  },

  'clears many rows with their indexes, and what is written meanwhile stays': async (store) => {
    const many = Array.from({ length: 3_500 }, (_, n) => sampleRow(`k${n}`, n, { i: n, even: n % 2 === 0 }));
    await putRows(store, ...many);
    const clearing = store.rows.clear('n');
    const writing = putRows(store, sampleRow('k7', -7, { i: -7 }), sampleRow('new', 1, { i: 1 }));
    await Promise.all([clearing, writing]);
    assert.deepEqual([await store.rows.count('n'), await store.rows.get('n', 'k7')], [2, -7]);
    assert.deepEqual(
      await keysOf(store, { orderBy: { index: 'i', direction: 'asc' }, limit: 10 }),
      ['k7', 'new'],
      'by an index of theirs',
    );
    assert.deepEqual(await keysOf(store, { where: [{ index: 'even', op: '=', value: true }], limit: 10 }), []);
  },

  'gives rows index values anew, a page at a time, while others write (G6)': async (store) => {
    const many = Array.from({ length: 40 }, (_, n) => sampleRow(`k${n + 10}`, n, { old: n }));
    await putRows(store, ...many);
    const indexesOf = (value: JsonValue) => ({ double: 2 * Number(value) });
    const pages: number[] = [];
    const writing = putRows(store, sampleRow('k12', 500, { double: 1_000 }), sampleRow('k99', 600, { double: 1_200 }));
    for (let after: string | undefined; ;) {
      const page = await store.rows.reindex('n', { after, limit: 15, indexesOf });
      pages.push(page.rows);
      if (page.rows < 15) break;
      after = page.last;
    }
    await writing;
    assert.deepEqual(pages.slice(0, 2), [15, 15]);
    const byDouble = { index: 'double', direction: 'desc' } as const;
    assert.deepEqual(
      (await store.rows.query('n', { orderBy: byDouble, limit: 4 })).map(({ key, orderValue }) => [key, orderValue]),
      [
        ['k99', 1_200],
        ['k12', 1_000],
        ['k49', 78],
        ['k48', 76],
      ],
    );
    assert.deepEqual(await keysOf(store, { where: [{ index: 'old', op: '>=', value: 0 }], limit: 100 }), []);
    assert.deepEqual(await store.rows.reindex('never', { after: undefined, limit: 5, indexesOf }), {
      last: undefined,
      rows: 0,
    });
  },

  'what the function of an index throws changes nothing of the page': async (store) => {
    await putRows(store, sampleRow('a', 1, { i: 1 }), sampleRow('b', 2, { i: 2 }));
    const indexesOf = (value: JsonValue) => {
      if (value === 2) throw new RangeError('not two');
      return { i: 100 };
    };
    await assert.rejects(store.rows.reindex('n', { after: undefined, limit: 5, indexesOf }), RangeError);
    assert.deepEqual(await keysOf(store, { where: [{ index: 'i', op: '<', value: 3 }], limit: 10 }), ['a', 'b']);
  },

  'clears a namespace with its indexes, and no other': async (store) => {
    await putRows(store, sampleRow('a', 1, { i: 1 }), sampleRow('b', 2, { i: 1 }), sampleRow('a', 3, { i: 1 }, 'n2'));
    await store.rows.clear('n');
    await store.rows.clear('never there');
    assert.deepEqual(
      [await store.rows.count('n'), await store.rows.get('n', 'a'), await store.rows.get('n2', 'a')],
      [0, undefined, 3],
    );
    assert.deepEqual(await keysOf(store, { where: [{ index: 'i', op: '=', value: 1 }], limit: 10 }), []);
    await putRows(store, sampleRow('a', 4));
    assert.deepEqual(await store.rows.query('n', { where: [{ index: 'i', op: '=', value: 1 }], limit: 10 }), []);
  },

  'what the caller does with its objects afterwards changes nothing, and readers cannot change what is stored': async (
    store,
  ) => {
    const value = { list: [1] };
    await putRows(store, sampleRow('a', value));
    value.list.push(2);
    assert.deepEqual(await store.rows.get('n', 'a'), { list: [1] });
    const read = (await store.rows.get('n', 'a')) as { list: number[] };
    try {
      read.list.push(3);
    } catch {
      // A store may hand out frozen values.
    }
    assert.deepEqual(await store.rows.get('n', 'a'), { list: [1] });
  },
};

/** A row for each value of an index: its key tells the value. `absent` has none. In the order of the port: kinds, then values. */
const SORTED: readonly (readonly [key: string, value: IndexValue | undefined])[] = [
  ['absent', undefined],
  ['null', null],
  ['false', false],
  ['true', true],
  ['-1e300', -1e300],
  ['-2', -2],
  ['0', 0],
  ['0.5', 0.5],
  ['1', 1],
  ['2', 2],
  ['10', 10],
  ['2^53+2', 2 ** 53 + 2],
  ['2^60', 2 ** 60],
  ['"empty"', ''],
  ['"1"', '1'],
  ['"10"', '10'],
  ['"2"', '2'],
  ['"A"', 'A'],
  ['"a"', 'a'],
  ['"a%"', 'a%'],
  ['"ab"', 'ab'],
  ['"b"', 'b'],
  ['"é"', 'é'],
  ['"last of plane 0"', '\uffee'],
  ['"above plane 0"', '\u{1f600}'],
];

async function putSorted(store: Store): Promise<void> {
  await putRows(
    store,
    ...SORTED.toReversed().map(([key, value]) =>
      sampleRow(key, key, value === undefined ? { other: 1 } : { i: value, other: 1 }),
    ),
  );
}

async function keysOf(store: Store, query: RowQuery): Promise<readonly string[]> {
  return (await store.rows.query('n', query)).map((row) => row.key);
}

/** A condition on `i`, and the keys of the rows for which it holds. */
const CONDITIONS: readonly (readonly [op: IndexCondition['op'], value: IndexValue, keys: readonly string[]])[] = [
  ['=', null, ['absent', 'null']],
  ['<=', null, ['absent', 'null']],
  ['<', null, []],
  ['>', null, []],
  ['>=', null, ['absent', 'null']],
  ['=', false, ['false']],
  ['>', false, ['true']],
  ['<=', true, ['false', 'true']],
  ['<', false, []],
  ['=', 0, ['0']],
  ['=', 1, ['1']],
  ['<', 1, ['-1e300', '-2', '0', '0.5']],
  ['<=', 0, ['-1e300', '-2', '0']],
  ['>', 2, ['10', '2^53+2', '2^60']],
  ['>=', 10, ['10', '2^53+2', '2^60']],
  ['=', 2 ** 60, ['2^60']],
  ['=', '1', ['"1"']],
  ['=', '', ['"empty"']],
  ['<', '2', ['"empty"', '"1"', '"10"']],
  ['>', 'b', ['"é"', '"last of plane 0"', '"above plane 0"']],
  ['>=', '\uffee', ['"last of plane 0"', '"above plane 0"']],
  ['<=', 'A', ['"empty"', '"1"', '"10"', '"2"', '"A"']],
  ['prefix', 'a', ['"a"', '"a%"', '"ab"']],
  ['prefix', 'a%', ['"a%"']],
  ['prefix', '1', ['"1"', '"10"']],
  ['prefix', '\u{1f600}', ['"above plane 0"']],
  ['prefix', '\uffee', ['"last of plane 0"']],
  ['prefix', 'nothing', []],
  ['prefix', 1, []],
  ['prefix', null, []],
];

const filtering: Bodies = {
  'every operator compares within one kind only; a row without a value counts as null': async (store) => {
    await putSorted(store);
    for (const [op, value, keys] of CONDITIONS) {
      const found = await keysOf(store, {
        where: [{ index: 'i', op, value }],
        orderBy: { index: 'i', direction: 'asc' },
        limit: 100,
      });
      assert.deepEqual(found, keys, `${op} ${JSON.stringify(value)}`);
    }
    const every = await keysOf(store, { where: [{ index: 'i', op: 'prefix', value: '' }], limit: 100 });
    assert.equal(every.length, 12, 'every string begins with the empty one');
  },

  'all conditions must hold, on one index or on several': async (store) => {
    await putRows(
      store,
      ...Array.from({ length: 24 }, (_, index) =>
        sampleRow(`k${String(index).padStart(2, '0')}`, index, {
          n: index,
          third: index % 3 === 0,
          name: `name${index % 4}`,
        }),
      ),
    );
    const where: readonly IndexCondition[] = [
      { index: 'n', op: '>=', value: 6 },
      { index: 'n', op: '<', value: 20 },
      { index: 'third', op: '=', value: true },
    ];
    assert.deepEqual(await keysOf(store, { where, limit: 100 }), ['k06', 'k09', 'k12', 'k15', 'k18']);
    assert.deepEqual(
      await keysOf(store, { where: [...where, { index: 'name', op: '=', value: 'name0' }], limit: 100 }),
      ['k12'],
    );
    assert.deepEqual(
      await keysOf(store, { where: [...where, { index: 'no such index', op: '=', value: 'x' }], limit: 100 }),
      [],
    );
    assert.deepEqual(await keysOf(store, { where: [], limit: 3 }), ['k00', 'k01', 'k02']);
    const ordered = { where, orderBy: { index: 'name', direction: 'desc' }, limit: 3 } as const;
    assert.deepEqual(await keysOf(store, ordered), ['k15', 'k06', 'k18']);
  },

  'queries see only their namespace': async (store) => {
    await putRows(store, sampleRow('a', 1, { i: 1 }), sampleRow('b', 2, { i: 1 }, 'n2'));
    assert.deepEqual(await keysOf(store, { where: [{ index: 'i', op: '=', value: 1 }], limit: 10 }), ['a']);
    assert.deepEqual(await store.rows.query('n3', { limit: 10 }), []);
  },
};

const ordering: Bodies = {
  'orders by key in code point order by default': async (store) => {
    const keys = ['', 'A', 'B', 'a', 'a-', 'aa', 'é', '\uffee', '\u{1f600}'];
    await putRows(store, ...keys.toReversed().map((key) => sampleRow(key, 0)));
    assert.deepEqual(await keysOf(store, { limit: 100 }), keys);
    assert.deepEqual(await keysOf(store, { limit: 2, after: { key: 'aa', value: undefined } }), ['é', '\uffee']);
    assert.deepEqual(
      await keysOf(store, { limit: 2, after: { key: 'ab', value: undefined } }),
      ['é', '\uffee'],
      'the last row may be gone',
    );
  },

  'orders by an index across kinds, in both directions, and tells the value': async (store) => {
    await putSorted(store);
    const rows = await store.rows.query('n', { orderBy: { index: 'i', direction: 'asc' }, limit: 100 });
    assert.deepEqual(
      rows,
      SORTED.map(([key, value]) => ({ key, value: key, orderValue: value ?? null })),
    );
    const [absent = '', nothing = '', ...valued] = SORTED.map(([key]) => key);
    assert.deepEqual(await keysOf(store, { orderBy: { index: 'i', direction: 'desc' }, limit: 100 }), [
      ...valued.reverse(),
      absent,
      nothing,
    ]);
  },

  'rows without the index are ordered by key, in both directions': async (store) => {
    await putRows(store, ...['c', 'a', 'b'].map((key) => sampleRow(key, key)));
    for (const direction of ['asc', 'desc'] as const) {
      const rows = await store.rows.query('n', { orderBy: { index: 'i', direction }, limit: 100 });
      assert.deepEqual(
        rows.map((row) => [row.key, row.orderValue]),
        [
          ['a', null],
          ['b', null],
          ['c', null],
        ],
      );
    }
  },
};

const paging: Bodies = {
  'pages through rows of all kinds without gap or repetition, in both directions': async (store) => {
    await putSorted(store);
    for (const direction of ['asc', 'desc'] as const) {
      const whole = await keysOf(store, { orderBy: { index: 'i', direction }, limit: 100 });
      assert.deepEqual(await allPages(store, { orderBy: { index: 'i', direction }, limit: 3 }), whole, direction);
    }
  },

  'pages through ties by key, ascending in both directions, without gap or repetition': async (store) => {
    await putRows(
      store,
      ...Array.from({ length: 40 }, (_, index) =>
        sampleRow(`k${10 + ((index * 7) % 40)}`, index, index % 8 === 0 ? {} : { i: index % 3 }),
      ),
    );
    const tied = async (value: IndexValue) => keysOf(store, { where: [{ index: 'i', op: '=', value }], limit: 100 });
    const groups = [await tied(null), await tied(0), await tied(1), await tied(2)];
    for (const direction of ['asc', 'desc'] as const) {
      for (const lowest of [0, 2]) {
        const query: Omit<RowQuery, 'limit'> = {
          where: lowest === 0 ? [] : [{ index: 'i', op: '>=', value: 1 }],
          orderBy: { index: 'i', direction },
        };
        const ordered = groups.slice(lowest).map((keys) => keys.toSorted());
        const whole = (direction === 'asc' ? ordered : ordered.reverse()).flat();
        for (const limit of [1, 4, 7])
          assert.deepEqual(await allPages(store, { ...query, limit }), whole, `${direction}, ${limit} a page`);
      }
    }
  },

  'a page goes on after its last row even when that row is gone or has changed': async (store) => {
    await putRows(store, ...['a', 'b', 'c', 'd'].map((key) => sampleRow(key, key, { i: 1 })));
    const query: RowQuery = { orderBy: { index: 'i', direction: 'desc' }, limit: 2 };
    assert.deepEqual(await keysOf(store, query), ['a', 'b']);
    await putRows(store, sampleRow('b', undefined), sampleRow('c', 'c', { i: 5 }));
    assert.deepEqual(await keysOf(store, { ...query, after: { key: 'b', value: 1 } }), ['d']);
  },

  'a page goes on after the value of its last row, also in an index for which no row has a value': async (store) => {
    await putRows(store, sampleRow('a', 1), sampleRow('b', 2));
    const page = (direction: 'asc' | 'desc', key: string, value: IndexValue) =>
      keysOf(store, { orderBy: { index: 'i', direction }, limit: 9, after: { key, value } });
    assert.deepEqual(await page('asc', '', 1), [], 'null stands before every number');
    assert.deepEqual(await page('desc', 'z', 1), ['a', 'b'], 'null stands before every number, so it comes last');
    assert.deepEqual(await page('asc', 'a', null), ['b']);
  },
};

async function allPages(store: Store, query: RowQuery): Promise<readonly string[]> {
  const keys: string[] = [];
  let page = await store.rows.query('n', query);
  while (page.length > 0) {
    keys.push(...page.map((row) => row.key));
    const { key, orderValue: value } = at(page, -1);
    page = await store.rows.query('n', { ...query, after: { key, value } });
  }
  return keys;
}

const afterReopening: ContractSuite = (bench) =>
  casesOverReopen(bench, {
    'rows and their indexes are there after closing and opening again (G1)': async (store, reopen) => {
      await putSorted(store);
      await putRows(store, sampleRow('null', undefined));
      const query: RowQuery = { orderBy: { index: 'i', direction: 'desc' }, limit: 100 };
      const before = await store.rows.query('n', query);
      assert.deepEqual(await (await reopen(store)).rows.query('n', query), before);
    },
  });
