import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { defineEvent, defineProjection, open } from '../../src/index.ts';
import { createEnvironment } from '../../src/system/environment.ts';

const Registered = defineEvent({
  type: 'shop.customer.registered',
  stream: (data) => data.customer,
  schema: z.object({ customer: z.string(), email: z.string() }),
  personal: { subject: (data) => data.customer, fields: ['email'] },
});
const customers = defineProjection({
  name: 'customers',
  key: (event) => event.data.customer,
  initial: () => ({ email: '', n: 0 }),
  on: [[Registered, (row, { data }) => ({ email: data.email, n: row.n + 1 })]],
  personal: { subject: (_row, key) => key, fields: ['email'] },
});
const PEOPLE = 20;

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'thereupon-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'store.db');
}

const opened = (file: string) => open({ store: sqlite(file), events: [Registered], projections: [customers] });

it.each(['compared', 'cancelled', 'switched'] as const)(
  'people are forgotten while a view is built and the build is %s: both come to their end, and the program opens again',
  async (how) => {
    const file = newFile();
    const system = await opened(file);
    for (let n = 0; n < 200; n += 1)
      await system.publish(Registered, { customer: `customer-${n % PEOPLE}`, email: `a${n}@b` });
    for (let round = 0; round < 12; round += 1) {
      const building = { isOver: false };
      const built = (async () => {
        const rebuild = await system.views.rebuild(customers, { dryRun: how === 'compared' });
        if (how === 'cancelled') return (await rebuild.cancel().catch(() => rebuild.ended())).state;
        return (await rebuild.ended()).state;
      })().finally(() => (building.isOver = true));
      const forgetting = (async () => {
        // Now at once, now later: at every moment of the build.
        for (let n = 0; !building.isOver; n += 1) {
          await system.forget(`customer-${n % PEOPLE}`);
          await delay((round + n) % 5);
        }
      })();
      const [state] = await Promise.all([built, forgetting]);
      expect([how, 'switched']).toContain(state);
      expect((await system.views.rebuildStatus(customers))?.state).toBe(state);
    }
    await system.close();
    const again = await opened(file);
    await again.settled();
    expect((await again.views.query(customers, { limit: 100 })).items.length).toBe(PEOPLE);
    expect((await again.consumers.status('customers')).state).toBe('running');
    await again.close();
  },
  60_000,
);

it('a record of a build that is none, as an earlier version could leave one behind, stops nobody and goes', async () => {
  const file = newFile();
  const first = await opened(file);
  await first.publish(Registered, { customer: 'customer-1', email: 'a@b' });
  await first.settled();
  await first.close();
  const store = await sqlite(file).open(createEnvironment());
  const record = await store.checkpoints.load('customers');
  expect(record).toBeDefined();
  if (record !== undefined) await store.checkpoints.put({ ...record, consumer: 'customers@build' });
  await store.close();
  const again = await opened(file);
  expect((await again.views.rebuildStatus(customers))?.state).toBeUndefined();
  await expect(again.views.cancelRebuild(customers)).rejects.toMatchObject({ code: 'wrong-state' });
  const rebuild = await again.views.rebuild(customers);
  expect((await rebuild.ended()).state).toBe('switched');
  expect(await again.views.get(customers, 'customer-1')).toEqual({ email: 'a@b', n: 1 });
  await again.close();
});
