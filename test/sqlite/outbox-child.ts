import { writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { interceptedFactory } from '../../src/testing/intercepted-store.ts';
import { order, Placed, program } from './outbox-bench.ts';

/**
 * A program with a database of its own beside the store, in another process: `node outbox-child.ts <folder> <what> [seed]`. Most of its
 * acts end with SIGKILL, at an instant that is exactly known or anywhere.
 */
const [folder = '', what = '', seed = '0'] = process.argv.slice(2);
const store = `${folder}/store.db`;
const database = new DatabaseSync(`${folder}/own.db`);
database.exec('CREATE TABLE IF NOT EXISTS invoices (name TEXT PRIMARY KEY)');

function tell(message: unknown): void {
  writeSync(1, `${JSON.stringify(message)}\n`);
}

const die = () => process.kill(process.pid, 'SIGKILL');

const ACTS: Readonly<Record<string, () => Promise<void>>> = {
  /** Dies with the commit: no timer fires between the two. */
  async commit() {
    const system = await program({ store, outboxes: [database] });
    database.exec('BEGIN');
    await system.publishWithin(database, [order('a1'), order('a2')]);
    database.exec('COMMIT');
    die();
  },

  /** Dies with the transaction open. */
  async put() {
    const system = await program({ store, outboxes: [database] });
    database.exec('BEGIN');
    await system.publishWithin(database, [order('never')]);
    die();
  },

  /** Dies when the log has what was committed, and before the outbox is told. */
  async append() {
    const dying = interceptedFactory(sqlite(store), async (call) => {
      const answer = await call.proceed();
      const [request] = call.input as [{ events?: readonly { type: string }[] }];
      if (call.method === 'append' && request.events?.some(({ type }) => type === Placed.type)) die();
      return answer;
    });
    const system = await program({ store: dying, outboxes: [database] });
    database.exec('BEGIN');
    await system.publishWithin(database, [order('a1'), order('a2')]);
    database.exec('COMMIT');
  },

  /** Commits and rolls back until it is killed. */
  async work() {
    const system = await program({ store, outboxes: [database] });
    const insert = database.prepare('INSERT INTO invoices VALUES (?)');
    tell('begun');
    for (let turn = 0; ; turn += 1) {
      const names = Array.from({ length: 1 + (turn % 3) }, (_, part) => `${seed}/${turn}/${part}`);
      database.exec('BEGIN');
      for (const name of names) insert.run(name);
      await system.publishWithin(
        database,
        names.map((name) => order(name)),
      );
      database.exec(turn % 5 === 4 ? 'ROLLBACK' : 'COMMIT');
      tell(turn);
      await new Promise((resolve) => setImmediate(resolve));
    }
  },

  /** Holds the right to write in the program's own database until standard input ends. */
  async lock() {
    database.exec('BEGIN IMMEDIATE');
    tell('locked');
    for await (const _chunk of process.stdin);
    database.exec('ROLLBACK');
  },
};

await ACTS[what]?.();
// What is under way may take its time.
if (what === 'append') await new Promise((resolve) => setTimeout(resolve, 30_000));
