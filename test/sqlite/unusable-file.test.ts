import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { StoreUnavailable, StoreUnusable } from '../../src/errors.ts';
import {
  append,
  inFile,
  onNewPath,
  openAt,
  openPaced,
  sampleEvent,
  sampleEvents,
  streamEvent,
  withStore,
} from './sqlite-bench.ts';

/** Opening is refused for this reason, and neither the file nor its folder changes. */
async function isRefused(path: string, folder: string, reason: RegExp): Promise<void> {
  const before = { bytes: readFileSync(path), files: readdirSync(folder), mtimeMs: statSync(path).mtimeMs };
  for (const readOnly of [false, true]) {
    const opening = openAt(path, { readOnly });
    await expect(opening).rejects.toThrow(StoreUnusable);
    await expect(opening).rejects.toThrow(reason);
  }
  expect({ bytes: readFileSync(path), files: readdirSync(folder), mtimeMs: statSync(path).mtimeMs }).toEqual(before);
}

describe('a file that cannot be a store is refused and stays as it is', () => {
  test.each([
    ['a text', Buffer.from('orderId,customer\n1,a\n'.repeat(500))],
    ['a short text', Buffer.from('hello')],
    ['zeros', Buffer.alloc(8_192)],
    ['half a header', Buffer.from('SQLite format 3\0')],
  ])('%s', (_what, content) =>
    onNewPath(async (path, folder) => {
      writeFileSync(path, content);
      await isRefused(path, folder, /not a SQLite database/);
    }),
  );

  test('the database of another program', () =>
    onNewPath(async (path, folder) => {
      inFile(path, (database) => database.exec('CREATE TABLE customers (name TEXT)'));
      await isRefused(path, folder, /another program/);
    }));

  test('the database of another program that names itself', () =>
    onNewPath(async (path, folder) => {
      inFile(path, (database) => database.exec('PRAGMA application_id = 1; PRAGMA user_version = 1'));
      await isRefused(path, folder, /another program/);
    }));

  test('a store of a newer version', () =>
    onNewPath(async (path, folder) => {
      await withStore(path, (store) => append(store, sampleEvent('e1')));
      inFile(path, (database) => database.exec('PRAGMA journal_mode = DELETE; PRAGMA user_version = 99'));
      await isRefused(path, folder, /schema version 99.*update thereupon/);
    }));

  test('a folder', () =>
    onNewPath(async (path) => {
      mkdirSync(path);
      await expect(openAt(path)).rejects.toThrow(/is a folder; name a file in it/);
      expect(readdirSync(path)).toEqual([]);
    }));
});

describe('opening', () => {
  test('an empty file becomes a store', () =>
    onNewPath(async (path) => {
      writeFileSync(path, '');
      await withStore(path, (store) => append(store, sampleEvent('e1')));
      await withStore(path, async (store) => expect(await store.log.head()).toBe(1));
    }));

  test('makes the folder of the file', () =>
    onNewPath(async (_path, folder) => {
      const path = join(folder, 'a', 'b', 'store.db');
      await withStore(path, (store) => append(store, sampleEvent('e1')));
      expect(existsSync(path)).toBe(true);
    }));

  test('a reader makes nothing', () =>
    onNewPath(async (path, folder) => {
      await expect(openAt(path, { readOnly: true })).rejects.toThrow(StoreUnavailable);
      expect(readdirSync(folder)).toEqual([]);
    }));

  test('a folder that cannot be made is named', () =>
    onNewPath(async (path) => {
      writeFileSync(path, 'a file');
      await expect(openAt(join(path, 'store.db'))).rejects.toThrow(StoreUnavailable);
    }));

  test.skipIf(process.getuid?.() === 0)(
    'a folder that cannot be written is named (skipped as root, who may write everywhere)',
    () =>
      onNewPath(async (path, folder) => {
        chmodSync(folder, 0o500);
        await expect(openAt(path)).rejects.toThrow(StoreUnavailable);
        chmodSync(folder, 0o700);
      }),
  );

  test('closes and leaves one file and the lock', () =>
    onNewPath(async (path, folder) => {
      await withStore(path, (store) => append(store, sampleEvent('e1')));
      expect(readdirSync(folder).sort()).toEqual(['store.db', 'store.db-lock']);
    }));
});

describe('a damaged page', () => {
  /** Overwrites the first leaf of a table, past the store. */
  function damage(path: string, table: string): void {
    const page = inFile(path, (database) =>
      database
        .prepare(`SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno LIMIT 1`)
        .get(table),
    );
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(4_096, 0xa5), 0, 4_096, (Number(page?.['pageno']) - 1) * 4_096);
    closeSync(file);
  }

  test('is found by a thorough report, fails what needs it, and disturbs nothing else', () =>
    onNewPath(async (path) => {
      // The index of streams is written after few events, so that opening does not have to read the damaged ones.
      const store = await openPaced(path, { generationEvents: 100, markEvery: 64 });
      for (let batch = 0; batch < 20; batch += 1)
        await append(
          store,
          ...sampleEvents(`${batch}-`, 100, { stream: `order-${batch}`, data: JSON.stringify('x'.repeat(200)) }),
        );
      await store.close();
      damage(path, 'events');
      await withStore(path, async (damaged) => {
        expect((await damaged.report(true)).problems.join()).toContain('the file is damaged');
        await expect(damaged.log.read({ limit: 10 })).rejects.toThrow(StoreUnusable);
        await expect(damaged.log.readStream('order-0', { limit: 10 })).rejects.toThrow(StoreUnusable);
        expect(await damaged.log.readStream('order-19', { limit: 1_000 })).toHaveLength(100);
        expect(await append(damaged, streamEvent('after', 'order-19'))).toMatchObject({ ok: true });
      });
    }));

  test('where opening needs it is named', () =>
    onNewPath(async (path) => {
      await withStore(path, (store) => append(store, sampleEvent('e1')));
      damage(path, 'log_state');
      await expect(openAt(path)).rejects.toThrow(StoreUnusable);
      await expect(openAt(path)).rejects.toThrow(/damaged/);
    }));
});
