import { describe, expect, test } from 'vitest';
import { Database } from '../../src/backends/sqlite/database.ts';
import type { Write } from '../../src/backends/sqlite/group-commit.ts';
import { GroupCommit } from '../../src/backends/sqlite/group-commit.ts';
import { Closed, StoreDefect, StoreUnavailable, SystemFull } from '../../src/errors.ts';
import { append, inFile, onNewPath, sampleEvent, streamEvent, withStore } from './sqlite-bench.ts';

/** A group commit over a table of numbers, and a record of what it did. */
async function onNumbers(
  limits: { requests: number; bytes: number },
  body: (bench: NumbersBench) => Promise<void>,
): Promise<void> {
  await onNewPath(async (path) => {
    const database = new Database(path, { readOnly: false, cacheBytes: 1_048_576 });
    database.execute('PRAGMA journal_mode = WAL; CREATE TABLE numbers (number ANY UNIQUE)');
    const steps: string[] = [];
    const record = (step: string) => () => void steps.push(step);
    const writes = new GroupCommit({
      database,
      store: path,
      limits,
      steps: {
        begin: record('begin'),
        finish: () => {
          steps.push('finish');
          return true;
        },
        committed: record('committed'),
        settled: () => undefined,
        rolledBack: record('rolledBack'),
      },
    });
    const submit = (number: number | string, apply?: () => void, bytes = 10) =>
      new Promise<number | string>((resolve, reject) => {
        const write: Write = {
          bytes,
          apply() {
            database.change('INSERT INTO numbers VALUES (?)').run(number);
            apply?.();
          },
          settle: () => resolve(number),
          fail: reject,
        };
        writes.submit(write);
      });
    const numbers = () =>
      database
        .query<[number]>('SELECT number FROM numbers ORDER BY rowid')
        .all()
        .map(([number]) => number);
    await body({ database, writes, steps, submit, numbers });
    database.close();
  });
}

interface NumbersBench {
  readonly database: Database;
  readonly writes: GroupCommit;
  readonly steps: string[];
  readonly submit: (number: number | string, apply?: () => void, bytes?: number) => Promise<number | string>;
  readonly numbers: () => readonly number[];
}

const WIDE = { requests: 100_000, bytes: 1_000_000_000 };

describe('writes that arrive together', () => {
  test('share one transaction, in the order of the calls', () =>
    onNumbers(WIDE, async ({ submit, numbers, steps }) => {
      expect(await Promise.all([1, 2, 3].map((number) => submit(number)))).toEqual([1, 2, 3]);
      expect(steps).toEqual(['begin', 'finish', 'committed']);
      expect(numbers()).toEqual([1, 2, 3]);
    }));

  test('callers that one flush wakes find themselves in one flush again, however many promises they go through', () =>
    onNumbers(WIDE, async ({ submit, steps }) => {
      const caller = async (number: number) => {
        for (let turn = 0; turn < 5; turn += 1) {
          await submit(`${number}/${turn}`);
          for (let hop = 0; hop < number % 7; hop += 1) await Promise.resolve();
        }
      };
      await Promise.all(Array.from({ length: 50 }, (_, number) => caller(number)));
      expect(steps.filter((step) => step === 'committed')).toHaveLength(5);
    }));

  test('timers and sockets get their turn while somebody always writes', () =>
    onNumbers(WIDE, async ({ submit }) => {
      let turns = 0;
      const timer = setInterval(() => (turns += 1), 1);
      for (let number = 0; number < 3_000; number += 1) await submit(number);
      clearInterval(timer);
      expect(turns).toBeGreaterThan(3);
    }));
});

describe('a write that throws', () => {
  test('is alone in failing: the others of its transaction are written (G3)', () =>
    onNumbers(WIDE, async ({ submit, numbers, steps }) => {
      const defect = new Error('a defect');
      const throwing = () => {
        throw defect;
      };
      const outcomes = await Promise.allSettled([submit(1), submit(2, throwing), submit(3), submit(1), submit(4)]);
      expect(outcomes.map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      expect(outcomes[1]).toMatchObject({ reason: defect });
      expect(numbers()).toEqual([1, 3, 4]);
      expect(steps).toEqual(['begin', 'rolledBack', 'begin', 'rolledBack', 'begin', 'finish', 'committed']);
    }));

  test('is taken back where it can be, without another transaction (G3)', () =>
    onNumbers(WIDE, async ({ database, writes, submit, numbers, steps }) => {
      const insert = (number: number) => database.change('INSERT INTO numbers VALUES (?)').run(number);
      const taken = new Promise((_resolve, reject) => {
        writes.submit({
          bytes: 1,
          apply() {
            insert(7);
            throw new Error('after a change');
          },
          takeBack: () => void database.change('DELETE FROM numbers WHERE number = 7').run(),
          settle: () => undefined,
          fail: reject,
        });
      });
      await Promise.all([submit(1), expect(taken).rejects.toThrow('after a change'), submit(2)]);
      expect(numbers()).toEqual([1, 2]);
      expect(steps).toEqual(['begin', 'finish', 'committed']);
    }));

  test('when the medium fails all writes of the flush fail, and later ones are written (G1, G3)', () =>
    onNumbers(WIDE, async ({ database, submit, numbers }) => {
      await submit(1);
      database.execute(`PRAGMA max_page_count = ${database.number('page_count')}`);
      const outcomes = await Promise.allSettled([submit(2), submit('x'.repeat(10_000)), submit(3)]);
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({ status: 'rejected' });
        expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(StoreUnavailable);
        expect(String((outcome as PromiseRejectedResult).reason)).toContain('the disk is full');
      }
      expect(numbers()).toEqual([1]);
      expect(await submit(4)).toBe(4);
      expect(numbers()).toEqual([1, 4]);
    }));
});

describe('what waits is bounded (G10)', () => {
  test('refuses a request too many with a hint when to come again, and takes it later', () =>
    onNumbers({ requests: 10, bytes: 1_000_000 }, async ({ submit, writes, numbers }) => {
      const accepted = Array.from({ length: 10 }, (_, number) => submit(number));
      expect(writes.waiting).toBe(10);
      const refused = submit(10);
      await expect(refused).rejects.toThrow(SystemFull);
      await expect(refused).rejects.toMatchObject({ retry: 'after', retryAfterMs: 100 });
      await Promise.all(accepted);
      expect(await submit(10)).toBe(10);
      expect(numbers()).toHaveLength(11);
    }));

  test('refuses bytes too many, but never one large write alone', () =>
    onNumbers({ requests: 1_000, bytes: 1_000 }, async ({ submit }) => {
      const alone = submit(1, undefined, 5_000);
      await expect(submit(2, undefined, 1)).rejects.toThrow(SystemFull);
      await alone;
      const fits = [submit(3, undefined, 600), submit(4, undefined, 400)];
      await expect(submit(5, undefined, 1)).rejects.toThrow(SystemFull);
      await Promise.all(fits);
    }));

  test('a full store refuses with SystemFull and writes everything that it accepted', () =>
    onNewPath((path) =>
      withStore(
        path,
        async (store) => {
          const outcomes = await Promise.allSettled(
            Array.from({ length: 150 }, (_, index) => append(store, sampleEvent(`e${index}`))),
          );
          const refused = outcomes.flatMap((outcome) =>
            outcome.status === 'rejected' ? [outcome.reason as Error] : [],
          );
          expect(refused).toHaveLength(50);
          for (const reason of refused) expect(reason).toBeInstanceOf(SystemFull);
          expect(await store.log.head()).toBe(100);
          expect(store.pressure()).toEqual({ waiting: 0, limit: 100 });
        },
        { maxWaiting: { requests: 100 } },
      ),
    ));
});

describe('closing', () => {
  test('writes what waits and refuses what comes later (G1)', () =>
    onNumbers(WIDE, async ({ submit, writes, numbers }) => {
      const waiting = Array.from({ length: 5_000 }, (_, number) => submit(number));
      writes.close();
      expect(numbers()).toHaveLength(5_000);
      await Promise.all(waiting);
      await expect(submit(5_001)).rejects.toThrow(Closed);
    }));
});

describe('20,000 appends at once', () => {
  test('each has its own outcome: conflicts, duplicates and other content harm no neighbour (G2, G3, G4)', () =>
    onNewPath((path) =>
      withStore(path, async (store) => {
        const kinds = Array.from({ length: 20_000 }, (_, index) => index % 5);
        const outcomes = await Promise.all(
          kinds.map((kind, index) => {
            const stream = `order-${index % 100}`;
            const id = `e${index - (kind === 3 || kind === 4 ? kind : 0)}`;
            const first = streamEvent(id, `order-${(index - (kind === 3 || kind === 4 ? kind : 0)) % 100}`);
            switch (kind) {
              case 1:
                return store.log.append({
                  events: [streamEvent(id, stream), streamEvent(`${id}b`, stream)],
                  expected: [{ stream, version: 1_000_000 }],
                  onDuplicate: 'verify',
                });
              case 3:
                return store.log.append({ events: [first], onDuplicate: 'verify' });
              case 4:
                return store.log.append({
                  events: [streamEvent(`${id}new`, stream), { ...first, data: '{"n":2}' }],
                  onDuplicate: 'verify',
                });
              default:
                return store.log.append({ events: [streamEvent(id, stream)], onDuplicate: 'verify' });
            }
          }),
        );
        for (const [index, outcome] of outcomes.entries()) {
          const expected = [
            { ok: true, events: [{ duplicate: false }] },
            { ok: false, reason: 'version-conflict' },
            { ok: true, events: [{ duplicate: false }] },
            { ok: true, events: [{ duplicate: true }] },
            { ok: false, reason: 'content-conflict' },
          ][index % 5];
          expect(outcome).toMatchObject(expected ?? {});
        }
        expect(await store.log.head()).toBe(8_000);
        const problems = await store.report(true);
        expect(problems.problems).toEqual([]);
      }),
    ));
});

describe('the store after an injected error', () => {
  test('a flush that the database refuses leaves memory and file in agreement (G3, G5)', () =>
    onNewPath(async (path) => {
      await withStore(path, async (store) => {
        await append(store, streamEvent('e1', 'order-1'));
        // Past the store: whatever writes this id fails in the middle of its transaction.
        inFile(path, (database) =>
          database.exec(
            `CREATE TRIGGER fault BEFORE INSERT ON events WHEN new.id = 'bad' BEGIN SELECT RAISE(FAIL, 'injected'); END`,
          ),
        );
        const outcomes = await Promise.allSettled([
          append(
            store,
            streamEvent('e2', 'order-1'),
            streamEvent('o1', 'other-1', { type: 'new.type', source: '/new' }),
          ),
          append(store, streamEvent('e3', 'order-1'), streamEvent('bad', 'order-1')),
          append(store, streamEvent('e4', 'order-1')),
        ]);
        expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        expect((outcomes[1] as PromiseRejectedResult).reason).toBeInstanceOf(StoreDefect);
        expect(
          (await store.log.readStream('order-1', { limit: 10 })).map(({ id, version, position }) => [
            id,
            version,
            position,
          ]),
        ).toEqual([
          ['e1', 1, 1],
          ['e2', 2, 2],
          ['e4', 3, 4],
        ]);
        expect((await store.log.find('/new', 'o1'))?.type).toBe('new.type');
        expect((await store.report(true)).problems).toEqual([]);
      });
    }));
});
