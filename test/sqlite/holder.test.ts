import { copyFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { sqlite } from '../../src/backends/sqlite/sqlite.ts';
import { StoreHeld, StoreReadOnly, StoreUnusable } from '../../src/errors.ts';
import { createEnvironment } from '../../src/system/environment.ts';
import { Child } from './process.ts';
import { append, onNewPath, openAt, sampleEvent, withStore } from './sqlite-bench.ts';

describe('one process writes to a file', () => {
  test('refuses a second writer of this process, naming the first', () =>
    onNewPath(async (path) => {
      const store = await openAt(path);
      await expect(openAt(path)).rejects.toThrow(StoreHeld);
      await expect(openAt(path)).rejects.toThrow(`process ${process.pid} on ${hostname()}`);
      await append(store, sampleEvent('still works'));
      await store.close();
      await withStore(path, async (next) => expect(await next.log.head()).toBe(1));
    }));

  test('refuses the file while another process holds it, naming that process and its address', () =>
    onNewPath(async (path) => {
      const child = new Child(path, 'hold');
      expect(await child.next()).toBe('holding');
      await expect(openAt(path)).rejects.toThrow(
        `process ${child.process.pid} on ${hostname()} (http://127.0.0.1:4600)`,
      );
      child.process.stdin.end();
      expect(await child.ended()).toEqual({ code: 0, errors: '' });
      await withStore(path, async () => undefined);
    }));

  test('a symbolic link is another name of the same file, not another file', () =>
    onNewPath(async (path) => {
      const store = await openAt(path);
      symlinkSync(path, `${path}-link`);
      await expect(openAt(`${path}-link`)).rejects.toThrow(StoreHeld);
      await store.close();
      await withStore(`${path}-link`, async (linked) => {
        await append(linked, sampleEvent('through the link'));
        await expect(openAt(path)).rejects.toThrow(StoreHeld);
      });
      await withStore(path, async (direct) => expect(await direct.log.head()).toBe(1));
    }));

  test.each(['removed', 'renamed', 'replaced'])(
    'acknowledges nothing any more when the file was %s while it is open (G1)',
    (how) =>
      onNewPath(async (path) => {
        await withStore(path, async (store) => {
          await append(store, sampleEvent('before'));
          if (how === 'removed') rmSync(path);
          else renameSync(path, `${path}-moved`);
          if (how === 'replaced') copyFileSync(`${path}-moved`, path);
          // The place is looked at once in a millisecond.
          const startMs = Date.now();
          while (Date.now() === startMs);
          await expect(append(store, sampleEvent('after'))).rejects.toThrow(StoreUnusable);
          if (how === 'removed') return;
          renameSync(`${path}-moved`, path);
          await append(store, sampleEvent('put back'));
        });
      }),
  );

  test('the file is free at once when its holder was killed', () =>
    onNewPath(async (path) => {
      const child = new Child(path, 'hold');
      await child.next();
      await child.kill();
      await withStore(path, async (store) => expect(await store.log.head()).toBe(0));
    }));

  test('a store that nobody closes keeps no process alive', () =>
    onNewPath(async (path) => {
      const child = new Child(path, 'leave');
      expect(await child.rest()).toEqual(['left']);
      expect(await child.ended()).toEqual({ code: 0, errors: '' });
      await withStore(path, async (store) => expect(await store.log.head()).toBe(30_000));
    }));
});

describe('reading beside a writer', () => {
  test('a reader in this process sees what another process appends, and is told of it', () =>
    onNewPath(async (path) => {
      const child = new Child(path, 'follow', { seed: 'f' });
      await child.next();
      const reader = await openAt(path, { readOnly: true });
      const heads: number[] = [];
      let told: (() => void) | undefined;
      const stop = reader.log.watch((head, events) => {
        expect(events).toBeUndefined();
        heads.push(head);
        told?.();
      });
      for (const count of [1, 2, 3]) {
        const announced = new Promise<void>((resolve) => (told = resolve));
        child.process.stdin.write('go\n');
        expect(await child.next()).toBe(count);
        expect(await reader.log.head()).toBe(count);
        expect((await reader.log.readStream('order-1', { limit: 10 })).map(({ id }) => id)).toEqual(
          Array.from({ length: count }, (_, index) => `f-${index + 1}`),
        );
        expect((await reader.log.streamState('order-1')).version).toBe(count);
        await announced;
      }
      expect(heads).toEqual([1, 2, 3]);
      stop();
      await expect(append(reader, sampleEvent('no'))).rejects.toThrow(StoreReadOnly);
      await reader.close();
      await child.kill();
    }));

  test('a reader opens what a killed writer left, without a writer', () =>
    onNewPath(async (path) => {
      const child = new Child(path, 'follow');
      await child.next();
      child.process.stdin.write('go\n');
      expect(await child.next()).toBe(1);
      await child.kill();
      await withStore(path, async (reader) => expect((await reader.log.find('/test', '0-1'))?.version).toBe(1), {
        readOnly: true,
      });
    }));

  test('a reader keeps no timer when nobody watches', () =>
    onNewPath(async (path) => {
      await withStore(path, async () => undefined);
      let timers = 0;
      const clock = { now: Date.now, setTimer: () => ((timers += 1), () => undefined) };
      const reader = await sqlite(path, { readOnly: true }).open(createEnvironment({ clock }));
      await reader.log.head();
      expect(timers).toBe(0);
      reader.log.watch(() => undefined);
      expect(timers).toBe(1);
      await reader.close();
    }));
});
