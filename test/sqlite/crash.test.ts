import { copyFileSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/system/random.ts';
import type { Store } from '../../src/store.ts';
import { Child } from './process.ts';
import { allIds, append, onNewPath, openAt, sampleEvent, streamEvent, withStore } from './sqlite-bench.ts';

type Acknowledged = readonly (readonly [id: string, position: number])[];

/** What was acknowledged is there once, at its position; requests are whole; versions are gapless; the file is sound. */
async function isSound(store: Store, acknowledged: ReadonlyMap<string, number>, seed: string): Promise<void> {
  expect((await store.report(true)).problems).toEqual([]);
  const sizes = new Map<string, number>();
  const versions = new Map<string, number>();
  const positions = new Map<string, number>();
  for (
    let page = await store.log.read({ limit: 10_000 });
    page.length > 0;
    page = await store.log.read({ after: page.at(-1)?.position ?? (0 as never), limit: 10_000 })
  ) {
    for (const { id, stream, version, position, data } of page) {
      expect(positions.has(id), `${id} is there twice (seed ${seed})`).toBe(false);
      positions.set(id, position);
      expect(version, `${stream} at ${position} (seed ${seed})`).toBe((versions.get(stream) ?? 0) + 1);
      versions.set(stream, version);
      const request = id.slice(0, id.lastIndexOf('/'));
      sizes.set(request, (sizes.get(request) ?? (data as { size: number }).size) - 1);
    }
  }
  for (const [id, position] of acknowledged)
    expect(positions.get(id), `${id} was acknowledged (seed ${seed})`).toBe(position);
  expect(
    [...sizes].filter(([, missing]) => missing !== 0),
    `requests that are not whole (seed ${seed})`,
  ).toEqual([]);
  for (const [stream, version] of versions) expect((await store.log.streamState(stream)).version).toBe(version);
}

describe('a process that is killed while it writes', () => {
  test(
    'loses nothing that it acknowledged and leaves no half of a request (G1, G3, G5)',
    () =>
      onNewPath(async (path) => {
        const seed = process.env['CRASH_SEED'] ?? String(Date.now() % 1_000_000);
        const random = seededRandom(Number(seed));
        const acknowledged = new Map<string, number>();
        for (let life = 0; life < Number(process.env['CRASH_KILLS'] ?? 6); life += 1) {
          const child = new Child(path, 'publish', { seed: `${seed}-${life}` });
          await child.next();
          // Killed after a random number of acknowledgements: there is no time at which nothing is being written.
          const lines = Math.floor(random.next() * 2_000);
          for (let line = 0; line < lines; line += 1) await child.next();
          child.process.kill('SIGKILL');
          for (const line of await child.rest()) {
            if (!Array.isArray(line)) expect(line).toHaveProperty('head');
            else for (const [id, position] of line as Acknowledged) acknowledged.set(id, position);
          }
          await withStore(path, (store) => isSound(store, acknowledged, seed));
        }
        expect(acknowledged.size).toBeGreaterThan(0);
      }),
    120_000,
  );
});

describe('a write-ahead log that ends in the middle', () => {
  /** A store as a kill leaves it: the main file and a log with everything in it. */
  async function leftBehind(path: string, body: (left: string, wal: Buffer) => Promise<void>): Promise<void> {
    const store = await openAt(path);
    for (let count = 1; count <= 20; count += 1) await append(store, streamEvent(`e${count}`, 'order-1'));
    const left = `${path}-left`;
    copyFileSync(path, left);
    const wal = readFileSync(`${path}-wal`);
    await store.close();
    await body(left, wal);
  }

  /** The ids that are left are the first ones, without a hole, and the store goes on. */
  async function goesOn(path: string): Promise<number> {
    return withStore(path, async (store) => {
      const ids = await allIds(store);
      expect(ids).toEqual(Array.from({ length: ids.length }, (_, index) => `e${index + 1}`));
      expect((await store.log.streamState('order-1')).version).toBe(ids.length);
      expect((await store.report(true)).problems).toEqual([]);
      expect(await append(store, streamEvent('next', 'order-1'))).toMatchObject({
        ok: true,
        events: [{ version: ids.length + 1 }],
      });
      return ids.length;
    });
  }

  test('opens with everything before the torn frame (G1)', () =>
    onNewPath((path) =>
      leftBehind(path, async (left, wal) => {
        const main = readFileSync(left);
        const found = new Set<number>();
        for (const cut of [0, 1, 100, 4_096, 4_120, 5_000, 12_000, 40_000, wal.length - 32, wal.length]) {
          writeFileSync(left, main);
          writeFileSync(`${left}-wal`, wal.subarray(0, wal.length - cut));
          writeFileSync(`${left}-shm`, '');
          // A log without its beginning holds the schema too: then the file is an empty one.
          found.add(await goesOn(left));
        }
        expect(Math.max(...found)).toBe(20);
        expect(found.size).toBeGreaterThan(3);
      }),
    ));

  test('opens with everything before a frame that was written wrong (G1)', () =>
    onNewPath((path) =>
      leftBehind(path, async (left, wal) => {
        writeFileSync(`${left}-wal`, wal);
        const file = openSync(`${left}-wal`, 'r+');
        writeSync(file, 'garbage', wal.length - 2_000);
        expect(await goesOn(left)).toBe(19);
      }),
    ));

  test('a lock file and a shared-memory file of another time are no hindrance', () =>
    onNewPath(async (path) => {
      writeFileSync(`${path}-lock`, '');
      await withStore(path, (store) => append(store, sampleEvent('e1')));
      writeFileSync(`${path}-shm`, Buffer.alloc(32_768, 0xff));
      truncateSync(`${path}-lock`, 0);
      await withStore(path, async (store) => expect(await allIds(store)).toEqual(['e1']));
      expect(statSync(path).size).toBeGreaterThan(0);
    }));
});
