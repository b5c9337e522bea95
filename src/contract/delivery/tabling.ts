import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { defineConsumer } from '../../consumer/define-consumer.ts';
import type { SqlCell } from '../../consumer/table-store.ts';
import { defineWindow } from '../../operator/define-window.ts';
import type { ProjectionDefinition } from '../../projection/define-projection.ts';
import { defineTableProjection } from '../../projection/define-table-projection.ts';
import type { TablesOf } from '../../projection/define-table-projection.ts';
import { sql } from '../../projection/sql.ts';
import type { Sql } from '../../projection/sql.ts';
import type { TestSystem } from '../../testing/index.ts';
import { tumbling } from '../../time/windowing.ts';
import type { ContractSuite } from '../contract-case.ts';
import { deliveryCases } from './delivery-case.ts';
import { measure, Measured, Totalled } from './readings.ts';
import { count, Counted, sums, upTo } from './samples.ts';

type Test = Pick<TestSystem, 'views'>;
type Rows = readonly Readonly<Record<string, SqlCell>>[];

const TALLIES = {
  columns: 'item TEXT PRIMARY KEY, total BIGINT NOT NULL CHECK (total < 1000), events BIGINT NOT NULL',
  indexes: ['total DESC'],
};
const NUMBERS = { columns: 'item TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (item, n)' };

/** The sum of each item's numbers, and the numbers themselves. */
const tallies = defineTableProjection({
  name: 'tallies',
  tables: { tallies: TALLIES, numbers: NUMBERS },
  on: [
    [
      Counted,
      ({ data }, t) => [
        sql`INSERT INTO ${t.numbers} (item, n) VALUES (${data.item}, ${data.n})`,
        sql`INSERT INTO ${t.tallies} AS t (item, total, events) VALUES (${data.item}, ${data.n}, 1)
          ON CONFLICT (item) DO UPDATE SET total = t.total + excluded.total, events = t.events + 1`,
      ],
    ],
  ],
  retry: { attempts: 2, minDelay: '1s' },
});

const totals = defineWindow({
  name: 'totals',
  on: Measured,
  key: ({ data }) => data.sensor,
  windows: tumbling('1m'),
  time: { idle: 'never' },
  aggregate: {
    initial: () => ({ count: 0, sum: 0 }),
    add: (total, { data }) => ({ count: total.count + 1, sum: total.sum + data.value }),
    result: (total, { key, start }) => ({ sensor: key, start, ...total }),
  },
  late: { correct: '1h' },
  publishes: Totalled,
});

/** The next version of it: only how many there were, in a table of other columns. */
const counts = defineTableProjection({
  name: 'tallies',
  version: 2,
  tables: { tallies: { columns: 'item TEXT PRIMARY KEY, events BIGINT NOT NULL' } },
  on: [
    [
      Counted,
      ({ data }, t) => sql`INSERT INTO ${t.tallies} AS t VALUES (${data.item}, 1)
        ON CONFLICT (item) DO UPDATE SET events = t.events + 1`,
    ],
  ],
});

const rowsOf = ({ views }: Test): Promise<Rows> =>
  views.select(tallies, (t) => sql`SELECT item, total, events FROM ${t.tallies} ORDER BY item`);
const countsOf = ({ views }: Test): Promise<Rows> =>
  views.select(counts, (t) => sql`SELECT item, events FROM ${t.tallies} ORDER BY item`);
const numbersOf = async ({ views }: Test, item: string): Promise<readonly SqlCell[]> => {
  const found = await views.select(tallies, (t) => sql`SELECT n FROM ${t.numbers} WHERE item = ${item} ORDER BY n`);
  return found.map(({ n }) => n ?? null);
};

/** What the events of a log make. */
function folded(events: readonly { readonly item: string; readonly n: number }[]): Rows {
  const items = Map.groupBy(events, ({ item }) => item);
  return [...items.keys()].sort().map((item) => {
    const of = items.get(item) ?? [];
    return { item, total: of.reduce((total, { n }) => total + n, 0), events: of.length };
  });
}

/** Tables of a projection's own change with its checkpoint, whatever happens (G6), and in place of rows of the engine's. */
export const tablingCases: ContractSuite = (bench) =>
  deliveryCases(
    bench,
    {
      async 'statements of a projection are carried out once for each event, in the order of its key (G6)'(stage) {
        const test = await stage.start({ events: [Counted], projections: [tallies] });
        assert.deepEqual(await rowsOf(test), []);
        await count(test, ['a', 'b'], 20);
        await test.settled();
        const data = ['a', 'b'].flatMap((item) => upTo(20).map((n) => ({ item, n })));
        assert.deepEqual(await rowsOf(test), folded(data));
        assert.deepEqual(await numbersOf(test, 'a'), upTo(20));
      },

      async 'why is told of it by the key of its events, and of a row of its tables it is said that only SQL knows it'(
        stage,
      ) {
        const test = await stage.start({ events: [Counted], projections: [tallies] });
        await count(test, ['a'], 2);
        await test.settled();
        const { explanations } = test.system;
        assert.equal((await explanations.row(tallies, 'item-a')).events, 2);
        await assert.rejects(explanations.row(tallies, 'a'), /view tallies keeps tables of its own .*none has "a"/);
      },

      async 'killed at any instant, the tables count every event of the log once (G6)'(stage) {
        for (const seed of upTo(6)) {
          const test = await stage.start({ events: [Counted], projections: [tallies] }, { seed });
          for (const life of upTo(3)) {
            const from = (life - 1) * 10;
            const publishing = upTo(10).map((n) => test.system.publish(Counted, { item: 'a', n: from + n }));
            for (let turn = 0; turn < seed * life; turn += 1) await nextTurn();
            for (const each of publishing) void each.catch(() => undefined);
            await test.crash();
          }
          await test.settled();
          const { events } = await test.system.events.read({ limit: 1_000 });
          const data = events
            .filter(({ type }) => type === Counted.type)
            .map((event) => event.data as { item: string; n: number });
          assert.deepEqual(await rowsOf(test), folded(data));
        }
      },

      async 'a statement that the database refuses sets its key aside, writes nothing of its event, and holds up nobody else (G7)'(
        stage,
      ) {
        const seen: number[] = [];
        const watcher = defineConsumer({
          name: 'watcher',
          on: Counted,
          handle: ({ event }) => void seen.push(event.data.n),
        });
        const test = await stage.start({ events: [Counted], projections: [tallies, sums], consumers: [watcher] });
        await count(test, ['a', 'b'], 3);
        await test.system.publish(Counted, { item: 'a', n: 5_000 });
        await count(test, ['a', 'b'], 3, 4);
        await test.settled({ advance: true });
        const letters = await test.parked();
        assert.equal(letters.length, 1);
        assert.match(letters[0]?.error?.message ?? '', /check.*in the statement: INSERT INTO "view_tallies"/iu);
        assert.equal(letters[0]?.error?.code, 'statement-refused');
        assert.deepEqual(await rowsOf(test), [
          { item: 'a', total: 6, events: 3 },
          { item: 'b', total: 21, events: 6 },
        ]);
        assert.deepEqual(await numbersOf(test, 'a'), [1, 2, 3], 'of what was refused no other statement is left');
        assert.equal(seen.length, 13);
        assert.equal(await test.row(sums, 'a'), 5_021);
        await test.deadLetters.discardAll();
        await test.settled();
        assert.deepEqual((await rowsOf(test))[0], { item: 'a', total: 21, events: 6 });
      },

      async 'replayed, they are empty and are filled anew'(stage) {
        const test = await stage.start({ events: [Counted], projections: [tallies] });
        await count(test, ['a'], 9);
        await test.settled();
        const before = await rowsOf(test);
        await test.consumers.replay('tallies', 'beginning');
        await test.settled();
        assert.deepEqual(await rowsOf(test), before);
        await assert.rejects(test.consumers.replay('tallies', { position: 3 as never }), {
          code: 'wrong-state',
          message: /keeps tables/u,
        });
      },

      async 'tables of a new version are built beside those that serve, and take their place in one step'(stage) {
        const projections: ProjectionDefinition[] = [tallies];
        const test = await stage.start({ events: [Counted], projections });
        await count(test, ['a', 'b'], 30);
        await test.settled();
        projections.splice(0, 1, counts);
        await test.restart();
        await count(test, ['a'], 1, 31);
        await test.settled();
        assert.equal((await test.views.rebuildStatus('tallies'))?.state, 'switched');
        assert.deepEqual(await countsOf(test), [
          { item: 'a', events: 31 },
          { item: 'b', events: 30 },
        ]);
        await assert.rejects(rowsOf(test), { code: 'statement-refused' });
        await assert.rejects(numbersOf(test, 'a'), { code: 'invalid-input' });
        // Built once more under the same name, by the same version.
        const again = await test.views.rebuild('tallies');
        await test.settled();
        assert.equal((await again.ended()).state, 'switched');
        assert.deepEqual((await countsOf(test))[0], { item: 'a', events: 31 });
        projections.splice(0, 1, tallies);
        await assert.rejects(test.restart(), { code: 'invalid-definition', message: /versions only rise/u });
      },

      async 'a dry run compares tables in the database'(stage) {
        let shift = 0;
        const shifting = defineTableProjection({
          name: 'tallies',
          tables: { tallies: NUMBERS },
          on: [
            [
              Counted,
              ({ data }, t) =>
                sql`INSERT INTO ${t.tallies} VALUES (${data.item}, ${data.n + (data.n > 8 ? shift : 0)})`,
            ],
          ],
        });
        const test = await stage.start({ events: [Counted], projections: [shifting] });
        await count(test, ['a'], 10);
        await test.settled();
        const compared = async () => {
          const rebuild = await test.views.rebuild('tallies', { dryRun: true });
          await test.settled();
          return (await rebuild.ended()).comparison;
        };
        const rows = { serving: 10, built: 10 };
        const none = { added: 0, removed: 0, changed: 0, sample: [] };
        assert.deepEqual(await compared(), { rows, differences: none, reason: undefined });
        shift = 100;
        const two = { ...none, added: 2, removed: 2 };
        assert.deepEqual(await compared(), { rows, differences: two, reason: undefined });
      },

      async 'tables that were changed without a new version are refused, and nothing is changed'(stage) {
        const projections: ProjectionDefinition[] = [tallies];
        const test = await stage.start({ events: [Counted], projections });
        await count(test, ['a'], 3);
        await test.settled();
        projections.splice(
          0,
          1,
          defineTableProjection({
            name: 'tallies',
            tables: { tallies: { ...TALLIES, indexes: [] }, numbers: NUMBERS },
            on: [[Counted, () => undefined]],
          }),
        );
        await assert.rejects(test.restart(), {
          code: 'invalid-definition',
          message: /projection tallies: it has other tables .* version above 1/u,
        });
        projections.splice(0, 1, tallies);
        await test.restart();
        assert.deepEqual(await rowsOf(test), [{ item: 'a', total: 6, events: 3 }]);
      },

      async 'a table is one projection’s alone, and gone with it'(stage) {
        const projections: ProjectionDefinition[] = [tallies];
        const test = await stage.start({ events: [Counted], projections });
        await count(test, ['a'], 3);
        await test.settled();
        const other = defineTableProjection({
          name: 'others',
          tables: { tallies: NUMBERS },
          on: [[Counted, ({ data }, t) => sql`INSERT INTO ${t.tallies} VALUES (${data.item}, ${data.n})`]],
        });
        projections.push(other);
        await assert.rejects(test.restart(), { code: 'invalid-definition', message: /view_tallies.*view:tallies/u });
        projections.splice(0, 2);
        await test.restart();
        await test.consumers.remove('tallies');
        projections.push(other);
        await test.restart();
        await test.settled();
        const found = await test.views.select(other, (t) => sql`SELECT n FROM ${t.tallies} ORDER BY n`);
        assert.deepEqual(found, [{ n: 1 }, { n: 2 }, { n: 3 }]);
      },

      async 'a key that is undefined leaves an event out, and values come back as they were'(stage) {
        const kept = defineTableProjection({
          name: 'kept',
          tables: { kept: { columns: 'n BIGINT, big BIGINT, part DOUBLE PRECISION, word TEXT, none TEXT' } },
          key: ({ data }) => (data.n > 1 ? data.item : undefined),
          on: [
            [
              Counted,
              ({ data }, t) =>
                sql`INSERT INTO ${t.kept} VALUES (${data.n}, ${2n ** 60n}, ${0.25}, ${"it's ? $1"}, ${null})`,
            ],
          ],
        });
        const test = await stage.start({ events: [Counted], projections: [kept] });
        await count(test, ['a'], 2);
        await test.settled();
        const found = await test.views.select(kept, (t) => sql`SELECT * FROM ${t.kept}`);
        assert.deepEqual(
          found.map((row) => ({ ...row })),
          [{ n: 2, big: 2n ** 60n, part: 0.25, word: "it's ? $1", none: null }],
        );
      },

      async 'what is taken back is taken out of tables'(stage) {
        const all = defineTableProjection({
          name: 'all',
          tables: { all_totals: { columns: 'id BIGINT PRIMARY KEY, total BIGINT NOT NULL' } },
          on: [
            [
              Totalled,
              ({ data }, t) => sql`INSERT INTO ${t.all_totals} AS t VALUES (1, ${data.sum})
                ON CONFLICT (id) DO UPDATE SET total = t.total + excluded.total`,
              ({ data }, t) => sql`UPDATE ${t.all_totals} SET total = total - ${data.sum}`,
            ],
          ],
        });
        const test = await stage.start({ events: [Measured], windows: [totals], projections: [all] });
        const sumOf = async () =>
          (await test.views.select(all, (t) => sql`SELECT total FROM ${t.all_totals}`))[0]?.['total'];
        await measure(test, 'a', 1, 3);
        await measure(test, 'a', 70, 0);
        await test.settled();
        assert.equal(await sumOf(), 3);
        await measure(test, 'a', 30, 2);
        await measure(test, 'a', 9_000, 0);
        await test.settled();
        assert.equal(await sumOf(), 5, 'a correction replaces what was counted');
      },

      async 'nothing but one statement that reads is asked of tables, and nothing but statements that change them is told'(
        stage,
      ) {
        const test = await stage.start({ events: [Counted], projections: [tallies, sums] });
        const ask = (query: (t: TablesOf<{ tallies: 0; numbers: 0 }>) => Sql) =>
          test.views.select<{ tallies: 0; numbers: 0 }>('tallies', query);
        const bad = { code: 'invalid-input' };
        await assert.rejects(
          ask(() => sql`DELETE FROM events`),
          bad,
        );
        await assert.rejects(
          ask(() => sql`SELECT 1; SELECT 2`),
          bad,
        );
        await assert.rejects(
          ask((t) => sql`SELECT ${t.numbers}, ${undefined as never}`),
          bad,
        );
        await assert.rejects(
          ask((t) => sql`WITH gone AS (SELECT 1) DELETE FROM ${t.tallies}`),
          {
            code: 'statement-refused',
          },
        );
        await assert.rejects(
          ask(() => sql`SELECT n FROM nowhere`),
          {
            code: 'statement-refused',
            message: /nowhere.*in the statement: SELECT n FROM nowhere/u,
          },
        );
        await assert.rejects(
          test.views.select(sums, () => sql`SELECT 1`),
          bad,
        );
        await assert.rejects(test.views.get(tallies, 'a'), {
          code: 'wrong-state',
          message: /view_tallies, view_numbers/u,
        });
        assert.deepEqual(await ask(() => sql`SELECT 1 AS one -- ; not another one`), [{ one: 1 }]);
      },
    },
    'tables',
  );
