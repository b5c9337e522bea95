import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { Database } from '../../src/backends/sqlite/database.ts';
import { WalKeeper } from '../../src/backends/sqlite/wal-keeper.ts';
import { silentLogger } from '../../src/system/logger.ts';
import { position } from '../../src/event/position.ts';
import type { Store } from '../../src/store.ts';
import { append, inFile, onNewPath, openAt, openPaced, sampleEvents, streamEvent, withStore } from './sqlite-bench.ts';

const MIB = 1_024 * 1_024;

/** Many callers, each appending one event after the other. */
async function publish(store: Store, count: number, prefix: string, look: () => void = () => undefined): Promise<void> {
  let next = 0;
  const caller = async () => {
    for (let number = (next += 1); number <= count; number = next += 1) {
      await append(
        store,
        streamEvent(`${prefix}${number}`, `order-${number % 5_000}`, { data: JSON.stringify('x'.repeat(900)) }),
      );
      if (number % 200 === 0) look();
    }
  };
  await Promise.all(Array.from({ length: 100 }, caller));
}

describe('the write-ahead log', () => {
  test(
    'stays bounded while somebody always writes (G10)',
    () =>
      onNewPath((path) =>
        withStore(path, async (store) => {
          let largest = 0;
          await publish(store, 60_000, 'e', () => (largest = Math.max(largest, statSync(`${path}-wal`).size)));
          // 75 MiB of events went through it.
          expect(statSync(path).size).toBeGreaterThan(40 * MIB);
          expect(largest).toBeLessThan(48 * MIB);
        }),
      ),
    60_000,
  );

  test('is said once not to move, however often it is tried, and again after it moved', () =>
    onNewPath(async (path) => {
      const said: string[] = [];
      const logger = { ...silentLogger, warn: (_: unknown, text: string) => void said.push(text) };
      const database = new Database(path, { readOnly: false, cacheBytes: MIB });
      database.execute('PRAGMA journal_mode = WAL; CREATE TABLE things (thing TEXT)');
      const keeper = new WalKeeper(database, path, logger);
      for (const blocked of [1, 2]) {
        // SQLite refuses to move the log of a connection that writes.
        database.begin();
        database.change('INSERT INTO things VALUES (?)').run('x');
        for (let tries = 0; tries < 3; tries += 1) keeper.relieve();
        expect(said).toHaveLength(blocked);
        database.rollback();
        keeper.relieve();
        expect(said).toHaveLength(blocked);
      }
      await keeper.close();
      database.close();
    }));

  test('stays bounded while nothing lets the event loop turn (G10)', () =>
    onNewPath(async (path) => {
      const database = new Database(path, { readOnly: false, cacheBytes: MIB });
      database.execute('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE things (thing TEXT)');
      const keeper = new WalKeeper(database, path, silentLogger, {
        startFrames: 100,
        restFrames: 10,
        maxFrames: 1_000,
      });
      let largest = 0;
      for (let count = 0; count < 300; count += 1) {
        database.transaction(() => database.change('INSERT INTO things VALUES (?)').run('x'.repeat(200_000)));
        keeper.flushed(200_000);
        largest = Math.max(largest, statSync(`${path}-wal`).size);
      }
      await keeper.close();
      database.close();
      // 60 MB went through it; the limit is 4 MB and what is written between two looks.
      expect(largest).toBeLessThan(6 * MIB);
    }));

  test('is emptied into the file when a store is closed', () =>
    onNewPath(async (path) => {
      await withStore(path, (store) => publish(store, 2_000, 'e'));
      expect(statSync(`${path}-wal`, { throwIfNoEntry: false })).toBeUndefined();
      await withStore(path, async (store) => expect(await store.log.head()).toBe(2_000));
    }));

  test(
    'goes on past a reader that holds on to an old state, and is short again when it lets go',
    () =>
      onNewPath((path) =>
        withStore(path, async (store) => {
          await publish(store, 100, 'a');
          const reader = new DatabaseSync(path);
          const frames = () => Number(reader.prepare('PRAGMA wal_checkpoint(NOOP)').get()?.['log']);
          reader.exec('BEGIN; SELECT * FROM events LIMIT 1');
          await publish(store, 20_000, 'b');
          const held = inFile(path, (file) => Number(file.prepare('PRAGMA wal_checkpoint(NOOP)').get()?.['log']));
          reader.exec('COMMIT');
          expect(held).toBeGreaterThan(4_096);
          await publish(store, 20_000, 'c');
          expect(await store.log.head()).toBe(40_100);
          expect(frames()).toBeLessThan(held);
          reader.close();
        }),
      ),
    60_000,
  );
});

describe('a store that has grown', () => {
  test(
    'opens at once, whatever of the stream index is still to be written',
    () =>
      onNewPath(async (path) => {
        const store = await openAt(path);
        for (let batch = 0; batch < 60; batch += 1) {
          await append(
            store,
            ...sampleEvents(`${batch}-`, 1_000).map((event, index) => ({
              ...event,
              stream: `order-${(batch * 7_919 + index * 31) % 20_000}`,
            })),
          );
        }
        await store.close();
        const unwritten = inFile(path, (file) =>
          file.prepare('SELECT max(position) - (SELECT heads_upto FROM log_state) AS count FROM events').get(),
        );
        expect(Number(unwritten?.['count'])).toBeGreaterThan(10_000);
        const startMs = performance.now();
        const again = await openAt(path);
        // 60 ms on a quiet machine; the limit is for a busy one.
        expect(performance.now() - startMs).toBeLessThan(1_000);
        expect(await again.log.head()).toBe(60_000);
        await again.close();
      }),
    60_000,
  );

  test('the space of removed events is used again', () =>
    onNewPath((path) =>
      withStore(path, async (store) => {
        const sizes: number[] = [];
        for (let round = 0; round < 6; round += 1) {
          await publish(store, 2_000, `${round}-`);
          await store.log.trim({
            category: 'order',
            keepNewest: 0,
            notAbove: position(Number.MAX_SAFE_INTEGER),
            keep: [],
            limit: 10_000,
          });
          sizes.push(Number(inFile(path, (file) => file.prepare('PRAGMA page_count').get())?.['page_count']));
        }
        // What stays of an event is its identity.
        const perRound = (Number(sizes.at(-1)) - Number(sizes[1])) / 4;
        expect(perRound).toBeLessThan(Number(sizes[0]) / 4);
      }),
    ));

  test('removing events stops at once what was being written behind from coming back (G2, G5)', () =>
    onNewPath(async (path) => {
      const store = await openPaced(path, { generationEvents: 50, markEvery: 8 });
      for (let batch = 0; batch < 10; batch += 1)
        await append(
          store,
          ...sampleEvents(`${batch}-`, 30).map((event, index) => ({ ...event, stream: `order-${index % 10}` })),
        );
      await store.log.deleteStream('order-3');
      await store.log.truncateStream('order-4', 31);
      await store.log.trim({
        category: 'order',
        keepNewest: 20,
        notAbove: position(Number.MAX_SAFE_INTEGER),
        keep: [position(5)],
        limit: 1_000,
      });
      const states = async (of: Store) =>
        Promise.all(Array.from({ length: 10 }, (_, index) => of.log.streamState(`order-${index}`)));
      const before = await states(store);
      expect(before[3]).toEqual({ stream: 'order-3', version: 30, firstVersion: 31, deleted: true });
      expect(before[4]).toMatchObject({ version: 30, deleted: false });
      await store.close();
      await withStore(path, async (again) => {
        expect(await states(again)).toEqual(before);
        expect(await append(again, streamEvent('next', 'order-4'))).toMatchObject({
          ok: true,
          events: [{ version: 31, position: 301 }],
        });
        expect((await again.report(true)).problems).toEqual([]);
      });
    }));
});
