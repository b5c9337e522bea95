import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { defineEvent, defineTableProjection, fillStore, open, readImage, sql } from '../../src/index.ts';

const Sold = defineEvent({
  type: 'shop.item.sold',
  stream: (data) => `item-${data.item}`,
  schema: z.object({ item: z.string(), n: z.int() }),
});
const sales = defineTableProjection({
  name: 'sales',
  tables: { sales: { columns: 'item TEXT PRIMARY KEY, n BIGINT NOT NULL' } },
  on: [
    [
      Sold,
      ({ data }, t) =>
        sql`INSERT INTO ${t.sales} AS s VALUES (${data.item}, ${data.n}) ON CONFLICT (item) DO UPDATE SET n = s.n + excluded.n`,
    ],
  ],
});

test('tables do not go along with an image; in the store that it fills they are made anew of the log, once (G6)', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
  const at = (name: string) => sqlite(join(folder, name));
  const program = { events: [Sold], projections: [sales] };
  const rowsOf = (system: Awaited<ReturnType<typeof openAt>>) =>
    system.views.select(sales, (t) => sql`SELECT * FROM ${t.sales} ORDER BY item`);
  const openAt = async (name: string) => {
    const system = await open({ store: at(name), ...program });
    await system.settled();
    return system;
  };
  try {
    const first = await openAt('from.db');
    for (let n = 1; n <= 10; n += 1) await first.publish(Sold, { item: n % 2 === 0 ? 'a' : 'b', n });
    await first.settled();
    const before = await rowsOf(first);
    expect(before).toEqual([
      { item: 'a', n: 30 },
      { item: 'b', n: 25 },
    ]);
    await first.close();
    await fillStore(at('to.db'), readImage(at('from.db')));
    for (let life = 0; life < 3; life += 1) {
      const moved = await openAt('to.db');
      expect(await rowsOf(moved)).toEqual(before);
      await moved.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
