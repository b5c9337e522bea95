import { defineEvent, defineTableProjection, sql } from 'thereupon';
import { sqlite } from 'thereupon/sqlite';
import { given, givenIn } from 'thereupon/testing';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { onNewPath } from './sqlite-bench.ts';

const Deposited = defineEvent({
  type: 'bank.money.deposited',
  stream: ({ account }) => `account-${account}`,
  schema: z.object({ account: z.string(), cents: z.int() }),
});
const sums = defineTableProjection({
  name: 'sums',
  tables: { sums: { columns: 'account TEXT PRIMARY KEY, cents BIGINT NOT NULL CHECK (cents < 1000)' } },
  on: [
    [
      Deposited,
      ({ data }, t) => sql`INSERT INTO ${t.sums} AS s VALUES (${data.account}, ${data.cents})
        ON CONFLICT (account) DO UPDATE SET cents = s.cents + excluded.cents`,
    ],
  ],
});
const deposited = (account: string, cents: number) => [Deposited, { account, cents }] as const;

test('a projection with tables of its own is specified by what a query finds in them', () =>
  onNewPath(async (_path, folder) => {
    let runs = 0;
    const on = givenIn({ store: () => sqlite(`${folder}/${(runs += 1)}.db`) });
    const three = [deposited('a', 5), deposited('b', 1), deposited('a', 2)] as const;
    await on(sums, ...three).thenSelect(
      (t) => sql`SELECT * FROM ${t.sums} ORDER BY account`,
      [
        { account: 'a', cents: 7 },
        { account: 'b', cents: 1 },
      ],
    );
    expect(runs).toBe(2);
    const one = on(sums, ...three);
    await expect(
      one.thenSelect((t) => sql`SELECT cents FROM ${t.sums} WHERE account = 'a'`, [{ cents: 8 }]),
    ).rejects.toThrow(/^expected the query to find in the tables of sums[^]*cents: 8[^]*found[^]*cents: 7/);
    await expect(on(sums, deposited('a', 1_000)).thenSelect((t) => sql`SELECT * FROM ${t.sums}`, [])).rejects.toThrow(
      /projection sums failed with bank\.money\.deposited of account-a/,
    );
  }));

test('it says what it needs where there are no tables, or no new store for each run', async () => {
  await expect(
    given(sums, deposited('a', 1)).thenSelect((t) => sql`SELECT * FROM ${t.sums}`, []),
  ).rejects.toMatchObject({
    code: 'capability-missing',
  });
  expect(() => givenIn({ store: 'x.db' as never })).toThrow(/givenIn\.store: expected a function .*found "x\.db"/);
});
