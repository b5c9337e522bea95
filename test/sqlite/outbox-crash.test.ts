import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { mulberry32 } from '../crash/mulberry.ts';
import type { Program } from './outbox-bench.ts';
import { order, Placed, program, recorded, transaction, until, waiting, warnings } from './outbox-bench.ts';
import { Child } from './process.ts';
import { onNewPath } from './sqlite-bench.ts';

/** Each takes 2 s, or 5 s on a busy machine. */
const KILLS = Number(process.env['CRASH_KILLS'] ?? 6);
const PROGRAM = fileURLToPath(new URL('outbox-child.ts', import.meta.url));

/** A system on what the child left. */
async function onLeft(folder: string, body: (system: Program, database: DatabaseSync) => Promise<void>): Promise<void> {
  const database = new DatabaseSync(join(folder, 'own.db'));
  const system = await program({ store: join(folder, 'store.db'), outboxes: [database] });
  await system.settled();
  await body(system, database);
  await system.close();
  database.close();
}

describe('a process that is killed', () => {
  test.each([
    ['with the commit, before anything is relayed', 'commit', ['a1', 'a2'], 1],
    ['when the log has the facts, before the outbox is told', 'append', ['a1', 'a2'], 1],
    ['with the transaction open', 'put', [], 0],
  ] as const)('%s leaves what the next start records exactly once (G1, G2)', (_when, act, facts, left) =>
    onNewPath(async (_path, folder) => {
      const child = new Child(folder, act, { program: PROGRAM });
      await child.ended();
      expect(child.process.signalCode).toBe('SIGKILL');
      const found = new DatabaseSync(join(folder, 'own.db'));
      expect(waiting(found)).toBe(left);
      found.close();
      for (let start = 0; start < 2; start += 1)
        await onLeft(folder, async (system, database) => {
          expect(await recorded(system)).toEqual(facts);
          await until(() => waiting(database) === 0);
        });
    }),
  );

  test(
    'anywhere, again and again, leaves exactly the facts of the transactions that committed, once, in their order (G1, G2, G5)',
    () =>
      onNewPath(async (_path, folder) => {
        const seed = Number(process.env['CRASH_SEED'] ?? systemClock.now() % 1_000_000);
        const random = mulberry32(seed);
        let committed = 0;
        for (let life = 0; life < KILLS; life += 1) {
          const child = new Child(folder, 'work', { program: PROGRAM, seed: `${seed}-${life}` });
          await child.next();
          const turns = Math.floor(random() * 150);
          for (let turn = 0; turn < turns; turn += 1) await child.next();
          await child.kill();
          await onLeft(folder, async (system, database) => {
            const invoices = database.prepare('SELECT name FROM invoices ORDER BY rowid').all();
            const names = invoices.map(({ name }) => name);
            expect(await recorded(system), `seed ${seed}`).toEqual(names);
            committed = names.length;
          });
        }
        expect(committed).toBeGreaterThan(0);
      }),
    KILLS * 20_000,
  );
});

describe('another process', () => {
  test('that writes to the database of the program holds up nobody, and nothing is lost (G11)', () =>
    onNewPath(async (path, folder) => {
      const { logger, said } = warnings();
      await new Child(folder, 'commit', { program: PROGRAM }).ended();
      const locking = new Child(folder, 'lock', { program: PROGRAM });
      expect(await locking.next()).toBe('locked');
      const database = new DatabaseSync(join(folder, 'own.db'), { timeout: 2_000 });
      const system = await program({ store: path, outboxes: [database], logger });
      // What is committed can be read, and recorded; it cannot be removed yet.
      await until(async () => (await recorded(system)).length === 2);
      await until(() => said.length === 1);
      const fromMs = systemClock.now();
      await system.publish(Placed, { order: 'b', total: 1 }, { id: 'b' });
      await system.settled();
      expect(systemClock.now() - fromMs).toBeLessThan(1_500);
      await waitFor(systemClock, 500);
      expect(said).toHaveLength(1);
      expect(waiting(database)).toBe(1);
      locking.process.stdin.end();
      expect(await locking.ended()).toEqual({ code: 0, errors: '' });
      await until(() => waiting(database) === 0);
      await transaction(database, () => system.publishWithin(database, [order('c')]));
      await system.settled();
      expect(await recorded(system)).toEqual(['a1', 'a2', 'b', 'c']);
      await system.close();
      database.close();
    }));
});
