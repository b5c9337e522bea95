import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pendingMigrations } from '../../src/backends/sqlite/migrate.ts';
import { ERASABLE_NAMESPACE } from '../../src/consumer/row-store.ts';
import type { RowWrite } from '../../src/consumer/row-store.ts';
import { seededRandom } from '../../src/system/random.ts';
import type { Random } from '../../src/system/random.ts';
import type { Store } from '../../src/store.ts';
import { inFile, onNewPath, withStore } from './sqlite-bench.ts';

const KEYS = 30_000;

interface Key {
  readonly id: string;
  readonly secret: string;
}

function newKey(random: Random): Key {
  const text = (bytes: number) => Buffer.from(random.bytes(bytes)).toString('base64url');
  return { id: text(12), secret: text(32) };
}

function rowOf({ id, secret }: Key, isGone = false): RowWrite {
  return { namespace: ERASABLE_NAMESPACE, key: id, value: isGone ? undefined : { secret }, indexes: { of: id } };
}

async function put(store: Store, writes: readonly RowWrite[]): Promise<void> {
  for (let from = 0; from < writes.length; from += 100) await store.rows.put(writes.slice(from, from + 100));
}

/** Secrets that are in some byte of the file, or of what is written ahead of it. */
function inBytes(path: string, keys: readonly Key[]): readonly Key[] {
  const folder = dirname(path);
  const found = new Set<string>();
  for (const name of readdirSync(folder))
    for (const [text] of readFileSync(join(folder, name), 'latin1').matchAll(/(?<="secret":")[\w-]{43}(?=")/gu))
      found.add(text);
  return keys.filter(({ secret }) => found.has(secret));
}

describe('values that leave nothing in a file of SQLite', () => {
  test('are in no byte of it once their rows are removed or replaced, however often rows are moved; those of others are', () =>
    onNewPath(async (path) => {
      const random = seededRandom(7);
      const keys = Array.from({ length: KEYS }, () => newKey(random));
      const gone = keys.filter((_, index) => index % 3 === 0);
      const replaced = keys.filter((_, index) => index % 30 === 1);
      await withStore(path, async (store) => {
        store.erasure?.begin();
        await put(
          store,
          keys.map((key) => rowOf(key)),
        );
        await store.erasure?.emptied(async () => {
          await put(
            store,
            gone.map((key) => rowOf(key, true)),
          );
          await put(
            store,
            replaced.map(({ id }) => rowOf({ id, secret: newKey(random).secret })),
          );
        });
        expect(inBytes(path, [...gone, ...replaced])).toEqual([]);
        expect(inBytes(path, keys)).toHaveLength(KEYS - gone.length - replaced.length);
        expect(await store.rows.count(ERASABLE_NAMESPACE)).toBe(KEYS - gone.length);
        const [first, second, third] = keys.slice(0, 3).map(({ id }) => id) as [string, string, string];
        expect(await store.rows.getMany(ERASABLE_NAMESPACE, [first, third])).toEqual([
          undefined,
          { secret: keys[2]?.secret },
        ]);
        const where = [{ index: 'of', op: '=', value: third }] as const;
        expect(await store.rows.query(ERASABLE_NAMESPACE, { where, limit: 2 })).toMatchObject([
          { key: third, value: { secret: keys[2]?.secret } },
        ]);
        expect(await store.rows.get(ERASABLE_NAMESPACE, second)).not.toEqual({ secret: keys[1]?.secret });
        await store.erasure?.emptied(() => store.rows.clear(ERASABLE_NAMESPACE));
        expect(inBytes(path, keys)).toEqual([]);
      });
    }));

  test('are brought there from a store of the version before, where they were rows like all others', () =>
    onNewPath(async (path) => {
      const random = seededRandom(8);
      const keys = Array.from({ length: 100 }, () => newKey(random));
      inFile(path, (database) => {
        const before = pendingMigrations(0).sql.split('BEGIN;').slice(0, 6).join('BEGIN;');
        database.exec(before);
        database.exec(`INSERT INTO namespaces (name) VALUES ('other'), ('${ERASABLE_NAMESPACE}')`);
        const insert = database.prepare('INSERT INTO rows VALUES (?, ?, ?, NULL)');
        for (const { id, secret } of keys) insert.run(2, id, JSON.stringify({ secret }));
        insert.run(1, 'a', '{"of":"another"}');
      });
      await withStore(path, async ({ rows }) => {
        for (const { id, secret } of keys) expect(await rows.get(ERASABLE_NAMESPACE, id)).toEqual({ secret });
        expect(await rows.get('other', 'a')).toEqual({ of: 'another' });
      });
      const [kept] = inFile(path, (file) => file.prepare('SELECT count(*) AS n FROM kept_apart').all());
      expect(kept).toEqual({ n: 100 });
    }));
});
