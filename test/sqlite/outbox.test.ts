import { linkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  defineEvent,
  EventDataInvalid,
  InvalidInput,
  open,
  StoreDefect,
  StoreUnavailable,
  WrongState,
} from '../../src/index.ts';
import { memory } from '../../src/backends/memory/memory.ts';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import type { AppendRequest } from '../../src/channel/event-log.ts';
import type { PortCall } from '../../src/testing/intercepted-store.ts';
import { interceptedFactory } from '../../src/testing/intercepted-store.ts';
import { systemClock, waitFor } from '../../src/system/clock.ts';
import { order, Placed, program, recorded, refusals, transaction, until, waiting, warnings } from './outbox-bench.ts';
import { inFile, onNewPath } from './sqlite-bench.ts';

/** A write of what the tests publish: not of what the system reports. */
function isOfOrders(call: PortCall): call is PortCall & { input: [AppendRequest] } {
  if (call.method !== 'append') return false;
  const [request] = call.input as [AppendRequest];
  return request.events.some(({ type }) => type === Placed.type);
}

/** On a store in memory and one in a file, with the program's own database in a file beside it. */
function onEachStore(name: string, body: (store: string, database: DatabaseSync) => Promise<void>): void {
  test.each(['memory:', 'a file'])(`${name}; the store is %s`, (kind) =>
    onNewPath(async (path, folder) => {
      const database = new DatabaseSync(join(folder, 'own.db'));
      await body(kind === 'memory:' ? kind : path, database);
      if (database.isOpen) database.close();
    }),
  );
}

describe('publishing in a transaction on a database of the program', () => {
  onEachStore('is recorded and reacted to when it commits, whole (G1, G3)', async (store, database) => {
    const seen: string[] = [];
    const system = await program({ store, outboxes: [database], seen });
    database.exec('CREATE TABLE invoices (name TEXT)');
    database.exec('BEGIN');
    database.exec(`INSERT INTO invoices VALUES ('a')`);
    expect(await system.publishWithin(database, [order('a1'), order('a2')])).toEqual([
      { id: 'a1', source: '/thereupon', quarantined: false },
      { id: 'a2', source: '/thereupon', quarantined: false },
    ]);
    await system.publish(Placed, { order: 'b', total: 1 }, { id: 'b' });
    await waitFor(systemClock, 150);
    await system.settled();
    expect(seen).toEqual(['b']);
    database.exec('COMMIT');
    await until(() => seen.length === 3);
    expect(seen).toEqual(['b', 'a1', 'a2']);
    await until(() => waiting(database) === 0);
    await system.close();
    expect(database.isOpen).toBe(true);
  });

  onEachStore(
    'is never recorded when it does not, nor a part of it that is taken back (G1)',
    async (store, database) => {
      const system = await program({ store, outboxes: [database] });
      database.exec('BEGIN');
      await system.publishWithin(database, [order('never')]);
      database.exec('ROLLBACK');
      database.exec('BEGIN');
      await system.publishWithin(database, [order('first')]);
      database.exec('SAVEPOINT part');
      await system.publishWithin(database, [order('taken back')]);
      database.exec('ROLLBACK TO part');
      await system.publishWithin(database, [order('second')]);
      database.exec('SAVEPOINT kept');
      await system.publishWithin(database, [order('third')]);
      database.exec('RELEASE kept');
      database.exec('COMMIT');
      await system.settled();
      expect(await recorded(system)).toEqual(['first', 'second', 'third']);
      await system.close();
    },
  );

  onEachStore('is recorded in the order of the commits, from several outboxes (G5)', async (store, database) => {
    const other = new DatabaseSync(':memory:', { readBigInts: true, returnArrays: true, timeout: 100 });
    const system = await program({ store, outboxes: [database, other] });
    const names = Array.from({ length: 250 }, (_, n) => `n${n}`);
    for (const name of names) {
      await transaction(database, () => system.publishWithin(database, [order(`own ${name}`)]));
      await transaction(other, () => system.publishWithin(other, [order(`other ${name}`)]));
    }
    await system.settled();
    const ids = await recorded(system);
    expect(ids.filter((id) => id.startsWith('own'))).toEqual(names.map((name) => `own ${name}`));
    expect(ids.filter((id) => id.startsWith('other'))).toEqual(names.map((name) => `other ${name}`));
    expect(other.prepare('PRAGMA busy_timeout').get()).toEqual([100n]);
    await system.close();
    other.close();
  });

  onEachStore('holds up no other publisher and no consumer while it is open for seconds', async (store, database) => {
    const seen: string[] = [];
    const other = new DatabaseSync(':memory:');
    const system = await program({ store, outboxes: [database, other], seen });
    database.exec('BEGIN IMMEDIATE');
    await system.publishWithin(database, [order('long')]);
    const endMs = systemClock.now() + 2_000;
    let slowestMs = 0;
    let count = 0;
    for (; systemClock.now() < endMs; count += 1) {
      const fromMs = systemClock.now();
      await system.publish(Placed, { order: `p${count}`, total: 1 }, { id: `p${count}` });
      await transaction(other, () => system.publishWithin(other, [order(`o${count}`)]));
      await system.settled();
      slowestMs = Math.max(slowestMs, systemClock.now() - fromMs);
    }
    expect(seen.length).toBe(2 * count);
    expect(seen).not.toContain('long');
    expect(count).toBeGreaterThan(20);
    expect(slowestMs).toBeLessThan(1_000);
    database.exec('COMMIT');
    await until(() => seen.includes('long'));
    await system.close();
    other.close();
  });

  onEachStore(
    'what the log refuses then stands whole in a report, and stops no other (G2, G11)',
    async (store, database) => {
      const system = await program({ store, outboxes: [database] });
      await system.publish(Placed, { order: 'x', total: 1 }, { id: 'x' });
      await transaction(database, async () => {
        await system.publishWithin(database, [order('before')]);
        await system.publishWithin(database, [order('x', 2), order('y')]);
        await system.publishWithin(database, [order('after')]);
      });
      await system.settled();
      const reports = await refusals(system);
      expect(reports.map(({ data }) => data)).toMatchObject([
        {
          reason: 'content-conflict',
          id: 'x',
          events: [
            { id: 'x', data: '{"order":"x","total":2}' },
            { id: 'y', data: '{"order":"y","total":1}' },
          ],
        },
      ]);
      expect(await recorded(system)).toEqual(['x', 'before', 'after']);
      await until(() => waiting(database) === 0);
      await system.close();
    },
  );

  test('large entries come whole, a bounded number at a time (G3, G10)', async () => {
    const written: number[] = [];
    const store = interceptedFactory(memory(), (call) => {
      if (isOfOrders(call)) written.push(call.input[0].events.length);
      return call.proceed();
    });
    const database = new DatabaseSync(':memory:');
    const system = await program({ store, outboxes: [database] });
    const long = 'x'.repeat(600_000);
    await transaction(database, async () => {
      for (let n = 0; n < 6; n += 1)
        await system.publishWithin(database, [
          { event: Placed, data: { order: `${n}${long}`, total: 1 }, options: { id: `${n}a`, stream: 's' } },
          { event: Placed, data: { order: `${n}`, total: 1 }, options: { id: `${n}b`, stream: 's' } },
        ]);
    });
    await system.settled();
    expect(await recorded(system)).toEqual([0, 1, 2, 3, 4, 5].flatMap((n) => [`${n}a`, `${n}b`]));
    expect(written).toEqual([4, 4, 4]);
    await system.close();
  });

  test('waits in its order while the log takes nothing (G5)', async () => {
    let down = true;
    const { logger, said } = warnings();
    const store = interceptedFactory(memory(), (call) => {
      if (down && isOfOrders(call)) throw new StoreUnavailable('memory', 'the disk is full');
      return call.proceed();
    });
    const database = new DatabaseSync(':memory:');
    const system = await program({ store, outboxes: [database], logger });
    await transaction(database, () => system.publishWithin(database, [order('a')]));
    await until(() => said.length === 1);
    await transaction(database, () => system.publishWithin(database, [order('b')]));
    down = false;
    await until(async () => (await recorded(system)).length === 2);
    expect(await recorded(system)).toEqual(['a', 'b']);
    await system.close();
  });

  test('one that the store cannot hold keeps nobody else waiting (G7, G11)', async () => {
    const store = interceptedFactory(memory(), async (call) => {
      if (isOfOrders(call) && call.input[0].events.some(({ id }) => id === 'bad'))
        throw new StoreDefect('memory', 'cannot hold it');
      return call.proceed();
    });
    const database = new DatabaseSync(':memory:');
    const system = await program({ store, outboxes: [database] });
    await transaction(database, async () => {
      for (const id of ['first', 'bad', 'last']) await system.publishWithin(database, [order(id)]);
    });
    await system.settled();
    expect(await recorded(system)).toEqual(['first', 'last']);
    expect((await refusals(system)).map(({ data }) => data)).toMatchObject([
      { reason: 'store-defect', events: [{ id: 'bad' }] },
    ]);
    await system.close();
  });

  onEachStore('a call outside a transaction is one by itself (G3)', async (store, database) => {
    const system = await program({ store, outboxes: [database] });
    await system.publishWithin(database, [order('a'), order('b')]);
    await system.close();
    const next = await program({ store, outboxes: [database] });
    if (store !== 'memory:') expect(await recorded(next)).toEqual(['a', 'b']);
    expect(waiting(database)).toBe(0);
    await next.close();
  });
});

describe('the connection of the program', () => {
  test('is left alone while a transaction is open, and what was relayed is removed after it', () =>
    onNewPath(async (path, folder) => {
      const database = new DatabaseSync(join(folder, 'own.db'));
      const system = await program({ store: path, outboxes: [database] });
      await transaction(database, () => system.publishWithin(database, [order('a')]));
      await until(async () => (await recorded(system)).length === 1);
      database.exec('BEGIN');
      let statements = 0;
      database.setAuthorizer(() => {
        statements += 1;
        return 0;
      });
      await waitFor(systemClock, 300);
      expect(statements).toBe(0);
      database.setAuthorizer(null);
      database.exec('COMMIT');
      await until(() => waiting(database) === 0);
      expect(await recorded(system)).toEqual(['a']);
      await system.close();
      database.close();
    }));

  test('is not read while a statement holds rows that are not committed yet (G1)', async () => {
    const database = new DatabaseSync(':memory:');
    database.exec("CREATE TABLE orders (name TEXT, placed INTEGER); INSERT INTO orders (name) VALUES ('a'), ('b')");
    const system = await program({ store: 'memory:', outboxes: [database] });
    const rows = database.prepare('UPDATE orders SET placed = 1 RETURNING name').iterate();
    rows.next();
    await system.publishWithin(database, [order('a')]);
    expect(database.isTransaction).toBe(false);
    await system.settled();
    expect(await recorded(system)).toEqual([]);
    expect([...rows]).toEqual([{ name: 'b' }]);
    await until(async () => (await recorded(system)).length === 1);
    await system.close();
  });

  test('costs nothing when nothing waits', async () => {
    const database = new DatabaseSync(':memory:');
    const system = await program({ store: 'memory:', outboxes: [database] });
    await transaction(database, () => system.publishWithin(database, [order('a')]));
    database.exec('BEGIN');
    await system.publishWithin(database, [order('never')]);
    database.exec('ROLLBACK');
    await until(() => waiting(database) === 0);
    await system.settled();
    let statements = 0;
    database.setAuthorizer(() => {
      statements += 1;
      return 0;
    });
    await waitFor(systemClock, 500);
    expect(statements).toBe(0);
    database.setAuthorizer(null);
    await system.close();
  });

  test('may be one of several to the same file, of which none waits for the others', () =>
    onNewPath(async (path, folder) => {
      const [one, other] = [0, 1].map(() => new DatabaseSync(join(folder, 'own.db'), { timeout: 5_000 })) as [
        DatabaseSync,
        DatabaseSync,
      ];
      const system = await program({ store: path, outboxes: [one, other] });
      await transaction(one, () => system.publishWithin(one, [order('a')]));
      other.exec('BEGIN IMMEDIATE');
      await system.publishWithin(other, [order('b')]);
      const fromMs = systemClock.now();
      await until(async () => (await recorded(system)).length === 1);
      await system.publish(Placed, { order: 'c', total: 1 }, { id: 'c' });
      // It would have waited for a lock that its own thread holds.
      expect(systemClock.now() - fromMs).toBeLessThan(4_000);
      other.exec('COMMIT');
      await until(() => waiting(one) === 0);
      expect(await recorded(system)).toEqual(['a', 'c', 'b']);
      await system.close();
      one.close();
      other.close();
    }));

  test('that is locked or closed for a while loses nothing, and is logged once (G11)', () =>
    onNewPath(async (path, folder) => {
      const { logger, said } = warnings();
      const database = new DatabaseSync(join(folder, 'own.db'), { timeout: 5_000 });
      const system = await program({ store: path, outboxes: [database], logger });
      await transaction(database, () => system.publishWithin(database, [order('a')]));
      const other = new DatabaseSync(join(folder, 'own.db'));
      other.exec('BEGIN EXCLUSIVE');
      await until(() => said.length === 1);
      await waitFor(systemClock, 700);
      expect(said).toHaveLength(1);
      other.exec('COMMIT');
      await until(async () => (await recorded(system)).length === 1);
      await until(() => waiting(other) === 0);

      await transaction(database, () => system.publishWithin(database, [order('b')]));
      database.close();
      await until(() => said.length === 2);
      await expect(system.publishWithin(database, [order('c')])).rejects.toThrow('not open');
      database.open();
      await until(async () => (await recorded(system)).length === 2);
      await system.close();
      database.close();
      other.close();
    }));

  test('may be closed before the system, where nothing waits', async () => {
    const { logger, said } = warnings();
    const database = new DatabaseSync(':memory:');
    const system = await program({ store: 'memory:', outboxes: [database], logger });
    await transaction(database, () => system.publishWithin(database, [order('a')]));
    await system.settled();
    database.close();
    await system.close();
    expect(said).toEqual([]);
  });
});

describe('closing the system', () => {
  test('records what is committed, and leaves what is not for the next start (G1)', () =>
    onNewPath(async (path, folder) => {
      const database = new DatabaseSync(join(folder, 'own.db'));
      const first = await program({ store: path, outboxes: [database] });
      for (let n = 0; n < 250; n += 1) await first.publishWithin(database, [order(`n${n}`)]);
      await first.close();
      expect(waiting(database)).toBe(0);
      const second = await program({ store: path, outboxes: [database] });
      expect(await recorded(second)).toHaveLength(250);
      database.exec('BEGIN');
      await second.publishWithin(database, [order('late')]);
      await second.close();
      database.exec('COMMIT');
      const third = await program({ store: path, outboxes: [database] });
      await until(async () => (await recorded(third)).includes('late'));
      await third.close();
      database.close();
    }));
});

describe('what cannot be published within', () => {
  test('a transaction that has ended, or begun, while the schemas took their time (G1)', async () => {
    const database = new DatabaseSync(':memory:');
    let finish = () => {};
    const Slow = defineEvent({
      type: 'slow',
      schema: z.object({ a: z.string() }).refine(() => new Promise((resolve) => (finish = () => resolve(true)))),
    });
    const system = await open({ store: 'memory:', events: [Slow], outboxes: [database] });
    const publications = [{ event: Slow, data: { a: 'x' } }];
    for (const [before, after] of [
      ['BEGIN', 'COMMIT'],
      ['', 'BEGIN'],
    ] as const) {
      database.exec(before);
      const published = system.publishWithin(database, publications);
      database.exec(after);
      finish();
      await expect(published).rejects.toThrow(WrongState);
    }
    database.exec('COMMIT');
    expect(waiting(database)).toBe(0);
    await system.close();
  });

  test('data that does not fit, and nothing is put', async () => {
    const database = new DatabaseSync(':memory:');
    const system = await program({ store: 'memory:', outboxes: [database] });
    const wrong = { event: Placed, data: { order: 'z' } as never };
    await expect(system.publishWithin(database, [order('a'), wrong])).rejects.toThrow(EventDataInvalid);
    expect(await system.publishWithin(database, [])).toEqual([]);
    expect(waiting(database)).toBe(0);
    await system.close();
  });

  test('is written before the call returns, for functions that cannot wait', async () => {
    const database = new DatabaseSync(':memory:');
    const system = await program({ store: 'memory:', outboxes: [database] });
    database.exec('BEGIN');
    const published = system.publishWithin(database, [order('a')]);
    database.exec('COMMIT');
    expect(waiting(database)).toBe(1);
    await published;
    await system.settled();
    expect(await recorded(system)).toEqual(['a']);
    await system.close();
  });

  test('a database that the system does not know, in words that say what to do', async () => {
    const [known, unknown] = [new DatabaseSync(':memory:'), new DatabaseSync(':memory:')];
    const system = await program({ store: 'memory:', outboxes: [known] });
    await expect(system.publishWithin(unknown, [order('a')])).rejects.toThrow(
      'transaction: expected a database that the system knows from its start (open({ outboxes: [database], … })), found ":memory:"',
    );
    await expect(system.publishWithin({} as never, [order('a')])).rejects.toThrow(
      'transaction: expected a DatabaseSync of node:sqlite, or a connection with query(sql, params)',
    );
    await system.close();
  });
});

describe('which databases can have an outbox', () => {
  const refusal = (outboxes: readonly unknown[], store = 'memory:') =>
    program({ store, outboxes: outboxes as DatabaseSync[] }).then(
      () => undefined,
      (error: unknown) => error,
    );

  test('open ones of node:sqlite, in no transaction, each once', async () => {
    const database = new DatabaseSync(':memory:');
    expect(await refusal(['own.db'])).toMatchObject({ message: /^outboxes\[0\]: expected a DatabaseSync/ });
    expect(await refusal('own.db' as never)).toBeInstanceOf(InvalidInput);
    expect(await refusal([database, database])).toMatchObject({
      message: /^outboxes\[1\]: expected each database once/,
    });
    database.exec('BEGIN');
    expect(await refusal([database])).toMatchObject({ message: /in no transaction/ });
    database.close();
    expect(await refusal([database])).toMatchObject({ message: /^outboxes\[0\]: expected an open database/ });
  });

  test('those that can be written, and that have no such table of their own', () =>
    onNewPath(async (_path, folder) => {
      const own = join(folder, 'own.db');
      inFile(own, (database) => database.exec('CREATE TABLE a (b)'));
      const readOnly = new DatabaseSync(own, { readOnly: true });
      expect(await refusal([readOnly])).toMatchObject({ message: /expected a database that can be written/ });
      const writable = new DatabaseSync(own);
      await (await program({ store: 'memory:', outboxes: [writable] })).close();
      expect(await refusal([readOnly])).toMatchObject({ message: /expected a database that can be written/ });
      const locking = new DatabaseSync(own);
      locking.exec('BEGIN IMMEDIATE');
      await (await program({ store: 'memory:', outboxes: [writable] })).close();
      locking.exec('ROLLBACK; BEGIN EXCLUSIVE');
      expect(await refusal([writable])).toBeInstanceOf(StoreUnavailable);
      locking.exec('ROLLBACK');
      const foreign = new DatabaseSync(':memory:');
      foreign.exec('CREATE TABLE thereupon_outbox (a)');
      expect(await refusal([foreign])).toMatchObject({ message: /without a table thereupon_outbox of its own/ });
      for (const database of [readOnly, writable, locking]) database.close();
    }));

  test('not the file of the store, under whichever name, and it is not touched', () =>
    onNewPath(async (path, folder) => {
      const first = await program({ store: path });
      await first.close();
      const [symbolic, hard] = [join(folder, 'symbolic.db'), join(folder, 'hard.db')];
      symlinkSync(path, symbolic);
      linkSync(path, hard);
      for (const name of [path, symbolic, hard]) {
        const database = new DatabaseSync(name);
        const error = await refusal([database], path);
        expect(error).toBeInstanceOf(InvalidInput);
        expect(error).toMatchObject({ message: /in a file of its own.*is the file of the store/ });
        database.close();
      }
      expect(
        inFile(path, (database) => database.prepare(`SELECT name FROM sqlite_schema WHERE name LIKE '%outbox%'`).all()),
      ).toEqual([]);
      // A file that is yet to be made a store.
      const fresh = new DatabaseSync(join(folder, 'fresh.db'));
      expect(await refusal([fresh], join(folder, 'fresh.db'))).toBeInstanceOf(InvalidInput);
      fresh.close();
    }));

  test('a store that is only read leaves them alone', () =>
    onNewPath(async (path) => {
      await (await program({ store: path })).close();
      const database = new DatabaseSync(':memory:');
      const system = await program({ store: sqlite(path, { readOnly: true }), outboxes: [database] });
      await expect(system.publishWithin(database, [order('a')])).rejects.toThrow('open read-only');
      expect(() => waiting(database)).toThrow('no such table');
      await system.close();
    }));
});
