import type { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { APPLICATION_ID, SCHEMA_VERSION, migrate } from '../../src/backends/sqlite/migrate.ts';
import { logAndState } from '../../src/backends/sqlite/migrations/0001-log-and-state.ts';
import { position } from '../../src/event/position.ts';
import { Database } from '../../src/backends/sqlite/database.ts';
import { openFile } from '../../src/backends/sqlite/open-file.ts';
import { append, inFile, onNewPath, sampleEvent, withStore } from './sqlite-bench.ts';

function schemaOf(database: DatabaseSync): string {
  const head = ['application_id', 'user_version'].map(
    (pragma) => `PRAGMA ${pragma} = ${Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma])};`,
  );
  const statements = database
    .prepare(`SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid`)
    .all();
  return `${[...head, ...statements.map(({ sql }) => `${String(sql)};`)].join('\n\n')}\n`;
}

describe('the schema of a store', () => {
  test('schema.sql is what a new store has (after a change: npx vitest run test/sqlite/schema.test.ts -u)', () =>
    onNewPath(async (path) => {
      await withStore(path, async () => undefined);
      await expect(inFile(path, schemaOf)).toMatchFileSnapshot('../../src/backends/sqlite/schema.sql');
    }));

  test('a writer syncs every commit, and leaves checkpoints to the thread for them (G1)', () =>
    onNewPath(async (path) => {
      const { database, lock } = openFile(path, { readOnly: false, cacheBytes: 65_536 });
      expect(database.query('PRAGMA journal_mode').get()).toEqual(['wal']);
      expect(database.number('synchronous')).toBe(2);
      expect(database.number('wal_autocheckpoint')).toBe(0);
      database.close();
      lock?.release();
    }));

  test('a store of the first version is brought to this one, with what is set aside in it (G7)', () =>
    onNewPath(async (path) => {
      inFile(path, (database) => {
        database.exec(`${logAndState}; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1;`);
        database.exec(
          `INSERT INTO deliveries (consumer, position, key, state, attempts, priority) VALUES ('c', 1, 'k', 'parked', 2, 0)`,
        );
      });
      await withStore(path, async ({ deliveries }) => {
        expect(await deliveries.get('c', position(1))).toMatchObject({
          state: 'parked',
          attempts: 2,
          taken: undefined,
        });
      });
      expect(inFile(path, (file) => file.prepare('PRAGMA user_version').get())).toEqual({
        user_version: SCHEMA_VERSION,
      });
    }));

  test('a migration that fails leaves nothing of itself', () =>
    onNewPath(async (path) => {
      inFile(path, (database) => database.exec('CREATE TABLE holder (other TEXT)'));
      const database = new Database(path, { readOnly: false, cacheBytes: 65_536 });
      expect(() => migrate(database, undefined)).toThrow(/holder already exists/);
      database.close();
      const left = inFile(path, (file) =>
        file
          .prepare('SELECT name FROM sqlite_schema')
          .all()
          .map(({ name }) => name),
      );
      expect(left).toEqual(['holder']);
      expect(inFile(path, (file) => file.prepare('PRAGMA user_version').get())).toEqual({ user_version: 0 });
    }));

  test('people read every attribute by name in the view recorded_events', () =>
    onNewPath(async (path) => {
      await withStore(path, (store) =>
        append(
          store,
          sampleEvent('e1', {
            stream: 'order-1',
            subject: 'order-1',
            causationid: 'cause',
            attributes: { tenant: 'a' },
          }),
          sampleEvent('e2', { stream: 'order-1', correlationid: 'e1', encoding: 'none', data: null }),
        ),
      );
      const rows = inFile(path, (database) => database.prepare('SELECT * FROM recorded_events').all());
      expect(rows[0]).toMatchObject({
        position: 1,
        stream: 'order-1',
        version: 1,
        type: 'test.thing.happened',
        schema_version: 1,
        category: 'order',
        source: '/test',
        id: 'e1',
        subject: 'order-1',
        time: '2026-01-01T00:00:00.000Z',
        correlationid: 'e1',
        causationid: 'cause',
        attributes: '{"tenant":"a"}',
        encoding: 'json',
        data: '{"n":1}',
      });
      expect(String(rows[0]?.['recordedtime'])).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(rows[1]).toMatchObject({
        position: 2,
        version: 2,
        subject: null,
        correlationid: 'e1',
        causationid: null,
        data: null,
      });
    }));
});
