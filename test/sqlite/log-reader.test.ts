import { describe, expect, test } from 'vitest';
import { Database } from '../../src/backends/sqlite/database.ts';
import type { Query, SqlValue } from '../../src/backends/sqlite/database.ts';
import { InternedNames } from '../../src/backends/sqlite/interned-names.ts';
import { LogReader } from '../../src/backends/sqlite/log-reader.ts';
import type { EncodedEvent } from '../../src/event/event.ts';
import { position } from '../../src/event/position.ts';
import { append, onNewPath, sampleEvents, withStore } from './sqlite-bench.ts';

const PAGE_BYTES = 2_000_000;
const LARGE: Partial<EncodedEvent> = { data: JSON.stringify('x'.repeat(100_000)) };

/** A database that counts what its answers hold in memory. */
class CountingDatabase extends Database {
  rows = 0;
  largestAnswer = 0;

  override query<Row extends readonly SqlValue[]>(sql: string): Query<Row> {
    const query = super.query<Row>(sql);
    return {
      get: (...parameters) => query.get(...parameters),
      iterate: (...parameters) => query.iterate(...parameters),
      all: (...parameters) => {
        const rows = query.all(...parameters);
        this.rows += rows.length;
        this.largestAnswer = Math.max(this.largestAnswer, rows.length);
        return rows;
      },
    };
  }
}

async function onLog(
  events: readonly (readonly EncodedEvent[])[],
  body: (reader: LogReader, database: CountingDatabase) => void,
): Promise<void> {
  await onNewPath(async (path) => {
    await withStore(path, async (store) => {
      for (const batch of events) await append(store, ...batch);
    });
    const database = new CountingDatabase(path, { readOnly: true, cacheBytes: 1_000_000 });
    try {
      body(new LogReader(database, new InternedNames(database)), database);
    } finally {
      database.close();
    }
  });
}

describe('a page of the log that is bounded in bytes (G10)', () => {
  test('never asks for more than 64 rows at once, however small the ones before were', async () => {
    await onLog([sampleEvents('small', 400), sampleEvents('large', 200, LARGE)], (reader, database) => {
      for (let round = 0; round < 3; round += 1) {
        expect(reader.read({ limit: 400, maxBytes: PAGE_BYTES }).length).toBe(400);
        expect(reader.read({ after: position(400), limit: 500, maxBytes: PAGE_BYTES }).length).toBe(10);
      }
      expect(database.largestAnswer).toBeLessThanOrEqual(64);
    });
  });

  test('reads of large events little more than it answers', async () => {
    await onLog([sampleEvents('large', 200, LARGE)], (reader, database) => {
      let answered = 0;
      let after = 0;
      for (;;) {
        const page = reader.read({ after: position(after), limit: 256, maxBytes: PAGE_BYTES });
        const last = page.at(-1);
        if (last === undefined) break;
        answered += page.length;
        after = last.position;
      }
      expect(answered).toBe(200);
      // Before the first page nobody knows how large they are.
      expect(database.rows).toBeLessThanOrEqual(200 + 64 + 20);
    });
  });
});
